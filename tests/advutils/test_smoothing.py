"""The smoothing operator of Zhang et al. 2019: definitions, adjoint, agreement of its three forms and with scipy."""

import math

import numpy as np
import pytest
import torch
from scipy import sparse
from scipy.sparse.linalg import spsolve

from advbook.chapters.smooth_adversarial import pictures as visual
from advutils.filters import smoothing
from advutils.filters.smoothing import ImageSmoother

PAIRS = [(300.0, 0.997), (10.0, 0.95)]  # the bandwidth and alpha of the authors' code


@pytest.fixture
def images():
    """Two smooth colour images with an edge, (2, 3, 9, 11)."""
    rows, columns = torch.meshgrid(torch.linspace(0, 1, 9), torch.linspace(0, 1, 11), indexing="ij")
    base = 0.3 + 0.2 * torch.sin(4 * rows + 3 * columns)
    pictures = torch.stack([base, base + 0.4 * (columns > 0.5), 1 - base]), torch.stack([base.flip(0), base, base * 0])
    return torch.stack(pictures).double().clamp(0, 1)


def matrix(image, *, kernel, bandwidth, alpha):
    """W and S of one channel as scipy matrices, written down a second time, pixel by pixel."""
    height, width = image.shape
    weights = sparse.lil_matrix((height * width, height * width))
    for i in range(height):
        for j in range(width):
            for di, dj in ((0, 1), (1, 0)):
                if i + di < height and j + dj < width:
                    delta = abs(image[i, j] - image[i + di, j + dj])
                    value = math.exp(-bandwidth * (delta**2 if kernel == "gaussian" else delta))
                    a, b = i * width + j, (i + di) * width + j + dj
                    weights[a, b] = weights[b, a] = value
    weights = weights.tocsr()
    degree = np.asarray(weights.sum(1)).ravel()
    scale = sparse.diags(degree**-0.5)
    return weights, scale @ weights @ scale, degree


@pytest.mark.parametrize("kernel", ["gaussian", "laplacian"])
@pytest.mark.parametrize("bandwidth, alpha", PAIRS)
@pytest.mark.parametrize("method", ["exact", "dense"])
def test_agrees_with_a_sparse_solve(images, kernel, bandwidth, alpha, method):
    z = torch.randn(images.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    options = {"kernel": kernel, "bandwidth": bandwidth, "alpha": alpha}
    found = ImageSmoother(images, method=method, tolerance=1e-12, **options)(z)
    for n in range(2):
        for c in range(3):
            _, s, _ = matrix(images[n, c].numpy(), **options)
            a = sparse.identity(99) - alpha * s
            expected = spsolve(a.tocsc(), z[n, c].numpy().ravel()) / spsolve(a.tocsc(), np.ones(99))
            np.testing.assert_allclose(found[n, c].numpy().ravel(), expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("method", ["cg", "exact", "dense"])
@pytest.mark.parametrize("bandwidth, alpha", PAIRS)
def test_constants_are_fixed_and_alpha_0_changes_nothing(images, method, bandwidth, alpha):
    constant = torch.full_like(images, 0.7)
    smoother = ImageSmoother(images, bandwidth=bandwidth, alpha=alpha, method=method)
    torch.testing.assert_close(smoother(constant), constant)  # rows sum to one
    z = torch.randn(images.shape, dtype=torch.float64)
    torch.testing.assert_close(ImageSmoother(images, alpha=0.0, method=method)(z), z)
    assert torch.equal(smoother(torch.zeros_like(z)), torch.zeros_like(z))


@pytest.mark.parametrize("method", ["exact", "dense"])
@pytest.mark.parametrize("bandwidth, alpha", PAIRS)
def test_the_backward_pass_is_the_adjoint(images, method, bandwidth, alpha):
    generator = torch.Generator().manual_seed(1)
    u, v = (torch.randn(images.shape, dtype=torch.float64, generator=generator) for _ in range(2))
    smoother = ImageSmoother(images, bandwidth=bandwidth, alpha=alpha, method=method, tolerance=1e-12)
    u.requires_grad_()
    (transposed,) = torch.autograd.grad(smoother(u), u, v)
    left, right = (smoother(u) * v).sum(), (u * transposed).sum()
    assert abs(left - right) <= 1e-5 * abs(left)
    wrong_order = smoother.solve(v) / smoother.ones  # smooth, then divide: the operator itself, not its transpose
    assert abs((u * wrong_order).sum() - left) > 1e-3 * abs(left)


def test_gradcheck(images):
    smoother = ImageSmoother(images[:1, :, :4, :5], alpha=0.95, bandwidth=10.0, method="dense")
    z = torch.randn(1, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(smoother, (z,))


@pytest.mark.parametrize("bandwidth, alpha, bound", [(300.0, 0.997, 4.2e-2), (10.0, 0.95, 2.1e-7)])
def test_fifty_iterations_keep_to_the_bound_of_conjugate_gradients(bandwidth, alpha, bound):
    """||x_k - x||_A <= 2 q^k ||x_0 - x||_A with q from the condition number (1 + alpha) / (1 - alpha)."""
    root = math.sqrt((1 + alpha) / (1 - alpha))
    assert 2 * ((root - 1) / (root + 1)) ** 50 == pytest.approx(bound, rel=0.1)
    generator = torch.Generator().manual_seed(2)
    images = torch.rand(1, 1, 24, 24, dtype=torch.float64, generator=generator)
    z = torch.randn(images.shape, dtype=torch.float64, generator=generator)
    options = {"bandwidth": bandwidth, "alpha": alpha}
    exact = ImageSmoother(images, method="exact", tolerance=1e-13, **options)
    truth = exact.solve(z)

    def length(e):
        return (e * (e - alpha * exact.neighbours(e))).sum().sqrt()

    short = ImageSmoother(images, method="cg", iterations=50, **options).solve(z)
    assert length(short - truth) <= 2 * ((root - 1) / (root + 1)) ** 50 * length(z - truth) + 1e-10


def test_eq_6_is_eq_7_and_eq_8_minimises_both(images):
    image, alpha = images[0, 1].numpy(), 0.95
    weights, s, degree = matrix(image, kernel="gaussian", bandwidth=10.0, alpha=alpha)
    rng = np.random.default_rng(0)
    z, r = rng.normal(size=(2, 99))
    dense, laplacian = weights.toarray(), (np.eye(99) - alpha * s.toarray()) / (1 - alpha)

    def eq_6(r):
        hat = r / np.sqrt(degree)
        return alpha / 2 * (dense * (hat[:, None] - hat) ** 2).sum() + (1 - alpha) * ((r - z) ** 2).sum()

    def eq_7(r):
        return (1 - alpha) * (r @ laplacian @ r - 2 * z @ r + z @ z)

    assert eq_6(r) == pytest.approx(eq_7(r), rel=1e-12)
    smooth = np.linalg.solve(laplacian, z)  # Eq. (8)
    assert all(eq_6(smooth) < eq_6(smooth + 1e-3 * rng.normal(size=99)) for _ in range(20))


def test_smooth_where_the_image_is_and_sharp_at_its_edges(images):
    flat = torch.zeros(1, 1, 16, 16, dtype=torch.float64)
    flat[..., 8:] = 1.0
    z = torch.randn(flat.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    r = ImageSmoother(flat, method="exact", tolerance=1e-10)(z)
    inside = r.diff(dim=-1)[..., :7].abs().mean()
    assert inside < 0.1 * z.diff(dim=-1).abs().mean()  # smooth on each side
    assert r.diff(dim=-1)[..., 7].abs().mean() > 3 * inside  # and free to jump at the edge


def test_joint_weights_are_shared_by_the_channels(images):
    joint = ImageSmoother(images, per_channel=False, method="exact")
    assert torch.equal(joint.across[:, 0], joint.across[:, 2])
    z = torch.randn(2, 1, 9, 11, dtype=torch.float64).expand(-1, 3, -1, -1)
    r = joint(z.contiguous())
    torch.testing.assert_close(r[:, 0], r[:, 1])
    torch.testing.assert_close(
        ImageSmoother(images, per_channel=False, method="dense")(z.contiguous()), r, rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("method", ["cg", "exact", "dense"])
def test_some_images_of_a_smoother(images, method):
    whole, z = ImageSmoother(images, method=method), torch.rand(images.shape, dtype=torch.float64)
    for rows in (torch.tensor([False, True]), torch.tensor([1])):
        part = whole[rows]
        assert part.shape == (1, *images.shape[1:])
        torch.testing.assert_close(part(z[1:]), whole(z)[1:])
        torch.testing.assert_close(part.adjoint(z[1:]), whole.adjoint(z)[1:])


def test_planes_that_do_not_fit_in_the_cache_together_change_nothing(images, monkeypatch):
    z = torch.rand(images.shape, dtype=torch.float64)
    together = ImageSmoother(images)(z)
    monkeypatch.setattr(smoothing, "IN_CACHE", 1)
    torch.testing.assert_close(ImageSmoother(images)(z), together)


def test_float32_and_one_image_alone_as_in_a_batch(images):
    z = torch.randn(images.shape, dtype=torch.float64)
    together = ImageSmoother(images)(z)
    torch.testing.assert_close(torch.cat([ImageSmoother(images[n : n + 1])(z[n : n + 1]) for n in range(2)]), together)
    single = ImageSmoother(images.float())(z.float())
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), together, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"kernel": "box"}, "kernel"),
        ({"method": "lu"}, "method"),
        ({"alpha": 1.0}, "alpha"),
        ({"alpha": -0.1}, "alpha"),
        ({"bandwidth": -1.0}, "bandwidth"),
        ({"iterations": 0}, "iterations"),
        ({"tolerance": 0.0}, "tolerance"),
    ],
)
def test_bad_options_are_named(images, options, message):
    with pytest.raises(ValueError, match=message):
        ImageSmoother(images, **options)


def test_bad_images_and_z_are_named(images):
    for bad, message in (
        (2 * images, "images must lie"),
        (images[0], "images must have shape"),
        (images.mul(255).byte(), "images must be a floating"),
    ):
        with pytest.raises(ValueError, match=message):
            ImageSmoother(bad)
    with pytest.raises(ValueError, match="4096 pixels"):
        ImageSmoother(torch.zeros(1, 1, 80, 80), method="dense")
    with pytest.raises(ValueError, match="z must have the shape"):
        ImageSmoother(images)(images[:1])


def test_a_solve_that_does_not_converge_says_so(images, monkeypatch):
    monkeypatch.setattr("advutils.filters.smoothing.LONGEST", 3)
    with pytest.raises(ArithmeticError, match="tolerance"):
        ImageSmoother(images, method="exact", tolerance=1e-14)


def test_conjugate_gradients_stay_below_their_bound():
    found = visual.convergence(
        photograph="chelsea",
        window=[100, 150, 32],
        iterations=[1, 5, 20, 80],
        seed=0,
        graphs=[
            dict(kernel="gaussian", bandwidth=300.0, alpha=0.997),
            dict(kernel="laplacian", bandwidth=10.0, alpha=0.95),
        ],
    )
    for errors, bounds, condition in zip(found["error"], found["bound"], found["condition"], strict=True):
        assert condition > 30 and all(error <= bound + 1e-9 for error, bound in zip(errors, bounds, strict=True))
        assert errors == sorted(errors, reverse=True) and errors[-1] < 0.05
