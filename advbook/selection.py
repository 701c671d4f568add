"""Which numbers of which records a value of a claim means."""

from __future__ import annotations

import math

from advbook import ledger


def select(selection: dict, records: list[ledger.Record]) -> list[float]:
    """One number per record that matches ``from`` and ``where`` (null: parameter absent; a list: any of it, or the
    very list where the parameter is one; a mapping: entries that the parameter has, among others): what lies along
    ``take``, or the mean of several such paths, less what lies along ``minus``. Numbers of one record are not
    independent, so they are joined here and not in a rule. A null counts as no record: there was nothing to measure."""
    found = [number_of(selection, record) for record in records if matches(selection, record)]
    return [number for number in found if number is not None]


def number_of(selection: dict, record: ledger.Record) -> float | None:
    """What the selection takes from one record; None for a null."""
    try:
        sides = [_take(record.values, selection[side]) for side in ("take", "minus") if side in selection]
    except (KeyError, IndexError, ValueError, TypeError):
        places = " or ".join(str(selection[side]) for side in ("take", "minus") if side in selection)
        raise ValueError(f"a record of {record.name} has no number at {places}") from None
    return None if None in sides else (sides[0] - sum(sides[1:])) * selection.get("scale", 1)  # type: ignore[arg-type, operator]


def matches(selection: dict, record: ledger.Record) -> bool:
    return record.name == selection["from"] and all(
        _same(record.parameters.get(name), wanted) for name, wanted in (selection.get("where") or {}).items()
    )


def _same(found, wanted) -> bool:
    if isinstance(wanted, list) and not isinstance(found, list):
        return any(_same(found, one) for one in wanted)
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(_same(found.get(name), one) for name, one in wanted.items())
    if isinstance(wanted, float) and math.isinf(wanted):
        wanted = "inf"  # JSON has no infinity; YAML's .inf and the word mean the same
    return found == wanted


def _take(values, path: str | list[str]) -> float | None:
    if isinstance(path, list):
        parts = [_take(values, one) for one in path]
        return None if None in parts else sum(parts) / len(parts)  # type: ignore[arg-type]
    for step in str(path).split("."):
        values = values[int(step)] if isinstance(values, list) else values[step]
    if values is None:
        return None
    return sum(values) / len(values) if isinstance(values, list) else float(values)
