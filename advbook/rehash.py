"""A change of the code hash's own definition is no change of code: what has the old hash gets the new by computation.

``python -m advbook.rehash COMMIT`` hashes the code of COMMIT, the last one under the old definition, in both ways. Each
record that has the old hash of that code gets the new one; a record that was made by other code stays as it is. Of a
trained network the hash is part of the key, so its record moves to the file of its new key, records that rest on it
name that, and its weights in the cache folder move too, in place of hours of training. What was before stands in the
provenance (``formerly``). It can be run again: for records that come from a branch, or for another cache folder.

Weights in the cache without a record beside them, of unfinished trainings and of universal perturbations, stay where
they are: nothing says which parameters their name is the hash of.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch

from advbook import ledger, migration, paths, sides
from advutils.core import files, runtime

Codes = Iterator[tuple[str | None, str | None]]  # hashes of one code, before and now, call by call


def calls(document: dict) -> list[tuple[str, dict]]:
    """The calls whose hashes a record's document has: its own; a network's training is in its parameters too."""
    function, parameters = document["provenance"]["function"], document["parameters"]
    return [(function, parameters), *([(function, parameters["spec"])] if _is_network(document) else [])]


def _is_network(document: dict) -> bool:
    return {"spec", "code"} <= document["parameters"].keys()


def renewed(document: dict, codes: Codes) -> dict:
    """A record's document, without its seal, with new hashes: itself where it does not have all of the old ones.

    ``codes``: the hashes of its :func:`calls`.
    """
    origin, parameters = document["provenance"], document["parameters"]
    network = _is_network(document)
    (before, now), *of_training = [next(codes) for _ in calls(document)]
    recorded = [origin["code"], *([parameters["code"]] if network else [])]
    if recorded != [before, *(code for code, _ in of_training)] or now is None or now == before:
        return document
    formerly = origin.get("formerly", {}) | {"code": before}
    if network:
        formerly |= {"parameters": {"code": parameters["code"]}, "key": ledger.key(document["name"], parameters)}
        parameters = parameters | {"code": of_training[0][1]}
    return document | {"parameters": parameters, "provenance": origin | {"code": now, "formerly": formerly}}


def follow(document: dict, keys: dict[str, str]) -> dict:
    """A record's document with the new ``keys`` of the networks that it rests on; itself where it has none of them."""
    origin = document["provenance"]
    old = [network["key"] for network in origin.get("networks") or [] if network["key"] in keys]
    if not old:
        return document
    networks = [network | {"key": keys.get(network["key"], network["key"])} for network in origin["networks"]]
    formerly = origin.get("formerly", {}) | {"networks": {keys[key]: key for key in old}}
    return document | {"provenance": origin | {"networks": networks, "formerly": formerly}}


def move_weights(old: Path, new: Path) -> None:
    """Move a checkpoint to another key: it knows its own file name, and would be refused under another."""
    state = torch.load(io.BytesIO(files.read_sealed(old)), map_location="cpu", weights_only=True)
    buffer = io.BytesIO()
    torch.save(state | {"name": new.name}, buffer)
    files.write_sealed(new, buffer.getvalue())
    old.unlink()


def migrate(commit: str) -> tuple[int, int]:
    """Bring the ledger's records and the networks in the cache folder from the old definition to today's.

    Returns how many records and how many networks of the cache have new hashes. Raises
    :class:`advbook.ledger.DamagedRecord`, before anything is written, if a record does not match its checksum;
    ``ValueError`` for a commit that is not there.
    """
    ours, cached = sorted(paths.results().glob("*/*/*/*.json")), sorted(_store().glob("*/*.json"))
    before = {path: migration.migrated(_document(path)) for path in (*ours, *cached)}
    codes = _codes(commit, (call for document in before.values() for call in calls(document)))
    after = {path: renewed(document, codes) for path, document in before.items()}
    keys = {path.stem: _key(after[path]) for path in after if _key(after[path]) != path.stem}
    for path in ours:
        after[path] = follow(after[path], keys)
    moved = {path: path.with_name(f"{_key(after[path])}.json") for path in after if after[path] is not before[path]}
    # (a network that was trained again meanwhile has its new key, and keeps it)
    moved = {path: place for path, place in moved.items() if place == path or not place.exists()}
    for path, place in moved.items():
        for part in (".first.pt", ".pt"):  # the weights first: a record that is there has its weights
            if path.with_suffix(part).exists():
                move_weights(path.with_suffix(part), place.with_suffix(part))
        ledger.seal(place, after[path])
        if place != path:
            path.unlink()
    in_cache = sum(path.is_relative_to(_store()) for path in moved)
    return len(moved) - in_cache, in_cache


def _store() -> Path:
    return runtime.cache_root() / "networks"


def _document(path: Path) -> dict:
    ledger.read(path)
    document = json.loads(path.read_bytes())
    del document["sha256"]
    return document


def _key(document: dict) -> str:
    return ledger.key(document["name"], document["parameters"])


def _codes(commit: str, asked: Iterable[tuple[str, dict]]) -> Codes:
    jobs = [sides.job(*call) for call in asked]
    with sides.checkout(commit) as tree:
        found = [sides.hashes(tree, jobs, by) for by in (sides.definition(tree), sides.TODAY)]
    return zip(*found, strict=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m advbook.rehash COMMIT (the last one under the old definition of the code hash)")
    try:
        print("new hashes: {} records, {} networks in the cache folder".format(*migrate(sys.argv[1])))
    except ValueError as error:  # a damaged record is one
        sys.exit(f"rehash: {error}")
