"""Measurements of the chapter on Cutilli 2021, Section 3.3: do gradients hide, and do neighbours matter?"""
from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from advutils import attacks, evaluation, layers, runtime
from advutils.chapters import representation_defences as chapter


def masked(*, spec: dict, eps: float, images: int) -> dict:
    """Is a white-box number gradient masking? The thesis' attack in evaluation mode, best weights, four ways.

    Values, accuracies on the first ``images`` test images: ``squared`` (loss of the thesis, float32), ``squared64``
    (the same network in float64), ``cross`` (cross-entropy of the logits, float32) and ``cross64``. ``zero`` and
    ``zero64``: share of pixels whose gradient of the squared loss is 0, ``zero_images`` and ``zero_images64``: share of
    images where it is 0 in all pixels; ``saturated``: share of hidden sigmoids below .001 or above .999.
    """
    model, _ = chapter.trained(**spec, weights="best")
    x, y = chapter.loaded(spec["data"], "test", spec["side"])
    x, y = x[:images], y[:images]
    values: dict = {}
    for name, dtype in (("", torch.float32), ("64", torch.float64)):
        same, pixels = model.to(dtype), x.to(dtype)
        leaf = pixels.clone().requires_grad_()
        gradient, = torch.autograd.grad(chapter.squared(spec["kind"], same(leaf), y).sum(), leaf)
        none = gradient == 0
        values[f"zero{name}"] = none.double().mean().item()
        values[f"zero_images{name}"] = none.flatten(1).all(1).double().mean().item()
        moved = chapter.sign_attack(spec["kind"], same, pixels, y, eps=eps)
        values[f"squared{name}"] = 1 - evaluation.error_rate(same, moved, y)
        moved = attacks.fgsm(same, pixels, y, eps=eps)
        values[f"cross{name}"] = 1 - evaluation.error_rate(same, moved, y)
    model.float()
    values["saturated"] = saturation(model, x)
    return values


@torch.no_grad()
def saturation(model: nn.Module, x: Tensor) -> float:
    """Share of the hidden sigmoids that are below .001 or above .999; 0 where there are none."""
    flat, total = 0, 0
    for layer in model:
        x = layer(x)
        if isinstance(layer, nn.Sigmoid | layers.ElasticSigmoid):
            flat, total = flat + ((x < 1e-3) | (x > 1 - 1e-3)).sum().item(), total + x.numel()
    return flat / total if total else 0.0


def surface(*, spec: dict, images: int, reach: float, points: int, seed: int) -> tuple[dict, dict]:
    """The squared loss on a square around test images, spanned by sign(gradient) and a random sign pattern.

    Arrays: ``loss`` (images, points, points), rows along the gradient, and ``shares`` (the steps, in [-reach, reach],
    pixels in [0, 1]; nothing is clipped). The pattern has half of its signs in common with the gradient's.
    Values: ``rise``, mean over images of the largest loss along the gradient minus that at the image, and
    ``rise_random``.
    """
    model, _ = chapter.trained(**spec, weights="best")
    x, y = chapter.loaded(spec["data"], "test", spec["side"])
    x, y = x[:images], y[:images]
    leaf = x.clone().requires_grad_()
    gradient, = torch.autograd.grad(chapter.squared(spec["kind"], model(leaf), y).sum(), leaf)
    first = gradient.sign()
    half = torch.rand(x.flatten(1).shape, generator=runtime.generator(seed)).to(x).argsort(1) % 2 * 2 - 1
    second = torch.where(first == 0, torch.ones_like(first), first) * half.view_as(x)
    shares = torch.linspace(-reach, reach, points).to(x)
    with torch.no_grad():
        loss = torch.stack([torch.stack([chapter.squared(spec["kind"], model(x + a * first + b * second), y)
                                         for b in shares], 1) for a in shares], 1)
    middle = points // 2
    here = loss[:, middle, middle]
    values = {"rise": (loss[:, middle:, middle].amax(1) - here).mean().item(),
              "rise_random": (loss[:, middle].amax(1) - here).mean().item()}
    return values, {"loss": loss.cpu().numpy(), "shares": shares.cpu().numpy()}


def neighbours(*, spec: dict, eps: float, images: int) -> dict:
    """Does it matter whose statistics the attacker and the judge use? Last weights, the thesis' attack.

    Values: ``clean`` and ``attacked``, each {"training", "evaluation"}: accuracy where network, attack and judge are in
    that mode; ``crossed``: images attacked in training mode, judged in evaluation mode; ``alone``: one image a
    minibatch attacked in training mode, its 199 neighbours clean (the change of its own answer is what counts).
    """
    model, _ = chapter.trained(**spec, weights="last")
    x, y = chapter.loaded(spec["data"], "test", spec["side"])
    x, y = x[:images], y[:images]
    attack = partial(chapter.sign_attack, spec["kind"], model, eps=eps)
    settled = attack(x, y)
    values: dict = {"clean": {"evaluation": 1 - evaluation.error_rate(model, x, y),
                              "training": chapter.in_training(model, x, y)}}
    right = 0
    with chapter.batch_statistics(model):
        together = torch.cat([attack(*part) for part in chapter.parts(x, y)])
        for (part, truth), moved in zip(chapter.parts(x, y), together.split(chapter.STATISTICS), strict=True):
            for number in range(len(truth)):
                mixed = part.clone()
                mixed[number] = moved[number]
                with torch.no_grad():
                    right += (model(mixed)[number].argmax() == truth[number]).item()
    return values | {
        "attacked": {"evaluation": 1 - evaluation.error_rate(model, settled, y),
                     "training": chapter.in_training(model, together, y)},
        "crossed": 1 - evaluation.error_rate(model, together, y), "alone": right / len(y)}
