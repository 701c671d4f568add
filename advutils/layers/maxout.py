"""Dense maxout (Goodfellow et al. 2013)."""

from __future__ import annotations

from torch import Tensor, nn


class Maxout(nn.Module):
    """Dense maxout (Goodfellow et al. 2013): unit i is the largest of its ``pieces`` affine functions.

    The pieces of a unit are adjacent rows of the weight matrix, as in pylearn2. With one piece the layer is linear.
    (N, in_features) -> (N, out_features).
    Raises ``ValueError`` for fewer than one piece.

    >>> import torch
    >>> from advutils.layers import Maxout
    >>> layer = Maxout(1, 1, 2)
    >>> layer.affine.weight.data, layer.affine.bias.data = torch.tensor([[1.0], [-1.0]]), torch.zeros(2)
    >>> layer(torch.tensor([[-3.0], [2.0]])).detach().flatten()  # the larger of x and -x
    tensor([3., 2.])
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
