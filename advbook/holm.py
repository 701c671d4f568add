"""Which verdicts would stand if all those of a paper were asked for at once: Holm 1979."""

from __future__ import annotations

from collections.abc import Sequence

from advbook import judgement
from advbook.outcomes import FAILS, OPEN
from advbook.statistics import LEVEL, Interval


def family(claims: Sequence[dict]) -> list[dict]:
    """The judged claims that chance can decide: by intervals, on what has a spread; the open ones count."""
    words = ("not attempted", "withdrawn", "records damaged", "does not arise")
    return [
        claim
        for claim in claims
        if claim["verdict"] not in words and any(_spread(each.estimate) for each in claim["findings"])
    ]


def fallen(claims: Sequence[dict]) -> list[dict]:
    """Of a family those whose verdict Holm's correction takes away: in the order of the share of .05 at which they
    still stand, the first must do so at a share of all, the next at one of all but one ...; from the first that does
    not, none counts."""
    reaches = [(_reach(claim, len(claims)), claim) for claim in claims]
    ordered = sorted(reaches, key=lambda each: -each[0])
    for number, (reach, _) in enumerate(ordered):
        if reach < len(claims) - number:
            return [claim for reach, claim in ordered[number:] if reach > 0]
    return []


def _spread(estimate: Interval) -> bool:
    low, high = estimate.interval()
    return low < high


def _reach(claim: dict, most: int) -> int:
    """The largest k up to ``most`` for which the verdict is for, or against, the claim at a k-th of its level too; 0
    for an open one."""
    level = claim.get("level", LEVEL)
    lists = [each for each in (claim["premises"], claim["findings"]) if each]

    def sides(parts: int) -> list[str]:
        found = [judgement.decided(each, level / parts).state for each in lists]
        return ["open" if state == OPEN else "against" if state == FAILS else "for" for state in found]

    low, high, here = 1, most + 1, sides(1)
    if "open" in here:
        return 0
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if sides(middle) == here else (low, middle)
    return low
