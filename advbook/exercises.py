"""Exercises of pages: what is asked, its solution, a stub for students that the solution's checks judge.

They stand in Markdown cells in sphinx-exercise's markup; ``exercises.yml`` of a chapter knows what a teacher asks:
minutes, the idea and the typical mistake of each, and the goals of each page.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path

import msgspec
import yaml

from advbook import paths

SOLUTION = re.compile(r"(?ms)^````\{solution\} (?P<label>[\w-]+)\n(?::\w+:[^\n]*\n)*\n?(?P<body>.*?)^````$")
EXERCISE = re.compile(r"(?ms)^```\{exercise\} (?P<title>[^\n]*)\n:label: (?P<label>[\w-]+)\n\n?(?P<body>.*?)^```$")
BLOCK = re.compile(r"(?ms)^(`{3,})\{(?P<kind>exercise|solution)\} .*?^\1$")  # either of them
CODE = re.compile(r"(?ms)^```python\n(.*?)^```$")
LEVELS = ("easy", "middle", "hard")
TODO = "  # your code"


@dataclass(frozen=True)
class Exercise:
    """One exercise of a page. ``text`` and ``solution`` are Markdown, ``code`` the solution's code, if it has any."""

    page: str
    label: str
    title: str
    level: str
    text: str
    solution: str
    code: str


class ForTeachers(msgspec.Struct, forbid_unknown_fields=True):
    """What ``exercises.yml`` says of an exercise, or (``goals``) of a page."""

    id: str
    minutes: int = 0
    idea: str = ""
    mistake: str = ""
    goals: list[str] = []


def of_page(source: Path) -> list[Exercise]:
    """The exercises of a page's ``.py``, in its order; ``ValueError`` for one without level or solution."""
    page = f"{source.parent.name}/{source.stem}"
    text = re.sub(r"(?m)^# ?", "", source.read_text())
    solutions = {match["label"]: match["body"] for match in SOLUTION.finditer(text)}
    return [_exercise(page, match, solutions) for match in EXERCISE.finditer(text)]


def _exercise(page: str, match: re.Match, solutions: dict[str, str]) -> Exercise:
    label, title, body = match["label"], match["title"], match["body"]
    level = re.search(r"\((easy|middle|hard)\)$", title) or re.match(r"\*(Easy|Middle|Hard)\.\*", body)
    if level is None or label not in solutions:
        raise ValueError(f"{page}: exercise {label} has no {'solution' if level else 'level'}")
    code = "\n".join(CODE.findall(solutions[label]))
    plain = re.sub(r" \((easy|middle|hard)\)$", "", title)
    return Exercise(page, label, plain, level[1].lower(), body.strip(), solutions[label].strip(), code)


def every() -> list[Exercise]:
    """The exercises of all pages, in the book's order."""
    return [exercise for source in paths.notebooks() for exercise in of_page(source)]


def for_teachers(chapter: str) -> dict[str, ForTeachers]:
    """By label of an exercise, and by name of a page: what a chapter's ``exercises.yml`` says, if there is one.

    ``ValueError`` names the file and the entry that is wrong.
    """
    path = paths.root() / "notebooks" / chapter / "exercises.yml"
    if not path.exists():
        return {}
    entries = {}
    for entry in yaml.safe_load(path.read_text()) or []:
        try:
            entries[entry["id"]] = msgspec.convert(entry, ForTeachers)
        except (msgspec.ValidationError, KeyError, TypeError) as error:
            raise ValueError(f"{chapter}/exercises.yml: entry {entry}: {error}") from None
    return entries


# -- stubs -------------------------------------------------------------------------------------------------------


def stub(code: str) -> str:
    """What students get: the solution's imports and checks, and a line for each name that the checks need.

    Everything else is left out. It fails as it stands; with the right code in it, it runs.
    """
    body = ast.parse(code).body
    if not any(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(code))):
        kept = [ast.unparse(node) for node in body if isinstance(node, ast.Import | ast.ImportFrom)]
        return "\n".join([*kept, "", f'raise NotImplementedError("no answer yet"){TODO}'])
    needed = _loaded(ast.Module([node for node in body if _checks(node)], []))
    return "\n".join(_stubbed(body, code, needed, ""))


def _checks(node: ast.AST) -> bool:
    return any(isinstance(child, ast.Assert) for child in ast.walk(node))


def _loaded(node: ast.AST) -> set[str]:
    """The names that asserts, and the heads of loops around them, read."""
    if isinstance(node, ast.Assert):
        return {child.id for child in ast.walk(node) if isinstance(child, ast.Name)}
    heads = [getattr(node, "iter", None), *[item.context_expr for item in getattr(node, "items", [])]]
    names = {child.id for head in heads if head for child in ast.walk(head) if isinstance(child, ast.Name)}
    return names.union(*[_loaded(child) for child in getattr(node, "body", []) if _checks(child)])


def _stubbed(body: list[ast.stmt], code: str, needed: set[str], indent: str) -> list[str]:
    lines: list[str] = []
    for node in body:
        if isinstance(node, ast.Import | ast.ImportFrom | ast.Assert):
            lines.append(indent + _segment(code, node))
        elif _checks(node):
            head = _segment(code, node).split("\n")[0]
            lines += [indent + head, *_stubbed(getattr(node, "body", []), code, needed, f"{indent}    ")]
        else:
            names = [name for name in _stored(node) if name in needed]
            lines += [f"{indent}{name} = ...{TODO}" for name in names]
            if not names and (not lines or not lines[-1].endswith(TODO.strip())):
                lines.append(f"{indent}{TODO.strip()}")
    return lines


def _segment(code: str, node: ast.AST) -> str:
    return ast.get_source_segment(code, node) or ""


def _stored(node: ast.AST) -> list[str]:
    """The names that a statement sets, in order, each once; not those inside a function or a comprehension."""
    if isinstance(node, ast.FunctionDef):
        return [node.name]
    if isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp | ast.Lambda):
        return []
    own = [node.id] if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) else []
    return list(dict.fromkeys([*own, *[name for child in ast.iter_child_nodes(node) for name in _stored(child)]]))
