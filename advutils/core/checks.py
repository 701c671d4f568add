"""Checks of what a caller hands to an attack; every error names the argument and says what would be right."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def images(x: Tensor, *, name: str = "x") -> None:
    """(N, ...) floating-point pixels in [0, 1], N >= 1, no NaN; else ``ValueError``.

    >>> import torch
    >>> from advutils.core.checks import images
    >>> images(torch.full((1, 4), 255.0))
    Traceback (most recent call last):
    ValueError: x must lie in [0, 1], found values from 255 to 255
    """
    if not isinstance(x, Tensor) or not x.is_floating_point():
        found = x.dtype if isinstance(x, Tensor) else type(x).__name__
        raise ValueError(
            f"{name} must be a floating-point tensor of pixels in [0, 1], got {found}; "
            "for 8-bit images use x.float() / 255"
        )
    if x.dim() < 2 or len(x) == 0:
        raise ValueError(f"{name} must have shape (N, ...) with N >= 1, got {tuple(x.shape)}")
    low, high = x.aminmax()
    if not (low >= 0 and high <= 1):  # also catches NaN
        raise ValueError(f"{name} must lie in [0, 1], found values from {low.item():.4g} to {high.item():.4g}")


def placed(model: nn.Module, x: Tensor) -> None:
    """``x`` on the device and of the dtype of the model's parameters; else ``ValueError``."""
    for parameter in model.parameters():
        if parameter.device != x.device:
            raise ValueError(f"x is on {x.device} but model is on {parameter.device}; move one of them")
        if parameter.is_floating_point() and parameter.dtype != x.dtype:
            raise ValueError(f"x is {x.dtype} but model is {parameter.dtype}; use x.to(...) or model.to(...)")
        return  # one parameter tells


def labels(y: Tensor, x: Tensor, *, classes: int | None = None, name: str = "y") -> None:
    """(N,) integer class numbers on the device of ``x``, in [0, classes); else ``ValueError``.

    >>> import torch
    >>> from advutils.core.checks import labels
    >>> labels(torch.tensor([1.0]), torch.zeros(1, 4))
    Traceback (most recent call last):
    ValueError: y must be an integer tensor of class numbers, got torch.float32
    """
    if not isinstance(y, Tensor) or y.is_floating_point() or y.is_complex() or y.dtype == torch.bool:
        found = y.dtype if isinstance(y, Tensor) else type(y).__name__
        raise ValueError(f"{name} must be an integer tensor of class numbers, got {found}")
    if y.shape != x.shape[:1]:
        raise ValueError(f"{name} must have shape ({len(x)},), one label an image, got {tuple(y.shape)}")
    if y.device != x.device:
        raise ValueError(f"{name} is on {y.device} but x is on {x.device}; move one of them")
    if y.min() < 0 or (classes is not None and y.max() >= classes):
        raise ValueError(f"{name} must lie in [0, {classes}), found {y.min().item()} to {y.max().item()}")


def budget(eps: float | Tensor, x: Tensor, *, name: str = "eps") -> Tensor:
    """``eps`` as a (N,) tensor like ``x``; ``ValueError`` unless it is one finite number >= 0 or one an example.

    >>> import torch
    >>> from advutils.core.checks import budget
    >>> budget(0.1, torch.zeros(2, 4))
    tensor([0.1000, 0.1000])
    """
    value = torch.as_tensor(eps, dtype=x.dtype, device=x.device)
    if value.dim() > 1 or (value.dim() == 1 and len(value) != len(x)):
        raise ValueError(f"{name} must be one number or have shape ({len(x)},), got {tuple(value.shape)}")
    if not (torch.isfinite(value).all() and (value >= 0).all()):
        raise ValueError(f"{name} must be >= 0 and finite, got {eps}")
    return value.expand(len(x))


def attack(model: nn.Module, x: Tensor, y: Tensor) -> None:
    """What every attack on labelled images needs: :func:`images`, :func:`placed` and :func:`labels`."""
    images(x)
    placed(model, x)
    labels(y, x)


def positive(**numbers: float) -> None:
    """Each number > 0 and not NaN; else ``ValueError`` with its name.

    >>> from advutils.core.checks import positive
    >>> positive(step=0)
    Traceback (most recent call last):
    ValueError: step must be > 0, got 0
    """
    for name, value in numbers.items():
        if not value > 0:
            raise ValueError(f"{name} must be > 0, got {value!r}")


def at_least(low: float, **numbers: float) -> None:
    """Each number >= ``low`` and not NaN; else ``ValueError`` with its name.

    >>> from advutils.core.checks import at_least
    >>> at_least(1, steps=0)
    Traceback (most recent call last):
    ValueError: steps must be >= 1, got 0
    """
    for name, value in numbers.items():
        if not value >= low:
            raise ValueError(f"{name} must be >= {low}, got {value!r}")


def logits(z: Tensor, x: Tensor) -> None:
    """(N, classes) finite outputs for N images; else ``ValueError``.

    >>> import torch
    >>> from advutils.core.checks import logits
    >>> logits(torch.zeros(3), torch.zeros(3, 4))
    Traceback (most recent call last):
    ValueError: model must return logits of shape (3, classes), got (3,)
    """
    if z.dim() != 2 or len(z) != len(x):
        raise ValueError(f"model must return logits of shape ({len(x)}, classes), got {tuple(z.shape)}")
    if not torch.isfinite(z).all():
        raise ValueError("model returned NaN or infinite logits")


def several_classes(z: Tensor) -> None:
    """Logits (N, K) of K >= 2 classes; else ``ValueError``: of one class there is nothing to get away to.

    >>> import torch
    >>> from advutils.core.checks import several_classes
    >>> several_classes(torch.zeros(3, 1))
    Traceback (most recent call last):
    ValueError: model must return logits of at least two classes, got shape (3, 1)
    """
    if z.shape[1] < 2:
        raise ValueError(f"model must return logits of at least two classes, got shape {tuple(z.shape)}")


def result(image: Tensor) -> None:
    """No NaN in what an attack returns; else ``ValueError``."""
    if not torch.isfinite(image).all():
        raise ValueError("model returned NaN: its logits or its gradient in x are not finite")
