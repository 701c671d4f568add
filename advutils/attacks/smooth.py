"""Attacks whose perturbation is as smooth as the image: Zhang, Avrithis, Furon and Amsaleg 2019, Section 4.1."""
from __future__ import annotations

import torch
from torch import Tensor, nn

from advutils import checks, memory, norms, runtime
from advutils.attacks.gradient import _ascent, _to_sphere
from advutils.smoothing import ImageSmoother

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

    ``smooth="gradient"`` is Eqs. (10) to (12) as printed: the gradient is smoothed, scaled to length ``step`` and
    added, and the sum projected into the ball. ``smooth="perturbation"`` is what the authors' code does: a step of
    plain ascent, clipping to [0, 1], then the **whole** perturbation so far is smoothed and scaled to length ``eps``,
    be it longer or shorter; the image is clipped at the end only. Both ascend the cross-entropy, as their code does
    (the text has the margin loss). The last iterate is returned.

    ``smoother`` must have been made for ``x``, an (N, C, H, W) batch. Shapes, ranges and errors otherwise as in
    :func:`advutils.attacks.fgsm`; also ``ValueError`` for step <= 0, steps < 1, another ``smooth`` or another smoother.
    """
    checks.images(x)
    checks.labels(y, x)
    checks.placed(model, x)
    radius = checks.budget(eps, x)
    if not step > 0:
        raise ValueError(f"step must be > 0, got {step!r}")
    if steps < 1:
        raise ValueError(f"steps must be >= 1, got {steps!r}")
    if smooth not in SMOOTHED:
        raise ValueError(f"smooth must be one of {', '.join(SMOOTHED)}, got {smooth!r}")
    if smoother.shape != x.shape:
        raise ValueError(f"smoother was made for images of shape {tuple(smoother.shape)}, x has {tuple(x.shape)}")
    x = x.detach()
    image, split = x, memory.Split()
    with runtime.evaluating(model), torch.no_grad():
        for number in range(steps):
            g = _ascent(model, image, y, split, first=number == 0)
            if smooth == "gradient":
                moved = image - x + step * norms.steepest(smoother(g), 2)
                image = (x + norms.project(moved, radius, 2)).clamp_(0, 1)
            else:
                moved = (image + step * norms.steepest(g, 2)).clamp_(0, 1) - x
                image = x + _to_sphere(smoother(moved), radius, 2)
    image = image.clamp(0, 1)
    checks.result(image)
    return image
