"""Generated tables of the state of the book: pages, records, versions, and what changed since the first edition."""

from __future__ import annotations

import json
import platform
from collections import Counter
from pathlib import Path

from advbook import changes, ledger, provenance, withdrawn
from advbook.page import BADGES, badge
from advbook.site.tables import chapter_titles, sentence, table

RULE = "first rule, today's statistics"  # a column of the table of verdicts


def changed(executed: dict[str, Path]) -> str:
    """Each verdict and number that is not the first edition's, under the reason."""
    reasons: dict[str, list[list[str]]] = {}
    for row in changes.rows():
        then, now = row["then"], row["now"]
        name = f"[{row['id']}](#{row['id']})" if now else row["id"]
        verdicts = f"{badge(then['verdict'])} → {badge(now['verdict']) if now else 'no longer asked'}"
        numbers = [then["recorded"] or "–", now["recorded"] or "–" if now else "–"]
        reasons.setdefault(sentence(row["reason"]), []).append([name, verdicts, *numbers])
    text = (
        "\n\n".join(
            f"**{why}**\n\n{table(['claim', 'verdict then → now', 'numbers then', 'now'], rows)}"
            for why, rows in reasons.items()
        )
        or "No verdict and no number differs so far."
    )
    if withdrawn.table().exists():
        text += '\n\nThe withdrawn records: <a href="../results/withdrawn.csv">withdrawn.csv</a>.'
    return text


def first_open(executed: dict[str, Path]) -> str:
    """What became of the claims that the first edition left open."""
    found = changes.open_then()
    counts = Counter(row["today"] for row in found)
    rows = [
        [
            f"[{row['id']}](#{row['id']})",
            badge(row["today"]),
            row["means"] or "–",
            badge(row[RULE]) if row[RULE] else "–",
        ]
        for row in found
    ]
    told = ", ".join(f"{counts[verdict]} {verdict}" for verdict in BADGES if counts[verdict])
    columns = ["claim", "today", "by what means", "the first rule, with today's statistics"]
    return f"Of {len(found)} there are now {told}.\n\n{table(columns, rows)}"


def pages(executed: dict[str, Path]) -> str:
    """The notebooks of this site: profile, calls of measurements, and the seconds that executing them took."""
    rows = []
    for name, path in executed.items():
        meta = json.loads(path.read_text())["metadata"].get("advbook", {})
        facts = [meta.get(key, "–") for key in ("profile", "measurements", "seconds")]
        rows.append([f"[{name}](../notebooks/{name})", *facts])
    return table(["page", "profile", "calls", "seconds"], rows)


def status(executed: dict[str, Path]) -> str:
    """Records by profile and function: how many, how long they took, on what, how many are older than the code."""
    groups: dict[str, dict[tuple, list[ledger.Record]]] = {}
    for record in ledger.records():
        profile = ledger.profile_of(record)
        if profile != "quick":
            chapter = groups.setdefault(record.path.parents[1].name, {})
            chapter.setdefault((profile, record.name), []).append(record)
    columns = ["measurement", "profile", "records", "time in all", "machine", "last", "code changed since"]
    parts = []
    for folder, found in groups.items():
        rows = [[f"`{name}`", profile, *_summary(records)] for (profile, name), records in found.items()]
        parts.append(f"**{chapter_titles().get(folder, folder)}**\n\n{table(columns, rows)}")
    return "\n\n".join(parts)


def _summary(records: list[ledger.Record]) -> list:
    origins = [record.provenance for record in records]
    seconds = sum(origin["seconds"] for origin in origins)
    machines = {f"{o['machine']['device']}, {o['machine']['threads']} thread(s)" for o in origins}
    duration = f"{seconds / 60:.1f} min" if seconds >= 60 else f"{seconds:.1f} s"
    changed = sum(ledger.stale(record) is not False for record in records)
    return [len(records), duration, "; ".join(sorted(machines)), max(o["date"] for o in origins)[:10], changed]


def versions(executed: dict[str, Path]) -> str:
    """What the committed records were made with, and what built this site."""
    made: Counter[str] = Counter()
    for record in ledger.records():
        if ledger.profile_of(record) != "quick":
            origin = record.provenance
            libraries = ", ".join(f"{k} {v}" for k, v in origin["versions"].items())
            made[f"{libraries}; {origin['machine']['processor']}"] += 1
    here = ", ".join(f"{k} {v}" for k, v in provenance.versions().items())
    rows = [[f"{n} records", text] for text, n in made.items()]
    return table(["", ""], [*rows, ["this site", f"{here}; {platform.system()} {platform.machine()}"]])
