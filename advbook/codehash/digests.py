"""Hashes of definitions: each stands for all that it can reach."""

from __future__ import annotations

import hashlib
from functools import cache

from .names import Symbol
from .tables import Chosen, chosen_rows, parts, reachable, reached


@cache
def hash_of(root: Symbol, texts: frozenset[str] | None) -> str:
    """Hash of a definition and of these texts, which name rows of tables; all rows count without."""
    return digest(root, frozenset() if texts is None else chosen_rows(root, texts))


@cache
def digest(symbol: Symbol, chosen: Chosen) -> str:
    """Hash of a definition of which nothing counts but the chosen rows of tables."""
    circle = _circle(symbol, chosen)
    labels = dict.fromkeys(circle, "")
    # Definitions that use each other: each round of hashes knows one more step of the way round
    for _ in circle:
        labels = {member: digest_of(_filled(member, chosen, labels)) for member in circle}
    return labels[symbol]


def digest_of(words: list[str]) -> str:
    """SHA-256 of words."""
    return hashlib.sha256("\n".join(words).encode()).hexdigest()


def _filled(symbol: Symbol, chosen: Chosen, labels: dict[Symbol, str]) -> list[str]:
    """The words of a definition, with hashes in place of uses."""
    words = []
    for text in parts(symbol, chosen):
        filled = [
            word
            if isinstance(word, str)
            else labels[word.symbol]
            if word.symbol in labels
            else digest(word.symbol, _within(chosen, word.symbol))
            for word in text.words
        ]
        words += filled if text.ordered else sorted(filled)
    return words


@cache
def _within(chosen: Chosen, symbol: Symbol) -> Chosen:
    """What may matter to ``symbol``: a definition that many measurements share is hashed once for all of them."""
    return frozenset(entry for entry in chosen if entry[0] in reachable(symbol))


@cache
def _circle(symbol: Symbol, chosen: Chosen) -> tuple[Symbol, ...]:
    """The definitions that ``symbol`` uses and that use it in turn, itself first."""
    possible = [other for other in reachable(symbol) - {symbol} if symbol in reachable(other)]
    if not possible:
        return (symbol,)
    return symbol, *(
        other for other in sorted(possible) if other in reached(symbol, chosen) and symbol in reached(other, chosen)
    )
