"""Ascent on the margin: its ball, its boundary, its restarts."""

import math

import pytest
import torch
from torch import nn

from advutils import attacks, evaluation
from advutils.core import norms, runtime


@pytest.fixture
def linear():
    with runtime.seeded(0):
        return nn.Sequential(nn.Flatten(), nn.Linear(16, 4)).double().eval()


@pytest.mark.parametrize("p", (1, 2, math.inf))
def test_margin_pgd_stays_in_the_ball_and_in_the_range(linear, p):
    x = torch.rand(12, 1, 4, 4, generator=runtime.generator(0), dtype=torch.float64)
    y = linear(x).argmax(1)
    moved = attacks.margin_pgd(
        linear, x, y, eps=0.2, step=0.1, steps=5, restarts=2, p=p, generator=runtime.generator(1)
    )
    assert norms.norm(moved - x, p).max() <= 0.2 + 1e-9 and moved.min() >= 0 and moved.max() <= 1


def test_margin_pgd_finds_the_boundary_of_a_linear_network(linear):
    """Budgets 2 % above the distance in closed form fool every image, 2 % below none."""
    x = 0.4 + 0.2 * torch.rand(12, 1, 4, 4, generator=runtime.generator(0), dtype=torch.float64)
    z, weight = linear(x), linear[1].weight
    y = z.argmax(1)
    gaps, slopes = z.gather(1, y[:, None]) - z, (weight[y][:, None] - weight[None]).abs().sum(2)
    distance = (gaps / slopes).scatter(1, y[:, None], torch.inf).amin(1)
    for share, fooled in ((0.98, 0), (1.02, 12)):
        moved = attacks.margin_pgd(
            linear, x, y, eps=share * distance, step=0.02, steps=40, restarts=3, generator=runtime.generator(1)
        )
        assert evaluation.wrong(linear, moved, y).sum() == fooled


def test_both_ascents_attack_where_the_cross_entropy_has_no_slope():
    """Logits 400 apart: in float32 the softmax of the true class is exactly 1, and cross-entropy has gradient 0."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2, bias=False)).eval()
    with torch.no_grad():
        model[1].weight.copy_(torch.tensor([[2000.0, 0, 0, 0], [0, 2000.0, 0, 0]]))
    x, y = torch.tensor([[0.6, 0.4, 0, 0]]).view(1, 1, 2, 2), torch.tensor([0])
    assert evaluation.error_rate(model, attacks.pgd(model, x, y, eps=0.2, step=0.05, steps=10), y) == 1
    moved = attacks.margin_pgd(model, x, y, eps=0.2, step=0.05, steps=10, restarts=1, generator=runtime.generator(0))
    assert evaluation.error_rate(model, moved, y) == 1


def test_margin_pgd_drops_what_is_fooled_and_restarts_what_is_not(linear):
    x = torch.rand(20, 1, 4, 4, generator=runtime.generator(0), dtype=torch.float64)
    y = linear(x).argmax(1)
    sizes = []
    handle = linear.register_forward_hook(lambda module, inputs, output: sizes.append(len(output)))
    attacks.margin_pgd(linear, x, (y + 1) % 4, eps=0.1, step=0.1, steps=5, restarts=3, generator=runtime.generator(1))
    handle.remove()
    assert sizes == [20]  # all wrong at once
    kwargs = dict(eps=0.05, step=0.02, steps=4, generator=runtime.generator(1))
    once = evaluation.wrong(linear, attacks.margin_pgd(linear, x, y, restarts=1, **kwargs), y)
    thrice = evaluation.wrong(
        linear, attacks.margin_pgd(linear, x, y, restarts=3, **kwargs | {"generator": runtime.generator(1)}), y
    )
    assert (thrice | ~once).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"eps": -1.0}, "eps"),
        ({"step": 0.0}, "step"),
        ({"steps": 0}, "steps"),
        ({"restarts": 0}, "restarts"),
        ({"p": 3}, "p must be"),
    ],
)
def test_margin_pgd_names_bad_input(linear, change, message):
    x, y = torch.rand(2, 1, 4, 4, dtype=torch.float64), torch.tensor([0, 1])
    with pytest.raises(ValueError, match=message):
        attacks.margin_pgd(
            linear,
            x,
            y,
            **{"eps": 0.1, "step": 0.1, "steps": 2, "restarts": 1, "generator": runtime.generator(0)} | change,
        )
