"""What stands behind a number: commit, versions, machine, time."""

from __future__ import annotations

import ctypes
import importlib.metadata
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from advbook.codehash import OURS

PACKAGES = (
    "torch",
    "torchvision",
    "numpy",
    "scipy",
    "scikit-learn",
    "scikit-image",
    "timm",
    "safetensors",
    "pillow",
    "shapely",
    "adversarial-robustness-toolbox",
)


@cache
def commit() -> dict:
    """Commit of the checkout and whether our code differs from it, new files included; None where there is no git."""

    def git(*words: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", *words], cwd=Path(__file__).parent, capture_output=True, text=True, timeout=20, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    changed = git("status", "--porcelain", "--", *(f":/{folder}" for folder in OURS))
    return {"commit": git("rev-parse", "HEAD"), "dirty": None if changed is None else bool(changed)}


def versions() -> dict[str, str]:
    """Python and the libraries that numbers depend on."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def machine() -> dict:
    """Processor, the device that measurements use, and threads."""
    import torch

    from advutils.core import runtime

    gpu = _gpu()
    return {
        "device": runtime.device().type if gpu is None else torch.cuda.get_device_name(gpu),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def _gpu():
    """The GPU that measurements use, a ``torch.device``; None if they run elsewhere."""
    from advutils.core import runtime

    device = runtime.device()
    return device if device.type == "cuda" else None


@cache
def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


class PeakMemory:
    """Watches the largest memory that is in use from its making on: of the GPU, or of this process.

    Of a process it is the resident memory, libraries included. What earlier measurements left in the C library's hands
    is given back first, and Linux's own mark is reset. Where that is not allowed the mark only counts if it has risen
    since, and else the memory now: then the peak may have been higher.
    """

    def __init__(self) -> None:
        self._gpu = _gpu()
        if self._gpu is not None:
            import torch

            torch.cuda.reset_peak_memory_stats(self._gpu)
            return
        _trim()
        self._reset = _reset_mark()
        self._before = _resident("VmHWM")

    def mib(self) -> float:
        """The peak so far, in MiB."""
        if self._gpu is not None:
            import torch

            return torch.cuda.max_memory_allocated(self._gpu) / 2**20
        mark = _resident("VmHWM")
        return mark if self._reset or mark > self._before else _resident("VmRSS")


def _trim() -> None:
    """Hand free memory back to the system: glibc keeps it where the runner asks it to (see ``runner.ALLOCATOR``)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _reset_mark() -> bool:
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def _resident(kind: str) -> float:
    """VmRSS, this process's resident memory now, or VmHWM, the largest so far, in MiB; without /proc the latter."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) / 2**10 for line in lines if line.startswith(kind))
    except (OSError, StopIteration):
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def now() -> str:
    """The time, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
