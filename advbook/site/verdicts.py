"""The judged claims and the records, read once for a build: every generated page asks for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from advbook import claims, ledger

_kept: dict[str, object] = {}


@contextmanager
def read_once() -> Iterator[None]:
    """Inside, verdicts and records are those of the first time that somebody asked."""
    _kept["on"] = True
    try:
        yield
    finally:
        _kept.clear()


def judgements() -> list[dict]:
    """Every claim with its verdict: do not change one."""
    return _once("claims", claims.evaluate)


def records(profile: str, chapter: str, function: str) -> list[ledger.Record]:
    """The whole records of a function."""
    return _once(f"{profile}/{chapter}/{function}", lambda: ledger.survey(profile, chapter, function)[0])


def _once(name: str, read):
    if "on" not in _kept:
        return read()
    if name not in _kept:
        _kept[name] = read()
    return _kept[name]
