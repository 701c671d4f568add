"""Two small convolutional networks that train in minutes on a CPU: LeNet and an eight-layer residual network."""

from __future__ import annotations

from torch import Tensor, nn


def lenet(*, channels: int = 1, size: int = 28, classes: int = 10) -> nn.Sequential:
    """LeNet as the Caffe library ships it (after LeCun et al. 1998): 20 and 50 filters of 5x5, then 500 units.

    >>> import torch
    >>> from advutils.models import lenet
    >>> lenet()(torch.rand(2, 1, 28, 28)).shape
    torch.Size([2, 10])
    """
    side = ((size - 4) // 2 - 4) // 2
    return nn.Sequential(
        nn.Conv2d(channels, 20, 5),
        nn.MaxPool2d(2),
        nn.Conv2d(20, 50, 5),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(50 * side * side, 500),
        nn.ReLU(),
        nn.Linear(500, classes),
    )


class Block(nn.Module):
    """Two 3x3 convolutions with batch normalisation beside a shortcut (He et al. 2016, Figure 2), (N, C, H, W)."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.path = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        same = stride == 1 and inputs == outputs
        self.shortcut = (
            nn.Identity()
            if same
            else nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
        )

    def forward(self, x: Tensor) -> Tensor:
        return (self.path(x) + self.shortcut(x)).relu()


def resnet8(*, channels: int = 3, classes: int = 10) -> nn.Sequential:
    """He et al. 2016, Section 4.2, at n = 1: a convolution, three blocks of 16, 32 and 64 filters, average pooling.

    >>> import torch
    >>> from advutils.models import resnet8
    >>> resnet8()(torch.rand(2, 3, 32, 32)).shape
    torch.Size([2, 10])
    """
    return nn.Sequential(
        nn.Conv2d(channels, 16, 3, 1, 1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        Block(16, 16, 1),
        Block(16, 32, 2),
        Block(32, 64, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(64, classes),
    )
