"""The list of records whose code has changed and that no proof covers: ``to-measure.csv`` in the ledger's folder."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from advbook import ledger, paths
from advutils.core import files

COLUMNS = ("record", "chapter", "function", "seconds", "reason")


def path() -> Path:
    """Where the list is kept."""
    return paths.results() / "to-measure.csv"


def listed() -> list[dict]:
    """The rows of the list, by column; ``seconds`` (float) is what the record took when it was made."""
    if not path().exists():
        return []
    with open(path(), newline="") as stream:
        return [row | {"seconds": float(row["seconds"])} for row in csv.DictReader(stream)]


def by_chapter(old: set[str]) -> dict[str, tuple[int, float]]:
    """How many records of each chapter are on the list and still among the ``old`` ones, and their core-hours: of the
    calls, without the training of networks that were there already."""
    found: dict[str, tuple[int, float]] = {}
    for row in listed():
        if row["record"] not in old:
            continue
        n, hours = found.get(row["chapter"], (0, 0.0))
        found[row["chapter"]] = n + 1, hours + row["seconds"] / 3600
    return found


def write(reasons: list[tuple[ledger.Record, str]]) -> None:
    """Replace the list by these records, each with the reason why it is to be measured again."""
    text = io.StringIO()
    out = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    out.writeheader()
    for name, record, why in sorted((str(name_of(record)), record, why) for record, why in reasons):
        out.writerow(
            {
                "record": name,
                "chapter": record.path.parents[1].name,
                "function": record.name,
                "seconds": record.provenance["seconds"],
                "reason": why,
            }
        )
    files.write_atomic(path(), text.getvalue().encode())


def name_of(record: ledger.Record) -> str:
    """A record's path in the ledger's folder."""
    return record.path.relative_to(paths.results()).as_posix()
