"""What stands behind a number: code, versions, machine."""
from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import importlib.util
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import torch

PACKAGES = ("torch", "torchvision", "numpy", "scipy", "scikit-learn")


def code_hash(function: Callable) -> str:
    """Hash of the ``advutils`` modules that ``function`` can reach, its own first.

    Modules are followed through their imports and hashed as syntax trees without docstrings, so that a better comment
    or docstring does not make a record look old, and a changed constant does.
    """
    return _module_hash(function.__module__)


@cache
def _module_hash(name: str) -> str:
    digest = hashlib.sha256()
    for module in sorted(_reachable(name)):
        digest.update(module.encode())
        digest.update(_tree(module)[0].encode())
    return digest.hexdigest()[:16]


def _reachable(name: str) -> set[str]:
    seen, todo = set(), [name]
    while todo:
        module = todo.pop()
        if module in seen or not module.startswith("advutils"):
            continue
        source, imports = _tree(module)
        if source:
            seen.add(module)
            todo.extend(imports)
    return seen


@cache
def _tree(module: str) -> tuple[str, tuple[str, ...]]:
    """The module's syntax tree as text without docstrings, and the modules of this package that it imports."""
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:  # `from package import function` names no module
        return "", ()
    if spec is None or spec.origin is None:
        return "", ()
    tree = ast.parse(Path(spec.origin).read_text())
    imports = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            imports += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
    # the top of the package lists names and a version; it computes nothing
    used = tuple(sorted({name for name in imports if name.startswith("advutils.")}))
    return ast.dump(tree), used


@cache
def commit() -> dict:
    """Commit of the checkout and whether tracked files differ from it; None where there is no git."""

    def git(*words: str) -> str | None:
        try:
            done = subprocess.run(["git", *words], cwd=Path(__file__).parent, capture_output=True, text=True,
                                  timeout=20, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    changed = git("status", "--porcelain", "--untracked-files=no", "--", ":/advutils")
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
    """Processor, device, threads and the arithmetic of matrix products."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "device": gpu or "cpu",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "matmul_precision": torch.get_float32_matmul_precision(),
        "system": f"{platform.system()} {platform.machine()}",
    }


@cache
def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def peak_memory_mib() -> float:
    """Largest resident memory of this process so far (GPU memory where there is a GPU), in MiB."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    import resource

    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def now() -> str:
    """The time, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
