"""A claim in one line of numbers: the paper's and ours with its interval, for boxes, tables and files."""

from __future__ import annotations

import math
from dataclasses import dataclass

from advbook import forest
from advbook.statistics import mean


@dataclass(frozen=True)
class Summary:
    """The number that a claim is about, ``what``; ``low`` and ``high``: its 95 % interval, equal to ``mean`` if exact.

    They are infinite where one unit says nothing of the spread; ``paper`` is None where the paper gives no number.
    """

    what: str
    paper: float | None
    mean: float
    low: float
    high: float
    n: int

    def text(self) -> str:
        """'paper 0.78 → ours 1.35 [1.2, 1.49], n = 3', without what is not there."""
        paper = "" if self.paper is None else f"paper {short(self.paper)} → "
        return f"{paper}ours {self.ours()}, n = {self.n}"

    def ours(self) -> str:
        """'1.35 [1.2, 1.49]'; the interval is left out where it is not known or has no width."""
        known = math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high
        return short(self.mean) + (f" [{short(self.low)}, {short(self.high)}]" if known else "")


def short(number: float) -> str:
    """Three digits, without an exponent where that is readable: '0.0123', '1,230', '1.2e-07'."""
    if number == 0 or not math.isfinite(number):
        return "0" if number == 0 else "∞" if number > 0 else "−∞" if number < 0 else "–"
    if not 1e-4 <= abs(number) < 1e6:
        return f"{number:.2g}".replace("-", "−")
    digits = max(0, 2 - math.floor(math.log10(abs(number))))
    text = f"{number:,.{digits}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text).replace("-", "−")


def of(claim: dict) -> Summary | None:
    """The main effect of a judged claim (:func:`advbook.forest.main`), or its first value that the paper has a number
    for, else its first value; None if nothing is recorded."""
    if claim["findings"]:
        found = forest.main(claim["findings"])
        ours, low, high = found.ends
        return Summary(found.part.expression, found.part.paper, ours, low, high, found.estimate.n)  # type: ignore[attr-defined]
    samples = claim["samples"]
    name = next((name for name in claim["paper"] if name in samples), next(iter(samples), None))
    if name is None:
        return None
    paper, sample = claim["paper"].get(name), samples[name]
    low = high = sample.mean
    if sample.numbers:
        low, high = mean(sample.numbers).interval()
    elif sample.variance:
        low, high = -math.inf, math.inf
    return Summary(name, paper if isinstance(paper, int | float) else None, sample.mean, low, high, max(sample.n, 1))
