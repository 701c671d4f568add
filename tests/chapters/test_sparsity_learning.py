"""Which networks have learnt nothing: the marks, and that no rule of the chapter can be won by one of them."""

import itertools
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from advbook import claims, paths, settings
from advbook.chapters.sparsity_attribution import learning


def record(name="judged", data="cifar10", **values):
    return SimpleNamespace(name=name, parameters={"data": data}, values=values)


@pytest.mark.parametrize(
    "clean, largest, expected",
    [
        (0.1, 1.0, "one answer"),
        (0.112, 0.995, "one answer"),
        (0.19, 0.3, "not learnt"),
        (0.24, 0.52, "not learnt"),
        (0.21, 0.49, ""),
        (0.45, 0.14, ""),
    ],
)
def test_a_network_that_has_learnt_nothing_is_told_by_its_answers(clean, largest, expected):
    assert learning.state(record(clean=clean, largest=largest)) == expected


def test_each_of_the_pipeline_s_two_networks_is_asked():
    both = record("pipeline", clean=[0.1, 0.4], largest={"first": [1.0, 1.0], "retrained": [0.2, 0.99]})
    assert learning.state(both, "first") == "one answer" and learning.state(both, "retrained") == ""
    with pytest.raises(ValueError, match="when"):
        learning.state(both)


def test_chance_is_that_of_the_data_set():
    assert learning.state(record(data="photographs", clean=0.3, largest=0.3)) == "not learnt"
    assert learning.state(record(data="cifar10", clean=0.3, largest=0.3)) == ""
    assert learning.state(record("single_layer", accuracy=0.19)) == "not learnt"


def test_marks_count_seeds():
    blind, poor, good = (record(clean=c, largest=m) for c, m in ((0.1, 1.0), (0.15, 0.7), (0.4, 0.2)))
    assert learning.mark([good, good]) == "" and learning.learnt([blind, good, poor]) == [good]
    assert learning.mark([blind, good, good]) == " † 1/3"
    assert learning.mark([blind, poor, poor]) == " † 1/3 ‡ 2/3"
    assert all(sign in learning.FOOTNOTE for sign in learning.MARKS.values())


def test_a_curve_is_lowest_where_it_is_lowest():
    assert learning.lowest([3.0, 1.0, 2.0, 1.0]) == 2
    with pytest.raises(ValueError, match="curve"):
        learning.lowest([])


GOOD = {"clean": 0.45, "largest": 0.15, "pgd": 0.001, "change": 30.0, "worth": 0.8, "distance": 0.03, "wobble": 0.1}
BLIND = {"clean": 0.112, "largest": 1.0, "pgd": 0.112, "change": 0.0, "worth": 0.8, "distance": None, "wobble": 0.0}
POOR = BLIND | {"clean": 0.15, "largest": 0.89, "pgd": 0.115, "change": 10.0, "distance": 1.0}  # 89 % alike
NETWORKS = ("resnet-small", "mobilenet-small", "vgg-small", "vgg-small-bn")
PENALTIES = (
    ("base", 0.0),
    *itertools.product(("l1", "l2", "elastic net"), (1e-5, 1e-4, 1e-3, 1e-2)),
    ("adversarial", 0.0),
)


def made(penalised, rival=GOOD):
    """Three seeds of every record of the chapter that a rule takes, from what each kind of network has."""
    for network, (regularizer, factor), seed in itertools.product(NETWORKS, PENALTIES, range(3)):
        v = {"base": GOOD, "adversarial": rival}.get(regularizer, penalised)
        who = {"data": "cifar10", "network": network, "regularizer": regularizer, "factor": factor, "seed": seed}
        for epochs in (1, 2, 3, 6, 10, 20):
            yield (
                "judged",
                who | {"epochs": epochs, "images": 1000, "train_size": 5000},
                v | {"clean_all": v["clean"], "train_clean": v["clean"], "pgd": [v["pgd"]] * 2},
            )
        yield (
            "maps",
            who | {"epochs": 20, "images": 1000},
            v
            | {
                "mean": {f"{kind}_range": v["change"] for kind in ("sliding", "cam")},
                "worth": {"sliding": v["worth"]},
                "empty": {"sliding": float(v["change"] == 0)},
            },
        )
        if factor == 1e-2 or regularizer == "base":
            for attack in ("fgsm", "pgd", "deepfool"):
                yield (
                    "pipeline",
                    who | {"factor": 0.01, "attack": attack, "epochs": 10, "train_size": 5000, "test_size": 500},
                    {
                        "crafted": v["pgd"],
                        "static": v["pgd"],
                        "clean": [v["clean"]] * 2,
                        "adaptive": v["pgd"],
                        "largest": {"first": [v["largest"]] * 2, "retrained": [v["largest"]] * 2},
                    },
                )


def verdicts(*networks):
    records = [
        SimpleNamespace(
            name=name,
            parameters=parameters,
            values=values,
            arrays={},
            path=Path(str(number)),
            provenance={"seconds": 1.0, "machine": {"threads": 1}},
        )
        for number, (name, parameters, values) in enumerate(made(*networks))
    ]
    return {
        claim["id"]: claims.verdict_of(claim, records, (), (), STANDARD[claim["id"]])["verdict"]
        for claim in claims.load("claims", "sparsity-attribution")
        if {selection["from"] for selection in claim["values"].values() if isinstance(selection, dict)}
        <= {"judged", "maps", "pipeline"}
        and not claim["id"].startswith("sa-untrained")
    }


PAGES = [page for page in paths.notebooks() if page.parent.name == "sparsity-attribution"]
STANDARD = {  # claim -> the settings of its page in the standard profile
    name: settings.of_page(page)["standard"]
    for page in PAGES
    for name in re.findall(r'"(sa-[\w-]+)"', page.read_text())
}
HELD = ("reproduced", "reproduced in trend", "yes", "partly")

ABOUT_BLINDNESS = {"sa-collapse", "sa-gain", "sa-blind"}


@pytest.mark.parametrize("nothing", [BLIND, POOR], ids=["one answer", "89 % alike"])
def test_no_rule_is_won_by_a_network_that_has_learnt_nothing(nothing):
    found = verdicts(nothing)
    assert len(found) >= 30
    won = {name for name, verdict in found.items() if verdict in HELD}
    assert won <= ABOUT_BLINDNESS and (nothing is POOR or won == ABOUT_BLINDNESS)
    found = verdicts(GOOD, nothing)
    assert all(found[name] == "does not arise" for name in found if "rival" in name)


def test_the_rules_can_be_won_by_networks_that_have_learnt():
    found = verdicts(GOOD | {"pgd": 0.3, "change": 15.0, "distance": 0.09, "wobble": 0.01})
    for name in (
        "sa-t1-resnet",
        "sa-t1-vgg-first",
        "sa-strong-resnet",
        "sa-strong-bn",
        "sa-sweep-bn",
        "sa-f3-wild-bn",
        "sa-f3-same-bn",
        "sa-t2-sliding",
        "sa-l2-maps",
        "sa-stable-worth",
    ):
        assert found[name] in HELD, name
