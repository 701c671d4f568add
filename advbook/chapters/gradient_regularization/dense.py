"""Measurements of the chapter on Lyu, Huang and Liang 2015: dense networks on MNIST (Tables I and IV, Figures 1-4)."""

from __future__ import annotations

import math
from pathlib import Path

import torch.nn.functional as F
from torch import Tensor, nn

from advbook import networks
from advutils import attacks, datasets, evaluation, models, training
from advutils.core import runtime
from advutils.training import regularizers

# The paper fixes the max-norm (Section IV-A) and, through pylearn2's mnist_pi.yaml, everything about maxout. The
# sigmoid network's optimiser is unknown; this one was chosen in runs of 8 to 25 epochs so that the strongest
# perturbation of the grid trains, watching their test errors, before any full run. One schedule for all penalties.
RECIPES = {
    "sigmoid-mlp": {
        "max_norm": math.sqrt(15),
        "schedule": training.Schedule(lr=0.2, lr_divisor=1.00006, momentum=(0.5, 0.9), momentum_epochs=10),
    },
    "maxout-mlp": {
        "max_norm": 1.9365,
        "schedule": training.Schedule(lr=0.1, lr_divisor=1.000004, momentum=(0.5, 0.7), momentum_epochs=250),
    },
}
# What each row of the chapter's tables trains with. sigma is a length in the norm p, so its size is no common scale:
# p = 2 uses the paper's 1, p = inf the paper's .1, p = 1 a budget of four full pixels.
VARIANTS = {
    "none": {"penalty": "none"},
    "p=2": {"penalty": "perturbation", "p": 2, "sigma": 1.0},
    "p=inf": {"penalty": "perturbation", "p": "inf", "sigma": 0.1},
    "p=1": {"penalty": "perturbation", "p": 1, "sigma": 4.0},
}
# The two other readings of "p=2" on a network with dropout: under an independent mask, as a program has it that
# computes epsilon in a call of its own, and without dropout
MASKS = {
    "p=2, independent mask": {"penalty": "perturbation", "p": 2, "sigma": 1.0, "mask": "fresh"},
    "p=2, no dropout": {"penalty": "perturbation", "p": 2, "sigma": 1.0, "mask": "none"},
}
# The ends of the family under an independent mask: at the strengths above, and at that of the .84 % cited in Table I
EXTREMES = {
    "p=inf, independent mask": {"penalty": "perturbation", "p": "inf", "sigma": 0.1, "mask": "fresh"},
    "p=inf, σ = .25, independent mask": {"penalty": "perturbation", "p": "inf", "sigma": 0.25, "mask": "fresh"},
    "p=1, independent mask": {"penalty": "perturbation", "p": 1, "sigma": 4.0, "mask": "fresh"},
}
STRENGTHS = {"p=inf": (0.05, 0.1, 0.2), "p=1": (2.0, 4.0, 8.0)}  # half, once and twice those of VARIANTS
SIGMA_GRID = (0.1, 0.5, 1.0, 2.0)  # Section IV-A, tried on the sigmoid network with p = 2
# What the paper leaves open, as changes to "p=2"
SWITCHES = {
    "sigmoid-mlp": {
        "epsilon differentiated": {"stop_gradient": False},
        "x + epsilon clipped to [0, 1]": {"clip": True},
        "Eq. (4) instead of (3)": {"penalty": "penalty"},
    },
    "maxout-mlp": {
        "epsilon under another dropout mask": {"mask": "fresh"},
        "epsilon without dropout": {"mask": "none"},
    },
}
HELD_OUT = 1 / 6  # the last 10,000 of MNIST's 60,000 in the two-stage protocol
PATIENCE = 100


def objective(*, penalty: str, p: float | str, sigma: float, stop_gradient: bool, clip: bool, mask: str):
    """The training loss: "none" L(x), "perturbation" L(x + epsilon) (Eq. (3)), "penalty" L + sigma ||g|| (Eq. (4))."""
    if penalty == "none":
        return lambda model, x, y: F.cross_entropy(model(x), y)
    if penalty == "penalty":
        return lambda model, x, y: regularizers.penalised_loss(model, x, y, sigma=sigma, p=p)
    if penalty == "perturbation":
        return lambda model, x, y: regularizers.perturbed_loss(
            model, x, y, sigma=sigma, p=p, stop_gradient=stop_gradient, clip=clip, mask=mask
        )
    raise ValueError(f"penalty must be 'none', 'perturbation' or 'penalty', got {penalty!r}")


def trained(**spec) -> tuple[nn.Sequential, training.History]:
    """The network of :func:`train_dense` and its history, of both stages; kept, so that a second call only loads it."""
    return networks.kept(train_dense, spec)  # type: ignore[return-value]


def train_dense(
    *,
    checkpoint: Path,
    data: str,
    network: str,
    penalty: str = "none",
    p: float | str = 2,
    sigma: float = 0.0,
    epochs: int,
    seed: int,
    train_size: int = 0,
    width: int | None = None,
    batch_size: int | None = None,
    protocol: str = "fixed",
    stop_gradient: bool = True,
    clip: bool = False,
    mask: str = "shared",
    matmul: str = "highest",
) -> tuple[nn.Sequential, training.History]:
    """Train a dense network, or load it from ``checkpoint`` if that is finished.

    ``protocol``: "fixed" trains on all training images for ``epochs`` epochs and keeps the last weights; "two-stage"
    is the paper's (Section IV-A): five sixths of the images until the error on the last sixth has not improved for 100
    epochs, then all of them until the loss on that last sixth is down to the first stage's training loss.
    ``train_size`` 0 means all images; ``width`` is the number of units of each hidden layer (None: the paper's 600, or
    240 for maxout), ``batch_size`` None is 100. ``matmul`` is torch's float32 matmul precision ("highest", or
    "medium": products of bfloat16 accumulated in float32).
    """
    if protocol not in ("fixed", "two-stage"):
        raise ValueError(f"protocol must be 'fixed' or 'two-stage', got {protocol!r}")
    images, labels = _device_data(data, "train")
    if train_size:
        images, labels = images[:train_size], labels[:train_size]
    with runtime.seeded(seed):
        model = _network(network, width).to(images.device)
    batch_size = batch_size or 100
    recipe = RECIPES[network]
    loss = objective(penalty=penalty, p=p, sigma=sigma, stop_gradient=stop_gradient, clip=clip, mask=mask)
    arguments = {"objective": loss, "epochs": epochs, "seed": seed, "batch_size": batch_size, **recipe}
    with runtime.precision(matmul):
        if protocol == "fixed":
            return model, training.train(model, images, labels, checkpoint=checkpoint, **arguments)
        kept = round(len(labels) * (1 - HELD_OUT))
        first = training.train(
            model,
            images[:kept],
            labels[:kept],
            checkpoint=checkpoint.with_suffix(".first.pt"),
            patience=PATIENCE,
            monitor=lambda m: evaluation.error_rate(m, images[kept:], labels[kept:]),
            **arguments,
        )
        target = evaluation.mean_loss(model, images[:kept], labels[:kept])
        # pylearn2's second stage goes on with the learning rate and momentum of the best epoch
        steps = first.best_epoch * math.ceil(kept / batch_size)
        schedule = recipe["schedule"]
        momentum = schedule.momentum_at(first.best_epoch)  # type: ignore[attr-defined]
        continued = training.Schedule(
            lr=schedule.rate(steps),  # type: ignore[attr-defined]
            lr_divisor=schedule.lr_divisor,  # type: ignore[attr-defined]
            momentum=(momentum, momentum),
        )
        second = training.train(
            model,
            images,
            labels,
            checkpoint=checkpoint,
            target=target,
            monitor=lambda m: evaluation.mean_loss(m, images[kept:], labels[kept:]),
            **(arguments | {"schedule": continued, "seed": seed + 1000}),
        )
    for field in ("loss", "monitor", "seconds"):
        setattr(second, field, getattr(first, field) + getattr(second, field))
    return model, second


def _network(name: str, width: int | None) -> nn.Sequential:
    if name == "sigmoid-mlp":
        return models.sigmoid_mlp(hidden=(width or 600, width or 600))
    if name == "maxout-mlp":
        return models.maxout_mlp(units=width or 240)
    raise ValueError(f"network must be 'sigmoid-mlp' or 'maxout-mlp', got {name!r}")


def _device_data(name: str, split: str) -> tuple[Tensor, Tensor]:
    images, labels = datasets.load(name, split=split)
    return images.to(runtime.device()), labels.to(runtime.device())


def dense_network(
    *, noise: list[float], draws: int, attack_images: int, attack_l2: list[float], attack_linf: list[float], **spec
) -> tuple[dict, dict]:
    """One trained network, judged: test error, error under noise (Table IV) and under PGD (beyond the paper).

    Returns values ``error`` (test set, in [0, 1]), ``trials``, ``train_loss``, ``epochs``, ``seconds_per_epoch`` and
    ``training_seconds`` (of the training itself, also where a checkpoint made this call short),
    ``noise`` (one list of ``draws`` error rates per standard deviation), ``pgd_l2`` and ``pgd_linf`` (error rate on
    the first ``attack_images`` test images per budget; 40 steps of 2.5 eps / 40), and arrays ``wrong`` (indices of the
    misclassified test images) and ``loss`` (training objective per epoch).
    """
    model, history = trained(**spec)
    images, labels = _device_data(spec["data"], "test")
    mistakes = evaluation.wrong(model, images, labels)
    generator = runtime.generator(spec["seed"])
    values = {
        "error": mistakes.sum().item() / len(labels),
        "trials": len(labels),
        "train_loss": history.loss[-1],
        "epochs": len(history.loss),
        "seconds_per_epoch": sum(history.seconds) / len(history.seconds),
        "training_seconds": sum(history.seconds),
        "noise": [
            [evaluation.noise_error(model, images, labels, std=std, generator=generator) for _ in range(draws)]
            for std in noise
        ],
    }
    some, truth = images[:attack_images], labels[:attack_images]
    for name, p, budgets in (("pgd_l2", 2, attack_l2), ("pgd_linf", "inf", attack_linf)):
        values[name] = [
            evaluation.error_rate(  # type: ignore[misc]
                model, attacks.pgd(model, some, truth, eps=eps, step=2.5 * eps / 40, steps=40, p=p), truth
            )
            for eps in budgets
        ]
    return values, {"wrong": mistakes.nonzero().flatten().cpu().numpy(), "loss": history.loss}
