"""What names stand for: the way from a name, over imports, to the definition that it leads to."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import NamedTuple

from .sources import bindings, own, source_of, stores

WHOLE = "*"  # every definition of a module
Symbol = tuple[str, str]  # a module and a name at its top level; "" for what the module does when it is imported


class Use(NamedTuple):
    """A place in a definition that another one takes, for its ``rows`` alone if it is a table."""

    symbol: Symbol
    rows: bool = False


def lead(module: str, names: list[str]) -> tuple[str | Use, int]:
    """What is found where ``names`` lead, taken one of the other from ``module`` on; and how many of them that took."""
    if stores(module):
        return f"Stored({''.join(names[-1:])})", len(names)
    source = source_of(module)
    if source is None:
        return f"Outside({'.'.join([module, *names])})", len(names)
    if not names:
        return Use((module, WHOLE)), 0
    # (``from package import room`` in a package's own file leads to the room below)
    if names[0] in source.imports and source.imports[names[0]] != (module, names[0]):
        target, name = source.imports[names[0]]
        found, used = lead(target, [name, *names[1:]] if name else names[1:])
        return found, max(used + 1 - bool(name), 1)
    if names[0] in source.definitions:
        return Use((module, names[0])), 1
    below = f"{module}.{names[0]}"
    if stores(below) or source_of(below) is not None:
        found, used = lead(below, names[1:])
        return found, used + 1
    return Use((module, "")), 0  # something that the module makes when it is imported, if anything


class Names(ast.NodeVisitor):
    """Which parts of a definition stand for something that is defined elsewhere, and what is to stand there instead.

    ``instead`` maps nodes to words, and imports to None. A name that is bound in a function (``data`` as a parameter)
    is no module or definition of that name in there.
    """

    def __init__(self, symbol: Symbol, nodes: list[ast.stmt]):
        self.symbol, self.source = symbol, own(symbol[0])
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
        found, used = lead(module, [*([first] if first else []), *(part.attr for part in chain)])
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

    def _inside(self, bound: dict[str, tuple[str, str] | None], nodes: Sequence[ast.AST]) -> None:
        self.scopes.append(bound)
        for node in nodes:
            self.visit(node)
        self.scopes.pop()


def _bound(args: ast.arguments | None, body: Sequence[ast.AST], package: str) -> dict[str, tuple[str, str] | None]:
    """The names that a function, with these arguments and body, binds; what an import binds leads somewhere."""
    names: dict[str, tuple[str, str] | None] = {}
    if args is not None:
        given = [*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg]
        names = {arg.arg: None for arg in given if arg is not None}
    imports: dict[str, tuple[str, str] | None] = {}
    outer: set[str] = set()
    todo = list(body)
    while todo:
        part = todo.pop()
        if isinstance(part, ast.Import | ast.ImportFrom):
            imports |= bindings(part, package)
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
