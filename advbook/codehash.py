"""The code behind a number: a hash of what a function can reach in this project, wherever that lies.

Each definition (a function, a class, a constant) has a hash of its own: that of its syntax tree, in which every name
that leads to another definition of ours stands for that definition's hash. Imports are followed and then left out, and
so are docstrings and a definition's own name: to move, to rename or to import in other words is no change of code.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.machinery import PathFinder
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

OURS = ("advutils", "advbook", "benchmarks")
# They keep and describe numbers and compute none; what measures lies below MEASURING
STORING = (
    "advbook",
    "advutils.core.files",
    "advutils.book",
    "advutils.codehash",
    "advutils.files",
    "advutils.provenance",
)  # names of the first edition
MEASURING = "advbook.chapters"
WHOLE = "*"  # every definition of a module
Symbol = tuple[str, str]  # a module and a name at its top level; "" for what the module does when it is imported
Chosen = frozenset[tuple[Symbol, frozenset[str]]]  # tables of which some rows count, and these rows


def code_hash(function: Callable | str, parameters: dict | None = None) -> str:
    """Hash (16 hexadecimal digits) of the function and of all that it can reach in this project; nothing is imported.

    ``function`` may be its name ("advutils.core.norms.steepest"); ``LookupError`` if there is none.

    A better comment, or another function in the same file, does not make a record look old; a changed constant does.
    Of a table (a dict with text as keys at a module's top level, that is only asked for single rows) those rows count
    whose keys stand as text in ``parameters``, in the code that is reached or in a row that counts: another kind of
    network beside those that were measured changes nothing. All rows count without ``parameters``, where none is named
    in this way, and where the table is used as a whole. A key must therefore be written down somewhere: a table whose
    keys are put together from parts is to be walked through.
    What cannot be told from the text (a module handed on as a value) counts as all of the module.
    """
    if isinstance(function, str):
        module, _, name = function.rpartition(".")
    else:
        module, name = function.__module__, function.__qualname__.partition(".")[0]
    lead, _ = _lead(module, [name])
    if not isinstance(lead, Use) and not isinstance(function, str):
        return _digest_of([lead])[:16]
    if not isinstance(lead, Use) or lead.symbol[1] in ("", WHOLE):
        raise LookupError(f"there is no {name} in {module}")
    texts = None if parameters is None else frozenset(_texts(parameters)) & _keys(lead.symbol)
    return _hash(lead.symbol, texts)[:16]


class Use(NamedTuple):
    """A place in a definition that another one takes, for its ``rows`` alone if it is a table."""

    symbol: Symbol
    rows: bool = False


@dataclass(frozen=True, eq=False)
class Text:
    """A definition, or a row of a table, in words; uses of other definitions among them stand open."""

    words: tuple[str | Use, ...]
    strings: frozenset[str]  # its constants of type str
    ordered: bool = True

    @cached_property
    def uses(self) -> list[Use]:
        return [word for word in self.words if isinstance(word, Use)]


# -- hashes --------------------------------------------------------------------------------------------------------


@cache
def _hash(root: Symbol, texts: frozenset[str] | None) -> str:
    return _digest(root, frozenset() if texts is None else _chosen(root, texts))


@cache
def _digest(symbol: Symbol, chosen: Chosen) -> str:
    """Hash of a definition of which nothing counts but the chosen rows of tables."""
    circle = _circle(symbol, chosen)
    labels = dict.fromkeys(circle, "")
    # Definitions that use each other: each round of hashes knows one more step of the way round
    for _ in circle:
        labels = {member: _digest_of(_filled(member, chosen, labels)) for member in circle}
    return labels[symbol]


def _digest_of(words: list[str]) -> str:
    return hashlib.sha256("\n".join(words).encode()).hexdigest()


def _filled(symbol: Symbol, chosen: Chosen, labels: dict[Symbol, str]) -> list[str]:
    """The words of a definition, with hashes in place of uses."""
    words = []
    for text in _parts(symbol, chosen):
        filled = [
            word
            if isinstance(word, str)
            else labels[word.symbol]
            if word.symbol in labels
            else _digest(word.symbol, _within(chosen, word.symbol))
            for word in text.words
        ]
        words += filled if text.ordered else sorted(filled)
    return words


def _parts(symbol: Symbol, chosen: Chosen) -> list[Text]:
    """What of a definition counts: all of it, or the chosen rows of a table."""
    rows = dict(chosen).get(symbol)
    return [_text(symbol)] if rows is None else [_rows(symbol)[key] for key in sorted(rows)]


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
        other for other in sorted(possible) if other in _reached(symbol, chosen) and symbol in _reached(other, chosen)
    )


@cache
def reachable(symbol: Symbol) -> frozenset[Symbol]:
    """A definition and all that it can reach, whatever the rows of tables."""
    return _reached(symbol, frozenset())


@cache
def _reached(symbol: Symbol, chosen: Chosen) -> frozenset[Symbol]:
    seen, todo = set(), [symbol]
    while todo:
        if (here := todo.pop()) not in seen:
            seen.add(here)
            todo += [use.symbol for text in _parts(here, chosen) for use in text.uses]
    return frozenset(seen)


# -- rows of tables ------------------------------------------------------------------------------------------------


def _texts(value) -> Iterator[str]:
    """Every text in nested dicts and lists, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from _texts([*value, *value.values()])
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _texts(part)


@cache
def _keys(root: Symbol) -> frozenset[str]:
    """The keys of all tables that ``root`` can reach."""
    return frozenset(key for symbol in reachable(root) for key in _rows(symbol) or ())


def _chosen(root: Symbol, texts: frozenset[str]) -> Chosen:
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
            rows = None if symbol in whole else _rows(symbol)
            for text in [_text(symbol)] if rows is None else [row for key, row in rows.items() if key in known]:
                if text in read:
                    continue
                grown = True
                read.add(text)
                known |= text.strings
                reached |= {use.symbol for use in text.uses}
                whole |= {use.symbol for use in text.uses if not use.rows}
    return {symbol: known & rows.keys() for symbol in reached - whole if (rows := _rows(symbol)) is not None}


# -- reading -------------------------------------------------------------------------------------------------------


@dataclass
class _Source:
    package: str
    definitions: dict[str, list[ast.stmt]] = field(default_factory=dict)  # under "": neither definition nor import
    imports: dict[str, tuple[str, str]] = field(default_factory=dict)  # local name -> module, name in it or ""


@cache
def _source(module: str) -> _Source | None:
    """What a module of ours defines and imports, without docstrings; None for others."""
    if not module.startswith(OURS) or _stores(module) or (found := _parsed(module)) is None:
        return None
    source, tree = found
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue  # a string that comments something
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names, node.name = [node.name], ""
        elif isinstance(node, ast.Import | ast.ImportFrom):
            source.imports |= _bindings(node, source.package)
            continue
        else:
            names = [
                part.id
                for target in targets
                if target is not None
                for part in ast.walk(target)
                if isinstance(part, ast.Name)
            ] or [""]
        for name in names:
            source.definitions.setdefault(name, []).append(node)
    return source


def _stores(module: str) -> bool:
    return _below(module, STORING) and not _below(module, (MEASURING,))


def _below(module: str, packages: tuple[str, ...]) -> bool:
    return any(f"{module}.".startswith(f"{name}.") for name in packages)


def _parsed(module: str) -> tuple[_Source, ast.Module] | None:
    top, *below = module.split(".")
    spec = importlib.util.find_spec(top)
    for name in below:
        if spec is None or spec.submodule_search_locations is None:
            return None
        spec = PathFinder.find_spec(f"{spec.name}.{name}", spec.submodule_search_locations)
    if spec is None or spec.origin is None:
        return None
    tree = ast.parse(Path(spec.origin).read_text())
    for part in ast.walk(tree):
        if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if ast.get_docstring(part) is not None:
                part.body = part.body[1:]
    return _Source(spec.parent), tree


def remember_loaded() -> None:
    """Read the source of every module of this project that is imported: what runs from now on is what was read."""
    for module in sorted(name for name in sys.modules if name.startswith(OURS)):
        _source(module)


def _bindings(node: ast.Import | ast.ImportFrom, package: str) -> dict[str, tuple[str, str]]:
    if isinstance(node, ast.ImportFrom):
        module = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
        return {alias.asname or alias.name: (module, alias.name) for alias in node.names}
    return {
        alias.asname or alias.name.partition(".")[0]: (alias.name if alias.asname else alias.name.partition(".")[0], "")
        for alias in node.names
    }


def _lead(module: str, names: list[str]) -> tuple[str | Use, int]:
    """What is found where ``names`` lead, taken one of the other from ``module`` on; and how many of them that took."""
    if _stores(module):
        return f"Stored({''.join(names[-1:])})", len(names)
    source = _source(module)
    if source is None:
        return f"Outside({'.'.join([module, *names])})", len(names)
    if not names:
        return Use((module, WHOLE)), 0
    # (``from package import room`` in a package's own file leads to the room below)
    if names[0] in source.imports and source.imports[names[0]] != (module, names[0]):
        target, name = source.imports[names[0]]
        found, used = _lead(target, [name, *names[1:]] if name else names[1:])
        return found, max(used + 1 - bool(name), 1)
    if names[0] in source.definitions:
        return Use((module, names[0])), 1
    below = f"{module}.{names[0]}"
    if _stores(below) or _source(below) is not None:
        found, used = _lead(below, names[1:])
        return found, used + 1
    return Use((module, "")), 0  # something that the module makes when it is imported, if anything


class _Names(ast.NodeVisitor):
    """Which parts of a definition stand for something that is defined elsewhere, and what is to stand there instead.

    ``instead`` maps nodes to words, and imports to None. A name that is bound in a function (``data`` as a parameter)
    is no module or definition of that name in there.
    """

    def __init__(self, symbol: Symbol, nodes: list[ast.stmt]):
        self.symbol, self.source = symbol, _source(symbol[0])
        self.scopes: list[dict[str, tuple[str, str] | None]] = []  # bound names: to an import, or to anything
        self.instead: dict[ast.AST, str | Use | None] = {}
        self.within_class = 0
        self.asked: set[ast.expr] = set()  # what is asked for single rows, if it is a table
        for node in nodes:
            self.visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        self._replace(node, [])

    def visit_Attribute(self, node: ast.Attribute) -> None:
        chain = [node]
        while isinstance(chain[0].value, ast.Attribute):
            chain.insert(0, chain[0].value)
        if isinstance(chain[0].value, ast.Name):
            self._replace(chain[0].value, chain)
        else:
            self.visit(chain[0].value)

    def _replace(self, name: ast.Name, chain: list[ast.Attribute]) -> None:
        """Find what the name, or as much of the chain of attributes as that takes, leads to."""
        binding = self._binding(name.id)
        if binding is None:
            return
        if not isinstance(name.ctx, ast.Load):
            if not self.scopes and not self.within_class:  # the top level of a module
                self.instead[name] = "Own()" if name.id == self.symbol[1] else "Other()"
            return
        module, first = binding
        if binding == self.symbol:
            self.instead[name] = "Own()"
            return
        found, used = _lead(module, [*([first] if first else []), *(part.attr for part in chain)])
        place = [name, *chain][max(used - bool(first), 0)]
        self.instead[place] = found._replace(rows=True) if isinstance(found, Use) and place in self.asked else found

    def _binding(self, name: str) -> tuple[str, str] | None:
        """The module, and the name in it, that a name stands for; None for what is made on the spot, and Python's."""
        for scope in reversed(self.scopes):
            if name in scope:
                return scope[name]
        if name in self.source.imports or name in self.source.definitions:
            return self.symbol[0], name
        return None

    def visit_Subscript(self, node: ast.Subscript | ast.Compare | ast.Call) -> None:
        self.asked |= set(_asked(node))
        self.generic_visit(node)

    visit_Compare = visit_Call = visit_Subscript

    def visit_Import(self, node: ast.Import | ast.ImportFrom) -> None:
        self.instead[node] = None

    visit_ImportFrom = visit_Import

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> None:
        body = node.body if isinstance(node.body, list) else [node.body]
        for part in ast.iter_child_nodes(node):
            if part not in body:  # decorators, defaults and annotations belong to the outside
                self.visit(part)
        self._inside(_bound(node.args, body, self.source.package), body)

    visit_AsyncFunctionDef = visit_Lambda = visit_FunctionDef

    def visit_ListComp(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> None:
        first, *others = node.generators
        self.visit(first.iter)  # it belongs to the outside too
        results = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        targets = [loop.target for loop in node.generators]
        inner = [part for loop in others for part in (loop.iter, *loop.ifs)]
        self._inside(_bound(None, targets, self.source.package), [*results, *targets, *first.ifs, *inner])

    visit_SetComp = visit_DictComp = visit_GeneratorExp = visit_ListComp

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.within_class += 1
        self.generic_visit(node)
        self.within_class -= 1

    def _inside(self, bound: dict[str, tuple[str, str] | None], nodes: list[ast.AST]) -> None:
        self.scopes.append(bound)
        for node in nodes:
            self.visit(node)
        self.scopes.pop()


def _bound(args: ast.arguments | None, body: list[ast.AST], package: str) -> dict[str, tuple[str, str] | None]:
    """The names that a function, with these arguments and body, binds; what an import binds leads somewhere."""
    names: dict[str, tuple[str, str] | None] = {}
    if args is not None:
        given = [*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg]
        names = {arg.arg: None for arg in given if arg is not None}
    imports, outer, todo = {}, set(), list(body)
    while todo:
        part = todo.pop()
        if isinstance(part, ast.Import | ast.ImportFrom):
            imports |= _bindings(part, package)
        elif isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names[part.name] = None
        elif isinstance(part, ast.Global | ast.Nonlocal):
            outer |= set(part.names)
        elif not isinstance(part, ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                names[part.id] = None
            elif isinstance(part, ast.ExceptHandler) and part.name:
                names[part.name] = None
            todo += ast.iter_child_nodes(part)
    return {name: binding for name, binding in (names | imports).items() if name not in outer}


def _asked(node: ast.AST) -> list[ast.expr]:
    """The parts of an expression that are asked for a single row, or listed in a message, if they are tables."""
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load) and _plain(node.slice):
        return [node.value]
    if isinstance(node, ast.Compare):
        return [
            right
            for sign, right in zip(node.ops, node.comparators, strict=True)
            if isinstance(sign, ast.In | ast.NotIn)
        ]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        if node.func.attr == "get" and all(map(_plain, node.args[:1])):
            return [node.func.value]
        if node.func.attr == "join" and isinstance(node.func.value, ast.Constant):
            return node.args
    return []


def _plain(key: ast.expr) -> bool:
    """Whether a key is not put together on the spot."""
    return not any(isinstance(part, ast.JoinedStr | ast.BinOp | ast.Call) for part in ast.walk(key))


@cache
def _text(symbol: Symbol) -> Text:
    module, name = symbol
    source = _source(module)
    if name == WHOLE:
        leads = [_lead(module, [each])[0] for each in {**source.definitions, **source.imports} if each]
        return Text(
            tuple(lead for lead in leads if isinstance(lead, Use) and lead.symbol[1] != WHOLE),
            frozenset(),
            ordered=False,
        )
    nodes = source.definitions.get(name, [])
    text = _read(nodes, _Names(symbol, nodes).instead)
    if name and "" in source.definitions:  # what a module does counts for each of its definitions
        text = Text((*text.words, Use((module, ""))), text.strings)
    return text


@cache
def _rows(symbol: Symbol) -> dict[str, Text] | None:
    """The rows of a table, a dict whose keys are all texts; None for other definitions."""
    module, name = symbol
    nodes = [] if name in ("", WHOLE) else _source(module).definitions[name]
    if len(nodes) != 1 or not isinstance(nodes[0], ast.Assign | ast.AnnAssign):
        return None
    target = nodes[0].targets[0] if isinstance(nodes[0], ast.Assign) else nodes[0].target
    value = nodes[0].value
    if not isinstance(target, ast.Name) or not isinstance(value, ast.Dict) or not value.keys:
        return None
    if not all(isinstance(key, ast.Constant) and isinstance(key.value, str) for key in value.keys):
        return None
    instead = _Names(symbol, nodes).instead
    return {key.value: _read([key, row], instead) for key, row in zip(value.keys, value.values, strict=True)}


def _read(nodes: list[ast.AST], instead: dict[ast.AST, str | Use | None]) -> Text:
    """Nodes as a text, with these words in place of some of their parts."""
    words: list[str | Use] = []
    strings: set[str] = set()
    _write(nodes, instead, words, strings)
    joined = [
        list(group) if used else ["".join(group)]
        for used, group in groupby(words, key=lambda word: isinstance(word, Use))
    ]
    return Text(tuple(word for group in joined for word in group), frozenset(strings))


def _write(node, instead: dict[ast.AST, str | Use | None], words: list[str | Use], strings: set[str]) -> None:
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
    elif node in instead:
        words.append(instead[node])
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
