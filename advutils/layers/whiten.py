"""Global contrast normalisation and ZCA whitening as a layer (pylearn2's ``make_cifar10_gcn_whitened.py``)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

SCALE, RIDGE = 55.0, 0.1


class Whiten(nn.Module):
    """Pixels in [0, 1] to whitened units: (N, C, H, W) -> the same shape.

    Each image minus its mean, scaled to a Euclidean norm of 55; then minus the mean of the ``images`` that the layer
    was fitted on, and multiplied by (covariance + 0.1 I)^(-1/2). The fit is made from ``images`` alone and is not part
    of the state: a layer made of the same images is the same.

    >>> import torch
    >>> from advutils.layers import Whiten
    >>> x = torch.rand(50, 1, 3, 3)
    >>> torch.allclose(Whiten(x)(x), Whiten(x)(0.5 * x), atol=1e-3)  # contrast does not count
    True
    """

    def __init__(self, images: Tensor):
        super().__init__()
        rows = contrast_normalised(images).flatten(1).double()
        mean = rows.mean(0)
        rows = rows - mean
        values, vectors = torch.linalg.eigh(rows.T @ rows / len(rows))
        matrix = (vectors / (values + RIDGE).sqrt()) @ vectors.T
        self.register_buffer("mean", mean.to(images), persistent=False)
        self.register_buffer("matrix", matrix.to(images), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return ((contrast_normalised(x).flatten(1) - self.mean) @ self.matrix).reshape(x.shape)  # type: ignore[operator]


def contrast_normalised(images: Tensor) -> Tensor:
    """Each image (N, C, H, W) minus its mean, scaled to a Euclidean norm of 55; a flat image stays 0.

    >>> import torch
    >>> from advutils.layers.whiten import contrast_normalised
    >>> round(contrast_normalised(torch.rand(1, 3, 4, 4)).norm().item(), 3)
    55.0
    """
    rows = images.flatten(1)
    rows = rows - rows.mean(1, keepdim=True)
    size = rows.norm(dim=1, keepdim=True)
    return (SCALE * rows / torch.where(size > 1e-8, size, 1)).reshape(images.shape)
