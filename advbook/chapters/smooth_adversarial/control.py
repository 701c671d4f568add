"""Measurements of the chapter on Zhang et al. 2019 that change one thing: smoothing alone, the variable alone."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from advbook.chapters.smooth_adversarial.attacks import ATTACKS, _loaded, classifier, frozen, natural, natural_images
from advutils import evaluation
from advutils.core import norms
from advutils.evaluation import distortion
from advutils.filters.smoothing import ImageSmoother

BATCH = {"c4": 100}  # images at a time; 20 for networks for natural images


def network_and_images(
    *, data: str, network: str, first: int, images: int, **spec
) -> tuple[nn.Sequential, Tensor, Tensor, Tensor]:
    """The network, the test images from number ``first`` on that it gets right, their labels and their numbers.

    ``network`` "c4" is trained with ``spec`` (adversarial, epochs, seed); others are for natural images. ``images`` is
    how many are tried. Images (N, C, H, W) in [0, 1], the others (N,).
    """
    if network == "c4":
        model = frozen(classifier(data=data, **spec))
        x, y = (part[first : first + images] for part in _loaded(data, "test"))
    else:
        model, x, y = natural(data=data, network=network, first=first, images=images)
    right = (evaluation.predictions(model, x, batch_size=100) == y).nonzero().flatten()
    return model, x[right], y[right], right


def paired(*, calls: dict[str, dict], rates: list[float], pairs: list[list[str]], **where) -> tuple[dict, dict]:
    """Attacks without a budget on the very same images of one network, at several learning rates, and their ratios.

    What sC&W (Eq. (18)) changes of C&W is two things: the variable, r with clipping (Eq. (13)) in place of tanh
    (Eq. (4)), and smoothing. With all three among ``calls`` (name -> attack, options but for lr, smoothing) each step
    is seen alone. ``pairs`` are names of two calls, of which the first is divided by the second; ``where`` are the
    parameters of :func:`network_and_images`. Lengths are l2 of the images as the attacks return them.

    Values: ``correct`` (N); by call ``success`` and ``distortion`` (mean of the successes), lists over the rates, and
    ``closest``, both of each image's closest success over the rates; by pair, under "first/second", the entries of
    :func:`advutils.evaluation.distortion.compared`, lists over the rates, in ``pairs`` and single in ``best``
    (each image's closest success over the rates). Arrays: ``lengths`` (calls in the order of their names, rates, N)
    float16, inf for failures; ``fooled``, the same as bits; ``index`` (N,), which images these are, from ``first`` on.
    """
    calls = dict(sorted(calls.items()))  # a record's parameters have no order of their own
    model, x, y, index = network_and_images(**where)
    lengths = torch.full((len(calls), len(rates), len(x)), torch.inf)
    for rows in torch.arange(len(x)).split(BATCH.get(where["network"], 20)):
        for number, call in enumerate(calls.values()):
            given = {"smoother": ImageSmoother(x[rows], **call["smoothing"])} if call["smoothing"] else {}
            for column, lr in enumerate(rates):
                moved = ATTACKS[call["attack"]](model, x[rows], y[rows], lr=lr, **call["options"], **given)
                fooled = evaluation.predictions(model, moved) != y[rows]
                lengths[number, column, rows] = torch.where(fooled, norms.norm(moved - x[rows]), torch.inf).cpu()
    found = dict(zip(calls, lengths.numpy(), strict=True))
    closest = {name: each.min(axis=0) for name, each in found.items()}
    values: dict = {"correct": len(x), "success": {}, "distortion": {}, "closest": {}, "pairs": {}, "best": {}}
    for name, each in found.items():
        values["success"][name], values["distortion"][name] = (
            list(column) for column in zip(*(_summary(row) for row in each), strict=True)
        )
        values["closest"][name] = dict(zip(("success", "distortion"), _summary(closest[name]), strict=True))
    for first, second in pairs:
        rows = [distortion.compared(a, b) for a, b in zip(found[first], found[second], strict=True)]
        values["pairs"][f"{first}/{second}"] = {entry: [row[entry] for row in rows] for entry in rows[0]}
        values["best"][f"{first}/{second}"] = distortion.compared(closest[first], closest[second])
    return values, {
        "lengths": lengths.half().numpy(),
        "fooled": evaluation.packed(lengths.isfinite()),
        "index": index.cpu().numpy(),
    }


def _summary(lengths) -> tuple[float, float | None]:
    """Share of successes, and their mean length."""
    success = distortion.success_probability(lengths)[0]
    return success, distortion.conditional_mean(lengths)[0] if success else None


def floor_at(*, data: str, images: int, size: int) -> tuple[dict, dict]:
    """What storing an unattacked image costs in l2 at the size at which it is attacked: see ``storage_floor``.

    The first ``images`` test images, "nips2017" resized to ``size`` pixels and rounded to 8 bits. Values: ``truncated``
    and ``rounded``, means; ``largest`` (of truncated); ``pixels`` a side. Array: ``truncated`` (N,) float16.
    """
    x, _ = natural_images(data=data, first=0, images=images, size=size)
    lengths = {kind: norms.norm(distortion.QUANTISED[kind](x) - x).cpu() for kind in ("truncated", "rounded")}
    values = {kind: length.mean().item() for kind, length in lengths.items()}
    return values | {"largest": lengths["truncated"].max().item(), "pixels": x.shape[-1]}, {
        "truncated": lengths["truncated"].half().numpy()
    }
