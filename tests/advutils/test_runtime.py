"""Where and how a computation runs, and what a block leaves behind."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from advbook.chapters.gradient_regularization import dense
from advutils import layers, training
from advutils.core import runtime


@pytest.mark.parametrize("make", [nn.BatchNorm2d, layers.BatchRenorm])
def test_a_still_layer_gives_the_same_and_moves_no_statistic(make):
    first, second, third = (3 * torch.randn(8, 5, 4, 4, generator=runtime.generator(n)) + 1 for n in range(3))
    layer = make(5)
    if make is layers.BatchRenorm:  # its limits open, so that the running values count in training mode too
        layer.r_max.fill_(3)
        layer.d_max.fill_(5)
    layer(first)
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    with runtime.statistics_still(layer):
        still = layer(second)
    for name, value in layer.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert layer.track_running_stats and torch.equal(layer(second), still)
    assert not torch.equal(layer.running_mean, before["running_mean"])  # outside the block they move as ever


def test_a_layer_that_tracks_nothing_stays_so():
    model = nn.Sequential(nn.BatchNorm2d(2, track_running_stats=False), nn.BatchNorm2d(2))
    with pytest.raises(KeyError), runtime.statistics_still(model):
        assert not model[0].track_running_stats and not model[1].track_running_stats
        raise KeyError
    assert not model[0].track_running_stats and model[1].track_running_stats


def flags():
    kernels = torch.backends.cudnn.conv, torch.backends.cuda.matmul, torch.backends.mkldnn.matmul
    return torch.get_float32_matmul_precision(), *(kernel.fp32_precision for kernel in kernels)


@pytest.mark.skipif(not hasattr(torch.backends.cudnn, "conv"), reason="flags of torch 2.9 and later")
@pytest.mark.parametrize(
    "level, inside", [("highest", ("highest", "ieee", "ieee", "ieee")), ("medium", ("medium", "tf32", "tf32", "bf16"))]
)
def test_precision_holds_for_products_and_convolutions_and_for_its_block_alone(level, inside):
    before = flags()
    assert before[1] == "tf32"  # torch's default, under which a GPU's convolutions are not float32
    with pytest.raises(KeyError), runtime.precision("medium" if level == "highest" else "highest"):
        around = flags()
        with runtime.precision(level):
            assert flags() == inside
        assert flags() == around
        raise KeyError
    assert flags() == before


def test_an_older_torch_has_one_switch_for_convolutions(monkeypatch):
    old = SimpleNamespace(cudnn=SimpleNamespace(allow_tf32=True))
    monkeypatch.setattr(torch, "backends", old)
    with runtime.precision("highest"):
        assert old.cudnn.allow_tf32 is False
    assert old.cudnn.allow_tf32 is True


def test_another_precision_is_refused():
    with pytest.raises(ValueError, match="level must be"), runtime.precision("high"):
        pass


def test_a_network_is_trained_in_the_precision_it_names_and_leaves_the_callers(monkeypatch, tmp_path):
    seen, before = [], flags()
    monkeypatch.setattr(training, "train", lambda *_, **__: seen.append(torch.get_float32_matmul_precision()))
    for matmul in ("medium", "highest"):
        dense.train_dense(
            checkpoint=tmp_path, data="digits", network="sigmoid-mlp", width=5, epochs=1, seed=0, matmul=matmul
        )
    assert seen == ["medium", "highest"] and flags() == before
