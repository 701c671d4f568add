"""Measurements of the page on attacks: the networks they run on, their paths on a toy, the search for c."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from advbook import networks
from advutils import attacks, datasets, evaluation, models, training
from advutils.core import norms, runtime

BUILDERS = {"lenet": models.lenet, "resnet8": models.resnet8}
SCHEDULE = training.Schedule(lr=0.05, lr_divisor=1.0, momentum=(0.9, 0.9), momentum_epochs=1)


def network(**spec) -> nn.Sequential:
    """The network of :func:`train_small`; kept, so that a second call only loads it."""
    return networks.kept(train_small, spec)[0].eval()  # type: ignore[return-value]


def train_small(
    *, checkpoint: Path, network: str, data: str, epochs: int, seed: int, train_size: int = 0
) -> tuple[nn.Sequential, training.History]:
    """Train a "lenet" or a "resnet8"."""
    images, labels = loaded(data, "train")
    if train_size:
        images, labels = images[:train_size], labels[:train_size]
    with runtime.seeded(seed):
        model = BUILDERS[network](channels=images.shape[1]).to(images.device)
    return model, training.train(
        model,
        images,
        labels,
        objective=lambda m, x, y: F.cross_entropy(m(x), y),
        epochs=epochs,
        seed=seed,
        schedule=SCHEDULE,
        checkpoint=checkpoint,
    )


def loaded(name: str, split: str) -> tuple[Tensor, Tensor]:
    """Images and labels on the device of the measurements."""
    images, labels = datasets.load(name, split=split)
    return images.to(runtime.device()), labels.to(runtime.device())


def correct(model: nn.Module, name: str, count: int, first: int = 0) -> tuple[Tensor, Tensor]:
    """``count`` test images that the model classifies correctly, without the ``first`` ones, and their labels."""
    images, labels = loaded(name, "test")
    right = (evaluation.predictions(model, images) == labels).nonzero().flatten()[first : first + count]
    return images[right], labels[right]


def search_cost(*, images: int, first: int, steps: int, search_steps: list[int], **spec) -> dict:
    """What stopping early costs Carlini and Wagner's attack: mean l2 and passes an image, with and without.

    Values, one an entry of ``search_steps`` (the largest number of runs allowed): ``full`` and ``stopped``, each a list
    of {"passes", "l2", "success"}.
    """
    model = network(**spec)
    x, y = correct(model, spec["data"], images, first)
    values: dict = {"full": [], "stopped": [], "images": len(x)}
    for name, stop in (("full", False), ("stopped", True)):
        for runs in search_steps:
            seen = []
            handle = model.register_forward_hook(lambda module, inputs, output, seen=seen: seen.append(len(output)))
            out = attacks.carlini_wagner(model, x, y, steps=steps, search_steps=runs, abort_early=stop)
            handle.remove()
            fooled = evaluation.predictions(model, out) != y
            values[name].append(
                {
                    "passes": sum(seen) / len(x),
                    "l2": norms.norm(out - x)[fooled].mean().item(),
                    "success": fooled.double().mean().item(),
                }
            )
    return values


class Toy(nn.Module):
    """Three classes in the unit square with curved boundaries: logits -40 ||x - centre_k||^2 bent by a sine."""

    CENTRES = ((0.25, 0.3), (0.75, 0.35), (0.45, 0.85))

    def forward(self, x: Tensor) -> Tensor:
        bent = torch.stack([x[:, 0] + 0.06 * torch.sin(9 * x[:, 1]), x[:, 1] + 0.06 * torch.sin(7 * x[:, 0])], dim=1)
        centres = torch.tensor(self.CENTRES, dtype=x.dtype, device=x.device)
        return -40 * (bent[:, None] - centres).square().sum(2)


def paths(*, start: list[float], eps: float, step: float, steps: int) -> tuple[dict, dict]:
    """Where four attacks go on the toy classifier from one point of the unit square.

    Arrays: ``fgsm``, ``pgd``, ``deepfool``, ``carlini_wagner``, the points (T, 2) at which each looked, in order, and
    the point returned as the last; ``grid`` and ``classes``, the decision regions. Values: ``length``, the distance of
    each end from the start, and ``fooled``.
    """
    model, x = Toy(), torch.tensor([start], dtype=torch.float64)
    y = model(x).argmax(1)
    calls = {
        "fgsm": lambda m: attacks.fgsm(m, x, y, eps=eps, p=2),
        "pgd": lambda m: attacks.pgd(m, x, y, eps=eps, step=step, steps=steps, p=2),
        "deepfool": lambda m: attacks.deepfool(m, x, num_classes=3),
        "carlini_wagner": lambda m: attacks.carlini_wagner(m, x, y, steps=60, search_steps=4, lr=0.03),
    }
    values, arrays = {"length": {}, "fooled": {}}, {}
    for name, attack in calls.items():
        seen: list[Tensor] = []
        handle = model.register_forward_pre_hook(lambda module, inputs, seen=seen: seen.append(inputs[0].detach()))
        end = attack(model)
        handle.remove()
        arrays[name] = torch.cat([*seen, end]).numpy()
        values["length"][name] = norms.norm(end - x).item()
        values["fooled"][name] = bool((model(end).argmax(1) != y).item())
    axis = torch.linspace(0, 1, 201, dtype=torch.float64)
    mesh = torch.cartesian_prod(axis, axis)
    classes = model(mesh).argmax(1).reshape(201, 201).T
    return values, arrays | {"grid": axis.numpy(), "classes": classes.numpy().astype(np.int8)}
