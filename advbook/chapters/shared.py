"""What chapters on several papers measure with: a rate of learning, and networks and images made ready."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from advutils import training

ADAM = training.Schedule(lr=1e-3, lr_divisor=1.0)


def resized(images: Tensor, size: int) -> Tensor:
    """(N, 3, H, W) to (N, 3, size, size) by Pillow's bilinear filter, rounded to 8 bits as a file would be."""
    from PIL import Image

    frames = (images * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    small = np.stack(
        [np.asarray(Image.fromarray(frame).resize((size, size), Image.Resampling.BILINEAR)) for frame in frames]
    )
    return torch.from_numpy(small).permute(0, 3, 1, 2).contiguous().to(images) / 255


def frozen(model: nn.Sequential) -> nn.Sequential:
    """The model, not to be trained any more, its weights laid out so that convolutions are up to half again as fast."""
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    return model.to(memory_format=torch.channels_last)
