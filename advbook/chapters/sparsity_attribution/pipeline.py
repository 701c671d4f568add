"""Measurements of the chapter on Schwartz, Alparslan and Kim 2020: sparse networks, attacks on them, and heat maps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor, nn

from advbook import networks
from advbook.chapters.shared import ADAM
from advutils import attacks, datasets, evaluation, models, training
from advutils.core import norms, runtime
from advutils.datasets import photographs
from advutils.explanation import attribution
from advutils.training import regularizers, sparsity

# The narrow ones leave 2 x 2 pixels to the last convolution: of a single one Grad-CAM makes a map without differences.
NETWORKS = {
    "resnet50": models.resnet50,
    "mobilenet": models.mobilenet,
    "vgg16": models.vgg16,
    "resnet-small": partial(models.resnet50, width=0.25, blocks=(1, 1, 1, 1), stride=2),
    "mobilenet-small": partial(models.mobilenet, width=0.25),
    "vgg-small": partial(models.vgg16, width=0.25),
    # Not the paper's, which learns nothing with some seeds
    "vgg16-bn": models.vgg16_bn,
    "vgg-small-bn": partial(models.vgg16_bn, width=0.25),
    "resnet-tiny": partial(models.resnet50, width=0.125, blocks=(1, 1, 1, 1), stride=2),
}
# What multiplies the factor: l1 and l2 of Keras' kernel_regularizer. "adversarial" is the rival, no weight penalty.
REGULARIZERS = {"base": (0, 0), "l1": (1, 0), "l2": (0, 1), "elastic net": (1, 1), "adversarial": (0, 0)}
MONITORED = 1000  # test images whose loss is followed while training
THRESHOLDS = (1e-4, 1e-3, 1e-2)  # below which a weight may count as none
BUDGET = 8 / 255  # what most work on CIFAR-10 grants an attacker, l-infinity


def loaded(name: str, split: str, size: int = 0) -> tuple[Tensor, Tensor]:
    """The first ``size`` images (0: all) of a data set, 32 pixels a side, in [0, 1], and labels, on the device."""
    both = photographs.crops(split=split, size=32) if name == "photographs" else datasets.load(name, split=split)
    images, labels = both
    return images[: size or None].to(runtime.device()), labels[: size or None].to(runtime.device())


def objective(regularizer: str, factor: float) -> training.Objective:
    """Cross-entropy plus the penalty of Section 4.2; "adversarial": that of x + BUDGET sign(gradient), clipped."""
    if regularizer not in REGULARIZERS:
        raise ValueError(f"regularizer must be one of {', '.join(REGULARIZERS)}, got {regularizer!r}")
    if regularizer == "adversarial":
        return partial(regularizers.perturbed_loss, sigma=BUDGET, p=norms.INF, clip=True)
    l1, l2 = (factor * times for times in REGULARIZERS[regularizer])
    return lambda model, x, y: F.cross_entropy(model(x), y) + sparsity.weight_penalty(model, l1=l1, l2=l2)


def trained(**spec) -> tuple[nn.Module, training.History]:
    """The network of :func:`train_sparse` and its history; kept, so that a second call only loads it.

    With 0 ``epochs`` the network is untrained.
    """
    if spec["epochs"] == 0:
        labels = loaded(spec["data"], "train", spec["train_size"])[1]
        return untrained(spec["network"], labels, seed=spec["seed"]).eval(), training.History()
    model, history = networks.kept(train_sparse, spec)
    return model.eval(), history


def train_sparse(
    *,
    checkpoint: Path,
    data: str,
    network: str,
    regularizer: str,
    factor: float,
    epochs: int,
    train_size: int,
    seed: int,
    lr: float = ADAM.lr,
) -> tuple[nn.Module, training.History]:
    """Train with Adam in batches of 128, as ART's example does (at its rate).

    ``history.monitor`` is the mean cross-entropy of the first MONITORED test images after each epoch (Figure 3);
    nothing is selected by it.
    """
    images, labels = loaded(data, "train", train_size)
    test = loaded(data, "test", MONITORED)
    model = untrained(network, labels, seed=seed)
    history = training.train(
        model,
        images,
        labels,
        objective=objective(regularizer, factor),
        epochs=epochs,
        seed=seed,
        batch_size=128,
        schedule=replace(ADAM, lr=lr),
        optimizer="adam",
        monitor=lambda m: evaluation.mean_loss(m, *test),
        checkpoint=checkpoint,
    )
    return model, history


def untrained(network: str, labels: Tensor, *, seed: int) -> nn.Module:
    """An untrained network by name, for the classes of ``labels`` and on their device."""
    with runtime.seeded(seed):
        model = NETWORKS[network](classes=int(labels.max()) + 1)
    return model.to(labels.device, memory_format=torch.channels_last)


# -- Section 4.1, Figure 1 -----------------------------------------------------------------------------------------


def single_layer(*, data: str, activation_l1: float, weight_l1: float, epochs: int, train_size: int, seed: int) -> dict:
    """The one-layer network of Figure 1: 50 filters of 5x5, 28 x 28 x 50 = 39,200 hidden units, and a linear layer.

    Values: ``accuracy`` on test and ``train_accuracy`` on training images, ``density`` (share of hidden units that are
    active, test images), ``weight_density`` (share of weights above each of THRESHOLDS), ``pruned`` (test accuracy with
    all others set to 0), ``exact_zeros`` (share that is 0).
    """
    images, labels = loaded(data, "train", train_size)
    test = loaded(data, "test")
    with runtime.seeded(seed):
        model = nn.Sequential(
            nn.Conv2d(3, 50, 5), nn.ReLU(), nn.Flatten(), nn.Linear(39_200, int(labels.max()) + 1)
        ).to(images.device)

    def loss(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        with sparsity.recorded([model[1]]) as outputs:  # type: ignore[index]
            fit = F.cross_entropy(model(x), y)
        return fit + activation_l1 * sparsity.activation_penalty(outputs) + sparsity.weight_penalty(model, l1=weight_l1)

    training.train(
        model, images, labels, objective=loss, epochs=epochs, seed=seed, batch_size=128, schedule=ADAM, optimizer="adam"
    )
    return {
        "accuracy": 1 - evaluation.error_rate(model, *test),
        "trials": len(test[1]),
        "train_accuracy": 1 - evaluation.error_rate(model, images, labels),
        "density": sparsity.average_density(model, model[1], test[0]),
        **_without_small_weights(model, *test),
        "exact_zeros": 1 - sparsity.weight_density(model, threshold=0.0),
    }


def _without_small_weights(model: nn.Module, x: Tensor, y: Tensor) -> dict:
    found = {"weight_density": [], "pruned": []}
    for threshold in THRESHOLDS:
        found["weight_density"].append(sparsity.weight_density(model, threshold=threshold))
        with sparsity.pruned(model, threshold):
            found["pruned"].append(accuracy(model, x, y))
    return found


# -- Section 4.2, Table 1 ------------------------------------------------------------------------------------------


def attacker(name: str, *, steps: int, deepfool_steps: int) -> Callable[[nn.Module, Tensor, Tensor], Tensor]:
    """ART's defaults: FGSM eps .3; PGD eps .3, ``steps`` of .1; DeepFool, all classes, at most ``deepfool_steps``."""
    if name == "fgsm":
        return partial(attacks.fgsm, eps=0.3)
    if name == "pgd":
        return partial(attacks.pgd, eps=0.3, step=0.1, steps=steps)
    if name == "deepfool":
        return lambda model, x, y: attacks.deepfool(model, x, overshoot=1e-6, max_iter=deepfool_steps)
    raise ValueError(f"attack must be fgsm, pgd or deepfool, got {name!r}")


def pipeline(
    *,
    data: str,
    network: str,
    regularizer: str,
    factor: float,
    attack: str,
    steps: int,
    deepfool_steps: int,
    epochs: int,
    train_size: int,
    test_size: int,
    seed: int,
) -> dict:
    """Table 1 as ART's example makes its numbers: train, attack, train on both, judge on the old attack.

    Values: ``crafted`` and ``static``, the two numbers that the script prints: the accuracy of the first and of the
    retrained network on test images that were made against the first one; ``clean``: of both on the test images;
    ``fooled``: share of the test images whose answer by the first network the attack changed; ``adaptive``: accuracy of
    the retrained network on images made against itself, with true labels (null for DeepFool, which knows no labels);
    ``counts``: how often each of the two answers each class, on the test images and on the static ones; ``largest``:
    the share of the most frequent answer in each of these four; ``truth``: how often each class is right; ``trials``.
    """
    effective = 0.0 if regularizer == "base" else factor  # so that a network without a penalty is trained once
    model, _ = trained(
        data=data,
        network=network,
        regularizer=regularizer,
        factor=effective,
        epochs=epochs,
        train_size=train_size,
        seed=seed,
    )
    (x, y), (test, truth) = loaded(data, "train", train_size), loaded(data, "test", test_size)
    classes, run = int(y.max()) + 1, attacker(attack, steps=steps, deepfool_steps=deepfool_steps)
    # ART takes the model's own prediction as the label where it is given none
    moved, static = (
        torch.cat([run(model, part, evaluation.predictions(model, part)) for part in images.split(500)])
        for images in (x, test)
    )
    first = [evaluation.predictions(model, images) for images in (test, static)]
    training.train(
        model,
        torch.cat([x, moved]),
        torch.cat([y, y]),
        objective=objective(regularizer, factor),
        epochs=epochs,
        seed=seed,
        batch_size=128,
        schedule=ADAM,
        optimizer="adam",
    )
    retrained = [evaluation.predictions(model, images) for images in (test, static)]
    counts = {
        name: [answers.bincount(minlength=classes).tolist() for answers in both]
        for name, both in (("first", first), ("retrained", retrained))
    }
    return {
        "crafted": share(first[1] == truth),
        "static": share(retrained[1] == truth),
        "clean": [share(first[0] == truth), share(retrained[0] == truth)],
        "fooled": share(first[0] != first[1]),
        "adaptive": None if attack == "deepfool" else accuracy(model, run(model, test, truth), truth),
        "counts": counts,
        "largest": {name: [max(answers) / len(truth) for answers in both] for name, both in counts.items()},
        "truth": truth.bincount(minlength=classes).tolist(),
        "trials": len(truth),
    }


def share(true: Tensor) -> float:
    """Share of a mask that is true, in [0, 1]."""
    return true.double().mean().item()


def answers(
    *,
    data: str,
    network: str,
    regularizer: str,
    factor: float,
    epochs: int,
    train_size: int,
    seed: int,
    images: int,
    lr: float = ADAM.lr,
) -> tuple[dict, dict]:
    """What a trained network answers to the first ``images`` test images, which nobody attacked.

    Values: ``counts``, ``largest`` (share of the most frequent answer), ``clean`` and ``train_clean`` (accuracies),
    ``trials``. Arrays, by epoch: ``objective``, with the penalty, and ``loss`` of test images, without it.
    """
    model, history = trained(
        data=data,
        network=network,
        regularizer=regularizer,
        factor=factor,
        epochs=epochs,
        train_size=train_size,
        seed=seed,
        lr=lr,
    )
    x, y = loaded(data, "test", images)
    counts = evaluation.predictions(model, x).bincount(minlength=int(y.max()) + 1)
    values = {
        "counts": counts.tolist(),
        "largest": counts.max().item() / len(y),
        "clean": accuracy(model, x, y),
        "train_clean": accuracy(model, *loaded(data, "train", train_size)),
        "trials": len(y),
    }
    return values, {"objective": history.loss, "loss": history.monitor}


def accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Share of right answers, in [0, 1]."""
    return 1 - evaluation.error_rate(model, images, labels)


def judged(
    *,
    data: str,
    network: str,
    regularizer: str,
    factor: float,
    epochs: int,
    train_size: int,
    seed: int,
    images: int,
    steps: int,
    budgets: list[float],
) -> tuple[dict, dict]:
    """One network, trained once, attacked itself: what Table 1 should have asked.

    On the first ``images`` test images. Values: ``clean`` (``clean_all``: on all test images), ``fgsm`` and ``pgd``
    (accuracy by l-infinity budget, PGD in ``steps`` steps of 2.5 budget / steps), ``distance`` (median l2 length of
    DeepFool's perturbations of the images that were right; null if it found none for half of them), ``counts`` (of
    answers, by class), ``largest`` (share of the most frequent one), ``train_clean`` and ``train_fit`` (accuracy and
    mean cross-entropy on the training images), ``weight_density`` and ``pruned`` as :func:`single_layer`, ``wobble``
    (standard deviation of the change of the test loss from one of the last ten epochs to the next), ``trials``. Arrays,
    by epoch: ``objective``, with the penalty, and ``loss`` of test images, without it; by image: which are wrong, as
    bits, ``clean_wrong`` and, by budget, ``fgsm_wrong`` and ``pgd_wrong`` (:func:`evaluation.packed`), and ``length``,
    float16, of DeepFool's perturbation (infinite where it found none, NaN where the image was wrong before).
    """
    model, history = trained(
        data=data,
        network=network,
        regularizer=regularizer,
        factor=factor,
        epochs=epochs,
        train_size=train_size,
        seed=seed,
    )
    x, y = loaded(data, "test", images)
    attackers = {
        "fgsm": lambda eps: attacks.fgsm(model, x, y, eps=eps),
        "pgd": lambda eps: attacks.pgd(model, x, y, eps=eps, step=2.5 * eps / steps, steps=steps),
    }
    answers = evaluation.predictions(model, x)
    counts = answers.bincount(minlength=int(y.max()) + 1)
    right = answers == y
    wrong = {
        "clean": ~right,
        **{
            name: torch.stack([evaluation.wrong(model, run(eps), y) for eps in budgets])
            for name, run in attackers.items()
        },
    }
    lengths = torch.full((int(right.sum()),), torch.inf)
    if right.any():
        moved = attacks.deepfool(model, x[right])
        fooled = (evaluation.predictions(model, moved) != y[right]).cpu()
        lengths = norms.norm(moved - x[right]).cpu().where(fooled, lengths)
    distance = lengths.median().item() if len(lengths) else torch.inf
    values = {
        "clean": accuracy(model, x, y),
        "clean_all": accuracy(model, *loaded(data, "test")),
        "trials": len(y),
        **{name: [1 - mask.sum().item() / len(y) for mask in wrong[name]] for name in attackers},
        "distance": distance if distance < torch.inf else None,
        "counts": counts.tolist(),
        "largest": counts.max().item() / len(y),
        **_without_small_weights(model, x, y),
        "train_clean": accuracy(model, *loaded(data, "train", train_size)),
        "train_fit": evaluation.mean_loss(model, *loaded(data, "train", train_size)),
        "wobble": float(np.diff(history.monitor[-11:]).std(ddof=1)) if len(history.monitor) > 2 else None,
    }
    by_image = torch.full((len(y),), torch.nan)
    by_image[right.cpu()] = lengths
    return values, {
        "objective": history.loss,
        "loss": history.monitor,
        "length": by_image.half().numpy(),
        **{f"{name}_wrong": evaluation.packed(mask) for name, mask in wrong.items()},
    }


# -- Section 4.3, Table 2 ------------------------------------------------------------------------------------------


def blurred(images: Tensor, *, sigma: float) -> Tensor:
    """Gaussian blur of standard deviation ``sigma`` pixels, cut off at four of them, edges repeated."""
    smooth = ndimage.gaussian_filter(images.cpu().numpy(), (0, 0, sigma, sigma), mode="nearest")
    return torch.from_numpy(smooth).to(images.device)


def maps(
    *,
    data: str,
    network: str,
    regularizer: str,
    factor: float,
    epochs: int,
    train_size: int,
    seed: int,
    images: int,
    steps: int,
) -> tuple[dict, dict]:
    """Heat maps of one network on test images, for its own answer: how stable they are, and how informative.

    Stability (Table 2): sums of squared differences between the sliding patch of 4 and of 2 pixels, and between
    Grad-CAM of an image and of its blur of .5, under every normalisation. Arrays: ``sliding_<normalisation>`` and
    ``cam_<normalisation>``, by image. Values: their ``mean`` and ``sd``; ``deletion`` and ``insertion`` (mean
    probability of the answer along the curve, in ``steps`` steps, by kind of map, "random" among them); ``worth``:
    their difference, over the probability on the whole image (so that a less confident network is not worse for that);
    ``other``: mean change, at length 1, between Grad-CAM for the answer and for the runner-up (0 for a map that does
    not look at the class), over the images where neither is empty, whose share is ``shown`` (``other`` is null if there
    are none); ``empty``: share of maps without differences, by kind; ``clean``, ``largest`` (share of the most frequent
    answer).
    """
    model, _ = trained(
        data=data,
        network=network,
        regularizer=regularizer,
        factor=factor,
        epochs=epochs,
        train_size=train_size,
        seed=seed,
    )
    x, y = loaded(data, "test", images)
    with torch.no_grad():
        answer, runner_up = torch.cat([model(part) for part in x.split(500)]).topk(2, 1).indices.unbind(1)
    cam = partial(attribution.grad_cam, model, layer=models.last_maps(model))
    patch = partial(attribution.occlusion, model, x, stride=2)
    found = {
        "sliding": (patch(answer, patch=4), patch(answer, patch=2)),
        "cam": (cam(x, answer), cam(blurred(x, sigma=0.5), answer)),
    }
    arrays = {
        f"{kind}_{how}": attribution.change(*pair, how=how).cpu().numpy()
        for kind, pair in found.items()
        for how in attribution.NORMALISATIONS
    }
    shown = {kind: pair[0] for kind, pair in found.items()}
    worth = shown | {"random": torch.rand(x.shape[0], *x.shape[2:], generator=runtime.generator(seed)).to(x)}
    curves = {
        name: {
            kind: attribution.curve(model, x, answer, heat, steps=steps, insert=insert).mean(0)
            for kind, heat in worth.items()
        }
        for name, insert in (("deletion", False), ("insertion", True))
    }
    scores = {name: {kind: points.mean().item() for kind, points in found.items()} for name, found in curves.items()}
    whole = curves["deletion"]["random"][0].item()  # nothing is deleted yet
    pair = shown["cam"], cam(x, runner_up)
    neither = torch.stack([heat.flatten(1).amax(1) > 0 for heat in pair]).all(0)
    apart = attribution.change(*pair, how="length")[neither]
    values = {
        "mean": {name: float(values.mean()) for name, values in arrays.items()},
        "sd": {name: float(values.std(ddof=1)) for name, values in arrays.items()},
        **scores,
        "worth": {kind: (scores["insertion"][kind] - scores["deletion"][kind]) / whole for kind in worth},
        "other": apart.mean().item() if len(apart) else None,
        "shown": neither.double().mean().item(),
        "empty": {kind: share(heat.flatten(1).amax(1) == heat.flatten(1).amin(1)) for kind, heat in shown.items()},
        "clean": accuracy(model, x, y),
        "largest": answer.bincount().max().item() / len(y),
    }
    return values, arrays


def pictures(
    *, network: str, regularizer: str, factor: float, epochs: int, train_size: int, seed: int, images: int
) -> tuple[dict, dict]:
    """Figures 4 and 5 on crops of photographs, which may be shown: images, their blur, and maps of both kinds.

    The images are those with the largest standard deviation of their pixels, one of each of the first classes.
    Values: ``sliding`` and ``cam``, by image, the changes of Table 2 (maps scaled to [0, 1]). Arrays, by image:
    ``image`` and ``blurred`` (3, 32, 32), and the maps ``patch of 4``, ``patch of 2``, ``Grad-CAM``, ``Grad-CAM,
    blurred`` and ``saliency``.
    """
    model, _ = trained(
        data="photographs",
        network=network,
        regularizer=regularizer,
        factor=factor,
        epochs=epochs,
        train_size=train_size,
        seed=seed,
    )
    x, y = loaded("photographs", "test")
    contrast = x.flatten(1).std(1)
    x = torch.stack([x[contrast.where(y == kind, torch.zeros_like(contrast)).argmax()] for kind in range(images)])
    soft, answer = blurred(x, sigma=0.5), evaluation.predictions(model, x)
    cam = partial(attribution.grad_cam, model, classes=answer, layer=models.last_maps(model))
    maps = {
        "patch of 4": attribution.occlusion(model, x, answer, patch=4, stride=2),
        "patch of 2": attribution.occlusion(model, x, answer, patch=2, stride=2),
        "Grad-CAM": cam(x),
        "Grad-CAM, blurred": cam(soft),
        "saliency": attribution.saliency(model, x, answer),
    }
    pairs = {"sliding": ("patch of 4", "patch of 2"), "cam": ("Grad-CAM", "Grad-CAM, blurred")}
    values = {kind: attribution.change(maps[a], maps[b], how="range").tolist() for kind, (a, b) in pairs.items()}
    return values, {name: heat.cpu().numpy() for name, heat in {"image": x, "blurred": soft, **maps}.items()}
