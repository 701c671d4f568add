"""The angular neuron of Cutilli 2021, Section 3.2.4."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Angular(nn.Module):
    """w . a / (||w|| ||a|| + c) + b: the cosine of the angle between input and weights, (N, in) -> (N, out).

    ``c`` keeps the ratio finite where the input vanishes; there the neuron becomes the dot product with w / c.
    Its gradient in the input without ``c`` is Eq. (3.3), with a minus for the printed plus.
    Weights start uniform in +-1, biases at 0, as in the thesis' code. Raises ``ValueError`` for c <= 0.

    >>> import torch
    >>> from advutils.layers import Angular
    >>> layer = Angular(2, 1, c=1e-9)
    >>> layer.weight.data = torch.tensor([[1.0, 0.0]])
    >>> layer(torch.tensor([[3.0, 4.0], [6.0, 8.0]])).detach().flatten()  # one angle, one answer
    tensor([0.6000, 0.6000])
    """

    def __init__(self, in_features: int, out_features: int, *, c: float = 0.2):
        super().__init__()
        if not c > 0:
            raise ValueError(f"c must be > 0, got {c!r}: without it the ratio is undefined for an input of zeros")
        self.c = c
        self.weight = nn.Parameter(torch.empty(out_features, in_features).uniform_(-1, 1))
        self.bias = nn.Parameter(torch.zeros(out_features))

    def forward(self, x: Tensor) -> Tensor:
        lengths = torch.linalg.vector_norm(x, dim=1, keepdim=True) * torch.linalg.vector_norm(self.weight, dim=1)
        return F.linear(x, self.weight) / (lengths + self.c) + self.bias


class WeightedMean(nn.Module):
    """w . a / ||w||_1 + b: a mean of the inputs with signs, (N, in) -> (N, out).

    Its partial derivatives have absolute values that add up to 1 whatever the number of inputs, which is what the
    thesis wishes for at the end (Section 3.3.3): a change of every input by at most eps changes it by at most eps.
    Weights start uniform in +-1, biases at 0. A row of zeros raises no error and gives NaN, which training reports.

    >>> import torch
    >>> from advutils.layers import WeightedMean
    >>> layer = WeightedMean(2, 1)
    >>> layer.weight.data = torch.tensor([[1.0, -3.0]])
    >>> layer(torch.tensor([[2.0, 2.0]])).detach()  # (2 - 6) / 4
    tensor([[-1.]])
    """

    def __init__(self, in_features: int, out_features: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(out_features, in_features).uniform_(-1, 1))
        self.bias = nn.Parameter(torch.zeros(out_features))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight / self.weight.abs().sum(1, keepdim=True), self.bias)


class Share(nn.Module):
    """w . a / (||a||_1 + c) + b: the input divided by its own sum of absolute values, (N, in) -> (N, out).

    As near as a function can come to the thesis' wish for a derivative like a / ||a||_1 (Section 3.3.3), which is not
    the gradient of any function. ``c`` and the start as in :class:`Angular`.
    Raises ``ValueError`` unless ``c`` > 0.

    >>> import torch
    >>> from advutils.layers import Share
    >>> layer = Share(2, 1, c=1e-9)
    >>> layer.weight.data = torch.tensor([[1.0, 0.0]])
    >>> layer(torch.tensor([[1.0, 3.0], [2.0, 6.0]])).detach().flatten()  # the first pixel is a quarter of the sum
    tensor([0.2500, 0.2500])
    """

    def __init__(self, in_features: int, out_features: int, *, c: float = 0.2):
        super().__init__()
        if not c > 0:
            raise ValueError(f"c must be > 0, got {c!r}: without it the ratio is undefined for an input of zeros")
        self.c = c
        self.weight = nn.Parameter(torch.empty(out_features, in_features).uniform_(-1, 1))
        self.bias = nn.Parameter(torch.zeros(out_features))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight) / (x.abs().sum(1, keepdim=True) + self.c) + self.bias
