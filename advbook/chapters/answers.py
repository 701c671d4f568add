"""What a network for photographs answers, in words, and the pictures that it is asked of."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from advbook.chapters.front_page.photograph import class_names, square
from advutils.core import runtime
from advutils.datasets import photographs


def squares(names: list[str], size: int) -> Tensor:
    """The middle squares (N, 3, size, size) of scikit-image's photographs by name, in steps of 1/255."""
    return torch.cat([square(photographs.photograph(name), size) for name in names]).to(runtime.device())


def stored(images: Tensor) -> Tensor:
    """Images as a file of 8 bits gives them back: clipped to [0, 1], in steps of 1/255."""
    return (images.clamp(0, 1) * 255).round() / 255


@torch.no_grad()
def answers(model: nn.Module, images: Tensor) -> list[list]:
    """The most probable class of each of ``images`` (N, 3, S, S) in [0, 1], as ``[name, probability]``.

    Of 1,000 logits the names are ImageNet's; of as many as there are photographs, theirs.
    """
    found = model(images).softmax(1)
    names = photographs.NAMES if found.shape[1] == len(photographs.NAMES) else class_names()
    best = found.max(1)
    return [[names[k], p] for p, k in zip(best.values.tolist(), best.indices.tolist(), strict=True)]


def told(answer: list) -> str:
    """An answer in words, its number not parted from the sign: 'tabby (62 %)'."""
    return f"{answer[0]} ({100 * answer[1]:.0f}\u00a0%)"
