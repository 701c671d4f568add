"""The errata: a row each, with an anchor, what is printed, what is right, why, and the test that checks it."""

from __future__ import annotations

import html

from advbook import claims
from advbook.site.tables import by_chapter, sentence, table

FIELDS = ("id", "chapter", "kind", "where", "printed", "right", "evidence", "test", "source")


def board() -> str:
    """A row an erratum, each leading to its entry below."""
    head = "".join(f'<th scope="col">{name}</th>' for name in ("where", "paper", "kind", "printed", "right"))
    rows = "".join(
        f'<tr data-paper="{html.escape(title, quote=True)}" data-kind="{entry["kind"]}"><th scope="row">'
        f'<a href="#{entry["id"]}">{html.escape(sentence(entry["where"]))}</a></th>'
        f"<td>{html.escape(title.partition('(')[2].rstrip(')') or title)}</td><td>{entry['kind']}</td>"
        f"<td>{_plain(entry['printed'])}</td><td>{_plain(entry['right'])}</td></tr>"
        for title, found in by_chapter(claims.errata()).items()
        for entry in found
    )
    return (
        '<div class="pst-scrollable-table-container"><table class="scoreboard" data-filter="errata">'
        f"<caption>All errata</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>\n"
        '<script defer src="../_static/board.js"></script>'
    )


def _plain(text: str) -> str:
    return f'<span class="tex2jax_process">{html.escape(sentence(text))}</span>'


def entries() -> str:
    """Every erratum with an anchor of its own: what is printed, what is right, why, and the test that checks it."""
    parts = []
    for title, found in by_chapter(claims.errata()).items():
        parts += [f"## {title}", ""]
        for entry in found:
            parts += [
                f"({entry['id']})=",
                f"### {entry['where'][0].upper()}{entry['where'][1:]}",
                "",
                f"*What is printed, and what is right: {entry['id']}*",
                "",
                table(["printed", "right"], [[sentence(entry["printed"]), sentence(entry["right"])]]),
                "",
                f"*{entry['kind'].capitalize()}; {entry['source']}.* {sentence(entry['evidence'])} "
                f"Test: `{entry['test']}`.",
                "",
            ]
    return "\n".join(parts)


def rows() -> list[dict]:
    """Every erratum as a flat row for a file."""
    return [{key: sentence(entry[key]) for key in FIELDS} for entry in claims.errata()]
