"""Eq. (21) of Lyu, Huang and Liang 2015: the objective that is not convex."""

import pytest
import torch
from draws import random

from advbook.chapters.gradient_regularization import theory


def test_eq_21_certificate_is_exact():
    """In rational numbers, sigma = 1: F(3/4, 1) = 11/32 > 6/32, the mean of F(1, 2) = 0 and F(1/2, 0) = 3/8."""
    import sympy as sp

    def objective(a, b):
        residual = abs(1 - sp.Rational(a))
        size = sp.sqrt(sp.Rational(a) ** 2 + sp.Rational(b) ** 2)
        return residual**2 / 2 + residual * size

    ends = objective(1, 2), objective("1/2", 0)
    assert ends == (0, sp.Rational(3, 8)) and objective("3/4", 1) == sp.Rational(11, 32)
    values, _ = theory.convexity(
        sigma=1.0, segments={"squared": [[1.0, 2.0], [0.5, 0.0]], "norm": [[1.0, -0.2], [1.1, 0.2]]}, points=50, seed=0
    )
    assert values["violation"]["squared"] == pytest.approx(5 / 32)
    assert values["violation"]["norm"] > 0.4


def test_eq_21_objectives_are_what_autograd_says():
    theta = random(40, 2) * 2
    found = theory.linear_objectives(theta, sigma=0.6)
    for weights, squared, norm in zip(theta, found["squared"], found["norm"], strict=True):
        x = torch.tensor([1.0, 0.0], dtype=torch.float64, requires_grad=True)
        loss = (1 - weights @ x) ** 2 / 2
        assert torch.allclose(loss + 0.6 * torch.autograd.grad(loss, x)[0].norm(), squared)
        z = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
        loss = (torch.tensor([1.0, 0.0]) - weights * z).norm()
        assert torch.allclose(loss + 0.6 * torch.autograd.grad(loss, z)[0].abs(), norm)


def test_eq_21_exact_inner_maximum():
    theta, sigma = random(30, 2) * 2, 0.6
    turn = torch.linspace(0, 2 * torch.pi, 3601, dtype=torch.float64)
    border = sigma * torch.stack([turn.cos(), turn.sin()])
    found = theory.linear_objectives(theta, sigma=sigma)
    residual = 1 - theta[:, :1] - theta @ border
    assert torch.allclose((residual**2 / 2).amax(1), found["squared_exact"], rtol=1e-5)
    ends = torch.linspace(1 - sigma, 1 + sigma, 201, dtype=torch.float64)
    errors = torch.tensor([1.0, 0.0])[None, :, None] - theta[..., None] * ends
    assert torch.allclose(errors.norm(dim=1).amax(1), found["norm_exact"])


def test_eq_21_robust_objective_is_convex():
    segments = {"squared": [[1, 2], [0, 0]], "norm": [[1, 0], [0, 1]]}
    values, _ = theory.convexity(sigma=0.8, segments=segments, points=200, seed=1)
    assert max(values["exact_worst"].values()) < 1e-12
