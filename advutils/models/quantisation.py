"""Weights in eight bits: each row of a weight matrix as whole numbers from -127 to 127 and one scale."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


def int8_rows(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Round each row of ``weight`` (R, ...) to multiples of its own scale: int8 (R, ...) and float32 scales (R,).

    The scale is the row's largest absolute value over 127, so that an entry moves by half a scale at most; 0 stays 0. A
    row of zeros has scale 1. Raises ``ValueError`` unless ``weight`` is finite and has two axes or more.
    """
    if weight.dim() < 2 or not torch.isfinite(weight).all():
        raise ValueError(f"weight must be finite with two axes or more, got shape {tuple(weight.shape)}")
    rows = weight.detach().flatten(1).float()
    largest = rows.abs().amax(1)
    scale = torch.where(largest > 0, largest / 127, 1)
    numbers = (rows / scale[:, None]).round().clamp(-127, 127)
    return numbers.to(torch.int8).reshape(weight.shape), scale


def from_int8(numbers: Tensor, scale: Tensor) -> Tensor:
    """The float32 weights that rounded rows stand for: int8 (R, ...), scales (R,) -> (R, ...)."""
    return numbers.float() * scale.reshape(-1, *[1] * (numbers.dim() - 1))


def rounded(model: nn.Module) -> nn.Module:
    """A copy of ``model`` whose weights of two axes or more went through :func:`int8_rows` and back; others stay."""
    found = copy.deepcopy(model)
    with torch.no_grad():
        for weight in found.parameters():
            if weight.dim() >= 2:
                weight.copy_(from_int8(*int8_rows(weight)))
    return found
