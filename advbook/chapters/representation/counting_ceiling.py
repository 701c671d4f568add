"""How many shapes a mask can find at all that is as large as what the units of a network see (Cutilli 2021, 2.2.2)."""

from __future__ import annotations

from itertools import product

import numpy as np

from advutils import models
from advutils.datasets import shapes
from advutils.explanation import localisation

DRAWN = 20  # pictures at a time: at 1,000 pixels a side they take 240 MB


def blocks(fields: list[tuple[int, int]], first: int, last: int) -> list[tuple[int, int]]:
    """What the units that see a pixel see together along a side, for pixels from ``first`` to ``last``.

    ``fields`` as :func:`advutils.models.fields` has them; (first, last) pixels, each block once, none for pixels that
    no unit sees. Second derivatives with a pixel are zero outside its block, if every unit is smooth.
    """
    found = set()
    for pixel in range(first, last + 1):
        seeing = [field for field in fields if field[0] <= pixel <= field[1]]
        if seeing:
            found.add((min(one for one, _ in seeing), max(one for _, one in seeing)))
    return sorted(found)


def ceiling(
    *, size: int, scales: list[int], one_scale: bool, limit: int, plan: str, images: int, seed: int
) -> tuple[dict, dict]:
    """The share of shapes that masks find which fill the block of the network's units that see their start.

    A mask of a second derivative lies within this block, and may be smaller; it is as large where the threshold lets
    all of it through. Nothing is trained. Found is what ``detection`` calls right: intersection over union of the boxes
    of at least a half. Values: ``shapes``, how many; ``sees`` and ``apart``
    (:func:`advutils.models.field_of_view`) and ``together``, the side of the block of as many units as see every
    pixel; ``centred``, the share of shapes that a square of that side finds if it is centred on the shape's box,
    ``alone``, the same for a square of what one unit sees; ``placed``, the share for which there is a pixel in the
    shape's box whose block, where the network has it, finds the shape. Arrays: the three by shape, in bits, and
    ``area``, pixels of each shape's box.
    """
    sees, apart = models.field_of_view(size, plan)
    together = sees + apart * max(sees // apart - 1, 0)
    fields = models.fields(size, plan)
    rng = np.random.default_rng([3_000_000, seed])
    counts = shapes.pair_counts(images, limit=limit, kinds=2, rng=rng)
    found: dict[str, list[bool]] = {"centred": [], "alone": [], "placed": []}
    areas = []
    for part in np.split(counts, range(DRAWN, images, DRAWN)):
        drawn = shapes.draw(part, size=size, scales=tuple(scales), one_scale=one_scale, rng=rng)
        for outline in (polygon for polygons in drawn.polygons for polygon in polygons):
            low, high = (np.floor(edge + 0.5).astype(int) for edge in (outline.min(0), outline.max(0)))
            box = (*low.tolist(), *high.tolist())
            columns, rows = (blocks(fields, first, last) for first, last in zip(low, high, strict=True))
            found["centred"].append(centred(box, together) >= 0.5)
            found["alone"].append(centred(box, sees) >= 0.5)
            found["placed"].append(
                any(localisation.overlap((x[0], y[0], x[1], y[1]), box) >= 0.5 for x, y in product(columns, rows))
            )
            areas.append(int(np.prod(high - low + 1)))
    return {
        "shapes": len(areas),
        "sees": sees,
        "apart": apart,
        "together": together,
        **{name: float(np.mean(each)) for name, each in found.items()},
    }, {"area": np.array(areas, dtype=np.int32), **{name: np.packbits(each) for name, each in found.items()}}


def centred(box: tuple[int, int, int, int], side: int) -> float:
    """Intersection over union of a box of pixels and a square of ``side`` pixels about its middle, as areas."""
    width, height = box[2] - box[0] + 1, box[3] - box[1] + 1
    both = min(width, side) * min(height, side)
    return both / (width * height + side**2 - both)
