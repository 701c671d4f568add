"""The network of Cutilli 2021, Section 3.3 (FC-100-100-10 of Szegedy et al. 2014), with the neurons of its defences."""

from __future__ import annotations

import math
from functools import partial

from torch import nn

from advutils.layers import (
    Angular,
    BatchRenorm,
    Elastic,
    ElasticSigmoid,
    Normalize,
    PairwiseDifference,
    Share,
    WeightedMean,
    WeightedPairs,
)


def _linear(fan_in: int, fan_out: int) -> nn.Linear:
    """Chainer's start: normal weights of variance 1 / fan_in (LeCun), biases 0."""
    linear = nn.Linear(fan_in, fan_out)
    nn.init.normal_(linear.weight, std=1 / math.sqrt(fan_in))
    nn.init.zeros_(linear.bias)
    return linear


# the first layer and the second; the last one is linear in all
NEURONS = {
    "linear": (_linear, _linear),
    "angular": (Angular, Angular),
    "share": (Share, Share),
    "mean": (WeightedMean, _linear),
    "pairs": (PairwiseDifference, _linear),
    "weighted pairs": (WeightedPairs, _linear),
}
# after each layer; and what is left of it after the last, whose sigmoid belongs to the loss
ACTIVATIONS = {
    "sigmoid": (nn.Sigmoid, nn.Identity),
    "elastic": (ElasticSigmoid, Elastic),
    "none": (nn.Identity, nn.Identity),
}


def structural(
    *,
    neurons: str = "linear",
    activation: str = "sigmoid",
    renormalised: bool = False,
    pixels: int = 784,
    hidden: int = 100,
    classes: int = 10,
) -> nn.Sequential:
    """FC-100-100-10 on images (N, 1, H, W) in [0, 1] with H W = ``pixels``; returns logits (N, classes).

    Pixels are multiplied by 255, as the thesis' networks see them. ``neurons``: "linear", "pairs" (Pairwise Difference
    in the first layer), "angular" (in the first two), or the conjectures "weighted pairs", "share" (in the first two)
    and "mean" (in the first). With ``renormalised`` batch renormalisation (decay .8) follows every layer, the last one
    too. The thesis' answers are the sigmoid of the logits where there is an ``activation`` ("sigmoid" or "elastic"),
    and the logits themselves where it is "none".
    Raises ``ValueError`` for other ``neurons`` or another ``activation``.

    >>> import torch
    >>> from advutils.models import structural
    >>> structural(neurons="angular")(torch.rand(2, 1, 28, 28)).shape
    torch.Size([2, 10])
    """
    if neurons not in NEURONS or activation not in ACTIVATIONS:
        raise ValueError(
            f"neurons must be one of {', '.join(NEURONS)} and activation one of {', '.join(ACTIVATIONS)}, "
            f"got {neurons!r} and {activation!r}"
        )
    first, second = NEURONS[neurons]
    between, last = ACTIVATIONS[activation]
    norm = partial(BatchRenorm, decay=0.8) if renormalised else lambda features: nn.Identity()
    return nn.Sequential(
        Normalize((0.0,), (1 / 255,)),
        nn.Flatten(),
        first(pixels, hidden),  # type: ignore[operator]
        norm(hidden),
        between(),
        second(hidden, hidden),  # type: ignore[operator]
        norm(hidden),
        between(),
        _linear(hidden, classes),
        norm(classes),
        last(),
    )
