"""Time and memory of smoothing guided by an image, beside automatic differentiation, and of an iteration of sC&W."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from advutils import attacks, models
from advutils.datasets import photographs
from advutils.filters.smoothing import ImageSmoother


def pictures(batch: int, size: int) -> Tensor:
    """Crops of a photograph, (batch, 3, size, size)."""
    whole = photographs.photograph("astronaut")
    starts = torch.linspace(0, whole.shape[1] - size, batch).long().tolist()
    return torch.stack([whole[:, top : top + size, top : top + size] for top in starts])


def unrolled(smoother: ImageSmoother, z: Tensor) -> Tensor:
    """s^(z) by the plain loop that automatic differentiation can follow, as the authors' code has it."""
    alpha, across, down = smoother.alpha, smoother.across[..., :-1], smoother.down[..., :-1, :]

    def matrix(v: Tensor) -> Tensor:
        pad = torch.nn.functional.pad
        right, left = pad(across * v[..., 1:], (0, 1)), pad(across * v[..., :-1], (1, 0))
        below, above = pad(down * v[..., 1:, :], (0, 0, 0, 1)), pad(down * v[..., :-1, :], (0, 0, 1, 0))
        return v - alpha * (right + left + below + above)

    def dot(a: Tensor, b: Tensor) -> Tensor:
        return (a * b).sum(dim=(-2, -1), keepdim=True)

    x, residual = z, z - matrix(z)
    direction, square = residual, dot(residual, residual)
    for _ in range(smoother.iterations):
        image = matrix(direction)
        step = square / dot(direction, image)
        x, residual = x + step * direction, residual - step * image
        before, square = square, dot(residual, residual)
        direction = residual + square / before * direction
    return x / smoother.ones


def smoothing_cost(*, batch: int, size: int, rounds: int, seed: int) -> dict:
    """Forward and backward pass of s^ (300, .997, fifty iterations), interleaved, on one thread.

    Values: ``ours`` and ``unrolled``, seconds (medians); ``memory_ours`` and ``memory_unrolled``, MiB that autograd
    keeps for the backward pass; ``gap``, the relative difference of the gradients in float32.
    """
    torch.set_num_threads(1)
    smoother = ImageSmoother(pictures(batch, size))
    generator = torch.Generator().manual_seed(seed)
    z, t = torch.randn(2, *smoother.shape, generator=generator)
    calls = {"ours": smoother, "unrolled": lambda v: unrolled(smoother, v)}
    times: dict[str, list[float]] = {name: [] for name in calls}
    gradients, memory = {}, {}
    for _ in range(rounds + 1):  # the first round warms up
        for name, call in calls.items():
            leaf = z.clone().requires_grad_()
            kept: dict[int, int] = {}

            def keep(tensor: Tensor, kept=kept) -> Tensor:
                kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
                return tensor

            started = time.perf_counter()
            with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
                out = call(leaf)
            (gradients[name],) = torch.autograd.grad(out, leaf, t)
            times[name].append(time.perf_counter() - started)
            memory[name] = (sum(kept.values()) + out.nbytes) / 2**20
    gap = (gradients["ours"] - gradients["unrolled"]).norm() / gradients["unrolled"].norm()
    return {name: statistics.median(found[1:]) for name, found in times.items()} | {
        "memory_ours": memory["ours"],
        "memory_unrolled": memory["unrolled"],
        "gap": gap.item(),
    }


def search_cost(*, network: str, batch: int, size: int, steps: int, rounds: int) -> dict:
    """An iteration of sC&W over one of C&W, interleaved, on one thread: ``ratio``, ``plain`` and ``smooth`` (s)."""
    torch.set_num_threads(1)
    model = models.pretrained(network)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    x = pictures(batch, size)
    with torch.no_grad():
        y = model(x).argmax(1)
    smoother = ImageSmoother(x)
    options = dict(steps=steps, search_steps=1, initial_const=100.0, abort_early=False)
    calls: dict[str, Callable] = {
        "plain": lambda: attacks.carlini_wagner(model, x, y, **options),
        "smooth": lambda: attacks.smooth_carlini_wagner(model, x, y, smoother=smoother, **options),
    }
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds + 1):
        for name, call in calls.items():
            started = time.perf_counter()
            call()
            times[name].append((time.perf_counter() - started) / steps)
    ratio = [smooth / plain for plain, smooth in zip(times["plain"][1:], times["smooth"][1:], strict=True)]
    return {"ratio": statistics.median(ratio)} | {name: statistics.median(found[1:]) for name, found in times.items()}
