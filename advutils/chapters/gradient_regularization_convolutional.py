"""Measurements of the chapter on Lyu, Huang and Liang 2015: convolutional maxout (Tables II to V) and attacks on it."""
from __future__ import annotations

import statistics
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor, nn

from advutils import (
    attacks,
    data,
    evaluation,
    files,
    layers,
    models,
    norms,
    photographs,
    regularizers,
    runtime,
    training,
)
from advutils.chapters.gradient_regularization import objective
from advutils.chapters.gradient_regularization import trained as dense_trained
from advutils.codehash import code_hash
from advutils.constraints import constrained


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
        "p=inf, shared mask": {"penalty": "perturbation", "p": "inf", "sigma": 0.1},
    },
    "cifar10": {
        "none": {"penalty": "none", "p": 2, "sigma": 0.0},
        "p=2": {"penalty": "perturbation", "p": 2, "sigma": 2.0, "mask": "fresh"},
        "p=2, shared mask": {"penalty": "perturbation", "p": 2, "sigma": 2.0},
    },
}


def loaded(name: str, split: str) -> tuple[Tensor, Tensor]:
    """Images in [0, 1] and labels on the device; crops of photographs have CIFAR-10's 32 pixels a side."""
    images, labels = photographs.crops(split=split, size=32) if name == "photographs" else data.load(name, split=split)
    return images.to(runtime.device()), labels.to(runtime.device())


@lru_cache(maxsize=2)
def whitening(name: str, train_size: int) -> layers.Whiten:
    """Fitted on the training images that are used, and on nothing else."""
    return layers.Whiten(loaded(name, "train")[0][:train_size or None])


def network(
    *, data: str, train_size: int, width: float, spread: float, keep: float, seed: int,
) -> tuple[nn.Module, nn.Sequential]:
    """What stands before the network (whitening, or nothing for digits), and the untrained network behind it."""
    options = dict(width=width, classes=int(loaded(data, "train")[1].max()) + 1, spread=spread, keep=keep)
    with runtime.seeded(seed):
        if KINDS[data] == "mnist":
            return nn.Identity(), models.conv_maxout_mnist(**options).to(runtime.device())
        return whitening(data, train_size), models.conv_maxout_cifar(**options).to(runtime.device())


def trained(
    *, data: str, penalty: str, p: float | str, sigma: float, epochs: int, seed: int, train_size: int = 0,
    width: float = 1.0, spread: float = 0.005, batch_size: int = 128, precision: str = "float32", warm_up: int = 0,
    lr: float | None = None, optimizer: str = "momentum", keep: float = 0.5, mask: str = "shared",
) -> tuple[nn.Sequential, training.History]:
    """A trained convolutional maxout network behind its preprocessing: images in [0, 1] to logits.

    Kept in the cache folder, so that a second call only loads it. The network is trained on preprocessed images, so for
    CIFAR-10 ``sigma`` is a length in whitened units. The first ``warm_up`` of the epochs minimise L(x); the schedule
    starts again after them. ``lr`` replaces the schedule's first learning rate. With ``optimizer`` "adam" it is that of
    Adam, falls linearly towards a hundredth over the epochs, and the layers' own learning rates are without effect.
    ``keep`` is the share of hidden features that dropout keeps; ``mask`` says under which dropout mask the perturbation
    is computed, as in :func:`advutils.regularizers.perturbed_loss`. With ``precision`` "bfloat16" convolutions and
    products take and give that type while training (less than half the time where a processor has it), the weights stay
    float32. ``history.monitor`` is the error on the test images after each epoch, in that precision; nothing is
    selected by it. Raises ``ValueError`` for Adam without ``lr``, another precision, or a warm-up that leaves no epoch.
    """
    spec = {name: value for name, value in locals().items() if value is not None}
    if optimizer == "adam" and lr is None:
        raise ValueError("lr must be given for optimizer='adam': the published schedules are for momentum")
    if precision not in ("float32", "bfloat16"):
        raise ValueError(f"precision must be 'float32' or 'bfloat16', got {precision!r}")
    if not warm_up < epochs:
        raise ValueError(f"warm_up must be below epochs, got {warm_up} and {epochs}")
    (images, labels), test = (loaded(data, split) for split in ("train", "test"))
    images, labels = images[:train_size or None], labels[:train_size or None]
    front, body = network(data=data, train_size=train_size, width=width, spread=spread, keep=keep, seed=seed)
    first = training.History()
    if warm_up:
        alone = {"penalty": "none", "p": 2, "sigma": 0.0, "mask": "shared"}
        warm, first = trained(**spec | alone | {"epochs": warm_up, "warm_up": 0})
        body.load_state_dict(warm[1].state_dict())
    schedule = Linear(decay_epochs=epochs - warm_up) if optimizer == "adam" else SCHEDULES[KINDS[data]]
    if lr is not None:
        schedule = replace(schedule, lr=lr)
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

    with constrained(body):
        history = training.train(
            body, inside, labels, objective=loss, epochs=epochs - warm_up, seed=seed, batch_size=batch_size,
            schedule=schedule, optimizer=optimizer, monitor=monitor, checkpoint=_checkpoint(spec))
    for field in ("loss", "monitor", "seconds"):
        setattr(history, field, getattr(first, field) + getattr(history, field))
    return nn.Sequential(front, body), history


def _checkpoint(spec: dict) -> Path:
    text = repr([sorted(spec.items()), code_hash(trained), torch.get_num_threads()])
    return runtime.cache_root() / "checkpoints" / f"conv-maxout-{files.sha256(text.encode())[:16]}.pt"


def convolutional_network(*, noise: list[float], draws: int, **spec) -> tuple[dict, dict]:
    """One trained network (arguments of :func:`trained`): Tables II to V.

    Values: ``error`` (test images), ``trials``, ``train_loss``, ``length`` (mean l2 length of what the network sees of
    a test image), ``seconds_per_epoch`` (after the warm-up), ``training_seconds``, and ``noise``, a list of ``draws``
    error rates for each standard deviation, the noise added to what the network sees: pixels of digits, whitened units
    of CIFAR-10. Arrays: ``loss`` (training objective) and ``curve`` (test error) by epoch.
    """
    model, history = trained(**spec)
    images, labels = loaded(spec["data"], "test")
    seen = torch.cat([model[0](part) for part in images.split(1000)])
    generator = runtime.generator(spec["seed"])
    values = {
        "error": evaluation.error_rate(model[1], seen, labels), "trials": len(labels), "train_loss": history.loss[-1],
        "length": norms.norm(seen).mean().item(),
        "seconds_per_epoch": statistics.mean(history.seconds[spec.get("warm_up", 0):]),
        "training_seconds": sum(history.seconds),
        "noise": [[evaluation.noise_error(model[1], seen, labels, std=std, generator=generator) for _ in range(draws)]
                  for std in noise],
    }
    return values, {"loss": history.loss, "curve": history.monitor}


def named(spec: dict) -> nn.Module:
    """The trained network of a spec: a convolutional one, or a dense one if it names its ``network``."""
    return (dense_trained if "network" in spec else trained)(**spec)[0]


def attacked(
    *, spec: dict, images: int, eps_l2: list[float], eps_linf: list[float], steps: int, search_steps: int,
    search_iterations: int, search_images: int,
) -> dict:
    """Error rates of a trained network under attack, on the first ``images`` test images, wrong ones included.

    Values: ``clean``; ``l2``, ``linf``: by budget, under PGD of ``steps`` steps of 2.5 eps / steps; ``noise``: under
    Gaussian noise of the same expected l2 norm, by budget of ``eps_l2``; ``fgsm``: one step at each of ``eps_linf``;
    ``distances``: l2 lengths by Carlini and Wagner on the first ``search_images`` (0 for those that were wrong, null
    where none was found).
    """
    model, (x, y) = named(spec), loaded(spec["data"], "test")
    x, y = x[:images], y[:images]
    pixels = x[0].numel()

    def pgd(eps: float, p: float) -> float:
        moved = attacks.pgd(model, x, y, eps=eps, step=2.5 * eps / steps, steps=steps, p=p)
        return evaluation.error_rate(model, moved, y)

    generator = runtime.generator(0)
    some, truth = x[:search_images], y[:search_images]
    wrong = evaluation.wrong(model, some, truth)
    found = attacks.carlini_wagner(model, some, truth, search_steps=search_steps, steps=search_iterations)
    lengths, fooled = norms.norm(found - some), evaluation.wrong(model, found, truth)
    return {
        "clean": evaluation.error_rate(model, x, y),
        "l2": [pgd(eps, 2) for eps in eps_l2],
        "linf": [pgd(eps, norms.INF) for eps in eps_linf],
        "fgsm": [evaluation.error_rate(model, attacks.fgsm(model, x, y, eps=eps), y) for eps in eps_linf],
        "noise": [evaluation.noise_error(model, x, y, std=eps / pixels**0.5, generator=generator) for eps in eps_l2],
        "distances": [0.0 if early else length if late else None for early, late, length in
                      zip(wrong.tolist(), fooled.tolist(), lengths.tolist(), strict=True)],
    }


def transferred(*, source: dict, target: dict, images: int, eps: float, steps: int) -> dict:
    """Error rate of ``target`` on images made by PGD (l2) on ``source`` alone, and on its own: is it of use?"""
    (x, y), made_on, judged = loaded(target["data"], "test"), named(source), named(target)
    x, y = x[:images], y[:images]

    def made(model: nn.Module) -> Tensor:
        return attacks.pgd(model, x, y, eps=eps, step=2.5 * eps / steps, steps=steps, p=2)

    return {"transferred": evaluation.error_rate(judged, made(made_on), y),
            "own": evaluation.error_rate(judged, made(judged), y)}


def along(*, spec: dict, images: int, lengths: list[float], seed: int) -> dict:
    """Mean loss of a trained network along its gradient and along a random direction, by l2 length, not clipped.

    Values: ``gradient``, ``random``: by length.
    """
    model, (x, y) = named(spec), loaded(spec["data"], "test")
    x, y = x[:images], y[:images]
    with runtime.evaluating(model):
        g = regularizers.loss_gradient(model, x, y)
    noise = torch.randn(x.shape, generator=runtime.generator(seed)).to(x)

    def loss(direction: Tensor, length: float) -> float:
        return evaluation.mean_loss(model, x + length * norms.steepest(direction, 2), y)

    return {"gradient": [loss(g, length) for length in lengths], "random": [loss(noise, length) for length in lengths]}


def one_step(*, spec: dict, images: int, lengths: list[float], seed: int) -> dict:
    """Error rates of a trained network one step away from the first ``images`` test images, by l2 length.

    The step is the perturbation of Equation (3), p = 2, with sigma = length, in the units in which the network is
    trained (CIFAR-10: whitened), without dropout. Values: ``clean``; ``gradient`` and ``random``, by length: along each
    image's gradient, and along a random direction; ``classes``, among which a guess would be.
    """
    (front, body), (x, y) = named(spec), loaded(spec["data"], "test")
    seen, y = front(x[:images]), y[:images]
    with runtime.evaluating(body):
        parts = zip(seen.split(500), y.split(500), strict=True)
        g = torch.cat([regularizers.loss_gradient(body, *part) for part in parts])
    noise = torch.randn(seen.shape, generator=runtime.generator(seed)).to(seen)

    def error(direction: Tensor, length: float) -> float:
        return evaluation.error_rate(body, seen + length * norms.steepest(direction, 2), y)

    return {"classes": body(seen[:1]).shape[1], "clean": evaluation.error_rate(body, seen, y),
            "gradient": [error(g, length) for length in lengths],
            "random": [error(noise, length) for length in lengths]}


def fitted(*, spec: dict, images: int) -> dict:
    """Does a trained network overfit? ``error`` and ``loss`` (mean, nats), without dropout, on ``images`` of the images
    that it was trained on: the first ones."""
    (front, body), (x, y) = named(spec), loaded(spec["data"], "train")
    images = min(images, spec.get("train_size") or len(y))
    seen = torch.cat([front(part) for part in x[:images].split(1000)])
    return {"error": evaluation.error_rate(body, seen, y[:images]), "trials": images,
            "loss": evaluation.mean_loss(body, seen, y[:images])}
