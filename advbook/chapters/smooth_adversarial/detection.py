"""A measurement of the chapter on Zhang et al. 2019: what the simple detector can see at all."""

from __future__ import annotations

import torch

from advbook.chapters.smooth_adversarial.attacks import natural_images
from advutils.core import norms
from advutils.evaluation import detection, distortion


def reach(*, data: str, images: int, size: int, lengths: list[float], seed: int) -> dict:
    """How well :func:`advutils.evaluation.detection.detectability` tells images from the same images with white noise.

    ``lengths``: l2 norms of the noise, which is Gaussian, clipped to [0, 1] and stored in 8 bits like everything else.
    Values: ``auc`` and ``interval``, by length.
    """
    x, _ = natural_images(data=data, first=0, images=images, size=size)
    generator = torch.Generator().manual_seed(seed)
    clean = _features(x)
    values: dict = {"auc": [], "interval": []}
    for length in lengths:
        noise = torch.randn(x.shape, generator=generator).to(x)
        noisy = (x + length * noise / norms.per_example(norms.norm(noise), noise)).clamp(0, 1)
        found = detection.detectability(clean, _features(distortion.rounded(noisy)))
        values["auc"].append(found["auc"])
        values["interval"].append(found["interval"])
    return values


def _features(images):
    return torch.cat([detection.residual_features(part) for part in images.split(20)]).cpu().numpy()
