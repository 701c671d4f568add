"""Photographs of a folder of one's own, such as ImageNet's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

ENDINGS = (".jpeg", ".jpg", ".png")


def images(folder: Path, *, count: int, side: int, generator: torch.Generator) -> Tensor:
    """``count`` images, chosen at random among all under ``folder``: (count, 3, side, side) in [0, 1], in 8 bits.

    Each is resized until its shorter side has ``side`` pixels (Pillow's bilinear filter), and the middle is cut out.
    The choice depends on ``generator`` and on the files' names. Raises ``ValueError`` if there are fewer.
    """
    from PIL import Image

    found = sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in ENDINGS)
    if len(found) < count:
        raise ValueError(f"{folder} has {len(found)} images ({', '.join(ENDINGS)}), asked for {count}")
    out = torch.empty(count, 3, side, side, dtype=torch.uint8)
    for row, number in enumerate(torch.randperm(len(found), generator=generator)[:count].tolist()):
        with Image.open(found[number]) as image:
            scale = side / min(image.size)
            size = [max(side, round(scale * length)) for length in image.size]
            frame = torch.from_numpy(np.array(image.convert("RGB").resize(size, Image.Resampling.BILINEAR)))
        top, left = ((length - side) // 2 for length in frame.shape[:2])
        out[row] = frame[top : top + side, left : left + side].permute(2, 0, 1)
    return out.float() / 255
