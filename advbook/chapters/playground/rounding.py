"""Measurements of the playground: what rounding to eight bits costs its networks, and what else the page shows."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from advbook import networks
from advbook.chapters.gradient_regularization import dense as gradient_regularization
from advbook.chapters.gradient_regularization.pictures import MORPHS
from advbook.chapters.representation import defences as representation_defences
from advutils import datasets, evaluation
from advutils.attacks import universal as perturbations
from advutils.core import runtime
from advutils.models import quantisation

FAMILIES = ("dense", "structural")


def network(family: str, spec: dict) -> nn.Module:
    """A network of the book, in evaluation mode: "dense" those of Lyu et al. 2015, "structural" those of Cutilli 2021.

    ``spec`` is what the chapter's own ``trained`` takes. Of the second, the weights of the best epoch.
    Raises ``ValueError`` for another family.
    """
    if family not in FAMILIES:
        raise ValueError(f"family must be one of {', '.join(FAMILIES)}, got {family!r}")
    if family == "dense":
        return gradient_regularization.trained(**spec)[0].eval().requires_grad_(False)
    return representation_defences.trained(**spec, weights="best")[0]


def test_set(name: str) -> tuple[Tensor, Tensor]:
    """The test images of a data set and their labels, on the device."""
    images, labels = datasets.load(name, split="test")
    return images.to(runtime.device()), labels.to(runtime.device())


def rounding(*, family: str, spec: dict) -> tuple[dict, dict]:
    """One network before and after its weights are rounded to int8 with a scale a row, on the test set.

    Values: ``error`` and ``error_int8`` (in [0, 1]), ``trials``, ``differing`` (answers that are others),
    ``largest`` (of all changes of a logit), and the SHA-256 of the ``weights`` and of those after ``rounded``.
    Arrays: bits by image, ``wrong`` and ``wrong_int8``.
    """
    model = network(family, spec)
    coarse = quantisation.rounded(model)
    images, labels = test_set(spec["data"])
    with torch.no_grad():
        fine_logits, coarse_logits = model(images), coarse(images)
    before, after = fine_logits.argmax(1), coarse_logits.argmax(1)
    values = {
        "error": (before != labels).sum().item() / len(labels),
        "error_int8": (after != labels).sum().item() / len(labels),
        "trials": len(labels),
        "differing": (before != after).sum().item(),
        "largest": (fine_logits - coarse_logits).abs().max().item(),
        "weights": networks.digest(model.state_dict()),
        "rounded": networks.digest(coarse.state_dict()),
    }
    return values, {"wrong": evaluation.packed(before != labels), "wrong_int8": evaluation.packed(after != labels)}


def shown_digits(*, data: str, chooser: str, members: dict) -> tuple[dict, dict]:
    """The twenty test images that the page shows, chosen by a rule; ``members``: {name: {family, spec}}.

    Ten are the first test image of each class; ten, one a class, are the one with the smallest probability of its
    label by the network ``chooser``, among those that every member, rounded to int8, gets right. For 2, 3 and 6 that is
    looked for among images whose second choice is the one that Lyu et al. 2015, Section III-A, saw it turn into (7, 8,
    5), if there are such. Values: ``digits``, dicts of ``index`` (in the test set), ``label``, ``rival`` (the second
    choice) and ``confidence``. Arrays: ``images`` (20, 28, 28) uint8.
    """
    images, labels = test_set(data)
    found = {name: quantisation.rounded(network(**member)) for name, member in members.items()}
    with torch.no_grad():
        logits = {name: model(images) for name, model in found.items()}
    everywhere = torch.stack([z.argmax(1) == labels for z in logits.values()]).all(0)
    confidence = logits[chooser].softmax(1).gather(1, labels[:, None])[:, 0]
    rival = logits[chooser].scatter(1, labels[:, None], -torch.inf).argmax(1)
    chosen = [(labels == label).nonzero()[0].item() for label in range(10)]
    wanted = dict(MORPHS)
    for label in range(10):
        right = (labels == label) & everywhere
        if label in wanted and (right & (rival == wanted[label])).any():
            right &= rival == wanted[label]
        candidates = right.nonzero().flatten()
        chosen.append(candidates[confidence[candidates].argmin()].item() if len(candidates) else chosen[label])
    rows = [
        {"index": i, "label": labels[i].item(), "rival": rival[i].item(), "confidence": confidence[i].item()}  # type: ignore[index]
        for i in chosen
    ]
    return {"digits": rows}, {"images": (images[chosen, 0] * 255).round().to(torch.uint8).cpu().numpy()}  # type: ignore[index]


def common_perturbation(
    *, data: str, members: dict, images: int, passes: int, eps: float, seed: int
) -> tuple[dict, dict]:
    """One universal perturbation (l-infinity) of all ``members``, networks rounded to int8: Kuehne and Toedtli 2020.

    Algorithm 2 ("cyclic"), on the first ``images`` training images. ``members``: {name: {family, spec}}. The
    perturbation is rounded to multiples of eps / 127, as the page stores it. Values, by name: ``fooling``, the share
    of test images whose answer it changes (pixels are not clipped), ``random``, the same under random signs of the
    same bound, and ``clipped``, as ``fooling`` with pixels clipped to [0, 1]; ``history`` of the passes.
    Arrays: ``perturbation`` (28, 28) int8.
    """
    found = {name: quantisation.rounded(network(**member)) for name, member in members.items()}
    some = datasets.load(data, split="train")[0][:images].to(runtime.device())
    made = perturbations.universal_perturbation(
        list(found.values()), some, eps=eps, passes=passes, schedule="cyclic", generator=runtime.generator(seed)
    )
    steps = (made.perturbation / eps * 127).round().clamp(-127, 127).to(torch.int8)
    v = steps.float() * (eps / 127)
    signs = torch.rand(v.shape, generator=runtime.generator(seed)).to(v.device) < 0.5
    noise = torch.where(signs, -eps, eps)
    test, _ = test_set(data)
    values: dict = {"history": made.history, "fooling": {}, "random": {}, "clipped": {}}
    for name, model in found.items():
        values["fooling"][name] = perturbations.fooling_rate(model, test, v)
        values["random"][name] = perturbations.fooling_rate(model, test, noise)
        moved, clean = (perturbations.classes(model, x) for x in ((test + v).clamp(0, 1), test))
        values["clipped"][name] = (moved != clean).double().mean().item()
    return values, {"perturbation": steps[0].cpu().numpy().astype(np.int8)}
