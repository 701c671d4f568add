"""Measurements of the chapter on Cutilli 2021, Section 2.2: networks that count shapes, and what they look at."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import shapely
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from advbook import networks
from advutils import layers, models, training
from advutils.core import runtime
from advutils.datasets import shapes
from advutils.explanation import attribution, localisation

REGIONS = ("edge", "corner", "inside", "empty")
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
LOOSEN = 3.0 / (17 * 20 / 18)  # the thesis has 3 for up to 17 shapes; counts up to n have variance n (n + 3) / 18
NEAR = {"edge": 1.5, "corner": 3.0}  # pixels from an outline, and from one of its corners


@dataclass(frozen=True)
class Thirds(training.Schedule):
    """A tenth of the learning rate after each third of the minibatches."""

    total: int = 1

    def rate(self, step: int) -> float:
        """Learning rate of minibatch ``step``, counted from 0."""
        return self.lr * 0.1 ** min(3 * step // self.total, 2)


def untrained(
    *, size: int, limit: int, plan: str, width: float, activation: str, renormalised: bool, seed: int
) -> nn.Sequential:
    """An untrained network that counts two kinds, and answers the mean number of each for an empty picture."""
    with runtime.seeded(seed):
        model = models.counter(size=size, plan=plan, width=width, activation=activation, renormalised=renormalised)
    with torch.no_grad(), runtime.evaluating(model):
        # activations that are never zero add up to any number: start from what the network says of an empty picture
        answer = model[:-1](torch.zeros(1, 3, size, size))[0]
        model[-2].bias.add_(limit / 3 - answer)
    return model.to(runtime.device(), memory_format=torch.channels_last)  # half the time on a CPU


def trained(**spec) -> tuple[nn.Module, training.History]:
    """The network of :func:`train_counter` and its history; kept, so that a second call only loads it."""
    model, history = networks.kept(train_counter, spec)
    return model.eval(), history


def train_counter(
    *,
    checkpoint: Path,
    size: int,
    scales: list[int],
    one_scale: bool,
    limit: int,
    plan: str,
    width: float,
    activation: str,
    renormalised: bool,
    images: int,
    epochs: int,
    batch_size: int,
    lr: float,
    precision: str,
    seed: int,
) -> tuple[nn.Module, training.History]:
    """Train a counting network on pictures that are drawn on the way.

    The loss is the squared error, mean over pictures and kinds, without the last rectifier (which learns nothing where
    it is 0, and counts are not negative); Adam, whose learning rate falls to a tenth after each third. Batch
    renormalisation is loosened when a loss is below ``LOOSEN`` times the variance of a count, then every fifth of the
    training. With ``precision`` "bfloat16" the convolutions, and nothing else, compute in that type while
    training (:func:`convolved`); the network is judged in float32.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
    model = untrained(
        size=size, limit=limit, plan=plan, width=width, activation=activation, renormalised=renormalised, seed=seed
    )
    stream = shapes.Stream(images, limit=limit, seed=seed, size=size, scales=tuple(scales), one_scale=one_scale)
    steps = -(-images // batch_size) * epochs
    linear = model[:-1]
    loosen = layers.Loosening(model, start=LOOSEN * limit * (limit + 3) / 18, wait=steps // 5)

    def loss(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        found = F.mse_loss(convolved(linear, x, PRECISIONS[precision]), y)
        loosen(found.item())
        return found

    history = training.train(
        model,
        stream,
        stream.labels.to(runtime.device()),
        objective=loss,
        epochs=epochs,
        seed=seed,
        batch_size=batch_size,
        schedule=Thirds(lr=lr, total=steps),
        optimizer="adam",
        checkpoint=checkpoint,
    )
    return model, history


def convolved(model: nn.Sequential, x: Tensor, dtype: torch.dtype) -> Tensor:
    """``model(x)`` in float32, (N, 3, S, S) -> (N, kinds), but with convolutions that multiply in ``dtype``."""
    x = x.contiguous(memory_format=torch.channels_last)
    for layer in model:
        low = dtype != torch.float32 and isinstance(layer, nn.Conv2d)
        with torch.autocast(x.device.type, dtype, enabled=low):
            x = layer(x).float()
    return x


def pictures(
    *,
    size: int,
    scales: list[int],
    one_scale: bool,
    limit: int,
    images: int,
    seed: int,
    kinds: tuple[str, ...] = ("triangle", "square"),
) -> shapes.Pictures:
    """Pictures to judge on; their seeds are apart from those of training."""
    rng = np.random.default_rng([1_000_000, seed])
    counts = shapes.pair_counts(images, limit=limit, kinds=len(kinds), rng=rng)
    return shapes.draw(counts, size=size, scales=tuple(scales), one_scale=one_scale, rng=rng, kinds=kinds)


@torch.no_grad()
def counts_of(model: nn.Module, images: Tensor) -> Tensor:
    """What the network counts, (N, 3, S, S) -> (N, kinds)."""
    with runtime.evaluating(model):
        return torch.cat([model(part.to(runtime.device())) for part in images.split(200)]).cpu()


def counting_network(*, spec: dict, images: int, others: dict[str, dict]) -> tuple[dict, dict]:
    """One counting network (``spec``: arguments of :func:`trained`) and how well it counts.

    On ``images`` pictures like those of training, and for each of ``others`` on pictures with these changes
    (``scales``, ``one_scale``, ``kinds``: other kinds are counted in total). Values, by the name of the test ("same"
    and the others): ``mae`` (mean absolute error, by kind; of the total for other kinds), ``exact`` (share of pictures
    with all numbers right after rounding; the total's for other kinds), ``total_mae``, ``slope`` (of the estimated on
    the true total, least squares), and ``area_mae`` and ``area_slope``, the same of a rival that looks at nothing but
    the blue area (a straight line, fitted on "same"); ``by_total``: of "same", mean absolute error of the total and
    exact share by true total, and how many pictures. Arrays: ``truth`` and ``estimate`` (totals, "same"), ``loss`` by
    epoch.
    """
    model, history = trained(**spec)
    base = dict(
        size=spec["size"],
        scales=spec["scales"],
        one_scale=spec["one_scale"],
        limit=spec["limit"],
        images=images,
        seed=spec["seed"],
    )
    values: dict = {}
    arrays: dict = {"loss": history.loss}
    for name, changes in {"same": {}, **others}.items():
        drawn = pictures(**{**base, **changes})
        area = drawn.images.sum((1, 2, 3)).numpy()
        estimate, truth = counts_of(model, drawn.images), drawn.counts
        if truth.shape != estimate.shape or "kinds" in changes:
            estimate, truth = estimate.sum(1, keepdim=True), truth.sum(1, keepdim=True)
        totals = truth.sum(1), estimate.sum(1)
        if name == "same":
            by_area = np.polynomial.Polynomial.fit(area, totals[0].numpy(), 1)
        rival = torch.from_numpy(by_area(area))
        values[name] = {
            "mae": (estimate - truth).abs().mean(0).tolist(),
            "exact": (estimate.round() == truth).all(1).double().mean().item(),
            "total_mae": (totals[1] - totals[0]).abs().mean().item(),
            "slope": _slope(*totals),
            "area_mae": (rival - totals[0]).abs().mean().item(),
            "area_slope": _slope(totals[0], rival),
        }
        if name == "same":
            arrays |= {"truth": totals[0].numpy(), "estimate": totals[1].numpy()}
            right = (estimate.round() == truth).all(1)
            chosen = [totals[0] == total for total in range(spec["limit"] + 1)]
            values["by_total"] = {
                "mae": [(totals[1] - totals[0]).abs()[some].mean().item() if some.any() else None for some in chosen],
                "exact": [right[some].double().mean().item() if some.any() else None for some in chosen],
                "count": [int(some.sum()) for some in chosen],
            }
    return values, arrays


def _slope(truth: Tensor, estimate: Tensor) -> float:
    centred = truth - truth.mean()
    return ((centred * estimate).sum() / centred.square().sum()).item()


def regions(polygons: list[np.ndarray], size: int) -> np.ndarray:
    """The number in ``REGIONS`` of each pixel (size, size): near a corner, else near an edge, else inside or empty."""
    columns, rows = np.meshgrid(np.arange(size), np.arange(size))
    points = shapely.points(columns.ravel(), rows.ravel())
    found = np.full(size * size, REGIONS.index("empty"))
    if polygons:
        outlines = [shapely.Polygon(polygon) for polygon in polygons]
        found[shapely.contains(shapely.union_all(outlines), points)] = REGIONS.index("inside")
        edges = shapely.union_all([outline.exterior for outline in outlines])
        found[shapely.distance(edges, points) <= NEAR["edge"]] = REGIONS.index("edge")
        corners = shapely.MultiPoint(np.concatenate(polygons))
        found[shapely.distance(corners, points) <= NEAR["corner"]] = REGIONS.index("corner")
    return found.reshape(size, size)


def saliency_shares(*, spec: dict, images: int) -> tuple[dict, dict]:
    """Where the saliency of the total lies: on edges, on corners, inside, in empty space (Figures 2.3, 2.5 to 2.7).

    On pictures like those of training that have shapes. Values: ``share`` of each of ``REGIONS`` in the sum of the
    saliency of a picture, mean over pictures; ``area``, its share of the pixels; ``top``: the same of the hundred most
    salient pixels; ``flat``: share of pictures whose saliency is 0 everywhere. Arrays: the first two pictures and their
    saliency, in 8 bits, ``picture`` and ``saliency`` (2, S, S), the tenth root of it as the thesis shows it.
    """
    model, _ = trained(**spec)
    drawn = pictures(
        size=spec["size"],
        scales=spec["scales"],
        one_scale=spec["one_scale"],
        limit=spec["limit"],
        images=2 * images,
        seed=spec["seed"],
    )
    chosen = [n for n, polygons in enumerate(drawn.polygons) if polygons][:images]
    maps = torch.cat(
        [
            attribution.first_order_saliency(model, part.to(runtime.device())).cpu()
            for part in drawn.images[chosen].split(50)
        ]
    )
    found: dict[str, list] = {"share": [], "area": [], "top": []}
    for heat, n in zip(maps, chosen, strict=True):
        where = torch.from_numpy(regions(drawn.polygons[n], spec["size"])).flatten()
        heat = heat.flatten()
        best = heat.topk(100).indices
        found["area"].append([(where == k).double().mean() for k in range(len(REGIONS))])
        if heat.sum() > 0:
            found["share"].append([heat[where == k].sum().double() / heat.sum() for k in range(len(REGIONS))])
            found["top"].append([(where[best] == k).double().mean() for k in range(len(REGIONS))])
    values = {
        name: dict(zip(REGIONS, torch.tensor(rows).mean(0).tolist(), strict=True)) if rows else None
        for name, rows in found.items()
    }
    shown = maps[:2] / maps[:2].amax((1, 2), keepdim=True).clamp(min=1e-30)
    return values | {"flat": 1 - len(found["share"]) / len(chosen)}, {
        "picture": (255 * drawn.images[chosen[:2], 2]).byte().numpy(),
        "saliency": (255 * shown**0.1).byte().numpy(),
    }


# -- Section 2.2.2 -------------------------------------------------------------------------------------------------


def one_less(outputs: Tensor) -> Tensor:
    """A loss whose descent counts one shape less: (f - (n - 1))^2 / 2 with n the rounded count f of each picture."""
    counted = attribution.total(outputs)
    return 0.5 * (counted - (counted.detach().round() - 1)).square()


def triangles(outputs: Tensor) -> Tensor:
    """The number of triangles alone, (N, K) -> (N,)."""
    return outputs[:, 0]


_otsu = partial(localisation.detect, threshold="otsu")
METHODS = {  # the loop of Section 2.2.2, changes of it, and the baseline: masks of (model, picture)
    "the thesis' number": localisation.detect,
    "by hand": localisation.detect,  # with the threshold of by_hand
    "Otsu's threshold": _otsu,
    "low starts": partial(_otsu, candidates="low"),
    "medium starts": partial(_otsu, candidates="medium"),
    "triangles alone": partial(_otsu, of=triangles, counted=triangles),
    "one less": partial(_otsu, of=one_less),
    "components": localisation.components,
    "components, counted": partial(localisation.components, counted=True),
}
PLACES = ("derailed", "partial", "between", "whole")  # a mask is on no shape, on less than half of one, on two, on one


def by_hand(model: nn.Module, drawn: shapes.Pictures) -> tuple[float, float]:
    """A fixed threshold as a person would choose it, and the largest second derivative that it is chosen from.

    Fourteen are tried, a factor of sqrt(10) apart, the first the largest second derivative of a first round (median
    over the pictures ``drawn``): the one whose boxes overlap the true ones most there. Infinite if that is 0.
    """
    images = drawn.images.to(runtime.device())

    def largest(image: Tensor) -> float:
        place = attribution.first_order_saliency(model, image[None])[0].argmax()
        seed = torch.stack([place // image.shape[2], place % image.shape[2]])
        return attribution.second_order_saliency(model, image, seed[None])[0].max().item()

    def overlap(level: float) -> float:
        return sum(
            localisation.matched(localisation.detect(model, image, threshold=level), polygons).sum()
            for image, polygons in zip(images, drawn.polygons, strict=True)
        )

    top = float(np.median([largest(image) for image in images]))
    return (max(top * 10 ** (-0.5 * np.arange(14)), key=overlap) if top else np.inf), top


def placed(masks: np.ndarray, bodies: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where masks (M, H, W) lie among shapes (B, H, W): numbers in ``PLACES`` (M,), and what of each shape is covered.

    A mask is on a shape if a tenth of the mask or of the shape is common to both. The second result has, for each
    shape that a mask is on, the largest share of its pixels that one of these masks has.
    """
    common = np.tensordot(masks.astype(float), bodies.astype(float), ((1, 2), (1, 2)))
    sizes, areas = masks.sum((1, 2)), bodies.sum((1, 2))
    on = (common > 0) & ((common >= 0.1 * sizes[:, None]) | (common >= 0.1 * areas))
    covered = np.where(on, common / areas, 0)
    where = np.select([on.sum(1) == 0, on.sum(1) > 1, covered.max(1, initial=0) < 0.5], [0, 2, 1], 3)
    return where, covered.max(0, initial=0)[on.any(0)]


def detection(*, spec: dict, method: str, images: int) -> tuple[dict, dict]:
    """How well a way to find shapes finds them, on pictures like those of training.

    A found box is right if its intersection over union with a true one, matched one to one, is at least a half; for
    "triangles alone" only triangles are shapes. Values: ``precision``, ``recall`` (over all pictures), ``found``,
    ``true`` (numbers of boxes), ``iou`` (mean over true shapes, 0 for those that were missed), ``coverage`` (mean over
    the shapes that a mask is on of what the best of these masks covers; null if there is none) and ``most`` (the ninth
    decile), ``empty`` (share of selected pixels that are on no shape), the shares of masks in each of ``PLACES``
    (:func:`placed`), ``moved`` (``empty`` and these shares of the same masks, each moved to a random place, round the
    borders), ``size`` (median number of pixels of a mask; null if there is none), and for "by hand", whose threshold
    is chosen on other pictures (:func:`by_hand`), that ``threshold`` (null if infinite) and the ``largest`` second
    derivative. Arrays: ``right`` and ``boxes``, by picture; ``round``, ``pixels`` and ``place``, by mask.
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    model, _ = trained(**spec)
    seen = dict(size=spec["size"], scales=spec["scales"], one_scale=spec["one_scale"], limit=spec["limit"])
    drawn = pictures(**seen, images=images, seed=spec["seed"])
    find, extra = METHODS[method], {}
    if method == "by hand":
        level, largest = by_hand(model, pictures(**seen, images=20, seed=spec["seed"] + 1_000_000))
        find, extra = (
            partial(find, threshold=level),  # type: ignore[misc]
            {"threshold": level if np.isfinite(level) else None, "largest": largest},
        )
    rng = np.random.default_rng([2_000_000, spec["seed"]])
    points = shapely.points(*np.meshgrid(np.arange(spec["size"]), np.arange(spec["size"])))
    true, right, boxes, ious, coverage, rounds, pixels, places, elsewhere = 0, [], [], 0.0, [], [], [], [], []
    off, off_elsewhere = 0, 0
    for picture, polygons, of_kind in zip(drawn.images, drawn.polygons, drawn.kinds, strict=True):
        if method == "triangles alone":
            polygons = [polygon for polygon, kind in zip(polygons, of_kind, strict=True) if kind == 0]
        found = find(model, picture.to(runtime.device()))
        scores = localisation.matched(found, polygons)
        masks = np.array([mask.cpu().numpy() for mask in found], dtype=bool).reshape(-1, *points.shape)
        bodies = np.array(
            [shapely.contains(shapely.Polygon(polygon).buffer(NEAR["edge"]), points) for polygon in polygons],
            dtype=bool,
        ).reshape(-1, *points.shape)
        moved = masks.copy()
        for mask in moved:
            mask[:] = np.roll(mask, rng.integers(0, spec["size"], 2), (0, 1))
        where, covered = placed(masks, bodies)
        anywhere = bodies.any(0)
        right.append(int((scores >= 0.5).sum()))
        boxes.append(len(masks))
        true += len(polygons)
        ious += scores.sum()
        coverage += covered.tolist()
        rounds += range(1, len(masks) + 1)
        pixels += masks.sum((1, 2)).tolist()
        places += where.tolist()
        elsewhere += placed(moved, bodies)[0].tolist()
        off += int((masks & ~anywhere).sum())
        off_elsewhere += int((moved & ~anywhere).sum())

    def shares(numbers: list[int]) -> dict[str, float]:
        return {name: numbers.count(k) / max(len(numbers), 1) for k, name in enumerate(PLACES)}

    return {
        "precision": sum(right) / max(sum(boxes), 1),
        "recall": sum(right) / true,
        "found": sum(boxes),
        "true": true,
        "iou": float(ious) / true,
        "empty": off / max(sum(pixels), 1),
        "coverage": float(np.mean(coverage)) if coverage else None,
        "most": float(np.quantile(coverage, 0.9)) if coverage else None,
        "size": float(np.median(pixels)) if pixels else None,
        **shares(places),
        "moved": {"empty": off_elsewhere / max(sum(pixels), 1), **shares(elsewhere)},
        **extra,
    }, {
        "right": np.array(right),
        "boxes": np.array(boxes),
        "round": np.array(rounds, dtype=np.int16),
        "pixels": np.array(pixels, dtype=np.int32),
        "place": np.array(places, dtype=np.int8),
    }


def first_rounds(*, spec: dict, rounds: int, images: int) -> tuple[dict, dict]:
    """What the loop with Otsu's threshold selects in its first ``rounds`` rounds (Figure 2.4).

    On the one of the first ``images`` pictures of :func:`detection` that has most shapes. Values: ``true`` and
    ``counted`` shapes. Arrays: ``picture`` and ``saliency`` (S, S), in 8 bits, the tenth root of it, and ``masks``
    (rounds or fewer, S, S).
    """
    model, _ = trained(**spec)
    drawn = pictures(
        size=spec["size"],
        scales=spec["scales"],
        one_scale=spec["one_scale"],
        limit=spec["limit"],
        images=images,
        seed=spec["seed"],
    )
    n = int(drawn.counts.sum(1).argmax())
    image = drawn.images[n].to(runtime.device())
    heat = attribution.first_order_saliency(model, image[None])[0]
    masks = localisation.detect(model, image, threshold="otsu")
    shown = torch.stack([torch.zeros_like(heat, dtype=torch.bool), *masks])[1 : rounds + 1]
    return {"true": int(drawn.counts[n].sum()), "counted": len(masks)}, {
        "picture": (255 * drawn.images[n, 2]).byte().numpy(),
        "masks": shown.cpu().numpy(),
        "saliency": (255 * (heat / heat.max().clamp(min=1e-30)) ** 0.1).byte().cpu().numpy(),
    }
