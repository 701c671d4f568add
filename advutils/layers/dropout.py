"""Dropout as pylearn2 has it."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Dropout(nn.Module):
    """Dropout in pylearn2's form: in training each input is kept with probability ``keep`` and multiplied by ``scale``.

    At test time nothing is scaled. ``scale=None`` means 1/keep (the usual inverted dropout); the maxout networks of
    Goodfellow et al. 2013 keep their pixels with .8 and scale 1, so the test network sees larger inputs than it was
    trained on.
    Raises ``ValueError`` for a ``keep`` outside (0, 1].

    >>> import torch
    >>> from advutils.layers import Dropout
    >>> sorted(set(Dropout(0.8, scale=1.0)(torch.ones(1000)).tolist()))  # kept pixels are not scaled
    [0.0, 1.0]
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
