"""Penalties on weights and on activations, and how sparse they make a network (Schwartz, Alparslan and Kim 2020)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from advutils.core import runtime

BATCH = 500


def kernels(model: nn.Module) -> list[Tensor]:
    """The weights of all convolutions and linear layers, without biases and normalisations: what Section 4.2 penalises.

    Keras calls them kernels; it counts depthwise ones apart, here they are convolutions like others.

    >>> import torch
    >>> model = torch.nn.Linear(2, 1)
    >>> model.weight.data = torch.tensor([[3.0, -4.0]])
    >>> from advutils.training.sparsity import kernels
    >>> [tuple(weight.shape) for weight in kernels(model)]  # no bias
    [(1, 2)]
    """
    return [module.weight for module in model.modules() if isinstance(module, nn.Conv2d | nn.Linear)]


def weight_penalty(model: nn.Module, *, l1: float = 0.0, l2: float = 0.0) -> Tensor:
    """l1 * sum |w| + l2 * sum w^2 over all :func:`kernels`, a scalar with a graph to them.

    Keras' convention: no half before the square, and the elastic net is the sum of both, not the convex mixture that
    Section 2 of the paper defines. Raises ``ValueError`` for a negative factor.

    >>> import torch
    >>> model = torch.nn.Linear(2, 1)
    >>> model.weight.data = torch.tensor([[3.0, -4.0]])
    >>> from advutils.training.sparsity import weight_penalty
    >>> weight_penalty(model, l1=1.0).item(), weight_penalty(model, l2=1.0).item()
    (7.0, 25.0)
    """
    if not (l1 >= 0 and l2 >= 0):
        raise ValueError(f"l1 and l2 must be >= 0, got {l1!r} and {l2!r}")
    total = torch.zeros((), device=next(model.parameters()).device)
    for weight in kernels(model):
        if l1:
            total = total + l1 * weight.abs().sum()
        if l2:
            total = total + l2 * weight.square().sum()
    return total


@contextmanager
def recorded(layers: Iterable[nn.Module]) -> Iterator[list[Tensor]]:
    """For a block, collect what ``layers`` put out, call by call, with their graphs.

    >>> import torch
    >>> from advutils.training.sparsity import recorded
    >>> layer = torch.nn.ReLU()
    >>> with recorded([layer]) as outputs:
    ...     _ = layer(torch.tensor([-1.0, 2.0]))
    >>> outputs
    [tensor([0., 2.])]
    """
    outputs: list[Tensor] = []
    handles = [layer.register_forward_hook(lambda module, inputs, output: outputs.append(output)) for layer in layers]
    try:
        yield outputs
    finally:
        for handle in handles:
            handle.remove()


def activation_penalty(outputs: list[Tensor]) -> Tensor:
    """sum_j |a_j| of Eq. (5) (Schwartz et al. 2020): absolute activations (N, ...), summed, mean over examples.

    >>> import torch
    >>> from advutils.training.sparsity import activation_penalty
    >>> activation_penalty([torch.tensor([[1.0, -2.0], [5.0, 0.0]])])  # 3 and 5, in the mean
    tensor(4.)
    """
    return torch.stack([output.flatten(1).abs().sum(1).mean() for output in outputs]).sum()


@torch.no_grad()
def average_density(model: nn.Module, layer: nn.Module, images: Tensor) -> float:
    """Share of the units of ``layer`` (a rectifier) that are active for an image, in the mean over ``images``: AVR.

    >>> import torch
    >>> from advutils.training.sparsity import average_density
    >>> model = torch.nn.Sequential(torch.nn.ReLU())
    >>> average_density(model, model[0], torch.tensor([[1.0, -1.0, -1.0, -1.0]]))
    0.25
    """
    active = 0.0
    with runtime.evaluating(model), recorded([layer]) as outputs:
        for part in images.split(BATCH):
            outputs.clear()
            model(part)
            active += (outputs[0] > 0).flatten(1).double().mean(1).sum().item()
    return active / len(images)


def weight_density(model: nn.Module, *, threshold: float = 1e-3) -> float:
    """Share of the weights in :func:`kernels` whose absolute value is above ``threshold``.

    >>> import torch
    >>> model = torch.nn.Linear(2, 1)
    >>> model.weight.data = torch.tensor([[3.0, -4.0]])
    >>> from advutils.training.sparsity import weight_density
    >>> weight_density(model, threshold=3.5)
    0.5
    """
    weights = torch.cat([weight.detach().flatten() for weight in kernels(model)])
    return (weights.abs() > threshold).double().mean().item()


@contextmanager
def pruned(model: nn.Module, threshold: float) -> Iterator[nn.Module]:
    """For a block, weights in :func:`kernels` with an absolute value up to ``threshold`` are 0.

    >>> import torch
    >>> model = torch.nn.Linear(2, 1)
    >>> model.weight.data = torch.tensor([[3.0, -4.0]])
    >>> from advutils.training.sparsity import pruned
    >>> with pruned(model, 3.5):
    ...     model.weight.data.clone()
    tensor([[ 0., -4.]])
    >>> model.weight.data
    tensor([[ 3., -4.]])
    """
    saved = [weight.detach().clone() for weight in kernels(model)]
    try:
        with torch.no_grad():
            for weight in kernels(model):
                weight[weight.abs() <= threshold] = 0
        yield model
    finally:
        with torch.no_grad():
            for weight, before in zip(kernels(model), saved, strict=True):
                weight.copy_(before)
