"""What the file of a record may say: checked when it is read, so that an error names the key that is wrong."""

from __future__ import annotations

from typing import Any

import msgspec


class Network(msgspec.Struct):
    """A trained network, or something else of the store, that a measurement rests on."""

    function: str
    key: str
    weights: list[str] = []


class Provenance(msgspec.Struct):
    """Where a number comes from. Entries that are not named here are not checked; old records lack some of these."""

    function: str = ""
    code: str = ""
    commit: str | None = None
    dirty: bool | None = None
    profile: str = ""
    chapter: str = ""
    date: str = ""
    seconds: float = 0.0
    seed: int | None = None
    data: dict[str, Any] | None = None
    versions: dict[str, Any] = {}
    machine: dict[str, Any] = {}
    networks: list[Network] | None = None
    weights: dict[str, str] | None = None
    formerly: dict[str, Any] = {}
    restamped: list[dict[str, Any]] = []


class Document(msgspec.Struct, forbid_unknown_fields=True):
    """A record, without its seal."""

    name: str
    parameters: dict[str, Any]
    values: dict[str, Any]
    provenance: Provenance
    arrays_sha256: str | None


def check(document: dict[str, Any]) -> dict[str, Any]:
    """The document of a record as it is; ``ValueError`` in one line names the key that is wrong."""
    msgspec.convert(document, Document)  # its error is a ValueError
    return document
