"""What a definition reaches; and of tables (dicts with text as keys) only by the rows that a measurement names."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from .names import Symbol
from .texts import Text, rows_of, text_of

Chosen = frozenset[tuple[Symbol, frozenset[str]]]  # tables of which some rows count, and these rows


def parts(symbol: Symbol, chosen: Chosen) -> list[Text]:
    """What of a definition counts: all of it, or the chosen rows of a table."""
    rows, there_are = dict(chosen).get(symbol), rows_of(symbol)
    return [text_of(symbol)] if rows is None or there_are is None else [there_are[key] for key in sorted(rows)]


@cache
def reachable(symbol: Symbol) -> frozenset[Symbol]:
    """A definition and all that it can reach, whatever the rows of tables."""
    return reached(symbol, frozenset())


@cache
def reached(symbol: Symbol, chosen: Chosen) -> frozenset[Symbol]:
    """A definition and all that it can reach if nothing counts but the chosen rows of tables."""
    seen, todo = set(), [symbol]
    while todo:
        if (here := todo.pop()) not in seen:
            seen.add(here)
            todo += [use.symbol for text in parts(here, chosen) for use in text.uses]
    return frozenset(seen)


def texts_in(value) -> Iterator[str]:
    """Every text in nested dicts and lists, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from texts_in([*value, *value.values()])
    elif isinstance(value, list | tuple):
        for part in value:
            yield from texts_in(part)


@cache
def keys(root: Symbol) -> frozenset[str]:
    """The keys of all tables that ``root`` can reach."""
    return frozenset(key for symbol in reachable(root) for key in rows_of(symbol) or ())


def chosen_rows(root: Symbol, texts: frozenset[str]) -> Chosen:
    """Of which tables only some rows count for ``root`` and these texts, and which."""
    whole: set[Symbol] = set()
    while True:
        tables = _named(root, texts, whole)
        unnamed = {table for table, rows in tables.items() if not rows}
        if not unnamed:
            return frozenset((table, frozenset(rows)) for table, rows in tables.items())
        whole |= unnamed


def _named(root: Symbol, texts: frozenset[str], whole: set[Symbol]) -> dict[Symbol, set[str]]:
    """The named rows of each table that is reached and not used ``whole`` (which grows); a row may name others."""
    reached, read, known = {root}, set(), set(texts)
    grown = True
    while grown:
        grown = False
        for symbol in list(reached):
            rows = None if symbol in whole else rows_of(symbol)
            for text in [text_of(symbol)] if rows is None else [row for key, row in rows.items() if key in known]:
                if text in read:
                    continue
                grown = True
                read.add(text)
                known |= text.strings
                reached |= {use.symbol for use in text.uses}
                whole |= {use.symbol for use in text.uses if not use.rows}
    return {symbol: known & rows.keys() for symbol in reached - whole if (rows := rows_of(symbol)) is not None}
