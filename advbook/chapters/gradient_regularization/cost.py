"""What the perturbation costs in training: Lyu et al. 2015, Section II-F ("roughly double the time")."""

from __future__ import annotations

import statistics

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from advbook.chapters.gradient_regularization.dense import RECIPES, objective
from advutils import datasets, models, training
from advutils.core import runtime

KINDS = {"none": {"penalty": "none"}, "perturbation": {"penalty": "perturbation"}, "penalty": {"penalty": "penalty"}}
BUILDERS = {
    "sigmoid-mlp": models.sigmoid_mlp,
    "maxout-mlp": models.maxout_mlp,
    "conv-maxout-mnist": models.conv_maxout_mnist,
    "conv-maxout-cifar": models.conv_maxout_cifar,
}


class Counting(TorchDispatchMode):
    """Counts the additions and multiplications of products and convolutions in its block, in whatever pass.

    (``FlopCounterMode`` of PyTorch, with the same formulas, refuses gradients with respect to a network's input.)
    """

    def __init__(self):
        super().__init__()
        self.operations = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        if formula := flop_registry.get(function._overloadpacket):
            self.operations += formula(*args, **(kwargs or {}), out_val=out)
        return out


def training_cost(*, data: str, network: str, images: int, rounds: int, seed: int) -> dict:
    """Seconds of one epoch on ``images`` training images without penalty, with L(x + epsilon), and with Eq. (4).

    The three are interleaved in ``rounds`` rounds after one to warm up, p = 2, in batches of 100. Values: ``seconds``
    (median of the rounds), ``ratio`` and ``penalty_ratio``: medians over the rounds of the time over that without
    penalty in the same round; ``forward``: forward passes a minibatch; ``operations``: additions and multiplications of
    its products and convolutions, forward and backward. Times are meaningful only while nothing else runs.
    """
    x, y = (part[:images].to(runtime.device()) for part in datasets.load(data, split="train"))
    seconds: dict[str, list[float]] = {kind: [] for kind in KINDS}
    forward, operations = {}, {}
    for number in range(rounds + 1):
        for kind, options in KINDS.items():
            with runtime.seeded(seed):
                model = BUILDERS[network]().to(x.device)
            loss = objective(**options, p=2, sigma=1.0, stop_gradient=True, clip=False, mask="shared")
            if number == 0:
                passes = []
                handle = model.register_forward_hook(lambda module, inputs, output, passes=passes: passes.append(1))
                with Counting() as counter:
                    torch.autograd.grad(loss(model, x[:100], y[:100]), list(model.parameters()))
                handle.remove()
                forward[kind], operations[kind] = len(passes), counter.operations
            history = training.train(model, x, y, objective=loss, epochs=1, seed=seed, **RECIPES.get(network, {}))
            if number:
                seconds[kind].append(history.seconds[0])
    ratios = {
        kind: statistics.median(a / b for a, b in zip(times, seconds["none"], strict=True))
        for kind, times in seconds.items()
    }
    return {
        "seconds": {kind: statistics.median(times) for kind, times in seconds.items()},
        "forward": forward,
        "operations": operations,
        "ratio": ratios["perturbation"],
        "penalty_ratio": ratios["penalty"],
    }
