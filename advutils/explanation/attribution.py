"""Heat maps of what a prediction rests on, how much two of them differ, and whether they are worth anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from advutils.core import runtime

BATCH = 1000
ROUNDING = 1e-6
NORMALISATIONS = ("none", "range", "largest", "length")


@torch.no_grad()
def probability(model: nn.Module, images: Tensor, classes: Tensor) -> Tensor:
    """The probability that the model gives ``classes`` (N,), (N, ...) -> (N,).

    >>> import torch
    >>> from advutils.explanation.attribution import probability
    >>> probability(torch.nn.Identity(), torch.zeros(1, 4), torch.tensor([0]))
    tensor([0.2500])
    """
    with runtime.evaluating(model):
        parts = [model(part).softmax(1) for part in images.split(BATCH)]
    return torch.cat(parts).gather(1, classes[:, None]).squeeze(1)


def occlusion(
    model: nn.Module, images: Tensor, classes: Tensor, *, patch: int, stride: int, grey: float = 0.5
) -> Tensor:
    """The sliding patch (Zeiler and Fergus 2014), (N, C, H, W) -> (N, H, W).

    A grey square of ``patch`` pixels moves over the image in steps of ``stride``; where the last step would leave a
    margin, one that hangs over the edge is added. The fall of the class's probability under a square is painted on its
    pixels; a pixel under several squares takes their mean. So maps of different patches have one size. A fall of less
    than 1e-6 is within the rounding of the probabilities and counts as none.
    Raises ``ValueError`` for a patch larger than the image or a stride larger than the patch.

    >>> import torch
    >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2, bias=False))
    >>> model[1].weight.data = torch.tensor([[1.0, -2.0, 0.0, 3.0], [0.0, 0.0, 0.0, 0.0]])
    >>> from advutils.explanation import occlusion
    >>> heat = occlusion(model, torch.ones(1, 1, 2, 2), torch.tensor([0]), patch=1, stride=1)
    >>> heat[0] > 0  # to hide the pixel with the weight -2 helps the class
    tensor([[ True, False],
            [False,  True]])
    """
    height, width = images.shape[-2:]
    if not (1 <= patch <= min(height, width) and 1 <= stride <= patch):
        raise ValueError(f"patch must lie in 1..{min(height, width)} and stride in 1..patch, got {patch} and {stride}")
    before = probability(model, images, classes)
    total = torch.zeros(len(images), height, width, device=images.device, dtype=before.dtype)
    covered = torch.zeros(height, width, device=images.device, dtype=before.dtype)
    for top in _starts(height, patch, stride):
        for left in _starts(width, patch, stride):
            square = (..., slice(top, top + patch), slice(left, left + patch))
            hidden = images.clone()
            hidden[square] = grey
            fall = before - probability(model, hidden, classes)
            total[square] += fall.where(fall.abs() >= ROUNDING, torch.zeros_like(fall))[:, None, None]
            covered[square] += 1
    return total / covered


def _starts(size: int, patch: int, stride: int) -> range:
    return range(0, size - patch + stride, stride)


def grad_cam(model: nn.Module, images: Tensor, classes: Tensor, *, layer: nn.Module) -> Tensor:
    """Grad-CAM (Selvaraju et al. 2017, Eqs. (1) and (2)) of the logit of ``classes``, (N, C, H, W) -> (N, H, W).

    The channels of ``layer``, weighted with the mean gradient of the logit in each, added, rectified, and scaled up to
    the image bilinearly.
    """
    outputs: list[Tensor] = []

    def keep(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        outputs.append(output)
        return output.clone()  # a rectifier that works in place then leaves what was kept as it was

    handle = layer.register_forward_hook(keep)
    maps = []
    try:
        with runtime.evaluating(model), torch.enable_grad():
            for part, wanted in zip(images.split(BATCH), classes.split(BATCH), strict=True):
                outputs.clear()
                logits = model(part.detach().requires_grad_())
                (features,) = outputs
                gradient = torch.autograd.grad(logits.gather(1, wanted[:, None]).sum(), features)[0]
                weighted = (gradient.mean((2, 3), keepdim=True) * features.detach()).sum(1, keepdim=True).relu()
                maps.append(F.interpolate(weighted, size=images.shape[-2:], mode="bilinear").squeeze(1))
    finally:
        handle.remove()
    return torch.cat(maps)


def saliency(model: nn.Module, images: Tensor, classes: Tensor) -> Tensor:
    """Largest absolute gradient of the logit over the channels of a pixel, (N, C, H, W) -> (N, H, W).

    >>> import torch
    >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2, bias=False))
    >>> model[1].weight.data = torch.tensor([[1.0, -2.0, 0.0, 3.0], [0.0, 0.0, 0.0, 0.0]])
    >>> from advutils.explanation import saliency
    >>> saliency(model, torch.rand(1, 1, 2, 2), torch.tensor([0]))
    tensor([[[1., 2.],
             [0., 3.]]])
    """
    maps = []
    with runtime.evaluating(model), torch.enable_grad():
        for part, wanted in zip(images.split(BATCH), classes.split(BATCH), strict=True):
            leaf = part.detach().requires_grad_()
            gradient = torch.autograd.grad(model(leaf).gather(1, wanted[:, None]).sum(), leaf)[0]
            maps.append(gradient.abs().amax(1))
    return torch.cat(maps)


def total(outputs: Tensor) -> Tensor:
    """The sum of all outputs of each example, (N, K) -> (N,): the number of all shapes that a network counts.

    >>> import torch
    >>> from advutils.explanation import total
    >>> total(torch.tensor([[1.0, 2.0]]))
    tensor([3.])
    """
    return outputs.sum(1)


def first_order_saliency(model: nn.Module, images: Tensor, *, of: Callable[[Tensor], Tensor] = total) -> Tensor:
    """Cutilli 2021, Section 2.2.1: largest absolute gradient over the channels of a pixel, (N, C, H, W) -> (N, H, W).

    Of the :func:`total` of the outputs, or of another function of them, (N, K) -> (N,).

    >>> import torch
    >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2, bias=False))
    >>> model[1].weight.data = torch.tensor([[1.0, -2.0, 0.0, 3.0], [0.0, 0.0, 0.0, 0.0]])
    >>> from advutils.explanation import first_order_saliency
    >>> first_order_saliency(model, torch.rand(1, 1, 2, 2))
    tensor([[[1., 2.],
             [0., 3.]]])
    """
    return _gradient(model, images, of)[1].abs().amax(1).detach()


def second_order_saliency(
    model: nn.Module, image: Tensor, seeds: Tensor, *, of: Callable[[Tensor], Tensor] = total
) -> Tensor:
    """Cutilli 2021, Section 2.2.2: how the saliency of each seed pixel depends on every pixel, (S, H, W).

    ``image`` (C, H, W), ``seeds`` (S, 2) rows and columns. For each seed the absolute derivatives of its gradient (in
    its most salient channel) with respect to all pixels, largest over channels: rows of the Hessian of ``of`` the
    outputs. One backward pass a seed through one graph. All zeros where nothing in the network bends, as with
    rectifiers.

    >>> import torch
    >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2, bias=False))
    >>> model[1].weight.data = torch.tensor([[1.0, -2.0, 0.0, 3.0], [0.0, 0.0, 0.0, 0.0]])
    >>> from advutils.explanation import second_order_saliency
    >>> second_order_saliency(model, torch.rand(1, 2, 2), torch.tensor([[0, 0]]))  # nothing bends
    tensor([[[0., 0.],
             [0., 0.]]])
    """
    leaf, gradient = _gradient(model, image[None], of, graph=True)
    rows, columns = seeds.unbind(1)
    channels = gradient[0].detach()[:, rows, columns].abs().argmax(0)
    values = gradient[0][channels, rows, columns]
    if not values.requires_grad:
        return torch.zeros(len(seeds), *image.shape[1:], dtype=image.dtype, device=image.device)
    maps = [
        torch.autograd.grad(value, leaf, retain_graph=True, materialize_grads=True)[0][0].abs().amax(0)
        for value in values
    ]
    return torch.stack(maps)


def _gradient(
    model: nn.Module, images: Tensor, of: Callable[[Tensor], Tensor], *, graph: bool = False
) -> tuple[Tensor, Tensor]:
    with runtime.evaluating(model), torch.enable_grad():
        leaf = images.detach().requires_grad_()
        return leaf, torch.autograd.grad(of(model(leaf)).sum(), leaf, create_graph=graph)[0]


def normalised(maps: Tensor, how: Literal["none", "range", "largest", "length"]) -> Tensor:
    """Each map (N, H, W) as it is, from 0 to 1, by its largest absolute value, or by its Euclidean length.

    A map that is 0, or for "range" one without differences (beyond rounding), becomes 0.
    Raises ``ValueError`` for another ``how`` than those of ``NORMALISATIONS``.

    >>> import torch
    >>> from advutils.explanation.attribution import normalised
    >>> normalised(torch.tensor([[[0.0, 2.0], [4.0, 4.0]]]), "range")
    tensor([[[0.0000, 0.5000],
             [1.0000, 1.0000]]])
    """
    if how not in NORMALISATIONS:
        raise ValueError(f"how must be one of {', '.join(NORMALISATIONS)}, got {how!r}")
    if how == "none":
        return maps
    flat = maps.flatten(1)
    largest = flat.abs().amax(1, keepdim=True)
    if how == "range":
        flat = flat - flat.amin(1, keepdim=True)
    size = flat.norm(dim=1, keepdim=True) if how == "length" else flat.abs().amax(1, keepdim=True)
    told = size > 1e-5 * largest
    return torch.where(told, flat / size.where(told, torch.ones_like(size)), 0).reshape(maps.shape)


def change(first: Tensor, second: Tensor, *, how: str) -> Tensor:
    """Sum of squared differences of two maps, (N, H, W) and (N, H, W) -> (N,): Section 4.3's measure of stability.

    What is added up depends on how maps are :func:`normalised`, which the paper does not say.

    >>> import torch
    >>> from advutils.explanation.attribution import change
    >>> change(torch.zeros(1, 2, 2), torch.ones(1, 2, 2), how="none")
    tensor([4.])
    """
    return (normalised(first, how) - normalised(second, how)).square().flatten(1).sum(1)  # type: ignore[arg-type]


def curve(
    model: nn.Module, images: Tensor, classes: Tensor, maps: Tensor, *, steps: int, insert: bool, grey: float = 0.5
) -> Tensor:
    """Probability of the class while pixels go to grey (or come from it), most important first, (N, steps + 1).

    Deletion and insertion of Petsiuk et al. 2018: their scores are the means of these curves; a good map has a low one
    for deletion and a high one for insertion.
    """
    count, _, height, width = images.shape
    order = maps.flatten(1).argsort(dim=1, descending=True, stable=True)
    rank = order.argsort(dim=1).reshape(count, 1, height, width)
    points = []
    for step in range(steps + 1):
        taken = rank < round(step * height * width / steps)
        shown = torch.where(taken == insert, images, torch.full_like(images, grey))
        points.append(probability(model, shown, classes))
    return torch.stack(points, 1)
