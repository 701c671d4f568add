"""Rules in parts: what they decide, units, settings, and what a claim file must not say."""

import itertools
import json
import math

import numpy as np
import pytest
from claim_records import CLAIM, Record, judged, records
from click.testing import CliRunner

from advbook import claims, paths, power, settings, statistics, units
from advbook.cli import main


@pytest.mark.parametrize(
    "effects, verdict, why",
    [
        ((1.0, 1.1, 0.9), "reproduced", ""),
        ((0.2, 0.21, 0.19), "reproduced in trend", "smaller"),
        ((2.0, 2.1, 1.9), "reproduced in trend", "larger"),
        ((0.4, 0.5, 0.6), "reproduced in trend", "size open"),
        ((-1.0, -1.1, -0.9), "not reproduced", "other sign"),
        ((0.0, 0.1, -0.1), "not reproduced", "sign open"),
        ((0.0, 2.0, 1.0), "inconclusive", "plain - trained"),
    ],
)
def test_a_rule_comes_out_each_way_on_effects_that_are_formed_in_pairs(effects, verdict, why):
    found = judged(records(*effects))
    assert found["verdict"] == verdict and why in found["why"] and found["n"] == 3
    assert found["findings"][0].ends[0] == pytest.approx(np.mean(effects))


@pytest.mark.parametrize(
    "effects, verdict",
    [((1.0, 1.1, 0.9), "yes"), ((0.2, 0.21, 0.19), "partly"), ((-1.0, -1.1, -0.9), "no"), ((0.0, 2.0, 1.0), "open")],
)
def test_questions_of_ours_are_answered_in_other_words(effects, verdict):
    assert judged(records(*effects), scope="ours")["verdict"] == verdict


@pytest.mark.parametrize(
    "premise, verdict", [("plain - 2", "reproduced"), ("2 - plain", "does not arise"), ("plain - 5", "inconclusive")]
)
def test_a_claim_whose_premise_is_false_does_not_arise(premise, verdict):
    found = judged(records(1.0, 1.1, 0.9), premise=[{"effect": premise}])
    assert found["verdict"] == verdict and ("premise" in found["why"]) == (verdict != "reproduced")


def test_a_part_on_size_alone_makes_a_trend_at_worst():
    size = {"value": "trained", "near": 20, "within": 1, "trend": "any"}
    rule = [{"effect": "plain - trained"}, size]
    assert judged(records(1.0, 1.1, 0.9), rule=rule)["verdict"] == "reproduced in trend"
    assert judged(records(-1.0, -1.1, -0.9), rule=rule)["verdict"] == "not reproduced"
    assert judged(records(1.0, 1.1, 0.9), rule=[rule[0], size | {"near": 5.17, "within": 9}])["verdict"] == "reproduced"


def test_one_of_several_parts_fails_at_its_share_of_the_level():
    found = records(-1.35, -1.0, -0.65)  # t = -5: beyond 4.3, the bound of one part, and not beyond 6.2, that of two
    rule, second = [{"effect": "plain - trained"}], {"effect": "plain - 5.5"}
    assert judged(found, rule=rule)["verdict"] == "not reproduced"
    assert judged(found, rule=[*rule, second])["verdict"] == "inconclusive"
    assert judged(found, rule=[*rule, second | {"trend": "any"}])["verdict"] == "not reproduced"


def test_each_kind_of_part_decides_both_ways():
    good, bad = records(1.0, 1.1, 0.9), records(-1.0, -1.1, -0.9)
    for part in (
        {"ratio": "plain / trained"},
        {"effect": "plain - trained - 0.5"},
        {"value": "plain - trained", "near": 1, "within": 0.5},
    ):
        assert (judged(good, rule=[part])["verdict"], judged(bad, rule=[part])["verdict"]) == (
            "reproduced",
            "not reproduced",
        ), part
    assert judged(good, rule=[{"ratio": "plain / trained", "least": 2}])["verdict"] == "reproduced in trend"
    same, other = records(0.0, 0.01, 0.02), good
    part = {"equal": "plain - trained", "within": 0.1}
    assert (judged(same, rule=[part])["verdict"], judged(other, rule=[part])["verdict"]) == (
        "reproduced",
        "not reproduced",
    )
    many = tuple(range(5, 15))
    gains = [math.inf if seed == 9 else 1.0 + seed for seed in range(10)]  # the last one's attack never succeeds
    far = [Record(error, seed) for seed, error in enumerate(many)] + [
        Record(many[seed] + gain, seed, kind="trained") for seed, gain in enumerate(gains)
    ]
    for expression, verdict in (("trained - plain", "reproduced"), ("plain - trained", "not reproduced")):
        assert judged(far, rule=[{"median": expression}])["verdict"] == verdict


def test_sides_that_share_nothing_have_welch_s_interval():
    found = [Record(error, seed) for seed, error in enumerate((5.0, 5.1, 5.2))]
    found += [Record(error, seed + 7, kind="trained") for seed, error in enumerate((4.0, 4.1, 4.2))]
    part = {"effect": "plain - trained", "independent": True}
    assert judged(found, rule=[part])["verdict"] == "reproduced"
    apart = judged(found, rule=[part | {"independent": False}])  # no seed has both
    assert apart["verdict"] == "inconclusive" and apart["findings"][0].left_out == 6


def test_units_that_one_side_lacks_are_left_out_and_counted():
    found = judged([*records(1.0, 1.1, 0.9), Record(100.0, 3)])
    assert found["verdict"] == "reproduced" and found["findings"][0].left_out == 1


def test_before_all_planned_units_are_there_a_claim_is_not_attempted():
    assert judged(records(1.0, 1.1))["verdict"] == "not attempted"
    assert judged(records(1.0, 1.1), units=2)["verdict"] != "not attempted"
    assert judged(records(1.0), units=1)["verdict"] == "inconclusive"  # a single unit decides nothing
    assert judged(records(1.0), units=1, exact=True)["verdict"] == "reproduced"


@pytest.mark.parametrize(
    "more, message",
    [
        (Record(5.5, 3, width=2), "two settings of net as one sample, which differ in width"),
        (Record(5.5, 0), "value plain takes seed 0 of net twice"),
        (Record(5.5, 3, spec={"width": 2}), "differ in spec.width"),
    ],
)
def test_two_settings_in_one_sample_or_a_unit_twice_are_an_error_that_names_the_claim(more, message):
    with pytest.raises(ValueError, match=f"^claim x: .*{message}"):
        judged([*records(1.0, 1.1, 0.9), more])


def test_a_unit_is_the_seed_of_what_is_measured_its_split_and_its_group():
    assert units.unit_of({"seed": 9, "spec": {"seed": 2}}) == (("seed", 2),)
    assert units.unit_of({"source": {"seed": 1}, "target": {"seed": 2}}) == (("seed", 2),)
    assert units.unit_of({"split": 1, "first": 40, "images": 20}) == (("split", 1), ("first", 40), ("images", 20))
    assert units.unit_of({"first": {"split": 3}, "second": {"split": 3}}) == (("split", 3),)


def test_where_images_count_rates_are_compared_image_by_image():
    def rate(wrong, seed, kind):
        return Record(np.mean(wrong), seed, kind=kind, arrays={"wrong": np.packbits(np.array([wrong]), axis=-1)})

    bits = {name: selection | {"bits": "wrong.0"} for name, selection in CLAIM["values"].items()}
    easy, hard = np.arange(16) < 3, np.arange(16) < 12
    found = [rate(hard, seed, "plain") for seed in range(3)] + [rate(easy, seed, "trained") for seed in range(3)]
    rule = [{"effect": "plain - trained"}]
    here = judged(found, values=bits, rule=rule)["findings"][0].ends
    wanted = statistics.difference(np.array([hard] * 3), np.array([easy] * 3)).interval()  # no seed differs, images do
    assert here == pytest.approx((9 / 16, *wanted)) and 0 < here[1]
    assert judged(found, rule=rule)["findings"][0].ends[1] == pytest.approx(9 / 16)
    alone = judged(found, values=bits, rule=[{"value": "trained", "near": 0.2, "within": 0.5}])["findings"][0].ends
    assert 0 < alone[1] < 3 / 16 < alone[2] < 0.6
    found[0].values["error"] = 0.1
    with pytest.raises(ValueError, match="the bits at wrong.0 have a rate of 0.75"):
        judged(found, values=bits, rule=rule)


def test_settings_are_those_of_the_profile():
    values = {
        name: selection | {"where": selection["where"] | {"epochs": "$long.epochs"}}
        for name, selection in CLAIM["values"].items()
    }
    found = [*records(1.0, 1.1, 0.9)]
    for record in found:
        record.parameters["epochs"] = 40
    assert judged(found, {"long": {"epochs": 40}, "n": 3}, values=values, units="$n")["verdict"] == "reproduced"
    assert judged(found, {"long": {"epochs": 400}, "n": 3}, values=values, units="$n")["verdict"] == "not attempted"
    with pytest.raises(ValueError, match=r"claim x: page \(none\) has no setting \$n; it has long"):
        judged(found, {"long": {"epochs": 40}}, values=values, units="$n")


def test_a_page_s_settings_are_read_without_running_it(tmp_path):
    page = tmp_path / "1-page.py"
    page.write_text(
        "import nothing\n_common = dict(steps=[1, 2])\nother = nothing.at_all()\npage = Page('c', "
        "'1-page', globals(), settings={'quick': dict(seeds=1, **_common | dict(eps=round(1 / 3, 1)))})\n"
    )
    assert settings.of_page(page) == {"quick": {"seeds": 1, "steps": [1, 2], "eps": 0.3}}
    page.write_text("page = Page('c', '1-page', globals(), settings={'quick': dict(seeds=numpy.e)})\n")
    with pytest.raises(ValueError, match="1-page cannot be read .*numpy"):
        settings.of_page(page)
    page.write_text("print(1)")
    with pytest.raises(ValueError, match="makes no Page"):
        settings.of_page(page)


def test_every_setting_that_a_claim_names_is_on_each_page_that_shows_it():
    known = {
        claim["id"]: claim
        for chapter in paths.chapters()
        for claim in claims.load("claims", chapter)
        if "rule" in claim
    }
    seen = set()
    for source, (name, claim) in itertools.product(paths.sources(), known.items()):
        if f'"{name}"' in source.read_text():
            for profile in claims.JUDGED:
                own = settings.of_page(source)[profile]
                found = settings.resolved([claim["values"], claim.get("units", 1)], own, f"{source.stem} {profile}")
                assert isinstance(found[1], int) and found[1] >= 1
                seen.add(name)
    assert set(known) == seen and len(seen) >= 150


def test_an_open_claim_says_how_many_more_units_would_decide_it_and_what_one_costs():
    open_one = judged(records(0.0, 2.0, 1.0))
    more, then = power.further_units(open_one)
    assert then == "reproduced in trend"
    found = open_one["findings"][0].estimate
    assert found.at(3 + more).interval()[0] > 0 >= found.at(3 + more - 1).interval()[0]
    assert open_one["seconds"] == 2 * 60 * 2  # two records a unit, of a minute on two threads
    alone = judged(records(1.0), units=1)
    assert alone["verdict"] == "inconclusive" and power.further_units(alone) is None
    never = judged(records(0.0, 2.0, 1.0), rule=[{"effect": "plain - trained - 1"}])
    assert never["verdict"] == "inconclusive" and power.further_units(never) is None


def test_the_command_says_what_would_decide_the_open_claims():
    rows = json.loads(CliRunner().invoke(main, ["power", "--json"]).stdout)
    found = {claim["id"]: claim for claim in claims.evaluate() if claim["verdict"] in claims.UNDECIDED}
    assert {row["id"] for row in rows} == {name for name, claim in found.items() if claim["findings"]}
    costs = [row["core_minutes"] for row in rows if row["core_minutes"] is not None]
    assert costs == sorted(costs) and all(row["further_units"] >= 1 for row in rows if row["then"])
    table = CliRunner().invoke(main, ["power", "sparsity-attribution"]).stdout
    assert "further units" in table and "sa-t2-cam" in table and "gr-" not in table
    refused = CliRunner().invoke(main, ["power", "nowhere"])
    assert refused.exit_code == 1 and "no claims of 'nowhere'" in refused.stderr


@pytest.mark.parametrize("command", ["claims", "power"])
def test_the_commands_tell_a_wrong_claim_in_one_line(monkeypatch, command):
    def wrong():
        raise ValueError("claim x: value plain takes seed 0 of net twice")

    monkeypatch.setattr(claims, "evaluate", wrong)
    done = CliRunner().invoke(main, [command])
    assert done.exit_code == 1 and done.stderr == "advbook: claim x: value plain takes seed 0 of net twice\n"
