"""The formulas of Lyu et al. 2015, Section V, against simulation and against each other."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm

from advbook.chapters.gradient_regularization import noise


def test_eq_33_is_the_probability_that_noise_exceeds_a_gaussian_distance():
    rng = np.random.default_rng(0)
    draws = 400_000
    hit = rng.normal(0, 0.3, draws) >= rng.normal(0.47, 0.25, draws)
    expected = 0.06 + 0.94 * hit.mean()
    assert noise.eq_33(0.06, 0.47, 0.25, 0.3) == pytest.approx(expected, abs=4 * 0.5 / math.sqrt(draws))


def test_linear_density_is_the_integral():
    added, _ = quad(lambda a: 17 * a * norm.sf(a / 0.01), 0, 0.2)
    assert noise.linear_density(0.06, 17, 0.01) == pytest.approx(0.94 * added, rel=1e-6)


def test_the_projection_of_noise_does_not_grow_with_the_dimension():
    generator = torch.Generator().manual_seed(0)
    for d in (10, 1000):
        unit = torch.randn(d, generator=generator)
        projected = torch.randn(20_000, d, generator=generator) @ (unit / unit.norm())
        assert projected.std().item() == pytest.approx(1, abs=0.03)


def test_union_is_an_upper_bound_and_nearest_a_lower_one_without_repair():
    """On images that are right, noise makes wrong at least what the nearest plane does and at most the sum of all."""
    values, _ = noise.softmax_noise(
        data="digits", convention="batch", lam=0.01, max_iter=100, noise=[0.3], draws=40, seed=0
    )
    actual, spread = np.mean(values["actual"][0]), np.std(values["actual"][0]) / math.sqrt(40)
    assert values["nearest"][0] <= values["union"][0]
    # repaired images lower the error by less than the images that were wrong
    assert values["nearest"][0] - values["miss"] - 4 * spread <= actual <= values["union"][0] + 4 * spread


def test_fit_is_converged_and_regularisation_increases_distances():
    means = []
    for lam in noise.LAMBDAS:
        values, arrays = noise.softmax_fit(data="digits", convention="half", lam=lam, max_iter=2000)
        means.append(values["minimum_mean"])
        assert values["gradient"] < 1e-3 and arrays["counts"].sum() == values["correct"] - values["never"]
    assert means == sorted(means)


def test_fit_minimises():
    from advutils import datasets

    images, labels = datasets.load("digits", split="train")
    model, fit = noise.fit_softmax(images, labels, coefficient=0.01, max_iter=500)
    with torch.no_grad():
        for _ in range(3):
            moved = [p.clone() for p in model.parameters()]
            for p in model.parameters():
                p += 0.01 * torch.randn_like(p)
            loss = torch.nn.functional.cross_entropy(model(images), labels) + 0.01 * model[1].weight.square().sum()
            assert loss.item() > fit["objective"]
            for p, old in zip(model.parameters(), moved, strict=True):
                p.copy_(old)
