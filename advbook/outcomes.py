"""What an interval decides: outcomes that exclude each other, and what they are called.

An outcome is one of four, :data:`HOLDS`, :data:`TREND`, :data:`FAILS`, :data:`OPEN`, with a note on size or sign.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from advbook.statistics import LEVEL, Interval

HOLDS, TREND, FAILS, OPEN = "holds", "trend", "fails", "open"


@dataclass(frozen=True)
class Outcome:
    """What an interval decides: ``state`` (:data:`HOLDS` ...), and of a trend how it differs from the full rule."""

    state: str
    note: str = ""


def effect(
    found: Interval,
    *,
    paper: float | None = None,
    within: float | None = None,
    error: float = 0.0,
    least: float = -math.inf,
    nothing: float | None = None,
    parts: int = 1,
    level: float = LEVEL,
) -> Outcome:
    """Whether an effect has its sign (positive) and its size.

    ``paper`` is the paper's effect, with its own sampling ``error``; its size is right ``within`` this much (None: any)
    and from ``least`` on. With the 95 % interval [l, u]: it holds if l > 0 and [l, u] has the right size; it is a trend
    if l > 0 otherwise ("smaller", "larger", or "size open" where the interval crosses a border of it). Where l <= 0 it
    fails if u < 0, or if u < paper - 2 error, at the level .05 / ``parts``, or if there is no difference and no spread,
    or if the 90 % interval lies within +-``nothing``; else it is open. (``level``: in place of .05, for a claim whose
    verdict was seen before its units were fixed.)
    """
    low, high = found.interval(1 - level)
    least, most = (least, math.inf) if within is None else (max(least, paper - within), paper + within)  # type: ignore[operator]
    if low > 0:
        if least <= low and high <= most:
            return Outcome(HOLDS)
        return Outcome(TREND, "smaller" if high < least else "larger" if low > most else "size open")
    if low == high == 0:
        return Outcome(FAILS, "no difference")
    if nothing is not None and _inside(found.interval(1 - 2 * level / parts), nothing):
        return Outcome(FAILS, "no difference that counts")
    high = found.interval(1 - level / parts)[1]
    if high < 0:
        return Outcome(FAILS, "the other sign")
    if paper is not None and high < paper - 2 * error:
        return Outcome(FAILS, "smaller, and its sign open")
    return Outcome(OPEN)


def value(
    found: Interval, *, near: float, within: float, further: float | None = None, parts: int = 1, level: float = LEVEL
) -> Outcome:
    """Whether a number lies ``within`` this much of ``near``; a trend if ``within`` a wider tolerance, ``further``."""
    inside, outside = _sides(found, near, within, parts, level)
    if inside:
        return Outcome(HOLDS, "inside")
    if further is not None:
        there, beyond = _sides(found, near, further, parts, level)
        if there:
            return Outcome(TREND, "near" if outside else "size open")
        return Outcome(FAILS, "outside") if beyond else Outcome(OPEN)
    return Outcome(FAILS, "outside") if outside else Outcome(OPEN)


def equality(found: Interval, *, within: float, near: float = 0.0, parts: int = 1, level: float = LEVEL) -> Outcome:
    """Whether a difference is none: its 90 % interval lies inside +-``within`` (two one-sided tests, Schuirmann 1987);
    outside if the 95 % interval is disjoint from it."""
    low, high = found.interval(1 - 2 * level)
    if near - within <= low and high <= near + within:
        return Outcome(HOLDS, "inside")
    return Outcome(FAILS, "outside") if _sides(found, near, within, parts, level)[1] else Outcome(OPEN)


def _sides(found: Interval, near: float, within: float, parts: int, level: float) -> tuple[bool, bool]:
    """Whether the 95 % interval lies inside; whether that at the level .05 / ``parts`` is disjoint."""
    low, high = found.interval(1 - level)
    inside = near - within <= low and high <= near + within
    low, high = found.interval(1 - level / parts)
    return inside, high < near - within or low > near + within


def _inside(interval: tuple[float, float], within: float) -> bool:
    return -within <= interval[0] and interval[1] <= within


def only_size(outcome: Outcome) -> Outcome:
    """Of a part that can lower a verdict to a trend and no further."""
    if outcome.state in (FAILS, OPEN):
        return Outcome(TREND, "size open" if outcome.state == OPEN else "less than asked")
    return outcome


def conjunction(outcomes: Sequence[Outcome]) -> Outcome:
    """All of k parts: holds if each does, fails if one does (asked at .05 / k), a trend if each is one or holds.

    So under no effect at all a sign is wrong in at most 5 % of the verdicts: each part would have to hold by itself, at
    2.5 %, or one of k to fail, at 2.5 % / k each.
    """
    states = {outcome.state for outcome in outcomes}
    state = next((s for s in (FAILS, OPEN, TREND) if s in states), HOLDS)
    notes = dict.fromkeys(outcome.note for outcome in outcomes if outcome.state == state and outcome.note)
    return Outcome(state, ", ".join(notes))


def disjunction(strict: Sequence[Outcome], plain: Sequence[Outcome]) -> Outcome:
    """One of m ways: it holds, or is a trend, if one does at the level .05 / m (``strict``), and fails if all of them
    fail at .05 (``plain``). So m chances make no wrong sign likelier than one."""
    for state in (HOLDS, TREND):
        if found := [outcome for outcome in strict if outcome.state == state]:
            return found[0]
    if all(outcome.state == FAILS for outcome in plain):
        return Outcome(FAILS, ", ".join(dict.fromkeys(outcome.note for outcome in plain if outcome.note)))
    return Outcome(OPEN)


WORDS = {  # what an outcome is called: of claims and identities in papers, and of questions of ours
    "paper": {HOLDS: "reproduced", TREND: "reproduced in trend", FAILS: "not reproduced", OPEN: "inconclusive"},
    "ours": {HOLDS: "yes", TREND: "partly", FAILS: "no", OPEN: "open"},
}
