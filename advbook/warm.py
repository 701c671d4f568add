"""What every process that runs a page needs, done once: the process from which they are forked imports this module.

It starts no threads, which do not survive a fork, and asks for no GPU.
"""

from __future__ import annotations

import matplotlib.pyplot
import torch

from advbook import claims, engine, ledger, page

matplotlib.use("agg")
LOADED = (torch, engine, page)

try:
    claims.evaluate()  # reads the records and judges the claims; both stay in memory, as do the hashes of the code
    for record in ledger.survey()[0]:
        ledger.stale(record)
except ValueError:
    pass  # pages that ask for verdicts get the error themselves
