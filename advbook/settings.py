"""The settings of pages: written as a table, read from sources without running them, and named by claims.

A rule says ``epochs: $epochs_maxout`` and means what its page has under that name in the profile that is judged;
``$dense.epochs`` looks inside a mapping, ``$networks.0`` into a list.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path


def profiles(profile: list[str], **rows: list) -> dict[str, dict]:
    """Profile -> settings, from a table with a column for each profile and a row for each setting.

    ``...`` repeats the value to its left. ``ValueError`` names the row that has not one value for each profile.

    >>> profiles(
    ...     profile = ["quick",  "standard", "paper"],
    ...     data    = ["digits", "mnist",    "mnist"],
    ...     noise   = [[0, 0.1], [0, 0.3],   ...],
    ... )["paper"]
    {'data': 'mnist', 'noise': [0, 0.3]}
    """
    table: dict[str, dict] = {name: {} for name in profile}
    for name, row in rows.items():
        if len(row) != len(profile) or row[0] is ...:
            raise ValueError(f"settings: row {name} must have a value for each of {', '.join(profile)}, got {row!r}")
        value = None
        for column, cell in zip(profile, row, strict=True):
            value = value if cell is ... else cell
            table[column][name] = value
    return table


_ALLOWED = {"dict": dict, "list": list, "profiles": profiles, "range": range, "round": round}


def of_page(source: Path) -> dict[str, dict]:
    """Profile -> settings, as the page's ``Page(..., settings=profiles(...))`` has them.

    ``ValueError`` if there is no such call, or if its settings need more than constants and other such assignments.
    """
    return _settings(source.read_text(), f"{source.parent.name}/{source.stem}")


@cache
def _settings(text: str, page: str) -> dict[str, dict]:
    module = ast.parse(text)
    made = next(
        (
            node
            for node in ast.walk(module)
            if isinstance(node, ast.Call)
            and ast.unparse(node.func) == "Page"
            and any(keyword.arg == "settings" for keyword in node.keywords)
        ),
        None,
    )
    if made is None:
        raise ValueError(f"page {page} makes no Page(..., settings=profiles(...))")
    wanted = next(keyword.value for keyword in made.keywords if keyword.arg == "settings")
    assigned = {
        node.targets[0].id: node.value
        for node in module.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    names: dict[str, object] = {"__builtins__": _ALLOWED}
    try:
        _fill(wanted, assigned, names)
        return eval(compile(ast.Expression(wanted), page, "eval"), names)
    except NameError as error:
        raise ValueError(f"the settings of page {page} cannot be read without running it: {error}") from None


def _fill(node: ast.expr, assigned: dict[str, ast.expr], names: dict) -> None:
    """Evaluate the assignments above the settings that they use."""
    for name in (each.id for each in ast.walk(node) if isinstance(each, ast.Name)):
        if name in assigned and name not in names:
            _fill(assigned[name], assigned, names)
            names[name] = eval(compile(ast.Expression(assigned[name]), name, "eval"), names)


def resolved(value, settings: dict, where: str):
    """``value`` with every ``$name`` in it, at any depth, replaced; ``ValueError`` names a setting that is not there,
    and the page and profile, ``where``."""
    if isinstance(value, dict):
        return {key: resolved(one, settings, where) for key, one in value.items()}
    if isinstance(value, list):
        return [resolved(one, settings, where) for one in value]
    if not isinstance(value, str) or not value.startswith("$"):
        return value
    found = settings
    for step in value[1:].split("."):
        try:
            found = found[int(step)] if isinstance(found, list) else found[step]
        except (KeyError, IndexError, TypeError, ValueError):
            raise ValueError(f"{where} has no setting {value}; it has {', '.join(sorted(settings))}") from None
    return found
