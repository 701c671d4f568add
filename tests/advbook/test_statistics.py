"""Intervals and outcomes: against closed forms, and by simulation."""

import functools
import itertools
import math

import numpy as np
import pytest
from scipy import stats

from advbook import outcomes
from advbook import statistics as s
from advbook.outcomes import FAILS, HOLDS, OPEN, TREND, Outcome
from advbook.statistics import Estimate

RATES = (0.001, 0.01, 0.1, 0.5, 0.99, 0.999)
IMAGES = 1000
# logits of a success: standard deviations between units, and between images (common to both sides; of one side's own)
WORLDS = (
    {"units": (0.2, 0.2), "images": (2.0, 0.5)},
    {"units": (0.0, 0.05), "images": (3.0, 0.0)},
    {"units": (0.4, 0.4), "images": (1.0, 0.5)},
)


@functools.cache
def logit(p, spread):
    """The mean of a normal logit, of this standard deviation, whose mean rate is p."""
    z = stats.norm.ppf((np.arange(4001) + 0.5) / 4001) * spread
    low, high = -40.0, 40.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if (1 / (1 + np.exp(-(middle + z)))).mean() < p else (low, middle)
    return middle


def draw(rng, n, rates, units, images):
    """Truth values (n, images) of one side for each of ``rates``, on the same units and images."""
    draws = functools.partial(rng.standard_normal, dtype=np.float32)
    spread = math.sqrt(sum(x * x for x in (*units, *images)))
    common = units[0] * draws((n, 1)) + images[0] * draws((1, IMAGES))
    return [
        rng.random((n, IMAGES), np.float32)
        < 1 / (1 + np.exp(-(logit(p, spread) + common + units[1] * draws((n, 1)) + images[1] * draws((1, IMAGES)))))
        for p in rates
    ]


def covered(make, truth, trials):
    """Share of ``trials`` intervals that contain the truth."""
    found = [make().interval() for _ in range(trials)]
    return sum(low - 1e-12 <= truth <= high + 1e-12 for low, high in found) / trials


def least(n, trials):
    """The coverage that is asked for, less two standard errors of a simulation of so many trials."""
    return (0.92 if n == 3 else 0.93) - 2 * math.sqrt(0.06 / trials)


def test_a_mean_has_student_s_interval():
    numbers = [1.0, 1.2, 1.3, 0.7]
    wanted = stats.ttest_1samp(numbers, 0).confidence_interval(0.9)
    assert s.mean(numbers).interval(0.9) == pytest.approx((wanted.low, wanted.high))
    assert s.mean([1.0]).interval() == (-math.inf, math.inf)
    assert s.mean([0.1 + 0.2, 0.3]).interval() == pytest.approx((0.3, 0.3))
    assert s.exact(2).interval() == (2, 2)


def test_independent_sides_have_welch_s_interval():
    a, b = [1.0, 1.2, 1.3], [1.5, 1.75, 1.6, 2.0]
    wanted = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    assert s.welch(a, b).interval() == pytest.approx((wanted.low, wanted.high))
    assert s.welch([1.0], b).interval() == (-math.inf, math.inf)


def test_a_ratio_is_formed_inside_the_units_and_on_the_log():
    found = s.ratio([2.0, 4.0, 8.0], [1.0, 2.0, 4.0])
    assert found.interval() == pytest.approx((math.log(2), math.log(2)))
    with pytest.raises(ValueError, match="positive"):
        s.ratio([1.0, 0.0], [1.0, 1.0])


def test_without_spread_between_images_their_share_of_the_variance_is_none():
    units = np.array([0.0, 1.0, 5.0])
    found = s.over_images(np.repeat(units[:, None], 7, axis=1))
    assert found.interval() == pytest.approx(s.mean(units).interval()) and found.fixed == 0
    images = np.array([0.0, 1.0, 5.0, 6.0])
    found = s.over_images(np.repeat(images[None], 3, axis=0))  # and without spread between units it is all of it
    assert found.interval() == pytest.approx(s.mean(images).interval()) and found.at(99).error == found.error


def test_a_rate_of_equal_units_is_wilson_s_interval_of_the_images():
    one = np.arange(500) < 70
    wanted = stats.binomtest(70, 500).proportion_ci(method="wilson")
    low, high = s.rate(np.array([one] * 4)).interval()
    assert (low, high) == pytest.approx((wanted.low, wanted.high), rel=0.01)  # Student's t with 499 in place of normal
    wanted = stats.binomtest(0, 500).proportion_ci(method="wilson")
    assert s.rate(np.zeros((4, 500))).interval() == pytest.approx((wanted.low, wanted.high))


def test_a_paired_difference_of_equal_units_is_agresti_and_min_s_interval():
    a, b = np.arange(1000) < 60, (np.arange(1000) < 50) | (np.arange(1000) >= 985)  # 10 and 15 discordant
    found = s.difference(np.array([a] * 3), np.array([b] * 3)).interval()
    pairs = 999  # the variance between the images is estimated
    n, up, down = pairs + 2, 0.010 * pairs + 0.5, 0.015 * pairs + 0.5
    centre, half = (up - down) / n, stats.t.ppf(0.975, 999) * math.sqrt(up + down - (up - down) ** 2 / n) / n
    assert found == pytest.approx((centre - half, centre + half), abs=1e-9)
    assert s.difference(np.array([a] * 3), np.array([a] * 3)).interval()[1] > 1e-3  # no pair differs: not exactly 0


def test_a_median_lies_between_the_order_statistics_of_the_sign_test():
    found = s.median([*range(1, 10), math.inf])
    assert found.interval() == (2, 9) and found.mean == 5.5  # of ten the second and the ninth: 97.9 %
    for rank, rejected in ((1, True), (2, False)):  # as the two-sided sign test has it at 5 %
        assert (stats.binomtest(rank, 10).pvalue < 0.05) == rejected
    assert s.median([1.0] * 5).interval() == (-math.inf, math.inf) and s.median([1.0] * 6).interval() == (1, 1)
    with pytest.raises(ValueError, match="NaN"):
        s.median([math.nan])


@pytest.mark.parametrize("world", WORLDS[:2])
def test_the_interval_of_a_rate_covers(world):
    rng = np.random.default_rng(1)
    for n, p in ((3, 0.01), (5, 0.5), (10, 0.001)):
        assert covered(lambda n=n, p=p: s.rate(draw(rng, n, [p], **world)[0]), p, 150) >= least(n, 150), (n, p)


def test_the_interval_of_a_paired_difference_covers():
    rng = np.random.default_rng(2)
    for n, a, b in ((3, 0.003, 0.001), (5, 0.02, 0.01), (10, 0.5, 0.6)):
        found = covered(lambda n=n, a=a, b=b: s.difference(*draw(rng, n, [a, b], **WORLDS[0])), a - b, 150)
        assert found >= least(n, 150), (n, a, b)


@pytest.mark.check
@pytest.mark.parametrize("n, world", list(itertools.product((3, 5, 10), WORLDS)))
def test_the_intervals_cover_at_all_rates(n, world):
    rng, trials, found = np.random.default_rng(n), 600, {}
    for p in RATES:
        found["rate", p] = covered(lambda p=p: s.rate(draw(rng, n, [p], **world)[0]), p, trials)
    for a, b in ((0.001, 0.001), (0.003, 0.001), (0.02, 0.01), (0.1, 0.1), (0.5, 0.6), (0.99, 0.985), (0.999, 0.999)):
        found[a, b] = covered(lambda a=a, b=b: s.difference(*draw(rng, n, [a, b], **world)), a - b, trials)
    print(n, world, {name: round(share, 3) for name, share in found.items()})
    assert {name: share for name, share in found.items() if share < least(n, trials)} == {}


def wrong_signs(rng, n, parts, trials, shared):
    """Verdicts on the sign of effects that are all none, in which a part's units may share something with another's."""
    signs = 0
    for _ in range(trials):
        common = rng.normal(size=n) * shared
        found = [outcomes.effect(s.mean(common + rng.normal(size=n)), parts=parts) for _ in range(parts)]
        signs += outcomes.conjunction(found).state != OPEN
    return signs / trials


@pytest.mark.parametrize("parts, shared", [(1, 0.0), (2, 0.0), (4, 0.0), (4, 3.0)])
def test_without_an_effect_at_most_one_verdict_in_twenty_has_a_sign(parts, shared):
    rng = np.random.default_rng(parts)
    assert wrong_signs(rng, 3, parts, 1500, shared) <= 0.05 + 2 * math.sqrt(0.05 / 1500)


@pytest.mark.check
@pytest.mark.parametrize("n", (3, 5, 10))
def test_without_a_difference_of_rates_few_verdicts_have_a_sign(n):
    rng, trials = np.random.default_rng(n), 600
    for world, p in itertools.product(WORLDS, (0.001, 0.01, 0.5, 0.99)):
        signs = 0
        for _ in range(trials):
            one, two, three = draw(rng, n, [p] * 3, **world)
            found = [outcomes.effect(s.difference(one, other), parts=2) for other in (two, three)]
            signs += outcomes.conjunction(found).state != OPEN
        assert signs / trials <= 0.05 + 2 * math.sqrt(0.05 / trials), (world, p)


def test_two_one_sided_tests_hold_their_size():
    rng, trials = np.random.default_rng(5), 3000
    for n, spread in ((3, 0.3), (5, 1.0), (10, 0.5)):
        found = [outcomes.equality(s.mean(1 + spread * rng.normal(size=n)), within=1).state for _ in range(trials)]
        inside = found.count(HOLDS)
        assert inside / trials <= 0.05 + 2 * math.sqrt(0.05 / trials), n
    assert outcomes.equality(s.mean([0.1, -0.1, 0.05]), within=1) == Outcome(HOLDS, "inside")


def estimate(low, high):
    """One whose 95 % interval is this."""
    return Estimate((low + high) / 2, (high - low) / 2 / stats.norm.ppf(0.975), math.inf, 5)


def test_outcomes_exclude_each_other_on_a_grid():
    """Each outcome is what its own definition says, and of the definitions exactly one fits each interval."""
    paper, within, error = 1.0, 0.3, 0.1
    seen = set()
    for middle, half in itertools.product(np.linspace(-2.0037, 3, 51), (0.02, 0.1, 0.25, 0.6, 1.5)):
        low, high = middle - half, middle + half
        fits = {
            Outcome(HOLDS): low > 0 and 0.7 <= low and high <= 1.3,
            Outcome(TREND, "smaller"): low > 0 and high < 0.7,
            Outcome(TREND, "larger"): low > 0 and low > 1.3,
            Outcome(TREND, "size open"): low > 0 and (low < 0.7 <= high or low <= 1.3 < high),
            Outcome(FAILS, "the other sign"): high < 0,
            Outcome(FAILS, "smaller, and its sign open"): low <= 0 <= high < paper - 2 * error,
            Outcome(OPEN): low <= 0 and high >= paper - 2 * error,
        }
        found = outcomes.effect(estimate(low, high), paper=paper, within=within, error=error)
        assert [outcome for outcome, fit in fits.items() if fit] == [found], (low, high)
        seen.add(found)
        near = outcomes.value(estimate(low, high), near=0, within=0.5, further=1.5)
        assert near.state == (
            HOLDS
            if max(-low, high) <= 0.5
            else TREND
            if max(-low, high) <= 1.5
            else FAILS
            if low > 1.5 or high < -1.5
            else OPEN
        )
        equal = outcomes.equality(estimate(low, high), within=0.5).state
        assert not (equal == HOLDS and max(low, -high) > 0.5) and (equal == FAILS) == (low > 0.5 or high < -0.5)
        sign = outcomes.effect(estimate(low, high)).state
        assert sign == (HOLDS if low > 0 else FAILS if high < 0 else OPEN)
    assert seen == set(fits)


def test_a_part_fails_at_its_share_of_the_level():
    alone = estimate(-2.0, -0.1)
    assert outcomes.effect(alone).state == FAILS and outcomes.effect(alone, parts=4).state == OPEN
    assert outcomes.value(alone, near=1, within=1).state == FAILS
    assert outcomes.value(alone, near=1, within=1, parts=4).state == OPEN


def test_a_claim_whose_verdict_was_seen_before_is_judged_at_a_stricter_level():
    barely = estimate(0.05, 2.0)  # 97.5 %: from -0.09
    assert outcomes.effect(barely).state == HOLDS and outcomes.effect(barely, level=0.025).state == OPEN
    assert outcomes.value(barely, near=1, within=1).state == HOLDS
    assert outcomes.value(barely, near=1, within=1, level=0.025).state == OPEN


def test_no_difference_at_all_is_no_sign():
    assert outcomes.effect(s.exact(0.0)) == Outcome(FAILS, "no difference")
    assert outcomes.effect(s.NOTHING).state == outcomes.value(s.NOTHING, near=0, within=1).state == OPEN


def test_a_conjunction_is_as_good_as_its_worst_part():
    some = {state: Outcome(state) for state in (HOLDS, TREND, FAILS, OPEN)}
    for parts, state in (
        ("HOLDS HOLDS", HOLDS),
        ("HOLDS TREND", TREND),
        ("TREND OPEN", OPEN),
        ("OPEN FAILS", FAILS),
        ("HOLDS OPEN", OPEN),
        ("TREND FAILS", FAILS),
    ):
        assert outcomes.conjunction([some[getattr(outcomes, part)] for part in parts.split()]).state == state
    assert outcomes.conjunction([Outcome(TREND, "smaller"), Outcome(HOLDS, "inside")]) == Outcome(TREND, "smaller")
    assert outcomes.only_size(some[FAILS]).state == outcomes.only_size(some[OPEN]).state == TREND
    assert outcomes.only_size(some[HOLDS]) == some[HOLDS]


def test_a_ratio_that_must_reach_a_size_is_smaller_below_it():
    found = s.ratio([1.5, 1.51, 1.49], [1.0, 1.0, 1.0])
    assert outcomes.effect(found, least=math.log(2)) == Outcome(TREND, "smaller")
    assert outcomes.effect(found, least=math.log(1.2)) == Outcome(HOLDS)


def test_more_units_at_today_s_spread_narrow_the_interval():
    found = s.mean([1.0, 2.0, 3.0])
    more = found.at(12)
    assert more.error == pytest.approx(found.error / 2) and more.freedom == 11 and found.at(3) is found
    both = s.over_images(np.random.default_rng(0).normal(size=(3, 50)) + np.arange(50))
    assert both.at(10**6).error == pytest.approx(math.sqrt(both.fixed), rel=1e-3)
    ten = s.median([1.0, 2.0, 3.0, math.inf]).at(40)
    assert ten.n == 40 and ten.interval()[0] > 1 and ten.mean == 2.5


def test_an_estimate_in_other_units_has_its_interval_there():
    found = s.mean([1.0, 2.0, 3.0])
    assert (found * -100).interval() == pytest.approx(tuple(-100 * end for end in found.interval()[::-1]))
    assert (found * 100).mean == 200 and (found * 100).at(9).n == 9
