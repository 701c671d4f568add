"""Dual norms, steepest directions and projections: Lyu et al. 2015, Eqs. (3), (8), (11), (44)."""

import math

import pytest
import torch

from advutils.core import norms

PS = (1, 1.5, 2, 3, 7, math.inf)


@pytest.mark.parametrize("p", PS)
@pytest.mark.parametrize("scale", (1.0, 1e-30, 1e30))
def test_steepest_has_norm_one_and_attains_the_dual_norm(p, scale):
    g = scale * torch.randn(50, 3, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    u = norms.steepest(g, p)
    torch.testing.assert_close(norms.norm(u, p), torch.ones(50, dtype=torch.float64))
    torch.testing.assert_close((g * u).sum((1, 2)) / scale, norms.norm(g, norms.dual(p)) / scale)


@pytest.mark.parametrize("p", PS)
def test_no_other_vector_of_the_ball_does_better(p):
    g = torch.randn(1, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    others = torch.randn(5000, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    others = others / norms.norm(others, p)[:, None]
    assert ((others * g).sum(1) <= (g * norms.steepest(g, p)).sum() + 1e-12).all()


@pytest.mark.parametrize("p", PS)
def test_float32_gradients_of_a_confident_network_still_have_a_direction(p):
    g = torch.tensor([[3e-38, -1e-38, 0.0]])
    assert norms.norm(norms.steepest(g, p), p).item() == pytest.approx(1, rel=1e-5)


def test_zero_gradient_gives_zero():
    for p in PS:
        assert (norms.steepest(torch.zeros(2, 5), p) == 0).all()


def test_limits():
    g = torch.tensor([[0.5, -2.0, 1.0, 0.0]], dtype=torch.float64)
    assert norms.steepest(g, math.inf).tolist() == [[1, -1, 1, 0]]
    assert norms.steepest(g, 1).tolist() == [[0, -1, 0, 0]]
    torch.testing.assert_close(norms.steepest(g, 1e7)[0, :3], g.sign()[0, :3], atol=1e-5, rtol=0)
    torch.testing.assert_close(norms.steepest(g, 1 + 1e-7), norms.steepest(g, 1))


@pytest.mark.parametrize("p", (1, 2, math.inf))
def test_projection_is_the_nearest_point(p):
    generator = torch.Generator().manual_seed(0)
    v = 2 * torch.randn(40, 5, dtype=torch.float64, generator=generator)
    projected = norms.project(v, 1.3, p)
    assert (norms.norm(projected, p) <= 1.3 + 1e-12).all()
    torch.testing.assert_close(norms.project(projected, 1.3, p), projected)  # idempotent
    # the variational inequality <v - Pv, z - Pv> <= 0 for every z of the ball characterises the projection
    z = torch.randn(3000, 5, dtype=torch.float64, generator=generator)
    z = 1.3 * z / norms.norm(z, p)[:, None]
    inner = ((v - projected)[:, None] * (z[None] - projected[:, None])).sum(2)
    assert inner.max() <= 1e-9


def test_projection_with_one_radius_an_example_and_inside_points():
    v = torch.tensor([[3.0, 4.0], [0.3, 0.4]])
    torch.testing.assert_close(norms.project(v, torch.tensor([1.0, 1.0])), torch.tensor([[0.6, 0.8], [0.3, 0.4]]))
    assert (norms.project(v, 0.0, 1) == 0).all()


@pytest.mark.parametrize("p", (0.5, 0, -1, math.nan, "two"))
def test_bad_p_is_named(p):
    with pytest.raises(ValueError, match="p must be"):
        norms.norm(torch.ones(1, 2), p)


def test_dual():
    assert [norms.dual(p) for p in (1, 1.5, 2, 3, "inf")] == [math.inf, pytest.approx(3), 2, 1.5, 1]
