"""Each rule of the book comes out each way that it has, on numbers that follow from its parts."""

import inputs
import pytest

from advbook import claims, judgement, outcomes, paths, rules

CLAIMS = [claim for chapter in paths.chapters() for claim in claims.load("claims", chapter) if "rule" in claim]


def states(claim):
    """The outcomes that a rule can have: a trend only if a part has one, and a number without spread is not open."""
    sized = any(next(inputs.lessened(part), None) for way in rules.ways(claim) for part in way)
    return ["holds", "fails", *["trend"] * sized, *["open"] * (not claim.get("exact", False))]


def verdicts(claim, state):
    return [judgement.of(claim, values)["verdict"] for values in inputs.values_for(claim, state)]


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim["id"])
def test_a_rule_comes_out_each_way(claim):
    words = outcomes.WORDS["ours" if claim.get("scope") == "ours" else "paper"]
    for state in states(claim):
        assert words[state] in (found := verdicts(claim, state)), (state, found)


def test_a_rule_that_cannot_hold_or_cannot_fail_is_found():
    both = {"id": "x", "rule": [{"effect": "a - b"}, {"effect": "b - a"}]}
    assert verdicts(both, "holds") == [] and "not reproduced" in verdicts(both, "fails")
    square = {"id": "x", "rule": [{"value": "a - a", "near": 0, "within": 1}]}
    assert "reproduced" in verdicts(square, "holds") and verdicts(square, "fails") == []
