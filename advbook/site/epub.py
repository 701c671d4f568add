"""The book as one EPUB, from the built site: its pages as XHTML, formulas as MathML, pictures as they are.

``python -m advbook.site.epub`` writes ``_build/adversarial-examples-book.epub``; it needs latex2mathml, which the site
does not.
"""

from __future__ import annotations

import html
import re
import sys
import uuid
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

import yaml
from bs4 import BeautifulSoup, Tag

from advbook import paths
from advbook.site import config

# what is there for a screen with a script or a menu
LEFT_OUT = (
    "script, style, button, form, input, label, template, .headerlink, .downloads, .report, .own-records, noscript"
)
KEPT = {
    "href",
    "src",
    "alt",
    "id",
    "class",
    "title",
    "role",
    "scope",
    "colspan",
    "rowspan",
    "viewbox",
    "viewBox",
    "lang",
}
TYPES = {".svg": "image/svg+xml", ".webp": "image/webp", ".png": "image/png"}
STYLE = """body { line-height: 1.5 } table { border-collapse: collapse; font-size: .85em }
td, th { padding: .2em .5em; text-align: left }
figure { margin: 1em 0 } figure img, figure svg { max-width: 100% } pre { white-space: pre-wrap; font-size: .8em }
.verdict { font-weight: bold } aside { border-left: .3em solid; padding-left: 1em }
caption { font-style: italic; text-align: left }
.visually-hidden { display: none } svg text { font-size: 11px }
svg line, svg path, svg circle { stroke: currentColor; fill: none }"""
HEAD = (
    '<?xml version="1.0" encoding="utf-8"?>\n<!DOCTYPE html>\n'
    '<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops" lang="en" xml:lang="en">'
)


@dataclass
class Chapter:
    """A page of the book: its place in the site, its title and XHTML, what pictures it shows, and its features."""

    place: str
    title: str
    body: str
    ids: set[str]
    pictures: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:
        return self.place.removesuffix(".html").replace("/", "-") + ".xhtml"

    @property
    def properties(self) -> str:
        found = [kind for kind, tag in (("mathml", "<math"), ("svg", "<svg")) if tag in self.body]
        return f' properties="{" ".join(found)}"' if found else ""


def write(site: Path, places: list[str], target: Path) -> None:
    """Write ``target`` from these pages of the site ("book/intro.html"), in this order."""
    soups = {place: _article(site / place) for place in places}
    ids = {place: {str(tag["id"]) for tag in soup.select("[id]")} for place, soup in soups.items()}
    chapters = [_chapter(place, soup, ids) for place, soup in soups.items()]
    pictures = sorted(set().union(*(chapter.pictures for chapter in chapters)))
    part = target.with_suffix(".part")
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as book:
        book.writestr("mimetype", "application/epub+zip", zipfile.ZIP_STORED)
        book.writestr(
            "META-INF/container.xml",
            '<?xml version="1.0"?><container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container">'
            "<rootfiles>"
            '<rootfile full-path="book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>',
        )
        book.writestr("book.opf", _package(chapters, pictures))
        book.writestr("nav.xhtml", _contents(chapters))
        book.writestr("book.css", STYLE)
        for chapter in chapters:
            head = f'<head><title>{html.escape(chapter.title)}</title><link rel="stylesheet" href="book.css"/></head>'
            book.writestr(chapter.name, f"{HEAD}{head}<body>{chapter.body}</body></html>")
        for picture in pictures:
            book.writestr(picture, (site / picture).read_bytes())
    part.replace(target)


def _first(soup: Tag, selector: str) -> Tag:
    found = soup.select_one(selector)
    if found is None:
        raise ValueError(f"a page has no {selector}: build the site again (make site)")
    return found


def _article(path: Path) -> Tag:
    article = _first(BeautifulSoup(path.read_text(), "html.parser"), "article")
    for part in article.select(LEFT_OUT):
        part.decompose()
    return article


def _chapter(place: str, soup: Tag, ids: dict[str, set[str]]) -> Chapter:
    _formulas(soup)
    folder, pictures = Path(place).parent, set()
    for image in soup.select("img"):
        picture = _resolved(folder, str(image["src"]))
        image["src"] = picture
        pictures.add(picture)
    for link in soup.select("a"):
        _link(link, folder, place, ids)
    for empty in soup.select("ul:not(:has(li)), thead:not(:has(tr)), dl:not(:has(dt))"):
        empty.decompose()
    for paragraph in soup.select("summary p"):
        paragraph.unwrap()
    seen: set[str] = set()
    for tag in soup.find_all(True):
        if tag.find_parent("math") or tag.name == "math":
            continue
        drawing = tag.name == "svg" or tag.find_parent("svg")
        tag.attrs = {k: v for k, v in tag.attrs.items() if drawing or k in KEPT or k.startswith("aria-")}
        tag.attrs.pop("style", None)
        if str(tag.get("role", "")).startswith("doc-"):  # roles that are no longer to be used
            del tag["role"]
        if tag.get("id") in seen:
            del tag["id"]
        seen.add(str(tag.get("id", "")))
        if tag.name == "svg":
            tag["xmlns"], tag["viewBox"] = "http://www.w3.org/2000/svg", tag.attrs.pop("viewbox", "0 0 1 1")
    heading = soup.select_one("h1")
    title = heading.get_text().strip() if heading else place
    soup.name, soup.attrs = "section", {}
    return Chapter(place, title, soup.decode(formatter="minimal"), ids[place], pictures)


def _resolved(folder: Path, link: str) -> str:
    parts: list[str] = []
    for part in (folder / unquote(link)).parts:
        parts = parts[:-1] if part == ".." else [*parts, part]
    return "/".join(parts)


def _link(link: Tag, folder: Path, place: str, ids: dict[str, set[str]]) -> None:
    """Links lead to chapters of this book or to the network; all others become text."""
    address, _, anchor = str(link.get("href", "")).partition("#")
    if re.match(r"https?:", address):
        link["href"] = html.unescape(str(link["href"])).replace(" ", "%20")
        return
    target = _resolved(folder, address.partition("?")[0]) if address else place
    if target not in ids or link.find_parent("svg"):
        link.unwrap()
        return
    name = target.removesuffix(".html").replace("/", "-") + ".xhtml"
    link["href"] = f"{name}#{anchor}" if anchor in ids[target] else name


def _formulas(soup: Tag) -> None:
    """TeX as MathML; where that fails the TeX stays, as code."""
    for place in soup.select(".math"):
        for number in place.select(".eqno"):
            number.unwrap()
        tex = place.get_text().strip()
        body = re.sub(r"^(\(\d+\))?\s*\\[\[(]|\\[\])]$", "", tex)
        place.clear()
        place.append(_formula(body, block=place.name == "div"))
    for caption in soup.select("figcaption"):
        for text in [each for each in caption.find_all(string=True) if "$" in each]:
            made = BeautifulSoup(
                re.sub(r"\$([^$]+)\$", lambda m: str(_formula(m[1], block=False)), html.escape(text, quote=False)),
                "html.parser",
            )
            text.replace_with(made)


def _formula(tex: str, *, block: bool) -> Tag:
    from latex2mathml.converter import convert

    try:
        made = convert(html.unescape(tex), display="block" if block else "inline")
        return _first(BeautifulSoup(made, "html.parser"), "math")
    except Exception:  # latex2mathml has no error of its own for what it does not know
        code = _first(BeautifulSoup("<code></code>", "html.parser"), "code")
        code.string = tex
        return code


def _package(chapters: list[Chapter], pictures: list[str]) -> str:
    items = [
        f'<item id="c{k}" href="{c.name}" media-type="application/xhtml+xml"{c.properties}/>'
        for k, c in enumerate(chapters)
    ]
    items += [f'<item id="p{k}" href="{p}" media-type="{TYPES[Path(p).suffix]}"/>' for k, p in enumerate(pictures)]
    spine = "".join(f'<itemref idref="c{k}"/>' for k in range(len(chapters)))
    name = uuid.uuid5(uuid.NAMESPACE_URL, f"{config.repository()} {config.edition()}")
    authors = "".join(
        f"<dc:creator>{html.escape(each.get('name', ''))}</dc:creator>" for each in config.citation()["authors"]
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?>'
        '<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="id" '
        'xml:lang="en"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f'<dc:identifier id="id">urn:uuid:{name}</dc:identifier><dc:title>{html.escape(config.title())}</dc:title>'
        f"<dc:language>en</dc:language>{authors}<dc:date>{config.date()}</dc:date><dc:rights>MIT</dc:rights>"
        f'<meta property="dcterms:modified">{config.date()}T00:00:00Z</meta></metadata><manifest>'
        '<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>'
        f'<item id="css" href="book.css" media-type="text/css"/>{"".join(items)}</manifest>'
        f"<spine>{spine}</spine></package>"
    )


def _contents(chapters: list[Chapter]) -> str:
    rows = "".join(f'<li><a href="{c.name}">{html.escape(c.title)}</a></li>' for c in chapters)
    head = f"{HEAD}<head><title>Contents</title></head>"
    return f'{head}<body><nav epub:type="toc"><h1>Contents</h1><ol>{rows}</ol></nav></body></html>'


def order(staged: Path) -> list[str]:
    """The pages in the order of the staged table of contents; the playground is for a browser."""
    found = yaml.safe_load((staged / "_toc.yml").read_text())
    entries = [
        entry
        for part in found["parts"]
        for chapter in part["chapters"]
        for entry in (chapter, *chapter.get("sections", ()))
    ]
    names = [found["root"], *(entry["file"] for entry in entries)]
    return [f"{name}.html" for name in names if name != "book/playground"]


if __name__ == "__main__":
    site = paths.build() / "site"
    if not (site / "index.html").exists():
        sys.exit("epub: no site yet; run make site")
    made = paths.build() / "adversarial-examples-book.epub"
    write(site, order(paths.build() / "source"), made)
    print(made)
