"""Weights in eight bits: each row of a weight matrix as whole numbers from -127 to 127 and one scale."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


def int8_rows(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Round each row of ``weight`` (R, ...) to multiples of its own scale: int8 (R, ...) and float32 scales (R,).

    The scale is the row's largest absolute value over 127, so that an entry moves by half a scale at most; 0 stays 0. A
    row of zeros has scale 1. Raises ``ValueError`` unless ``weight`` is finite and has two axes or more.

    >>> import torch
    >>> from advutils.models.quantisation import int8_rows
    >>> numbers, scale = int8_rows(torch.tensor([[1.27, -0.01]]))
    >>> numbers, scale
    (tensor([[127,  -1]], dtype=torch.int8), tensor([0.0100]))
    """
    if weight.dim() < 2 or not torch.isfinite(weight).all():
        raise ValueError(f"weight must be finite with two axes or more, got shape {tuple(weight.shape)}")
    rows = weight.detach().flatten(1).float()
    largest = rows.abs().amax(1)
    scale = torch.where(largest > 0, largest / 127, 1)
    numbers = (rows / scale[:, None]).round().clamp(-127, 127)
    return numbers.to(torch.int8).reshape(weight.shape), scale


def from_int8(numbers: Tensor, scale: Tensor) -> Tensor:
    """The float32 weights that rounded rows stand for: int8 (R, ...), scales (R,) -> (R, ...).

    >>> import torch
    >>> from advutils.models.quantisation import from_int8
    >>> from_int8(torch.tensor([[127, -1]], dtype=torch.int8), torch.tensor([0.01]))
    tensor([[ 1.2700, -0.0100]])
    """
    return numbers.float() * scale.reshape(-1, *[1] * (numbers.dim() - 1))


def rounded(model: nn.Module) -> nn.Module:
    """A copy of ``model`` whose weights of two axes or more went through :func:`int8_rows` and back; others stay.

    >>> import torch
    >>> from advutils.models.quantisation import rounded
    >>> model = torch.nn.Linear(2, 1)
    >>> model.weight.data = torch.tensor([[1.27, 0.004]])
    >>> rounded(model).weight.data  # 0.004 is less than half of a 127th of 1.27
    tensor([[1.2700, 0.0000]])
    """
    found = copy.deepcopy(model)
    with torch.no_grad():
        for weight in found.parameters():
            if weight.dim() >= 2:
                weight.copy_(from_int8(*int8_rows(weight)))
    return found
