"""A small data set of natural images that needs no download: crops of scikit-image's photographs."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

NAMES = ("astronaut", "coffee", "chelsea", "rocket", "immunohistochemistry", "hubble_deep_field")


def photograph(name: str) -> Tensor:
    """A photograph of scikit-image, (3, H, W) in [0, 1]; ``ValueError`` for a name that is not in ``NAMES``."""
    if name not in NAMES:
        raise ValueError(f"name must be one of {', '.join(NAMES)}, got {name!r}")
    import skimage.data

    return torch.from_numpy(np.array(getattr(skimage.data, name)())).permute(2, 0, 1).float() / 255


@lru_cache(maxsize=4)
def crops(*, split: str, size: int = 48) -> tuple[Tensor, Tensor]:
    """Crops (N, 3, size, size) of the photographs and which photograph each is from, (N,), shuffled.

    Training crops come from the left two thirds of each photograph, test crops (``split="test"``) from the right third;
    none overlap. Raises ``ValueError`` for another split.
    """
    if split not in ("train", "test"):
        raise ValueError(f"split must be 'train' or 'test', got {split!r}")
    images, labels = [], []
    for label, name in enumerate(NAMES):
        picture = photograph(name)
        border = picture.shape[2] * 2 // 3
        part = picture[:, :, :border] if split == "train" else picture[:, :, border:]
        tiles = part.unfold(1, size, size).unfold(2, size, size)
        images.append(tiles.permute(1, 2, 0, 3, 4).reshape(-1, 3, size, size))
        labels.append(torch.full((len(images[-1]),), label))
    order = np.random.default_rng(0).permutation(sum(map(len, images)))
    return torch.cat(images)[order].contiguous(), torch.cat(labels)[order]
