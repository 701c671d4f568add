"""Definitions in words: a syntax tree as text, in which uses of other definitions stand open."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import groupby
from typing import Any

from .names import WHOLE, Names, Symbol, Use, lead
from .sources import own


@dataclass(frozen=True, eq=False)
class Text:
    """A definition, or a row of a table, in words; uses of other definitions among them stand open."""

    words: tuple[str | Use, ...]
    strings: frozenset[str]  # its constants of type str
    ordered: bool = True

    @cached_property
    def uses(self) -> list[Use]:
        """The definitions that it uses."""
        return [word for word in self.words if isinstance(word, Use)]


@cache
def text_of(symbol: Symbol) -> Text:
    """A definition in words."""
    module, name = symbol
    source = own(module)
    if name == WHOLE:
        leads = [lead(module, [each])[0] for each in {**source.definitions, **source.imports} if each]
        found = tuple(use for use in leads if isinstance(use, Use) and use.symbol[1] != WHOLE)
        return Text(found, frozenset(), ordered=False)
    nodes = source.definitions.get(name, [])
    text = read(nodes, Names(symbol, nodes).instead)
    if name and "" in source.definitions:  # what a module does counts for each of its definitions
        text = Text((*text.words, Use((module, ""))), text.strings)
    return text


@cache
def rows_of(symbol: Symbol) -> dict[str, Text] | None:
    """The rows of a table, a dict whose keys are all texts; None for other definitions."""
    module, name = symbol
    nodes = [] if name in ("", WHOLE) else own(module).definitions[name]
    if len(nodes) != 1:
        return None
    (node,) = nodes
    if not isinstance(node, ast.Assign | ast.AnnAssign):
        return None
    target = node.targets[0] if isinstance(node, ast.Assign) else node.target
    value = node.value
    if not isinstance(target, ast.Name) or not isinstance(value, ast.Dict) or not value.keys:
        return None
    keys = [key.value for key in value.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)]
    if len(keys) < len(value.keys):
        return None
    instead = Names(symbol, nodes).instead
    return {key: read([ast.Constant(key), row], instead) for key, row in zip(keys, value.values, strict=True)}


def read(nodes: Sequence[ast.AST], instead: dict[ast.AST, str | Use | None]) -> Text:
    """Nodes as a text, with these words in place of some of their parts."""
    words: list[str | Use] = []
    strings: set[str] = set()
    _write(nodes, instead, words, strings)
    joined: list[list[str | Use]] = []
    for _, group in groupby(words, key=lambda word: isinstance(word, Use)):
        same = list(group)
        joined.append(same if isinstance(same[0], Use) else ["".join(map(str, same))])
    return Text(tuple(word for group in joined for word in group), frozenset(strings))


def _write(node: Any, instead: dict[ast.AST, str | Use | None], words: list[str | Use], strings: set[str]) -> None:
    """Add ``ast.dump`` as Python 3.11 writes it: later versions write the same tree in other words."""
    if isinstance(node, list):
        words.append("[")
        comma = ""
        for part in node:
            if instead.get(part, ...) is not None:
                words.append(comma)
                _write(part, instead, words, strings)
                comma = ", "
        words.append("]")
    elif not isinstance(node, ast.AST):
        words.append(repr(node))
    elif word := instead.get(node):
        words.append(word)
    else:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            strings.add(node.value)
        start = f"{type(node).__name__}("
        for name in node._fields:
            value = getattr(node, name, None)
            absent = value is None and getattr(type(node), name, ...) is None  # an optional part that is not there
            if not absent and (name != "type_params" or value):  # 3.12 has that field
                words.append(f"{start}{name}=")
                _write(value, instead, words, strings)
                start = ", "
        words.append(")" if start == ", " else f"{start})")
