"""Error rates and their uncertainty."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from advutils.core import runtime

BATCH = 1000


@torch.no_grad()
def predictions(model: nn.Module, images: Tensor, *, batch_size: int = BATCH) -> Tensor:
    """Predicted class of each image, (N, ...) -> (N,), in evaluation mode. Raises ``ValueError`` for NaN logits.

    >>> import torch
    >>> model, images = torch.nn.Identity(), torch.tensor([[0.6, 0.4], [0.1, 0.2]])  # the images are the logits
    >>> from advutils.evaluation import predictions
    >>> predictions(model, images)
    tensor([0, 1])
    """
    with runtime.evaluating(model):
        parts = [model(part) for part in images.split(batch_size)]
    logits = torch.cat(parts)
    if not torch.isfinite(logits).all():
        raise ValueError("model returned NaN or infinite logits; was its training stable?")
    return logits.argmax(dim=1)


def wrong(model: nn.Module, images: Tensor, labels: Tensor, *, batch_size: int = BATCH) -> Tensor:
    """Which images the model gets wrong, (N,) bool.

    >>> import torch
    >>> model, images = torch.nn.Identity(), torch.tensor([[0.6, 0.4], [0.1, 0.2]])  # the images are the logits
    >>> from advutils.evaluation import wrong
    >>> wrong(model, images, torch.tensor([0, 0]))
    tensor([False,  True])
    """
    return predictions(model, images, batch_size=batch_size) != labels


def error_rate(model: nn.Module, images: Tensor, labels: Tensor, *, batch_size: int = BATCH) -> float:
    """Share of wrong predictions, in [0, 1].

    >>> import torch
    >>> model, images = torch.nn.Identity(), torch.tensor([[0.6, 0.4], [0.1, 0.2]])  # the images are the logits
    >>> from advutils.evaluation import error_rate
    >>> error_rate(model, images, torch.tensor([0, 0]))
    0.5
    """
    return wrong(model, images, labels, batch_size=batch_size).sum().item() / len(labels)


@torch.no_grad()
def mean_loss(model: nn.Module, images: Tensor, labels: Tensor, *, batch_size: int = BATCH) -> float:
    """Mean cross-entropy in nats, in evaluation mode.

    >>> import torch
    >>> from advutils.evaluation import mean_loss
    >>> round(mean_loss(torch.nn.Identity(), torch.zeros(1, 2), torch.tensor([0])), 4)  # log 2
    0.6931
    """
    total = 0.0
    with runtime.evaluating(model):
        for x, y in zip(images.split(batch_size), labels.split(batch_size), strict=True):
            total += nn.functional.cross_entropy(model(x), y, reduction="sum").item()
    return total / len(labels)


def noise_error(model: nn.Module, images: Tensor, labels: Tensor, *, std: float, generator: torch.Generator) -> float:
    """Error rate under one draw of Gaussian pixel noise N(0, std^2), not clipped (Lyu et al. 2015, Tables IV, V, VII).

    ``std`` >= 0 in the units of the images. Draws from ``generator`` alone.
    Raises ``ValueError`` for a negative ``std``.

    >>> import torch
    >>> model, images = torch.nn.Identity(), torch.tensor([[0.6, 0.4], [0.1, 0.2]])  # the images are the logits
    >>> from advutils.evaluation import noise_error
    >>> from advutils.core.runtime import generator
    >>> noise_error(model, images, torch.tensor([0, 1]), std=1e-3, generator=generator(0))
    0.0
    """
    return noise_wrong(model, images, labels, std=std, generator=generator).sum().item() / len(labels)


def noise_wrong(model: nn.Module, images: Tensor, labels: Tensor, *, std: float, generator: torch.Generator) -> Tensor:
    """As :func:`noise_error`, by image: (N,) bool.

    >>> import torch
    >>> model, images = torch.nn.Identity(), torch.tensor([[0.6, 0.4], [0.1, 0.2]])  # the images are the logits
    >>> from advutils.evaluation import noise_wrong
    >>> from advutils.core.runtime import generator
    >>> noise_wrong(model, images, torch.tensor([0, 1]), std=1e-3, generator=generator(0))
    tensor([False, False])
    """
    if not std >= 0:
        raise ValueError(f"std must be >= 0, got {std!r}")
    parts = []
    for x, y in zip(images.split(BATCH), labels.split(BATCH), strict=True):
        noise = torch.randn(x.shape, generator=generator, dtype=x.dtype).to(x.device)
        parts.append(wrong(model, x + std * noise, y))
    return torch.cat(parts)


def packed(masks: Tensor) -> np.ndarray:
    """Truth values by image, (..., N), as bits for a record's arrays: (..., ceil(N / 8)) uint8; ``np.unpackbits``.

    >>> import torch
    >>> from advutils.evaluation import packed
    >>> packed(torch.tensor([True, False, True]))  # 10100000
    array([160], dtype=uint8)
    """
    return np.packbits(masks.cpu().numpy(), axis=-1)


def wilson(errors: float, trials: int, *, z: float = 1.959964) -> tuple[float, float]:
    """Wilson score interval of a rate: ``errors`` of ``trials`` -> (low, high) in [0, 1]; z = 1.96 for 95 %.

    Raises ``ValueError`` unless 0 <= errors <= trials and trials > 0.

    >>> from advutils.evaluation import wilson
    >>> low, high = wilson(3, 100)
    >>> f"{low:.4f} to {high:.4f}"
    '0.0103 to 0.0845'
    """
    if trials <= 0 or not 0 <= errors <= trials:
        raise ValueError(f"errors must be in [0, trials] and trials > 0, got {errors} of {trials}")
    rate = errors / trials
    centre = rate + z * z / (2 * trials)
    half = z * math.sqrt(rate * (1 - rate) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)
