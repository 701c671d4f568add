"""Measurements of the noise-model notebook: Lyu, Huang and Liang 2015, Section V, on softmax regression."""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.stats import norm as normal
from torch import Tensor, nn

from advutils import attacks, datasets, models
from advutils.attacks import linesearch
from advutils.core import runtime

# The paper does not say what lambda multiplies. Each convention gives the coefficient c of c ||W||^2 beside the mean
# cross-entropy. Szegedy et al. 2013, whom the paper follows, use the same three lambdas and divide by the 10 units.
CONVENTIONS = {
    "half": lambda lam, n: lam / 2,  # lambda/2 ||W||^2, the usual weight decay
    "szegedy": lambda lam, n: lam / 10,  # lambda ||W||^2 / k, k units in the layer
    "batch": lambda lam, n: lam / (2 * 100),  # lambda/2 ||W||^2 beside the sum over a minibatch of 100
    "dataset": lambda lam, n: lam / (2 * n),  # lambda/2 ||W||^2 beside the sum over all training images
}
LAMBDAS = (1e-4, 1e-2, 1.0)
PAPER_VI = {1e-4: (0.2744, 0.1511), 1e-2: (0.4722, 0.2531), 1.0: (1.2718, 0.6654)}  # mean, standard deviation
PAPER_VII = {1e-4: (6.02, 11.99, 40.07), 1e-2: (6.29, 8.22, 22.44), 1.0: (8.93, 9.16, 11.33)}  # std 0, .1, .3; in %
PAPER_VIII = {1e-4: (6.02, 12.12, 25.47), 1e-2: (6.29, 10.16, 17.01), 1.0: (8.93, 11.61, 12.63)}
PAPER_IX = {1e-4: (0.07, 0.04), 1e-2: (0.01, 0.02), 1.0: (0.01, 0.01)}  # actual, predicted; in %
BINS = 120


def eq_33(miss: float, mean: float, sd: float, std: float) -> float:
    """Error rate under noise by Lyu et al. 2015, Eq. (33): miss + (1 - miss) Phi(-mean / sqrt(std^2 + sd^2))."""
    return float(miss + (1 - miss) * normal.cdf(-mean / math.hypot(std, sd)))


def linear_density(miss: float, slope: float, std: float) -> float:
    """Additional error under small noise if the distance has density slope * a near 0: (1 - miss) slope std^2 / 4.

    P(eta >= a) integrated against slope * a is slope std^2 times the integral of x Q(x) over x >= 0, which is 1/4.
    """
    return (1 - miss) * slope * std * std / 4


def fit_softmax(images: Tensor, labels: Tensor, *, coefficient: float, max_iter: int) -> tuple[nn.Sequential, dict]:
    """Softmax regression: minimise mean cross-entropy + coefficient ||W||^2 with L-BFGS on all images.

    The objective is convex, so a converged fit has no seed. Returns the model and the number of iterations, the final
    objective and the largest entry of its gradient.
    """
    model = models.softmax_regression(pixels=images[0].numel(), classes=int(labels.max()) + 1).to(images.device)
    weight, bias = model[1].weight, model[1].bias
    sizes = [weight.numel(), bias.numel()]

    def objective(theta: np.ndarray) -> tuple[float, np.ndarray]:
        with torch.no_grad():
            flat = torch.from_numpy(theta).to(weight)
            weight.copy_(flat[: sizes[0]].view_as(weight))
            bias.copy_(flat[sizes[0] :])
        loss = nn.functional.cross_entropy(model(images), labels) + coefficient * weight.square().sum()
        gradients = torch.autograd.grad(loss, [weight, bias])
        return loss.item(), torch.cat([g.flatten() for g in gradients]).double().cpu().numpy()

    found = minimize(
        objective,
        np.zeros(sum(sizes)),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": max_iter, "maxfun": 2 * max_iter, "ftol": 1e-10, "gtol": 1e-6, "maxcor": 20},
    )
    objective(found.x)
    return model, {"iterations": int(found.nit), "objective": float(found.fun), "gradient": float(abs(found.jac).max())}


def _fitted(name: str, convention: str, lam: float, max_iter: int, train_size: int):
    images, labels = datasets.load(name, split="train")
    if train_size:
        images, labels = images[:train_size], labels[:train_size]
    images, labels = images.to(runtime.device()), labels.to(runtime.device())
    coefficient = CONVENTIONS[convention](lam, len(labels))
    model, fit = fit_softmax(images, labels, coefficient=coefficient, max_iter=max_iter)
    return model, images, labels, {"coefficient": coefficient, **fit}


def _distances(model, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Minimum perturbation of the correctly classified images, along the loss gradient; and which images these are."""
    parts = []
    for x, y in zip(images.split(5000), labels.split(5000), strict=True):
        parts.append(linesearch.ray_distance(model, x, y, attacks.ascent_direction(model, x, y)))
    distance = torch.cat(parts)
    right = distance > 0
    return distance[right], right


def softmax_fit(*, data: str, convention: str, lam: float, max_iter: int, train_size: int = 0) -> tuple[dict, dict]:
    """One softmax model: errors and the minimum perturbations of Table VI; histogram for Figures 5 and 7."""
    model, images, labels, fit = _fitted(data, convention, lam, max_iter, train_size)
    distance, right = _distances(model, images, labels)
    test_images, test_labels = _test(data)
    with torch.no_grad():
        test_error = (model(test_images).argmax(1) != test_labels).sum().item() / len(test_labels)
    finite = distance[torch.isfinite(distance)]
    counts, edges = np.histogram(finite.cpu().numpy(), bins=BINS)
    small, small_edges = np.histogram(finite.cpu().numpy(), bins=40, range=(0, 0.1))
    values = {
        **fit,
        "train_error": 1 - right.sum().item() / len(labels),
        "test_error": test_error,
        "minimum_mean": finite.mean().item(),
        "minimum_sd": finite.std().item(),
        "correct": len(distance),
        "never": len(distance) - len(finite),
        "share_below": {str(h): (finite < h).sum().item() / len(finite) for h in (0.02, 0.05, 0.1)},
    }
    return values, {"counts": counts, "edges": edges, "small": small, "small_edges": small_edges}


def _test(name: str) -> tuple[Tensor, Tensor]:
    images, labels = datasets.load(name, split="test")
    return images.to(runtime.device()), labels.to(runtime.device())


def softmax_noise(
    *,
    data: str,
    convention: str,
    lam: float,
    max_iter: int,
    noise: list[float],
    draws: int,
    seed: int,
    train_size: int = 0,
) -> tuple[dict, dict]:
    """One softmax model under Gaussian noise on its training images (Tables VII and IX), and what four models predict.

    ``actual``: error rate per std and draw. ``eq_33``: the paper's prediction. ``distances``: the same without the
    Gaussian approximation, the mean of Phi(-a_i / std) over the distances a_i along the gradient. ``nearest``: with the
    distance to the nearest of the nine boundaries instead. ``union``: the sum over the nine boundaries, at most 1.
    ``additional`` is the rise of the error on the same images at each std, ``broken`` minus ``repaired``;
    ``linear_density`` predicts it.
    """
    model, images, labels, _ = _fitted(data, convention, lam, max_iter, train_size)
    distance, right = _distances(model, images, labels)
    miss = 1 - right.sum().item() / len(labels)
    finite = distance[torch.isfinite(distance)]
    mean, sd = finite.mean().item(), finite.std().item()
    slope = 2 * (finite < 0.05).double().mean().item() / 0.05**2
    boundary = _boundaries(model, images[right], labels[right])
    generator = runtime.generator(seed)
    values = {
        "miss": miss,
        "minimum_mean": mean,
        "minimum_sd": sd,
        "slope": slope,
        "actual": [],
        "additional": [],
        "broken": [],
        "repaired": [],
        "eq_33": [],
        "distances": [],
        "nearest": [],
        "union": [],
        "linear_density": [],
    }
    for std in noise:
        changes = [_under_noise(model, images, labels, right, std, generator) for _ in range(draws)]
        values["broken"].append([broken for broken, _ in changes])  # type: ignore[union-attr]
        values["repaired"].append([repaired for _, repaired in changes])  # type: ignore[union-attr]
        values["additional"].append([broken - repaired for broken, repaired in changes])  # type: ignore[union-attr]
        values["actual"].append([miss + broken - repaired for broken, repaired in changes])  # type: ignore[union-attr]
        values["eq_33"].append(eq_33(miss, mean, sd, std))  # type: ignore[union-attr]
        values["linear_density"].append(linear_density(miss, slope, std))  # type: ignore[union-attr]
        tails = torch.special.ndtr(-boundary / std)
        for name, tail in {
            "distances": torch.special.ndtr(-distance.double() / std),
            "nearest": tails.amax(dim=1),
            "union": tails.sum(dim=1).clamp(max=1),
        }.items():
            values[name].append(miss + (1 - miss) * tail.mean().item())  # type: ignore[union-attr]
    pictures = images[:8] + 0.01 * torch.randn(images[:8].shape, generator=generator).to(images)
    return values, {"clean": images[:8, 0].cpu().half().numpy(), "noisy": pictures[:, 0].cpu().half().numpy()}


@torch.no_grad()
def _boundaries(model, x: Tensor, y: Tensor) -> Tensor:
    """l2 distance of each image to each of the other classes' boundaries, (N, 10) float64, inf for its own class."""
    z, weight = model(x).double(), model[1].weight.double()
    gap = z.gather(1, y[:, None]) - z
    length = torch.linalg.vector_norm(weight[None, :, :] - weight[:, None, :], dim=2)[y]
    return (gap / length.clamp(min=1e-300)).scatter(1, y[:, None], math.inf)


@torch.no_grad()
def _under_noise(
    model, images: Tensor, labels: Tensor, right: Tensor, std: float, generator: torch.Generator
) -> tuple[float, float]:
    """Shares of all images that noise breaks (they were ``right``) and repairs (they were not)."""
    broken, repaired = 0, 0
    for x, y, before in zip(images.split(5000), labels.split(5000), right.split(5000), strict=True):
        after = model(x + std * torch.randn(x.shape, generator=generator).to(x)).argmax(1) == y
        broken += (before & ~after).sum().item()
        repaired += (~before & after).sum().item()
    return broken / len(labels), repaired / len(labels)


def printed_tables() -> dict:
    """Table VIII recomputed from the paper's own Table VI by Eq. (33): largest deviation in points at std .1 and .3."""
    worst, column_0 = 0.0, []
    for lam, (mean, sd) in PAPER_VI.items():
        miss = PAPER_VII[lam][0] / 100
        for std, printed in zip((0.1, 0.3), PAPER_VIII[lam][1:], strict=True):
            worst = max(worst, abs(100 * eq_33(miss, mean, sd, std) - printed))
        column_0.append(100 * eq_33(miss, mean, sd, 0.0))
    without_noise = [float(normal.cdf(-m / s)) for m, s in PAPER_VI.values()]
    return {"worst": worst, "column_0": column_0, "without_noise": without_noise}


def union_bound(*, pixels: int) -> dict:
    """log10 of P(eta_0 / sigma >= sqrt(d)), the tail in Eq. (29), for d = ``pixels``."""
    return {"deviations": math.sqrt(pixels), "log10": float(normal.logsf(math.sqrt(pixels))) / math.log(10)}


__all__ = [
    "CONVENTIONS",
    "LAMBDAS",
    "eq_33",
    "fit_softmax",
    "linear_density",
    "printed_tables",
    "softmax_fit",
    "softmax_noise",
    "union_bound",
]
