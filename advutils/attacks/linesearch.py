"""How far along a direction the prediction first changes: the minimum perturbation of Lyu et al. 2015, Section V-A."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from advutils.core import checks, norms, runtime


@torch.no_grad()
def ray_distance(model: nn.Module, x: Tensor, y: Tensor, direction: Tensor) -> Tensor:
    """Exact distance at which a model whose logits are **affine in x** leaves class ``y``, going along ``direction``.

    Along the ray the gap of class k is z_y - z_k + r (s_y - s_k), with slopes s from two forward passes, so the
    distance is the smallest (z_y - z_k) / (s_k - s_y) over the classes that catch up. ``direction`` (N, ...) is scaled
    to l2 length 1 here; where it is 0 the distance is inf. Returns (N,) >= 0: 0 where the model is already wrong, inf
    where no class ever catches up.

    Raises ``ValueError`` for bad labels, or if the model is not affine along the ray (checked at a third point).

    >>> import torch
    >>> model = torch.nn.Linear(2, 2, bias=False)  # the larger of two numbers wins
    >>> model.weight.data = torch.eye(2)
    >>> x, y = torch.tensor([[0.6, 0.4]]), torch.tensor([0])
    >>> from advutils.attacks.linesearch import ray_distance
    >>> ray_distance(model, x, y, torch.tensor([[-1.0, 1.0]]))  # 0.2 / sqrt(2)
    tensor([0.1414])
    """
    checks.labels(y, x)
    unit = norms.steepest(direction, 2)
    with runtime.evaluating(model):
        z = model(x)
        slope = model(x + unit) - z
        bent = (model(x + 2 * unit) - z - 2 * slope).abs().max()
    if bent > 1e-4 * (1 + z.abs().max()):
        raise ValueError("model is not affine along direction; use bisect_distance")
    gap = z.gather(1, y[:, None]) - z
    closing = slope - slope.gather(1, y[:, None])
    crossing = torch.where(closing > 0, gap / torch.where(closing > 0, closing, 1), math.inf)
    crossing.scatter_(1, y[:, None], math.inf)
    return torch.where(z.argmax(dim=1) == y, crossing.amin(dim=1), 0).clamp(min=0)


@torch.no_grad()
def bisect_distance(
    model: nn.Module, x: Tensor, y: Tensor, direction: Tensor, *, maximum: float, steps: int = 64, halvings: int = 20
) -> Tensor:
    """The same distance for any model: scan ``steps`` points up to ``maximum``, then halve the first bracket.

    A change of class shorter than ``maximum / steps`` that reverses itself can be missed. Returns (N,): 0 where the
    model is already wrong, inf where it is right up to ``maximum``; the error is at most maximum / steps / 2^halvings.
    Raises ``ValueError`` for a ``maximum`` or ``steps`` that are not positive, or negative ``halvings``.

    >>> import torch
    >>> model = torch.nn.Linear(2, 2, bias=False)  # the larger of two numbers wins
    >>> model.weight.data = torch.eye(2)
    >>> x, y = torch.tensor([[0.6, 0.4]]), torch.tensor([0])
    >>> from advutils.attacks.linesearch import bisect_distance
    >>> bisect_distance(model, x, y, torch.tensor([[-1.0, 1.0]]), maximum=1.0)  # 0.2 / sqrt(2)
    tensor([0.1414])
    """
    checks.labels(y, x)
    if not maximum > 0 or steps < 1 or halvings < 0:
        raise ValueError(f"maximum, steps must be > 0 and halvings >= 0, got {maximum}, {steps}, {halvings}")
    unit = norms.steepest(direction, 2)

    def wrong(distance: Tensor) -> Tensor:
        return model(x + norms.per_example(distance, x) * unit).argmax(dim=1) != y

    with runtime.evaluating(model):
        high = torch.full((len(x),), math.inf, dtype=x.dtype, device=x.device)
        for number in range(steps, -1, -1):  # from far to near: what remains is the nearest wrong point
            at = torch.full_like(high, maximum * number / steps)
            high = torch.where(wrong(at), at, high)
        found, low = torch.isfinite(high) & (high > 0), (high - maximum / steps).clamp(min=0)
        for _ in range(halvings):
            middle = torch.where(found, (low + high) / 2, 0)
            hit = wrong(middle)
            high, low = torch.where(found & hit, middle, high), torch.where(found & ~hit, middle, low)
    return high
