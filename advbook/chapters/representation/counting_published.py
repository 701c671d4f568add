"""The maps that Cutilli 2021 publishes (Figures 2.3 and 2.4), by the rules that our own networks are judged by."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import shapely
import torch
from scipy import ndimage, spatial

from advbook.chapters.representation.counting import NEAR, PLACES, REGIONS, placed
from advutils.datasets import figures, shapes
from advutils.explanation import localisation

FIXED_AT = 128  # pixels a side of the pictures that the bands of NEAR were fixed for
ROOT = 10  # a published map is the tenth root of the saliency over its largest, in 8 bits
ERODED = 3  # pixels that part two shapes which touch in the picture


def near(size: int) -> dict[str, float]:
    """The bands of ``NEAR``, in pixels, in proportion to pictures of ``size`` pixels a side."""
    return {name: band * size / FIXED_AT for name, band in NEAR.items()}


def outlines(blue: np.ndarray) -> list[np.ndarray]:
    """The corners (3 or 4, 2), x before y, of each triangle and square in a picture (S, S) of truth values.

    A shape is a connected part; parts that hang together by a few pixels are told apart by eroding them. Its corners
    are those of the largest triangle with corners of its convex hull (of a square that has half of the area), or of the
    largest quadrilateral where that triangle leaves more than a quarter. Pixels are points, so an outline is half a
    pixel too small on each side.
    """
    square, found = np.ones((3, 3)), []
    parts, count = ndimage.label(blue, square)
    for part in (parts == number for number in range(1, count + 1)):
        cores, hold = ndimage.label(ndimage.binary_erosion(part, square, iterations=ERODED), square)
        if hold > 1:
            nearest = ndimage.distance_transform_edt(cores == 0, return_distances=False, return_indices=True)
            cores = cores[tuple(nearest)]
        shape = [part & (cores == core) for core in range(1, hold + 1)] if hold > 1 else [part]
        found += [_corners(np.argwhere(one)[:, ::-1].astype(float)) for one in shape]
    return found


def _corners(points: np.ndarray) -> np.ndarray:
    hull = spatial.ConvexHull(points)
    ring = points[hull.vertices]

    def largest(corners: int) -> tuple[float, np.ndarray]:
        chosen = ring[np.array(list(combinations(range(len(ring)), corners)))]  # in the order of the ring
        x, y = chosen[..., 0], chosen[..., 1]
        areas = abs((x * np.roll(y, -1, 1) - y * np.roll(x, -1, 1)).sum(1)) / 2
        return areas.max(), chosen[areas.argmax()]

    area, triangle = largest(3)
    return triangle if area > 0.75 * hull.volume else largest(4)[1]


def zones(polygons: list[np.ndarray], size: int) -> tuple[np.ndarray, np.ndarray]:
    """As :func:`~advbook.chapters.representation.counting.regions`, with the bands of :func:`near`: numbers in
    ``REGIONS``, (size, size); and which pixels are within the band of an edge, those near a corner among them."""
    bands, points = near(size), _points(size)
    shape = [shapely.Polygon(polygon) for polygon in polygons]
    inside, edges = shapely.union_all(shape), shapely.union_all([one.exterior for one in shape])
    corners = shapely.MultiPoint(np.concatenate(polygons))
    for geometry in (inside, edges, corners):
        shapely.prepare(geometry)
    band = shapely.dwithin(edges, points, bands["edge"])
    found = np.full(points.shape, REGIONS.index("empty"))
    found[shapely.contains(inside, points)] = REGIONS.index("inside")
    found[band] = REGIONS.index("edge")
    found[shapely.dwithin(corners, points, bands["corner"])] = REGIONS.index("corner")
    return found, band


def _points(size: int) -> np.ndarray:
    return shapely.points(*np.meshgrid(np.arange(size), np.arange(size)))


def best(levels: np.ndarray, count: int) -> np.ndarray:
    """What the ``count`` largest of numbers in levels are, (levels, kinds) -> (kinds,), as shares.

    ``levels`` has how many of each kind there are at each level, the last the largest. Where the numbers of one level
    do not all belong to them, each of that level counts in part.
    """
    upper = levels.sum(1)[::-1].cumsum()[::-1]  # how many at this level and above
    taken = np.clip(count - (upper - levels.sum(1)), 0, levels.sum(1)) / np.maximum(levels.sum(1), 1)
    return (levels * taken[:, None]).sum(0) / count


def published_maps(*, data: str, image: str, tops: list[int], window: list[int]) -> tuple[dict, dict]:
    """Where the saliency of a published picture lies, and what the published masks of the loop are on.

    ``data`` is "thesis-figures" (:mod:`advutils.datasets.figures`) with ``image`` "image1" or "image2", or
    "generated": a drawn picture with an invented map, on which nothing can be learnt. Everything as in
    :func:`~advbook.chapters.representation.counting.saliency_shares` and
    :func:`~advbook.chapters.representation.counting.detection`, with bands in proportion to the picture.

    Values: ``size``; ``shapes``, how many have three and four corners; ``agree``, intersection over union of the blue
    pixels with those within the outlines that were found; ``band``; ``unseen``, how many pixels have no saliency, and
    ``extent``, the first row and column from which on there is none; ``area`` and ``share`` by region; ``top`` and
    ``outline``, by how many of the most salient pixels (``tops``): their share in each region, and within the band of
    an edge, corners or not; ``masks``: of each its ``round``, ``pixels``, ``place`` (one of ``PLACES``), ``on`` (how
    many shapes it is on), ``covered`` (the largest share of one of these; null if there is none) and ``iou`` (of its
    box with the best true one); ``most``, the largest ``covered``, and ``between``, the share of masks on two shapes
    or more. Arrays: ``levels`` (2, 256, 4), pixels outside and within the band by grey level and region, from which all
    shares follow; ``picture``, ``saliency`` and ``masks``, (W, W) and (rounds, W, W), the part of ``window`` (first
    row, first column, side), in 8 bits and truth values. Raises ``ValueError`` for other ``data``, and what
    :func:`advutils.datasets.figures.load` does.
    """
    picture, heat, masks = _read(data, image)
    size, polygons = len(picture), outlines(picture)
    found, band = zones(polygons, size)
    levels = np.stack(
        [
            np.bincount(256 * found[some] + heat[some], minlength=256 * len(REGIONS)).reshape(-1, 256).T
            for some in (~band, band)
        ]
    )
    by_region = levels.sum(0)
    saliency = by_region * (np.arange(256)[:, None] / 255.0) ** ROOT
    points, bands = _points(size), near(size)
    bodies = np.array([shapely.contains(_prepared(polygon, bands["edge"]), points) for polygon in polygons])
    rows = [_told(mask, number, bodies, polygons) for number, mask in masks.items()]
    covered = [row["covered"] for row in rows if row["covered"] is not None]
    within = np.any([shapely.contains(_prepared(polygon, 0.5), points) for polygon in polygons], axis=0)
    top, left, side = window
    part = slice(top, top + side), slice(left, left + side)
    values = {
        "size": size,
        "shapes": {str(n): sum(len(polygon) == n for polygon in polygons) for n in (3, 4)},
        "agree": float((within & picture).sum() / (within | picture).sum()),
        "band": bands,
        "unseen": int(by_region[0].sum()),
        "extent": [int(heat.any(axis).nonzero()[0].max()) + 1 for axis in (1, 0)],  # type: ignore[misc]
        "area": _named(by_region.sum(0) / size**2),
        "share": _named(saliency.sum(0) / saliency.sum()),
        "top": {str(count): _named(best(by_region, count)) for count in tops},
        "outline": {str(count): float(best(levels.sum(2).T, count)[1]) for count in tops},
        "masks": rows,
        "most": max(covered, default=None),
        "between": sum(row["on"] > 1 for row in rows) / len(rows),
    }
    return values, {
        "levels": levels.astype(np.int32),
        "picture": picture[part],
        "saliency": heat[part],
        "masks": np.stack([mask[part] for mask in masks.values()]),
    }


def _named(numbers: np.ndarray) -> dict[str, float]:
    return dict(zip(REGIONS, numbers.tolist(), strict=True))


def _prepared(polygon: np.ndarray, wider: float) -> shapely.Polygon:
    body = shapely.Polygon(polygon).buffer(wider)
    shapely.prepare(body)
    return body


def _told(mask: np.ndarray, number: int, bodies: np.ndarray, polygons: list[np.ndarray]) -> dict:
    """What one mask (S, S), of round ``number``, is on."""
    where, covered = placed(mask[None], bodies)
    return {
        "round": number,
        "pixels": int(mask.sum()),
        "place": PLACES[where[0]],
        "on": len(covered),
        "covered": max(covered.tolist(), default=None),
        "iou": float(localisation.matched([torch.from_numpy(mask)], polygons)[0]),
    }


def _read(data: str, image: str) -> tuple[np.ndarray, np.ndarray, dict[int, np.ndarray]]:
    """A picture of truth values (S, S), its map in 8 bits (S, S), and masks (S, S) by round."""
    if data == figures.NAME:
        folder = f"limited-scale/{image}"
        return (
            figures.load(f"{folder}/picture.png")[..., 2] > 0,
            figures.load(f"{folder}/saliency.png"),
            {number: figures.load(f"{folder}/mask-{number}.png") for number in figures.ROUNDS[image]},
        )
    if data != "generated":
        raise ValueError(f"data must be {figures.NAME} or generated, got {data!r}")
    drawn = shapes.draw(np.array([[1, 2]]), size=256, scales=(50, 50), one_scale=True, rng=np.random.default_rng(0))
    picture = drawn.images[0, 2].numpy() > 0
    found, band = zones(drawn.polygons[0], 256)
    heat = np.where(band, 200 + found, 120).astype(np.uint8)  # edges brightest, 1 more at corners, 2 inside, 3 beyond
    heat[-3:] = heat[:, -3:] = 0
    return picture, heat, {1: shapely.contains(shapely.Polygon(drawn.polygons[0][0]), _points(256))}
