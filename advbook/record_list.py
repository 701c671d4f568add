"""The records behind a page: what a notebook shows of them, and what the site keeps of them in one file."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from advbook import ledger, paths
from advbook.units import unit_of

MIME = "application/vnd.advbook.records+json"
STATES = {False: "as then", True: "changed", None: "gone"}


def place(record: ledger.Record) -> str:
    """A record's file, from the root of the checkout (where the records lie elsewhere: as if they lay there)."""
    return (Path("results") / record.path.relative_to(paths.results())).as_posix()


def entry(record: ledger.Record) -> dict:
    """A record in words and numbers, for JSON: what was called, what came out, on what, and whether it is current."""
    origin = record.provenance
    machine = origin["machine"]
    device = machine["device"]
    return {
        "record": place(record),
        "function": origin["function"],
        "parameters": record.parameters,
        "values": record.values,
        "commit": (origin["commit"] or "no git")[:8] + ("+" if origin["dirty"] else ""),
        "code": STATES[ledger.stale(record)],
        "networks": networks(origin.get("networks")),
        "data": (origin.get("data") or {}).get("name"),
        "seconds": origin["seconds"],
        "machine": f"{machine.get('processor') or device}, {device}, {machine['threads']} threads",
        "date": origin["date"][:10],
    }


def networks(used: list[dict] | None) -> str:
    """The trained networks that a record rests on, by key."""
    if used is None:
        return "weights not kept"
    return ", ".join(f"{each['function'].rpartition('.')[2]} {each['key'][:8]}" for each in used) or "none"


@dataclass(frozen=True)
class RecordList:
    """The records of a page (:func:`entry` of each); in notebooks a table with a row a function, and all as JSON."""

    records: Sequence[dict]

    def html(self) -> str:
        groups: dict[str, list[dict]] = {}
        for record in self.records:
            groups.setdefault(record["function"], []).append(record)
        columns = ("measurement", "records", "seeds", "time in all", "commits", "code", "machine", "dates")
        head = "".join(f'<th scope="col">{name}</th>' for name in columns)
        rows = "".join(_row(name, found) for name, found in groups.items())
        return (
            f'<details class="provenance"><summary>The {len(self.records)} records behind this page</summary>'
            "<p>“+”: our code differed from the commit. “changed”: code that the measurement can reach has changed "
            "since. A network that was trained before is only loaded in the time of a call.</p>"
            '<div class="pst-scrollable-table-container"><table><caption>Records behind this page, by measurement'
            f"</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div></details>"
        )

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        return {"text/html": self.html(), MIME: list(self.records)}


def _row(name: str, found: Sequence[dict]) -> str:
    seeds = sorted({seed for record in found if (seed := dict(unit_of(record["parameters"])).get("seed")) is not None})
    states = Counter(record["code"] for record in found)
    dates = sorted({record["date"] for record in found})
    cells = [
        len(found),
        ", ".join(map(str, seeds)) or "–",
        f"{sum(record['seconds'] for record in found):.0f} s",
        ", ".join(sorted({record["commit"] for record in found})),
        ", ".join(f"{number} {state}" for state, number in states.items()),
        "; ".join(sorted({record["machine"] for record in found})),
        " to ".join(dict.fromkeys([dates[0], dates[-1]])),
    ]
    # a long name may break at its dots
    first = html.escape(name).replace(".", ".<wbr>")
    return f'<tr><th scope="row">{first}</th>' + "".join(f"<td>{html.escape(str(c))}</td>" for c in cells) + "</tr>"
