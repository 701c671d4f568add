"""The proof that a change of rounding leaves recorded numbers as they are: a tenth of them is measured again.

A formula that is equal in exact arithmetic alters last bits, so that :mod:`advbook.restamp`, which compares bits, has
nothing to say. Here a tenth of the changed records of each function and kind of call, at least one, is made again by
the present code at full size. If all have the recorded numbers, and no example met the condition that the change is
for (a network surer than float32 can tell, see :func:`advutils.attacks.counting_sure`), all records of that kind get
the present code hash, and their provenance says why. What was tried is kept in ``_build/spot-check``, one file a
record, so that a check which is cut goes on where it was.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from advbook import ledger, paths, provenance, restamp
from advutils import attacks
from advutils.core import files

SHARE = 10  # one record in so many is made again
CLOSE = 1e-4  # relative: what distances, losses and times' ratios may differ by
REASON = "a tenth of the records of this kind, made again at full size by the present code, has the recorded numbers"


@dataclass
class Kind:
    """The changed records of one function and kind of call, those that were made again, and what became of them."""

    function: str
    records: list[ledger.Record]
    tried: list[dict] = field(default_factory=list)

    @property
    def chosen(self) -> list[ledger.Record]:
        """A tenth, at least one: the first in the order of their keys, which are hashes."""
        ordered = sorted(self.records, key=lambda record: record.path.name)
        return ordered[: -(-len(ordered) // SHARE)]

    @property
    def why(self) -> str:
        """Why nothing is proved; empty if it is."""
        return next((tried["why"] for tried in self.tried if tried["why"]), "")


def kinds(only: tuple[Path, ...] = ()) -> list[Kind]:
    """The changed records (under the paths ``only``) by function and kind of call, without those that measure time."""
    found: dict[str, Kind] = {}
    for record in restamp.changed(only):
        function = record.provenance["function"]
        if not function.startswith(restamp.TIMED):
            key = json.dumps([function, restamp.kind(record.parameters)], sort_keys=True)
            found.setdefault(key, Kind(function, [])).records.append(record)
    return list(found.values())


def check(only: tuple[Path, ...] = (), *, report: Callable[[str], None] = print) -> Iterator[Kind]:
    """Make the chosen records of each kind again, cheapest kinds first, and stamp the records of those that hold.

    A kind ends at its first record that does not hold. Yields each kind when it is done.
    """
    for kind in sorted(kinds(only), key=lambda kind: sum(r.provenance["seconds"] for r in kind.chosen)):
        for record in kind.chosen:
            kind.tried.append(_kept(record))
            report(f"{record.path.relative_to(paths.results())}: {kind.tried[-1]['why'] or 'holds'}")
            if kind.why:
                break
        else:
            for record in kind.records:
                restamp.stamp(record, _entry(record, kind))
            restamp.relist([], "no proof was tried")
        yield kind


def _kept(record: ledger.Record) -> dict:
    """What making a record again gave, now or before with the same code."""
    code = ledger.code_of(record)
    path = paths.build() / "spot-check" / f"{record.path.stem}-{code}.json"
    if not path.exists():
        files.write_atomic(path, json.dumps(_made_again(record) | {"code": code}).encode())
    return json.loads(path.read_bytes())


def _made_again(record: ledger.Record) -> dict:
    import torch

    started = time.perf_counter()
    torch.set_num_threads(record.provenance["machine"]["threads"])  # sums in another order have other last bits
    with attacks.counting_sure() as counts:
        rows = ledger.again(record)
    other = [row for row in rows if "seconds" not in row[0] and not same(row[1], row[2], images(record.parameters))]
    why = "" if not counts.sure else f"{counts.sure} of {counts.looks} gradients were of examples beyond the margin"
    if other:
        name, then, now = other[0]
        why = f"{len(other)} of {len(rows)} values differ: {name} was {then}, is {now}"
    made = {"record": record.path.relative_to(paths.results()).as_posix(), "why": why, "gradients": counts.looks}
    return made | {"values": len(rows), "seconds": time.perf_counter() - started, "date": provenance.now()}


def images(parameters: dict) -> int:
    """How many images a record's rates are of: the largest number that is called ``images``, 0 if none is."""
    named = [n for place, n in ledger.leaves(parameters) if place.rpartition(".")[2] == "images"]
    return max((n for n in named if isinstance(n, int)), default=0)


def same(then, now, images: int) -> bool:
    """Whether two values are the same: rates on ``images`` images within one image, other numbers to 1e-4."""
    if any(isinstance(value, bool | str) or value is None for value in (then, now)):
        return then == now
    if images and all(0 <= value <= 1 and abs(value * images - round(value * images)) < 1e-6 for value in (then, now)):
        return abs(then - now) * images < 1 + 1e-6
    return math.isclose(then, now, rel_tol=CLOSE, abs_tol=1e-12)


def _entry(record: ledger.Record, kind: Kind) -> dict:
    tried = [{name: each[name] for name in ("record", "gradients", "values", "date")} for each in kind.tried]
    return {
        "reason": REASON,
        "commits": [record.provenance.get("commit"), provenance.commit()["commit"]],
        "code": record.provenance["code"],
        "records": tried,
        "of": len(kind.records),
        "machine": provenance.machine(),
        "date": provenance.now(),
    }
