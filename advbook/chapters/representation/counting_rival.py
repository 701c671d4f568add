"""What can be said about the number of shapes without knowing a shape (Cutilli 2021, Section 2.2)."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from advbook.chapters.representation.counting import pictures
from advutils.datasets import shapes

NEAREST = 41  # pictures whose median is the answer of the best function of area that we tried


def patterns(images: Tensor) -> np.ndarray:
    """How often windows of 2 x 2 pixels stand in each picture, (N, 3, S, S) -> (N, 5): with one blue pixel, with three,
    with two on a diagonal, with two side by side, with four. Pictures are taken to be black outside."""
    blue = np.pad((images[:, 2] > 0).numpy().astype(np.int8), ((0, 0), (1, 1), (1, 1)))
    corners = blue[:, :-1, :-1], blue[:, :-1, 1:], blue[:, 1:, :-1], blue[:, 1:, 1:]
    number = sum(corners)
    diagonal = (number == 2) & (corners[0] == corners[3])
    kinds = number == 1, number == 3, diagonal, (number == 2) & ~diagonal, number == 4
    return np.stack([kind.sum((1, 2)) for kind in kinds], 1).astype(float)  # type: ignore[union-attr]


def components_less_holes(found: np.ndarray) -> np.ndarray:
    """Of :func:`patterns` (N, 5): (one - three - 2 diagonals) / 4, all exterior angles over 2 pi (Gray 1971).

    An outline turns by a quarter at a window with one pixel and back at one with three, so round a shape it is 1.
    """
    return (found[:, 0] - found[:, 1] - 2 * found[:, 2]) / 4


def pattern_line(
    *, size: int, scales: list[int], one_scale: bool, limit: int, images: int, seed: int, others: dict[str, dict]
) -> dict:
    """A straight line in the numbers of :func:`patterns`, fitted to the total on ``images`` pictures by least squares.

    It adds up what it sees in windows of 2 x 2 pixels, and knows no shapes. Judged on the pictures that the networks of
    this seed are judged on, "same" and ``others`` as in
    :func:`~advbook.chapters.representation.counting.counting_network`. Values, by name: ``total_mae`` and ``slope`` of
    the line; ``topology``: the share of pictures whose total is exactly :func:`components_less_holes`; ``area_mae``, of
    the median total of the NEAREST pictures by blue area.
    """
    base = dict(size=size, scales=scales, one_scale=one_scale, limit=limit, images=images)
    known = pictures(**base, seed=1000 + seed)
    total, area = known.counts.sum(1).numpy(), _area(known)
    line = np.linalg.lstsq(_with_one(patterns(known.images)), total, rcond=None)[0]
    values = {}
    for name, changes in {"same": {}, **others}.items():
        drawn = pictures(**{**base, **changes}, seed=seed)
        truth, found = drawn.counts.sum(1).numpy(), patterns(drawn.images)
        estimate = _with_one(found) @ line
        by_area = [np.median(total[np.argsort(abs(area - one), kind="stable")[:NEAREST]]) for one in _area(drawn)]
        values[name] = {
            "total_mae": float(abs(estimate - truth).mean()),
            "slope": float(np.polyfit(truth, estimate, 1)[0]),
            "topology": float((components_less_holes(found) == truth).mean()),
            "area_mae": float(abs(np.array(by_area) - truth).mean()),
        }
    return values


def _with_one(found: np.ndarray) -> np.ndarray:
    return np.concatenate([found, np.ones((len(found), 1))], 1)


def _area(drawn: shapes.Pictures) -> np.ndarray:
    return drawn.images.sum((1, 2, 3)).numpy()
