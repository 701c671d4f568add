"""Gradient attacks with a budget: the fast gradient (sign) method and projected gradient ascent."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from advutils.attacks.ascent import ascent_direction
from advutils.core import checks, memory, norms, runtime

SPHERES = (False, True, "clipped")


def fgsm(model: nn.Module, x: Tensor, y: Tensor, *, eps: float | Tensor, p: float = norms.INF) -> Tensor:
    """One step to the border of the budget: x + eps * argmax_{||u||_p = 1} <grad_x L, u>, clipped to [0, 1].

    At p = inf this is the fast gradient sign method (Goodfellow et al. 2015, Section 4); at other p it is Lyu et al.
    2015, Eq. (3). ``x`` (N, ...) in [0, 1]; ``y`` (N,) labels to move away from; ``eps`` >= 0 in pixel units of
    [0, 1], one number or one an example. Where the gradient is exactly zero the image stays. The direction is that of
    :func:`advutils.attacks.ascent_direction`, which a sure network does not hide in float32.

    Raises ``ValueError`` naming the argument for bad input, and for a model of one class.

    >>> import torch
    >>> model = torch.nn.Linear(2, 2, bias=False)  # the larger of two numbers wins
    >>> model.weight.data = torch.eye(2)
    >>> x, y = torch.tensor([[0.6, 0.4]]), torch.tensor([0])
    >>> from advutils.attacks import fgsm
    >>> fgsm(model, x, y, eps=0.2)
    tensor([[0.4000, 0.6000]])
    """
    checks.attack(model, x, y)
    radius = norms.per_example(checks.budget(eps, x), x)
    p = norms.check_p(p)
    x = x.detach()
    with runtime.evaluating(model):
        out = (x + radius * steepest(ascent_direction(model, x, y), p)).clamp_(0, 1)
    checks.result(out)
    return out


def pgd(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    eps: float | Tensor,
    step: float,
    steps: int,
    p: float = norms.INF,
    random_start: bool = False,
    sphere: bool | str = False,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Projected gradient ascent on the cross-entropy (Madry et al. 2018); without a random start, the iterated
    fast gradient method.

    Each step goes ``step`` along the steepest direction of the p-norm, then back into the ball of radius ``eps`` around
    ``x`` and into [0, 1]; p is 1, 2 or inf. The last iterate is returned. ``random_start`` draws the first point
    uniformly from the cube (inf) or with a uniform direction and radius share (1, 2), from ``generator`` (required, on
    the CPU: the same starts wherever ``x`` is).

    ``sphere=True`` has the order of the code behind Zhang et al. 2019, Eqs. (10)-(11): the step is clipped to [0, 1],
    then the whole perturbation is scaled, be it longer or shorter, to ||delta||_p = eps; the next gradient is taken at
    x + delta as it is, and the image is clipped at the end only. ``sphere="clipped"`` scales first and clips after
    every step, so that every gradient is taken at an image; its perturbations are shorter where pixels are near 0 or 1.

    Shapes, ranges and errors as in :func:`fgsm`; also ``ValueError`` for step <= 0, steps < 1, another p or ``sphere``.

    >>> import torch
    >>> model = torch.nn.Linear(2, 2, bias=False)  # the larger of two numbers wins
    >>> model.weight.data = torch.eye(2)
    >>> x, y = torch.tensor([[0.6, 0.4]]), torch.tensor([0])
    >>> from advutils.attacks import pgd
    >>> pgd(model, x, y, eps=0.3, step=0.1, steps=4)  # the fourth step leaves the ball and is projected back
    tensor([[0.3000, 0.7000]])
    """
    checks.attack(model, x, y)
    radius = checks.budget(eps, x)
    checks.positive(step=step)
    checks.at_least(1, steps=steps)
    p = norms.check_p(p)
    if p not in (1, 2, norms.INF):
        raise ValueError(f"p must be 1, 2 or inf, got {p!r}")
    if sphere not in SPHERES:
        raise ValueError(f"sphere must be one of {', '.join(map(repr, SPHERES))}, got {sphere!r}")
    if random_start and generator is None:
        raise ValueError("random_start needs a generator, e.g. advutils.runtime.generator(0)")
    x = x.detach()
    image, split = x, memory.Split()
    if random_start:
        image = (x + random_in_ball(x, radius, p, generator)).clamp_(0, 1)
    with runtime.evaluating(model):
        for number in range(steps):
            delta = step * steepest(ascent_direction(model, image, y, split=split, check=number == 0), p)
            if sphere and sphere != "clipped":
                image = x + to_sphere((image + delta).clamp_(0, 1) - x, radius, p)
            else:
                delta = image - x + delta
                delta = to_sphere(delta, radius, p) if sphere else norms.project(delta, radius, p)
                image = (x + delta).clamp_(0, 1)
    image = image.clamp_(0, 1)
    checks.result(image)
    return image


def steepest(g: Tensor, p: float) -> Tensor:
    """:func:`advutils.core.norms.steepest`, which rescales g first: for p = 2 that is needed near 0 and infinity."""
    if p == 2:
        size = norms.norm(g, 2)
        low, high = size.aminmax()
        if low > 1e-12 and high < 1e12:  # squares of the entries that matter are normal numbers, in float32 too
            return g / norms.per_example(size, g)
    return norms.steepest(g, p)


def to_sphere(delta: Tensor, radius: Tensor, p: float) -> Tensor:
    """``delta``, longer or shorter, with ||delta||_p = radius; 0 stays.

    >>> import torch
    >>> from advutils.attacks.gradient import to_sphere
    >>> to_sphere(torch.tensor([[3.0, 4.0]]), torch.tensor([1.0]), 2)
    tensor([[0.6000, 0.8000]])
    """
    size = norms.norm(delta, p)
    return delta * norms.per_example(radius / torch.where(size > 0, size, 1), delta)


def random_in_ball(x: Tensor, radius: Tensor, p: float, generator: torch.Generator | None) -> Tensor:
    """A random perturbation of each example: uniform in the cube (p = inf), or of uniform direction and radius share.

    Drawn on the CPU and moved, so that it is the same wherever ``x`` is. ``ValueError`` for a generator elsewhere.
    """
    if generator.device.type != "cpu":  # type: ignore[union-attr]
        raise ValueError(f"generator must be on the CPU, where random numbers are drawn, got one on {generator.device}")  # type: ignore[union-attr]
    share = norms.per_example(radius, x)
    if p == norms.INF:
        return share * (2 * torch.rand(x.shape, generator=generator, dtype=x.dtype).to(x.device) - 1)
    direction = torch.randn(x.shape, generator=generator, dtype=x.dtype).to(x.device)
    direction = direction / norms.per_example(norms.norm(direction, p), x)
    shares = torch.rand(len(x), *[1] * (x.dim() - 1), generator=generator, dtype=x.dtype)
    return share * direction * shares.to(x.device)
