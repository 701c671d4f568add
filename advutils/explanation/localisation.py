"""Finding shapes with a network that only counts them: the loop of Cutilli 2021, Section 2.2.2, and its tweaks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from scipy import ndimage, optimize
from skimage.filters import threshold_otsu
from sklearn.cluster import KMeans
from torch import Tensor, nn

from advutils.core import runtime
from advutils.explanation import attribution

THESIS = 5e-10  # second derivatives that its code keeps, for pixels from 0 to 255 and 1,000 of them a side


def thesis_threshold(size: int) -> float:
    """The thesis' threshold for pixels in [0, 1] and pictures of ``size`` pixels a side.

    Second derivatives are 255^2 times as large per unit of [0, 1]. And the same function of a picture that is r times
    smaller a side has r^2 times the derivative in each pixel, r^4 times the second one.

    >>> from advutils.explanation.localisation import thesis_threshold
    >>> f"{thesis_threshold(1000):.2e}, {thesis_threshold(500):.2e}"
    '3.25e-05, 5.20e-04'
    """
    return THESIS * 255**2 * (1000 / size) ** 4


def otsu(values: Tensor) -> float:
    """The threshold between two groups of positive numbers, in the logarithm (Otsu 1979).

    Numbers that are exactly 0, of pixels that nothing has seen, would be a group of their own and are left out.
    Infinite where less than two different numbers are left.

    >>> import torch
    >>> from advutils.explanation.localisation import otsu
    >>> 1.1 < otsu(torch.tensor([0.0, 1.0, 1.1, 100.0, 110.0])) < 100
    True
    """
    logs = values[values > 0].log().cpu().numpy()
    if not logs.size or logs.min() == logs.max():
        return float("inf")
    edge = np.ptp(logs) / 256 / 2  # scikit-image gives the middle of the last of 256 bins below the threshold
    return float(np.exp(threshold_otsu(logs) + edge))


def groups(values: Tensor, count: int = 3) -> Tensor:
    """k-means in the logarithm: the number of each value's group, 0 for the smallest, -1 for exact zeros.

    >>> import torch
    >>> from advutils.explanation.localisation import groups
    >>> groups(torch.tensor([0.0, 1.0, 100.0, 10.0]))
    tensor([-1,  0,  2,  1])
    """
    found, positive = torch.full(values.shape, -1, device=values.device), values > 0
    logs = values[positive].log()[:, None].cpu().numpy()
    if len(np.unique(logs)) >= count:
        fit = KMeans(count, n_init=4, random_state=0).fit(logs)
        rank = fit.cluster_centers_[:, 0].argsort().argsort()
        found[positive] = torch.from_numpy(rank[fit.labels_]).to(found)
    return found


def detect(
    model: nn.Module,
    image: Tensor,
    *,
    candidates: str = "all",
    threshold: float | str = "thesis",
    of: Callable[[Tensor], Tensor] = attribution.total,
    counted: Callable[[Tensor], Tensor] = attribution.total,
) -> list[Tensor]:
    """The pixels that are told to be one shape, for as many shapes as the network counts: masks (H, W).

    Each round takes the most salient unassigned pixel, and with it all unassigned ones whose second-order saliency
    with respect to it is at least ``threshold``: a number, "thesis" (:func:`thesis_threshold`), or "otsu", one for each
    round. ``candidates`` are the pixels a round may start from: "all" (the thesis), "low" (not those above Otsu's
    threshold, the thesis' first proposal), or "medium" (the middle of three groups, its second). ``image`` (C, H, W).
    ``of`` is what saliency is the derivative of, ``counted`` how many rounds there are.
    Raises ``ValueError`` for other ``candidates``.
    """
    if candidates not in ("all", "low", "medium"):
        raise ValueError(f"candidates must be all, low or medium, got {candidates!r}")
    if threshold == "thesis":
        threshold = thesis_threshold(image.shape[1])
    heat = attribution.first_order_saliency(model, image[None], of=of)[0]
    start = torch.ones_like(heat, dtype=torch.bool)
    if candidates == "low":
        start = (heat > 0) & (heat < otsu(heat))
    elif candidates == "medium":
        start = groups(heat) == 1
    free, found = torch.ones_like(start), []
    for _ in range(how_many(model, image, counted)):
        if not (start & free).any():
            break
        place = heat.where(start & free, torch.full_like(heat, -1)).argmax()
        seed = torch.stack([place // heat.shape[1], place % heat.shape[1]])
        second = attribution.second_order_saliency(model, image, seed[None], of=of)[0]
        mask = free & (second >= (otsu(second) if threshold == "otsu" else threshold))  # type: ignore[operator]
        mask[seed[0], seed[1]] = True
        free &= ~mask
        found.append(mask)
    return found


def components(model: nn.Module, image: Tensor, *, counted: bool = False) -> list[Tensor]:
    """The baseline that every method must beat: connected parts of the salient pixels, no second derivative.

    Salient are pixels above Otsu's threshold of the saliency itself, not of its logarithm, in which all of it that is
    not exactly zero counts as one group. ``counted``: only the parts with most saliency in total, as many as the
    network counts shapes. ``image`` (C, H, W); masks (H, W).
    """
    heat = attribution.first_order_saliency(model, image[None])[0].cpu().numpy()
    level = threshold_otsu(heat) if heat.min() < heat.max() else np.inf
    labels, count = ndimage.label(heat > level, structure=np.ones((3, 3)))
    chosen = np.arange(1, count + 1)
    if counted:
        order = ndimage.sum_labels(heat, labels, chosen).argsort()[::-1]
        chosen = chosen[order[: how_many(model, image)]]
    return [torch.from_numpy(labels == number) for number in chosen]


@torch.no_grad()
def how_many(model: nn.Module, image: Tensor, counted: Callable[[Tensor], Tensor] = attribution.total) -> int:
    """The rounded number of shapes that the network counts in one picture (C, H, W)."""
    with runtime.evaluating(model):
        return max(int(counted(model(image[None])).round().item()), 0)


def box(mask: Tensor) -> tuple[int, int, int, int]:
    """First column, first row, last column and last row of a mask (H, W) that is not empty.

    >>> import torch
    >>> from advutils.explanation.localisation import box
    >>> mask = torch.zeros(4, 4, dtype=torch.bool)
    >>> mask[1:3, 2] = True
    >>> box(mask)
    (2, 1, 2, 2)
    """
    rows, columns = mask.nonzero().unbind(1)
    return columns.min().item(), rows.min().item(), columns.max().item(), rows.max().item()  # type: ignore[return-value]


def overlap(first: tuple[int, ...], second: tuple[int, ...]) -> float:
    """Intersection over union of two boxes of pixels.

    >>> from advutils.explanation import overlap
    >>> overlap((0, 0, 1, 1), (1, 0, 2, 1))  # they share two pixels of six
    0.3333333333333333
    """
    width = min(first[2], second[2]) - max(first[0], second[0]) + 1
    height = min(first[3], second[3]) - max(first[1], second[1]) + 1
    both = max(width, 0) * max(height, 0)
    areas = [(b[2] - b[0] + 1) * (b[3] - b[1] + 1) for b in (first, second)]
    return both / (sum(areas) - both)


def matched(masks: list[Tensor], outlines: list[np.ndarray]) -> np.ndarray:
    """Intersection over union of each found box with the true one it is matched with (0: none), best in total.

    >>> import numpy as np
    >>> import torch
    >>> from advutils.explanation import matched
    >>> mask = torch.ones(2, 2, dtype=torch.bool)
    >>> matched([mask, mask], [np.array([[0.0, 0.0], [1.0, 1.0]])])  # the second finds no shape of its own
    array([1., 0.])
    """
    scores = np.zeros(len(masks))
    if masks and outlines:
        true = [(*np.floor(o.min(0) + 0.5), *np.floor(o.max(0) + 0.5)) for o in outlines]
        table = np.array([[overlap(box(mask), one) for one in true] for mask in masks])
        rows, columns = optimize.linear_sum_assignment(table, maximize=True)
        scores[rows] = table[rows, columns]
    return scores
