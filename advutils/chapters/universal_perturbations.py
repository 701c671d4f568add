"""Measurements of the chapter on Kuehne and Toedtli 2020: universal perturbations, how they transfer and combine."""
from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from advutils import data, files, models, norms, photographs, runtime, training, universal
from advutils.chapters.smooth_adversarial import ADAM, frozen, resized
from advutils.codehash import code_hash

SIDES = {"nips2017": (256, 224), "photographs": (48, 44)}  # pixels a side of the frames, and of the crops in them
SPLIT_SEED = 1000


def network(name: str) -> nn.Sequential:
    """A network for natural images by name; "photographs-0" and so on are small ones, trained here in seconds."""
    if not name.startswith("photographs-"):
        return frozen(models.pretrained(name).to(runtime.device()))
    seed = int(name.removeprefix("photographs-"))
    images, labels = (part.to(runtime.device()) for part in photographs.crops(split="train"))
    with runtime.seeded(seed):
        model = models.resnet8(channels=3, classes=len(photographs.NAMES)).to(images.device)
    training.train(model, images, labels, objective=_loss, epochs=6, seed=seed, schedule=ADAM, optimizer="adam",
                   batch_size=128, checkpoint=_cached("photographs", seed, training.train, models.resnet8))
    return frozen(model.eval())


def _loss(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    return nn.functional.cross_entropy(model(x), y)


def _cached(name: str, spec, *code):
    """The file of something that is made once: its name holds what it was made from."""
    made_from = repr([spec, [code_hash(part) for part in code], torch.get_num_threads()])
    return runtime.cache_root() / "checkpoints" / f"{name}-{files.sha256(made_from.encode())[:16]}.pt"


def frames(*, data: str, split: int, training: int) -> tuple[Tensor, Tensor]:
    """Training and held-out images (N, 3, F, F), in 8 bits: split number ``split`` of all images there are."""
    images = _images(data)
    order = torch.randperm(len(images), generator=runtime.generator(SPLIT_SEED + split))
    if not 0 < training < len(images):
        raise ValueError(f"training must lie in (0, {len(images)}), got {training}")
    return images[order[:training]], images[order[training:]]


def _images(name: str) -> Tensor:
    if name == "photographs":
        return torch.cat([photographs.crops(split=split)[0] for split in ("train", "test")]).to(runtime.device())
    return resized(data.load(name, split="test")[0], SIDES[name][0]).to(runtime.device())


def centre(images: Tensor, side: int) -> Tensor:
    """The middle (N, 3, side, side) of frames (N, 3, F, F)."""
    corner = (images.shape[-1] - side) // 2
    return images[:, :, corner:corner + side, corner:corner + side]


def random_crops(images: Tensor, generator: torch.Generator, *, side: int) -> Tensor:
    """From each frame (N, 3, F, F) a window of ``side`` pixels at a random place, mirrored or not."""
    places = torch.randint(0, images.shape[-1] - side + 1, (len(images), 2), generator=generator).tolist()
    mirrored = torch.rand(len(images), generator=generator) < 0.5
    crops = torch.stack([image[:, top:top + side, left:left + side]
                         for image, (top, left) in zip(images, places, strict=True)])
    return torch.where(mirrored.to(images.device)[:, None, None, None], crops.flip(-1), crops)


def perturbation(
    *, data: str, networks: list[str], split: int, training: int, augment: bool, passes: int, schedule: str = "each",
    num_classes: int = 10, eps: float = 10 / 255, p: float = norms.INF, batch_size: int = 1, seed: int = 0,
    after: dict | None = None,
) -> universal.Universal:
    """A universal perturbation of ``networks`` from split number ``split``; made once, and then read from the cache.

    Fooling rates "training" and "held out" of the centre crops after each pass. ``after``: the arguments of the
    perturbation to start from (default: 0).
    """
    spec = dict(locals())
    side = SIDES[data][1]
    inside, outside = frames(data=data, split=split, training=training)
    return universal.universal_perturbation(
        [network(name) for name in networks], inside if augment else centre(inside, side), eps=eps,
        p=norms.check_p(p), passes=passes, schedule=schedule, num_classes=num_classes, batch_size=batch_size,
        draw=partial(random_crops, side=side) if augment else None,
        watched={"training": centre(inside, side), "held out": centre(outside, side)},
        start=perturbation(**after).perturbation if after else None,
        generator=runtime.generator(seed + 100 * split), checkpoint=_cached(
            "universal", sorted(spec.items()), universal.universal_perturbation, frames, random_crops))


def rates(v: Tensor, *, data: str, split: int, training: int, targets: list[str]) -> list[float]:
    """Fooling rate of each of ``targets`` on the held-out images of a split."""
    outside = centre(frames(data=data, split=split, training=training)[1], SIDES[data][1])
    return [universal.fooling_rate(network(name), outside, v) for name in targets]


def fooling(*, targets: list[str], **spec) -> tuple[dict, dict]:
    """A universal perturbation (arguments of :func:`perturbation`) and whom it fools: Tables 1 and 2.

    Values: ``history``, ``rates`` (of ``targets``, held-out images, last pass), and of the perturbation ``saturated``
    (share of entries at the bound), ``mean`` (of its absolute values) and ``l2``, in units of 1/255. Array:
    ``perturbation`` (3, H, W), in 8 bits, 0 for -eps and 255 for eps.
    """
    made = perturbation(**spec)
    v, eps = made.perturbation, spec.get("eps", 10 / 255)
    where = {name: spec[name] for name in ("data", "split", "training")}
    values = {"history": made.history, "rates": rates(v, targets=targets, **where),
              "saturated": (v.abs() >= 0.9999 * v.abs().max()).double().mean().item(),
              "mean": 255 * v.abs().mean().item(), "l2": 255 * v.norm().item()}
    largest = v.abs().max() if norms.check_p(spec.get("p", norms.INF)) == 2 else eps
    return values, {"perturbation": ((v / largest + 1) * 127.5).round().byte().cpu().numpy()}


def interpolated(*, first: dict, second: dict, shares: list[float], targets: list[str], rescaled: bool) -> dict:
    """Rates of lam v_f + (1 - lam) v_g for the lam of ``shares`` (Eq. 1), v_f and v_g made by ``first`` and ``second``.

    ``rescaled``: scaled to the largest entry of v_f. Value ``rates``: by lam and target, on the held-out images.
    """
    v_f, v_g = (perturbation(**spec).perturbation for spec in (first, second))
    where = {name: first[name] for name in ("data", "split", "training")}
    found = []
    for lam in shares:
        v = universal.interpolate(v_f, v_g, lam)
        found.append(rates(v * (v_f.abs().max() / v.abs().max()) if rescaled else v, targets=targets, **where))
    return {"rates": found}
