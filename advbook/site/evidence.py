"""The records that a claim rests on: which number of which record, unit by unit."""

from __future__ import annotations

from dataclasses import dataclass

from advbook import ledger, paths, settings
from advbook.selection import matches, number_of
from advbook.site import verdicts
from advbook.units import unit_of


@dataclass(frozen=True)
class Evidence:
    """One number of a claim: the ``value`` that it counts for, its unit in words, and the record that has it."""

    value: str
    unit: str
    number: float
    record: ledger.Record


def of(claim: dict) -> list[Evidence]:
    """The numbers behind a claim's values in the profile that it was judged in; none for values that are expressions.

    ``claim`` is one of :func:`advbook.claims.evaluate`.
    """
    values = claim["values"]
    if "rule" in claim and claim["page"]:
        page = (paths.root() / "notebooks" / claim["page"]).with_suffix(".py")
        values = settings.resolved(values, settings.of_page(page).get(claim["profile"], {}), f"page {claim['page']}")
    found = []
    for name, selection in values.items():
        if isinstance(selection, str):
            continue
        for record in verdicts.records(claim["profile"], claim["chapter"], selection["from"]):
            if matches(selection, record) and (number := number_of(selection, record)) is not None:
                unit = ", ".join(f"{key} {k}" for key, k in unit_of(record.parameters)) or "the only one"
                found.append(Evidence(name, unit, number, record))
    return found
