"""The ledger: a measurement is made once, stored the moment it is complete, and replayed for ever.

A measurement is one call of a named function with JSON parameters; it returns a dict of JSON values and, optionally,
arrays for figures: ``return values`` or ``return values, arrays``. It lives in

    results/<profile>/<chapter>/<function>/<key>.json  (+ .npz)

where the key is the hash of the function's name and its parameters.
"""
from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from advutils import files, provenance, runtime
from advutils.book import paths
from advutils.codehash import code_hash, remember_loaded

REPLAY = ("auto", "never", "only")


class MissingRecord(LookupError):
    """A record is needed and may not be computed (``replay='only'``)."""


class DamagedRecord(ValueError):
    """A record does not match its checksum."""


@dataclass(frozen=True)
class Record:
    """One measurement: ``values`` (JSON), ``arrays`` (numpy, read when asked for) and where they come from."""

    path: Path
    name: str
    parameters: dict
    values: dict
    provenance: dict
    arrays_sha256: str | None
    replayed: bool = True

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        if self.arrays_sha256 is None:
            return {}
        target = self.path.with_suffix(".npz")
        raw = target.read_bytes() if target.exists() else b""
        if files.sha256(raw) != self.arrays_sha256:
            raise DamagedRecord(f"{target} is damaged: its SHA-256 differs from the one in {self.path.name}")
        with np.load(io.BytesIO(raw), allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}

    def __getitem__(self, name: str):
        return self.values[name]


def canonical(value) -> str:
    """JSON text that is the same for the same content; ``ValueError`` for what JSON cannot hold (NaN included)."""
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"not JSON: {error}; use numbers, strings, booleans, lists and dicts, 'inf' for infinity"
                         ) from None


def key(name: str, parameters: dict) -> str:
    """The name of a record's file: hash of the measurement's name and parameters."""
    return files.sha256(canonical([name, parameters]).encode())[:16]


def path_of(profile: str, chapter: str, name: str, parameters: dict) -> Path:
    """Where the record of a measurement is kept."""
    return paths.results() / profile / chapter / name / f"{key(name, parameters)}.json"


def read(path: Path) -> Record:
    """Read a record; :class:`DamagedRecord` if it or its arrays do not match their checksums."""
    try:
        document = json.loads(path.read_bytes())
        seal = document.pop("sha256")
        whole = files.sha256(canonical(document).encode()) == seal
    except (ValueError, KeyError, AttributeError):
        whole = False
    if not whole:
        raise DamagedRecord(f"{path} is damaged: its content does not match its checksum")
    record = Record(path, document["name"], document["parameters"], document["values"], document["provenance"],
                    document["arrays_sha256"])
    _ = record.arrays  # a damaged array file makes the record damaged
    return record


def write(path: Path, name: str, parameters: dict, values: dict, arrays: dict | None, origin: dict) -> Record:
    """Store a finished measurement: the arrays first, so that a new record that exists is whole.

    A process that is killed between the two while it makes a record **again** leaves arrays that do not match: a
    damaged record, which readers notice and which is measured again.
    """
    arrays_sha256 = None
    if arrays:
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **{k: np.asarray(v) for k, v in arrays.items()})
        files.write_atomic(path.with_suffix(".npz"), buffer.getvalue())
        arrays_sha256 = files.sha256(buffer.getvalue())
    document = {"name": name, "parameters": parameters, "values": values, "arrays_sha256": arrays_sha256,
                "provenance": origin}
    document["sha256"] = files.sha256(canonical(document).encode())
    files.write_atomic(path, (json.dumps(document, indent=1, sort_keys=True, allow_nan=False) + "\n").encode())
    return Record(path, name, parameters, json.loads(canonical(values)), origin, arrays_sha256, replayed=False)


def measure(
    function: Callable, parameters: dict, *, profile: str, chapter: str, replay: str = "auto", command: str = ""
) -> Record:
    """The record of ``function(**parameters)``: replayed if it is in the ledger, computed and stored if not.

    ``replay``: "auto" as said; "never" computes again even if there is a record; "only" raises :class:`MissingRecord`
    (naming ``command``, which would fill the gap). A damaged record is reported on standard error and computed again
    under "auto", raised under "only"; it is never used.
    """
    if replay not in REPLAY:
        raise ValueError(f"replay must be one of {', '.join(REPLAY)}, got {replay!r}")
    if profile not in paths.PROFILES:
        raise ValueError(f"profile must be one of {', '.join(paths.PROFILES)}, got {profile!r}")
    name = function.__name__
    path = path_of(profile, chapter, name, parameters)
    found = None if replay == "never" else _try(path, replay)
    if found:
        return found
    if replay == "only":
        raise MissingRecord(f"no {profile} record of {name}({_call(parameters)}); run `{command}`")
    with files.locked(paths.build() / "locks" / path.stem):  # one process measures one record at a time
        found = None if replay == "never" else _try(path, replay)  # another process may have been faster
        return found or _compute(function, parameters, path)


def _try(path: Path, replay: str) -> Record | None:
    if not path.exists():
        return None
    try:
        return read(path)
    except DamagedRecord as error:
        if replay == "only":
            raise
        print(f"ledger: {error}; measuring again", file=sys.stderr)
        return None


def _compute(function: Callable, parameters: dict, path: Path) -> Record:
    remember_loaded()
    code = code_hash(function)  # before the run: a file may be edited while it lasts
    commit = provenance.commit()
    weights = _weights(parameters)
    started = time.perf_counter()
    with runtime.precision("highest"):  # what a measurement does not state itself is float32
        result = function(**parameters)
    values, arrays = result if isinstance(result, tuple) else (result, None)
    if not isinstance(values, dict):
        raise ValueError(f"{function.__name__} must return a dict of JSON values, got {type(values).__name__}")
    origin = {
        **commit,
        "function": f"{function.__module__}.{function.__name__}",
        "code": code,
        "versions": provenance.versions(),
        "machine": provenance.machine(),
        "seed": _setting(parameters, "seed"),
        "data": _data(_setting(parameters, "data")),
        "weights": weights,
        "seconds": round(time.perf_counter() - started, 3),
        "peak_memory_mib": round(provenance.peak_memory_mib(), 1),
        "date": provenance.now(),
    }
    return write(path, function.__name__, parameters, values, arrays, origin)


def _setting(parameters: dict, name: str):
    """A parameter, or that of the network which a measurement is handed as ``spec`` (``target`` of two; else any)."""
    for place in (parameters, parameters.get("spec"), parameters.get("target"), *parameters.values()):
        if isinstance(place, dict) and name in place:
            return place[name]
    return None


def _data(name: str | None) -> dict | None:
    from advutils import data

    if name not in data.NAMES:
        return None
    return {split: data.checksum(name, split) for split in data.splits(name)} | {"name": name}


def _weights(parameters: dict) -> dict | None:
    """SHA-256 of the files of the pretrained networks that the parameters name; ``DamagedWeights`` if one is wrong."""
    from advutils.models.pretrained import FILES, checksum

    named = {value for _, value in _leaves(parameters) if isinstance(value, str)}
    return {name: checksum(name) for name in sorted(named & set(FILES))} or None


def _call(parameters: dict) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in parameters.items())


def records(profile: str = "*", chapter: str = "*", name: str = "*") -> list[Record]:
    """All whole records that match; damaged ones are named on standard error and left out."""
    found = []
    for path in sorted(paths.results().glob(f"{profile}/{chapter}/{name}/*.json")):
        try:
            found.append(read(path))
        except DamagedRecord as error:
            print(f"ledger: {error}", file=sys.stderr)
    return found


def profile_of(record: Record) -> str:
    """The profile that a record belongs to."""
    return record.path.parents[2].name


def function_of(record: Record) -> Callable | None:
    """The function that made a record, as it is now; None if there is none of that name."""
    import importlib

    if str(paths.root()) not in sys.path:
        sys.path.append(str(paths.root()))  # benchmarks lie beside the package, not in it
    module, _, name = record.provenance["function"].rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError):
        return None


def stale(record: Record) -> bool | None:
    """Whether the code behind a record has changed since; None if its function no longer exists."""
    function = function_of(record)
    return None if function is None else code_hash(function) != record.provenance["code"]


def again(record: Record) -> list[tuple[str, object, object]]:
    """Make a record's measurement again, store nothing, and compare: (name, recorded, now) of each value.

    Values in lists and dicts are named by their place ("pgd.0"). Raises ``LookupError`` if the function is gone.
    """
    function = function_of(record)
    if function is None:
        raise LookupError(f"{record.provenance['function']} no longer exists; see commit {record.provenance['commit']}")
    with runtime.precision("highest"):
        result = function(**record.parameters)
    now = dict(_leaves(json.loads(canonical(result[0] if isinstance(result, tuple) else result))))
    then = dict(_leaves(record.values))
    return [(name, then.get(name), now.get(name)) for name in dict.fromkeys([*then, *now])]


def _leaves(values, place: str = "") -> Iterator[tuple[str, object]]:
    """Every number, text, truth value or null in nested dicts and lists, with its place."""
    if isinstance(values, dict | list):
        for name, value in values.items() if isinstance(values, dict) else enumerate(values):
            yield from _leaves(value, f"{place}.{name}" if place else str(name))
    else:
        yield place, values
