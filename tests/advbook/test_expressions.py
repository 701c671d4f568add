"""The language that claims were first written in."""

import pytest

from advbook import claims
from advbook.expressions import Sample, evaluate_rule, less, near, value


def sample(*numbers):
    return Sample.of(list(numbers))


def test_a_comparison_is_decided_only_by_its_interval():
    assert less(sample(1.0, 1.1, 0.9), sample(5.0, 5.1, 4.9)) is True
    assert less(sample(5.0, 5.1, 4.9), sample(1.0, 1.1, 0.9)) is False
    assert less(sample(1.0, 3.0), sample(2.0, 2.5)) is None


def test_less_is_welch_s_interval():
    stats = pytest.importorskip("scipy.stats")
    a, b = [1.0, 1.2, 1.3], [1.5, 1.75, 1.6]
    interval = stats.ttest_ind(b, a, equal_var=False).confidence_interval(0.95)
    assert less(sample(*a), sample(*b)) is (True if interval.low > 0 else None)
    shifted = [v - interval.low for v in b]  # now the interval touches 0 exactly
    assert less(sample(*a), sample(*[v + 1e-6 for v in shifted])) is True
    assert less(sample(*a), sample(*[v - 1e-6 for v in shifted])) is None


def test_one_seed_decides_nothing_unless_exact():
    one = sample(1.0)
    assert less(one, sample(100.0, 101.0)) is None and near(one, 1.0, 0.1) is None
    exact = Sample.of([1.0], exact=True)
    assert less(exact, Sample.of([2.0], exact=True)) is True and near(exact, 1.05, 0.1) is True


def test_numbers_that_differ_by_rounding_have_no_spread():
    assert 0.1 + 0.2 != 0.3
    assert Sample.of([0.1 + 0.2, 0.3]).variance == 0
    assert Sample.of([0.3 + 1e-9, 0.3]).variance > 0
    assert claims.show(Sample.of([0.1 + 0.2, 0.3])) == "0.3 (n = 2)"


@pytest.mark.parametrize(
    "rule, expected",
    [
        ("a < b", True),
        ("a > b", False),
        ("a < b and wide < b", None),
        ("a > b and wide < b", False),
        ("a < b or wide < b", True),
        ("not wide < b", None),
        ("near(a, 1, 0.2)", True),
        ("near(a, 2, 0.2)", False),
        ("b / a > 3", True),
        ("b - a < 100", True),
        ("mean(a) < 1.5", True),
        ("-b < a", True),
        ("none <= 0", True),
        ("none >= 0", True),
        ("none < 0", False),
        ("none > 0", False),
        ("a <= b", True),
        ("a >= b", False),
        ("wide <= b", None),
        ("none / 2 <= 0", True),
        ("2 * once < 1", None),
        ("-once < 1", None),
        ("zero / 2 < 1", True),
        ("2 * zero < 1", True),
        ("-zero < 1", True),
        ("a / zero < 1", None),
        ("a / none < 1", None),
        ("mean(a / none) < 1", None),
        ("near(a / none, 1, 2)", None),
        ("once * none < 1", None),
    ],
)
def test_three_valued_logic(rule, expected):
    values = {
        "a": sample(1.0, 1.01, 0.99),
        "b": sample(5.0, 5.1, 4.9),
        "wide": sample(0.0, 10.0),
        "none": Sample.of([0.0], exact=True),
        "once": sample(0.0),
        "zero": sample(-0.01, 0.01, 0.0),
    }
    assert evaluate_rule(rule, values) is expected


@pytest.mark.parametrize(
    "rule",
    [
        "a < ",
        "open('x')",
        "a.__class__",
        "c < 1",
        "a < b < 1",
        "[a]",
        "near(a)",
        "abs(a) < 1",
        "a",
        "a + 1",
        "not a",
        "a and b < 2",
        "mean(a)",
    ],
)
def test_anything_else_is_refused(rule):
    with pytest.raises(ValueError, match="rule"):
        evaluate_rule(rule, {"a": sample(1.0, 2.0), "b": 1.0})


def test_near_is_decided_only_by_its_interval():
    assert near(sample(1.0, 1.1, 0.9), 1, 0.5) is True and near(sample(1.0, 1.1, 0.9), 2, 0.5) is False
    assert near(sample(1.0, 1.1, 0.9), 1.4, 0.5) is None and near(1.0, 1.4, 0.5) is True


def test_the_spread_of_a_product_and_a_quotient_is_that_of_first_order():
    a, b = sample(2.0, 2.2, 2.4), sample(4.0, 4.1, 4.2)
    relative = a.variance / a.mean**2 + b.variance / b.mean**2
    values = {"a": a, "b": b}
    for rule, mean in (("a * b", a.mean * b.mean), ("a / b", a.mean / b.mean)):
        found = value(rule, values)
        assert found.mean == pytest.approx(mean) and found.variance == pytest.approx(mean**2 * relative)


def test_where_a_mean_describes_no_network_the_numbers_are_shown():
    assert claims.show(Sample.of([1.94, 88.65, 5.15])) == "1.94, 5.15, 88.7 (n = 3)"
    assert claims.show(Sample.of([1.0, 1.1])) == "1.05 ± 0.071 (n = 2)"
    assert not claims.diverged([1.9, 20.0]) and not claims.diverged([0.0, 0.0, 90.0]) and not claims.diverged([1, 2, 9])
    assert not claims.diverged([1, 9, 80]) and not claims.diverged([-1, 0.1, 90])
    assert claims.diverged([1.9, 88, 5, 88, 1.8])
