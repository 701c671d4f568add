"""How many of the attacked images each kind of network is too sure of for torch's cross-entropy in float32."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from advbook.chapters.attacks import comparison as page
from advbook.chapters.gradient_regularization import convolutional as gradient_regularization_convolutional
from advbook.chapters.representation import defences as representation_defences
from advbook.chapters.smooth_adversarial import attacks as smooth_adversarial
from advbook.chapters.sparsity_attribution import pipeline as sparsity_attribution
from advutils import attacks, evaluation
from advutils.attacks import ascent
from advutils.core import runtime

Loaded = tuple[nn.Module, Tensor, Tensor]  # a network, test images in [0, 1] that fit it, their labels
BLOCK = 100  # images that are attacked at a time


def _page(spec: dict, count: int) -> Loaded:
    x, y = page.loaded(spec["data"], "test")
    return page.network(**spec), x[:count], y[:count]


def _digits(spec: dict, count: int) -> Loaded:
    x, y = page.loaded(spec["data"], "test")
    return smooth_adversarial.frozen(smooth_adversarial.classifier(**spec)), x[:count], y[:count]


def _natural(spec: dict, count: int) -> Loaded:
    return smooth_adversarial.natural(**spec, first=0, images=count)


def _sparse(spec: dict, count: int) -> Loaded:
    return sparsity_attribution.trained(**spec)[0], *sparsity_attribution.loaded(spec["data"], "test", count)


def _regularised(spec: dict, count: int) -> Loaded:
    x, y = gradient_regularization_convolutional.loaded(spec["data"], "test")
    return gradient_regularization_convolutional.named(spec), x[:count], y[:count]


def _structural(spec: dict, count: int) -> Loaded:
    x, y = representation_defences.loaded(spec["data"], "test", spec["side"])
    return representation_defences.trained(**spec)[0], x[:count], y[:count]


# Where a network comes from: the chapters' own functions, by module and name. A chapter that has another kind adds a
# row; no record of the other rows becomes older by it.
LOADERS: dict[str, Callable[[dict, int], Loaded]] = {
    "attacks.network": _page,
    "smooth_adversarial.classifier": _digits,
    "smooth_adversarial.natural": _natural,
    "sparsity_attribution.trained": _sparse,
    "gradient_regularization_convolutional.named": _regularised,
    "representation_defences.trained": _structural,
}


def sure_share(*, loader: str, spec: dict, images: int, eps: float, steps: int) -> tuple[dict, dict]:
    """Projected ascent (l-infinity, ``steps`` steps of 2.5 eps / steps) on the first ``images`` test images, twice.

    ``loader`` is a name in :data:`LOADERS`, ``spec`` the arguments of that function, ``eps`` in units of [0, 1]. The
    first attack is :func:`advutils.attacks.pgd`; the second goes along torch's own cross-entropy, as this book's first
    edition did, see :func:`plain_ascent`. Both start at the image; wrong images are attacked too.

    Values, shares in [0, 1]: ``sure`` (of the images, over all steps of the first attack, those whose margin is over
    :data:`advutils.attacks.ascent.SURE`), ``start`` (the same before the first step), ``clean``, ``pgd`` and ``plain``
    (errors: of the images themselves and after each attack), ``still`` (images that the second attack has not moved);
    ``images`` and ``classes``. Arrays: the last five by image, as bits, and ``margins`` (N,) before the first step, in
    float16.

    Raises ``ValueError`` for a loader that is not there.
    """
    if loader not in LOADERS:
        raise ValueError(f"loader must be one of {', '.join(LOADERS)}, got {loader!r}")
    model, x, y = LOADERS[loader](spec, images)
    with torch.no_grad(), runtime.evaluating(model):
        z = torch.cat([model(part) for part in x.split(BLOCK)])
    blocks = list(zip(x.split(BLOCK), y.split(BLOCK), strict=True))
    with attacks.counting_sure() as counts:
        moved = torch.cat(
            [attacks.pgd(model, *block, eps=eps, step=2.5 * eps / steps, steps=steps) for block in blocks]
        )
    plain = torch.cat([plain_ascent(model, *block, eps=eps, step=2.5 * eps / steps, steps=steps) for block in blocks])
    masks = {
        "start": ascent.sure(z, y),
        "clean": z.argmax(1) != y,
        "pgd": evaluation.wrong(model, moved, y),
        "plain": evaluation.wrong(model, plain, y),
        "still": (plain == x).flatten(1).all(1),
    }
    values = {name: mask.sum().item() / len(y) for name, mask in masks.items()}
    own = y[:, None]
    margins = (z.gather(1, own) - z.scatter(1, own, -torch.inf).amax(1, keepdim=True))[:, 0]
    return (
        {**values, "sure": counts.sure / counts.looks, "images": len(y), "classes": z.shape[1]},
        {"margins": margins.half().cpu().numpy(), **{k: evaluation.packed(mask) for k, mask in masks.items()}},
    )


def plain_ascent(model: nn.Module, x: Tensor, y: Tensor, *, eps: float, step: float, steps: int) -> Tensor:
    """l-infinity ascent along torch's own cross-entropy: (N, ...) in [0, 1] -> the same shape. Not for use: to compare.

    As :func:`advutils.attacks.pgd`, but for the gradient, which is lost in the logits' precision where the network is
    sure: where it is 0, a pixel stays.
    """
    moved = x
    with runtime.evaluating(model):
        for _ in range(steps):
            leaf = moved.detach().requires_grad_()
            (g,) = torch.autograd.grad(F.cross_entropy(model(leaf), y, reduction="sum"), leaf)
            moved = (x + (leaf.detach() + step * g.sign() - x).clamp(-eps, eps)).clamp(0, 1)
    return moved.detach()
