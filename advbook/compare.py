"""Two sets of records side by side, for instance the published ones and those that a reader made at home."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from advbook import ledger, statistics, units

EQUAL, ROUNDED, AGREES, DIFFERS, OPEN = "equal", "rounding", "agrees", "differs", "open"
ROUNDING = 1e-6  # relative: some units in the last place of float32, in which most of the book computes
VERDICTS = {
    EQUAL: "to the last digit",
    ROUNDED: f"no two differ by more than {ROUNDING:g} of their size, which other processors explain",
    AGREES: "the 95 % interval of the difference contains 0",
    DIFFERS: "it does not",
    OPEN: "fewer than two seeds, splits or groups a side: no interval",
}
Numbers = dict[units.Unit, float]


@dataclass(frozen=True)
class Row:
    """One number of one measurement under one setting: its mean on both sides, and what became of their difference."""

    measurement: str
    setting: dict
    value: str
    first: float
    second: float
    n: int
    low: float
    high: float
    verdict: str


def rows(first: Path, second: Path) -> tuple[list[Row], list[ledger.DamagedRecord]]:
    """A row for each number that both folders of records (as ``results``) have, and the records that cannot be read.

    ``ValueError`` if a folder has no records, or the two have no measurement and setting in common.
    """
    damaged: list[ledger.DamagedRecord] = []
    sides = [_numbers(folder, damaged) for folder in (first, second)]
    shared = [key for key in sides[0] if key in sides[1]]
    if not shared and not damaged:
        raise ValueError(f"{first} and {second} have no measurement under the same setting in common")
    return [_row(*key, *(side[key] for side in sides)) for key in shared], damaged


def _numbers(folder: Path, damaged: list) -> dict[tuple[str, str, str], Numbers]:
    """(measurement, setting as JSON, value) -> its number in each unit."""
    found: dict = {}
    files = sorted(folder.resolve().glob("*/*/*/*.json"))
    if not files:
        raise ValueError(f"{folder} has no records; name a folder as results, with PROFILE/CHAPTER/... in it")
    for path in files:
        try:
            record = ledger.read(path)
        except ledger.DamagedRecord as error:
            damaged.append(error)
            continue
        if ledger.is_network(record):
            continue
        setting = ledger.canonical(units.setting_of(record.parameters))
        for value, number in _leaves(record.values):
            key = ("/".join(path.parts[-4:-1]), setting, value)
            found.setdefault(key, {})[units.unit_of(record.parameters)] = number
    return found


def _leaves(values: dict) -> Iterable[tuple[str, float]]:
    for place, found in ledger.leaves(values):
        if isinstance(found, int | float) and not isinstance(found, bool):
            yield place, float(found)


def _row(measurement: str, setting: str, value: str, a: Numbers, b: Numbers) -> Row:
    both = [unit for unit in a if unit in b]
    if len(both) >= 2 or len(both) == len(a) == len(b):
        one, two = [a[unit] for unit in both], [b[unit] for unit in both]
        estimate = statistics.mean([x - y for x, y in zip(one, two, strict=True)])
    else:  # other seeds: nothing is shared
        one, two = list(a.values()), list(b.values())
        estimate = statistics.welch(one, two)
    low, high = estimate.interval()
    if both and one == two:
        verdict, low, high = EQUAL, 0.0, 0.0
    elif both and all(math.isclose(x, y, rel_tol=ROUNDING) for x, y in zip(one, two, strict=True)):
        verdict = ROUNDED
    elif math.isinf(high):
        verdict = OPEN
    else:
        verdict = AGREES if low <= 0 <= high else DIFFERS
    first, second = (sum(side) / len(side) for side in (one, two))
    return Row(measurement, json.loads(setting), value, first, second, estimate.n, low, high, verdict)
