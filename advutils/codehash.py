"""The code behind a number: a hash of every definition of this project that a function can reach."""
from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

OURS = ("advutils", "benchmarks")
STORING = ("advutils.files", "advutils.provenance", "advutils.codehash")  # they keep and describe numbers, compute none
WHOLE = "*"  # every definition of a module
Symbol = tuple[str, str]  # a module and a name at its top level


def code_hash(function: Callable, parameters=None) -> str:
    """Hash of the function and of all functions, classes and constants of this project that it can reach.

    Names are followed from definition to definition, through imports, and hashed as syntax trees without docstrings:
    a better comment, or another function in the same file, does not make a record look old, and a changed constant
    does. What cannot be told from the text (a module handed on as a value) counts as all of the module.
    """
    digest = hashlib.sha256()
    for symbol in sorted(reachable(function.__module__, function.__qualname__.partition(".")[0])):
        digest.update(f"{'.'.join(symbol)} {_text(*symbol)}".encode())
    return digest.hexdigest()[:16]


@cache
def reachable(module: str, name: str) -> frozenset[Symbol]:
    """The definitions behind ``name`` of ``module``; the name "" stands for what a module does when it is imported."""
    seen: set[Symbol] = set()
    todo = [(module, name), (module, "")]
    while todo:
        symbol = todo.pop()
        source = _source(symbol[0])
        if symbol in seen or source is None:
            continue
        if symbol[1] == WHOLE:
            todo += [(symbol[0], each) for each in source.definitions]
            continue
        if symbol[1] in source.imports:  # a name that its module has from elsewhere
            todo += _follow(*source.imports[symbol[1]], [])
            continue
        seen.add(symbol)
        todo.append((symbol[0], ""))
        for node in source.definitions.get(symbol[1], ()):
            todo += _used(symbol[0], source, node)
    return frozenset(seen)


@dataclass
class _Source:
    definitions: dict[str, list[ast.stmt]] = field(default_factory=dict)  # under "": neither definition nor import
    imports: dict[str, tuple[str, str]] = field(default_factory=dict)  # local name -> module, name in it or ""


@cache
def _source(module: str) -> _Source | None:
    """What a module of ours defines and imports; None for others."""
    if module in STORING or not module.startswith(OURS) or (tree := _parsed(module)) is None:
        return None
    found = _Source({"": []})
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names = [node.name]
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found.imports |= _bindings(node)
            continue
        else:
            names = [part.id for target in targets if target is not None
                     for part in ast.walk(target) if isinstance(part, ast.Name)] or [""]
        for name in names:
            found.definitions.setdefault(name, []).append(node)
    return found


def _bindings(node: ast.Import | ast.ImportFrom) -> dict[str, tuple[str, str]]:
    if isinstance(node, ast.ImportFrom):
        return {alias.asname or alias.name: (node.module or "", alias.name) for alias in node.names}
    return {alias.asname or alias.name.partition(".")[0]: (alias.name if alias.asname else alias.name.partition(".")[0],
                                                           "") for alias in node.names}


def _used(module: str, source: _Source, node: ast.stmt) -> Iterator[Symbol]:
    """The names of this project that a definition uses."""
    imports, above, own = dict(source.imports), {}, set()
    for part in ast.walk(node):
        if isinstance(part, ast.Import | ast.ImportFrom):
            imports |= _bindings(part)
        if isinstance(part, ast.Attribute):
            above[part.value] = part
    if isinstance(node, ast.FunctionDef):  # in its body, a parameter called `data` is no module
        names = {part.arg for part in ast.walk(node.args) if isinstance(part, ast.arg)}
        own = {part for line in node.body for part in ast.walk(line) if isinstance(part, ast.Name) and part.id in names}
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and part not in own:
            attributes, outer = [], part
            while (outer := above.get(outer)) is not None:
                attributes.append(outer.attr)
            if part.id in imports:
                yield from _follow(*imports[part.id], attributes)
            elif part.id in source.definitions:
                yield module, part.id


def _follow(module: str, name: str, attributes: list[str]) -> Iterator[Symbol]:
    """Where ``module``, or ``name`` in it, leads when these attributes are taken of it, one of the other."""
    names = [name, *attributes] if name else attributes
    source = _source(module)
    if source is None:
        return
    if not names:
        yield module, WHOLE
    elif names[0] in source.definitions or names[0] in source.imports:
        yield module, names[0]
    else:
        yield from _follow(f"{module}.{names[0]}", "", names[1:])


@cache
def _text(module: str, name: str) -> str:
    """The syntax trees of a definition without docstrings."""
    nodes = _source(module).definitions.get(name, ())
    for node in nodes:
        for part in ast.walk(node):
            if isinstance(part, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(part) is not None:
                part.body = part.body[1:]
    words = [node for node in nodes if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))]
    return " ".join(map(_dump, words))


def _dump(node) -> str:
    """``ast.dump`` as Python 3.11 writes it: later versions write the same tree in other words."""
    if isinstance(node, list):
        return f"[{', '.join(map(_dump, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    told = []
    for name in node._fields:
        value = getattr(node, name, None)
        absent = value is None and getattr(type(node), name, ...) is None  # an optional part that is not there
        if not absent and (name != "type_params" or value):  # 3.12 has that field
            told.append(f"{name}={_dump(value)}")
    return f"{type(node).__name__}({', '.join(told)})"


def remember_loaded() -> None:
    """Read the source of every module of this project that is imported: what runs from now on is what was read."""
    for module in sorted(name for name in sys.modules if name.startswith(OURS)):
        _source(module)


def _parsed(module: str) -> ast.Module | None:
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:  # an attribute that is no module
        return None
    return None if spec is None or spec.origin is None else ast.parse(Path(spec.origin).read_text())
