"""Where and how a computation runs, and what a block leaves behind."""
import pytest
import torch
from torch import nn

from advutils import layers, runtime


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
