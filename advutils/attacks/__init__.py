"""Attacks: pure functions ``attack(model, x, y, *, ...)`` that return images in [0, 1] like ``x``."""
from advutils.attacks.gradient import fgsm, pgd

__all__ = ["fgsm", "pgd"]
