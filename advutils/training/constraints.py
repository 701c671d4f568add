"""What pylearn2's layers ask of a training step: limits on the norms of filters, and learning rates of their own."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from advutils.layers.conv_maxout import ConvMaxout

UNITS = (nn.Linear, nn.Conv2d, ConvMaxout)  # layers whose weight has a row for each unit, (units, incoming...)
Limits = list[tuple[Tensor, float]]


def groups(model: nn.Module) -> list[dict[str, Any]]:
    """Parameter groups for an optimizer, one for each rate: ``params`` and ``lr_scale``, what multiplies their rate.

    A layer's attribute ``lr_scale`` is that of its parameters, 1 where there is none. Parameters that want no gradients
    are left out.

    >>> from torch import nn
    >>> from advutils.training.constraints import groups
    >>> model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    >>> model[1].lr_scale = 0.05
    >>> [(group["lr_scale"], len(group["params"])) for group in groups(model)]
    [(1.0, 2), (0.05, 2)]
    """
    scales = {
        parameter: module.lr_scale
        for module in model.modules()
        if hasattr(module, "lr_scale")
        for parameter in module.parameters()
    }
    found: dict[float, list[Tensor]] = {}
    for parameter in model.parameters():
        if parameter.requires_grad:
            found.setdefault(scales.get(parameter, 1.0), []).append(parameter)  # type: ignore[arg-type]
    return [{"params": parameters, "lr_scale": scale} for scale, parameters in found.items()]


def limits(model: nn.Module, max_norm: float | None = None) -> Limits:
    """Weights whose rows are limited in norm, and by what: a layer's own ``max_norm``, else the one given (None: none).

    Only layers whose rows are the incoming weights of one unit have such a limit: not biases that have a place each,
    nor the weights of pairs.

    >>> from torch import nn
    >>> from advutils.training.constraints import limits
    >>> [(tuple(weight.shape), bound) for weight, bound in limits(nn.Linear(3, 2), 1.9)]
    [((2, 3), 1.9)]
    """
    both = [
        (module.weight, getattr(module, "max_norm", max_norm))
        for module in model.modules()
        if isinstance(module, UNITS)
    ]
    return [(weight, bound) for weight, bound in both if bound is not None]


@torch.no_grad()
def limit(weights: Limits) -> None:
    """Max-norm constraint: scale each row of each weight (units, incoming...) in place to a Euclidean norm <= limit.

    In any memory layout, and without asking the device whether there is a row to scale. ``torch.renorm`` does the same
    but for last bits (it adds 1e-7 to the norm).

    >>> import torch
    >>> from advutils.training.constraints import limit
    >>> weight = torch.tensor([[3.0, 4.0], [0.3, 0.4]])
    >>> limit([(weight, 1.0)])  # in place
    >>> weight
    tensor([[0.6000, 0.8000],
            [0.3000, 0.4000]])
    """
    for weight, bound in weights:
        size = torch.linalg.vector_norm(weight.flatten(1), dim=1).reshape(-1, *[1] * (weight.dim() - 1))
        weight.mul_((bound / size.clamp(min=1e-7)).clamp(max=1))
