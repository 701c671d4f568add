"""A rule in parts as a reader reads it: what each part asks, what it found, and what follows."""

from __future__ import annotations

from advbook import outcomes, rules
from advbook.judgement import Finding
from advbook.site.tables import table
from advbook.summary import short

FOLLOWS = {outcomes.HOLDS: "holds", outcomes.TREND: "in trend", outcomes.FAILS: "fails", outcomes.OPEN: "open"}


def of(claim: dict) -> str:
    """The parts of a claim's rule as a Markdown table, premises first; empty for an older rule, which has none.

    ``claim`` is one of :func:`advbook.claims.evaluate`.
    """
    if "rule" not in claim:
        return ""
    premises = [rules.part(entry) for entry in claim.get("premise", ())]
    ways = rules.ways(claim)
    rows = _rows("Judged only if ", premises, claim.get("premises", []))
    found = list(claim["findings"])
    for number, parts in enumerate(ways):
        rows += _rows("Or: " if number else "", parts, found[: len(parts)])
        found = found[len(parts) :]
    how = "all of its parts must hold" if len(ways) == 1 else "all parts of one of its ways must hold"
    head = ["asked of the whole 95 % interval", "found", "so it"]
    return f"*The rule of {claim['id']} in words: {how}*\n\n{table(head, rows)}\n"


def _rows(before: str, parts: list[rules.Part], found: list[Finding]) -> list[list[str]]:
    """A row a part; without findings nothing is measured."""
    if not found:
        return [[before + asked(part), "–", "–"] for part in parts]
    return [[before + asked(each.part), _found(each), _follows(each.outcome)] for each in found]


def asked(part: rules.Part) -> str:
    """What a part asks, in Markdown."""
    name = f"`{part.expression}`"
    match part:
        case rules.Number(near=near, within=within, further=further):
            words = f"{name} is within {short(within)} of {short(near)}"
            words += "" if further is None else f"; within {short(further)} it is a trend"
        case rules.Equal(within=within):
            words = f"{name} is 0, within {short(within)} (its 90 % interval)"
        case rules.Median():
            words = f"the median of {name} is more than 0"
        case rules.Ratio(paper=paper, within=within, least=least):
            words = f"{name} is more than 1"
            words += "" if least is None else f", at least {short(least)}"
            words += (
                ""
                if within is None or paper is None
                else f", and the paper's {short(paper)} up to a factor of {short(within)}"
            )
        case rules.Effect(paper=paper, within=within, nothing=nothing):
            words = f"{name} is more than 0"
            words += (
                "" if within is None or paper is None else f", and within {short(within)} of the paper's {short(paper)}"
            )
            words += "" if nothing is None else f"; no effect if its 90 % interval is within {short(nothing)} of 0"
        case _:
            raise TypeError(f"no words for parts of the kind {type(part).__name__}")
    return words + ("; without it the claim holds in trend" if part.trend else "")


def _found(found: Finding) -> str:
    mean, low, high = found.ends
    interval = f" [{short(low)}, {short(high)}]" if low < high else ""
    lacking = f", {found.left_out} left out" if found.left_out else ""
    return f"{short(mean)}{interval}, n = {found.estimate.n}{lacking}"


def _follows(outcome: outcomes.Outcome) -> str:
    return FOLLOWS[outcome.state] + (f" ({outcome.note})" if outcome.note else "")
