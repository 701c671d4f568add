"""The calls that a restamp runs: kinds of call, and parameters made small."""

import json

import pytest

from advbook import ledger, restamp


def test_small_parameters_keep_words_and_places_and_zeros_that_mean_all():
    given = {
        "images": 0,
        "epochs": 0,
        "passes": 2,
        "seed": 7,
        "lr": 0.1,
        "train_size": 0,
        "index": [3, 900],
        "eps": [0.1, 0.2, 0.3, 0.4, 0.5],
        "noise": [0.5, 1.0],
        "powers": [1, 2, 4, "inf"],
        "targets": ["a", "b", "c"],
        "clip": True,
        "width": None,
        "spec": {"epochs": 40, "options": [{"steps": 100}]},
        "first": {"passes": 8},
    }
    assert restamp.small(given) == given | {
        "images": restamp.CAPS["images"],
        "passes": 1,
        "train_size": restamp.CAPS["train_size"],
        "index": [3, 20],
        "eps": [0.1, 0.3, 0.5],
        "powers": [1, 4, "inf"],
        "spec": {"epochs": 2, "options": [{"steps": 4}]},
        "first": {"passes": 1},
    }


@pytest.mark.parametrize(
    "one, two, same",
    [
        ({"seed": 0}, {"seed": 3}, True),
        ({"images": 0}, {"images": 9}, True),
        ({"epochs": 5}, {"epochs": 9}, True),
        ({"eps": [0.1]}, {"eps": [0.2, 0.3]}, True),
        ({"sigma": 0.5}, {"sigma": 2.0}, True),
        ({"epochs": 0}, {"epochs": 3}, False),
        ({"sigma": 0}, {"sigma": 2}, False),
        ({"p": 1}, {"p": 2}, False),
        ({"sigma": 0.0}, {"sigma": 0.5}, False),
        ({"spec": {"kind": "a"}}, {"spec": {"kind": "b"}}, False),
        ({"clip": True}, {"clip": False}, False),
        ({"width": None}, {"width": 1}, False),
        ({}, {"mask": "none"}, False),
        ({"calls": [{"attack": "a"}]}, {"calls": [{"attack": "b"}]}, False),
        ({"eps": []}, {"eps": [0.1]}, False),
        ({"networks": ["a", "b"]}, {"networks": ["a"]}, False),
    ],
)
def test_kinds_of_call(one, two, same):
    assert (json.dumps(restamp.kind(one)) == json.dumps(restamp.kind(two))) is same


def test_every_whole_number_of_committed_records_that_makes_a_run_long_is_capped():
    sizes = {
        "batch_size",
        "channel",
        "dimension",
        "num_classes",
        "n",
        "out",
        "pixels",
        "scales",
        "seed",
        "side",
        "sides",
        "size",
        "train_size",
    }
    found = restamp.pairs(ledger.records("standard"))
    assert len(found) > 200
    for pair in found:
        for place, value in ledger.leaves(pair.small):
            names = set(place.split("."))
            if isinstance(value, int) and value > 24 and not names & {"window", "spots"}:
                assert names & sizes, (pair.label, place, value)
