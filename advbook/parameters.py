"""The parameters cell of a page, and its knobs on a command line.

papermill lists a knob where the cell says ``seeds: int = None  # what it is; 1 to 100; None: the profile's``: on one
line, without ``|`` in its type. ``tools/parameter_cells.py`` writes these lines.
"""

from __future__ import annotations

import ast
import shlex
from pathlib import Path

from advbook import knobs
from advbook import settings as page_settings

ALWAYS = ("profile", "replay")  # what every page has
OWN = "None: the profile's"  # what a knob's comment ends with


def given(namespace: dict) -> dict:
    """The notebook's parameters: the annotated names of its parameters cell, with their values now.

    ``ValueError`` for a name that papermill injected, or the parameters cell sets, without declaring it there. What
    else the notebook defines, before or after, is its own affair: cells may be added and run again in any order.
    """
    cells = [cell for cell in namespace.get("In", []) if cell.strip()]
    own = [cell for cell in cells if _declares(cell)][-1:]  # the last one counts: a cell may be mended and run again
    declared = _annotated(own[0]) if own else list(namespace.get("__annotations__", {}))
    missing = [name for name in ALWAYS if name not in declared or name not in namespace]
    if missing:
        raise ValueError(f"the parameters cell must declare {', '.join(missing)}")
    injected = [cell for cell in cells if cell.startswith("# Parameters\n")][-1:]  # as papermill writes it
    unknown = {name for cell in own + injected for name in _assigned(cell)} - set(declared)
    if unknown:
        raise ValueError(
            f"unknown parameter {', '.join(sorted(unknown))}; this notebook has {', '.join(sorted(declared))}"
        )
    return {name: namespace[name] for name in declared if name in namespace}


def _declares(cell: str) -> bool:
    return any(line.startswith("profile: str") for line in cell.split("\n"))


def _assigned(cell: str) -> set[str]:
    """The names that a cell sets, with or without a type."""
    plain = [target for node in _body(cell) if isinstance(node, ast.Assign) for target in node.targets]
    return {target.id for target in plain if isinstance(target, ast.Name)} | set(_annotated(cell))


def _annotated(cell: str) -> list[str]:
    """The names that a cell sets with their type."""
    targets = [node.target for node in _body(cell) if isinstance(node, ast.AnnAssign)]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _body(cell: str) -> list[ast.stmt]:
    try:
        return ast.parse(cell).body
    except SyntaxError:  # magics
        return []


def papermill_options(values: dict) -> str:
    """`` -p seeds 3 -p networks a,b``: what sets these values again, to be pasted into a shell."""
    return "".join(f" {_flag(value)} {name} {shlex.quote(text(value))}" for name, value in values.items())


def run_options(values: dict) -> str:
    """The same for ``advbook run``."""
    return "".join(f" -p {shlex.quote(f'{name}={text(value)}')}" for name, value in values.items())


def text(value) -> str:
    """A value as it is typed: a list as ``a,b``."""
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _flag(value) -> str:
    """papermill takes text that looks like a number for one, unless it is told that it is raw."""
    if not isinstance(value, str):
        return "-p"
    try:
        float(value)
    except ValueError:
        return "-r" if value in ("True", "False", "None") else "-p"
    return "-r"


def given_pairs(pairs: tuple[str, ...]) -> dict:
    """The values of ``NAME=VALUE`` as papermill's ``-p NAME VALUE`` reads them; ``ValueError`` for another form."""
    found: dict = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name.isidentifier():
            raise ValueError(f"-p wants NAME=VALUE, got {pair!r}")
        found[name] = _guessed(text)
    return found


def _guessed(text: str):
    if text in (words := {"True": True, "False": False, "None": None}):
        return words[text]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def declared(source: Path) -> list[str]:
    """The names in the parameters cell of a page's ``.py``, read without running it."""
    return _annotated(source.read_text())


def shared_out(values: dict, sources: list[Path], profile: str) -> dict[Path, dict]:
    """Which of ``values`` each page has as a knob, checked against its ranges under ``profile``.

    ``ValueError`` for a knob that none of the pages has, or a value that one of them refuses.
    """
    found = {source: {k: v for k, v in values.items() if k in declared(source)} for source in sources}
    if nowhere := set(values) - {name for own in found.values() for name in own}:
        known = dict.fromkeys(name for source in sources for name in declared(source) if name not in ALWAYS)
        raise ValueError(
            f"none of these pages has a knob {', '.join(sorted(nowhere))}; they have {', '.join(known) or 'none'}"
        )
    for source, own in found.items():
        page = f"{source.parent.name}/{source.stem}"
        if own:
            try:
                knobs.read(page, own, page_settings.of_page(source)[profile])
            except ValueError as error:
                raise ValueError(f"{page}: {error}") from None
    return found
