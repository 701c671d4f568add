"""What ``claims.yml`` and ``errata.yml`` may say: checked when read, so that a misspelt word is no verdict."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import msgspec
import yaml

from advbook import rules
from advbook.statistics import LEVEL


class Selection(msgspec.Struct, forbid_unknown_fields=True, rename={"function": "from"}):
    """A value: from the records of a function, where their parameters are so, what lies along a path.

    ``bits``: the array of truth values by image behind a rate, where another draw of images would count too.
    """

    function: str
    take: str | list[str]
    where: dict[str, Any] | None = None
    minus: str | list[str] | None = None
    scale: float = 1
    bits: str | None = None


class Claim(msgspec.Struct, forbid_unknown_fields=True, rename={"alternatives": "or"}):
    """One claim: either ``rule``, a list of parts (:mod:`advbook.rules`), with a ``premise`` of such parts, and ``or``,
    other such lists; or
    ``reproduced`` and ``trend``, expressions over means, with a ``premise`` of that kind.

    ``units`` may name a setting, ``$seeds``. ``level``: .025 for a claim that is judged on all units though its verdict
    was seen before their number was fixed.
    """

    id: str
    where: str
    claim: str
    paper: dict[str, Any]
    metric: str
    values: dict[str, Selection | str]
    tolerance: str
    known: str = ""
    scope: Literal["paper", "identity", "ours"] = "paper"
    units: int | str = 1
    exact: bool = False
    level: float = LEVEL
    why: str = ""
    premise: str | list[dict[str, Any]] | None = None
    rule: list[dict[str, Any]] | None = None
    alternatives: list[list[dict[str, Any]]] | None = None
    reproduced: str | None = None
    trend: str | None = None


class Erratum(msgspec.Struct, forbid_unknown_fields=True):
    """One error of a paper: what is printed, what is right, how that is known, and the test that checks it."""

    id: str
    where: str
    printed: str
    right: str
    evidence: str
    kind: Literal["error", "misprint", "omission", "remark"]
    test: str
    source: str


def read(path: Path) -> list[dict]:
    """The claims of a file, as they stand there; ``ValueError`` in one line names file, claim and key."""
    entries = _entries(path, "claim", _check)
    if not entries:
        raise ValueError(f"{_place(path)} has no claims; it is a list of them")
    return entries


def read_errata(path: Path) -> list[dict]:
    """The errata of a file, as they stand there; ``ValueError`` in one line names file, erratum and key."""
    return _entries(path, "erratum", lambda entry: msgspec.convert(entry, Erratum))


def _place(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def _entries(path: Path, kind: str, check: Callable[[dict], object]) -> list[dict]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml reads ten times faster, where there is one
    try:
        entries = yaml.load(path.read_text(), loader) or []
    except yaml.YAMLError as error:
        raise ValueError(f"{_place(path)} is no YAML: {' '.join(str(error).split())}") from None
    if not isinstance(entries, list):
        raise ValueError(f"{_place(path)} is no list, with an entry for each {kind}")
    seen = set()
    for number, entry in enumerate(entries, 1):
        name = entry.get("id", f"number {number}") if isinstance(entry, dict) else f"number {number}"
        try:
            check(entry)
            if name in seen:
                raise ValueError("id: there are two of them")
        except ValueError as error:  # msgspec's is one
            raise ValueError(f"{_place(path)}: {kind} {name}: {error}") from None
        seen.add(name)
    return entries


def _check(entry: dict) -> None:
    claim = msgspec.convert(entry, Claim)
    told = {kind for kind in ("reproduced", "trend") if getattr(claim, kind) is not None}
    if bool(claim.rule) == bool(told):
        raise ValueError("it needs `rule`, or else `reproduced` and `trend`, and not both")
    if claim.rule and isinstance(claim.premise, str):
        raise ValueError("premise: beside `rule` it is a list of parts")
    if told and isinstance(claim.premise, list):
        raise ValueError("premise: beside `reproduced` it is an expression")
    if not (isinstance(claim.units, int) and claim.units > 0 or str(claim.units).startswith("$")):
        raise ValueError(f"units is a number from 1 on or names a setting, got {claim.units!r}")
    if claim.level not in (LEVEL, LEVEL / 2):
        raise ValueError(f"level is {LEVEL} or {LEVEL / 2}, got {claim.level}")
    if claim.alternatives and not claim.rule:
        raise ValueError("or: it stands beside `rule`")
    lists = [("rule", claim.rule), ("premise", claim.premise), *(("or", way) for way in claim.alternatives or ())]
    for key, parts in lists if claim.rule else ():
        for part in parts or ():
            try:
                missing = rules.names(rules.part(part).expression) - set(claim.values)  # type: ignore[arg-type]
            except ValueError as error:
                raise ValueError(f"{key}: {error}") from None
            if missing:
                raise ValueError(f"{key}: {', '.join(sorted(missing))} is no value of the claim")
