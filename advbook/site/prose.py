"""What is generated into the prose pages: marks in the text and what stands in their place."""

from __future__ import annotations

import re
from pathlib import Path

from advbook import outcomes, reference
from advbook.page import badge
from advbook.site import cite, conclusion, effects, errata, front, glossary, scoreboard, status, verdicts
from advbook.summary import short

MARK = re.compile(r"<!-- generated: (\w+)(?: ([\w-]+))? -->")
VERDICT = re.compile(r"<!-- verdict: ([\w-]+): ([\w ]+) -->")
NUMBER = re.compile(r"<!-- number: ([\w-]+): (\w+) -->")
PAPER = re.compile(r"<!-- paper: ([\w-]+): (\w+) -->")
EFFECT = re.compile(r"<!-- effect: ([\w-]+): ([^,>]+?)(, in %)? -->")
# how a verdict on a question of ours reads in a sentence, whichever kind of rule it has
ANSWERS = {word: outcomes.WORDS["ours"][state] for state, word in outcomes.WORDS["paper"].items()}

GENERATED = {
    "scoreboard_short": lambda executed: scoreboard.short(),
    "scoreboard": lambda executed: scoreboard.table(),
    "matrix": lambda executed: scoreboard.matrix(),
    "bar": lambda executed: scoreboard.bar(),
    "photograph": lambda executed: front.photograph(),
    "cite": lambda executed: cite.how(),
    "errata_board": lambda executed: errata.board(),
    "errata": lambda executed: errata.entries(),
    "pages": status.pages,
    "changes": status.changed,
    "first_open": status.first_open,
    "chance": lambda executed: scoreboard.chance(),
    "glossary": lambda executed: glossary.page(),
    "status": status.status,
    "versions": status.versions,
    **reference.PAGES,
}


# of one chapter: <!-- generated: NAME CHAPTER -->
OF_CHAPTER = {"forest": conclusion.picture, "verdicts": conclusion.table, "open": conclusion.still_open}


def filled(text: str, executed: dict[str, Path]) -> str:
    """Replace ``<!-- generated: NAME -->`` by what ``GENERATED[NAME]`` makes of the executed notebooks, and
    ``<!-- verdict: ID: VERDICT -->`` by today's verdict on that claim, which links to its card. (A test compares it
    with the one that the sentence was written for.) ``<!-- number: ID: VALUE -->`` becomes the recorded mean of that
    value of the claim, to three digits, ``<!-- paper: ID: VALUE -->`` the paper's number, and
    ``<!-- effect: ID: EXPRESSION -->`` what :mod:`advbook.site.effects` makes of arithmetic in the claim's values,
    with its interval; with ``, in %`` it is multiplied by 100. ``<!-- generated: NAME CHAPTER -->`` is of one chapter.
    """
    text = MARK.sub(
        lambda match: OF_CHAPTER[match[1]](match[2]) if match[2] else GENERATED[match[1]](executed),  # type: ignore[operator]
        text,
    )
    if not any(mark.search(text) for mark in (VERDICT, NUMBER, PAPER, EFFECT)):
        return text
    found = {claim["id"]: claim for claim in verdicts.judged()}
    text = NUMBER.sub(lambda match: _number(found[match[1]], match[2]), text)
    text = PAPER.sub(lambda match: _paper(found[match[1]], match[2]), text)
    text = EFFECT.sub(
        lambda match: effects.text(effects.of(found[match[1]], match[2]), scale=100 if match[3] else 1), text
    )
    return VERDICT.sub(lambda match: f"[{verdict_badge(found[match[1]])}](#{match[1]})", text)


def verdict_badge(claim: dict) -> str:
    """Today's verdict; on a question of ours it is an answer."""
    verdict = claim["verdict"]
    return badge(ANSWERS.get(verdict, verdict) if claim["scope"] == "ours" else verdict)


def _number(claim: dict, value: str) -> str:
    """The recorded mean of a claim's value for a sentence; ``KeyError`` if the claim has no such value."""
    _value(claim, "values", value)
    return f"{claim['samples'][value].mean:.3g}" if value in claim["samples"] else "(not measured)"


def _paper(claim: dict, value: str) -> str:
    """The paper's number, or its range."""
    number = _value(claim, "paper", value)
    return " to ".join(map(short, number if isinstance(number, list) else [number]))


def _value(claim: dict, kind: str, value: str):
    if value not in claim[kind]:
        what = "value" if kind == "values" else "number of the paper for"
        raise KeyError(f"claim {claim['id']} has no {what} {value}")
    return claim[kind][value]
