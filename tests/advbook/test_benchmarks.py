"""What the benchmark counts and compares, on small networks; and the measurements of the page on attacks."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from advbook.chapters.attacks import comparison as chapter
from advutils import attacks
from advutils.core import memory
from benchmarks import attacks as bench
from benchmarks import peers


def test_passes_are_counted_with_their_batch_sizes(net, batch):
    x, y = batch
    net.eval()
    with bench.Counter(net) as counter:
        attacks.pgd(net, x, y, eps=0.1, step=0.1, steps=3)
        with torch.no_grad():
            net(x[:5])
    assert counter.passes == [(20, 1)] * 3 + [(5, 0)] and counter.per_image(20) == (3.25, 3.0)
    net(x)  # outside the block nothing is counted
    assert len(counter.passes) == 4


def test_replay_makes_exactly_the_passes_it_is_given(net, batch):
    wide = nn.Sequential(net.eval(), nn.Linear(4, 10))
    plan = [(20, 9), (7, 0), (3, 1)]
    with bench.Counter(wide) as counter:
        bench.replay(plan, wide, batch[0])
    assert counter.passes == plan


def test_the_floor_of_deepfool_is_not_above_what_deepfool_does():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 30), nn.Tanh(), nn.Linear(30, 10)).eval()
    x = torch.rand(12, 1, 4, 4)
    y = model(x).argmax(1)
    needed = bench.floor("deepfool", model, x, y)
    with bench.Counter(model) as counter:
        attacks.deepfool(model, x)
    made = counter.per_image(12)
    assert sum(n for n, _ in needed) / 12 <= made[0] and sum(n * b for n, b in needed) / 12 <= made[1]
    assert made[1] <= 1.2 * sum(n * b for n, b in needed) / 12  # and not far from it


def test_foolbox_is_among_the_peers_and_agrees():
    pytest.importorskip("foolbox")
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 30), nn.Tanh(), nn.Linear(30, 10)).eval()
    x = torch.rand(12, 1, 4, 4)
    y = model(x).argmax(1)
    assert "foolbox" in peers.installed()
    theirs, mine = peers.foolbox(), peers.ours()
    for name in ("pgd-linf", "pgd-l2"):
        torch.testing.assert_close(mine[name](model, x, y), theirs[name](model, x, y), atol=1e-5, rtol=0)


def test_make_peers_installs_the_peers_that_the_lock_has_not_and_nothing_else():
    root = Path(peers.__file__).parents[1]
    wanted, locked = (
        [line.split("==")[0] for line in (root / file).read_text().splitlines() if "==" in line]
        for file in ("benchmarks/requirements.txt", "requirements.lock")
    )
    assert sorted(wanted) == sorted(set(peers.DISTRIBUTIONS.values()) - set(locked)) != []


def test_adv_lib_is_a_peer_without_visdom(tmp_path):
    """A package that imports visdom as adv_lib does, in a process of its own."""
    (tmp_path / "adv_lib" / "attacks").mkdir(parents=True)
    (tmp_path / "adv_lib" / "__init__.py").touch()
    (tmp_path / "adv_lib" / "attacks" / "__init__.py").write_text("import visdom")
    (tmp_path / "adv_lib" / "attacks" / "deepfool.py").touch()
    (tmp_path / "adv_lib-0.2.8.dist-info").mkdir()
    (tmp_path / "adv_lib-0.2.8.dist-info" / "METADATA").write_text("Name: adv-lib\nVersion: 0.2.8\n")
    code = "from benchmarks import peers; peers.DISTRIBUTIONS = {'adv_lib': 'adv-lib'}; print(peers.installed())"
    told = subprocess.run(
        [sys.executable, "-c", code],
        text=True,
        capture_output=True,
        cwd=Path(peers.__file__).parents[1],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)])},
    )
    assert told.stdout.strip() == "{'adv_lib': '0.2.8'}", told.stderr


def test_the_plan_leaves_slow_libraries_to_rounds_of_their_own():
    plan = bench.plan(real=False, images=4)
    assert {p["attack"] for p in plan} == set(peers.ours()) and {p["network"] for p in plan} == {"lenet", "resnet8"}
    assert all("art" not in p["libraries"] for p in plan if p["attack"] == "deepfool" and p["rounds"] > 1)


def test_split_halves_until_it_fits_and_remembers():
    split, sizes = memory.Split(), []

    def limited(x):
        sizes.append(len(x))
        if len(x) > 3:
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")
        return x + 1, x.sum(1)

    x = torch.arange(20.0).reshape(10, 2)
    for _ in range(2):
        one, two = split(limited, x)
        assert torch.equal(one, x + 1) and torch.equal(two, x.sum(1))
    assert sizes == [10, 5, 3, 3, 3, 1, 3, 3, 3, 1]  # the second call starts with the size that fitted


def test_split_passes_other_errors_on():
    with pytest.raises(RuntimeError, match="something else"):
        memory.Split()(lambda x: (_ for _ in ()).throw(RuntimeError("something else")), torch.ones(4, 1))


def test_the_paths_on_the_toy_start_and_end_where_they_should():
    values, arrays = chapter.paths(start=[0.33, 0.42], eps=0.2, step=0.05, steps=10)
    for name in ("fgsm", "pgd", "deepfool", "carlini_wagner"):
        assert arrays[name][0] == pytest.approx([0.33, 0.42], abs=1e-6)
    assert values["length"]["fgsm"] <= 0.2 + 1e-9
    assert values["fooled"]["deepfool"] and values["fooled"]["carlini_wagner"]
    assert values["length"]["carlini_wagner"] < 1.1 * values["length"]["deepfool"]


def test_training_cost_counts_the_passes_of_each_objective():
    from advbook.chapters.gradient_regularization.cost import training_cost
    from advutils import models

    values = training_cost(data="digits", network="sigmoid-mlp", images=200, rounds=1, seed=0)
    assert values["forward"] == {"none": 1, "perturbation": 2, "penalty": 1}
    assert all(seconds > 0 for seconds in values["seconds"].values()) and values["ratio"] > 0
    weights = [w.numel() for w in models.sigmoid_mlp().parameters() if w.dim() == 2]
    # forward and gradients of the weights: one product each; gradients of inputs: only epsilon needs the first layer's
    none = 2 * 100 * (3 * sum(weights) - weights[0])
    assert values["operations"]["none"] == none
    assert values["operations"]["perturbation"] == none + 2 * 100 * 2 * sum(weights)
    assert values["operations"]["penalty"] > values["operations"]["perturbation"]
