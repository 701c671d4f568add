import math

import pytest
import torch
from torch import nn

from advutils import models
from advutils.layers import Dropout, Maxout, Normalize
from advutils.training import constraints


def test_maxout_takes_the_largest_of_adjacent_rows_and_is_linear_with_one_piece():
    layer = Maxout(4, 3, 5).double()
    x = torch.randn(6, 4, dtype=torch.float64)
    rows = layer.affine(x)
    for unit in range(3):
        torch.testing.assert_close(layer(x)[:, unit], rows[:, 5 * unit : 5 * unit + 5].max(dim=1).values)
    linear = Maxout(4, 3, 1).double()
    torch.testing.assert_close(linear(x), linear.affine(x))


def test_dropout_in_pylearn2_s_form():
    torch.manual_seed(0)
    x = torch.ones(2000, 50)
    kept = Dropout(0.8, scale=1.0)(x)
    assert set(kept.unique().tolist()) == {0.0, 1.0} and kept.mean().item() == pytest.approx(0.8, abs=0.01)
    doubled = Dropout(0.5)(x)
    assert set(doubled.unique().tolist()) == {0.0, 2.0} and doubled.mean().item() == pytest.approx(1, abs=0.02)
    assert (doubled[0] != doubled[1]).any()  # one mask an example
    assert torch.equal(Dropout(0.8, scale=1.0).eval()(x), x)


def test_normalize_and_errors():
    layer = Normalize((0.5, 0.25), (0.5, 0.25))
    assert layer(torch.tensor([0.5, 0.5]).view(1, 2, 1, 1)).flatten().tolist() == [0.0, 1.0]
    for bad in (lambda: Normalize((0.5,), (0.0,)), lambda: Maxout(2, 2, 0), lambda: Dropout(0.0)):
        with pytest.raises(ValueError):
            bad()


def test_max_norm_shrinks_only_what_is_too_long():
    weight = torch.tensor([[3.0, 4.0], [0.3, 0.4]])
    constraints.limit([(weight, 1.0)])
    torch.testing.assert_close(weight, torch.tensor([[0.6, 0.8], [0.3, 0.4]]))


@pytest.mark.parametrize(
    "builder, parameters",
    [
        (models.sigmoid_mlp, 784 * 600 + 600 + 600 * 600 + 600 + 6010),
        (models.maxout_mlp, 784 * 1200 + 1200 + 240 * 1200 + 1200 + 2410),
        (models.softmax_regression, 7850),
    ],
)
def test_parameter_counts_and_shapes(builder, parameters):
    model = builder()
    assert sum(p.numel() for p in model.parameters()) == parameters
    assert model(torch.rand(3, 1, 28, 28)).shape == (3, 10)


def test_initial_weights():
    sigmoid, maxout = models.sigmoid_mlp(), models.maxout_mlp()
    assert sigmoid[1].weight.abs().max() <= 4 * math.sqrt(6 / 1384) and not isinstance(sigmoid[-1], nn.Sigmoid)
    assert maxout[2].affine.weight.abs().max() <= 0.005 and (maxout[2].affine.bias == 0).all()
