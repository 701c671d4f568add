"""Every numbered equation of the theory notebook (Lyu, Huang and Liang 2015, Sections II-III, Appendices A and B)."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from draws import random

from advbook.chapters.gradient_regularization import theory
from advutils.core import norms
from advutils.training import regularizers

POWERS = [1, 1.2, 1.5, 2, 3, 7, "inf"]
INNER = [1.2, 1.5, 2, 3, 7]  # the open interval, where norms are smooth and the maximiser is unique


@pytest.fixture
def network():
    """A small smooth classifier of 12 pixels into 4 classes, float64, and 6 labelled examples."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(12, 9), torch.nn.Sigmoid(), torch.nn.Linear(9, 4)).double()
    return model, torch.randn(6, 12, dtype=torch.float64), torch.tensor([0, 1, 2, 3, 0, 1])


def hessian(model, x, y):
    """Hessian in the pixels of one example's loss, (D,) -> (D, D)."""
    return torch.autograd.functional.hessian(lambda z: F.cross_entropy(model(z[None]), y[None]), x)


# -- Section 1: the inner problem --


@pytest.mark.parametrize("p", INNER)
def test_young_inequality_and_its_equality(p):
    a, b, q = random(1000).abs(), random(1000, seed=1).abs(), norms.dual(p)
    assert (a * b <= a**q / q + b**p / p + 1e-12).all()
    b = a ** (q / p)
    assert torch.allclose(a * b, a**q / q + b**p / p)
    assert q / p == pytest.approx(1 / (p - 1)) and q - 1 == pytest.approx(1 / (p - 1))


@pytest.mark.parametrize("p", POWERS)
def test_eq_3_reaches_hoelders_bound(p):
    g, sigma = random(5, 30), 0.7
    eps = regularizers.worst_perturbation(g, sigma=sigma, p=p)
    assert torch.allclose(norms.norm(eps, p), torch.full((5,), sigma, dtype=torch.float64))
    assert torch.allclose((g * eps).sum(1), sigma * norms.norm(g, norms.dual(p)))


@pytest.mark.parametrize("p", POWERS)
def test_eq_35_border(p):
    """No feasible point beats Eq. (3): the maximum lies on the border, so (34) and (35) are one problem."""
    g, sigma = random(1, 6), 0.7
    points = random(20000, 6, seed=2)
    radius = torch.rand(20000, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    inside = sigma * points / norms.norm(points, p)[:, None] * radius[:, None]
    assert (inside @ g[0]).max() <= sigma * norms.norm(g, norms.dual(p))[0]


@pytest.mark.parametrize("p", INNER)
def test_eq_37_gradient_of_a_norm(p):
    eps = random(8).requires_grad_()
    size = torch.linalg.vector_norm(eps, ord=p)
    found = torch.autograd.grad(size, eps)[0]
    assert torch.allclose(found, eps.abs() ** (p - 1) * eps.sign() / size ** (p - 1))


@pytest.mark.parametrize("p", INNER)
def test_eq_38_to_43_lagrange(p):
    g, sigma, q = random(1, 8), 0.7, norms.dual(p)
    eps = regularizers.worst_perturbation(g, sigma=sigma, p=p)
    multiplier = norms.norm(g, q)
    assert torch.allclose(multiplier * eps.sign() * (eps.abs() / sigma) ** (p - 1), g)  # (38)
    assert torch.allclose(g.abs() ** q, multiplier**q * eps.abs() ** p / sigma**p)  # (39)
    assert torch.allclose((g.abs() ** q).sum(), multiplier[0] ** q)  # (41)-(43)
    # the multiplier is the rise of the loss per unit of budget
    rise = [(g * regularizers.worst_perturbation(g, sigma=s, p=p)).sum() for s in (sigma, sigma + 1e-3)]
    assert torch.allclose((rise[1] - rise[0]) / 1e-3, multiplier[0])


def test_measured_identities_agree():
    values, arrays = theory.family_identities(powers=POWERS, sigma=2.0, dimension=50, draws=100, seed=1)
    assert values["worst_gap"] < 1e-12 and values["best_random"] < 1
    assert values["sign_distance"] < 1e-4
    assert np.all(np.diff(arrays["to_sign"]) < 0)


@pytest.mark.parametrize("p", INNER)
def test_eq_4_envelope_theorem(network, p):
    """The weight gradient of L + sigma ||g||_p* is that of L + g.eps with eps held fixed."""
    model, x, y = network
    sigma, weights = 0.3, list(model.parameters())
    penalised = torch.autograd.grad(regularizers.penalised_loss(model, x, y, sigma=sigma, p=p), weights)
    _, losses, g = theory.gradient(model, x, y, graph=True)
    eps = regularizers.worst_perturbation(g.detach(), sigma=sigma, p=p)
    fixed = torch.autograd.grad((losses + (g * eps).sum(1)).mean(), weights)
    for a, b in zip(penalised, fixed, strict=True):
        assert torch.allclose(a, b)


@pytest.mark.parametrize("p", POWERS)
def test_eq_4_is_the_first_order_of_the_perturbed_loss(network, p):
    model, x, y = network
    gaps = []
    for sigma in (1e-3, 1e-4):
        moved = regularizers.perturbed_loss(model, x, y, sigma=sigma, p=p)
        gaps.append(abs(moved - regularizers.penalised_loss(model, x, y, sigma=sigma, p=p)).item())
    assert gaps[1] < 0.02 * gaps[0]  # second order in sigma: a tenth of sigma, a hundredth of the gap


# -- Section 2: special cases --


def test_eq_5_to_8_limit_is_the_sign():
    g = torch.tensor([[3.0, -0.2, 0.0, 1e-3]], dtype=torch.float64)
    assert torch.equal(norms.steepest(g, "inf"), torch.tensor([[1.0, -1.0, 0.0, 1.0]], dtype=torch.float64))
    assert torch.allclose(norms.steepest(g, 1e7), norms.steepest(g, "inf"), atol=1e-5)


def test_eq_9_to_11_limit_is_one_hot():
    g = torch.tensor([[1.0, -3.0, 2.9]], dtype=torch.float64)
    assert torch.equal(norms.steepest(g, 1), torch.tensor([[0.0, -1.0, 0.0]], dtype=torch.float64))
    assert torch.allclose(norms.steepest(g, 1 + 1e-3), norms.steepest(g, 1), atol=1e-9)


def test_eq_11_ties_share_the_budget():
    g = torch.tensor([[2.0, -2.0, 1.0]], dtype=torch.float64)
    near_one = norms.steepest(g, 1 + 1e-4)
    assert torch.allclose(near_one, torch.tensor([[0.5, -0.5, 0.0]], dtype=torch.float64), atol=1e-3)
    one = norms.steepest(g, 1)
    assert norms.norm(one, 1).item() == 1 and (g * one).sum().item() == 2  # all on one of them is as good


def test_eq_12_rotates_with_the_axes():
    g, rotation = random(1, 5), torch.linalg.qr(random(5, 5, seed=1))[0]
    for p, equivariant in ((2, True), (1.5, False), ("inf", False), (1, False)):
        same = torch.allclose(norms.steepest(g @ rotation, p), norms.steepest(g, p) @ rotation)
        assert same is equivariant, p


# -- Section 4: second order --


def test_eq_13_taylor_remainder(network):
    model, x, y = network
    _, before, g = theory.gradient(model, x, y)
    u = norms.steepest(g, 2)
    matrices = torch.stack([hessian(model, x[i], y[i]) for i in range(len(y))])
    remainders = []
    for sigma in (1e-2, 1e-3):
        with torch.no_grad():
            after = theory.stable_losses(model(x + sigma * u), y)
        second = torch.einsum("nd,nde,ne->n", u, matrices, u) * sigma**2 / 2
        remainders.append((after - before - sigma * norms.norm(g, 2) - second).abs().max().item())
    assert remainders[1] < 2e-3 * remainders[0]  # third order


def test_eq_13a_exact_split(network):
    """H = g g^T - (Hessian of y_l) / y_l."""
    model, x, y = network
    for image, label in zip(x, y, strict=True):
        leaf = image.clone().requires_grad_()
        probability = model(leaf[None]).softmax(1)[0, label]
        g = -torch.autograd.grad(probability, leaf)[0] / probability.detach()
        bend = torch.autograd.functional.hessian(lambda z, k=label: model(z[None]).softmax(1)[0, k], image)
        assert torch.allclose(hessian(model, image, label), torch.outer(g, g) - bend / probability.detach())


def test_eq_45_46_lemma_b1():
    import sympy as sp

    y = sp.symbols("y1:5", positive=True)
    for label in range(4):
        loss = -sp.log(y[label])  # -sum t_i log y_i with t one-hot
        slope = sp.Matrix([sp.diff(loss, v) for v in y])
        assert slope == sp.Matrix([-sp.KroneckerDelta(i, label) / y[i] for i in range(4)])  # (45)
        curvature = sp.hessian(loss, y)
        assert curvature[label, label] == 1 / y[label] ** 2  # (46)
        assert sp.simplify(slope * slope.T - curvature) == sp.zeros(4)  # the lemma


def test_eq_14_holds_in_expectation_over_labels(network):
    model, x, _ = network
    image = x[0]
    probability = model(image[None]).softmax(1)[0].detach()
    expected_h = expected_gg = 0
    for label in range(4):
        target = torch.tensor(label)
        g = theory.gradient(model, image[None], target[None])[2][0]
        expected_h = expected_h + probability[label] * hessian(model, image, target)
        expected_gg = expected_gg + probability[label] * torch.outer(g, g)
    assert torch.allclose(expected_h, expected_gg)


def test_eq_15_to_18_algebra():
    g, sigma = random(9), 0.7
    eps = sigma * g / g.norm()
    outer = torch.outer(g, g)
    half = sigma**2 / 2
    assert torch.allclose(eps @ outer @ eps / 2, half * (g @ g) ** 2 / g.norm() ** 2)  # (15), (16)
    assert torch.allclose(eps @ outer @ eps / 2, half * (g @ g))  # (17)
    assert torch.allclose(eps @ outer @ eps / 2, half * outer.trace())  # (18)
    for p in POWERS:  # Remark 2: g g^T and the perturbation of any p
        other = regularizers.worst_perturbation(g[None], sigma=sigma, p=p)[0]
        assert torch.allclose(other @ outer @ other / 2, half * norms.norm(g[None], norms.dual(p))[0] ** 2)


def test_eq_20_noise_of_the_same_length():
    matrix, sigma, d = random(20, 20), 0.3, 20
    matrix = matrix + matrix.T + 5 * torch.eye(20, dtype=torch.float64)
    noise = sigma * random(400_000, d, seed=5)
    mean = torch.einsum("nd,de,ne->n", noise, matrix, noise).mean() / 2
    assert mean == pytest.approx((sigma**2 / 2 * matrix.trace()).item(), rel=0.02)
    assert noise.norm(dim=1).mean() == pytest.approx(sigma * math.sqrt(d), rel=0.02)
    short = sigma * noise / noise.norm(dim=1, keepdim=True)
    mean = torch.einsum("nd,de,ne->n", short, matrix, short).mean() / 2
    assert mean == pytest.approx((sigma**2 / (2 * d) * matrix.trace()).item(), rel=0.02)


def test_second_order_measurement_agrees_with_autograd(network, monkeypatch):
    model, x, y = network
    monkeypatch.setattr(theory, "judged", lambda images, **spec: (model, x, y))
    values, arrays = theory.second_order(images=6, sigmas=[0.1])
    traces = [hessian(model, x[i], y[i]).trace().item() for i in range(6)]
    assert np.allclose(arrays["trace"], traces)
    assert values["expectation_gap"] < 1e-12


def test_means_over_many_images_are_those_of_the_exact_measurement(network, monkeypatch):
    model, x, y = network
    monkeypatch.setattr(theory, "judged", lambda images, **spec: (model, x, y))
    exact, by_image = theory.second_order(images=6, sigmas=[0.1])
    values, arrays = theory.second_order_means(images=6, probes=4000)
    assert values["curvature"] == pytest.approx(exact["mean_curvature"])
    assert values["squared"] == pytest.approx(exact["mean_squared_gradient"])
    assert abs(values["trace"] - exact["mean_trace"]) < 4 * values["trace_error"] < 0.2 * exact["mean_trace"]
    assert np.allclose(arrays["curvature"], by_image["curvature"])
    assert values["largest"] == pytest.approx(by_image["squared"].max() / by_image["squared"].sum())


# -- Section 7: Eq. (25) --


def test_eq_22_to_25_chain_rule(network):
    model, x, y = network
    logits, jacobian = theory.logit_jacobian(model, x)
    g = theory.gradient(model, x, y)[2]
    error = logits.softmax(1) - F.one_hot(y, 4)
    assert torch.allclose(torch.einsum("nk,nkd->nd", error, jacobian), g)
    assert torch.allclose(regularizers.loss_gradient(model, x, y), g)  # the training code's gradient is the same
    eps = regularizers.worst_perturbation(g, sigma=3.0, p=2)
    assert torch.allclose(eps, 3.0 * torch.einsum("nk,nkd->nd", error, jacobian) / g.norm(dim=1, keepdim=True))


def test_eq_25a_and_its_gauge(network):
    """g = sum y_k (J_k - J_l), and a common function added to all logits changes J_k but neither g nor J_k - J_l."""
    model, x, y = network
    rows = torch.arange(len(y))

    class Shifted(torch.nn.Module):
        def forward(self, z):
            return model(z) + 5 * z.square().sum(1, keepdim=True)

    g = theory.gradient(model, x, y)[2]
    assert torch.allclose(theory.gradient(Shifted(), x, y)[2], g)
    (logits, jacobian), (_, shifted) = theory.logit_jacobian(model, x), theory.logit_jacobian(Shifted(), x)
    assert not torch.allclose(jacobian, shifted)
    pairs = jacobian - jacobian[rows, y][:, None]
    assert torch.allclose(shifted - shifted[rows, y][:, None], pairs)
    weights = logits.softmax(1).scatter(1, y[:, None], 0)
    assert torch.allclose(torch.einsum("nk,nkd->nd", weights, pairs), g)


def test_eq_25_size_cancels():
    error, jacobian = random(4), random(4, 9, seed=1)
    base = norms.steepest((error @ jacobian)[None], 2)
    for factor in (1e-30, 1e-3, 1e3):
        assert torch.allclose(norms.steepest((factor * error @ jacobian)[None], 2), base)


def test_stable_losses_keep_their_precision():
    logits = torch.tensor([[60.0, 0.0, -3.0], [0.0, 2.0, 1.0]], dtype=torch.float64)
    y = torch.tensor([0, 2])
    expected = [math.log1p(math.exp(-60) + math.exp(-63)), F.cross_entropy(logits[1:], y[1:]).item()]
    assert theory.stable_losses(logits, y).tolist() == pytest.approx(expected, rel=1e-12)
