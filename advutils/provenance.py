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

OURS = ("advutils", "benchmarks")
STORING = ("advutils.files", "advutils.provenance")  # they keep and describe numbers, and compute none
PACKAGES = ("torch", "torchvision", "numpy", "scipy", "scikit-learn")


def code_hash(function: Callable) -> str:
    """Hash of the modules of this project that ``function`` can reach, its own first.

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
        if module in seen or module in STORING or not module.startswith(OURS):
            continue
        source, imports = _tree(module)
        if source:
            seen.add(module)
            todo.extend(imports)
    return seen


@cache
def _tree(module: str) -> tuple[str, tuple[str, ...]]:
    """The module's syntax tree as text without docstrings, and the modules of this package that it uses.

    Where a package only lists names (like ``advutils.attacks``), those used lead to the modules that define them: a new
    attack does not make the records of another one look old.
    """
    tree = _parsed(module)
    if tree is None:
        return "", ()
    used, listed = [], {}  # modules; local names of packages that only list names
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            used += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            table = _listing(node.module)
            for alias in node.names:
                target = f"{node.module}.{alias.name}"
                if _listing(target):
                    listed[alias.asname or alias.name] = target
                elif table:
                    used.append(table.get(alias.name, target))
                else:
                    used += [node.module, target]
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
    inner = {}  # `attacks` in `attacks.pgd` -> "pgd"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            inner[id(node.value)] = node.attr
        if isinstance(node, ast.Name) and node.id in listed:
            package, name = listed[node.id], inner.get(id(node))
            table = _listing(package)
            used += [table.get(name, f"{package}.{name}")] if name else table.values()
    # the top of the package lists names and a version; it computes nothing
    return ast.dump(tree), tuple(sorted({name for name in used if name.startswith(OURS) and "." in name}))


@cache
def _listing(package: str) -> dict[str, str]:
    """Name -> defining module, if ``package`` is an ``__init__`` of imports and ``__all__`` alone; else empty."""
    tree = _parsed(package)
    if tree is None or not package.startswith("advutils."):
        return {}
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module]
    rest = [node for node in tree.body if node not in imports and not isinstance(node, ast.Assign | ast.Expr)]
    only = imports and not rest and all(node.module.startswith(f"{package}.") for node in imports)
    return {alias.asname or alias.name: node.module for node in imports for alias in node.names} if only else {}


def _parsed(module: str) -> ast.Module | None:
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:  # `from package import function` names no module
        return None
    return None if spec is None or spec.origin is None else ast.parse(Path(spec.origin).read_text())


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

    changed = git("status", "--porcelain", "--untracked-files=no", "--", *(f":/{folder}" for folder in OURS))
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
    """Processor, device and threads."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "device": gpu or "cpu",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
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
