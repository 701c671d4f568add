"""The training objectives of Lyu et al. 2015 against finite differences and closed forms."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from advutils.core import norms
from advutils.layers import Dropout
from advutils.training import regularizers


def smooth_net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 3)).double()


def data():
    generator = torch.Generator().manual_seed(1)
    return torch.rand(7, 5, generator=generator, dtype=torch.float64), torch.randint(0, 3, (7,), generator=generator)


def numerical_gradient(loss, weight, h=1e-6):
    result = torch.zeros_like(weight)
    with torch.no_grad():
        for index in range(weight.numel()):
            flat = weight.view(-1)
            old = flat[index].item()
            flat[index] = old + h
            up = loss().item()
            flat[index] = old - h
            down = loss().item()
            flat[index] = old
            result.view(-1)[index] = (up - down) / (2 * h)
    return result


@pytest.mark.parametrize("p", (1.5, 2, 3))
@pytest.mark.parametrize("objective", ("penalty", "perturbation"))
def test_weight_gradients_by_finite_differences(objective, p):
    model, (x, y) = smooth_net(), data()
    weight = model[0].weight

    def loss():
        with torch.enable_grad():
            if objective == "penalty":
                return regularizers.penalised_loss(model, x, y, sigma=0.3, p=p)
            return regularizers.perturbed_loss(model, x, y, sigma=0.3, p=p, stop_gradient=False)

    exact = torch.autograd.grad(loss(), weight)[0]
    torch.testing.assert_close(exact, numerical_gradient(loss, weight), atol=1e-7, rtol=1e-5)


def test_stop_gradient_is_the_gradient_at_a_fixed_point():
    model, (x, y) = smooth_net(), data()
    epsilon = regularizers.worst_perturbation(regularizers.loss_gradient(model, x, y), sigma=0.3, p=2)
    fixed = torch.autograd.grad(F.cross_entropy(model(x + epsilon), y), model[0].weight)[0]
    stopped, full = (
        torch.autograd.grad(
            regularizers.perturbed_loss(model, x, y, sigma=0.3, p=2, stop_gradient=stop), model[0].weight
        )[0]
        for stop in (True, False)
    )
    torch.testing.assert_close(stopped, fixed)
    assert (full - fixed).abs().max() > 1e-4


@pytest.mark.parametrize("p", (1, 1.5, 2, 3, math.inf))
def test_the_two_objectives_agree_to_first_order(p):
    model, (x, y) = smooth_net(), data()
    clean = F.cross_entropy(model(x), y)
    slopes = [((regularizers.perturbed_loss(model, x, y, sigma=s, p=p) - clean) / s).item() for s in (1e-3, 1e-5)]
    penalty = ((regularizers.penalised_loss(model, x, y, sigma=1.0, p=p)) - clean).item()
    assert slopes[1] == pytest.approx(penalty, rel=1e-4)
    assert abs(slopes[1] - penalty) <= abs(slopes[0] - penalty) + 1e-9


def test_each_example_has_its_own_norm():
    model, (x, y) = smooth_net(), data()
    epsilon = regularizers.worst_perturbation(regularizers.loss_gradient(model, x, y), sigma=0.7, p=2)
    torch.testing.assert_close(norms.norm(epsilon), torch.full((7,), 0.7, dtype=torch.float64))
    alone = regularizers.worst_perturbation(regularizers.loss_gradient(model, x[:1], y[:1]), sigma=0.7, p=2)
    torch.testing.assert_close(alone, epsilon[:1])


def test_masks():
    """Shared: inner and outer pass drop the same units; fresh: they need not; none: the inner pass drops nothing."""
    seen = []

    class Spy(Dropout):
        def forward(self, x):
            out = super().forward(x)
            seen.append((self.training, (out == 0).clone()))
            return out

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 40), Spy(0.5), nn.Linear(40, 3))
    x, y = torch.rand(3, 5), torch.tensor([0, 1, 2])
    for mask, same in (("shared", True), ("fresh", False)):
        seen.clear()
        regularizers.perturbed_loss(model, x, y, sigma=0.1, p=2, mask=mask)
        assert torch.equal(seen[0][1], seen[1][1]) is same
    seen.clear()
    regularizers.perturbed_loss(model, x, y, sigma=0.1, p=2, mask="none")
    assert [training for training, _ in seen] == [False, True] and model.training


def test_clip_and_bad_input():
    model, (x, y) = smooth_net(), data()
    moved = []
    model.register_forward_hook(lambda _, inputs, __: moved.append(inputs[0].detach()))
    regularizers.perturbed_loss(model, x, y, sigma=5.0, p="inf", clip=True)
    assert moved[-1].min() >= 0 and moved[-1].max() <= 1
    with pytest.raises(ValueError, match="sigma"):
        regularizers.perturbed_loss(model, x, y, sigma=-1.0, p=2)
    with pytest.raises(ValueError, match="mask"):
        regularizers.perturbed_loss(model, x, y, sigma=1.0, p=2, mask="other")
    with pytest.raises(ValueError, match="p must be"):
        regularizers.penalised_loss(model, x, y, sigma=1.0, p=0.5)
