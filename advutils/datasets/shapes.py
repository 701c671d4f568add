"""Pictures of squares, right triangles and circles to count, as the sampler of Cutilli 2021, Section 2.2, has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
import torch
from PIL import Image, ImageDraw
from torch import Tensor

KINDS = ("triangle", "square", "circle")
_TURN = np.linspace(0, 2 * np.pi, 24, endpoint=False)
TEMPLATES = {  # corners in a unit square; the triangle is right and isosceles
    "triangle": np.array([(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)]),
    "square": np.array([(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]),
    "circle": 0.5 + 0.5 * np.stack([np.cos(_TURN), np.sin(_TURN)], 1),
}
ATTEMPTS = 200  # at a place for one shape, before the earlier ones are taken to be in the way
RESTARTS = 30  # of a picture, before its shapes are taken not to fit


@dataclass
class Pictures:
    """``images`` (N, 3, S, S) in [0, 1], blue on black; ``counts`` (N, kinds); ``polygons``: of each image, the exact
    outlines (corners, 2) in pixels, x before y, and ``kinds``, the number of each outline's kind."""

    images: Tensor
    counts: Tensor
    polygons: list[list[np.ndarray]]
    kinds: list[list[int]]


def pair_counts(count: int, *, limit: int, kinds: int, rng: np.random.Generator) -> np.ndarray:
    """Numbers of each of ``kinds`` kinds of shapes, (count, kinds): uniform over all with a sum of at most ``limit``.

    So a total of t is t + 1 times as likely as 0 for two kinds (the thesis), and as likely for one.
    """
    grid = np.stack(np.meshgrid(*[np.arange(limit + 1)] * kinds, indexing="ij"), -1).reshape(-1, kinds)
    grid = grid[grid.sum(1) <= limit]
    return grid[rng.integers(len(grid), size=count)]


def draw(
    counts: np.ndarray,
    *,
    size: int,
    scales: tuple[int, int],
    one_scale: bool,
    rng: np.random.Generator,
    kinds: tuple[str, ...] = ("triangle", "square"),
    turned: bool = True,
) -> Pictures:
    """Pictures of ``size`` pixels a side with ``counts`` (N, kinds) shapes that do not touch.

    Each shape is turned by whole degrees and scaled by a whole number of pixels within ``scales`` (one for all shapes
    of a picture with ``one_scale``, which is Guan and Loew's way), both about the middle of its box, and moved by whole
    pixels to where its box is inside the picture and it meets no earlier shape. Only places are drawn again: that of
    a shape, and where none is left for it those of all shapes of its picture. Raises ``ValueError`` if they do not fit.
    """
    low, high = scales
    if not 1 <= low <= high or high * 2**0.5 > size:
        raise ValueError(f"scales must be 1 <= low <= high <= size / sqrt(2), got {scales} for a size of {size}")
    total = counts.sum(1)
    order = [rng.permutation(np.repeat(np.arange(len(kinds)), row)) for row in counts]
    scale = rng.integers(low, high + 1, size=(len(counts), max(int(total.max(initial=0)), 1)))
    if one_scale:
        scale[:] = scale[:, :1]
    shapes = [
        [
            _shape(TEMPLATES[kinds[kind]], scale[n, number], rng.integers(360) if turned else 0)
            for number, kind in enumerate(row)
        ]
        for n, row in enumerate(order)
    ]
    found = _arranged(shapes, size, rng)
    pixels = np.stack([_painted(shapes, size) for shapes in found]) if len(counts) else np.zeros((0, size, size))
    images = torch.zeros(len(counts), 3, size, size)
    images[:, 2] = torch.from_numpy(pixels).float()
    return Pictures(images, torch.from_numpy(counts).float(), found, [row.tolist() for row in order])


def _shape(template: np.ndarray, scale: int, degrees: int | np.integer) -> np.ndarray:
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return scale * (template - 0.5) @ turn


def _place(shape: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    least, most = np.ceil(-shape.min(0)), np.floor(size - 1 - shape.max(0))
    return rng.integers(least, most + 1)


def _arranged(shapes: list[list[np.ndarray]], size: int, rng: np.random.Generator) -> list[list[np.ndarray]]:
    """The shapes of each picture at places where none meets another."""
    found: list[list[np.ndarray]] = [[] for _ in shapes]
    attempts, restarts = np.zeros(len(shapes), dtype=int), np.zeros(len(shapes), dtype=int)
    waiting = [n for n, wanted in enumerate(shapes) if wanted]
    while waiting:
        placed = [shapes[n][len(found[n])] for n in waiting]
        placed = [shape + _place(shape, size, rng) for shape in placed]
        for n, shape, free in zip(waiting, placed, _free(placed, [found[n] for n in waiting]), strict=True):
            attempts[n] = 0 if free else attempts[n] + 1
            if free:
                found[n].append(shape)
            elif attempts[n] == ATTEMPTS:  # the first shapes may block a picture for good: begin it again
                attempts[n], restarts[n] = 0, restarts[n] + 1
                if restarts[n] > RESTARTS:
                    raise ValueError(
                        f"{len(shapes[n])} shapes do not fit into {size} x {size} pixels; ask for fewer "
                        "(counts) or smaller ones (scales)"
                    )
                found[n].clear()
        waiting = [n for n in waiting if len(found[n]) < len(shapes[n])]
    return found


def _free(placed: list[np.ndarray], others: list[list[np.ndarray]]) -> np.ndarray:
    """Which shapes meet none of the others of their picture (touching counts)."""
    owner = np.repeat(np.arange(len(placed)), [len(shapes) for shapes in others])
    free = np.ones(len(placed), dtype=bool)
    if len(owner):
        mine = np.array([shapely.Polygon(shape) for shape in placed])[owner]
        theirs = np.array([shapely.Polygon(shape) for shapes in others for shape in shapes])
        free[owner[shapely.intersects(mine, theirs)]] = False
    return free


def _painted(shapes: list[np.ndarray], size: int) -> np.ndarray:
    picture = Image.new("1", (size, size))
    pen = ImageDraw.Draw(picture)
    for shape in shapes:
        pen.polygon([tuple(corner) for corner in shape], fill=1, outline=1)
    return np.asarray(picture)


class Stream:
    """Training pictures without end that look like a tensor of ``length`` images: ``stream[index]`` draws new ones.

    ``counts`` (length, kinds) are drawn once, from ``seed``; the picture of a count is another one each time its
    minibatch is another one. Nothing is kept, so an epoch needs the memory of one minibatch. Options are those of
    :func:`draw`.
    """

    def __init__(self, length: int, *, limit: int, seed: int, **options: Any) -> None:
        self.kinds = tuple(options.get("kinds", ("triangle", "square")))
        self.counts = pair_counts(length, limit=limit, kinds=len(self.kinds), rng=np.random.default_rng(seed))
        self.labels = torch.from_numpy(self.counts).float()
        self.seed, self.options = seed, options

    def __len__(self) -> int:
        return len(self.counts)

    def __getitem__(self, index: Tensor) -> Tensor:
        chosen = index.cpu().numpy()
        rng = np.random.default_rng([self.seed, *chosen.tolist()])
        return draw(self.counts[chosen], rng=rng, **self.options).images.to(index.device)
