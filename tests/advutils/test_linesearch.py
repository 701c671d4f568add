"""Distances along a ray: a case worked by hand, agreement of the two searches, invariances."""

import math

import pytest
import torch
from torch import nn

from advutils.attacks import linesearch
from advutils.training import regularizers


def linear(seed=0, pixels=12, classes=4):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(pixels, classes)).double()


def test_worked_by_hand():
    """Two logits z = (x_1, 1): class 0 at x_1 = 3, going down along x_1, until the logits meet at x_1 = 1."""
    model = nn.Linear(2, 2).double()
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 0.0]]))
        model.bias.copy_(torch.tensor([0.0, 1.0]))
    x = torch.tensor([[3.0, 5.0], [3.0, 5.0], [3.0, 5.0], [0.0, 0.0]]).double()
    direction = torch.tensor([[-7.0, 0.0], [1.0, 0.0], [-1.0, -1.0], [-1.0, 0.0]]).double()
    found = linesearch.ray_distance(model, x, torch.zeros(4, dtype=torch.long), direction)
    expected = torch.tensor([2.0, math.inf, 2 * math.sqrt(2), 0.0]).double()  # the last is wrong from the start
    torch.testing.assert_close(found, expected)


def test_exact_equals_bisection_and_is_a_boundary():
    model = linear()
    x = torch.rand(200, 1, 3, 4).double()
    y = model(x).argmax(1)
    direction = regularizers.loss_gradient(model, x, y)
    exact = linesearch.ray_distance(model, x, y, direction)
    searched = linesearch.bisect_distance(model, x, y, direction, maximum=50.0, steps=200, halvings=30)
    near = exact < 50
    assert near.sum() > 150
    torch.testing.assert_close(exact[near], searched[near], atol=1e-6, rtol=0)
    assert torch.isinf(searched[~near]).all()
    unit = direction / direction.flatten(1).norm(dim=1)[:, None, None, None]
    for factor, changed in ((0.999, False), (1.001, True)):
        moved = x + factor * exact[:, None, None, None] * unit
        assert ((model(moved).argmax(1) != y)[near] == changed).all()


def test_a_constant_on_all_logits_changes_nothing():
    model, x = linear(), torch.rand(20, 1, 3, 4).double()
    y = model(x).argmax(1)
    direction = torch.randn_like(x)
    before = linesearch.ray_distance(model, x, y, direction)
    with torch.no_grad():
        model[1].bias -= 100
    torch.testing.assert_close(linesearch.ray_distance(model, x, y, direction), before)


def test_the_distance_to_the_nearest_plane_is_never_longer_than_along_a_ray():
    from advbook.chapters.gradient_regularization.noise import _boundaries

    model, x = linear(), torch.rand(100, 1, 3, 4).double()
    y = model(x).argmax(1)
    along = linesearch.ray_distance(model, x, y, regularizers.loss_gradient(model, x, y))
    assert (_boundaries(model, x, y).amin(1) <= along + 1e-9).all()


def test_bad_input_is_named():
    model, x = linear(), torch.rand(3, 1, 3, 4).double()
    y = torch.zeros(3, dtype=torch.long)
    with pytest.raises(ValueError, match="y must be an integer"):
        linesearch.ray_distance(model, x, y.float(), x)
    with pytest.raises(ValueError, match="maximum"):
        linesearch.bisect_distance(model, x, y, x, maximum=0.0)
    bent = nn.Sequential(nn.Flatten(), nn.Linear(12, 8), nn.Sigmoid(), nn.Linear(8, 4)).double()
    with pytest.raises(ValueError, match="bisect_distance"):
        linesearch.ray_distance(bent, x, y, 100 * torch.randn_like(x))


def test_a_zero_direction_never_arrives():
    model, x = linear(), torch.rand(3, 1, 3, 4).double()
    y = model(x).argmax(1)
    assert torch.isinf(linesearch.ray_distance(model, x, y, torch.zeros_like(x))).all()
