"""A tenth of the changed records of a kind, made again: what it proves, and what it does not."""

import json
import sys

import hashes
import pytest
from click.testing import CliRunner

from advbook import codehash, ledger, paths, spot_check, to_measure
from advbook.cli import main

CODE = """
import torch
from torch import nn
from advutils import attacks
SCALE = {"plain": 1.0, "sure": 40.0}
def rate(*, network, images, seed):
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2, bias=False))
    with torch.no_grad():
        model[1].weight.copy_(SCALE[network] * torch.tensor([[1.0, 1, 1, 1], [0, 0, 0, 0]]))
    x, y = torch.full((images, 1, 2, 2), 0.5), torch.zeros(images, dtype=torch.long)
    moved = attacks.fgsm(model, x, y, eps=0.1)
    return {"error": ERROR, "length": LENGTH + 0 * moved.sum().item(), "seconds": 1.0 * seed}
def timeless(*, x):
    return {"y": x}
"""


@pytest.fixture
def code(tmp_path, monkeypatch):
    """``code(error, length)`` writes the module ``advutils_probe`` whose measurement returns these."""
    root = tmp_path / "tree"
    root.mkdir()
    monkeypatch.setattr(paths, "build", lambda: tmp_path / "build")
    monkeypatch.setenv("ADVUTILS_RESULTS", str(tmp_path / "results"))
    monkeypatch.syspath_prepend(root)

    def write(error="0.25", length="3.0"):
        (root / "advutils_probe.py").write_text(CODE.replace("ERROR", error).replace("LENGTH", length))
        sys.modules.pop("advutils_probe", None)
        hashes.forget()

    yield write
    sys.modules.pop("advutils_probe", None)
    hashes.forget()


def record(network, seed, values, images=8):
    parameters = {"network": network, "images": images, "seed": seed}
    function = "advutils_probe.rate"
    origin = {"function": function, "seconds": 7.5, "date": "then", "machine": {"threads": 1}, "commit": "abc"}
    origin["code"] = codehash.code_hash(function, parameters)
    path = ledger.path_of("standard", "chapter", "rate", parameters)
    return ledger.write(path, "rate", parameters, values | {"seconds": 5.0}, None, origin)


def states(records):
    return [bool(ledger.stale(ledger.read(each.path))) for each in records]


def test_a_tenth_that_has_the_recorded_numbers_proves_its_kind(code, tmp_path):
    code()
    made = [record("plain", seed, {"error": 0.375, "length": 3.0002}) for seed in range(12)]
    code(length="2.0 + 1.0")
    assert all(states(made))
    (kind,) = spot_check.check(report=lambda _: None)
    assert kind.why == ""
    assert [each.path.name for each in kind.chosen] == sorted(each.path.name for each in made)[:2]
    assert not any(states(made)) and not to_measure.listed()
    why = json.loads(made[0].path.read_bytes())["provenance"]["restamped"][-1]
    assert why["of"] == 12 and [each["gradients"] for each in why["records"]] == [8, 8]
    assert why["code"] == made[0].provenance["code"]


@pytest.mark.parametrize(
    ("network", "values", "why"),
    [
        ("plain", {"error": 0.5, "length": 3.0}, "1 of 3 values differ: error was 0.5, is 0.25"),
        ("plain", {"error": 0.25, "length": 3.1}, "1 of 3 values differ: length was 3.1, is 3.0"),
        ("sure", {"error": 0.25, "length": 3.0}, "8 of 8 gradients were of examples beyond the margin"),
    ],
)
def test_another_number_or_a_sure_network_proves_nothing(code, network, values, why):
    code()
    made = record(network, 0, values)
    code(length="2.0 + 1.0")
    result = CliRunner().invoke(main, ["spot-check"])
    assert result.exit_code == 1 and why in result.output and "0 of 1 kinds hold" in result.output
    assert states([made]) == [True]


def test_what_was_made_again_is_kept_until_the_code_changes(code, monkeypatch):
    code()
    record("plain", 0, {"error": 0.25, "length": 3.0})
    calls = []
    again = ledger.again
    monkeypatch.setattr(ledger, "again", lambda each: calls.append(each) or again(each))
    for length in ("4.0", "4.0", "2.0 + 1.0"):
        code(length=length)
        list(spot_check.check(report=lambda _: None))
    assert len(calls) == 2


@pytest.mark.parametrize(
    ("then", "now", "images", "equal"),
    [
        (0.25, 0.375, 8, True),
        (0.25, 0.5, 8, False),
        (0.25, 0.375, 0, False),  # no rate on images that are known
        (0.26, 0.27, 8, False),  # not a number of images
        (1e-3, 1.00005e-3, 8, True),
        (True, False, 8, False),
        (None, None, 8, True),
        ("a", "b", 8, False),
    ],
)
def test_same_is_one_image_for_rates_and_a_ten_thousandth_for_other_numbers(then, now, images, equal):
    assert spot_check.same(then, now, images) is equal
