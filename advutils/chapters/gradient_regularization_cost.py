"""What the perturbation costs in training: Lyu et al. 2015, Section II-F ("roughly double the time")."""
from __future__ import annotations

import statistics

import torch

from advutils import data as datasets
from advutils import models, runtime, training
from advutils.chapters.gradient_regularization import RECIPES, objective

KINDS = {"none": {"penalty": "none"}, "perturbation": {"penalty": "perturbation"}, "penalty": {"penalty": "penalty"}}
BUILDERS = {"sigmoid-mlp": models.sigmoid_mlp, "maxout-mlp": models.maxout_mlp}


def training_cost(*, data: str, network: str, images: int, rounds: int, seed: int) -> dict:
    """Seconds of one epoch on ``images`` training images without penalty, with L(x + epsilon), and with Eq. (4).

    The three are interleaved in ``rounds`` rounds after one to warm up, p = 2. Values: ``seconds`` (median of the
    rounds), ``ratio`` and ``penalty_ratio``: medians over the rounds of the time over that without penalty in the same
    round; ``forward``: forward passes a minibatch. Meaningful only while nothing else runs.
    """
    x, y = (part[:images].to(runtime.device()) for part in datasets.load(data, split="train"))
    torch.set_float32_matmul_precision("highest")
    seconds: dict[str, list[float]] = {kind: [] for kind in KINDS}
    forward = {}
    for number in range(rounds + 1):
        for kind, options in KINDS.items():
            with runtime.seeded(seed):
                model = BUILDERS[network]().to(x.device)
            passes = []
            model.register_forward_hook(lambda module, inputs, output, passes=passes: passes.append(1))
            loss = objective(**options, p=2, sigma=1.0, stop_gradient=True, clip=False, mask="shared")
            history = training.train(model, x, y, objective=loss, epochs=1, seed=seed, **RECIPES[network])
            forward[kind] = len(passes) / -(-len(y) // 100)
            if number:
                seconds[kind].append(history.seconds[0])
    ratios = {kind: statistics.median(a / b for a, b in zip(times, seconds["none"], strict=True))
              for kind, times in seconds.items()}
    return {"seconds": {kind: statistics.median(times) for kind, times in seconds.items()}, "forward": forward,
            "ratio": ratios["perturbation"], "penalty_ratio": ratios["penalty"]}
