"""One side of a proof by bits, run on the code that PYTHONPATH names: ``python -P restamp_side.py TASK OUT``.

It imports nothing of the book: the code that it runs may be older than this file. See :mod:`advbook.restamp`.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.util
import json
import os
import shutil
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

# Rates on a few images are coarse: what these return is compared too, by its bits, wherever a measurement calls them
WATCHED = ("advutils.training.train", "advutils.attacks.*")


class TooLong(Exception):
    """A measurement took longer than its limit."""


def hashes(task: dict) -> list[str | None]:
    """The code hash of each job's function in this tree, by the ``codehash`` file of the task; None if it is gone."""
    folder = str(Path(task["codehash"]).parent)  # it is a package; of the first editions a file, which needs no folder
    spec = importlib.util.spec_from_file_location(
        "codehash_of_a_side", task["codehash"], submodule_search_locations=[folder]
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    found: list[str | None] = []
    for job in task["jobs"]:
        found.append(None)
        for name in job["names"]:
            try:
                found[-1] = module.code_hash(name, job["parameters"])
                break
            except LookupError:
                continue
    return found


def results(task: dict) -> Iterator[dict]:
    """What each job returns, in words that are equal where the bits are: ``values``, ``watched``, or an ``error``."""
    warnings.simplefilter("ignore")
    seen: dict[str, list[str]] = {}
    _cut_data(task["cut"])
    names = sorted(_watch(seen))
    called: list[str] = []
    for place in task["unless"]:
        _count(place, called)
    _first_gradient()
    parent = os.getppid()
    for job in task["jobs"]:
        if os.getppid() != parent:  # nobody waits for the answer any more
            return
        for place in (os.environ["ADVUTILS_CACHE"], Path(os.environ["ADVUTILS_DATA"]) / "checkpoints"):
            shutil.rmtree(place, ignore_errors=True)  # a network that another job trained would hide its training
        seen.clear()
        called.clear()
        try:
            told = {"values": _run(job, task["limit"], task["tree"])}
        except Exception as error:
            told = {"error": f"{type(error).__name__}: {error}".partition("\n")[0][:200]}  # type: ignore[dict-item]
        yield told | {
            "watched": {name: list(dict.fromkeys(seen.get(name, []))) for name in names},
            "called": list(dict.fromkeys(called)),
        }


def _first_gradient() -> None:
    """Let torch load what its first gradient needs (sympy: seconds), which is no measurement's time."""
    import torch

    x = torch.ones((), requires_grad=True)
    torch.autograd.grad(x * x, x, torch.ones(()))


def _run(job: dict, limit: int, tree: str) -> dict[str, str]:
    import numpy as np
    import torch

    torch.set_num_threads(1)  # a job may leave any of these in another state
    torch.set_float32_matmul_precision("highest")
    torch.manual_seed(0)
    np.random.seed(0)
    found, name = _found(job["names"])
    if not Path(found.__file__).resolve().is_relative_to(Path(tree).resolve()):  # type: ignore[arg-type]
        raise ImportError(f"{found.__name__} was found at {found.__file__}, not in {tree}")
    signal.signal(signal.SIGPROF, _stop)
    signal.setitimer(signal.ITIMER_PROF, limit)  # of the processor's time: what else the machine does does not count
    try:
        result = getattr(found, name)(**job["parameters"])
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    values, arrays = result if isinstance(result, tuple) else (result, {})
    told = dict(_leaves(values)) | {f"array {name}": _bits(np.asarray(array)) for name, array in (arrays or {}).items()}
    return {place: text for place, text in told.items() if "seconds" not in place}


def _found(names: list[str]) -> tuple[ModuleType, str]:
    """The module, and the name in it, of a function that has one of these dotted names in this tree."""
    for dotted in names:
        module, _, name = dotted.rpartition(".")
        try:
            return importlib.import_module(module), name
        except ModuleNotFoundError as error:
            if dotted == names[-1] or not f"{module}.".startswith(f"{error.name}."):
                raise
    raise LookupError("a job has no names")


def _stop(*_) -> None:
    raise TooLong("took longer than the limit")


def _leaves(value, place: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict | list | tuple):
        for name, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _leaves(part, f"{place}.{name}" if place else str(name))
    else:
        yield place, repr(value)


def _bits(array) -> str:
    return f"{array.dtype} {array.shape} {hashlib.sha256(array.tobytes()).hexdigest()}"


def _cut_data(cut: dict[str, int]) -> None:
    """Let data sets have few images: ``cut`` has their number by name of the set or, for the others, by split."""
    try:
        module = importlib.import_module("advutils.datasets")
    except ModuleNotFoundError:  # the first edition
        module = importlib.import_module("advutils.data")

    @functools.cache
    def load(name: str, *, split: str, whole: Callable = module.load):
        return tuple(part[: cut.get(name, cut[split])].clone() for part in whole(name, split=split))

    module.load = functools.wraps(module.load)(load)  # type: ignore[attr-defined]


def _watch(seen: dict[str, list[str]]) -> Iterator[str]:
    """Note what the functions of ``WATCHED`` return, before anything binds them; yields their names."""
    for place in WATCHED:
        module, _, wanted = place.rpartition(".")
        try:
            found = importlib.import_module(module)
        except ModuleNotFoundError:
            continue
        for name in found.__all__ if wanted == "*" else [wanted]:
            if callable(getattr(found, name)):
                setattr(found, name, _noting(getattr(found, name), f"{module}.{name}", seen))
                yield f"{module}.{name}"


def _count(place: str, called: list[str]) -> None:
    """Note every call of the function ``place``, if this side has it."""
    module, _, name = place.rpartition(".")
    try:
        found = importlib.import_module(module)
        function = getattr(found, name)
    except (ModuleNotFoundError, AttributeError):
        return

    @functools.wraps(function)
    def counting(*args, **kwargs):
        called.append(place)
        return function(*args, **kwargs)

    setattr(found, name, counting)


def _noting(function: Callable, name: str, seen: dict[str, list[str]]) -> Callable:
    @functools.wraps(function)
    def noting(*args, **kwargs):
        out = function(*args, **kwargs)
        told = args[0].state_dict().values() if name.endswith(".train") else out if isinstance(out, tuple) else [out]
        total = hashlib.sha256()
        for part in told:
            if hasattr(part, "detach"):
                total.update(f"{part.dtype} {tuple(part.shape)}".encode())
                total.update(part.detach().cpu().contiguous().numpy().tobytes())
        seen.setdefault(name, []).append(total.hexdigest()[:16])
        return out

    return noting


if __name__ == "__main__":
    given = json.loads(Path(sys.argv[1]).read_text())
    with open(sys.argv[2], "w") as stream:
        for line in hashes(given) if given["only_hashes"] else results(given):
            print(json.dumps(line), file=stream, flush=True)
