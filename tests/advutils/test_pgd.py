"""Starts, spheres and budgets of projected gradient ascent."""

import math

import pytest
import torch
from torch import nn

from advutils import attacks
from advutils.attacks.gradient import random_in_ball
from advutils.core import norms, runtime


@pytest.mark.parametrize("p", (2, math.inf))
@pytest.mark.parametrize("sphere", (True, "clipped"))
def test_each_order_on_the_sphere_is_that_of_a_loop_by_hand(sphere, p, net, batch):
    """The authors clip the step, scale, and clip the image at the end; the variant scales, and clips every step."""
    x, y, net = batch[0].double().round(decimals=1), batch[1], net.double().eval()
    eta, off = torch.zeros_like(x), 0
    for _ in range(4):
        leaf = (x + eta).requires_grad_()
        off += ((leaf < 0) | (leaf > 1)).sum()
        (g,) = torch.autograd.grad(nn.functional.cross_entropy(net(leaf), y, reduction="sum"), leaf)
        moved = leaf.detach() + 0.2 * (g.sign() if p == math.inf else g / norms.norm(g)[:, None, None, None])
        if sphere == "clipped":
            eta = moved - x
            eta = (x + 0.3 * eta / norms.norm(eta, p)[:, None, None, None]).clamp(0, 1) - x
        else:
            eta = moved.clamp(0, 1) - x
            eta = 0.3 * eta / norms.norm(eta, p)[:, None, None, None]
    assert (off > 0) == (sphere is True)  # the orders differ only where pixels leave [0, 1]
    found = attacks.pgd(net, x, y, eps=0.3, step=0.2, steps=4, p=p, sphere=sphere)
    torch.testing.assert_close(found, (x + eta).clamp(0, 1))


@pytest.mark.parametrize(
    "attack",
    [
        lambda *given, **o: attacks.pgd(*given, steps=1, random_start=True, **o),
        lambda *given, **o: attacks.margin_pgd(*given, steps=1, restarts=1, **o),
    ],
    ids=["pgd", "margin_pgd"],
)
def test_the_word_inf_starts_in_the_whole_cube_too(attack, net, batch):
    x, y, net = torch.full((20, 1, 4, 4), 0.5), batch[1], net.eval()
    starts = []
    net.register_forward_pre_hook(lambda module, inputs: starts.append(inputs[0].detach() - 0.5))
    moved = [attack(net, x, y, eps=0.1, step=0.01, p=p, generator=runtime.generator(0)) for p in ("inf", math.inf)]
    assert torch.equal(*moved)
    first = starts[0].abs()
    assert 0.09 < first.max() <= 0.1 and first.mean() == pytest.approx(0.05, abs=0.005)  # uniform in [-.1, .1]


@pytest.mark.parametrize("p", (1, 2, math.inf))
def test_random_starts_are_drawn_on_the_cpu_for_any_device(p):
    x = torch.rand(3, 1, 2, 2)
    here, there = (
        random_in_ball(images, 0.1 * torch.ones(3).to(images), p, runtime.generator(0)) for images in (x, x.to("meta"))
    )
    assert here.device.type == "cpu" and there.device.type == "meta" and there.shape == x.shape


def test_the_sphere_variant_ends_on_the_sphere(net, batch):
    x = 0.5 + 0 * batch[0]  # far from 0 and 1
    out = attacks.pgd(net, x, batch[1], eps=0.3, step=0.05, steps=3, p=2, sphere=True)
    torch.testing.assert_close(norms.norm(out - x), torch.full((20,), 0.3))
    inside = attacks.pgd(net, x, batch[1], eps=0.3, step=0.05, steps=3, p=2)
    assert (norms.norm(inside - x) < 0.2).all()


def test_one_budget_an_example(net, batch):
    x, y = batch
    eps = torch.linspace(0, 0.3, 20)
    for out in (attacks.fgsm(net, x, y, eps=eps), attacks.pgd(net, x, y, eps=eps, step=0.1, steps=5)):
        assert ((out - x).abs().flatten(1).amax(1) <= eps + 1e-6).all() and torch.equal(out[0], x[0])
