"""Attacks on networks that are so sure that float32 loses their gradients."""

import copy
import math

import pytest
import torch
from attack_table import ATTACKS, NORM, with_budget
from torch import nn

from advutils import attacks, datasets
from advutils.attacks import ascent
from advutils.core import norms, runtime
from advutils.training import regularizers


@with_budget
def test_a_very_confident_network_is_still_attacked(name):
    """Margin 40: the gradient is about 1e-17, below any absolute guard; the step must have its full length."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
    with torch.no_grad():
        model[1].weight.zero_()
        model[1].bias.copy_(torch.tensor([40.0, 0.0]))
        model[1].weight[1, :] = 1e-3 * torch.linspace(1, 2, 16)
    x, y = torch.full((3, 1, 4, 4), 0.5, dtype=torch.float64), torch.zeros(3, dtype=torch.long)
    out = ATTACKS[name](model.double(), x, y)
    eps, p = NORM[name]
    # p = 1 moves one pixel at a time, here always the same one, which has only .5 of room
    assert (norms.norm(out - x, p) > 0.9 * min(eps, 0.5 if p == 1 else eps)).all()


class Times(nn.Module):
    """A network whose logits are multiplied: the same classes, larger margins."""

    def __init__(self, net, factor):
        super().__init__()
        self.net, self.factor = net, factor

    def forward(self, x):
        return self.factor * self.net(x)


@pytest.fixture(scope="module")
def digits():
    """A network trained on the embedded digits, and 400 test images with their labels."""
    (x, y), (images, labels) = (datasets.load("digits", split=split) for split in ("train", "test"))
    with runtime.seeded(0):
        net = nn.Sequential(nn.Flatten(), nn.Linear(x[0].numel(), 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(60):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        optimizer.step()
    return net.eval(), images[:400], labels[:400]


@pytest.mark.parametrize("factor", (1, 3, 10, 30, 100, 300, 1000, 3000))
@pytest.mark.parametrize(
    "attack",
    [
        lambda *given: attacks.fgsm(*given, eps=0.05),
        lambda *given: attacks.pgd(*given, eps=0.04, step=0.01, steps=10),
        lambda *given: attacks.pgd(*given, eps=0.5, step=0.2, steps=10, p=2),
    ],
    ids=["fgsm", "pgd inf", "pgd 2"],
)
def test_a_sure_network_is_attacked_in_float32_as_in_float64(attack, factor, digits):
    net, x, y = digits
    fooled = []
    for model, images in ((Times(net, factor), x), (Times(copy.deepcopy(net).double(), factor), x.double())):
        fooled.append(model(attack(model, images, y)).argmax(1) != y)
    wrong = (net(x).argmax(1) != y).sum()
    assert (fooled[0] != fooled[1]).sum() <= 1 and fooled[1].sum() > wrong + 50 and (~fooled[1]).sum() > 50


@pytest.mark.parametrize("factor", (1, 5))
def test_the_direction_and_the_gradient_are_those_of_cross_entropy(factor, digits):
    """grad CE = sigmoid(L') grad L'; in float32 too, at margins where torch's own has lost its digits or all of it."""
    net, x, y = digits
    exact = Times(copy.deepcopy(net).double(), factor)
    leaf = x.double().requires_grad_()
    z = exact(leaf)
    (slope,) = torch.autograd.grad(
        (z.scatter(1, y[:, None], -math.inf).logsumexp(1) - z.gather(1, y[:, None])[:, 0]).sum(), leaf
    )
    torch.testing.assert_close(attacks.ascent_direction(exact, x.double(), y), slope)
    expected = slope * norms.per_example(torch.sigmoid(ascent.doubt(z, y)), x).detach()
    if factor == 1:
        leaf = x.double().requires_grad_()
        (plain,) = torch.autograd.grad(nn.functional.cross_entropy(exact(leaf), y, reduction="sum"), leaf)
        torch.testing.assert_close(expected, plain)
    torch.testing.assert_close(regularizers.loss_gradient(exact, x.double(), y), expected)
    normal = norms.norm(expected) > 1e-34  # float32 has smaller numbers with fewer digits
    single = regularizers.loss_gradient(Times(net, factor), x, y).double()
    assert normal.sum() > 100
    assert (norms.norm(single - expected) / norms.norm(expected))[normal].max() < 1e-3


def test_sure_examples_are_counted_where_that_is_asked_for():
    model = nn.Linear(2, 3)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, -1.0]]))
        model.bias.copy_(torch.tensor([16.5, 0.0, 0.0]))
    x, y = torch.tensor([[0.0, 0.5], [1.0, 0.5], [0.2, 0.5], [1.0, 0.5]]), torch.tensor([0, 0, 0, 1])
    with attacks.counting_sure() as counts:
        attacks.fgsm(model, x, y, eps=0.01)
        assert (counts.looks, counts.sure) == (4, 2)  # margins 16.5, 17.5, 16.7 and -17.5
        with attacks.counting_sure() as inner:
            attacks.pgd(model, x, y, eps=0.15, step=0.15, steps=3)
        regularizers.loss_gradient(model, x, y)
    attacks.fgsm(model, x, y, eps=0.01)
    assert (inner.looks, inner.sure) == (12, 2 + 1 + 1)  # the third image's margin falls to 16.55
    assert (counts.looks, counts.sure) == (8, 4)
