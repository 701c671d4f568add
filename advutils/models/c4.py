"""The small convolutional network of Zhang, Avrithis, Furon and Amsaleg 2019, Section 5.2."""

from __future__ import annotations

import torch
from torch import nn


def c4(*, channels: int = 1, classes: int = 10) -> nn.Sequential:
    """C4: 64 filters of 8x8 with stride 2, 128 of 6x6 with stride 2, 128 of 5x5, then one dense layer; 28x28 images.

    It is the basic network of the cleverhans library: the first layer is padded to keep half the image, the others are
    not, so that maps have 14, 5 and 1 pixels a side. Each filter starts as a Gaussian direction of length 1, biases
    at 0.

    >>> import torch
    >>> from advutils.models import c4
    >>> c4()(torch.rand(2, 1, 28, 28)).shape
    torch.Size([2, 10])
    """
    network = nn.Sequential(
        nn.Conv2d(channels, 64, 8, stride=2, padding=3),
        nn.ReLU(),
        nn.Conv2d(64, 128, 6, stride=2),
        nn.ReLU(),
        nn.Conv2d(128, 128, 5),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(128, classes),
    )
    with torch.no_grad():
        for layer in network:
            if isinstance(layer, nn.Conv2d | nn.Linear):
                layer.weight.normal_()
                layer.weight /= layer.weight.flatten(1).norm(dim=1).reshape(-1, *[1] * (layer.weight.dim() - 1))
                layer.bias.zero_()  # type: ignore[union-attr]
    return network
