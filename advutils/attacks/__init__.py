"""Attacks: pure functions ``attack(model, x, y, *, ...)`` that return images in [0, 1] like ``x``."""

from advutils.attacks.ascent import ascent_direction, counting_sure
from advutils.attacks.carlini_wagner import carlini_wagner
from advutils.attacks.deepfool import deepfool
from advutils.attacks.gradient import fgsm, pgd
from advutils.attacks.margin import margin_pgd
from advutils.attacks.smooth import smooth_carlini_wagner, smooth_pgd

__all__ = [
    "ascent_direction",
    "carlini_wagner",
    "counting_sure",
    "deepfool",
    "fgsm",
    "margin_pgd",
    "pgd",
    "smooth_carlini_wagner",
    "smooth_pgd",
]
