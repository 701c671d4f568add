"""The neurons of Cutilli 2021 by their definitions."""

import pytest
import torch

from advutils import layers
from advutils.core import runtime


def test_an_angle_does_not_know_lengths():
    with runtime.seeded(0):
        layer = layers.Angular(5, 3, c=1e-9).double()
    a = torch.randn(4, 5, dtype=torch.float64, generator=runtime.generator(1))
    torch.testing.assert_close(layer(a), layer(7 * a), rtol=0, atol=1e-8)
    cosine = torch.cosine_similarity(a[:, None], layer.weight[None], dim=2)
    torch.testing.assert_close(layer(a), cosine, rtol=0, atol=1e-8)
    assert torch.isfinite(layers.Angular(5, 3)(torch.zeros(1, 5))).all()
    with pytest.raises(ValueError, match="c must be > 0"):
        layers.Angular(5, 3, c=0)


def test_partial_derivatives_of_a_weighted_mean_add_up_to_one():
    for n in (2, 50):
        layer = layers.WeightedMean(n, 3).double()
        jacobian = torch.autograd.functional.jacobian(layer, torch.randn(1, n, dtype=torch.float64))[0, :, 0]
        torch.testing.assert_close(jacobian.abs().sum(1), torch.ones(3, dtype=torch.float64))


def test_shares_do_not_know_the_sum_of_an_image():
    layer = layers.Share(5, 3, c=1e-9).double()
    a = torch.rand(4, 5, dtype=torch.float64, generator=runtime.generator(1))
    torch.testing.assert_close(layer(a), layer(7 * a), rtol=0, atol=1e-8)
    torch.testing.assert_close(layer(a), layer(a / a.sum(1, keepdim=True)), rtol=0, atol=1e-8)
    with pytest.raises(ValueError, match="c must be > 0"):
        layers.Share(5, 3, c=-1)


def test_the_elastic_scale_is_learnt():
    layer = layers.ElasticSigmoid()
    x = torch.randn(6, generator=runtime.generator(0))
    torch.testing.assert_close(layer(x), x.sigmoid())
    (slope,) = torch.autograd.grad(layer(x).sum(), layer.scale)
    torch.testing.assert_close(slope, (x * x.sigmoid() * (1 - x.sigmoid())).sum())
