"""What a page would measure under a profile: the statements that lead to measurements, run on results nobody made."""

from __future__ import annotations

import ast
import json
from functools import cache
from pathlib import Path

from advbook import ledger
from advbook.page import Page


class Anything(float):
    """A result that nobody measured: a number, 1, and whatever is taken from it is another one."""

    def __new__(cls, *_, **__):
        return super().__new__(cls, 1)

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __getitem__(self, _):
        return self

    def __call__(self, *_, **__):
        return self

    def __iter__(self):
        return iter((self, self))

    def __len__(self):
        return 2


class Asked:
    """A record that a page asks for, with the parameters that it would have."""

    def __init__(self, function, parameters: dict):
        self.name, self.values, self.arrays = function.__name__, Anything(), Anything()
        self.parameters = json.loads(ledger.canonical(parameters))
        self.provenance = {"seconds": 1.0, "machine": {"threads": 1}}
        self.path = Path(f"{self.name}-{ledger.canonical(parameters)}")
        self.replayed = True

    def __getitem__(self, _):
        return self.values


@cache
def asked(source: Path, profile: str) -> tuple[Asked, ...]:
    """What the page at ``source`` asks for. A statement that fails without real results is passed over."""
    module = ast.parse(source.read_text())
    found: list[Asked] = []

    class Dry(Page):
        def measure(self, function, **parameters):
            found.append(Asked(function, parameters))
            return found[-1]

        def _show_settings(self):
            pass

    told: dict = {"__name__": "plan"}
    given = {"profile": profile, "replay": "only"}
    for statement in _leading_to_measurements(module.body):
        if isinstance(statement, ast.AnnAssign) and ast.unparse(statement.target) in given:
            statement.value = ast.Constant(given[ast.unparse(statement.target)])
        block = ast.fix_missing_locations(ast.Module([statement], []))
        try:
            exec(compile(block, str(source), "exec"), told)
        except Exception as error:
            print(f"{source.stem}: {ast.unparse(statement)[:80]!r} fails without results: {error}")
        told["Page"] = Dry
    return tuple({each.path: each for each in found}.values())


def _leading_to_measurements(body: list[ast.stmt]) -> list[ast.stmt]:
    """The statements that measure, those that make what they use, imports and parameters; in their order."""
    measuring: set[str] = set()
    wanted: set[int] = set()
    names: set[str] = set()
    before = -1
    while before != len(wanted) + len(names):
        before = len(wanted) + len(names)
        for number, statement in enumerate(body):
            made, used = _made(statement), _used(statement)
            measures = any(isinstance(node, ast.Attribute) and node.attr == "measure" for node in ast.walk(statement))
            if measures or used & measuring:
                wanted.add(number)
                if isinstance(statement, ast.FunctionDef):
                    measuring.add(statement.name)
            if isinstance(statement, ast.Import | ast.ImportFrom | ast.AnnAssign) or made & names:
                wanted.add(number)
            if number in wanted:
                names |= used
    return [body[number] for number in sorted(wanted)]


def _made(statement: ast.stmt) -> set[str]:
    stored = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return stored | {node.name for node in ast.walk(statement) if isinstance(node, ast.FunctionDef)}


def _used(statement: ast.stmt) -> set[str]:
    return {node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
