"""Where and how a computation runs: device, random generators, threads, and leaving a model as it was found."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn


def device() -> torch.device:
    """The device that measurements use: ``ADVUTILS_DEVICE`` if set, else a GPU if there is one, else the CPU."""
    wanted = os.environ.get("ADVUTILS_DEVICE")
    if wanted:
        return torch.device(wanted)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def data_root() -> Path:
    """Folder that data and weights are read from: ``ADVUTILS_DATA``, else ``advutils`` in the user's cache folder."""
    return _folder("ADVUTILS_DATA")


def cache_root() -> Path:
    """Folder for what this code writes, trained networks above all: ``ADVUTILS_CACHE``, else the same default.

    ``ADVUTILS_DATA`` does not count: on a cluster that folder is often shared and read-only.
    """
    return _folder("ADVUTILS_CACHE")


def _folder(variable: str) -> Path:
    named = os.environ.get(variable)
    return Path(named or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "advutils")).expanduser()


def generator(seed: int) -> torch.Generator:
    """A random generator, seeded with ``seed``; the global one is not touched.

    It draws on the CPU, and what it drew is moved: the same numbers on every device.

    >>> import torch
    >>> from advutils.core.runtime import generator
    >>> torch.rand(2, generator=generator(0))
    tensor([0.4963, 0.7682])
    """
    return torch.Generator().manual_seed(seed)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Run a block under the global seed ``seed`` and put the global random state back afterwards.

    >>> import torch
    >>> from advutils.core.runtime import seeded
    >>> def draw():
    ...     with seeded(0):
    ...         return torch.rand(2)
    >>> torch.equal(draw(), draw())
    True
    """
    devices = range(torch.cuda.device_count())
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


@contextmanager
def precision(level: str) -> Iterator[None]:
    """Run a block with float32 products and convolutions of one precision and put every flag back afterwards.

    ``level`` "highest": float32. "medium": products of bfloat16 accumulated in float32 where a CPU has them, TF32 on a
    GPU, convolutions included. (torch's own switch leaves a GPU's convolutions in TF32.) The flags are the process's.
    """
    if level not in ("highest", "medium"):
        raise ValueError(f"level must be 'highest' or 'medium', got {level!r}")
    backends = torch.backends
    if hasattr(backends.cudnn, "conv"):  # torch 2.9 and later, where "none" inherits and the old switch makes it "ieee"
        flags = [
            (kernels, "fp32_precision")
            for kernels in (backends.cudnn.conv, backends.cuda.matmul, backends.mkldnn.matmul)  # type: ignore[attr-defined]
        ]
        convolutions = "tf32" if level == "medium" else "ieee"
    else:
        flags, convolutions = [(backends.cudnn, "allow_tf32")], level == "medium"  # type: ignore[assignment]
    products, before = torch.get_float32_matmul_precision(), [getattr(*flag) for flag in flags]
    try:
        torch.set_float32_matmul_precision(level)
        setattr(*flags[0], convolutions)
        yield
    finally:
        torch.set_float32_matmul_precision(products)
        for flag, value in zip(flags, before, strict=True):
            setattr(*flag, value)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[nn.Module]:
    """Put ``model`` in evaluation mode for a block and give every submodule its own mode back afterwards.

    >>> import torch
    >>> from advutils.core.runtime import evaluating
    >>> model = torch.nn.Dropout()
    >>> with evaluating(model):
    ...     model.training
    False
    >>> model.training
    True
    """
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield model
    finally:
        for module, mode in modes:
            module.training = mode


@contextmanager
def statistics_still(model: nn.Module) -> Iterator[nn.Module]:
    """Let no pass of a block move the running statistics of ``model``'s normalisation layers.

    In training mode they still normalise by the minibatch, so that the passes give what they would give anyway.

    >>> import torch
    >>> from advutils.core.runtime import statistics_still
    >>> model = torch.nn.BatchNorm1d(1)
    >>> with statistics_still(model):
    ...     out = model(torch.tensor([[1.0], [3.0]]))
    >>> model.running_mean
    tensor([0.])
    """
    tracking = [module for module in model.modules() if getattr(module, "track_running_stats", False)]
    for module in tracking:
        module.track_running_stats = False  # type: ignore[assignment]
    try:
        yield model
    finally:
        for module in tracking:
            module.track_running_stats = True  # type: ignore[assignment]


@contextmanager
def flushing_denormals() -> Iterator[None]:
    """Round numbers below 1e-38 to zero for a block: saturated units make thousands of them, each slow on a CPU.

    For training only: a confident network's input gradient may be that small, and an attack must still see it.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
