"""Rounding of weights to eight bits."""

import pytest
import torch
from torch import nn

from advutils.models import quantisation


def test_an_entry_moves_by_half_a_scale_at_most_and_the_largest_of_a_row_stays():
    weight = torch.randn(30, 50, generator=torch.Generator().manual_seed(0)) * torch.logspace(-3, 2, 30)[:, None]
    numbers, scale = quantisation.int8_rows(weight)
    back = quantisation.from_int8(numbers, scale)
    assert numbers.dtype == torch.int8 and numbers.abs().amax(1).eq(127).all()
    assert ((back - weight).abs() <= scale[:, None] * 0.5001).all()
    row, column = torch.arange(30), weight.abs().argmax(1)
    assert torch.allclose(back[row, column], weight[row, column], rtol=1e-6)


def test_zeros_stay_zeros_and_filters_are_rows():
    weight = torch.zeros(2, 3, 4, 4)
    weight[1] = torch.linspace(-1, 1, 48).reshape(3, 4, 4)
    numbers, scale = quantisation.int8_rows(weight)
    assert scale.shape == (2,) and numbers.shape == weight.shape
    assert (quantisation.from_int8(numbers, scale)[0] == 0).all()


@pytest.mark.parametrize("weight", [torch.ones(3), torch.tensor([[1.0, torch.nan]])])
def test_weights_that_are_no_finite_rows_are_refused(weight):
    with pytest.raises(ValueError, match="finite with two axes"):
        quantisation.int8_rows(weight)


def test_a_rounded_network_is_a_copy_whose_biases_stay():
    model = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3))
    before = [value.clone() for value in model.parameters()]
    found = quantisation.rounded(model)
    assert all((a == b).all() for a, b in zip(before, model.parameters(), strict=True))
    assert not torch.equal(found[0].weight, model[0].weight) and torch.equal(found[0].bias, model[0].bias)
