"""Measurements of Lyu, Huang and Liang 2015, Section III: what gradient perturbations look like (Eqs. 22-25)."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from advbook.chapters.gradient_regularization.theory import gradient, judged, logit_jacobian
from advutils import datasets, evaluation, models, training
from advutils.core import norms, runtime

MORPHS = ((2, 7), (3, 8), (6, 5))  # Section III-A: what the paper saw in its Figure 4
BANDS = (0.0, 0.9, 0.99, 0.999, 1.0)  # edges of the confidence bands: probability of the true class


def erase_inject(*, images: int, sigmas: list[float], **spec) -> dict:
    """Eq. (25) in numbers on the first ``images`` test images: t the true class, r the most probable wrong one.

    g = sum_{k != t} y_k (J_k - J_t), J_k the gradient of logit k; ``identity_gap`` is the largest relative gap of that.
    Means over images: ``share_pair`` (cos^2 of epsilon and J_r - J_t, the share of ||epsilon||^2 along it),
    ``share_even`` (the same if all nine wrong classes were equally probable),
    ``cos_pair``, ``cos_erase`` (with -J_t) and ``cos_inject`` (with +J_r), logits centred, the same as trained
    (``*_raw``), ``weight`` (y_r / (1 - y_t)), ``cos_means`` (with the mean training image of r minus that of t),
    ``means_agree`` (share of images where r has the largest such cosine of nine) and ``image_norm`` (||x||).
    Among the images classified correctly, per sigma: ``changed`` and ``to_runner_up`` (share then called r); at the
    last sigma, per band of y_t (``BANDS``): ``band_images``, ``band_changed``, ``band_to_runner_up``,
    ``band_share_pair`` and ``band_share_even`` (None in an empty band).
    """
    model, x, y = judged(images, **spec)
    rows = torch.arange(len(y), device=x.device)
    logits, jacobian = logit_jacobian(model, x)
    probability = logits.softmax(1)
    rival = logits.scatter(1, y[:, None], -torch.inf).argmax(1)
    confidence = probability[rows, y]
    _, _, g = gradient(model, x, y)
    flat = g.flatten(1)
    others = probability.scatter(1, y[:, None], 0)
    rebuilt = torch.einsum("nk,nkd->nd", others, jacobian - jacobian[rows, y][:, None])
    centred = jacobian - jacobian.mean(1, keepdim=True)
    pair = jacobian[rows, rival] - jacobian[rows, y]
    share = F.cosine_similarity(flat, pair).square()
    # what the pair would get if all nine wrong classes were equally probable: no class is preferred then
    even = (jacobian - jacobian[rows, y][:, None]).sum(1)
    share_even = F.cosine_similarity(even, pair).square()
    mean_of = _class_means(spec["data"], like=x)
    directions = mean_of[None] - mean_of[y][:, None]
    to_means = F.cosine_similarity(flat[:, None], directions, dim=2).scatter(1, y[:, None], -torch.inf)
    values = {
        "identity_gap": ((rebuilt - flat).norm(dim=1) / flat.norm(dim=1)).max().item(),
        "share_pair": share.mean().item(),
        "share_even": share_even.mean().item(),
        "cos_pair": F.cosine_similarity(flat, pair).mean().item(),
        "cos_erase": F.cosine_similarity(flat, -centred[rows, y]).mean().item(),
        "cos_inject": F.cosine_similarity(flat, centred[rows, rival]).mean().item(),
        "cos_erase_raw": F.cosine_similarity(flat, -jacobian[rows, y]).mean().item(),
        "cos_inject_raw": F.cosine_similarity(flat, jacobian[rows, rival]).mean().item(),
        "weight": (others.amax(1) / others.sum(1)).mean().item(),
        "cos_means": to_means[rows, rival].mean().item(),
        "means_agree": (to_means.argmax(1) == rival).double().mean().item(),
        "image_norm": x.flatten(1).norm(dim=1).mean().item(),
        "changed": [],
        "to_runner_up": [],
    }
    right = logits.argmax(1) == y
    direction = norms.steepest(g, 2)
    for sigma in sigmas:
        moved = evaluation.predictions(model, x + sigma * direction)
        values["changed"].append((moved != y)[right].double().mean().item())
        values["to_runner_up"].append((moved == rival)[right].double().mean().item())
    band = torch.bucketize(confidence[right], torch.tensor(BANDS[1:-1], dtype=x.dtype, device=x.device))
    parts = [band == b for b in range(len(BANDS) - 1)]
    values["band_images"] = [part.sum().item() for part in parts]
    for name, what in (
        ("changed", moved != y),
        ("to_runner_up", moved == rival),
        ("share_pair", share),
        ("share_even", share_even),
    ):
        values[f"band_{name}"] = [what[right][part].double().mean().item() if part.any() else None for part in parts]
    return values


def transfer(*, images: int, sigmas: list[float], target_seed: int, **spec) -> dict:
    """Section III-C: do the perturbations of one network fool another one, or the same one on another image?

    Error among the test images that source, target and softmax regression all classify correctly, per sigma (p = 2):
    ``own`` (the source itself), ``network`` (same architecture, ``target_seed``), ``softmax`` (softmax regression),
    ``instance`` (source, but the epsilon of another image of the same class), ``network_random``,
    ``softmax_random`` and ``instance_random`` (a random direction of the same length). ``network_rival`` and
    ``softmax_rival``: share called the source's most probable wrong class. ``images``: how many images these are.
    """
    source, x, y = judged(images, **spec)
    target = judged(1, **spec | {"seed": target_seed})[0]
    softmax = _softmax(spec["data"], spec["seed"]).double().eval()
    keep = ~sum(evaluation.wrong(m, x, y) for m in (source, target, softmax)).bool()  # type: ignore[union-attr]
    if not keep.any():
        raise ValueError("no test image is classified correctly by all three networks; train for more epochs")
    x, y = x[keep], y[keep]
    direction = norms.steepest(gradient(source, x, y)[2], 2)
    with torch.no_grad():
        rival = source(x).scatter(1, y[:, None], -torch.inf).argmax(1)
    generator = runtime.generator(spec["seed"])
    noise = norms.steepest(torch.randn(x.shape, generator=generator, dtype=x.dtype).to(x.device), 2)
    other = torch.arange(len(y), device=x.device)
    for label in y.unique():  # each image takes the epsilon of the next one of its class
        members = (y == label).nonzero().flatten()
        other[members] = members.roll(1)
    cases = {
        "own": (source, direction),
        "network": (target, direction),
        "softmax": (softmax, direction),
        "instance": (source, direction[other]),
        "instance_random": (source, noise),
        "network_random": (target, noise),
        "softmax_random": (softmax, noise),
    }
    values: dict = {name: [] for name in (*cases, "network_rival", "softmax_rival")}
    for sigma in sigmas:
        for name, (judge, eps) in cases.items():
            found = evaluation.predictions(judge, x + sigma * eps)
            values[name].append((found != y).double().mean().item())
            if name in ("network", "softmax"):
                values[f"{name}_rival"].append((found == rival).double().mean().item())
    return values | {"images": len(y)}


def pictures(*, sigmas: list[float], **spec) -> tuple[dict, dict]:
    """Figures 1-4: the first test image of each class, and the most confused image of each pair the paper names.

    Values: ``digits`` and ``morphs``, lists of dicts (``index`` in the test set, ``label``, ``rival`` the most
    probable wrong class, ``confidence`` = probability of the label, ``found`` = predicted class at sigma 0 and at each
    of ``sigmas``), and ``pairs``: for each of ``MORPHS``, how many correctly classified images of the class ``of``
    have that ``rival``. A pair that no test image has is left out of ``morphs``. Arrays: ``images`` (M, 28, 28) uint8
    and ``directions`` (M, 28, 28) float16, epsilon / sigma for p = 2, of digits then morphs.
    """
    model, x, y = judged(0, **spec)
    with torch.no_grad():
        logits = model(x)
    confidence = logits.softmax(1)[torch.arange(len(y)), y]
    rival = logits.scatter(1, y[:, None], -torch.inf).argmax(1)
    digits = [(y == label).nonzero()[0].item() for label in range(10)]
    morphs, pairs = [], []
    for label, wanted in MORPHS:
        right = (y == label) & (logits.argmax(1) == y)
        candidates = (right & (rival == wanted)).nonzero().flatten()
        pairs.append({"from": label, "to": wanted, "images": len(candidates), "of": right.sum().item()})
        if len(candidates):
            morphs.append(candidates[confidence[candidates].argmin()].item())
    chosen = torch.tensor(digits + morphs, device=x.device)
    direction = norms.steepest(gradient(model, x[chosen], y[chosen])[2], 2)
    found = torch.stack([evaluation.predictions(model, x[chosen] + s * direction) for s in (0.0, *sigmas)], dim=1)
    rows = [
        {"index": i, "label": y[i].item(), "rival": rival[i].item(), "confidence": confidence[i].item(), "found": f}
        for i, f in zip(chosen.tolist(), found.tolist(), strict=True)
    ]
    shown = (x[chosen, 0] * 255).round().to(torch.uint8).cpu().numpy()
    return (
        {"digits": rows[: len(digits)], "morphs": rows[len(digits) :], "pairs": pairs},
        {"images": shown, "directions": direction[:, 0].cpu().numpy().astype(np.float16)},
    )


def _class_means(name: str, *, like: Tensor) -> Tensor:
    x, y = datasets.load(name, split="train")
    return torch.stack([x[y == label].flatten(1).mean(0) for label in range(10)]).to(like)


def _softmax(name: str, seed: int) -> nn.Module:
    x, y = (part.to(runtime.device()) for part in datasets.load(name, split="train"))
    model = models.softmax_regression().to(x.device)
    training.train(model, x, y, objective=lambda m, a, b: F.cross_entropy(m(a), b), epochs=10, seed=seed)
    return model
