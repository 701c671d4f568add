"""Measurements of the noise-model notebook on softmax models that have the paper's mean distances (Table VI).

The paper's three means of the minimum perturbation say which weight decay its models had in effect, whatever its lambda
multiplies and however long it trained. Here the weight decay itself is the parameter; every result is kept by image.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from advbook.chapters.gradient_regularization import noise as model_of
from advutils import datasets as sets
from advutils import evaluation, models
from advutils.core import runtime

# lambda of Table VI -> the weight decay c of one significant digit, in c ||W||^2 beside the mean cross-entropy, whose
# fit has the mean distance on the training images nearest to the table's. Nothing else was looked at.
MATCHED = {1e-4: 5e-6, 1e-2: 3e-5, 1.0: 3e-3}
NEIGHBOURS = {1e-4: (4e-6, 5e-6, 6e-6), 1e-2: (2e-5, 3e-5, 4e-5), 1.0: (2e-3, 3e-3, 4e-3)}


def decay_fit(*, data: str, coefficient: float, max_iter: int, train_size: int = 0) -> tuple[dict, dict]:
    """Softmax regression at rest with weight decay ``coefficient`` (c ||W||^2 beside the mean cross-entropy).

    Lyu et al. 2015, Table VI, and Section V-A's remark on the test images. Values: ``coefficient``, ``iterations``,
    ``objective``, ``gradient`` (as :func:`gradient_regularization_noise.fit_softmax`); on the training images
    ``train_error`` in [0, 1], ``minimum_mean`` and ``minimum_sd`` of the l2 distance along the loss gradient over the
    images that are right, ``never`` (right, and no class ever catches up); ``test_error``, ``test_minimum_mean``,
    ``test_minimum_sd`` the same on the test images. Arrays: ``distance`` and ``test_distance`` by image (float16, 0
    where the model is wrong, inf where nothing catches up).
    """
    model, images, labels, fit = _fitted(data, coefficient, max_iter, train_size)
    test_images, test_labels = _on_device(data, "test")
    train, test = distances(model, images, labels), distances(model, test_images, test_labels)
    values = {**fit, **summary(train), **{f"test_{name}": value for name, value in summary(test).items()}}
    values["train_error"] = values.pop("error")
    return values, {"distance": train.half().cpu().numpy(), "test_distance": test.half().cpu().numpy()}


def decay_noise(
    *, data: str, coefficient: float, max_iter: int, noise: list[float], draws: int, seed: int, train_size: int = 0
) -> tuple[dict, dict]:
    """The model of :func:`decay_fit` under Gaussian noise on its training images, and four predictions.

    Lyu et al. 2015, Tables VII to IX and Eq. (33). Values as those of
    :func:`gradient_regularization_noise.softmax_noise`, all shares of all training images: ``miss``, per std and draw
    ``actual``, ``additional``, ``broken`` and ``repaired``; per std ``eq_33``, ``linear_density``, ``distances``,
    ``nearest``, ``union``. Arrays: ``wrong`` and ``noise_wrong`` (stds, draws, N), by image as bits
    (:func:`advutils.evaluation.packed`).
    """
    model, images, labels, _ = _fitted(data, coefficient, max_iter, train_size)
    distance = distances(model, images, labels)
    right = distance > 0
    miss, reached = 1 - right.sum().item() / len(labels), distance[right]
    finite = reached[torch.isfinite(reached)]
    mean, sd = finite.mean().item(), finite.std().item()
    slope = 2 * (finite < 0.05).double().mean().item() / 0.05**2
    boundary = model_of._boundaries(model, images[right], labels[right])
    generator = runtime.generator(seed)
    wrong = torch.stack(
        [
            torch.stack(
                [evaluation.noise_wrong(model, images, labels, std=std, generator=generator) for _ in range(draws)]
            )
            for std in noise
        ]
    )
    broken = (wrong & right).sum(-1) / len(labels)
    repaired = (~wrong & ~right).sum(-1) / len(labels)
    values = {
        "miss": miss,
        "minimum_mean": mean,
        "minimum_sd": sd,
        "slope": slope,
        "broken": broken.tolist(),
        "repaired": repaired.tolist(),
        "additional": (broken - repaired).tolist(),
        "actual": (wrong.sum(-1) / len(labels)).tolist(),
        "eq_33": [model_of.eq_33(miss, mean, sd, std) for std in noise],
        "linear_density": [model_of.linear_density(miss, slope, std) for std in noise],
    }
    tails = [torch.special.ndtr(-boundary / std) for std in noise]
    for name, lost in {
        "distances": [torch.special.ndtr(-reached.double() / std) for std in noise],
        "nearest": [tail.amax(dim=1) for tail in tails],
        "union": [tail.sum(dim=1).clamp(max=1) for tail in tails],
    }.items():
        values[name] = [miss + (1 - miss) * share.mean().item() for share in lost]
    return values, {"wrong": evaluation.packed(~right), "noise_wrong": evaluation.packed(wrong)}


def descent_path(
    *, data: str, coefficient: float, lr: float, batch_size: int, epochs: list[int], seed: int, train_size: int = 0
) -> tuple[dict, dict]:
    """Where plain minibatch descent on the objective of :func:`decay_fit` stands after each of ``epochs`` epochs.

    From weights of 0, with a constant rate ``lr``. Values, a list each along ``epochs`` (which must rise, else
    ``ValueError``): ``train_error``, ``minimum_mean`` and ``minimum_sd`` on the training images. Arrays: ``distance``
    (epochs, N) by image as in :func:`decay_fit`.
    """
    if not epochs or epochs != sorted(set(epochs)) or epochs[0] < 1:
        raise ValueError(f"epochs must be rising numbers from 1 on, got {epochs!r}")
    images, labels = _on_device(data, "train", train_size)
    model = models.softmax_regression(pixels=images[0].numel(), classes=int(labels.max()) + 1).to(images.device)
    generator = runtime.generator(seed)
    found, by_image = [], []
    for epoch in range(1, epochs[-1] + 1):
        for batch in torch.randperm(len(labels), generator=generator).to(labels.device).split(batch_size):
            descend(model, images[batch], labels[batch], coefficient=coefficient, lr=lr)
        if epoch in epochs:
            distance = distances(model, images, labels)
            found.append(summary(distance))
            by_image.append(distance.half().cpu().numpy())
    values = {
        name: [one[key] for one in found]
        for name, key in (("train_error", "error"), ("minimum_mean", "minimum_mean"), ("minimum_sd", "minimum_sd"))
    }
    return values, {"distance": np.stack(by_image)}


@torch.no_grad()
def descend(model: nn.Sequential, x: Tensor, y: Tensor, *, coefficient: float, lr: float) -> None:
    """One step of gradient descent, in place, on mean cross-entropy + ``coefficient`` ||W||^2 of softmax regression.

    ``x`` (N, ...) and ``y`` (N,); the gradient in the logits is (p - t) / N, without automatic differentiation.
    """
    flat, layer = x.flatten(1), model[1]
    slope = (layer(flat).softmax(dim=1) - F.one_hot(y, layer.out_features)) / len(y)
    layer.weight -= lr * (slope.T @ flat + 2 * coefficient * layer.weight)
    layer.bias -= lr * slope.sum(dim=0)


def distances(model: nn.Sequential, images: Tensor, labels: Tensor) -> Tensor:
    """Minimum perturbation of each image along its loss gradient, (N,): 0 where the model is wrong."""
    reached, right = model_of._distances(model, images, labels)
    return torch.zeros(len(labels), dtype=reached.dtype, device=reached.device).masked_scatter(right, reached)


def summary(distance: Tensor) -> dict:
    """Error in [0, 1] and mean and standard deviation of the distances, (N,), of the images that are right (> 0)."""
    right = distance > 0
    finite = distance[right & torch.isfinite(distance)]
    return {
        "error": 1 - right.sum().item() / len(distance),
        "minimum_mean": finite.mean().item(),
        "minimum_sd": finite.std().item(),
        "never": right.sum().item() - len(finite),
    }


def _fitted(name: str, coefficient: float, max_iter: int, train_size: int):
    images, labels = _on_device(name, "train", train_size)
    model, fit = model_of.fit_softmax(images, labels, coefficient=coefficient, max_iter=max_iter)
    return model, images, labels, {"coefficient": coefficient, **fit}


def _on_device(name: str, split: str, size: int = 0) -> tuple[Tensor, Tensor]:
    images, labels = sets.load(name, split=split)
    return images[: size or None].to(runtime.device()), labels[: size or None].to(runtime.device())


__all__ = ["MATCHED", "NEIGHBOURS", "decay_fit", "decay_noise", "descend", "descent_path", "distances", "summary"]
