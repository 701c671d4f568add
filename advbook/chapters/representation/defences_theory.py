"""Measurements of the chapter on Cutilli 2021, Section 3.2: pairs of pixels, neurons, and the units of a penalty."""

from __future__ import annotations

import torch
from torch import nn

from advbook.chapters.representation import defences as chapter
from advutils import layers
from advutils.core import runtime
from advutils.training import regularizers


def pixel_pairs(*, data: str, images: int) -> dict:
    """How the pixels of an image compare: shares of pairs of two zeros, of equal ones, of differences below 10 of 255.

    ``slope``: mean over ordered pairs of sigmoid'(v_a - v_b), pixels 0 to 255; ``length``: mean l2 length of an image.
    """
    x, _ = chapter.loaded(data, "test", 28)
    x = (255 * x[:images]).round().flatten(1)
    n = x.shape[1]
    zero, equal, close, slope = 0.0, 0.0, 0.0, 0.0
    for image in x.double():
        apart = (image[:, None] - image[None]).abs()
        other = ~torch.eye(n, dtype=torch.bool, device=x.device)
        blank = image == 0
        zero += ((blank[:, None] & blank[None]) & other).double().sum().item()
        equal += ((apart == 0) & other).sum().item()
        close += ((apart < 10) & other).sum().item()
        slope += (torch.sigmoid(apart) * torch.sigmoid(-apart))[other].sum().item()
    total = len(x) * n * (n - 1)
    return {
        "zero": zero / total,
        "equal": equal / total,
        "close": close / total,
        "slope": slope / total,
        "nonzero": (x > 0).double().mean().item(),
        "length": torch.linalg.vector_norm(x, dim=1).mean().item(),
    }


def sensitivity(*, data: str, sides: list[int], images: int, units: int, eps: float, seed: int) -> dict:
    """How far x + eps sign(gradient) moves a neuron with random weights, by the number of its inputs.

    For images averaged to ``side`` x ``side`` pixels, times 255. Values, by neuron: a list over ``sides`` of the mean
    over neurons and images of |change|, over the neuron's standard deviation over images: what a layer behind it sees,
    as batch statistics would scale it. ``raw``: the mean |change| itself.
    """
    built = {
        "dot product": lambda n: nn.Linear(n, units, bias=False),
        "cosine": lambda n: layers.Angular(n, units),
        "weighted mean": lambda n: layers.WeightedMean(n, units),
        "pairwise difference": lambda n: layers.PairwiseDifference(n, units),
    }
    values: dict = {name: [] for name in built} | {"raw": {name: [] for name in built}}
    for side in sides:
        x = 255 * chapter.loaded(data, "test", side)[0][:images].flatten(1)
        for name, make in built.items():
            with runtime.seeded(seed):
                layer = make(side * side).to(x.device).requires_grad_(False)
            leaf = x.clone().requires_grad_()
            out = layer(leaf)
            change = torch.zeros_like(out)
            for unit in range(units):
                (gradient,) = torch.autograd.grad(out[:, unit].sum(), leaf, retain_graph=unit + 1 < units)
                change[:, unit] = (layer(x + 255 * eps * gradient.sign())[:, unit] - out[:, unit]).abs()
            values["raw"][name].append(change.mean().item())
            values[name].append((change.mean(0) / out.std(0)).mean().item())
    return values


def penalty_units(*, spec: dict, images: int) -> dict:
    """The penalty of Section 3.2.1 on minibatches of 20 of a trained network: one norm a minibatch and one an image.

    Values: ``batch`` and ``each``, means over minibatches, in loss per unit of 255; ``ratio`` of the two means.
    """
    model, _ = chapter.trained(**spec, weights="best")
    x, y = chapter.loaded(spec["data"], "test", spec["side"])
    sums = {"batch": 0.0, "each": 0.0}
    parts = list(zip(x[:images].split(chapter.BATCH), y[:images].split(chapter.BATCH), strict=True))
    for part, truth in parts:
        leaf = part.clone().requires_grad_()
        losses = chapter.squared(spec["kind"], model(leaf), truth)
        for name in sums:
            size = regularizers.gradient_magnitude(losses, leaf, per_example=name == "each")
            sums[name] += size.item() / 255 / len(parts)
    return sums | {"ratio": sums["each"] / sums["batch"], "bound": chapter.BATCH**0.5}


def linear_accuracy(*, data: str, side: int) -> dict:
    """Least squares from images of length 1 (and a constant) to one-hot labels: what an affine map of angles can do.

    Values: ``accuracy`` on the test images, ``trials``.
    """
    (x, y), (test, truth) = (chapter.loaded(data, split, side) for split in ("train", "test"))

    def inputs(images: torch.Tensor) -> torch.Tensor:
        flat = images.flatten(1).double()
        flat = flat / torch.linalg.vector_norm(flat, dim=1, keepdim=True).clamp(min=1e-12)
        return torch.cat([flat, torch.ones_like(flat[:, :1])], 1)

    a = inputs(x)
    gram = a.T @ a + 1e-6 * len(a) * torch.eye(a.shape[1]).to(a)  # pixels that are always 0 need a ridge
    weight = torch.linalg.solve(gram, a.T @ torch.nn.functional.one_hot(y).to(a))
    return {"accuracy": chapter.share((inputs(test) @ weight).argmax(1) == truth), "trials": len(truth)}
