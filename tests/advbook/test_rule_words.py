"""The rules of claims in words."""

import pytest
from fake_claims import CLAIM

from advbook import rules
from advbook.site import rule_words


@pytest.mark.parametrize(
    "entry, words",
    [
        ({"effect": "a", "paper": 2, "within": 0.5}, "`a` is more than 0, and within 0.5 of the paper's 2"),
        ({"effect": "a", "nothing": 0.5}, "`a` is more than 0; no effect if its 90 % interval is within 0.5 of 0"),
        (
            {"ratio": "a / b", "least": 1.5, "trend": "any"},
            "more than 1, at least 1.5; without it the claim holds in trend",
        ),
        ({"ratio": "a / b", "paper": 2, "within": 3}, "more than 1, and the paper's 2 up to a factor of 3"),
        ({"value": "a", "near": 1, "within": 0.5, "further": 2}, "within 0.5 of 1; within 2 it is a trend"),
        ({"equal": "a - b", "within": 0.5}, "`a - b` is 0, within 0.5 (its 90 % interval)"),
        ({"median": "a - b"}, "the median of `a - b` is more than 0"),
    ],
)
def test_each_kind_of_part_has_its_words(entry, words):
    assert words in rule_words.asked(rules.part(entry))


def test_a_rule_of_several_ways_names_each_and_an_older_rule_has_no_parts():
    claim = {**CLAIM, "rule": [{"effect": "a"}], "or": [[{"effect": "b"}, {"effect": "c"}]]}
    told = rule_words.of(claim)
    assert "all parts of one of its ways must hold" in told and "| `a` is" in told and told.count("| Or: ") == 2
    assert rule_words.of(CLAIM) == ""
