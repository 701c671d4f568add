"""Source files of this project as syntax trees: what each module defines and imports."""

from __future__ import annotations

import ast
import importlib.util
import sys
from dataclasses import dataclass, field
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path

OURS = ("advutils", "advbook", "benchmarks")
# They keep and describe numbers and compute none; what measures lies below MEASURING
STORING = (
    "advbook",
    "advutils.core.files",
    "advutils.book",
    "advutils.codehash",
    "advutils.files",
    "advutils.provenance",
)
# (the last four are names of the first edition)
MEASURING = "advbook.chapters"


@dataclass
class Source:
    """What a module of ``package`` defines and imports at its top level."""

    package: str
    definitions: dict[str, list[ast.stmt]] = field(default_factory=dict)  # under "": neither definition nor import
    imports: dict[str, tuple[str, str]] = field(default_factory=dict)  # local name -> module, name in it or ""


@cache
def source_of(module: str) -> Source | None:
    """What a module of ours defines and imports, without docstrings; None for others."""
    if not module.startswith(OURS) or stores(module) or (found := parsed(module)) is None:
        return None
    source, tree = found
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue  # a string that comments something
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names, node.name = [node.name], ""
        elif isinstance(node, ast.Import | ast.ImportFrom):
            source.imports |= bindings(node, source.package)
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


def own(module: str) -> Source:
    """As :func:`source_of`, of a module that is known to be ours."""
    source = source_of(module)
    assert source is not None, f"{module} is not read"
    return source


def stores(module: str) -> bool:
    """Whether a module only keeps and describes numbers."""
    return _below(module, STORING) and not _below(module, (MEASURING,))


def _below(module: str, packages: tuple[str, ...]) -> bool:
    return any(f"{module}.".startswith(f"{name}.") for name in packages)


def parsed(module: str) -> tuple[Source, ast.Module] | None:
    """The tree of a module, which is found and not imported, and a source without content yet; None if it is absent."""
    top, *below = module.split(".")
    spec = importlib.util.find_spec(top)
    for name in below:
        if spec is None or spec.submodule_search_locations is None:
            return None
        spec = PathFinder.find_spec(f"{spec.name}.{name}", spec.submodule_search_locations)
    if spec is None or spec.origin is None:
        return None
    return Source(spec.parent or module), bare(ast.parse(Path(spec.origin).read_text()))


def bare(tree: ast.Module) -> ast.Module:
    """A tree without what does not count: docstrings, annotations of arguments and results, texts of errors."""
    for part in ast.walk(tree):
        if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if ast.get_docstring(part) is not None:
                part.body = part.body[1:]
        if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef):
            part.returns = None
        elif isinstance(part, ast.arg):
            part.annotation = None
        elif isinstance(part, ast.Raise):
            _silence(part)
    return tree


def _silence(statement: ast.Raise) -> None:
    """Take the text out of a raise statement; names and calls in it stay."""
    for part in ast.walk(statement):
        if isinstance(part, ast.JoinedStr):
            part.values = [value for value in part.values if not isinstance(value, ast.Constant)]
        elif isinstance(part, ast.Constant) and isinstance(part.value, str):
            part.value = ...


def remember_loaded() -> None:
    """Read the source of every module of this project that is imported: what runs from now on is what was read."""
    for module in sorted(name for name in sys.modules if name.startswith(OURS)):
        source_of(module)


def bindings(node: ast.Import | ast.ImportFrom, package: str) -> dict[str, tuple[str, str]]:
    """What an import statement binds: the local name, then the module and the name in it ("" for the module itself)."""
    if isinstance(node, ast.ImportFrom):
        module = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
        return {alias.asname or alias.name: (module, alias.name) for alias in node.names}
    return {
        alias.asname or alias.name.partition(".")[0]: (alias.name if alias.asname else alias.name.partition(".")[0], "")
        for alias in node.names
    }
