"""Measurements of the chapter on Kuehne and Toedtli 2020: universal perturbations, how they transfer and combine."""

from __future__ import annotations

from functools import lru_cache, partial
from pathlib import Path

import torch
from torch import Tensor, nn

from advbook import networks as store
from advbook.chapters.shared import ADAM, frozen, resized
from advutils import datasets, models, training
from advutils.attacks import universal
from advutils.core import runtime
from advutils.datasets import folder, photographs
from advutils.models.pretrained import FETCHED, FILES

HELD_OUT = 10_000  # images of a folder of one's own that perturbations are judged on
SPLIT_SEED = 1000
METHODS = {"deepfool": universal.universal_perturbation, "ascent": universal.universal_ascent}


def network(name: str) -> nn.Sequential:
    """A network for natural images by name; "photographs-0" and so on are small ones, trained here in seconds.

    Others are those of :func:`advutils.models.pretrained`, and those of torchvision (:func:`advutils.models.zoo`).
    """
    if not name.startswith("photographs-"):
        stored = name in FILES or name in FETCHED
        return frozen((models.pretrained if stored else models.zoo)(name).to(runtime.device()))
    return frozen(store.kept(train_photograph_net, dict(seed=int(name.removeprefix("photographs-"))))[0].eval())


def train_photograph_net(*, checkpoint: Path, seed: int) -> tuple[nn.Module, training.History]:
    """Train a small network that tells scikit-image's photographs apart by their crops."""
    images, labels = (part.to(runtime.device()) for part in photographs.crops(split="train"))
    with runtime.seeded(seed):
        model = models.resnet8(channels=3, classes=len(photographs.NAMES)).to(images.device)
    return model, training.train(
        model,
        images,
        labels,
        objective=_loss,
        epochs=6,
        seed=seed,
        schedule=ADAM,
        optimizer="adam",
        batch_size=128,
        checkpoint=checkpoint,
    )


def _loss(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    return nn.functional.cross_entropy(model(x), y)


def sides(data: str) -> tuple[int, int]:
    """Pixels a side of the frames of a data set, and of the windows that are cut out of them."""
    return (48, 44) if data == "photographs" else (256, 224)


def frames(*, data: str, split: int, training: int) -> tuple[Tensor, Tensor]:
    """Training and held-out images (N, 3, F, F), in 8 bits: split number ``split`` of all images there are.

    ``data`` is "nips2017", "photographs" or a folder with ``train`` and ``val`` in it, as ImageNet's; of the latter
    10,000 images are held out.
    """
    generator = runtime.generator(SPLIT_SEED + split)
    if data not in ("nips2017", "photographs"):
        return tuple(  # type: ignore[return-value]
            folder.images(Path(data) / part, count=count, side=sides(data)[0], generator=generator).to(runtime.device())
            for part, count in (("train", training), ("val", HELD_OUT))
        )
    images = _images(data)
    order = torch.randperm(len(images), generator=generator)
    if not 0 < training < len(images):
        raise ValueError(f"training must lie in (0, {len(images)}), got {training}")
    return images[order[:training]], images[order[training:]]


def _images(name: str) -> Tensor:
    if name == "photographs":
        return torch.cat([photographs.crops(split=split)[0] for split in ("train", "test")]).to(runtime.device())
    return resized(datasets.load(name, split="test")[0], sides(name)[0]).to(runtime.device())


def centre(images: Tensor, side: int) -> Tensor:
    """The middle (N, 3, side, side) of frames (N, 3, F, F)."""
    corner = (images.shape[-1] - side) // 2
    return images[:, :, corner : corner + side, corner : corner + side]


def random_crops(images: Tensor, generator: torch.Generator, *, side: int) -> Tensor:
    """From each frame (N, 3, F, F) a window of ``side`` pixels at a random place, mirrored or not."""
    places = torch.randint(0, images.shape[-1] - side + 1, (len(images), 2), generator=generator).tolist()
    mirrored = torch.rand(len(images), generator=generator) < 0.5
    crops = torch.stack(
        [image[:, top : top + side, left : left + side] for image, (top, left) in zip(images, places, strict=True)]
    )
    return torch.where(mirrored.to(images.device)[:, None, None, None], crops.flip(-1), crops)


def perturbation(**spec) -> universal.Universal:
    """The perturbation of :func:`compute_perturbation`; made once, and then read from the cache."""
    return store.computed(compute_perturbation, spec)


def compute_perturbation(
    *,
    checkpoint: Path,
    method: str,
    data: str,
    networks: list[str],
    split: int,
    training: int,
    augment: bool,
    after: dict | None = None,
    **options,
) -> universal.Universal:
    """A universal perturbation of ``networks`` from split number ``split``.

    ``method`` is a name in ``METHODS``, ``options`` are its own. Fooling rates "training" and "held out" are those of
    centre crops, after each pass. ``after``: the arguments of the perturbation to start from (default: 0).
    """
    side = sides(data)[1]
    inside, outside = frames(data=data, split=split, training=training)
    return METHODS[method](
        [network(name) for name in networks],
        inside if augment else centre(inside, side),
        **options,
        draw=partial(random_crops, side=side) if augment else None,
        watched={"training": centre(inside, side), "held out": centre(outside, side)},
        start=perturbation(**after).perturbation if after else None,
        generator=runtime.generator(split),
        checkpoint=checkpoint,
    )


def rates(v: Tensor, *, data: str, split: int, training: int, targets: list[str]) -> list[float]:
    """Fooling rate of each of ``targets`` on the held-out images of a split."""
    where = dict(data=data, split=split, training=training)
    outside = centre(frames(**where)[1], sides(data)[1])
    return [universal.fooling_rate(network(name), outside, v, clean=_clean(name, **where)) for name in targets]


@lru_cache(maxsize=16)
def _clean(name: str, *, data: str, split: int, training: int) -> Tensor:
    """What a network says of the held-out images themselves."""
    outside = frames(data=data, split=split, training=training)[1]
    return universal.classes(network(name), centre(outside, sides(data)[1]))


def fooling(*, targets: list[str], **spec) -> tuple[dict, dict]:
    """A universal perturbation (arguments of :func:`perturbation`) and whom it fools: Tables 1 and 2.

    Values: ``history``, ``rates`` (of ``targets``, held-out images, last pass), ``best`` and ``last`` (mean held-out
    rate of the source networks in the best and in the last pass), and of the perturbation ``saturated`` (share of
    entries at the bound), ``mean`` (of its absolute values) and ``l2``, in units of 1/255. Array: ``perturbation``
    (3, H, W), in 8 bits, 0 for minus its largest absolute value and 255 for plus that.
    """
    made = perturbation(**spec)
    v = made.perturbation
    means = [sum(counts["held out"]) / len(counts["held out"]) for counts in made.history]
    where = {name: spec[name] for name in ("data", "split", "training")}
    values = {
        "history": made.history,
        "rates": rates(v, targets=targets, **where),
        "best": max(means),
        "last": means[-1],
        "saturated": (v.abs() >= 0.9999 * v.abs().max()).double().mean().item(),
        "mean": 255 * v.abs().mean().item(),
        "l2": 255 * v.norm().item(),
    }
    return values, {"perturbation": ((v / v.abs().max() + 1) * 127.5).round().byte().cpu().numpy()}


def noise(*, data: str, split: int, training: int, targets: list[str], eps: float, draws: int) -> dict:
    """How many held-out images random signs of size ``eps`` fool: ``rates``, by draw and target."""
    found = []
    for draw in range(draws):
        signs = torch.rand(3, *[sides(data)[1]] * 2, generator=runtime.generator(draw)).sub(0.5).sign()
        found.append(
            rates(eps * signs.to(runtime.device()), data=data, split=split, training=training, targets=targets)
        )
    return {"rates": found, "mean": [sum(column) / draws for column in zip(*found, strict=True)]}


def interpolated(*, first: dict, second: dict, shares: list[float], targets: list[str], rescaled: bool) -> dict:
    """Rates of lam v_f + (1 - lam) v_g for the lam of ``shares`` (Eq. (1)), made by ``first`` and ``second``.

    ``rescaled``: scaled to the largest entry of v_f. Values: ``rates``, by lam and target, on the held-out images; and
    ``gain``, the most by which any mixture strictly between the two is above each of them on its own network (the first
    two of ``targets`` must be these networks): negative, if none is a match for both.
    """
    if targets[:2] != first["networks"] + second["networks"]:
        raise ValueError(f"targets must begin with the networks of first and second, got {targets}")
    v_f, v_g = (perturbation(**spec).perturbation for spec in (first, second))
    where = {name: first[name] for name in ("data", "split", "training")}
    found = []
    for lam in shares:
        v = universal.interpolate(v_f, v_g, lam)
        found.append(rates(v * (v_f.abs().max() / v.abs().max()) if rescaled else v, targets=targets, **where))
    own_f, own_g = rates(v_f, targets=targets[:1], **where)[0], rates(v_g, targets=targets[1:2], **where)[0]
    gains = [min(f - own_f, g - own_g) for lam, (f, g, *_) in zip(shares, found, strict=True) if 0 < lam < 1]
    return {"rates": found, "gain": max(gains)}
