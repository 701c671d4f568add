"""Withdrawn records: a number that was wrong is taken back in public. Its values, and why, stay in one table."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from advbook import paths
from advutils.core import files

if TYPE_CHECKING:
    from advbook.ledger import Record

csv.field_size_limit(2**31 - 1)  # the values of one record are one cell


@dataclass(frozen=True)
class Withdrawal:
    """A row of the table: what a record was (without its arrays), when it was made and taken back, and why."""

    record: str  # its file, seen from the ledger's folder
    chapter: str
    function: str
    parameters: dict
    values: dict
    commit: str
    measured: str  # when, UTC
    withdrawn: str  # the day
    reason: str

    @property
    def profile(self) -> str:
        """The profile that the record was made for."""
        return self.record.partition("/")[0]

    @property
    def name(self) -> str:
        """The function, under the name that a record has for it: claims select from both."""
        return self.function


def table() -> Path:
    """Where the withdrawn records are kept."""
    return paths.results() / "withdrawn.csv"


def load(profile: str | None = None, chapter: str | None = None) -> list[Withdrawal]:
    """The withdrawn records, of one profile or chapter if given, sorted by file and by the time of measuring."""
    if not table().exists():
        return []
    rows = csv.DictReader(io.StringIO(table().read_text(), newline=""))
    found = [Withdrawal(**row | {name: json.loads(row[name]) for name in ("parameters", "values")}) for row in rows]  # type: ignore[arg-type]
    return [row for row in found if profile in (None, row.profile) and chapter in (None, row.chapter)]


def standing(profile: str, chapter: str) -> list[Withdrawal]:
    """Those of :func:`load` whose record has not been measured again: there is no file in its place."""
    return [row for row in load(profile, chapter) if not (paths.results() / row.record).exists()]


def reason(path: Path) -> str | None:
    """Why the numbers that belong into the record's file ``path`` are withdrawn; None if they are not.

    Another record of the same function, profile and chapter counts too: what is measured again is often measured
    under new settings, which have another file.
    """
    profile, chapter, function = path.parts[-4:-1]
    found = [row for row in standing(profile, chapter) if row.function == function]
    own = [row for row in found if row.record == "/".join(path.parts[-4:])]
    return max(own or found, key=lambda row: row.withdrawn).reason if found else None


def withdraw(records: list[Record], why: str, *, on: str) -> list[Withdrawal]:
    """Move records to the table, on the day ``on``, and delete their files; returns the rows that are new.

    The table is written before a file is deleted, and a record that stands in it is not written twice: a call that
    was cut short is repeated. Raises ``ValueError`` without a reason.
    """
    if not why.strip():
        raise ValueError("why must say in a sentence what is wrong with the records")
    kept = load()
    known = {(row.record, row.measured) for row in kept}
    fresh = [
        row for row in (_row(record, why.strip(), on) for record in records) if (row.record, row.measured) not in known
    ]
    if fresh:
        files.write_atomic(table(), _text([*kept, *fresh]).encode())
    for record in records:
        record.path.unlink(missing_ok=True)  # first: arrays without a record harm nobody
        record.path.with_suffix(".npz").unlink(missing_ok=True)
    return fresh


def _row(record: Record, why: str, on: str) -> Withdrawal:
    origin = record.provenance
    return Withdrawal(
        "/".join(record.path.parts[-4:]),
        record.path.parts[-3],
        record.name,
        record.parameters,
        record.values,
        origin["commit"] or "",
        origin["date"],
        on,
        why,
    )


def _text(rows: list[Withdrawal]) -> str:
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, [field.name for field in fields(Withdrawal)], lineterminator="\n")
    writer.writeheader()
    for row in sorted(rows, key=lambda row: (row.record, row.measured)):
        text = {name: json.dumps(getattr(row, name), sort_keys=True) for name in ("parameters", "values")}
        writer.writerow(asdict(row) | text)
    return stream.getvalue()
