"""What would decide the claims that are open: how many further units, and what they cost."""

from __future__ import annotations

import math

from advbook import claims, judgement, outcomes
from advbook.outcomes import FAILS, HOLDS, OPEN
from advbook.statistics import LEVEL

MOST = 1000  # further units that are looked for


def further_units(claim: dict) -> tuple[int, str] | None:
    """How many more units would decide an open claim at today's means and spreads, and the verdict then.

    None if not even ``MOST`` would: the effect seen is as good as none, or there is one unit alone, without a spread.
    """
    level, further = claim.get("level", LEVEL), 1
    words = outcomes.WORDS["ours" if claim["scope"] == "ours" else "paper"]
    while further <= MOST:
        premise = judgement.decided(claim["premises"], level, further).state
        rule = judgement.decided(claim["findings"], level, further).state
        if premise == FAILS:
            return further, "does not arise"
        if premise == HOLDS and rule != OPEN:
            return further, words[rule]
        further = max(further + 1, further * 21 // 20)
    return None


def rows(chapter: str | None = None, judged: list[dict] | None = None) -> tuple[list[dict], list[str]]:
    """The open claims (of a chapter), the cheapest to decide first: ``id``, ``why`` it is open, its units ``n``,
    ``further_units``, the verdict ``then``, ``core_minutes_per_unit`` and ``core_minutes`` in all (null: see
    :func:`further_units`); and the ids of those whose rules are expressions, of which this is not known. ``judged``:
    the claims, where they are judged already."""
    found, unknown = [], []
    for claim in claims.evaluate() if judged is None else judged:
        if claim["verdict"] not in claims.UNDECIDED or chapter not in (None, claim["chapter"]):
            continue
        if not claim["findings"]:
            unknown.append(claim["id"])
            continue
        more, then = further_units(claim) or (None, None)
        minutes = claim["seconds"] / 60
        found.append(
            {
                "id": claim["id"],
                "why": claim["why"],
                "n": claim["n"],
                "further_units": more,
                "then": then,
                "core_minutes_per_unit": round(minutes, 2),
                "core_minutes": None if more is None else round(more * minutes, 1),
            }
        )
    return sorted(found, key=lambda row: math.inf if row["core_minutes"] is None else row["core_minutes"]), unknown
