"""The numbers of a claim by unit: one for each seed, split or group of images, so that what shares a unit is paired."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from advbook import ledger
from advbook.selection import matches, number_of

NAMES = ("seed", "split", "first")  # parameters that number units: of trainings, of splits of images, of groups of them
_INSIDE = ("spec", "target")  # what a measurement is made of; its seed counts, and not another seed beside it

Unit = tuple[tuple[str, int], ...]


@dataclass
class Value:
    """One value of a claim: its number in each unit, the record behind it and, where the images count, their row."""

    numbers: dict[Unit, float] = field(default_factory=dict)
    records: dict[Unit, ledger.Record] = field(default_factory=dict)
    images: dict[Unit, np.ndarray] = field(default_factory=dict)
    scale: float = 1


def value(name: str, selection: dict, records: Iterable[ledger.Record]) -> Value:
    """What ``selection`` takes from the records, by unit.

    ``ValueError`` if records differ in a parameter that numbers no unit and that the selection does not name, or if a
    unit has two: that would be two settings in one sample, or one unit counted twice.
    """
    found, settings = Value(scale=selection.get("scale", 1)), {}  # type: ignore[var-annotated]
    for record in records:
        if not matches(selection, record) or (number := number_of(selection, record)) is None:
            continue
        unit = unit_of(record.parameters)
        settings |= {ledger.canonical(setting_of(record.parameters)): record.parameters}
        if len(settings) > 1:
            first, second = (dict(_leaves(setting_of(each))) for each in settings.values())
            differ = sorted(key for key in {*first, *second} if first.get(key) != second.get(key))
            raise ValueError(
                f"value {name} takes two settings of {record.name} as one sample, which differ in "
                f"{', '.join(differ)}; say in `where` which is meant"
            )
        if unit in found.numbers:
            text = ", ".join(f"{key} {number}" for key, number in unit) or "its only unit"
            raise ValueError(f"value {name} takes {text} of {record.name} twice")
        found.numbers[unit], found.records[unit] = number, record
        if "bits" in selection:
            found.images[unit] = _row(name, selection, record)
    return found


def unit_of(parameters: dict) -> Unit:
    """Which unit a record is of: its seed, split and group of images, those that it has; a group ends somewhere."""
    names = (*NAMES, "images") if _number(parameters, "first") is not None else NAMES
    return tuple((name, number) for name in names if (number := _number(parameters, name)) is not None)


def _number(parameters: dict, name: str) -> int | None:
    places = [parameters.get(place) for place in _INSIDE] + [parameters] + list(parameters.values())
    return next((place[name] for place in places if isinstance(place, dict) and isinstance(place.get(name), int)), None)


def setting_of(parameters: dict) -> dict:
    """The parameters without those that number units."""
    return {
        key: setting_of(one) if isinstance(one, dict) else one
        for key, one in parameters.items()
        if isinstance(one, dict) or key.removeprefix("target_") not in NAMES
    }


def _leaves(parameters: dict, place: str = ""):
    for key, one in parameters.items():
        if isinstance(one, dict):
            yield from _leaves(one, f"{place}{key}.")
        else:
            yield f"{place}{key}", one


def _row(name: str, selection: dict, record: ledger.Record) -> np.ndarray:
    """The truth values by image behind a rate, (m,): ``bits`` is the array's name and, after dots, its indices."""
    array, *indices = str(selection["bits"]).split(".")
    images = record.values.get("trials", record.parameters.get("images"))
    try:
        row = np.unpackbits(record.arrays[array][tuple(map(int, indices))], count=images).astype(bool)
    except (KeyError, IndexError, TypeError, ValueError):
        raise ValueError(
            f"value {name}: a record of {record.name} has no bits by image at {selection['bits']}"
        ) from None
    rate = number_of({**selection, "scale": 1}, record)
    if abs(row.mean() - rate) > 0.5 / len(row):
        raise ValueError(
            f"value {name}: the bits at {selection['bits']} have a rate of {row.mean():.4g}, the record "
            f"of {record.name} says {rate:.4g}"
        )
    return row
