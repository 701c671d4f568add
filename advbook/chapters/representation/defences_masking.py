"""Measurements of the chapter on Cutilli 2021, Section 3.3: do gradients hide, and do neighbours matter?"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from advbook.chapters.representation import defences as chapter
from advutils import attacks, evaluation, layers
from advutils.core import runtime


def masked(*, spec: dict, eps: float, images: int, arithmetic: str = "chainer cpu") -> dict:
    """Does the thesis' step fail for want of a gradient? Last weights, as the thesis', in evaluation mode.

    Values, accuracies on the first ``images`` test images: ``clean``; under one step on the thesis' loss, with sigmoids
    in ``arithmetic``, an entry of :data:`chapter.ARITHMETIC` ("chainer gpu" is the thesis' own), in float32
    (``squared_chainer``), as torch computes them (``squared``), in float64 (``squared64``);
    on the cross-entropy of the logits in float64 (``cross64``), and the same along the gradient of
    :func:`chapter.widened` (``wide64``). ``zero_chainer``, ``zero`` and ``zero64``: share of pixels whose gradient of
    the squared loss is 0; ``zero_images...``: share of images where it is 0 in all pixels. ``saturated``: share of
    hidden sigmoids below .001 or above .999.
    """
    model, _ = chapter.trained(**spec, weights="last")
    x, y = chapter.loaded(spec["data"], "test", spec["side"])
    x, y, kind = x[:images], y[:images], spec["kind"]
    values = {"saturated": saturation(model, x), "clean": 1 - evaluation.error_rate(model, x, y)}
    double, exact = copy.deepcopy(model).double(), x.double()
    printed = chapter.sigmoid_in(arithmetic)
    for name, same, pixels, sigmoid in (
        ("_chainer", chapter.with_sigmoid(model, printed), x, printed),
        ("", model, x, torch.sigmoid),
        ("64", double, exact, torch.sigmoid),
    ):
        none = chapter.gradient(kind, same, pixels, y, sigmoid=sigmoid) == 0
        values[f"zero{name}"] = chapter.share(none)
        values[f"zero_images{name}"] = chapter.share(none.flatten(1).all(1))
        moved = chapter.sign_attack(kind, same, pixels, y, eps=eps, sigmoid=sigmoid)
        values[f"squared{name}"] = 1 - evaluation.error_rate(same, moved, y)
    for name, source in (("cross64", double), ("wide64", chapter.widened(double, exact))):
        values[name] = 1 - evaluation.error_rate(double, attacks.fgsm(source, exact, y, eps=eps), y)
    return values


@torch.no_grad()
def saturation(model: nn.Module, x: Tensor) -> float:
    """Share of the hidden sigmoids that are below .001 or above .999; 0 where there are none."""
    flat, total = 0, 0
    for layer in model:  # type: ignore[attr-defined]
        x = layer(x)
        if isinstance(layer, nn.Sigmoid | layers.ElasticSigmoid):
            flat, total = flat + ((x < 1e-3) | (x > 1 - 1e-3)).sum().item(), total + x.numel()  # type: ignore[assignment]
    return flat / total if total else 0.0


def surface(*, spec: dict, images: int, drawn: int, reaches: list[float], points: int, seed: int) -> tuple[dict, dict]:
    """The squared loss around test images that are right, along sign(gradient) and along other signs.

    The other signs agree with the gradient's in half of the pixels, drawn at random. Moved images are clipped to
    [0, 1]. Float64. Values, over ``images`` images, by entry of ``reaches`` (half the length of the line, pixels in
    [0, 1]): ``behind``, the share whose largest loss on the line lies against the gradient, ``inside``, the share where
    it lies along the gradient but not at the end, each by more than 1e-3 above the loss at that end (a plateau has no
    place that is the largest). Array ``loss`` (drawn, reaches, points, points) of the first ``drawn`` images, rows
    along the gradient.
    """
    model, _ = chapter.trained(**spec, weights="best")
    model.double()
    x, y = (
        part.double() if part.is_floating_point() else part
        for part in chapter.loaded(spec["data"], "test", spec["side"])
    )
    right = (~evaluation.wrong(model, x, y)).nonzero().flatten()[:images]
    x, y = x[right], y[right]
    first = chapter.gradient(spec["kind"], model, x, y).sign()
    order = torch.rand(x.flatten(1).shape, generator=runtime.generator(seed)).argsort(1)
    second = first.where(first != 0, torch.ones_like(first)) * (order % 2 * 2 - 1).to(x).view_as(x)

    @torch.no_grad()
    def loss(along: float, across: float, count: int) -> Tensor:
        moved = (x[:count] + along * first[:count] + across * second[:count]).clamp(0, 1)
        return chapter.squared(spec["kind"], model(moved), y[:count])

    values: dict = {"behind": [], "inside": [], "images": len(x)}
    maps = []
    for reach in reaches:
        steps = torch.linspace(-reach, reach, points).tolist()
        line = torch.stack([loss(step, 0.0, len(x)) for step in steps], 1)
        largest = line.argmax(1)
        above = line.amax(1) > line[:, -1] + 1e-3
        values["behind"].append(chapter.share(above & (largest < points // 2)))
        values["inside"].append(chapter.share(above & (largest > points // 2)))
        maps.append(torch.stack([torch.stack([loss(a, b, drawn) for b in steps], 1) for a in steps], 1))
    return values, {"loss": torch.stack(maps, 1).float().cpu().numpy()}


def neighbours(*, spec: dict, eps: float, images: int) -> dict:
    """Does it matter whose statistics the attacker and the judge use? Last weights, the thesis' step.

    Values: ``clean`` and ``attacked``, each {"training", "evaluation"}: accuracy where network, attack and judge are in
    that mode; ``crossed``: images attacked in training mode, judged in evaluation mode; ``crossed_back``: the reverse;
    ``alone``: in training mode, one image of a minibatch attacked at a time, by the gradient of its own loss, its 199
    neighbours clean.
    """
    model, _ = chapter.trained(**spec, weights="last")
    x, y = chapter.loaded(spec["data"], "test", spec["side"])
    x, y, kind = x[:images], y[:images], spec["kind"]
    settled = chapter.sign_attack(kind, model, x, y, eps=eps)
    values = {
        "clean": {"evaluation": chapter.accuracy(model, x, y)},
        "attacked": {"evaluation": chapter.accuracy(model, settled, y)},
    }
    right = 0
    with chapter.batch_statistics(model):
        together = torch.cat([chapter.sign_attack(kind, model, *part, eps=eps) for part in chapter.parts(x, y)])
        values["clean"]["training"] = chapter.accuracy(model, x, y)
        values["attacked"]["training"] = chapter.accuracy(model, together, y)
        values["crossed_back"] = chapter.accuracy(model, settled, y)  # type: ignore[assignment]
        for part, truth in chapter.parts(x, y):
            leaf = part.clone().requires_grad_()
            losses = chapter.squared(kind, model(leaf), truth)
            for number, label in enumerate(truth):
                (own,) = torch.autograd.grad(losses[number], leaf, retain_graph=True)
                mixed = part.clone()
                mixed[number] = (part[number] + eps * own[number].sign()).clamp(0, 1)
                with torch.no_grad():
                    right += (model(mixed)[number].argmax() == label).item()
    return values | {"crossed": chapter.accuracy(model, together, y), "alone": right / len(y)}
