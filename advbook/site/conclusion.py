"""The last page of a chapter: its effects in a picture, its verdicts in a table, what is open and what that costs."""

from __future__ import annotations

import html

from advbook import forest, power, summary
from advbook.page import badge
from advbook.site import cards, tables, verdicts
from advbook.site.tables import sentence

UNTOUCHED = ("withdrawn", "not attempted", "records damaged")


def of(chapter: str) -> list[dict]:
    """The judged claims of a chapter; ``ValueError`` if there is none."""
    found = [claim for claim in verdicts.judgements() if claim["chapter"] == chapter]
    if not found:
        raise ValueError(f"chapter {chapter!r} has no claims; a mark on its last page names a folder of notebooks/")
    return found


def picture(chapter: str) -> str:
    """Every effect of the chapter beside the paper's."""
    return forest.forest(of(chapter), tables.chapter_titles()[chapter], page=f"../{cards.name_of(chapter)}.html")


def table(chapter: str) -> str:
    """A row for each claim that was judged: sentence, the paper's number, ours, verdict."""
    rows = []
    for claim in of(chapter):
        if claim["verdict"] not in UNTOUCHED:
            found = summary.of(claim)
            paper = "–" if found is None or found.paper is None else summary.short(found.paper)
            ours = "–" if found is None else f"<code>{html.escape(found.what)}</code> {found.ours()}"
            rows.append([_link(claim), paper, ours, badge(claim["verdict"])])
    return _table("Verdicts of this chapter", ["claim", "paper", "ours, 95 % interval", "verdict"], rows)


def still_open(chapter: str) -> str:
    """What is open, with the repetitions that would decide it and their cost, and what was not measured."""
    judged = {claim["id"]: claim for claim in of(chapter)}
    found, unknown = power.rows(chapter, list(judged.values()))
    rows = [
        [
            _link(judged[row["id"]]),
            str(row["n"]),
            "not within 1,000" if row["further_units"] is None else f"{row['further_units']:,}",
            "–" if row["then"] is None else badge(row["then"]),
            "–" if row["core_minutes"] is None else _hours(row["core_minutes"]),
        ]
        for row in found
    ]
    columns = ["claim", "runs", "further runs", "verdict then", "time on one core"]
    parts = [_table("What would decide the open claims, at today's means and spreads", columns, rows)] if rows else []
    lists = {
        "Open, with rules that do not say how many runs would decide them": [judged[name] for name in unknown],
        "Not measured yet, or withdrawn": [claim for claim in judged.values() if claim["verdict"] in UNTOUCHED],
    }
    for words, some in lists.items():
        if some:
            items = "".join(f"<li>{_link(claim)} {badge(claim['verdict'])}</li>" for claim in some)
            parts.append(f"<details><summary>{words}: {len(some)}</summary><ul>{items}</ul></details>")
    return "\n\n".join(parts) or "Nothing is open."


def _hours(minutes: float) -> str:
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:,.0f} h"


def _link(claim: dict) -> str:
    return f'<a href="../{cards.address(claim)}">{html.escape(sentence(claim["claim"]))}</a>'


def _table(caption: str, columns: list[str], rows: list[list[str]]) -> str:
    head = "".join(f'<th scope="col">{name}</th>' for name in columns)
    body = "".join(
        f'<tr><th scope="row">{first}</th>' + "".join(f"<td>{cell}</td>" for cell in rest) + "</tr>"
        for first, *rest in rows
    )
    return (
        '<div class="pst-scrollable-table-container"><table class="scoreboard">'
        f"<caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
