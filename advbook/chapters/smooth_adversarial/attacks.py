"""Measurements of the chapter on Zhang et al. 2019: its networks, its attacks and what they cost in distortion."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from advbook import networks
from advbook.chapters.shared import ADAM, frozen, resized
from advutils import attacks, datasets, evaluation, models, training
from advutils.core import norms, runtime
from advutils.datasets import photographs
from advutils.evaluation import detection, distortion
from advutils.filters.smoothing import ImageSmoother

TRAINING_EPS = 0.3  # of the fast gradient sign method in adversarial training
SMOOTHED_LABELS = 1 / 9  # targets of .9 and .1 / 9, as in the authors' code
ATTACKS = {
    "fgsm": attacks.fgsm,
    "pgd": attacks.pgd,
    "smooth_pgd": attacks.smooth_pgd,
    "carlini_wagner": attacks.carlini_wagner,
    "smooth_carlini_wagner": attacks.smooth_carlini_wagner,
}


def natural_loss(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Cross-entropy with targets .9 for the class and .1 / 9 for each other one."""
    return F.cross_entropy(model(x), y, label_smoothing=SMOOTHED_LABELS)


def adversarial_loss(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """The mean of the loss on images and on their fast gradient sign attack, which ascends on the predicted class."""
    z = model(x)
    moved = attacks.fgsm(model, x, z.argmax(1), eps=TRAINING_EPS)
    return F.cross_entropy(torch.cat([z, model(moved)]), torch.cat([y, y]), label_smoothing=SMOOTHED_LABELS)


def classifier(**spec) -> nn.Sequential:
    """The network of :func:`train_c4`; kept, so that a second call only loads it."""
    return networks.kept(train_c4, spec)[0].eval()  # type: ignore[return-value]


def train_c4(
    *, checkpoint: Path, data: str, adversarial: bool, epochs: int, seed: int
) -> tuple[nn.Sequential, training.History]:
    """Train C4 naturally or adversarially."""
    return _train(
        models.c4,
        adversarial_loss if adversarial else natural_loss,
        data,
        epochs=epochs,
        seed=seed,
        checkpoint=checkpoint,
    )


def train_photograph_net(*, checkpoint: Path, epochs: int, seed: int) -> tuple[nn.Sequential, training.History]:
    """Train a small network that tells scikit-image's photographs apart by their crops."""
    return _train(_photograph_net, natural_loss, "photographs", epochs=epochs, seed=seed, checkpoint=checkpoint)


def _train(builder, objective, data: str, *, epochs: int, seed: int, checkpoint: Path):
    images, labels = _loaded(data, "train")
    with runtime.seeded(seed):
        model = builder().to(images.device)
    return model, training.train(
        model,
        images,
        labels,
        objective=objective,
        epochs=epochs,
        seed=seed,
        schedule=ADAM,
        optimizer="adam",
        batch_size=128,
        checkpoint=checkpoint,
    )


def _loaded(name: str, split: str) -> tuple[Tensor, Tensor]:
    images, labels = photographs.crops(split=split) if name == "photographs" else datasets.load(name, split=split)
    return images.to(runtime.device()), labels.to(runtime.device())


def _photograph_net() -> nn.Sequential:
    return models.resnet8(channels=3, classes=len(photographs.NAMES))


def natural_network(name: str) -> nn.Sequential:
    """A network by name; "resnet8" is that of :func:`train_photograph_net`."""
    if name == "resnet8":
        return networks.kept(train_photograph_net, dict(epochs=6, seed=0))[0].eval()  # type: ignore[return-value]
    return models.pretrained(name).to(runtime.device())


def natural_images(*, data: str, first: int, images: int, size: int) -> tuple[Tensor, Tensor]:
    """Test images number ``first`` and on, and their labels; "nips2017" resized to ``size`` pixels, in 8 bits."""
    x, y = (part[first : first + images] for part in _loaded(data, "test"))
    return (resized(x, size) if data == "nips2017" else x), y


def mnist_attack(*, data: str, adversarial: bool, epochs: int, seed: int, images: int, **spec) -> tuple[dict, dict]:
    """An attack on C4 by the protocol of Section 5.1, on the first ``images`` test images. See :func:`judged`."""
    model = frozen(classifier(data=data, adversarial=adversarial, epochs=epochs, seed=seed))
    x, y = _loaded(data, "test")
    values, arrays, _ = judged(model, x[:images], y[:images], batch=100, **spec)
    return values | {"error": evaluation.error_rate(model, x, y)}, arrays


def natural_attack(*, data: str, network: str, first: int, images: int, **spec) -> tuple[dict, dict]:
    """An attack on a network for natural images, on a group of test images. See :func:`judged`.

    Also arrays ``clean`` and ``attacked``: the features of
    :func:`advutils.evaluation.detection.residual_features` of the images and of their closest successes, both in
    8 bits.
    """
    model, x, y = natural(data=data, network=network, first=first, images=images)
    values, arrays, found = judged(model, x, y, batch=20, **spec)
    for name, pictures in (("clean", x[arrays["index"]]), ("attacked", distortion.rounded(found))):
        arrays[name] = torch.cat([detection.residual_features(part) for part in pictures.split(20)]).cpu().numpy()
    return values, arrays


def natural(*, data: str, network: str, first: int, images: int) -> tuple[nn.Sequential, Tensor, Tensor]:
    """A network, not to be trained any more, and a group of test images of its size with their labels."""
    model = frozen(natural_network(network))
    size = 48 if data == "photographs" else models.input_size(network)
    return model, *natural_images(data=data, first=first, images=images, size=size)


def judged(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    attack: str,
    options: dict,
    eps: list[float],
    smoothing: dict,
    every_run: bool = True,
    batch: int,
) -> tuple[dict, dict, Tensor]:
    """The protocol of Section 5.1: images that are classified correctly, the closest success over all runs.

    ``attack`` names one of ``ATTACKS``, ``options`` are its own, ``eps`` the budgets to run it with (none: one run),
    ``smoothing`` the options of its smoother (none: it takes none). Without ``every_run`` an image that has been fooled
    is spared the larger budgets. Images are judged as the attack returns them ("float"), as an 8-bit file keeps them
    ("rounded"), and as the authors' code stored them ("truncated").

    Values: ``accuracy`` (N / N'), ``correct`` (N), for each of the three ``success`` and its ``interval``,
    ``distortion`` (mean l2 of the successes) and its ``interval``, and ``runs``, each budget's share of success and
    mean distortion. Arrays: the distortions (N,), inf for failures, and ``index``, which images these are. Third: the
    closest successes as images, the image itself where there is none.
    """
    index = (evaluation.predictions(model, x) == y).nonzero().flatten()
    total, x, y = len(x), x[index], y[index]
    best = {kind: torch.full((len(x),), torch.inf) for kind in distortion.QUANTISED}
    closest, runs = x.clone(), []
    for budget in eps or [None]:  # type: ignore[list-item]
        found, lengths, tried = 0, [], 0
        for rows in torch.arange(len(x)).split(batch):
            rows = rows if every_run else rows[best["float"][rows].isinf()]
            if len(rows) == 0:
                continue
            given = dict(options) if budget is None else options | {"eps": budget}
            if smoothing:
                given["smoother"] = ImageSmoother(x[rows], **smoothing)
            out = ATTACKS[attack](model, x[rows], y[rows], **given)
            for kind, store in distortion.QUANTISED.items():
                stored = store(out)
                fooled = (evaluation.predictions(model, stored) != y[rows]).cpu()
                length = torch.where(fooled, norms.norm(stored - x[rows]).cpu(), torch.inf)
                closer = length < best[kind][rows]
                best[kind][rows] = torch.where(closer, length, best[kind][rows])
                if kind == "float":
                    closest[rows[closer]] = out[closer.to(out.device)]
                    tried, found = tried + len(rows), found + int(fooled.sum())
                    lengths.append(length[fooled])
        runs.append(
            {
                "eps": budget,
                "tried": tried,
                "success": found / max(tried, 1),
                "distortion": torch.cat(lengths).mean().item() if found else None,
            }
        )
    values: dict = {"accuracy": len(x) / total, "correct": len(x), "runs": runs}
    for kind, lengths in best.items():  # type: ignore[assignment]
        probability, low, high = distortion.success_probability(lengths.numpy())  # type: ignore[attr-defined]
        mean, *interval = distortion.conditional_mean(lengths.numpy())  # type: ignore[attr-defined]
        values[kind] = {
            "success": probability,
            "interval": [low, high],
            "distortion": None if probability == 0 else mean,
            "distortion_interval": None if probability == 0 else interval,
        }
    arrays = {kind: lengths.numpy() for kind, lengths in best.items()} | {"index": index.cpu().numpy()}
    return values, arrays, closest


def correlation(*, data: str, network: str, images: int, smoothing: dict, **spec) -> tuple[dict, dict]:
    """How far smoothing turns the gradient (Section 5.3): the cosine between g and s^(g), image by image.

    ``network`` "c4" is trained with ``spec``; others are for natural images. Values: ``cosine`` (mean), ``flat`` (the
    mean share of neighbouring pixels that differ by less than 1/255). Array: ``cosines``.
    """
    if network == "c4":
        model, (x, y) = classifier(data=data, **spec), (part[:images] for part in _loaded(data, "test"))
    else:
        model, x, y = natural(data=data, network=network, first=0, images=images)
    cosines, flat = [], []
    for part, label in zip(x.split(20), y.split(20), strict=True):
        g = attacks.ascent_direction(model, part, label)
        smooth = ImageSmoother(part, **smoothing)(g)
        size = norms.norm(g) * norms.norm(smooth)
        kept = size > 0
        cosines.append(((g * smooth).flatten(1).sum(1)[kept] / size[kept]).cpu())
        flat.append((part.diff(dim=-1).abs() < 1 / 255).float().mean(dim=(1, 2, 3)).cpu())
    together = torch.cat(cosines)
    return {"cosine": together.mean().item(), "flat": torch.cat(flat).mean().item()}, {"cosines": together.numpy()}


def worst_cases(
    *, data: str, adversarial: bool, epochs: int, seed: int, index: list[int], calls: list[dict]
) -> tuple[dict, dict]:
    """Figure 5: the test images ``index`` under every attack of ``calls`` (attack, options, smoothing; one budget).

    Arrays: ``images`` (M, 28, 28), ``adversarial`` (attacks, M, 28, 28). Values: ``length`` and ``fooled``, by attack
    and image.
    """
    model = classifier(data=data, adversarial=adversarial, epochs=epochs, seed=seed)
    x, y = (part[index] for part in _loaded(data, "test"))
    out, values = [], {"length": [], "fooled": []}
    for call in calls:
        smoother = {"smoother": ImageSmoother(x, **call["smoothing"])} if call["smoothing"] else {}
        moved = ATTACKS[call["attack"]](model, x, y, **call["options"], **smoother)
        values["length"].append(norms.norm(moved - x).tolist())
        values["fooled"].append((evaluation.predictions(model, moved) != y).tolist())
        out.append(moved[:, 0])
    return values, {"images": x[:, 0].cpu().numpy(), "adversarial": torch.stack(out).cpu().numpy()}


def storage_floor(*, data: str, images: int) -> dict:
    """What storing an image that nobody has attacked costs in l2: mean over the first ``images`` test images."""
    x, _ = (part[:images] for part in _loaded(data, "test"))
    return {kind: norms.norm(store(x) - x).mean().item() for kind, store in distortion.QUANTISED.items()} | {
        "pixels": x.shape[-1],
        "largest": norms.norm(distortion.truncated(x) - x).max().item(),
    }
