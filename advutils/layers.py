"""Layers that torch does not have: maxout, pylearn2's dropout, pixel normalisation."""
from __future__ import annotations

import torch
from torch import Tensor, nn


class Maxout(nn.Module):
    """Dense maxout (Goodfellow et al. 2013): unit i is the largest of its ``pieces`` affine functions.

    The pieces of a unit are adjacent rows of the weight matrix, as in pylearn2. With one piece the layer is linear.
    (N, in_features) -> (N, out_features).
    """

    def __init__(self, in_features: int, out_features: int, pieces: int):
        super().__init__()
        if pieces < 1:
            raise ValueError(f"pieces must be >= 1, got {pieces}")
        self.affine = nn.Linear(in_features, out_features * pieces)
        self.pieces = pieces

    def forward(self, x: Tensor) -> Tensor:
        return self.affine(x).unflatten(-1, (-1, self.pieces)).max(dim=-1).values

    def extra_repr(self) -> str:
        return f"pieces={self.pieces}"


class Dropout(nn.Module):
    """Dropout in pylearn2's form: in training each input is kept with probability ``keep`` and multiplied by ``scale``.

    At test time nothing is scaled. ``scale=None`` means 1/keep (the usual inverted dropout); the maxout networks of
    Goodfellow et al. 2013 keep their pixels with .8 and scale 1, so the test network sees larger inputs than it was
    trained on.
    """

    def __init__(self, keep: float, scale: float | None = None):
        super().__init__()
        if not 0 < keep <= 1:
            raise ValueError(f"keep must be in (0, 1], got {keep}")
        self.keep, self.scale = keep, 1 / keep if scale is None else scale

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        return x * (torch.rand_like(x) < self.keep) * self.scale

    def extra_repr(self) -> str:
        return f"keep={self.keep}, scale={self.scale}"


class Normalize(nn.Module):
    """(x - mean) / std per channel, so that a model's public input stays in [0, 1]. (N, C, H, W) -> the same."""

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]):
        super().__init__()
        if len(mean) != len(std) or any(s <= 0 for s in std):
            raise ValueError(f"mean and std need one value a channel and std > 0, got {mean} and {std}")
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(-1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.std


def limit_row_norms(weight: Tensor, limit: float) -> None:
    """Max-norm constraint: scale each row of ``weight`` (out, in...) in place to a Euclidean norm <= limit."""
    rows = weight.flatten(1)
    size = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
    if (size > limit).any():
        rows.mul_((limit / size.clamp(min=1e-7)).clamp(max=1))


__all__ = ["Dropout", "Maxout", "Normalize", "limit_row_norms"]
