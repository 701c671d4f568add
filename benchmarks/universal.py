"""Time and passes of the universal perturbation, beside the Adversarial Robustness Toolbox and beside the floor."""

from __future__ import annotations

import statistics

import numpy as np
import torch
from torch import Tensor, nn

from advbook.chapters.attacks import comparison as page
from advutils.attacks import universal
from advutils.core import runtime
from benchmarks import peers
from benchmarks.attacks import Counter, _timed, replay


def theirs(model: nn.Module, x: Tensor, eps: float, passes: int) -> Tensor:
    """The perturbation of the toolbox with DeepFool, at the same settings; without ranges it does not clip, as ours."""
    from art.attacks.evasion import UniversalPerturbation
    from art.estimators.classification import PyTorchClassifier

    wrapped = PyTorchClassifier(
        model, nn.CrossEntropyLoss(), tuple(x.shape[1:]), 10, device_type="cpu" if x.device.type == "cpu" else "gpu"
    )
    attack = UniversalPerturbation(
        wrapped,
        attacker="deepfool",
        delta=0.0,
        max_iter=passes,
        eps=eps,
        norm=np.inf,
        batch_size=1,
        verbose=False,
        attacker_params={"max_iter": 10, "epsilon": 0.02, "nb_grads": 10, "batch_size": 1, "verbose": False},
    )
    attack.generate(x.cpu().numpy(), wrapped.predict(x.cpu().numpy()))
    return torch.from_numpy(np.asarray(attack.noise)).reshape(x.shape[1:]).to(x)


def universal_cost(
    *, network: str, data: str, epochs: int, images: int, eps: float, passes: int, batch: int, rounds: int, seed: int
) -> dict:
    """A universal perturbation of one network, ours one image at a time and ``batch`` at once, and the toolbox's.

    Values, for ``exact``, ``batched`` and ``art`` (where it is installed): ``seconds`` (median of the rounds), ``rate``
    (fooling rate on the images it was made on), and for ours ``ratio`` (time over that of its passes and nothing else,
    the floor, in the same round) and ``updates``.
    """
    torch.set_num_threads(1)
    model = page.network(network=network, data=data, epochs=epochs, seed=seed)
    x, _ = page.correct(model, data, images)
    ours = {"exact": 1, "batched": batch}
    times: dict[str, list[float]] = {name: [] for name in (*ours, "art")}
    floors: dict[str, list[float]] = {name: [] for name in ours}
    needed: dict[str, list] = {}  # the passes that each makes
    values: dict = {}
    for number in range(rounds):
        for name, size in ours.items():

            def call(size=size):
                return universal.universal_perturbation(
                    [model], x, eps=eps, passes=passes, batch_size=size, generator=runtime.generator(seed)
                )

            if number == 0:
                with Counter(model) as counter:
                    made = call()
                needed[name] = counter.passes
                values[name] = {
                    "rate": universal.fooling_rate(model, x, made.perturbation),
                    "passes": len(needed[name]),
                    "updates": sum(counts["updates"] for counts in made.history),
                }
            times[name].append(_timed(call)[0])
            floors[name].append(_timed(lambda name=name: replay(needed[name], model, x))[0])
        if "art" in peers.installed():
            seconds, v = _timed(lambda: theirs(model, x, eps, passes))
            times["art"].append(seconds)
            values["art"] = {"rate": universal.fooling_rate(model, x, v)}
    for name in values:
        values[name]["seconds"] = statistics.median(times[name])
        if name in ours:
            values[name]["ratio"] = statistics.median(
                mine / base for mine, base in zip(times[name], floors[name], strict=True)
            )
    return {**values, "images": len(x)}
