"""The store of trained networks: trained once, kept in the cache folder, and a record like any other number's.

A network's key is the hash of all that its training can reach: the training function's name and parameters, the hash of
the code behind it, the data's checksum, threads, kind of device and torch's version. Other code, other weights; so no
number can come from weights whose code has changed. The key stands in the provenance of every record that rests on the
network, never in that record's own key: a reader with other cores trains other weights and finds the same records.

Weights lie in ``networks/`` of the cache folder, sealed. The record of a network, beside those of the measurements,
keeps their hash and the learning curve:

    results/<profile>/<chapter>/<training function>/<key>.json
"""
from __future__ import annotations

import hashlib
import inspect
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from advutils import data, files, runtime, training
from advutils.book import ledger
from advutils.codehash import code_hash


@dataclass
class Use:
    """Which networks a measurement has used, by key, and where their records belong."""

    profile: str
    chapter: str
    networks: dict[str, dict] = field(default_factory=dict)


_USE: ContextVar[Use | None] = ContextVar("use", default=None)


@contextmanager
def noted(profile: str, chapter: str) -> Iterator[Use]:
    """For a block, note which networks are used; their records go to that profile and chapter."""
    use = Use(profile, chapter)
    token = _USE.set(use)
    try:
        yield use
    finally:
        _USE.reset(token)


def identity(train: Callable, spec: dict) -> dict:
    """All that a network's weights depend on, as JSON; its hash, with the function's name, is the network's key."""
    defaults = {name: parameter.default for name, parameter in inspect.signature(train).parameters.items()
                if parameter.default is not inspect.Parameter.empty}
    spec = defaults | spec
    name = spec.get("data")
    sums = {split: data.checksum(name, split) for split in data.splits(name)} if name in data.NAMES else None
    return {"spec": spec, "code": code_hash(train, spec), "data": sums, "threads": torch.get_num_threads(),
            "device": runtime.device().type, "torch": str(torch.__version__)}


def key(make: Callable, spec: dict) -> str:
    """The name of a network's files. What ``spec`` leaves out counts with the default of ``make``."""
    return ledger.key(make.__name__, identity(make, spec))


def checkpoint(make: Callable, spec: dict) -> Path:
    """Where what ``make(checkpoint=..., **spec)`` makes is kept: in the cache folder, under its key."""
    name, found = make.__name__, key(make, spec)
    if use := _USE.get():
        use.networks[found] = {"function": f"{make.__module__}.{name}", "key": found}
    return runtime.cache_root() / "networks" / name / f"{found}.pt"


def kept(train: Callable[..., tuple[nn.Module, training.History]], spec: dict, **how
         ) -> tuple[nn.Module, training.History]:
    """The network that ``train(checkpoint=..., **spec, **how)`` trains: loaded if it is kept, else trained now.

    ``spec`` is JSON and says all that the weights depend on. ``how`` (say, which weights to load) must not change the
    training, and has no defaults in ``train``. One process trains a network at a time, others that want it wait.
    """
    path = checkpoint(train, spec)
    beside = path.with_suffix(".json")
    with files.locked(path.with_suffix(".lock")):
        model, history = train(checkpoint=path, **spec, **how)
        weights = digest(model.state_dict())
        if not beside.exists() or weights not in ledger.read(beside)["weights"].values():
            _describe(train, spec, path)
    if use := _USE.get():
        use.networks[path.stem]["weights"] = weights
        place = ledger.path_of(use.profile, use.chapter, train.__name__, identity(train, spec))
        if not place.exists():
            own = ledger.read(beside)
            ledger.write(place, own.name, own.parameters, own.values, None,
                         own.provenance | {"profile": use.profile, "chapter": use.chapter})
    return model, history


def _describe(train: Callable, spec: dict, path: Path) -> None:
    """Write the record of a network that was just trained beside its weights."""
    state = torch.load(io.BytesIO(files.read_sealed(path)), map_location="cpu", weights_only=True)
    history, parameters = state["history"], identity(train, spec)
    values = {name: history[name] for name in ("loss", "monitor", "seconds", "best_epoch")}
    values["weights"] = {name: digest(state[part]) for name, part in (("last", "model"), ("best", "best"))
                         if state[part] is not None}
    origin = ledger.origin(train, parameters, seconds=sum(history["seconds"]))
    ledger.write(path.with_suffix(".json"), train.__name__, parameters, values, None, origin)


def digest(weights: dict[str, Tensor]) -> str:
    """SHA-256 of weights: names, in order, and bits."""
    total = hashlib.sha256()
    for name, value in sorted(weights.items()):
        total.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return total.hexdigest()
