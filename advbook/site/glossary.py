"""The glossary: its page, and a link to it where a term first stands on a page.

A link and no ``abbr``: a phone opens it, the Tab key reaches it (``book.css`` shows the explanation then), and a screen
reader reads its title as description.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from functools import cache

import msgspec
import yaml

from advbook import paths

# where no link is made: there is one already, or what stands there is no prose
SILENT = {"a", "button", "code", "dt", "form", "h1", "h2", "h3", "h4", "h5", "h6", "label", "nav", "pre", "summary"}
SILENT |= {"table", "kbd", "samp"}
SILENT_CLASS = re.compile(r'class="[^"]*\b(?:math|verdict|effect|facts|short-title)\b')
TOKEN = re.compile(r"(<!--.*?-->|<(?P<whole>script|style|svg)\b.*?</(?P=whole)>|<[^>]+>)", re.S)
WITHOUT = ("book/glossary", "book/references")


class Term(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A term, what it means in plain words, and its other forms."""

    term: str
    told: str
    also: tuple[str, ...] = ()

    @property
    def anchor(self) -> str:
        return "term-" + re.sub(r"[^a-z0-9]+", "-", self.term.lower()).strip("-")


@cache
def terms() -> tuple[Term, ...]:
    """The terms of ``book/glossary.yml``; ``ValueError`` names the file and what is wrong."""
    path = paths.root() / "book" / "glossary.yml"
    try:
        return msgspec.convert(yaml.safe_load(path.read_text()), tuple[Term, ...])
    except msgspec.ValidationError as error:
        raise ValueError(f"book/{path.name}: {error}; an entry has `term`, `told` and perhaps `also`") from None


def page() -> str:
    """All terms in the order of the alphabet, as HTML."""
    rows = "".join(
        f'<dt id="{term.anchor}">{html.escape(term.term)}</dt><dd>{html.escape(" ".join(term.told.split()))}</dd>'
        for term in sorted(terms(), key=lambda term: term.term.lower())
    )
    return f'<dl class="glossary">{rows}</dl>'


def linked(body: str, name: str, known: Sequence[Term] | None = None) -> str:
    """A page's HTML with a link to the glossary where each term first stands; ``name``: its path without suffix."""
    if name in WITHOUT or not name.startswith(("book/", "notebooks/")):
        return body
    known = terms() if known is None else known
    forms = {_plain(form): term for term in known for form in (term.term, *term.also)}
    pattern = _pattern(forms)
    seen: set[str] = set()
    up = "../" * name.count("/")

    def link(match: re.Match) -> str:
        term = forms[_plain(html.unescape(match[0]))]
        if term.anchor in seen:
            return match[0]
        seen.add(term.anchor)
        told = html.escape(" ".join(term.told.split()), quote=True)
        return f'<a class="term" href="{up}book/glossary.html#{term.anchor}" title="{told}">{match[0]}</a>'

    done, inside, depth, place = [], "", 0, 0
    for match in TOKEN.finditer(body):
        text, token, place = body[place : match.start()], match[0], match.end()
        done += [text if inside else pattern.sub(link, text), token]
        tag = re.match(r"</?([\w-]+)", token)
        if tag is None or match["whole"]:
            continue
        if inside:
            if tag[1] == inside:
                depth += -1 if token.startswith("</") else 1
                inside = inside if depth else ""
        elif not token.startswith("</") and (tag[1] in SILENT or SILENT_CLASS.search(token)):
            inside, depth = tag[1], 1
    return "".join([*done, body[place:] if inside else pattern.sub(link, body[place:])])


def _plain(form: str) -> str:
    """A form as it is looked up: capitals count only in abbreviations."""
    words = " ".join(form.split())
    return words[:1].lower() + words[1:] if words[1:2].islower() else words


def _pattern(forms: Sequence[str] | dict) -> re.Pattern:
    """The forms, longest first; the first letter of a word may be a capital."""
    told = []
    for form in sorted(forms, key=len, reverse=True):
        text = re.escape(html.escape(form)).replace(r"\ ", r"\s+")
        told.append(f"[{form[0]}{form[0].upper()}]{text[1:]}" if form[1:2].islower() else text)
    return re.compile(rf"(?<![\w-])(?:{'|'.join(told)})(?![\w-])")
