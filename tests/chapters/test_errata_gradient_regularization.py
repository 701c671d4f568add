"""Errata of Lyu, Huang and Liang 2015, Sections II, III, V and the appendices: the printed fails, the right holds."""

import math

import pytest
import torch
import torch.nn.functional as F

from advutils.core import norms


def random(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_eq_11():
    def printed(g):  # sigma = 1; "max_j L_j" read as the largest entry of the gradient, its only sensible meaning
        return torch.where(g == g.max(), 1.0, 0.0).double()

    g = torch.tensor([0.5, -3.0, 1.0], dtype=torch.float64)
    best = norms.norm(g[None], "inf").item()
    assert g @ printed(g) == 1 < best  # the largest entry is negative: the printed rule does not see it
    negative = -torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    assert negative @ printed(negative) < 0  # and here it lowers the tangent plane
    tied = torch.tensor([2.0, 2.0, 1.0], dtype=torch.float64)
    assert printed(tied).abs().sum() == 2  # twice the budget
    for vector in (g, negative, tied):
        right = norms.steepest(vector[None], 1)[0]
        assert right.abs().sum() == 1 and vector @ right == vector.abs().max()


def test_eq_12():
    g = random(16)
    printed = g.sign() * (g.norm() / g.norm())
    assert torch.equal(printed, norms.steepest(g[None], "inf")[0])  # another member of the family
    assert printed.norm() == pytest.approx(math.sqrt(16))  # and too long
    right = g.sign() * (g.abs() / g.norm())
    assert torch.allclose(right, g / g.norm()) and right.norm() == pytest.approx(1)


@pytest.mark.parametrize("p", [1.5, 2, 3, 4])
def test_eq_37_38(p):
    eps = random(7).abs().add(0.1).requires_grad_()  # positive, so that the printed powers exist
    truth = torch.autograd.grad(torch.linalg.vector_norm(eps, ord=p), eps)[0]
    eps = eps.detach()
    printed = eps ** (p - 1) / (p * (eps**p).sum() ** (1 - 1 / p))
    assert torch.allclose(printed * p, truth) and not torch.allclose(printed, truth)
    # a negative entry: without |.| and sign the printed form has the wrong sign (odd p) or does not exist
    eps = eps * torch.tensor([-1.0, 1, 1, 1, 1, 1, 1], dtype=torch.float64)
    leaf = eps.clone().requires_grad_()
    truth = torch.autograd.grad(torch.linalg.vector_norm(leaf, ord=p), leaf)[0]
    right = eps.abs() ** (p - 1) * eps.sign() / torch.linalg.vector_norm(eps, ord=p) ** (p - 1)
    assert torch.allclose(right, truth)
    naive = eps ** (p - 1)
    assert p % 2 == 0 or torch.isnan(naive[0]) or naive[0].sign() != truth[0].sign()
    # the stray p is absorbed: with either multiplier the solution is Eq. (44)
    g, q = random(7, seed=3), norms.dual(p)
    for multiplier, factor in ((norms.norm(g[None], q), 1), (p * norms.norm(g[None], q), p)):
        solution = g.sign() * (g.abs() * factor / multiplier) ** (1 / (p - 1))
        assert torch.allclose(solution, norms.steepest(g[None], p)[0])


def test_gauss_newton_trace():
    rows = torch.linalg.qr(random(30, 10))[0].T  # linear logits with orthonormal gradients
    y = torch.tensor([0.9] + [0.1 / 9] * 9, dtype=torch.float64)
    x = rows.T @ y.log()  # the point with these probabilities
    label = torch.tensor(0)

    def loss(z):
        return F.cross_entropy((rows @ z)[None], label[None])

    trace = torch.autograd.functional.hessian(loss, x).trace()
    leaf = x.clone().requires_grad_()
    squared = torch.autograd.grad(loss(leaf), leaf)[0].square().sum()
    assert trace.item() == pytest.approx(1 - (y**2).sum().item()) == pytest.approx(0.1889, abs=1e-4)
    assert squared.item() == pytest.approx((y - F.one_hot(label, 10)).square().sum().item())
    assert squared.item() == pytest.approx(0.0111, abs=1e-4)
    # equal on average over labels drawn from y
    mean = sum(y[k] * (y - F.one_hot(torch.tensor(k), 10)).square().sum() for k in range(10))
    assert mean.item() == pytest.approx(trace.item())


def test_lemma_b1():
    import sympy as sp

    y = sp.symbols("y1:4", positive=True)
    loss = -sp.log(y[1])
    curvature, slope = sp.hessian(loss, y), sp.Matrix([sp.diff(loss, v) for v in y])
    assert [curvature[i, i] for i in range(3)] == [0, 1 / y[1] ** 2, 0]  # index l; 1 / y_i^2 elsewhere is false
    assert sp.simplify(slope * slope.T - curvature) == sp.zeros(3)
    soft = -sum(t * sp.log(v) for t, v in zip((sp.Rational(1, 2), sp.Rational(1, 2), 0), y, strict=True))
    slope, curvature = sp.Matrix([sp.diff(soft, v) for v in y]), sp.hessian(soft, y)
    assert sp.simplify(slope * slope.T - curvature) != sp.zeros(3)  # the assumption is on t, not on delta


def test_noise_of_the_same_length():
    d, sigma = 784, 1.0
    g = random(d)
    g = g / g.norm()
    curvature = torch.outer(g, g)  # the paper's H, trace 1
    per_pixel = sigma**2 / 2 * curvature.trace()
    assert per_pixel.item() == pytest.approx((sigma * g @ curvature @ g * sigma / 2).item())  # Eq. (20)'s coincidence
    assert math.sqrt(d * sigma**2) == 28  # but that noise is 28 times as long as the perturbation
    noise = random(20000, d, seed=1)
    noise = sigma * noise / noise.norm(dim=1, keepdim=True)
    assert ((noise @ g) ** 2 / 2).mean().item() == pytest.approx(per_pixel.item() / d, rel=0.1)


@pytest.mark.parametrize("p", [1, 1.5, 2, 4, "inf"])
def test_exact_robust_regression(p):
    """max over ||e||_p <= sigma of 1/2 (t - theta.(x + e))^2 = 1/2 (|r| + sigma ||theta||_p*)^2, convex in theta."""
    sigma, x, t = 0.7, random(4), 0.3

    def exact(theta):
        return ((t - theta @ x).abs() + sigma * norms.norm(theta, norms.dual(p))) ** 2 / 2

    theta = random(200, 4, seed=1)
    residual = t - theta @ x
    worst = -residual.sign()[:, None] * sigma * norms.steepest(theta, p)
    assert torch.allclose((t - (theta * (x + worst)).sum(1)) ** 2 / 2, exact(theta))  # reached
    points = random(5000, 4, seed=2)
    points = sigma * points / norms.norm(points, p)[:, None]
    assert (((t - theta @ (x + points).T) ** 2 / 2).amax(1) <= exact(theta) + 1e-12).all()  # never beaten
    middle = exact((theta[:, None] + theta[None]).reshape(-1, 4) / 2).reshape(200, 200)
    ends = exact(theta)
    assert (middle <= (ends[:, None] + ends[None]) / 2 + 1e-12).all()  # convex


def test_jacobian_convention():
    outputs, pixels = 3, 5
    jacobian, slope, curvature = random(outputs, pixels), random(outputs, seed=1), random(outputs, outputs, seed=2)
    assert (jacobian.T @ slope).shape == (pixels,) and (jacobian.T @ curvature @ jacobian).shape == (pixels, pixels)
    assert (slope @ jacobian).shape == (pixels,)  # (24), (25): J is outputs x pixels
    with pytest.raises(RuntimeError):
        jacobian @ slope  # Appendix B's form needs the transpose
    with pytest.raises(RuntimeError):
        jacobian @ curvature @ jacobian.T  # and so does (14)


def test_size_of_the_output_error_cancels():
    jacobian, sigma = random(10, 30), 10.0
    mixture = torch.full((10,), 1 / 9, dtype=torch.float64)
    mixture[0] = -1
    sizes = (0.5, 0.01, 1e-12)  # 1 - probability of the true class
    perturbations = [sigma * norms.steepest((size * mixture @ jacobian)[None], 2) for size in sizes]
    for eps in perturbations:
        assert eps.norm() == pytest.approx(sigma)
        assert torch.allclose(eps, perturbations[0])


def test_eq_27_is_an_upper_bound():
    from scipy.stats import norm

    for threshold in (0.0, 1.0, 3.0):
        single = norm.sf(threshold)
        union = 1 - (1 - single) ** 2  # two orthogonal directions are independent under isotropic noise
        assert union < 2 * single
        assert union >= single  # a lower bound would be the largest term, not the sum


def test_distortion_is_a_standard_deviation():
    """Szegedy et al. define distortion as sqrt(sum (x' - x)^2 / d)."""
    for length in (0.5, 3.0):
        a = random(784)
        a = length * a / a.norm()
        distortion = a.square().mean().sqrt()
        sigma = math.sqrt(length**2 / 784)  # the paper's formula
        assert distortion.item() == pytest.approx(sigma) and distortion.item() != pytest.approx(sigma**2)
        assert length / sigma == pytest.approx(28)  # Eq. (29): sqrt(d), for every length
        literally = math.sqrt(distortion)  # variance = distortion
        assert length / literally != pytest.approx(28)
