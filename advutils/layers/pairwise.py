"""Pairwise Difference (Cutilli 2021, Section 3.2.3) without the memory of its pairs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

ROOT = 1 / math.sqrt(2)


class PairwiseDifference(nn.Module):
    """sum over all ordered pairs (a, b) of w_ab sigmoid(v_a - v_b), (N, in) -> (N, out), from half of the pairs.

    Since sigmoid(-d) = 1 - sigmoid(d) and sigmoid(d) - 1/2 = tanh(d/2) / 2,

        sum_ab w_ab sigmoid(v_a - v_b) = sum_{a<b} (w_ab - w_ba) tanh((v_a - v_b) / 2) / 2 + sum_ab w_ab / 2.

    ``weight`` (pairs, out) holds (w_ab - w_ba) / sqrt(2): a rotation of the pair (w_ab, w_ba), so that gradient descent
    takes the same steps as on the ordered pairs. The other coordinate, (w_ab + w_ba) / sqrt(2), has a part in the
    constant only, which is ``bias`` (out). Pairs are ordered by their distance, indices taken modulo ``in_features``
    (:func:`pairs`): then a block of them is a window of the input, and no list of indices is needed. The gradient in
    the input is Eq. (3.2).

    Neither pass holds more than ``block`` pairs an image at a time: the backward pass computes the differences again.
    Weights start like differences of two uniform numbers in +-1. Second derivatives are not provided.
    Raises ``ValueError`` for fewer than two inputs.

    >>> import torch
    >>> from advutils.layers import PairwiseDifference
    >>> layer = PairwiseDifference(4, 3)
    >>> layer.weight.shape, layer(torch.rand(2, 4)).shape  # six pairs
    (torch.Size([6, 3]), torch.Size([2, 3]))
    """

    def __init__(self, in_features: int, out_features: int, *, block: int = 8192):
        super().__init__()
        if in_features < 2:
            raise ValueError(f"in_features must be >= 2, got {in_features}: pairs need two")
        self.in_features, self.block = in_features, block
        count = in_features * (in_features - 1) // 2
        weight = torch.empty(count, out_features).uniform_(-1, 1)
        self.weight = nn.Parameter((weight - torch.empty_like(weight).uniform_(-1, 1)) * ROOT)
        self.bias = nn.Parameter(torch.zeros(out_features))

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() != 2 or x.shape[1] != self.in_features:
            raise ValueError(f"x must have shape (N, {self.in_features}), got {tuple(x.shape)}")
        return _Pairs.apply(x, self.weight, self.block) + self.bias  # type: ignore[no-untyped-call]

    @classmethod
    def from_ordered(cls, weight: Tensor, **options: int) -> PairwiseDifference:
        """The layer equal to one with a weight for each ordered pair, ``weight`` (out, in, in)."""
        layer = cls(weight.shape[1], weight.shape[0], **options).to(weight)
        a, b = pairs(weight.shape[1])
        with torch.no_grad():
            layer.weight.copy_(((weight[:, a, b] - weight[:, b, a]) * ROOT).T)
            layer.bias.copy_(weight.sum((1, 2)) / 2)
        return layer


def pairs(n: int) -> Tensor:
    """Indices a and b of the n (n - 1) / 2 pairs in the order of the weights, (2, pairs): by distance, then by a.

    >>> from advutils.layers.pairwise import pairs
    >>> pairs(3)
    tensor([[0, 1, 2],
            [1, 2, 0]])
    """
    return torch.cat(
        [torch.stack([torch.arange(width), (torch.arange(width) + shift) % n]) for shift, width in _shifts(n)], dim=1
    )


def _shifts(n: int) -> list[tuple[int, int]]:
    """Each cyclic distance and its number of pairs: n, but n / 2 for the distance n / 2, where (a, b) meets (b, a)."""
    return [(shift, n) for shift in range(1, (n + 1) // 2)] + ([(n // 2, n // 2)] if n % 2 == 0 else [])


def _blocks(n: int, most: int) -> Iterator[tuple[int, int, int]]:
    """Runs of distances with one width and at most ``most`` pairs (at least one distance): (first, count, width)."""
    full, step = (n - 1) // 2, max(most // n, 1)
    yield from ((first, min(step, full + 1 - first), n) for first in range(1, full + 1, step))
    if n % 2 == 0:
        yield n // 2, 1, n // 2


class _Pairs(torch.autograd.Function):
    """sum_{a<b} weight_ab tanh((x_a - x_b) / 2) / sqrt(2), a block of pairs at a time."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, block: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.block = block
        out = x.new_zeros(len(x), weight.shape[1])
        for squashed, rows, _ in _squashed(x, block):
            out.addmm_(squashed.flatten(1), weight[rows])
        return out * ROOT

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, weight = ctx.saved_tensors
        gradient = gradient * ROOT
        n = x.shape[1]
        to_x = torch.zeros_like(torch.cat([x, x], 1)) if ctx.needs_input_grad[0] else None
        to_weight = torch.empty_like(weight) if ctx.needs_input_grad[1] else None
        for squashed, rows, (first, count, width) in _squashed(x, ctx.block):
            if to_weight is not None:
                torch.mm(squashed.flatten(1).T, gradient, out=to_weight[rows])
            if to_x is not None:  # tanh' = 1 - tanh^2, and a half from its argument
                slope = squashed.square_().neg_().add_(1).mul_(0.5)
                slope *= (gradient @ weight[rows].T).view_as(slope)
                to_x[:, :width] += slope.sum(1)
                for number in range(count):
                    start = first + number
                    to_x[:, start : start + width] -= slope[:, number]
        return None if to_x is None else to_x[:, :n] + to_x[:, n:], to_weight, None


def _squashed(x: Tensor, most: int) -> Iterator[tuple[Tensor, slice, tuple[int, int, int]]]:
    """tanh((x_a - x_b) / 2) a block at a time, (N, distances, width), the block's rows of weights, and the block."""
    n, done = x.shape[1], 0
    windows = torch.cat([x, x], 1).unfold(1, n, 1)  # windows[:, k, a] = x[(a + k) % n], a view
    for first, count, width in _blocks(n, most):
        difference = x[:, None, :width] - windows[:, first : first + count, :width]
        yield difference.mul_(0.5).tanh_(), slice(done, done + count * width), (first, count, width)
        done += count * width


class WeightedPairs(nn.Module):
    """Pairs with weights of their own: sum_ab w_ab sigmoid(s_ab v_a - t_ab v_b + c_ab), (N, in) -> (N, out).

    The thesis' conjecture (Section 3.3.3): "treating each comparison as a miniature neuron with two weights (or even a
    bias)". s and t start at 1 and c at 0, where it is Pairwise Difference; they are shared by the outputs. All ordered
    pairs, held in memory: for small images. w starts uniform in +-1.

    >>> import torch
    >>> from advutils.layers import WeightedPairs
    >>> layer = WeightedPairs(4, 3)
    >>> layer.weight.shape, layer(torch.rand(2, 4)).shape  # all ordered pairs
    (torch.Size([16, 3]), torch.Size([2, 3]))
    """

    def __init__(self, in_features: int, out_features: int):
        super().__init__()
        shape = (in_features, in_features)
        self.first, self.second = nn.Parameter(torch.ones(shape)), nn.Parameter(torch.ones(shape))
        self.offset = nn.Parameter(torch.zeros(shape))
        self.weight = nn.Parameter(torch.empty(in_features * in_features, out_features).uniform_(-1, 1))

    def forward(self, x: Tensor) -> Tensor:
        compared = torch.sigmoid(self.first * x[:, :, None] - self.second * x[:, None, :] + self.offset)
        return compared.flatten(1) @ self.weight
