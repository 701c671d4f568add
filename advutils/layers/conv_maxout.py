"""Convolutional maxout (Goodfellow et al. 2013), as pylearn2 has it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ConvMaxout(nn.Module):
    """Convolution, largest of ``pieces`` adjacent channels, largest of ``pool`` x ``pool`` places, every second place.

    Windows that hang over the edge count (``ceil_mode``). With ``tied=False`` there is a bias for every channel at
    every place instead of one a channel; ``size`` is the height and width of the maps that come in.
    (N, in_channels, size, size) -> (N, out_channels, out_size, out_size).
    Raises ``ValueError`` for fewer than one piece, or an image too small for the pool.

    >>> import torch
    >>> from advutils.layers import ConvMaxout
    >>> layer = ConvMaxout(1, 48, 2, kernel=8, padding=0, pool=4, size=28, tied=False)
    >>> layer.weight.shape, layer(torch.rand(5, 1, 28, 28)).shape
    (torch.Size([96, 1, 8, 8]), torch.Size([5, 48, 10, 10]))
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        pieces: int,
        *,
        kernel: int,
        padding: int,
        pool: int,
        size: int,
        tied: bool,
    ):
        super().__init__()
        if pieces < 1:
            raise ValueError(f"pieces must be >= 1, got {pieces}")
        self.pieces, self.padding, self.pool = pieces, padding, pool
        self.map_size = size + 2 * padding - kernel + 1
        self.out_size = -(-(self.map_size - pool) // 2) + 1
        if self.map_size < pool:
            raise ValueError(f"size {size} leaves maps of {self.map_size} pixels, smaller than the pool of {pool}")
        self.weight = nn.Parameter(torch.empty(out_channels * pieces, in_channels, kernel, kernel))
        places = () if tied else (self.map_size, self.map_size)
        self.bias = nn.Parameter(torch.zeros(out_channels * pieces, *places))
        nn.init.uniform_(self.weight, -0.005, 0.005)  # pylearn2's irange

    def forward(self, x: Tensor) -> Tensor:
        tied = self.bias.dim() == 1
        # channels last: the maxima run over neighbours in memory, and convolutions need no copies
        z = F.conv2d(
            x.contiguous(memory_format=torch.channels_last),
            self.weight,
            self.bias if tied else None,
            padding=self.padding,
        ).contiguous(memory_format=torch.channels_last)
        z = z if tied else z + self.bias.to(z.dtype)
        pooled = F.max_pool2d(z, self.pool, 2, ceil_mode=True)  # places first: a quarter is left for the pieces
        return pooled.permute(0, 2, 3, 1).unflatten(3, (-1, self.pieces)).max(4).values.permute(0, 3, 1, 2)

    def extra_repr(self) -> str:
        return f"{tuple(self.weight.shape)}, pieces={self.pieces}, pool={self.pool}, out_size={self.out_size}"
