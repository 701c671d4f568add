"""For the tests of attacks: each of them with small settings, and what they promise."""

import math

import pytest
import torch

from advutils import attacks
from advutils.core import runtime
from advutils.filters.smoothing import ImageSmoother


def smoother(x):
    """A smoother for the batch; for input that it refuses, one for grey images: the attack must object itself."""
    try:
        return ImageSmoother(x, bandwidth=10.0, alpha=0.5, method="dense")
    except ValueError:
        return ImageSmoother(torch.full((20, 1, 4, 4), 0.5))


ATTACKS = {
    "fgsm inf": lambda m, x, y, **o: attacks.fgsm(m, x, y, **{"eps": 0.1, **o}),
    "fgsm 2": lambda m, x, y, **o: attacks.fgsm(m, x, y, **{"eps": 0.5, "p": 2, **o}),
    "pgd inf": lambda m, x, y, **o: attacks.pgd(m, x, y, **{"eps": 0.1, "step": 0.03, "steps": 7, **o}),
    "pgd 2": lambda m, x, y, **o: attacks.pgd(m, x, y, **{"eps": 0.5, "step": 0.2, "steps": 7, "p": 2, **o}),
    "pgd 1": lambda m, x, y, **o: attacks.pgd(m, x, y, **{"eps": 2.0, "step": 0.5, "steps": 7, "p": 1, **o}),
    "pgd random": lambda m, x, y, **o: attacks.pgd(
        m,
        x,
        y,
        **{"eps": 0.5, "step": 0.2, "steps": 7, "p": 2, "random_start": True, "generator": runtime.generator(5), **o},
    ),
    "pgd sphere": lambda m, x, y, **o: attacks.pgd(
        m, x, y, **{"eps": 0.5, "step": 0.2, "steps": 7, "p": 2, "sphere": True, **o}
    ),
    "pgd sphere, clipped": lambda m, x, y, **o: attacks.pgd(
        m, x, y, **{"eps": 0.5, "step": 0.2, "steps": 7, "p": 2, "sphere": "clipped", **o}
    ),
    "smooth pgd, gradient": lambda m, x, y, **o: attacks.smooth_pgd(
        m, x, y, **{"eps": 0.5, "step": 0.2, "steps": 7, "smoother": smoother(x), **o}
    ),
    "smooth pgd, perturbation": lambda m, x, y, **o: attacks.smooth_pgd(
        m, x, y, **{"eps": 0.5, "step": 0.2, "steps": 7, "smooth": "perturbation", "smoother": smoother(x), **o}
    ),
    "deepfool 1": lambda m, x, y, **o: attacks.deepfool(m, x, **{"num_classes": 4, "p": 1, **o}),
    "deepfool 2": lambda m, x, y, **o: attacks.deepfool(m, x, **{"num_classes": 4, **o}),
    "deepfool inf": lambda m, x, y, **o: attacks.deepfool(m, x, **{"num_classes": 4, "p": math.inf, **o}),
    "carlini wagner": lambda m, x, y, **o: attacks.carlini_wagner(m, x, y, **{"steps": 30, "search_steps": 4, **o}),
    "carlini wagner, clip": lambda m, x, y, **o: attacks.carlini_wagner(
        m, x, y, **{"steps": 30, "search_steps": 4, "lr": 0.05, "variable": "clip", **o}
    ),
    "smooth carlini wagner": lambda m, x, y, **o: attacks.smooth_carlini_wagner(
        m, x, y, **{"steps": 60, "search_steps": 4, "lr": 0.1, "smoother": smoother(x), **o}
    ),
    "smooth carlini wagner, norm": lambda m, x, y, **o: attacks.smooth_carlini_wagner(
        m, x, y, **{"steps": 60, "search_steps": 4, "lr": 0.1, "smoother": smoother(x), "penalty": "norm", **o}
    ),
}
MINIMAL = (
    "deepfool 1",
    "deepfool 2",
    "deepfool inf",
    "carlini wagner",
    "carlini wagner, clip",
    "smooth carlini wagner",
    "smooth carlini wagner, norm",
)  # look for the nearest success; others have a budget
NORM = {
    "fgsm inf": (0.1, math.inf),
    "fgsm 2": (0.5, 2),
    "pgd inf": (0.1, math.inf),
    "pgd 2": (0.5, 2),
    "pgd 1": (2.0, 1),
    "pgd random": (0.5, 2),
    "pgd sphere": (0.5, 2),
    "pgd sphere, clipped": (0.5, 2),
    "smooth pgd, gradient": (0.5, 2),
    "smooth pgd, perturbation": (0.5, 2),
}
every = pytest.mark.parametrize("name", ATTACKS)
with_budget = pytest.mark.parametrize("name", NORM)
minimal = pytest.mark.parametrize("name", MINIMAL)
