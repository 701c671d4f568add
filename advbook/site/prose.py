"""What is generated into the prose pages: marks in the text and what stands in their place."""

from __future__ import annotations

import re
from pathlib import Path

from advbook import reference
from advbook.page import badge
from advbook.site import cite, errata, front, scoreboard, status, verdicts

MARK = re.compile(r"<!-- generated: (\w+) -->")
VERDICT = re.compile(r"<!-- verdict: ([\w-]+): ([\w ]+) -->")
NUMBER = re.compile(r"<!-- number: ([\w-]+): (\w+) -->")

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
    "status": status.status,
    "versions": status.versions,
    **reference.PAGES,
}


def filled(text: str, executed: dict[str, Path]) -> str:
    """Replace ``<!-- generated: NAME -->`` by what ``GENERATED[NAME]`` makes of the executed notebooks, and
    ``<!-- verdict: ID: VERDICT -->`` by today's verdict on that claim, which links to its card. (A test compares it
    with the one that the sentence was written for.) ``<!-- number: ID: VALUE -->`` becomes the recorded mean of that
    value of the claim, to three digits.
    """
    text = MARK.sub(lambda match: GENERATED[match[1]](executed), text)
    if VERDICT.search(text) is None and NUMBER.search(text) is None:
        return text
    found = {claim["id"]: claim for claim in verdicts.judged()}
    text = NUMBER.sub(lambda match: _number(found[match[1]], match[2]), text)
    return VERDICT.sub(lambda match: f"[{badge(found[match[1]]['verdict'])}](#{match[1]})", text)


def _number(claim: dict, value: str) -> str:
    """The recorded mean of a claim's value for a sentence; ``KeyError`` if the claim has no such value."""
    if value not in claim["values"]:
        raise KeyError(f"claim {claim['id']} has no value {value}")
    return f"{claim['samples'][value].mean:.3g}" if value in claim["samples"] else "(not measured)"
