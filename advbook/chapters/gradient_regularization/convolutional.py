"""Measurements of the chapter on Lyu, Huang and Liang 2015: convolutional maxout (Tables II to V) and attacks on it."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from advbook import networks
from advbook.chapters.gradient_regularization.dense import objective
from advbook.chapters.gradient_regularization.dense import trained as dense_trained
from advutils import attacks, datasets, evaluation, layers, models, training
from advutils.attacks import ascent
from advutils.core import norms, runtime
from advutils.datasets import photographs


@dataclass(frozen=True)
class Linear(training.Schedule):
    """The learning rate falls linearly from ``lr`` to a hundredth of it in ``decay_epochs`` epochs of ``batches``."""

    batches: int = 1
    decay_epochs: int = 250

    def rate(self, step: int) -> float:
        """Learning rate of minibatch ``step``, counted from 0; constant within an epoch."""
        return self.lr * max(1 - 0.99 * (step // self.batches) / self.decay_epochs, 0.01)


# pylearn2's mnist.yaml and cifar10_old_small.yaml
SCHEDULES = {
    "mnist": training.Schedule(lr=0.05, lr_divisor=1.00004, momentum=(0.5, 0.7), momentum_epochs=250),
    "cifar10": Linear(lr=0.1, momentum=(0.5, 0.6), momentum_epochs=250),
}
KINDS = {"mnist": "mnist", "digits": "mnist", "cifar10": "cifar10", "photographs": "cifar10"}
# What each row of the tables trains with: Table II, then Tables III and V. CIFAR's sigma is in whitened units. The
# paper does not say under which dropout mask it computes the perturbation; without an entry it is the outer pass's.
VARIANTS = {
    "mnist": {
        "none": {"penalty": "none", "p": 2, "sigma": 0.0},
        "p=2": {"penalty": "perturbation", "p": 2, "sigma": 1.0, "mask": "fresh"},
        "p=inf": {"penalty": "perturbation", "p": "inf", "sigma": 0.1, "mask": "fresh"},
        "p=inf, large": {"penalty": "perturbation", "p": "inf", "sigma": 0.25, "mask": "fresh"},
        "p=2, shared mask": {"penalty": "perturbation", "p": 2, "sigma": 1.0},
    },
    "cifar10": {
        "none": {"penalty": "none", "p": 2, "sigma": 0.0},
        "p=2": {"penalty": "perturbation", "p": 2, "sigma": 2.0, "mask": "fresh"},
        "p=2, shared mask": {"penalty": "perturbation", "p": 2, "sigma": 2.0},
    },
}


def loaded(name: str, split: str) -> tuple[Tensor, Tensor]:
    """Images in [0, 1] and labels on the device; crops of photographs have CIFAR-10's 32 pixels a side."""
    images, labels = (
        photographs.crops(split=split, size=32) if name == "photographs" else datasets.load(name, split=split)
    )
    return images.to(runtime.device()), labels.to(runtime.device())


@lru_cache(maxsize=2)
def whitening(name: str, train_size: int) -> layers.Whiten:
    """Fitted on the training images that are used, and on nothing else."""
    return layers.Whiten(loaded(name, "train")[0][: train_size or None])


def network(
    *, data: str, train_size: int, width: float, spread: float, keep: float, lr_scale: float, seed: int
) -> tuple[nn.Module, nn.Sequential]:
    """What stands before the network (whitening, or nothing for digits), and the untrained network behind it."""
    options = dict(width=width, classes=int(loaded(data, "train")[1].max()) + 1, spread=spread, keep=keep)
    with runtime.seeded(seed):
        if KINDS[data] == "mnist":
            return nn.Identity(), models.conv_maxout_mnist(**options).to(runtime.device())
        front, body = whitening(data, train_size), models.conv_maxout_cifar(**options, lr_scale=lr_scale)
        return front, body.to(runtime.device())


def trained(**spec) -> tuple[nn.Sequential, training.History]:
    """The network of :func:`train_convolutional` and its history; kept, so that a second call only loads it."""
    return networks.kept(train_convolutional, spec)  # type: ignore[return-value]


def train_convolutional(
    *,
    checkpoint: Path,
    data: str,
    penalty: str,
    p: float | str,
    sigma: float,
    epochs: int,
    seed: int,
    train_size: int = 0,
    held_out: int = 0,
    width: float = 1.0,
    spread: float = 0.005,
    batch_size: int = 128,
    precision: str = "float32",
    lr: float | None = None,
    optimizer: str = "momentum",
    keep: float = 0.5,
    lr_scale: float = 0.05,
    mask: str = "shared",
) -> tuple[nn.Sequential, training.History]:
    """Train a convolutional maxout network behind its preprocessing: images in [0, 1] to logits.

    The network is trained on preprocessed images, so for CIFAR-10 ``sigma`` is a length in whitened units. ``lr``
    replaces the published schedule by one whose rate falls linearly from ``lr`` towards a hundredth over the epochs,
    which Adam needs. ``lr_scale`` multiplies the rate of CIFAR's convolutions, ``keep`` is the share of hidden features
    that dropout keeps; ``mask`` says under which dropout mask the perturbation is computed, as in
    :func:`advutils.training.regularizers.perturbed_loss`. With ``precision`` "bfloat16" convolutions and products
    take and give that type while training (less than half the time where a processor has it), the weights stay float32.
    ``history.monitor`` is the error after each epoch, in that precision, on the test images, or with ``held_out`` on
    so many training images, the last ones, which are not trained on; nothing is selected by it.
    Raises ``ValueError`` for Adam without ``lr`` or another precision.
    """
    if optimizer == "adam" and lr is None:
        raise ValueError("lr must be given for optimizer='adam': the published schedules are for momentum")
    if precision not in ("float32", "bfloat16"):
        raise ValueError(f"precision must be 'float32' or 'bfloat16', got {precision!r}")
    (images, labels), test = (loaded(data, split) for split in ("train", "test"))
    if held_out:
        test, images, labels = (images[-held_out:], labels[-held_out:]), images[:-held_out], labels[:-held_out]
    images, labels = images[: train_size or None], labels[: train_size or None]
    front, body = network(
        data=data, train_size=len(labels), width=width, spread=spread, keep=keep, lr_scale=lr_scale, seed=seed
    )
    schedule = SCHEDULES[KINDS[data]] if lr is None else Linear(lr=lr, decay_epochs=epochs)
    if isinstance(schedule, Linear):
        schedule = replace(schedule, batches=-(-len(labels) // batch_size))
    inside, outside = (torch.cat([front(part) for part in x.split(1000)]) for x in (images, test[0]))
    exact = objective(penalty=penalty, p=p, sigma=sigma, stop_gradient=True, clip=False, mask=mask)

    def loss(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        with torch.autocast(x.device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            return exact(model, x, y)

    def monitor(model: nn.Module) -> float:
        with torch.autocast(outside.device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            return evaluation.error_rate(model, outside, test[1])

    history = training.train(
        body,
        inside,
        labels,
        objective=loss,
        epochs=epochs,
        seed=seed,
        batch_size=batch_size,
        schedule=schedule,
        optimizer=optimizer,
        monitor=monitor,
        checkpoint=checkpoint,
    )
    return nn.Sequential(front, body), history


def convolutional_network(*, noise: list[float], draws: int, **spec) -> tuple[dict, dict]:
    """One trained network (arguments of :func:`train_convolutional`): Tables II to V.

    Values: ``error`` (test images), ``trials``, ``train_loss``, ``length`` (mean l2 length of what the network sees of
    a test image), ``seconds_per_epoch``, ``training_seconds``, and ``noise``, a list of ``draws`` error rates for each
    standard deviation, the noise added to what the network sees: pixels of digits, whitened units of CIFAR-10.
    Arrays: ``loss`` (training objective) and ``curve`` (error, see there) by epoch; ``wrong`` (N,) and ``noise_wrong``
    (stds, draws, N), which test images are wrong, as bits.
    """
    model, history = trained(**spec)
    images, labels = loaded(spec["data"], "test")
    seen = torch.cat([model[0](part) for part in images.split(1000)])
    generator = runtime.generator(spec["seed"])
    wrong = evaluation.wrong(model[1], seen, labels)
    noisy = torch.stack(
        [
            torch.stack(
                [evaluation.noise_wrong(model[1], seen, labels, std=std, generator=generator) for _ in range(draws)]
            )
            for std in noise
        ]
    )
    values = {
        "error": rate(wrong),
        "trials": len(labels),
        "train_loss": history.loss[-1],
        "length": norms.norm(seen).mean().item(),
        "seconds_per_epoch": statistics.mean(history.seconds),
        "training_seconds": sum(history.seconds),
        "noise": [[rate(draw) for draw in of_std] for of_std in noisy],
    }
    return values, {"loss": history.loss, "curve": history.monitor, **bits(wrong=wrong, noise_wrong=noisy)}


def rate(mask: Tensor) -> float:
    """Share of images that are wrong."""
    return mask.sum().item() / mask.numel()


def bits(**masks: Tensor) -> dict:
    """Arrays of a record: which images, (..., N), as bits."""
    return {name: evaluation.packed(mask) for name, mask in masks.items()}


def named(spec: dict) -> nn.Module:
    """The trained network of a spec: a convolutional one, or a dense one if it names its ``network``."""
    return (dense_trained if "network" in spec else trained)(**spec)[0]


def attacked(
    *,
    spec: dict,
    images: int,
    eps_l2: list[float],
    eps_linf: list[float],
    steps: int,
    search_steps: int,
    search_iterations: int,
    search_images: int,
) -> tuple[dict, dict]:
    """Error rates of a trained network under attack, on the first ``images`` test images, wrong ones included.

    Values: ``clean``; ``l2``, ``linf``: by budget, under PGD of ``steps`` steps of 2.5 eps / steps; ``noise``: under
    Gaussian noise of the same expected l2 norm, by budget of ``eps_l2``; ``fgsm``: one step at each of ``eps_linf``;
    ``sure``: share of the gradients taken where the margin was over :data:`advutils.attacks.ascent.SURE`;
    ``distances``: l2 lengths by Carlini and Wagner on the first ``search_images`` (0 for those that were wrong, null
    where none was found). Arrays: which images are wrong, as bits, under the names of the values.
    """
    model, (x, y) = named(spec), loaded(spec["data"], "test")
    x, y = x[:images], y[:images]

    def pgd(eps: float, p: float) -> Tensor:
        moved = attacks.pgd(model, x, y, eps=eps, step=2.5 * eps / steps, steps=steps, p=p)
        return evaluation.wrong(model, moved, y)

    generator, root = runtime.generator(0), x[0].numel() ** 0.5
    with attacks.counting_sure() as counts:
        masks = {
            "clean": evaluation.wrong(model, x, y),
            "l2": torch.stack([pgd(eps, 2) for eps in eps_l2]),
            "linf": torch.stack([pgd(eps, norms.INF) for eps in eps_linf]),
            "fgsm": torch.stack([evaluation.wrong(model, attacks.fgsm(model, x, y, eps=eps), y) for eps in eps_linf]),
            "noise": torch.stack(
                [evaluation.noise_wrong(model, x, y, std=eps / root, generator=generator) for eps in eps_l2]
            ),
        }
    some, truth = x[:search_images], y[:search_images]
    found = attacks.carlini_wagner(model, some, truth, search_steps=search_steps, steps=search_iterations)
    lengths, fooled = norms.norm(found - some), evaluation.wrong(model, found, truth)
    values = {name: [rate(row) for row in mask] if mask.dim() > 1 else rate(mask) for name, mask in masks.items()}
    values |= {
        "sure": counts.sure / counts.looks,
        "distances": [
            0.0 if early else length if late else None  # type: ignore[misc]
            for early, late, length in zip(
                masks["clean"][:search_images].tolist(), fooled.tolist(), lengths.tolist(), strict=True
            )
        ],
    }
    return values, bits(**masks)


def transferred(*, source: dict, target: dict, images: int, eps: float, steps: int) -> tuple[dict, dict]:
    """Error rate of ``target`` on images made by PGD (l2) on ``source`` alone, and on its own: is it of use?

    Arrays: which images are wrong, as bits, under the names of the values.
    """
    (x, y), made_on, judged = loaded(target["data"], "test"), named(source), named(target)
    x, y = x[:images], y[:images]

    def wrong(model: nn.Module) -> Tensor:
        moved = attacks.pgd(model, x, y, eps=eps, step=2.5 * eps / steps, steps=steps, p=2)
        return evaluation.wrong(judged, moved, y)

    masks = {"transferred": wrong(made_on), "own": wrong(judged)}
    return {name: rate(mask) for name, mask in masks.items()}, bits(**masks)


def along(*, spec: dict, images: int, lengths: list[float], seed: int) -> dict:
    """Mean loss of a trained network along its gradient and along a random direction, by l2 length, not clipped.

    Values: ``gradient``, ``random``: by length.
    """
    model, (x, y) = named(spec), loaded(spec["data"], "test")
    x, y = x[:images], y[:images]
    with runtime.evaluating(model):
        g = attacks.ascent_direction(model, x, y)
    noise = torch.randn(x.shape, generator=runtime.generator(seed)).to(x)

    def loss(direction: Tensor, length: float) -> float:
        return evaluation.mean_loss(model, x + length * norms.steepest(direction, 2), y)

    return {"gradient": [loss(g, length) for length in lengths], "random": [loss(noise, length) for length in lengths]}


def one_step(*, spec: dict, images: int, lengths: list[float], seed: int) -> tuple[dict, dict]:
    """Error rates of a trained network one step away from the first ``images`` test images, by l2 length.

    The step is the perturbation of Equation (3), p = 2, with sigma = length, in the units in which the network is
    trained (CIFAR-10: whitened), without dropout. Values: ``clean``; ``gradient`` and ``random``, by length: along each
    image's gradient, and along a random direction; ``classes``, among which a guess would be. Arrays: which images are
    wrong, as bits.
    """
    (front, body), (x, y) = named(spec), loaded(spec["data"], "test")  # type: ignore[misc]
    seen, y = front(x[:images]), y[:images]
    with runtime.evaluating(body):
        parts = zip(seen.split(500), y.split(500), strict=True)
        g = torch.cat([attacks.ascent_direction(body, *part) for part in parts])
        classes = body(seen[:1]).shape[1]
    noise = torch.randn(seen.shape, generator=runtime.generator(seed)).to(seen)

    def wrong(direction: Tensor) -> Tensor:
        return torch.stack(
            [evaluation.wrong(body, seen + length * norms.steepest(direction, 2), y) for length in lengths]
        )

    masks = {"clean": evaluation.wrong(body, seen, y), "gradient": wrong(g), "random": wrong(noise)}
    return {
        "classes": classes,
        "clean": rate(masks["clean"]),
        **{name: [rate(row) for row in masks[name]] for name in ("gradient", "random")},
    }, bits(**masks)


def fitted(*, spec: dict, images: int) -> tuple[dict, dict]:
    """Does a trained network overfit? On ``images`` of the images that it was trained on, the first ones.

    Values, without dropout: ``error``, ``loss`` (mean, nats), ``trials``, and ``sure``, the share of images with a
    margin over :data:`advutils.attacks.ascent.SURE`. Array: which images are ``wrong``, as bits.
    """
    (front, body), (x, y) = named(spec), loaded(spec["data"], "train")  # type: ignore[misc]
    images = min(images, spec.get("train_size") or len(y))
    seen, y = torch.cat([front(part) for part in x[:images].split(1000)]), y[:images]
    with torch.no_grad(), runtime.evaluating(body):
        z = torch.cat([body(part) for part in seen.split(1000)])
    wrong = z.argmax(1) != y
    return {
        "error": rate(wrong),
        "trials": images,
        "loss": F.cross_entropy(z, y).item(),
        "sure": rate(ascent.sure(z, y)),
    }, bits(wrong=wrong)
