"""For the tests of rules: a claim, records for it, and its verdict on them."""

import json
from pathlib import Path

from advbook import claims


class Record:
    """What a claim reads of a record."""

    def __init__(self, error, seed, name="net", arrays=None, **parameters):
        self.name, self.parameters = name, {"kind": "plain", "seed": seed} | parameters
        self.values, self.arrays = {"error": error, "trials": 16}, arrays or {}
        self.provenance = {"seconds": 60.0, "machine": {"threads": 2}}
        self.path = Path(f"{name}-{json.dumps(self.parameters, default=str)}.json")


CLAIM = {
    "id": "x",
    "chapter": "c",
    "units": 3,
    "values": {
        "plain": {"from": "net", "where": {"kind": "plain"}, "take": "error"},
        "trained": {"from": "net", "where": {"kind": "trained"}, "take": "error"},
    },
    "rule": [{"effect": "plain - trained", "paper": 1.0, "within": 0.5}],
}
PLAIN = (5.0, 6.0, 7.5)  # networks of different seeds differ far more than the two of one seed


def records(*effects, plain=PLAIN):
    """Networks without and with training, seed by seed; ``effects``: how much lower the second are."""
    return [Record(error, seed) for seed, error in enumerate(plain)] + [
        Record(plain[seed] - effect, seed, kind="trained") for seed, effect in enumerate(effects)
    ]


def judged(found, own=None, **changes):
    return claims.verdict_of(CLAIM | changes, found, own=own)
