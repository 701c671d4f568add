"""The book's search: one file of titles, prose, captions and claims, read by ``search.js`` in the browser.

It is a script and no JSON, so that a site opened from a disk finds as much as one from a server.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

from advbook import summary
from advbook.site import cards, verdicts
from advbook.site.tables import sentence

SILENT = {"script", "style", "pre", "table", "summary", "button", "svg", "nav"}  # what is no prose
VOID = {"img", "br", "input", "hr", "wbr", "meta", "link", "source"}


@dataclass
class Section:
    """A heading of a page with the prose and captions under it."""

    title: str
    anchor: str
    words: list[str] = field(default_factory=list)


class _Prose(HTMLParser):
    """Sections of a page's article."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.sections: list[Section] = []
        self.open: list[str] = []
        self.silent = self.heading = 0
        self.inside, self.anchor = False, ""

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag == "article":
            self.inside = True
        if not self.inside or tag in VOID:
            return
        self.open.append(tag)
        self.silent += tag in SILENT or "headerlink" in (given.get("class") or "")
        if tag == "section":
            self.anchor = given.get("id", "")
        if re.fullmatch("h[1-6]", tag):
            self.heading += 1
            self.sections.append(Section("", self.anchor))
        if tag == "a" and "headerlink" in (given.get("class") or ""):
            self.open[-1] = "headerlink"

    def handle_endtag(self, tag):
        if not self.inside or tag in VOID or not self.open:
            return
        last = self.open.pop()
        self.silent -= last in SILENT or last == "headerlink"
        self.heading -= bool(re.fullmatch("h[1-6]", last))
        if tag == "article":
            self.inside = False

    def handle_data(self, data):
        if not self.inside or self.silent > 0 or not self.sections or not data.strip():
            return
        if self.heading:
            self.sections[-1].title += data
        else:
            self.sections[-1].words.append(data)


def sections(text: str) -> list[Section]:
    """The sections of a page, from its HTML."""
    parser = _Prose()
    parser.feed(text)
    return parser.sections


def entries(site: Path) -> list[list[str]]:
    """``[title, address, text]`` of every claim and of every section of prose."""
    found = []
    for claim in verdicts.judgements():
        number = summary.of(claim)
        told = f"{sentence(claim['claim'])} {sentence(claim['where'])}"
        words = f"{claim['verdict']}. {number.text() if number else ''} {claim['id']}"
        found.append([told, f"book/{cards.address(claim)}", words])
    places = ("book/*.html", "book/summary/*.html", "notebooks/*/*.html")
    for path in sorted(path for place in places for path in site.glob(place)):
        if path.stem.startswith("cards-"):
            continue  # its claims are there already
        address = path.relative_to(site).as_posix()
        listed = sections(path.read_text())
        for part in listed:
            title = listed[0].title if part is listed[0] else f"{part.title} — {listed[0].title}"
            found.append([title.strip(), f"{address}#{part.anchor}", " ".join(" ".join(part.words).split())])
    return found


def write(site: Path) -> None:
    """Write ``_static/search-data.js`` and make ``search.html`` read it."""
    data = json.dumps(entries(site), ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")
    (site / "_static" / "search-data.js").write_text(f"bookEntries = {data};\n")
    page = site / "search.html"
    scripts = (
        '<script defer src="_static/search-data.js"></script><script defer src="_static/search.js"></script></body>'
    )
    page.write_text(page.read_text().replace("</body>", scripts))
