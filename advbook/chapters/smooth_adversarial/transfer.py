"""Measurements of the chapter on Zhang et al. 2019: do attacks on one network fool its variants (Table 3)?"""

from __future__ import annotations

import torch

from advbook.chapters.smooth_adversarial.attacks import ATTACKS, natural, natural_network
from advutils import evaluation, models
from advutils.core import norms
from advutils.evaluation import distortion
from advutils.filters.bilateral import bilateral
from advutils.filters.smoothing import ImageSmoother

# Section 5.4 and the authors' code: 11 x 11 pixels, every channel by itself
FILTER = {"sigma_domain": 0.5, "sigma_range": 0.2, "radius": 5, "joint": False}


def transfer(
    *, data: str, network: str, first: int, images: int, attack: str, options: dict, smoothing: dict, others: list[str]
) -> tuple[dict, dict]:
    """One run of an attack with one budget, judged on its network, behind a bilateral filter, and on other networks.

    Only images that the network, the filtered one and each of the others get right are attacked. Values: ``tried``
    (their number), and for ``white box``, ``bilateral`` and each of ``others``: ``success`` and ``distortion`` (mean l2
    of the successes). Images are rounded to 8 bits. Array: ``length`` (N,).
    """
    model, x, y = natural(data=data, network=network, first=first, images=images)
    judges = {
        "white box": lambda z: evaluation.predictions(model, z, batch_size=50),
        "bilateral": lambda z: evaluation.predictions(model, bilateral(z, **FILTER).clamp(0, 1), batch_size=50),
    }
    for name in others:
        if models.input_size(name) != x.shape[-1]:
            raise ValueError(f"others must take images of {x.shape[-1]} pixels, {name} takes another size")
        judges[name] = lambda z, other=natural_network(name): evaluation.predictions(other, z, batch_size=50)  # type: ignore[misc]
    right = torch.stack([judge(x) == y for judge in judges.values()]).all(0)
    x, y = x[right], y[right]
    given = dict(options) | ({"smoother": ImageSmoother(x, **smoothing)} if smoothing else {})
    stored = distortion.rounded(ATTACKS[attack](model, x, y, **given))
    length = norms.norm(stored - x)
    values: dict = {"tried": len(x)}
    for name, judge in judges.items():
        fooled = judge(stored) != y
        values[name] = {
            "success": fooled.double().mean().item(),
            "distortion": length[fooled].mean().item() if fooled.any() else None,
        }
    return values, {"length": length.cpu().numpy()}
