"""The Elastic Sigmoid of Cutilli 2021, Section 3.2.2."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Elastic(nn.Module):
    """s x with one learnable scalar s for the whole layer, (N, ...) -> the same; s starts at 1.

    >>> import torch
    >>> from advutils.layers import Elastic
    >>> Elastic()(torch.tensor([2.0])).detach()
    tensor([2.])
    """

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * x


class ElasticSigmoid(Elastic):
    """1 / (1 + exp(-s x)), (N, ...) -> (0, 1); its slope is s sigmoid(sx) (1 - sigmoid(sx)), at most s / 4.

    Weights alone can do the same: s multiplies them all. What s changes is how gradient descent gets there.

    >>> import torch
    >>> from advutils.layers import ElasticSigmoid
    >>> layer = ElasticSigmoid()
    >>> layer.scale.data.fill_(0)
    tensor(0.)
    >>> layer(torch.tensor([-7.0, 7.0])).detach()  # flat
    tensor([0.5000, 0.5000])
    """

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(super().forward(x))
