"""The scoreboard: a row a claim, complete without a script, and the counts of verdicts."""

from __future__ import annotations

import csv
import html
import io
import json
from collections import Counter

from advbook import claims, forest, holm, judgement, summary
from advbook.page import BADGES, SCOPE, badge
from advbook.site import cards, hindsight, verdicts
from advbook.site.tables import by_chapter, sentence

SCOPES = {
    "paper": "claims of the paper, or quoted there",
    "identity": "identities and sums in the paper, checked",
    "ours": "questions of ours that the paper raises",
}
ORDER = {verdict: number for number, verdict in enumerate(claims.VERDICTS)}


def short() -> str:
    """How many claims of each chapter got which verdict."""
    lines = []
    for title, judged in by_chapter(verdicts.judgements()).items():
        lines.append(f"**{title}**")
        for scope, words in SCOPES.items():
            counts = Counter(claim["verdict"] for claim in judged if claim["scope"] == scope)
            badges = [f'<span class="verdict {BADGES[v]}">{counts[v]} {v}</span>' for v in claims.VERDICTS if counts[v]]
            if badges:
                lines.append(f"{counts.total()} {words}:\n{' '.join(badges)}")
    return "\n\n".join(lines)


def matrix() -> str:
    """How many claims of each chapter have which verdict, as a picture."""
    counts = {
        title: Counter(claim["verdict"] for claim in judged)
        for title, judged in by_chapter(verdicts.judgements()).items()
    }
    return forest.matrix(counts, claims.VERDICTS)


def bar() -> str:
    """All verdicts as one bar; each part leads to the claims that have it."""
    judged = [claim for found in by_chapter(verdicts.judgements()).values() for claim in found]
    counts = Counter(claim["verdict"] for claim in judged)
    parts = "".join(
        f'<a class="{BADGES[verdict]}" style="flex-grow: {counts[verdict]}" '
        f'href="scoreboard.html?verdict={verdict.replace(" ", "+")}">'
        f"<b>{counts[verdict]}</b> <span>{verdict}</span></a>"
        for verdict in claims.VERDICTS
        if counts[verdict]
    )
    words = f'<p class="verdict-bar-words">{len(judged)} statements, judged by rules:</p>'
    return f'{words}\n<div class="verdict-bar">{parts}</div>'


def chance() -> str:
    """How many verdicts chance alone would give, and which do not survive Holm's correction, paper by paper."""
    lines, number = [], 0
    for title, judged in by_chapter(verdicts.judgements()).items():
        family = holm.family(judged)
        decided = [claim for claim in family if claim["verdict"] not in claims.UNDECIDED]
        number += len(family)
        if decided:
            fallen = [f"[{claim['id']}](#{claim['id']})" for claim in holm.fallen(family)]
            survive = f"* {title}: {len(decided) - len(fallen)} of {len(decided)} survive"
            lines.append(survive + (f"; without {', '.join(fallen)}" if fallen else "") + ".")
    return (
        f"{number} verdicts rest on intervals. If there were no effect at all, about {0.05 * number:.0f} of them would "
        "say that there is one, or its opposite. Holm's correction asks of all verdicts of a paper at once that none "
        "of them be of that kind, in nineteen papers of twenty:\n\n" + "\n".join(lines)
    )


def table() -> str:
    """Every claim in a row: sentence, paper, the paper's number, ours with its interval, units, verdict."""
    columns = ("claim", "paper", "paper says", "ours, 95 % interval", "n", "verdict")
    head = "".join(f'<th scope="col">{name}</th>' for name in columns)
    chapters = by_chapter(verdicts.judgements())
    rows = "".join(_row(claim, title) for title, judged in chapters.items() for claim in judged)
    return (
        '<div class="pst-scrollable-table-container"><table class="scoreboard" data-filter="claims">'
        "<caption>All claims</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>\n"
        '<script defer src="../_static/board.js"></script>'
    )


def _row(claim: dict, title: str) -> str:
    found = summary.of(claim)
    cells = ["–", "–", "–"]
    paper = "" if not found or found.paper is None else found.paper
    if found:
        what = f"<code>{html.escape(found.what)}</code> "
        cells = ["–" if found.paper is None else summary.short(found.paper), what + found.ours(), str(found.n)]
    sentence_ = html.escape(sentence(claim["claim"]))
    facts = {"paper": title, "verdict": claim["verdict"], "scope": claim["scope"]}
    data = " ".join(f'data-{key}="{html.escape(value, quote=True)}"' for key, value in facts.items())
    return (
        f'<tr id="{claim["id"]}" {data}><th scope="row"><a href="{cards.address(claim)}">{sentence_}</a>'
        f"<small>{claim['id']} · {html.escape(_brief(claim['where']))}{SCOPE[claim['scope']]}</small></th>"
        f'<td>{html.escape(_author(title))}</td><td class="number" data-sort="{paper}">{cells[0]}</td>'
        f'<td class="number" data-sort="{found.mean if found else ""}">{cells[1]}</td>'
        f'<td class="number" data-sort="{found.n if found else 0}">{cells[2]}</td>'
        f'<td data-sort="{ORDER[claim["verdict"]]}">{badge(claim["verdict"])}{hindsight.mark(claim)}</td></tr>'
    )


def _brief(where: str) -> str:
    """The place in the paper, without what a card adds to it."""
    text = sentence(where).partition(";")[0]
    return text if len(text) <= 70 else text[:70].rpartition(" ")[0] + " …"


def _author(title: str) -> str:
    """'Lyu et al. 2015' of 'Gradient regularisation (Lyu et al. 2015)'."""
    return title.partition("(")[2].rstrip(")") or title


FIELDS = (
    "id",
    "chapter",
    "scope",
    "where",
    "claim",
    "verdict",
    "why",
    "profile",
    "what",
    "paper",
    "ours",
    "low",
    "high",
    "n",
)


def rows() -> list[dict]:
    """Every claim as a flat row for files; numbers that are not there are empty."""
    found = []
    for claim in verdicts.judgements():
        number = summary.of(claim)
        row: dict = {key: sentence(claim.get(key) or "") for key in FIELDS[:8]}
        if number:
            row |= {"what": number.what, "paper": number.paper, "ours": number.mean, "low": number.low}
            row |= {"high": number.high, "n": number.n}
        found.append(row)
    return found


def as_csv(rows: list[dict], fields: tuple[str, ...]) -> bytes:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, fields, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows({key: "" if value is None else value for key, value in row.items()} for row in rows)
    return buffer.getvalue().encode()


def as_json() -> bytes:
    """Claims with everything that a card says, for programs."""
    keys = (
        "id",
        "chapter",
        "page",
        "scope",
        "where",
        "claim",
        "paper",
        "metric",
        "tolerance",
        "known",
        "verdict",
        "why",
    )
    listed = [
        {key: claim.get(key) for key in (*keys, "profile", "n", "recorded")} | {"effects": judgement.rows(claim)}
        for claim in verdicts.judgements()
    ]
    return json.dumps(listed, indent=1, ensure_ascii=False).encode()
