"""Measurements of the chapter on Zhang et al. 2019 for looking at: impulse responses, convergence, magnification."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from advbook.chapters.smooth_adversarial import attacks as smooth_adversarial
from advutils.core import norms, runtime
from advutils.datasets import photographs
from advutils.filters.bilateral import magnification
from advutils.filters.smoothing import ImageSmoother


def crop(photograph: str, window: list[int]) -> Tensor:
    """A square of a photograph, (1, 3, size, size) float64: ``window`` is its top, left and size."""
    top, left, size = window
    return photographs.photograph(photograph)[None, :, top : top + size, left : left + size].double()


def impulse_responses(
    *, photograph: str, window: list[int], spots: dict[str, list[int]], graphs: list[dict], channel: int
) -> tuple[dict, dict]:
    """The column of s^ that belongs to one pixel: what smoothing makes of an impulse there, in one channel.

    ``spots`` (name -> row, column in the window); ``graphs`` are options of :class:`ImageSmoother`. Values, by spot and
    graph: ``radius`` (root mean square distance in pixels, weighted by the response), ``peak`` (its largest value) and
    ``mass`` (its sum: a column of s^ need not sum to 1, only its rows do). Arrays: ``picture`` (size, size, 3) in 8
    bits, ``responses`` (spots, graphs, size, size).
    """
    x = crop(photograph, window)
    size = x.shape[-1]
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    smoothers = [ImageSmoother(x, **graph) for graph in graphs]
    responses, values = [], {"radius": {}, "peak": {}, "mass": {}}
    for name, (row, column) in spots.items():
        impulse = torch.zeros_like(x)
        impulse[0, channel, row, column] = 1
        found = torch.stack([smoother(impulse)[0, channel] for smoother in smoothers])
        square = (rows - row) ** 2 + (columns - column) ** 2
        mass = found.sum(dim=(1, 2))
        values["radius"][name] = ((found * square).sum(dim=(1, 2)) / mass).sqrt().tolist()
        values["peak"][name], values["mass"][name] = found.amax(dim=(1, 2)).tolist(), mass.tolist()
        responses.append(found)
    picture = (x[0].permute(1, 2, 0) * 255).round().byte().numpy()
    return values, {"picture": picture, "responses": torch.stack(responses).float().numpy()}


def convergence(*, photograph: str, window: list[int], graphs: list[dict], iterations: list[int], seed: int) -> dict:
    """How far k conjugate gradient steps are from the solution, beside the bound 2 ((sqrt(q) - 1) / (sqrt(q) + 1))^k.

    The error is measured in the norm of A = I - alpha S and relative to the start's, on one channel and one random z;
    q = (1 + alpha) / (1 - alpha) bounds the condition number. Values, by graph: ``error`` and ``bound``, lists over
    ``iterations``, and ``condition`` (q).
    """
    x = crop(photograph, window)
    z = torch.randn(x.shape, dtype=x.dtype, generator=torch.Generator().manual_seed(seed))
    values: dict = {"error": [], "bound": [], "condition": []}
    for graph in graphs:
        exact = ImageSmoother(x, **graph, method="exact", tolerance=1e-12)
        truth = exact.solve(z)

        def length(e: Tensor, exact=exact) -> float:
            return (e * (e - exact.alpha * exact.neighbours(e))).sum().sqrt().item()

        found = [ImageSmoother(x, **graph, method="cg", iterations=k).solve(z) for k in iterations]
        condition = (1 + exact.alpha) / (1 - exact.alpha)
        factor = (condition**0.5 - 1) / (condition**0.5 + 1)
        values["error"].append([length(each - truth) / length(z - truth) for each in found])
        values["bound"].append([2 * factor**k for k in iterations])
        values["condition"].append(condition)
    return values


def magnified(*, photograph: str, window: list[int], network: str, calls: list[dict], graph: dict) -> tuple[dict, dict]:
    """Figures 1 and 4: a crop, attacked in several ways, the magnification of each (Appendix A) in both readings of
    sigma, and the perturbations.

    The label is the network's own prediction. Values, by call: ``length``, ``fooled``, and ``roughness``, the
    perturbation's r^T (I - S) r / r^T r on the graph with the options ``graph``: 0 for a signal that is as smooth as
    the image, about 1 for white noise. Value ``noise``: the roughness of white noise. Arrays, in 8 bits, the
    crop itself first: ``images``, ``magnified`` (range sigma .2, the code) and ``magnified_5`` (5, the text),
    each scaled jointly over all images from its smallest to its largest value; and, one for each call,
    ``perturbations``, of which each channel is scaled to [0, 1] by itself.
    """
    model = smooth_adversarial.natural_network(network)
    x = crop(photograph, window).float().to(runtime.device())
    with torch.no_grad():
        y = model(x).argmax(1)
    images, values = [x], {"length": [], "fooled": []}
    for call in calls:
        smoother = {"smoother": ImageSmoother(x, **call["smoothing"])} if call["smoothing"] else {}
        out = smooth_adversarial.ATTACKS[call["attack"]](model, x, y, **call["options"], **smoother)
        with torch.no_grad():
            values["fooled"].append(bool((model(out).argmax(1) != y).item()))
        values["length"].append(norms.norm(out - x).item())
        images.append(out)
    batch = torch.cat(images)
    arrays = {"images": batch}
    for name, sigma in (("magnified", 0.2), ("magnified_5", 5.0)):
        shown = magnification(batch, sigma_range=sigma)
        arrays[name] = (shown - shown.min()) / (shown.max() - shown.min())
        values[name] = [norms.norm(each[None] - shown[:1]).item() for each in shown[1:]]
    r = batch[1:] - x
    low, high = r.amin((2, 3), keepdim=True), r.amax((2, 3), keepdim=True)
    arrays["perturbations"] = (r - low) / (high - low)
    pixels = ImageSmoother(x.double(), **graph)

    def roughness(signal: Tensor) -> float:
        return 1 - ((signal * pixels.neighbours(signal)).sum() / signal.square().sum()).item()

    values["roughness"] = [roughness(each[None].double()) for each in r]
    values["noise"] = roughness(torch.randn(x.shape, dtype=torch.float64, generator=runtime.generator(0)).to(x.device))  # type: ignore[assignment]
    return values, {name: _bytes(array) for name, array in arrays.items()}


def _bytes(images: Tensor) -> np.ndarray:
    return (images.permute(0, 2, 3, 1) * 255).round().byte().cpu().numpy()
