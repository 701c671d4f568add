"""Time and passes of the attacks, beside peers and beside the floor: the needed passes and nothing else."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from advbook.chapters.attacks import comparison as page
from advutils.attacks.deepfool import descend
from advutils.core import norms, runtime
from benchmarks import peers

NETS = {  # with real data, and without
    "lenet": (dict(data="mnist", epochs=2), dict(data="digits", epochs=20)),
    "resnet8": (dict(data="cifar10", epochs=6), dict(data="digits", epochs=20)),
}
Passes = list[tuple[int, int]]  # one entry a forward pass: its batch size, and the backward passes through it


class Counter:
    """Counts a model's passes by hooks, for a block: ``passes`` as above."""

    def __init__(self, model: nn.Module):
        self.model, self.passes = model, []

    def __enter__(self) -> Counter:
        self.handle = self.model.register_forward_hook(self._forward)
        return self

    def _forward(self, module, inputs, output: Tensor) -> None:
        number = len(self.passes)
        self.passes.append((len(output), 0))
        if output.requires_grad:
            output.register_hook(lambda gradient: self._backward(number))

    def _backward(self, number: int) -> None:
        size, count = self.passes[number]
        self.passes[number] = (size, count + 1)

    def __exit__(self, *error) -> None:
        self.handle.remove()

    def per_image(self, images: int) -> tuple[float, float]:
        """Forward and backward passes, in images, over the number of images."""
        return (sum(size for size, _ in self.passes) / images, sum(size * b for size, b in self.passes) / images)


def floor(attack: str, model: nn.Module, x: Tensor, y: Tensor) -> Passes:
    """The passes that the mathematics asks for, on this batch.

    Projected gradient ascent: one forward and one backward pass a step. DeepFool: one forward pass at every iterate,
    nine backward passes at every iterate but an example's last. Carlini and Wagner, full: 9 x 100 of both; stopped: as
    many as ours makes (what may be left out is the attack's business, not the mathematics').
    """
    if attack.startswith("pgd"):
        return [(len(x), 1)] * peers.STEPS
    if attack == "deepfool":
        taken = descend(model, x, num_classes=10, overshoot=0.02, max_iter=50, p=2)[1]
        left = [int((taken > step).sum()) for step in range(int(taken.max()))]
        arrived = [int((taken == step + 1).sum()) for step in range(int(taken.max()))]
        return [part for now, done in zip(left, arrived, strict=True) for part in ((now, 9), (done, 0)) if part[0]]
    if attack == "carlini-wagner, full":
        return [(len(x), 1)] * 900
    with Counter(model) as counter:
        peers.ours()[attack](model, x, y)
    return counter.passes


def replay(passes: Passes, model: nn.Module, x: Tensor) -> None:
    """Make these passes and nothing else."""
    ones = torch.ones(len(x), 10, device=x.device)
    for size, backward in passes:
        with torch.set_grad_enabled(backward > 0):
            leaf = x[:size].detach().requires_grad_(backward > 0)
            z = model(leaf)
            for k in range(backward):
                torch.autograd.grad(z, leaf, ones[:size], retain_graph=k + 1 < backward)


def compare(
    *,
    attack: str,
    network: str,
    data: str,
    epochs: int,
    images: int,
    first: int,
    rounds: int,
    libraries: list[str],
    seed: int,
) -> dict:
    """One attack by several libraries on one batch, interleaved in ``rounds`` rounds on one thread.

    The batch are ``images`` test images that the network gets right, without the ``first`` ones: on those the stop
    rules of Carlini and Wagner's attack were chosen.

    Values: ``floor_seconds`` and, for each library, ``seconds`` (median of the rounds), ``ratio`` (median over the
    rounds of its time over the floor's in the same round), ``forward`` and ``backward`` (passes an image), ``success``
    (share fooled) and ``l2`` (mean length over the fooled); ``versions`` of the peers.
    """
    torch.set_num_threads(1)
    model = page.network(network=network, data=data, epochs=epochs, seed=seed)
    x, y = page.correct(model, data, images, first)
    for parameter in model.parameters():  # as a caller would hand it over
        parameter.requires_grad_(True)
    found = peers.installed()
    calls = {"advutils": peers.ours()[attack]}
    for name in libraries:
        if name in found and attack in (made := peers.LIBRARIES[name]()):
            calls[name] = made[attack]
    needed = floor(attack, model, x, y)
    times: dict[str, list[float]] = {"floor": [], **{name: [] for name in calls}}
    values: dict = {}
    for number in range(rounds + (rounds > 1)):  # the first round counts passes, and warms up where there are others
        times["floor"].append(_timed(lambda: replay(needed, model, x))[0])
        for name, call in calls.items():
            if number == 0:
                with Counter(model) as counter:
                    seconds, out = _timed(lambda call=call: call(model, x.clone(), y))
                values[name] = _judge(model, x, y, out) | dict(
                    zip(("forward", "backward"), counter.per_image(len(x)), strict=True)
                )
            else:
                seconds, _ = _timed(lambda call=call: call(model, x.clone(), y))
            times[name].append(seconds)
    for name in calls:
        ratios = [mine / base for mine, base in zip(times[name][-rounds:], times["floor"][-rounds:], strict=True)]
        values[name] |= {"seconds": statistics.median(times[name][-rounds:]), "ratio": statistics.median(ratios)}
    return {
        "floor_seconds": statistics.median(times["floor"][-rounds:]),
        "libraries": values,
        "images": len(x),
        "versions": {name: found[name] for name in calls if name in found},
        "missing": [name for name in libraries if name not in found],
    }


def _judge(model: nn.Module, x: Tensor, y: Tensor, out: Tensor) -> dict:
    with torch.no_grad(), runtime.evaluating(model):
        fooled = model(out).argmax(1) != y
    length = norms.norm(out.detach() - x)[fooled]
    return {"success": fooled.double().mean().item(), "l2": length.mean().item() if fooled.any() else 0.0}


def _timed(call: Callable) -> tuple[float, object]:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    started = time.perf_counter()
    result = call()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - started, result


SLOW = {"deepfool": ["art", "torchattacks"], "carlini-wagner, full": ["art"]}  # ten times the others and more; for
# DeepFool in one round of their own, for Carlini and Wagner left out
ROUNDS = {"pgd-linf": 7, "pgd-l2": 7, "deepfool": 5, "carlini-wagner": 1, "carlini-wagner, full": 1}


def plan(*, real: bool, images: int) -> list[dict]:
    """The parameters of every comparison, the most valuable first."""
    made = []
    for attack in ("deepfool", "carlini-wagner", "pgd-linf", "pgd-l2", "carlini-wagner, full"):
        for network, (data, embedded) in NETS.items():
            every = [name for name in peers.LIBRARIES if name not in SLOW.get(attack, [])]
            common = dict(
                attack=attack, network=network, images=images, first=images, seed=0, **(data if real else embedded)
            )
            made.append({**common, "rounds": ROUNDS[attack], "libraries": every})
            if attack == "deepfool":
                made.append({**common, "rounds": 1, "libraries": SLOW[attack]})
    return made
