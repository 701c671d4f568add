"""Claims and their verdicts."""

import json
import math
import os
import shutil

import pytest
from click.testing import CliRunner

from advbook import claims, judgement, paths, units, withdrawn
from advbook.cli import main
from advbook.expressions import Sample, evaluate_rule


class FakeRecord:
    def __init__(self, value, **parameters):
        self.name, self.parameters, self.values = "net", parameters, {"error": value, "noise": [[value, value + 2]]}


CLAIM = {
    "id": "x",
    "chapter": "c",
    "values": {
        "plain": {"from": "net", "where": {"p": None}, "take": "error", "scale": 100},
        "trained": {"from": "net", "where": {"p": math.inf}, "take": "error", "scale": 100},
    },
    "reproduced": "trained < plain and near(trained, 1.0, 0.2)",
    "trend": "trained < plain",
}


def records(trained):
    return [FakeRecord(0.05 + 0.0001 * seed) for seed in range(3)] + [
        FakeRecord(trained + 0.0001 * seed, p="inf") for seed in range(3)
    ]


@pytest.mark.parametrize(
    "trained, verdict",
    [(0.0115, "reproduced"), (0.0122, "reproduced in trend"), (0.0505, "not reproduced"), (0.05005, "inconclusive")],
)
def test_the_verdict_flips_when_the_record_crosses_the_rule(trained, verdict):
    assert claims.verdict_of(CLAIM, records(trained))["verdict"] == verdict


def test_a_full_rule_that_the_interval_leaves_open_is_said_to_be_open():
    judged = claims.verdict_of(CLAIM, records(0.0119))  # 1.20 +- .02 (95 %), and the rule asks for 1 +- .2
    assert judged["verdict"] == "reproduced in trend" and "does not decide" in judged["why"]


def test_a_value_can_be_an_expression_in_the_values_above_it():
    claim = {
        **CLAIM,
        "values": {**CLAIM["values"], "gain": "plain - trained"},
        "reproduced": "gain > 3",
        "trend": "gain > 0",
    }
    judged = claims.verdict_of(claim, records(0.0115))
    assert judged["verdict"] == "reproduced" and judged["recorded"].startswith("gain 3.8")
    assert claims.verdict_of(claim, records(0.0115)[:3])["verdict"] == "not attempted"


@pytest.mark.parametrize(
    "premise, verdict", [("plain > 4", "reproduced"), ("plain > 6", "inconclusive"), ("plain > 5.01", "inconclusive")]
)
def test_a_claim_is_judged_only_where_its_premise_holds(premise, verdict):
    judged = claims.verdict_of({**CLAIM, "premise": premise}, records(0.0115))
    assert judged["verdict"] == verdict and ("premise" in judged["why"]) == (verdict == "inconclusive")


def test_a_claim_is_judged_once_all_the_planned_units_are_there():
    assert claims.verdict_of({**CLAIM, "units": 3}, records(0.0115))["verdict"] == "reproduced"
    early = claims.verdict_of({**CLAIM, "units": 4}, records(0.0115))
    assert early["verdict"] == "not attempted" and early["recorded"] == ""


@pytest.mark.parametrize(
    "change",
    [
        {"reproduced": "trained"},
        {"trend": "other < 1"},
        {"values": CLAIM["values"] | {"plain": {"from": "net", "where": {}, "take": "eror"}}},
    ],
)
def test_a_claim_that_does_not_fit_the_records_is_named(change):
    with pytest.raises(ValueError, match="^claim x: "):
        claims.verdict_of(CLAIM | change, records(0.0115))


def test_claims_that_say_so_are_failed_by_the_papers_own_numbers():
    told = {
        claim["id"]: claim
        for claim in claims.load("claims", "gradient-regularization")
        if "the paper's own table fails" in claim["tolerance"].lower()
    }
    assert set(told) == {"gr-noise-fit-01", "gr-noise-fit-03", "gr-noise-fit-01-mean", "gr-noise-fit-03-mean"}
    for claim in told.values():
        own = {name: units.Value({(): float(number)}) for name, number in claim["paper"].items()}
        verdict = judgement.of(claim | {"exact": True, "scope": "paper"}, own)["verdict"]
        assert verdict in ("not reproduced", "reproduced in trend"), claim["id"]


def test_a_null_counts_as_no_record():
    nothing = FakeRecord(1.0)
    nothing.values["error"] = None
    assert claims.select({"from": "net", "take": "error"}, [nothing, FakeRecord(2.0)]) == [2.0]
    judged = claims.verdict_of(CLAIM, [nothing] + records(0.0115)[3:])
    assert judged["verdict"] == "not attempted" and "plain" in judged["why"]


def test_without_records_a_claim_is_not_attempted():
    judged = claims.verdict_of(CLAIM, records(0.01)[:3])
    assert judged["verdict"] == "not attempted" and "trained" in judged["why"]


def test_single_seed_is_inconclusive():
    assert claims.verdict_of(CLAIM, [records(0.01)[0], records(0.01)[3]])["verdict"] == "inconclusive"


def test_a_list_of_draws_is_averaged():
    assert claims.select({"from": "net", "take": "noise.0"}, [FakeRecord(1.0)]) == [2.0]


def test_numbers_of_one_record_are_joined_within_it():
    some = [FakeRecord(1.0), FakeRecord(3.0)]
    for record, other in zip(some, (2.0, 6.0), strict=True):
        record.values["other"] = other
    assert claims.select({"from": "net", "take": ["error", "other"]}, some) == [1.5, 4.5]
    assert claims.select({"from": "net", "take": "other", "minus": "error", "scale": 10}, some) == [10.0, 30.0]
    some[0].values["other"] = None
    assert claims.select({"from": "net", "take": ["error", "other"]}, some) == [3.0 + 1.5]
    assert claims.select({"from": "net", "take": "error", "minus": "other"}, some) == [-3.0]


def test_a_list_in_where_means_any_of_it():
    some = [FakeRecord(float(seed), seed=seed) for seed in range(4)]
    assert claims.select({"from": "net", "where": {"seed": [1, 3, "inf"]}, "take": "error"}, some) == [1.0, 3.0]


def test_a_list_for_a_parameter_that_is_one_means_that_list():
    class Some:
        name = "net"

        def __init__(self, eps):
            self.parameters, self.values = {"eps": eps}, {"error": len(eps)}

    some = [Some([0.1]), Some([0.1, 0.2]), Some([])]
    for eps in ([0.1, 0.2], [0.1], []):
        assert claims.select({"from": "net", "where": {"eps": eps}, "take": "error"}, some) == [len(eps)]


def test_every_claim_of_the_book_can_be_judged():
    judged = claims.evaluate()
    assert len({claim["id"] for claim in judged}) == len(judged) >= 12
    for claim in judged:
        assert claim["verdict"] in claims.VERDICTS and claim["scope"] in claims.SCOPES
        for field in ("where", "claim", "metric", "tolerance"):
            assert str(claim[field]).strip(), (claim["id"], field)
        assert {"reproduced", "trend", "rule"} & set(claim)
        if "rule" in claim:
            continue  # tests/advbook/test_rules.py
        numbers = {name: Sample.of([1.0, 2.0]) for name in claim["values"]}
        for kind in claims.RULES:  # the rule can be read and uses nothing that is not there
            if kind in claim:
                assert evaluate_rule(claim[kind], numbers) in (True, False, None)


def test_claims_of_pages_that_are_not_in_the_contents_are_not_attempted(monkeypatch):
    before = {claim["id"]: claim for claim in claims.evaluate()}
    *others, last = paths.notebooks()
    monkeypatch.setattr(paths, "notebooks", lambda: others)
    gone = 0
    for claim in claims.evaluate():
        if claim["chapter"] == last.parent.name and before[claim["id"]]["verdict"] != claim["verdict"]:
            assert claim["verdict"] == "not attempted" and "contents" in claim["why"] and claim["recorded"] == ""
            gone += 1
        else:
            assert claim["verdict"] == before[claim["id"]]["verdict"]
    assert gone > 0


@pytest.fixture
def chapter(tmp_path, monkeypatch):
    """The records of one chapter in a folder of their own; its path."""
    monkeypatch.setenv("ADVUTILS_RESULTS", str(tmp_path / "results"))
    return shutil.copytree(
        paths.root() / "results" / "standard" / "universal-perturbations",
        tmp_path / "results" / "standard" / "universal-perturbations",
    )


def advbook(*words):
    return CliRunner().invoke(main, list(words))


@pytest.mark.parametrize("suffix", (".json", ".npz"))
def test_a_claim_whose_records_are_damaged_says_so_and_the_commands_fail(chapter, suffix):
    def verdicts():
        return {claim["id"]: claim for claim in claims.evaluate() if claim["chapter"] == chapter.name}

    before = verdicts()
    assert advbook("claims", chapter.name).exit_code == advbook("status").exit_code == 0
    torn = sorted((chapter / "fooling").glob(f"*{suffix}"))[0]
    torn.write_bytes(torn.read_bytes()[:-9])
    hit = {name for name, claim in before.items() if '"fooling"' in json.dumps(claim["values"])}
    assert len(before) > len(hit) > 3
    for name, claim in verdicts().items():
        if name in hit:
            assert claim["verdict"] == "records damaged" and torn.stem in claim["why"] and claim["recorded"] == ""
        else:
            assert claim == before[name]
    for words in (("claims", chapter.name), ("claims", "--json"), ("status",), ("status", "--json")):
        done = advbook(*words)
        assert done.exit_code == 1 and f"{torn.stem}.json is damaged" in done.stderr, words
    assert [row["state"] for row in json.loads(advbook("status", "--json").stdout)].count("damaged") == 1
    assert advbook("claims", "representation").exit_code == 0  # another chapter


def test_verdicts_are_kept_until_a_file_changes_that_they_follow_from(chapter, monkeypatch):
    for file in chapter.rglob("*.*"):
        os.utime(file, (0, 0))
    calls, judge = [], claims._evaluate
    monkeypatch.setattr(claims, "_evaluate", lambda name, sources: (calls.append(name), judge(name, sources))[1])
    first = claims.evaluate()
    first[0]["verdict"] = "spoilt by a reader"
    assert claims.evaluate()[0]["verdict"] in claims.VERDICTS
    once = len(calls)
    assert once == len(paths.chapters())
    file = sorted((chapter / "fooling").glob("*.npz"))[0]
    file.write_bytes(file.read_bytes()[:-1])
    assert "records damaged" in {claim["verdict"] for claim in claims.evaluate()} and len(calls) == 2 * once


def test_a_claim_without_records_is_withdrawn_where_those_that_it_selects_are(chapter):
    def verdicts():
        return {claim["id"]: claim for claim in claims.evaluate() if claim["chapter"] == chapter.name}

    before, aside = verdicts(), chapter.parent / "aside"
    shutil.copytree(chapter, aside)
    for path in (chapter / "fooling").glob("*.json"):
        path.unlink()
    # among them those that never had a record: of a function's withdrawn records all count, whatever their parameters
    missing = {name for name, claim in verdicts().items() if claim["verdict"] == "not attempted"}
    assert missing - {name for name, claim in before.items() if claim["verdict"] == "not attempted"}
    shutil.copytree(aside, chapter, dirs_exist_ok=True)
    files = sorted(map(str, (chapter / "fooling").glob("*.json")))
    refused = advbook("withdraw", " ", *files)
    assert refused.exit_code == 1 and "what is wrong" in refused.stderr and verdicts() == before
    assert advbook("withdraw", "Wrong sign.", *files).output == f"{len(files)} records withdrawn, 0 were before\n"
    assert not any((chapter / "fooling").iterdir())
    # so it stays where the settings of the measurement are chosen anew
    rules = {claim["id"]: claim for claim in claims.load("claims", chapter.name)}
    claim = next(claim for name, claim in rules.items() if name in missing)
    for selection in claim["values"].values():
        if isinstance(selection, dict) and selection["from"] == "fooling":
            selection["where"] = selection["where"] | {"split": -1}
    networks = ["squeezenet1_1", "mobilenet_v1", "mobilenet_v2", "inception_v1"]
    own = {"passes": 8, "splits": 3, "fewer": 2, "sources": networks, "networks": networks}  # settings of its page
    assert claims.verdict_of(claim, [], (), withdrawn.load(), own)["verdict"] == "withdrawn"
    for name, claim in verdicts().items():
        if name in missing:
            assert (claim["verdict"], claim["why"]) == ("withdrawn", "Wrong sign."), name
        else:
            assert claim["verdict"] == before[name]["verdict"]
    shutil.copytree(aside, chapter, dirs_exist_ok=True)  # as if they were measured again
    assert verdicts() == before


def test_every_erratum_names_a_test_that_exists():
    entries = claims.errata()
    assert len(entries) >= 9 and len({entry["id"] for entry in entries}) == len(entries)
    for entry in entries:
        file, _, function = entry["test"].partition("::")
        assert f"def {function}(" in (paths.root() / file).read_text(), entry["id"]
        for field in ("where", "printed", "right", "evidence", "kind", "source"):
            assert str(entry[field]).strip(), (entry["id"], field)
