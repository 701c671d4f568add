"""The arithmetic in which Cutilli 2021 attacked: Chainer's sigmoid on a CPU and on a GPU."""

import pytest
import torch

from advbook.chapters.representation import defences as chapter
from advutils import layers


@pytest.mark.parametrize("double, left", [(False, (-18.5, -16)), (True, (-38.5, -37))])
def test_where_slopes_in_chainers_arithmetic_vanish(double, left):
    d = torch.arange(-60.0, 60.0, 0.25, requires_grad=True)
    y = layers.tanh_sigmoid(d, double=double)
    (slope,) = torch.autograd.grad(y.sum(), d)
    zero = d[slope == 0].detach()
    assert 16 < zero[zero > 0].min() < 18.5 and left[0] < zero[zero < 0].max() < left[1]
    assert y.dtype == slope.dtype == torch.float32 and torch.equal(slope, (y * (1 - y)).detach())
    torch.testing.assert_close(y, d.sigmoid())
    exact = torch.linspace(-5, 5, 11, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: layers.tanh_sigmoid(x, double=double), exact)


def test_both_of_chainers_arithmetics_are_one_in_double_precision():
    d = torch.linspace(-60, 60, 1001, dtype=torch.float64)
    assert torch.equal(layers.tanh_sigmoid(d), layers.tanh_sigmoid(d, double=True))
    torch.testing.assert_close(layers.tanh_sigmoid(d), d.sigmoid(), rtol=0, atol=1e-15)


def test_an_unknown_arithmetic_is_refused():
    with pytest.raises(ValueError, match="arithmetic must be one of chainer cpu, chainer gpu, torch"):
        chapter.sigmoid_in("numpy")
