"""The ledger: a measurement is made once, stored the moment it is complete, and replayed for ever.

A measurement is one call of a named function with JSON parameters; it returns a dict of JSON values and, optionally,
arrays for figures: ``return values`` or ``return values, arrays``. It lives in

    results/<profile>/<chapter>/<function>/<key>.json  (+ .npz)

where the key is the hash of the function's name and its parameters. A record knows its place: under another file's
name, or in another folder, it is refused like a damaged one.
"""

from __future__ import annotations

import importlib
import io
import json
import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from advbook import paths, provenance, record_file, withdrawn
from advbook.codehash import code_hash, remember_loaded
from advutils.core import files, runtime

REPLAY = ("auto", "never", "only")


class MissingRecord(LookupError):
    """A record is needed and may not be computed (``replay='only'``)."""


class Withdrawn(MissingRecord):
    """The record that is missing was withdrawn for ``reason``, and is not measured again yet."""

    def __init__(self, text: str, reason: str):
        super().__init__(f"{text}; it is withdrawn: {reason}")
        self.reason = reason


class DamagedRecord(ValueError):
    """The record ``path`` does not match its checksum, or lies in another record's place."""

    def __init__(self, path: Path, why: str):
        super().__init__(f"{path} is damaged: {why}")
        self.path = path


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
        with np.load(io.BytesIO(self.packed()), allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}

    def packed(self) -> bytes:
        """The content of the file of arrays, empty if there are none; :class:`DamagedRecord` if it is another's."""
        if self.arrays_sha256 is None:
            return b""
        target = self.path.with_suffix(".npz")
        raw = target.read_bytes() if target.exists() else b""
        if files.sha256(raw) != self.arrays_sha256:
            raise DamagedRecord(self.path, f"the SHA-256 of {target.name} differs from the one in {self.path.name}")
        return raw

    def __getitem__(self, name: str):
        return self.values[name]


def canonical(value, called: str = "") -> str:
    """JSON text that is the same for the same content.

    Raises ``ValueError`` for what JSON cannot hold, NaN included; it names the entry, from ``called`` on.
    """
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        wrong = [f"{place} is {found!r}" for place, found in leaves(value, called) if not _json(found)]
        raise ValueError(
            f"not JSON: {', '.join(wrong[:5]) or error}; use numbers, strings, booleans, lists and dicts, "
            "'inf' for infinity"
        ) from None


def _json(value) -> bool:
    """Whether JSON can hold a number, text, truth value or null."""
    return math.isfinite(value) if isinstance(value, float) else isinstance(value, str | int | None)


def key(name: str, parameters: dict) -> str:
    """The name of a record's file: hash of the measurement's name and parameters; ``ValueError`` if not JSON."""
    canonical(parameters, "parameters")  # so that the error names the parameter
    return files.sha256(canonical([name, parameters]).encode())[:16]


def path_of(profile: str, chapter: str, name: str, parameters: dict) -> Path:
    """Where the record of a measurement is kept."""
    return paths.results() / profile / chapter / name / f"{key(name, parameters)}.json"


def read(path: Path) -> Record:
    """Read a record; :class:`DamagedRecord` if it is no record, is not what its checksums say, or is misplaced."""
    try:
        document = json.loads(path.read_bytes())
        seal = document.pop("sha256")
        whole = files.sha256(canonical(document).encode()) == seal
    except (ValueError, KeyError, AttributeError, TypeError):
        whole = False
    if not whole:
        raise DamagedRecord(path, "its content does not match its checksum")
    try:
        record = Record(path, **record_file.check(document))
    except ValueError as error:
        raise DamagedRecord(path, str(error)) from None
    own = (*_origin(record), record.name, key(record.name, record.parameters))
    if own != (*path.parts[-4:-1], path.stem):
        raise DamagedRecord(path, f"it is the record {'/'.join(own)}")
    record.packed()  # a damaged file of arrays makes the record damaged; to unpack it takes longer than all the rest
    return record


def _origin(record: Record) -> tuple[str, str]:
    """The profile and the chapter that a record was made for; old records do not say, and are where they were put."""
    profile, chapter = record.path.parts[-4:-2]
    return record.provenance.get("profile", profile), record.provenance.get("chapter", chapter)


def write(path: Path, name: str, parameters: dict, values: dict, arrays: dict | None, origin: dict) -> Record:
    """Store a finished measurement: the arrays first, so that a new record that exists is whole.

    Nothing is written, and ``ValueError`` names the entry, if JSON cannot hold the values or an array holds objects.

    A process that is killed between the two while it makes a record **again** leaves arrays that do not match: a
    damaged record, which readers notice and which is measured again.
    """
    stored = json.loads(canonical(values, "values"))
    packed = _packed(arrays or {})
    arrays_sha256 = files.sha256(packed) if packed else None
    document = {
        "name": name,
        "parameters": parameters,
        "values": values,
        "arrays_sha256": arrays_sha256,
        "provenance": origin,
    }
    if packed:
        files.write_atomic(path.with_suffix(".npz"), packed)
    seal(path, document)
    return Record(path, name, parameters, stored, origin, arrays_sha256, replayed=False)


def seal(path: Path, document: dict) -> None:
    """Write a record's document (without ``sha256``) with its checksum."""
    sealed = document | {"sha256": files.sha256(canonical(document).encode())}
    files.write_atomic(path, (json.dumps(sealed, indent=1, sort_keys=True, allow_nan=False) + "\n").encode())


def _packed(arrays: dict) -> bytes:
    """The arrays as the content of an .npz file; nothing if there are none."""
    found = {name: np.asarray(value) for name, value in arrays.items()}
    if objects := [name for name, value in found.items() if value.dtype.hasobject]:
        raise ValueError(f"arrays.{objects[0]} holds objects; use arrays of numbers, truth values or text")
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **found)  # type: ignore[arg-type]
    return buffer.getvalue() if found else b""


def measure(
    function: Callable, parameters: dict, *, profile: str, chapter: str, replay: str = "auto", command: str = ""
) -> Record:
    """The record of ``function(**parameters)``: replayed if it is in the ledger, computed and stored if not.

    ``replay``: "auto" as said, but that a ``quick`` record, of seconds, is computed again when its code has changed
    (older records of the other profiles are used, and whoever shows them says so); "never" computes again even if
    there is a record; "only" raises :class:`MissingRecord` (naming ``command``, which would fill the gap), or
    :class:`Withdrawn`, which is one. A damaged record is reported on standard error and computed again under "auto",
    raised under "only"; it is never used.
    """
    if replay not in REPLAY:
        raise ValueError(f"replay must be one of {', '.join(REPLAY)}, got {replay!r}")
    if profile not in paths.PROFILES:
        raise ValueError(f"profile must be one of {', '.join(paths.PROFILES)}, got {profile!r}")
    name = function.__name__
    path = path_of(profile, chapter, name, parameters)
    found = _found(path, replay)
    if found:
        return found
    if replay == "only":
        text = f"no {profile} record of {name}({_call(parameters)}); run `{command}`"
        why = withdrawn.reason(path)
        raise Withdrawn(text, why) if why else MissingRecord(text)
    paths.must_be_writable(path.parent, paths.build())
    with files.locked(paths.build() / "locks" / path.stem):  # one process measures one record at a time
        found = _found(path, replay)  # another process may have been faster
        return found or _compute(function, parameters, path)


def _found(path: Path, replay: str) -> Record | None:
    """The record at ``path`` if there is one that may be used under ``replay``."""
    if replay == "never" or not path.exists():
        return None
    try:
        record = read(path)
    except DamagedRecord as error:
        if replay == "only":
            raise
        print(f"ledger: {error}; measuring again", file=sys.stderr)
        return None
    again = replay == "auto" and profile_of(record) == "quick" and stale(record) is not False
    return None if again else record


def _compute(function: Callable, parameters: dict, path: Path) -> Record:
    from advbook import networks

    remember_loaded()
    code = code_hash(function, parameters)  # before the run: a file may be edited while it lasts
    commit = provenance.commit()
    weights = _weights(parameters)
    profile, chapter = path.parts[-4:-2]
    memory = provenance.PeakMemory()
    started = time.perf_counter()
    # what a measurement does not state itself is float32
    with networks.noted(profile, chapter) as used, runtime.precision("highest"):
        result = function(**parameters)
    values, arrays = result if isinstance(result, tuple) else (result, None)
    if not isinstance(values, dict):
        raise ValueError(f"{function.__name__} must return a dict of JSON values, got {type(values).__name__}")
    made = origin(function, parameters, seconds=time.perf_counter() - started) | {
        **commit,
        "profile": profile,
        "chapter": chapter,
        "code": code,
        "weights": weights,
        "networks": list(used.networks.values()),
        "peak_memory_mib": round(memory.mib(), 1),
    }
    try:
        return write(path, function.__name__, parameters, values, arrays, made)
    except ValueError as error:
        raise ValueError(f"{error}; the whole result is kept in {_keep(path.stem, parameters, values)}") from None


def origin(function: Callable, parameters: dict, *, seconds: float) -> dict:
    """What stands behind a number: commit, code, versions, machine, data, time."""
    return {
        **provenance.commit(),
        "function": f"{function.__module__}.{function.__name__}",
        "code": code_hash(function, parameters),
        "versions": provenance.versions(),
        "machine": provenance.machine(),
        "seed": _setting(parameters, "seed"),
        "data": _data(_setting(parameters, "data")),
        "seconds": round(seconds, 3),
        "date": provenance.now(),
    }


def _keep(name: str, parameters: dict, values: dict) -> Path:
    """Keep a result that is no record, so that hours are not lost before somebody has seen what is wrong with it."""
    kept = paths.build() / "refused" / f"{name}.json"
    document = {"parameters": parameters, "values": values}
    files.write_atomic(kept, (json.dumps(document, indent=1, default=repr, skipkeys=True) + "\n").encode())
    return kept


def _setting(parameters: dict, name: str):
    """A parameter, or that of the network which a measurement is handed as ``spec`` (``target`` of two; else any)."""
    for place in (parameters, parameters.get("spec"), parameters.get("target"), *parameters.values()):
        if isinstance(place, dict) and name in place:
            return place[name]
    return None


def _data(name: str | None) -> dict | None:
    from advutils import datasets
    from advutils.datasets import figures

    if name == figures.NAME:
        return {"name": name, "files": figures.checksum()}
    if name not in datasets.NAMES:
        return None
    return {split: datasets.checksum(name, split) for split in datasets.splits(name)} | {"name": name}


def _weights(parameters: dict) -> dict | None:
    """SHA-256 of the files of the pretrained networks that the parameters name; ``DamagedWeights`` if one is wrong."""
    from advutils.models.pretrained import FILES, checksum

    named = {value for _, value in leaves(parameters) if isinstance(value, str)}
    return {name: checksum(name) for name in sorted(named & set(FILES))} or None


def _call(parameters: dict) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in parameters.items())


_KEPT: dict[Path, tuple[tuple, Record]] = {}  # records that were read before, and what their files looked like


def _read_once(path: Path) -> Record:
    """As :func:`read`, but from memory if the record's files are those that were read before in this process."""
    looks = files.look(path), files.look(path.with_suffix(".npz"))
    if path in _KEPT and _KEPT[path][0] == looks:
        return _KEPT[path][1]
    record = read(path)
    if files.settled(looks):
        _KEPT[path] = looks, record
    return record


def survey(profile: str = "*", chapter: str = "*", name: str = "*") -> tuple[list[Record], list[DamagedRecord]]:
    """All records that match: the whole ones, and what is wrong with the others.

    What has not changed is not read twice: do not change a record's values.
    """
    whole, damaged = [], []
    for path in sorted(paths.results().glob(f"{profile}/{chapter}/{name}/*.json")):
        try:
            whole.append(_read_once(path))
        except DamagedRecord as error:
            damaged.append(error)
    return whole, damaged


def records(profile: str = "*", chapter: str = "*", name: str = "*") -> list[Record]:
    """All whole records that match; damaged ones are named on standard error and left out."""
    whole, damaged = survey(profile, chapter, name)
    for error in damaged:
        print(f"ledger: {error}", file=sys.stderr)
    return whole


def profile_of(record: Record) -> str:
    """The profile that a record belongs to."""
    return record.path.parents[2].name


def function_of(record: Record) -> Callable | None:
    """The function that made a record, as it is now; None if there is none of that name."""
    _find_benchmarks()
    module, _, name = record.provenance["function"].rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError):
        return None


def _find_benchmarks() -> None:
    if str(paths.root()) not in sys.path:
        sys.path.append(str(paths.root()))  # they lie beside the package, not in it


def is_network(record: Record) -> bool:
    """Whether a record is that of a trained network (:mod:`advbook.networks`), and not of a measurement."""
    return {"spec", "code"} <= record.parameters.keys()


def stale(record: Record) -> bool | None:
    """Whether the code behind a record has changed since; None if its function no longer exists."""
    code = code_of(record)
    return None if code is None else code != record.provenance["code"]


def code_of(record: Record) -> str | None:
    """The hash of the present code behind a record; None if its function no longer exists.

    Functions of this project are only read; one that a notebook defines is imported.
    """
    _find_benchmarks()
    try:
        return code_hash(record.provenance["function"], record.parameters)
    except LookupError:
        function = function_of(record)
        return None if function is None else code_hash(function, record.parameters)


def again(record: Record) -> list[tuple[str, object, object]]:
    """Make a record's measurement again, store nothing, and compare: (name, recorded, now) of each value.

    Values in lists and dicts are named by their place ("pgd.0"). Raises ``LookupError`` if the function is gone, or for
    the record of a network.
    """
    if is_network(record):
        raise LookupError("it is the record of a trained network; make one of those that rest on it again")
    function = function_of(record)
    if function is None:
        raise LookupError(f"{record.provenance['function']} no longer exists; see commit {record.provenance['commit']}")
    with runtime.precision("highest"):
        result = function(**record.parameters)
    now = dict(leaves(json.loads(canonical(result[0] if isinstance(result, tuple) else result))))
    then = dict(leaves(record.values))
    return [(name, then.get(name), now.get(name)) for name in dict.fromkeys([*then, *now])]


def leaves(values, place: str = "") -> Iterator[tuple[str, object]]:
    """Every number, text, truth value or null in nested dicts and lists, with its place."""
    if isinstance(values, dict | list):
        for name, value in values.items() if isinstance(values, dict) else enumerate(values):
            yield from leaves(value, f"{place}.{name}" if place else str(name))
    else:
        yield place, values
