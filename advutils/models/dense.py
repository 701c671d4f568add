"""The permutation-invariant networks of Lyu et al. 2015, Section IV-A and V."""

from __future__ import annotations

import math

import torch
from torch import nn

from advutils.layers import Dropout, Maxout


def sigmoid_mlp(*, pixels: int = 784, hidden: tuple[int, ...] = (600, 600), classes: int = 10) -> nn.Sequential:
    """The "old fashioned" sigmoid network of Section IV-A: 600 and 600 units, then a softmax layer (as logits).

    Weights start uniform in +-4 sqrt(6 / (fan_in + fan_out)), the range Glorot and Bengio give for the logistic
    function; the paper does not say. Its max-norm sqrt(15) belongs to training (:func:`advutils.training.train`).

    >>> import torch
    >>> from advutils.models import sigmoid_mlp
    >>> sigmoid_mlp()(torch.rand(2, 1, 28, 28)).shape
    torch.Size([2, 10])
    """
    widths = (pixels, *hidden, classes)
    network = nn.Sequential(nn.Flatten())
    for fan_in, fan_out in zip(widths, widths[1:], strict=False):
        linear = nn.Linear(fan_in, fan_out)
        bound = 4 * math.sqrt(6 / (fan_in + fan_out))
        nn.init.uniform_(linear.weight, -bound, bound)
        nn.init.zeros_(linear.bias)
        network.extend([linear, nn.Sigmoid()])
    return network[:-1]  # type: ignore[return-value]  # the last layer's softmax lives in the loss


def maxout_mlp(*, pixels: int = 784, units: int = 240, pieces: int = 5, classes: int = 10) -> nn.Sequential:
    """Permutation-invariant maxout network of Goodfellow et al. 2013 (pylearn2's ``mnist_pi.yaml``).

    Two layers of 240 units x 5 pieces; pixels kept with probability .8 and not rescaled, hidden units kept with
    .5 and doubled; weights uniform in +-.005, biases 0.

    >>> import torch
    >>> from advutils.models import maxout_mlp
    >>> maxout_mlp()(torch.rand(2, 1, 28, 28)).shape
    torch.Size([2, 10])
    """
    first, second = Maxout(pixels, units, pieces), Maxout(units, units, pieces)
    output = nn.Linear(units, classes)
    for affine in (first.affine, second.affine, output):
        nn.init.uniform_(affine.weight, -0.005, 0.005)
        nn.init.zeros_(affine.bias)
    return nn.Sequential(nn.Flatten(), Dropout(0.8, scale=1.0), first, Dropout(0.5), second, Dropout(0.5), output)


def softmax_regression(*, pixels: int = 784, classes: int = 10) -> nn.Sequential:
    """The single-layer softmax model of Section V, weights and biases starting at zero.

    >>> import torch
    >>> from advutils.models import softmax_regression
    >>> softmax_regression()(torch.rand(2, 1, 28, 28)).shape
    torch.Size([2, 10])
    """
    linear = nn.Linear(pixels, classes)
    with torch.no_grad():
        linear.weight.zero_()
        linear.bias.zero_()
    return nn.Sequential(nn.Flatten(), linear)
