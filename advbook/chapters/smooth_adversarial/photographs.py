"""The attacks on one photograph: what the network answers, and their perturbations in a few spots, magnified."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from advbook.chapters.answers import answers
from advbook.chapters.smooth_adversarial import attacks as smooth_adversarial
from advbook.chapters.smooth_adversarial.pictures import crop
from advutils.core import norms, runtime
from advutils.filters.smoothing import ImageSmoother


def in_spots(
    *,
    photograph: str,
    window: list[int],
    network: str,
    calls: list[dict],
    graph: dict,
    spots: dict[str, list[int]],
    side: int,
) -> tuple[dict, dict]:
    """A crop under attacks (``calls``, of the network's own answer), and the perturbations at ``spots`` of it.

    ``spots``: name -> row, column of the middle of a square of ``side`` pixels; ``graph``: options of
    :class:`ImageSmoother`. Values: ``before``, the answer ``[name, probability]``; by call, ``after``, ``length`` (l2),
    ``largest`` (of the perturbation's entries in the spots), and ``largest_smoothed`` and ``kept`` (by spot, the share
    of its l2 length there) of the perturbation smoothed by the image's graph. Arrays, in 8 bits: ``picture``
    (spots, side, side, 3), and (calls, spots, side, side, 3) ``perturbations`` and ``smoothed``, where 128 is no change
    and 1 and 255 are the call's largest.
    """
    model = smooth_adversarial.natural_network(network)
    x = crop(photograph, window).float().to(runtime.device())
    with torch.no_grad():
        y = model(x).argmax(1)
    pixels = ImageSmoother(x, **graph)
    values: dict = {"before": answers(model, x)[0]}
    arrays: dict = {"picture": (_cut(x, spots, side) * 255).round().byte(), "perturbations": [], "smoothed": []}
    for call in calls:
        smoother = {"smoother": ImageSmoother(x, **call["smoothing"])} if call["smoothing"] else {}
        out = smooth_adversarial.ATTACKS[call["attack"]](model, x, y, **call["options"], **smoother)
        here, smooth = (_cut(r, spots, side) for r in (out - x, pixels(out - x)))
        found = {
            "after": answers(model, out)[0],
            "length": norms.norm(out - x).item(),
            "largest": here.abs().max().item(),
            "largest_smoothed": smooth.abs().max().item(),
            "kept": (norms.norm(smooth) / norms.norm(here).clamp_min(1e-12)).tolist(),
        }
        for name, value in found.items():
            values.setdefault(name, []).append(value)
        arrays["perturbations"].append(_scaled(here))
        arrays["smoothed"].append(_scaled(smooth))
    return values, {name: _pictures(array) for name, array in arrays.items()}


def _cut(image: Tensor, spots: dict[str, list[int]], side: int) -> Tensor:
    """The squares (spots, 3, side, side) of one image (1, 3, H, W)."""
    corners = [(row - side // 2, column - side // 2) for row, column in spots.values()]
    return torch.cat([image[:, :, top : top + side, left : left + side] for top, left in corners])


def _scaled(r: Tensor) -> Tensor:
    return (128 + 127 * r / r.abs().max().clamp_min(1e-12)).round().byte()


def _pictures(images: Tensor | list[Tensor]) -> np.ndarray:
    return (torch.stack(images) if isinstance(images, list) else images).movedim(-3, -1).cpu().numpy()
