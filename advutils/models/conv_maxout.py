"""The convolutional maxout networks that Lyu et al. 2015 train (Sections IV-B and IV-C), from pylearn2's yaml files."""

from __future__ import annotations

from torch import nn

from advutils.layers import ConvMaxout, Dropout, Maxout


def conv_maxout_mnist(
    *, width: float = 1.0, size: int = 28, classes: int = 10, spread: float = 0.005, keep: float = 0.5
) -> nn.Sequential:
    """``mnist.yaml``: three convolutional maxout layers with a bias for every place; (N, 1, size, size).

    Its layers carry ``max_norm``, the limit of every filter's norm (:func:`advutils.training.constraints.limits`).
    ``width`` multiplies the numbers of channels. Weights start uniform in +-``spread`` (the file: .005). ``keep`` is
    the share of hidden features that dropout keeps (the file: half of them); pixels are always kept with .8.

    >>> import torch
    >>> from advutils.models import conv_maxout_mnist
    >>> conv_maxout_mnist()(torch.rand(2, 1, 28, 28)).shape
    torch.Size([2, 10])
    """
    layers, channels = [Dropout(0.8, scale=1.0)], 1
    for out, pieces, kernel, padding, pool, limit in (
        (48, 2, 8, 0, 4, 0.9),
        (48, 2, 8, 3, 4, 1.9365),
        (24, 4, 5, 3, 2, 1.9365),
    ):
        out = round(out * width)
        layer = ConvMaxout(channels, out, pieces, kernel=kernel, padding=padding, pool=pool, size=size, tied=False)
        layer.max_norm = limit  # type: ignore[assignment]
        layers += [layer, Dropout(keep)]  # type: ignore[list-item]
        channels, size = out, layer.out_size
    return _started(nn.Sequential(*layers, nn.Flatten(), _softmax(channels * size**2, classes)), spread)


def conv_maxout_cifar(
    *,
    width: float = 1.0,
    size: int = 32,
    classes: int = 10,
    spread: float = 0.005,
    keep: float = 0.5,
    lr_scale: float = 0.05,
) -> nn.Sequential:
    """``cifar10_old_small.yaml``, the paper's "Conv. Maxout Small"; (N, 3, size, size), whitened.

    As :func:`conv_maxout_mnist`, with one bias a channel and a dense maxout layer. The convolutions carry ``lr_scale``,
    what multiplies their learning rate (the file: .05).
    """
    layers, channels = [Dropout(0.8, scale=1.0)], 3
    for out, pieces, kernel, padding, pool, limit in (
        (48, 2, 8, 4, 4, 0.9),
        (128, 2, 8, 3, 4, 1.9365),
        (128, 2, 5, 3, 2, 1.9365),
    ):
        out = round(out * width)
        layer = ConvMaxout(channels, out, pieces, kernel=kernel, padding=padding, pool=pool, size=size, tied=True)
        layer.max_norm, layer.lr_scale = limit, lr_scale  # type: ignore[assignment]
        layers += [layer, Dropout(keep)]  # type: ignore[list-item]
        channels, size = out, layer.out_size
    dense = Maxout(channels * size**2, round(240 * width), 5)
    dense.affine.max_norm = 1.9  # type: ignore[assignment]
    network = nn.Sequential(*layers, nn.Flatten(), dense, Dropout(keep), _softmax(round(240 * width), classes))
    return _started(network, spread)


def _softmax(features: int, classes: int) -> nn.Linear:
    output = nn.Linear(features, classes)
    output.max_norm = 1.9365  # type: ignore[assignment]
    return output


def _started(network: nn.Sequential, spread: float) -> nn.Sequential:
    for layer in network.modules():
        if hasattr(layer, "max_norm"):
            nn.init.uniform_(layer.weight, -spread, spread)  # type: ignore[arg-type]
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return network
