"""The Elastic Sigmoid of Cutilli 2021, Section 3.2.2."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Elastic(nn.Module):
    """s x with one learnable scalar s for the whole layer, (N, ...) -> the same; s starts at 1."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * x


class ElasticSigmoid(Elastic):
    """1 / (1 + exp(-s x)), (N, ...) -> (0, 1); its slope is s sigmoid(sx) (1 - sigmoid(sx)), at most s / 4.

    Weights alone can do the same: s multiplies them all. What s changes is how gradient descent gets there.
    """

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(super().forward(x))
