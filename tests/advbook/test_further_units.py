"""Looking twice, in several ways, or at many claims, makes wrong signs no likelier: by simulation."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from advbook import holm, outcomes, rules
from advbook import statistics as s
from advbook.judgement import Finding
from advbook.outcomes import FAILS, HOLDS, OPEN, TREND, Outcome
from advbook.statistics import LEVEL

TRIALS = 20_000
CHANCE = 3 * math.sqrt(0.05 / TRIALS)  # three standard errors of a share of one in twenty, for a dozen of shares


def second_looks(n, more, judge):
    """Under no effect: of the verdicts that n units left open, the share that ``judge`` gives a sign with ``more``; and
    the share of all verdicts that have one after either look."""
    rng = np.random.default_rng(n)
    opened = second = first = 0
    for _ in range(TRIALS):
        old, new = rng.normal(size=n), rng.normal(size=more)
        if outcomes.effect(s.mean(old)).state != OPEN:
            first += 1
            continue
        opened += 1
        second += judge(old, new).state != OPEN
    return second / opened, (first + second) / TRIALS


@pytest.mark.parametrize("n, more", [(3, 3), (3, 7), (5, 5), (10, 10)])
def test_further_units_alone_or_all_at_a_stricter_level_give_an_open_verdict_a_wrong_sign_once_in_twenty(n, more):
    alone, _ = second_looks(n, more, lambda old, new: outcomes.effect(s.mean(new)))
    stricter, twice = second_looks(
        n, more, lambda old, new: outcomes.effect(s.mean(np.concatenate([old, new])), level=LEVEL / 2)
    )
    _, naive = second_looks(n, more, lambda old, new: outcomes.effect(s.mean(np.concatenate([old, new]))))
    print(n, more, {"alone": alone, "stricter": stricter, "both looks": twice, "both looks, naive": naive})
    assert alone <= 0.05 + CHANCE and stricter <= 0.05 + CHANCE
    assert twice < 0.075 + CHANCE and naive > twice


def way(effects, parts=1):
    return [rules.part({"effect": "a"})] * parts, [s.mean(effects(parts)[part]) for part in range(parts)]


@pytest.mark.parametrize("ways, parts", [(2, 1), (2, 4), (3, 2)])
def test_several_ways_to_hold_make_a_wrong_sign_no_likelier_than_one(ways, parts):
    rng = np.random.default_rng(ways + parts)
    wrong = 0
    for _ in range(TRIALS):
        made = [way(lambda k: rng.normal(size=(k, 3)), parts) for _ in range(ways)]
        wrong += rules.either([each for each, _ in made], [found for _, found in made]).state != OPEN
    assert wrong / TRIALS <= 0.05 + CHANCE


def test_one_way_that_holds_is_enough_and_all_must_fail():
    some = {state: Outcome(state) for state in (HOLDS, TREND, FAILS, OPEN)}
    for strict, plain, state in (
        ("HOLDS FAILS", "HOLDS FAILS", HOLDS),
        ("TREND HOLDS", "TREND HOLDS", HOLDS),
        ("TREND OPEN", "TREND OPEN", TREND),
        ("OPEN FAILS", "HOLDS FAILS", OPEN),
        ("OPEN OPEN", "FAILS FAILS", FAILS),
        ("FAILS OPEN", "FAILS OPEN", OPEN),
    ):
        both = [[some[getattr(outcomes, one)] for one in words.split()] for words in (strict, plain)]
        assert outcomes.disjunction(*both).state == state, (strict, plain)


def claim(effects, id="x"):
    found, part = s.mean(effects), rules.part({"effect": "a"})
    state = part.outcome(found, 1, LEVEL)
    word = outcomes.WORDS["paper"][state.state]
    return {"id": id, "verdict": word, "premises": [], "findings": [Finding(part, found, state, 0)]}


def test_holm_s_correction_leaves_one_wrong_sign_in_twenty_papers_without_any_effect():
    rng, papers, wrong = np.random.default_rng(7), 200, 0
    for _ in range(papers):
        judged = [claim(effects) for effects in rng.normal(size=(20, 4))]
        decided = [each for each in judged if each["verdict"] != "inconclusive"]
        wrong += len(holm.fallen(judged)) < len(decided)
    assert wrong / papers <= 0.05 + 2 * math.sqrt(0.05 / papers)


def test_holm_s_correction_goes_step_by_step():
    strong, weak = claim([1.0, 1.001, 0.999, 1.0], "strong"), claim([1.0, 2.0, 1.5, 0.4], "weak")
    assert weak["verdict"] == "reproduced" and holm.fallen([weak]) == []
    assert holm.fallen([strong, weak]) == []  # the second is asked at .05 alone
    assert [each["id"] for each in holm.fallen([weak, claim([1.0, 2.1, 1.4, 0.4], "too")])] == ["weak", "too"]


def test_only_what_chance_could_decide_is_corrected():
    exact = SimpleNamespace(interval=lambda: (1.0, 1.0))
    sure = claim([1.0, 1.1, 0.9]) | {"findings": [Finding(rules.part({"effect": "a"}), exact, Outcome(HOLDS), 0)]}
    open_one = claim([1.0, -1.0, 0.5])
    found = claim([1.0, 1.1, 0.9])
    assert holm.family([sure, open_one, found]) == [open_one, found]
    assert holm.fallen([open_one, found]) == [] and holm.fallen([open_one] * 40 + [found]) == [found]
