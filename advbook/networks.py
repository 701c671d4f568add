"""The store of trained networks: trained once, kept in the cache folder, and a record like any other number's.

A network's key is the hash of all that its training can reach: the training function's name and parameters, the hash of
the code behind it, the data's checksum, threads, kind of device and torch's version. Other code, other weights; so no
number can come from weights whose code has changed. The key stands in the provenance of every record that rests on the
network, never in that record's own key: a reader with other cores trains other weights and finds the same records.
Universal perturbations are kept in the same way, without a record of their own: the measurements have their history.

Weights lie in ``networks/`` of the cache folder, sealed. The record of a network, beside those of the measurements,
keeps their hash and the learning curve:

    results/<profile>/<chapter>/<training function>/<key>.json
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import inspect
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from advbook import ledger
from advbook.codehash import code_hash
from advutils import datasets, training
from advutils.core import files, runtime


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


def identity(make: Callable, spec: dict) -> dict:
    """All that a network's weights depend on, as JSON; its hash, with the function's name, is the network's key."""
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(make).parameters.items()
        if parameter.default is not inspect.Parameter.empty
    }
    spec = defaults | spec
    return {
        "spec": spec,
        "code": code_hash(make, spec),
        "data": _content(spec.get("data")),
        "threads": torch.get_num_threads(),
        "device": runtime.device().type,
        "torch": str(torch.__version__),
    }


def _content(name: str | None) -> dict | None:
    """What tells the content of a data set: checksums, the version of the library that has it, or a folder's files."""
    if name in datasets.NAMES:
        return {split: datasets.checksum(name, split) for split in datasets.splits(name)}
    if name is not None and Path(name).is_dir():
        files_in = sorted((str(path.relative_to(name)), path.stat().st_size) for path in Path(name).rglob("*.*"))
        return {"files": files.sha256(repr(files_in).encode())}
    return {"scikit-image": importlib.metadata.version("scikit-image")}  # photographs


def key(make: Callable, spec: dict) -> str:
    """The name of a network's files. What ``spec`` leaves out counts with the default of ``make``."""
    return ledger.key(make.__name__, identity(make, spec))


def computed(make: Callable, spec: dict, **how):
    """What ``make(checkpoint=..., **spec, **how)`` returns, which keeps it in its checkpoint: a file of the store.

    ``spec`` is JSON and says all that the result depends on. ``how`` (say, which weights to load) must not change what
    is kept, and has no defaults in ``make``. One process computes it at a time, others that want it wait; in float32,
    unless ``make`` says otherwise.
    """
    found = key(make, spec)
    path = runtime.cache_root() / "networks" / make.__name__ / f"{found}.pt"
    if use := _USE.get():
        use.networks.setdefault(found, {"function": f"{make.__module__}.{make.__name__}", "key": found})
    with files.locked(path.with_suffix(".lock")), runtime.precision("highest"):
        return make(checkpoint=path, **spec, **how)


def kept(
    train: Callable[..., tuple[nn.Module, training.History]], spec: dict, **how
) -> tuple[nn.Module, training.History]:
    """The network that ``train(checkpoint=..., **spec, **how)`` trains: loaded if it is kept, else trained now.

    As :func:`computed`; and the network gets a record, beside its weights and beside those of the measurement that
    asks for it. That is of the weights that were trained last: another processor trains others under the same key, and
    a measurement's own provenance has the hash of those that it used.
    """
    model, history = computed(train, spec, **how)
    weights, path = digest(model.state_dict()), runtime.cache_root() / "networks" / train.__name__
    beside = path / f"{key(train, spec)}.json"
    if weights not in _known(beside):
        _describe(train, spec, beside, history)
    if use := _USE.get():
        used = use.networks[beside.stem].setdefault("weights", [])
        used += [weights] if weights not in used else []
        place = ledger.path_of(use.profile, use.chapter, train.__name__, identity(train, spec))
        if weights not in _known(place):
            own = ledger.read(beside)
            ledger.write(
                place,
                own.name,
                own.parameters,
                own.values,
                None,
                own.provenance | {"profile": use.profile, "chapter": use.chapter},
            )
    return model, history


def _known(record: Path) -> list[str]:
    """The hashes of weights in a network's record; none if it is absent or damaged."""
    try:
        return list(ledger.read(record)["weights"].values())
    except (OSError, ledger.DamagedRecord):
        return []


def _describe(train: Callable, spec: dict, place: Path, history: training.History) -> None:
    """Write the record of a network that was just trained, beside its weights."""
    state = torch.load(io.BytesIO(files.read_sealed(place.with_suffix(".pt"))), map_location="cpu", weights_only=True)
    values = {name: getattr(history, name) for name in ("loss", "monitor", "seconds", "best_epoch")}
    values["weights"] = {
        name: digest(state[part]) for name, part in (("last", "model"), ("best", "best")) if state[part] is not None
    }
    parameters = identity(train, spec)
    origin = ledger.origin(train, parameters, seconds=sum(history.seconds))
    ledger.write(place, train.__name__, parameters, values, None, origin)


def digest(weights: dict[str, Tensor]) -> str:
    """SHA-256 of weights in their order: types, shapes and bits. Names do not count: those of a part are shorter."""
    total = hashlib.sha256()
    for value in weights.values():
        total.update(f"{value.dtype} {tuple(value.shape)}".encode())
        total.update(value.detach().cpu().contiguous().numpy().tobytes())
    return total.hexdigest()
