"""Attacks whose perturbation is as smooth as the image: Zhang, Avrithis, Furon and Amsaleg 2019, Section 4.1."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from advutils.attacks import margin_search
from advutils.attacks.ascent import ascent_direction
from advutils.attacks.carlini_wagner import clipped
from advutils.attacks.gradient import steepest, to_sphere
from advutils.core import checks, memory, norms, runtime
from advutils.filters.smoothing import ImageSmoother

SMOOTHED = ("gradient", "perturbation")


def smooth_pgd(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    smoother: ImageSmoother,
    eps: float | Tensor,
    step: float,
    steps: int,
    smooth: str = "gradient",
) -> Tensor:
    """sPGD_2: projected gradient ascent in l2 with smoothing guided by the image.

    ``smooth="gradient"`` is Eqs. (10), (11), (12) as printed: the gradient is smoothed, scaled to length ``step`` and
    added, and the sum projected into the ball. ``smooth="perturbation"`` is what the authors' code does: a step of
    plain ascent, clipping to [0, 1], then the **whole** perturbation so far is smoothed and scaled to length ``eps``,
    be it longer or shorter; the image is clipped at the end only. Both ascend the cross-entropy, as their code does
    (the text has the margin loss), along :func:`advutils.attacks.ascent_direction`: smoothing is linear, so that a
    positive factor an image changes nothing. The last iterate is returned.

    ``smoother`` must have been made for ``x``, an (N, C, H, W) batch. Shapes, ranges and errors otherwise as in
    :func:`advutils.attacks.fgsm`; also ``ValueError`` for step <= 0, steps < 1, another ``smooth`` or another smoother.

    >>> import torch
    >>> from advutils.attacks import smooth_pgd
    >>> from advutils.core.norms import norm
    >>> from advutils.filters import ImageSmoother
    >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 2))
    >>> x, y = torch.full((1, 1, 4, 4), 0.5), torch.tensor([0])
    >>> norm(smooth_pgd(model, x, y, eps=0.5, step=0.2, steps=5, smoother=ImageSmoother(x)) - x)
    tensor([0.5000])
    """
    checks.attack(model, x, y)
    radius = checks.budget(eps, x)
    checks.positive(step=step)
    checks.at_least(1, steps=steps)
    if smooth not in SMOOTHED:
        raise ValueError(f"smooth must be one of {', '.join(SMOOTHED)}, got {smooth!r}")
    _check(smoother, x)
    x = x.detach()
    image, split = x, memory.Split()
    with runtime.evaluating(model), torch.no_grad():
        for number in range(steps):
            g = ascent_direction(model, image, y, split=split, check=number == 0)
            if smooth == "gradient":
                moved = image - x + step * steepest(smoother(g), 2)
                image = (x + norms.project(moved, radius, 2)).clamp_(0, 1)
            else:
                moved = (image + step * steepest(g, 2)).clamp_(0, 1) - x
                image = x + to_sphere(smoother(moved), radius, 2)
    image = image.clamp(0, 1)
    checks.result(image)
    return image


def smooth_carlini_wagner(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    smoother: ImageSmoother,
    penalty: str = "squared",
    steps: int = 100,
    search_steps: int = 9,
    lr: float = 0.1,
    initial_const: float = 1.0,
    confidence: float = 0.0,
    abort_early: bool = True,
) -> Tensor:
    """sC&W, Eq. (18): minimise ||s^(z)||^2 + c [z_y - max_{k != y} z_k + m]_+ at the image clip(x + s^(z)), over z.

    c is 1 / lambda, m is ``confidence``, s^ is ``smoother``, which must have been made for ``x`` (N, C, H, W). Adam
    starts at z = 0 with the gradient of Eq. (19), whose adjoint the smoother has. ``penalty="norm"`` has ||s^(z)|| in
    place of its square, as every version of the authors' code does. Options, result and errors otherwise as in
    :func:`advutils.attacks.carlini_wagner`.
    """
    checks.attack(model, x, y)
    options = dict(steps=steps, search_steps=search_steps, lr=lr, initial_const=initial_const, confidence=confidence)
    margin_search.check(**options)  # type: ignore[arg-type]
    if penalty not in margin_search.PENALTIES:
        raise ValueError(f"penalty must be one of {', '.join(margin_search.PENALTIES)}, got {penalty!r}")
    _check(smoother, x)
    return margin_search.closest_success(
        model,
        x.detach(),
        y,
        _smoothed,
        needs={"smoother": smoother},
        penalty=penalty,
        abort_early=abort_early,
        **options,  # type: ignore[arg-type]
    )


def _smoothed(s: margin_search.State) -> tuple[Tensor, Tensor, Callable[[Tensor, Tensor], Tensor]]:
    """r = s^(z), Eq. (17), at z = v; the gradient in r goes to z by the adjoint, Eq. (19)."""
    image, r, pull = clipped(s, s["smoother"](s["v"]))
    return image, r, lambda along_r, along_image: s["smoother"].adjoint(pull(along_r, along_image))


def _check(smoother: ImageSmoother, x: Tensor) -> None:
    if smoother.shape != x.shape:
        raise ValueError(f"smoother was made for images of shape {tuple(smoother.shape)}, x has {tuple(x.shape)}")
