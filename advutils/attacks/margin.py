"""Projected gradient ascent on the margin, from several random starts: a stronger :func:`advutils.attacks.pgd`."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from advutils.attacks.gradient import random_in_ball, steepest
from advutils.core import checks, norms, runtime


def margin_pgd(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    eps: float | Tensor,
    step: float,
    steps: int,
    restarts: int,
    p: float = norms.INF,
    generator: torch.Generator,
) -> Tensor:
    """Ascend max_{j != y} z_j - z_y, the margin that decides, instead of the cross-entropy.

    Up to ``restarts`` random starts of ``steps`` steps each; an image is done as soon as it is fooled. Returned is the
    first point found that fools, and for images that resist the one with the largest margin. Otherwise as
    :func:`advutils.attacks.pgd`, with its shapes, ranges, errors and random starts.

    >>> import torch
    >>> model = torch.nn.Linear(2, 2, bias=False)  # the larger of two numbers wins
    >>> model.weight.data = torch.eye(2)
    >>> x, y = torch.tensor([[0.6, 0.4]]), torch.tensor([0])
    >>> from advutils.attacks import margin_pgd
    >>> from advutils.core.runtime import generator
    >>> moved = margin_pgd(model, x, y, eps=0.3, step=0.1, steps=4, restarts=2, generator=generator(0))
    >>> model(moved).argmax(1)
    tensor([1])
    """
    checks.attack(model, x, y)
    radius = checks.budget(eps, x)
    checks.positive(step=step)
    checks.at_least(1, steps=steps, restarts=restarts)
    p = norms.check_p(p)
    if p not in (1, 2, norms.INF):
        raise ValueError(f"p must be 1, 2 or inf, got {p!r}")
    x = x.detach()
    best, highest = x.clone(), torch.full((len(x),), -torch.inf, dtype=x.dtype, device=x.device)
    with runtime.evaluating(model):
        for _ in range(restarts):
            left = (highest <= 0).nonzero().flatten()
            if len(left) == 0:
                break
            image = (x[left] + random_in_ball(x[left], radius[left], p, generator)).clamp_(0, 1)
            for number in range(steps + 1):
                margin, gradient = _margin(model, image, y[left], wanted=number < steps)
                better = margin > highest[left]
                best[left[better]], highest[left[better]] = image[better], margin[better]
                going = margin <= 0
                left, image = left[going], image[going]
                if number == steps or len(left) == 0:
                    break
                delta = image - x[left] + step * steepest(gradient[going], p)  # type: ignore[index]
                image = (x[left] + norms.project(delta, radius[left], p)).clamp_(0, 1)
    checks.result(best)
    return best


def _margin(model: nn.Module, x: Tensor, y: Tensor, *, wanted: bool) -> tuple[Tensor, Tensor | None]:
    """max_{j != y} z_j - z_y of each image, and where ``wanted`` its gradient."""
    with torch.set_grad_enabled(wanted):
        leaf = x.detach().requires_grad_(wanted)
        z = model(leaf)
        checks.logits(z, x)
        checks.labels(y, x, classes=z.shape[1])
        true = z.gather(1, y[:, None])
        margin = (z.scatter(1, y[:, None], -torch.inf).amax(1, keepdim=True) - true)[:, 0]
        gradient = torch.autograd.grad(margin.sum(), leaf)[0] if wanted else None
    return margin.detach(), gradient
