"""Time and memory of Pairwise Difference, blocked, beside the layer that holds all ordered pairs.

``python -m benchmarks.pairwise blocked 784 100 20`` prints the memory of one forward and backward pass in a process of
its own, in bytes beyond weights and gradients (Linux, or a GPU).
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch
from torch import Tensor, nn

from advutils.core import runtime
from advutils.layers import PairwiseDifference

LAYERS = ("ordered", "blocked")


class Ordered(nn.Module):
    """sum_ab w_ab sigmoid(v_a - v_b) as the thesis' code has it: all ordered pairs of an image in memory."""

    def __init__(self, in_features: int, out_features: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(out_features, in_features * in_features).uniform_(-1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(x[:, :, None] - x[:, None, :]).flatten(1) @ self.weight.T


def built(name: str, n: int, out: int, seed: int = 0) -> nn.Module:
    """A layer by name, with weights of a seed."""
    with runtime.seeded(seed):
        layer = Ordered(n, out) if name == "ordered" else PairwiseDifference(n, out)
    return layer.to(runtime.device())


def images(batch: int, n: int) -> Tensor:
    """Pixels of 0 to 255, mostly 0 as MNIST's are."""
    x = (255 * torch.rand(batch, n, generator=runtime.generator(0)) - 180).clamp(min=0)
    return x.to(runtime.device()).requires_grad_()


def one_pass(layer: nn.Module, x: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Output, and the gradients of its sum of squares in weights and input."""
    out = layer(x)
    return out, torch.autograd.grad(out.square().sum(), [layer.weight, x])


def pairwise_cost(*, n: int, out: int, batch: int, rounds: int, threads: int, seed: int) -> dict:
    """Forward and backward pass of both layers, interleaved, on ``threads`` threads of the processor.

    Values, by layer: ``seconds`` (median of ``rounds``) and ``memory`` (MiB beyond weights, their gradients, input and
    its gradient, of a process that does one pass); ``times_faster`` (median over rounds of the ratio) and
    ``times_smaller`` (of the memory); ``gap``: largest difference of the outputs of two equal layers, over the largest
    output.
    """
    torch.set_num_threads(threads)
    x = images(batch, n)
    layers = {name: built(name, n, out, seed) for name in LAYERS}
    seconds: dict[str, list[float]] = {name: [] for name in LAYERS}
    for number in range(rounds + 1):  # the first round warms up
        for name, layer in layers.items():
            started = time.perf_counter()
            one_pass(layer, x)
            if x.is_cuda:
                torch.cuda.synchronize()
            if number:
                seconds[name].append(time.perf_counter() - started)
    with torch.no_grad():
        whole = layers["ordered"](x)
        same = PairwiseDifference.from_ordered(layers["ordered"].weight.view(out, n, n))(x)
    memory = {name: measured(name, n, out, batch) for name in LAYERS}
    return {
        **{name: {"seconds": statistics.median(seconds[name]), "memory": memory[name] / 2**20} for name in LAYERS},
        "times_faster": statistics.median(a / b for a, b in zip(*(seconds[name] for name in LAYERS), strict=True)),
        "times_smaller": memory["ordered"] / max(memory["blocked"], 1),
        "gap": ((same - whole).abs().max() / whole.abs().max()).item(),
    }


def measured(name: str, n: int, out: int, batch: int) -> float:
    """Bytes beyond weights and gradients of one pass, by a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.pairwise", name, *map(str, (n, out, batch))],
        text=True,
        capture_output=True,
        cwd=Path(__file__).resolve().parents[1],
    )
    if done.returncode:
        raise RuntimeError(f"the process that measures the memory of {name!r} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout)


def peak(name: str, n: int, out: int, batch: int) -> float:
    """What :func:`measured` asks for, in this process."""
    one_pass(built(name, 16, 4), images(2, 16))  # libraries take what they take once
    layer, x = built(name, n, out), images(batch, n)
    if x.is_cuda:
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        one_pass(layer, x)
        most = torch.cuda.max_memory_allocated()
    else:
        Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
        before = resident("VmRSS")
        one_pass(layer, x)
        most = resident("VmHWM")
    gradients = sum(t.numel() * t.element_size() for t in (layer.weight, x))
    return max(most - before - gradients, 0)


def resident(field: str) -> int:
    """A line of /proc/self/status, in bytes."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    print(json.dumps(peak(sys.argv[1], *map(int, sys.argv[2:]))))
