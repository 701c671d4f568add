"""Inference for the book, in one place: estimates of effects, rates and medians that know their intervals.

Units (seeds, splits, groups of images) are independent; what shares a unit is compared inside it, before it comes here.
What an interval decides says :mod:`advbook.outcomes`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from scipy import special  # not scipy.stats, which takes a second to import

from advutils.evaluation import wilson

Numbers = Sequence[float] | np.ndarray
LEVEL = 0.05  # of a verdict: 95 % intervals


class Interval(Protocol):
    """What has an interval: :class:`Estimate`, :class:`Median`."""

    @property
    def mean(self) -> float: ...

    @property
    def n(self) -> int: ...

    def interval(self, level: float = ...) -> tuple[float, float]: ...

    def at(self, n: int) -> Interval: ...


@dataclass(frozen=True)
class Estimate:
    """A mean with the standard error and the degrees of freedom that its Student's interval needs.

    ``n``: number of units; ``fixed``: the part of the variance that more units would not make smaller (that of the
    images). ``trials``: of a rate or a difference of rates, how many independent images it is worth (:func:`rate`); 0
    where the mean has no bounds. ``discordant``: of a difference, the share of images on which the sides differ.
    """

    mean: float
    error: float
    freedom: float
    n: int
    fixed: float = 0.0
    trials: float = 0.0
    discordant: float | None = None

    def interval(self, level: float = 1 - LEVEL) -> tuple[float, float]:
        """(low, high) that covers the truth with probability ``level``; infinite for a single unit."""
        if math.isinf(self.error) or math.isnan(self.mean):
            return -math.inf, math.inf
        quantile = float(special.stdtrit(self.freedom, (1 + level) / 2))
        if not self.trials:
            return self.mean - quantile * self.error, self.mean + quantile * self.error
        if self.discordant is None:
            return wilson(self.mean * self.trials, self.trials, z=quantile)  # type: ignore[arg-type]
        return _half_pairs(self.mean, self.discordant, self.trials, quantile)

    def at(self, n: int) -> Estimate:
        """What it would be with ``n`` units in place of its own, at today's mean and spread."""
        if self.n == n or math.isinf(self.error) or self.error == 0:
            return self
        variance = (self.error**2 - self.fixed) * self.n / n + self.fixed
        trials = self.trials * self.error**2 / variance
        freedom = self.freedom * (n - 1) / (self.n - 1)
        return replace(self, n=n, error=math.sqrt(variance), trials=trials, freedom=freedom)

    def __mul__(self, factor: float) -> _Scaled:
        return _Scaled(self, factor)


@dataclass(frozen=True)
class _Scaled:
    """An estimate in other units, for instance in %."""

    base: Estimate
    factor: float

    @property
    def mean(self) -> float:
        return self.base.mean * self.factor

    @property
    def n(self) -> int:
        return self.base.n

    def interval(self, level: float = 1 - LEVEL) -> tuple[float, float]:
        low, high = sorted(self.factor * end for end in self.base.interval(level))
        return low, high

    def at(self, n: int) -> _Scaled:
        return _Scaled(self.base.at(n), self.factor)


@dataclass(frozen=True)
class Median:
    """The median of effects that may be infinite (a failed attack needs an infinite distortion), one for each unit.

    Its interval lies between order statistics, so that it makes no assumption on their distribution: it contains a
    number unless the sign test rejects it. Fewer than six units decide nothing at 95 %.
    """

    effects: tuple[float, ...]

    @property
    def mean(self) -> float:
        return float(np.median(self.effects))

    @property
    def n(self) -> int:
        return len(self.effects)

    def interval(self, level: float = 1 - LEVEL) -> tuple[float, float]:
        """As :meth:`Estimate.interval`."""
        ordered = sorted(self.effects)
        # how few of the effects may lie on one side before the sign test rejects
        rank = int((special.bdtr(np.arange(self.n), self.n, 0.5) <= (1 - level) / 2).sum())
        return (ordered[rank - 1], ordered[-rank]) if rank > 0 else (-math.inf, math.inf)

    def at(self, n: int) -> Median:
        """As :meth:`Estimate.at`: the same quantiles, ``n`` of them."""
        return Median(tuple(np.quantile(self.effects, (np.arange(n) + 0.5) / n, method="inverted_cdf")))


NOTHING = Estimate(math.nan, math.inf, 1, 0)  # what samples say of a difference that have no unit in common


def exact(number: float) -> Estimate:
    """A number that has no spread: algebra, arithmetic, the whole population."""
    return Estimate(float(number), 0.0, math.inf, 1)


def mean(numbers: Numbers) -> Estimate:
    """Student's: one number for each unit, (n,), or one effect for each pair. One alone has no known spread."""
    values = _finite(numbers)
    n = len(values)
    if n == 1:
        return Estimate(float(values[0]), math.inf, 1, 1)
    spread = values.std(ddof=1)
    if values.max() - values.min() <= 1e-12 * np.abs(values).max():  # equal but for the rounding of sums
        spread = 0.0
    return Estimate(float(values.mean()), float(spread) / math.sqrt(n), n - 1, n)


def welch(a: Numbers, b: Numbers) -> Estimate:
    """The mean of ``a`` less that of ``b``, units that share nothing, (n,) and (k,): Welch 1947."""
    parts = [mean(a), mean(b)]
    variances = [part.error**2 for part in parts]
    total = sum(variances)
    freedom = 1.0
    if 0 < total < math.inf:
        freedom = total**2 / sum(v * v / part.freedom for v, part in zip(variances, parts, strict=True))
    return Estimate(parts[0].mean - parts[1].mean, math.sqrt(total), freedom, min(part.n for part in parts))


def over_images(effects: np.ndarray) -> Estimate:
    """The mean of (n, m) numbers, one for each unit and image, where another draw of either would change it.

    Variance: that of the units' means / n + that of the images' means / m - that of what is left / (n m), never below
    the larger of its first two terms; degrees of freedom by Satterthwaite 1946.
    """
    effects = np.asarray(effects, float)
    n, m = effects.shape
    if n == 1:
        return Estimate(float(effects.mean()), math.inf, 1, 1)
    units, images = effects.mean(1), effects.mean(0)
    a, b = units.var(ddof=1) / n, images.var(ddof=1) / m
    left = effects - units[:, None] - images + effects.mean()
    rest = (left**2).sum() / ((n - 1) * (m - 1)) / (n * m)
    variance = max(a + b - rest, a, b)
    below = a * a / (n - 1) + b * b / (m - 1)
    freedom = max(variance**2 / below, 1.0) if below > 0 else math.inf
    return Estimate(float(effects.mean()), math.sqrt(variance), freedom, n, fixed=max(variance - a, 0.0))


def rate(successes: np.ndarray) -> Estimate:
    """A rate over (n, m) truth values, units by images, where both are draws.

    Wilson's interval with the quantile of Student's t (degrees of freedom as in :func:`over_images`) and with as many
    trials as make p (1 - p) / trials its variance: what n m correlated images are worth. At 0 or 1, where no spread is
    seen, the trials are the m images. By simulation (tests/advbook/test_statistics.py) it covers at all rates from
    .001 to .999. The union of Student's interval and Wilson's at m, which is the plainer recipe, covers too much at
    .001 (more than 99 %) and too little at .1.
    """
    successes = np.asarray(successes, float)
    return _bounded(successes, float(successes.mean() * (1 - successes.mean())), None)


def difference(a: np.ndarray, b: np.ndarray) -> Estimate:
    """The rate of ``a`` less that of ``b``, (n, m) truth values on the same units and images: paired in both.

    Student's interval as in :func:`over_images`, with half a pair added to each of the four cells of the paired table
    (Agresti and Min 2005), of as many pairs as the data are worth (as in :func:`rate`). The half pairs matter where few
    images are discordant. Newcombe's paired interval in the same manner, with the correlation in place of the table,
    covers as little as 89 % at rates of .01 with ten units; this one at least 92 %.
    """
    a, b = np.asarray(a, float), np.asarray(b, float)
    effects, discordant = a - b, float(np.abs(a - b).mean())
    return _bounded(effects, discordant - float(effects.mean()) ** 2, discordant)


def _bounded(effects: np.ndarray, one: float, discordant: float | None) -> Estimate:
    """``one``: the variance in a single independent image."""
    n, m = effects.shape
    found = over_images(effects)
    if math.isinf(found.error):
        return found
    if found.error == 0 or one <= 0:
        return replace(found, trials=m, freedom=math.inf, discordant=discordant)
    return replace(found, trials=min(one / found.error**2, n * m), discordant=discordant)


def _half_pairs(effect: float, discordant: float, pairs: float, quantile: float) -> tuple[float, float]:
    wider = pairs + 2  # half a pair in each of four cells
    effect, discordant = effect * pairs / wider, (discordant * pairs + 1) / wider
    half = quantile * math.sqrt((discordant - effect**2) / wider)
    return max(-1.0, effect - half), min(1.0, effect + half)


def median(effects: Numbers) -> Median:
    """The median effect, (n,), infinite ones among them; ``ValueError`` for NaN or none."""
    if not len(effects) or np.isnan(np.asarray(effects, float)).any():
        raise ValueError(f"effects must be one number or more, none of them NaN, got {list(effects)}")
    return Median(tuple(map(float, effects)))


def ratio(a: Numbers, b: Numbers) -> Estimate:
    """The logarithm of a / b inside each unit, (n,) each; ``ValueError`` unless all are positive."""
    a, b = _finite(a), _finite(b)
    if not ((a > 0).all() and (b > 0).all()):
        raise ValueError("a ratio is of positive numbers, and one of these is not; take the difference")
    return mean(np.log(a / b))


def _finite(numbers: Numbers) -> np.ndarray:
    values = np.asarray(numbers, float)
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
        raise ValueError(f"numbers must be one or more, all finite, got {values.tolist()}; medians may be infinite")
    return values
