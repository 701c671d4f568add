"""Smooth attacks: their objective, their gradients, and their two ends."""

import math

import pytest
import torch
from torch import nn

from advutils import attacks
from advutils.core import norms
from advutils.filters.smoothing import ImageSmoother


def test_smoothing_with_alpha_0_is_no_smoothing(net, batch):
    x, y = batch[0].double(), batch[1]
    net, none = net.double(), ImageSmoother(x, alpha=0.0)
    given = {"eps": 0.3, "step": 0.1, "steps": 5}
    torch.testing.assert_close(
        attacks.smooth_pgd(net, x, y, smoother=none, **given), attacks.pgd(net, x, y, p=2, **given)
    )
    torch.testing.assert_close(
        attacks.smooth_pgd(net, x, y, smoother=none, smooth="perturbation", **given),
        attacks.pgd(net, x, y, p=2, sphere=True, **given),
    )


def test_smooth_carlini_wagner_without_smoothing_is_that_of_eq_13(net, batch):
    x, y = batch[0].double(), batch[1]
    net, given = net.double(), {"steps": 30, "search_steps": 4, "lr": 0.05}
    none = ImageSmoother(x, alpha=0.0)
    torch.testing.assert_close(
        attacks.smooth_carlini_wagner(net, x, y, smoother=none, **given),
        attacks.carlini_wagner(net, x, y, variable="clip", **given),
    )


@pytest.mark.parametrize("penalty", ("squared", "norm"))
def test_the_gradients_of_the_smooth_objective_are_those_of_autograd(penalty, net, batch):
    """Eqs. (18) and (19): the gradient in z that the search hands to Adam, beside autograd through everything."""
    from advutils.attacks import margin_search, smooth

    x, y = batch[0].double(), batch[1]
    net, guided = net.double().eval(), ImageSmoother(x, bandwidth=10.0, alpha=0.9, method="dense")
    z = (0.4 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)).requires_grad_()
    r, c = guided(z), torch.linspace(0.1, 5, 20, dtype=torch.float64)
    logits = net((x + r).clamp(0, 1))
    margin = logits.gather(1, y[:, None])[:, 0] - logits.scatter(1, y[:, None], -math.inf).amax(1) + 0.1
    length = norms.norm(r).square() if penalty == "squared" else norms.norm(r)
    (expected,) = torch.autograd.grad((length + c * margin.clamp(min=0)).sum(), z)
    image, r, pull = smooth._smoothed({"x": x, "v": z.detach(), "smoother": guided})
    assert ((image == 0) | (image == 1)).any() and (margin < 0).any()  # clipping and the hinge both matter
    _, slope = margin_search._margin(net, image, y, c, 0.1)
    along = 2 * r if penalty == "squared" else margin_search._unit(r, norms.norm(r))
    torch.testing.assert_close(pull(along, slope), expected)


def test_smooth_carlini_wagner_gives_smooth_perturbations():
    """Flat halves with an edge: within a half the perturbation varies less than without smoothing."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 2)).double()
    with torch.no_grad():
        net[1].weight[0] += 1  # a part of the weights that smoothing keeps
    x = torch.full((20, 1, 4, 4), 0.3, dtype=torch.float64)
    x[..., 2:] = 0.5 + 0.01 * torch.arange(20, dtype=torch.float64)[:, None, None, None]
    with torch.no_grad():
        net[1].bias[1] += (net(x)[10, 0] - net(x)[10, 1]) - 0.5  # close to the boundary
    y = net(x).argmax(1)

    def roughness(out):
        r = (out - x)[norms.norm(out - x) > 0]
        left = r[..., :2] - r[..., :2].mean((2, 3), keepdim=True)
        return (norms.norm(left) / norms.norm(r)).mean()

    given = {"steps": 60, "search_steps": 6, "lr": 0.05}
    guided = ImageSmoother(x, bandwidth=100.0, alpha=0.99, method="dense")
    smooth = attacks.smooth_carlini_wagner(net, x, y, smoother=guided, **given)
    assert (net(smooth).argmax(1) != y).all()
    assert roughness(smooth) < 0.3 * roughness(attacks.carlini_wagner(net, x, y, **given))


def test_one_smooth_step_is_the_formula(net, batch):
    x, y = 0.4 + 0.2 * batch[0].double(), batch[1]
    net, guided = net.double().eval(), ImageSmoother(x, bandwidth=10.0, alpha=0.9, method="dense")
    leaf = x.clone().requires_grad_()
    (g,) = torch.autograd.grad(nn.functional.cross_entropy(net(leaf), y, reduction="sum"), leaf)
    one = {"eps": 0.3, "step": 0.1, "steps": 1, "smoother": guided}
    smoothed = guided(g)
    expected = 0.1 * smoothed / norms.norm(smoothed)[:, None, None, None]
    torch.testing.assert_close(attacks.smooth_pgd(net, x, y, **one) - x, expected)  # Eq. (12)
    coded = attacks.smooth_pgd(net, x, y, smooth="perturbation", **one) - x
    torch.testing.assert_close(norms.norm(coded), torch.full((20,), 0.3).double())  # on the sphere
    torch.testing.assert_close(coded / 0.3, expected / 0.1)  # smoothing is linear: the same direction in the first step
