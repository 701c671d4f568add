"""Editions of a page: the book's own, one for students and one for instructors, as notebooks in memory."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from advbook import exercises
from advbook.exercises import BLOCK, Exercise

# JupyterLab and Notebook 7 show three dots in place of such a cell until somebody clicks on them
FOLDED = {"jupyter": {"source_hidden": True}, "tags": ["solution"]}
TRY = {"tags": ["exercise", "raises-exception"]}  # an unsolved one does not stop "run all"


def folded(cells: list) -> list:
    """The same cells, but each solution in a Markdown cell of its own that is folded."""

    def asked(_, block: str) -> Iterator:
        yield _markdown(block)

    def solved(_, block: str) -> Iterator:
        yield _markdown(block, FOLDED)

    return [new for cell in cells for new in _split(cell, {}, asked, solved)]


def student(source: Path):
    """A page's notebook without solutions: a stub with checks where the solution has code, else room for an answer."""

    def asked(exercise: Exercise, block: str) -> Iterator:
        yield _markdown(block)
        yield _code(exercises.stub(exercise.code), TRY) if exercise.code else _markdown("*Your answer:*")

    return _edited(source, asked, lambda exercise, block: iter(()))


def instructor(source: Path):
    """A page's notebook with goals, and for each exercise minutes, idea, typical mistake, stub and solution."""
    known = exercises.for_teachers(source.parent.name)

    def asked(exercise: Exercise, block: str) -> Iterator:
        yield _markdown(block)
        told = known.get(exercise.label)
        if told:
            yield _markdown(
                f"**For instructors.** {exercise.level.capitalize()}, {told.minutes} minutes. *Idea:* {told.idea} "
                f"*Typical mistake:* {told.mistake}"
            )
        if exercise.code:
            yield _code(exercises.stub(exercise.code), TRY)

    def solved(exercise: Exercise, block: str) -> Iterator:
        yield _markdown(block, FOLDED)
        if exercise.code:
            yield _code(exercise.code, FOLDED)

    notebook = _edited(source, asked, solved)
    if page := known.get(source.stem):
        goals = "\n".join(f"* {goal}" for goal in page.goals)
        notebook.cells.insert(1, _markdown(f"**For instructors.** After this page students can\n\n{goals}"))
    return notebook


def _edited(source: Path, asked: Callable, solved: Callable):
    import jupytext

    notebook = jupytext.read(source, fmt="py:percent")
    of_label = {exercise.label: exercise for exercise in exercises.of_page(source)}
    notebook.cells = [new for cell in notebook.cells for new in _split(cell, of_label, asked, solved)]
    return notebook


def _split(cell, of_label: dict[str, Exercise], asked: Callable, solved: Callable) -> Iterator:
    """The cell, or what is between its exercises and solutions, and what ``asked`` and ``solved`` make of these."""
    if cell.cell_type != "markdown" or not BLOCK.search(cell.source):
        yield cell
        return
    end = 0
    for match in BLOCK.finditer(cell.source):
        if between := cell.source[end : match.start()].strip("\n"):
            yield _markdown(between)
        block = match[0].strip("\n")
        label = re.search(r"(?m)^(?::label:|`+\{solution\}) ([\w-]+)", block)[1]  # type: ignore[index]
        yield from (solved if match["kind"] == "solution" else asked)(of_label.get(label), block)
        end = match.end()
    if rest := cell.source[end:].strip("\n"):
        yield _markdown(rest)


def _markdown(text: str, metadata: dict | None = None):
    from nbformat import v4

    return v4.new_markdown_cell(text, metadata=dict(metadata or {}))


def _code(text: str, metadata: dict):
    from nbformat import v4

    return v4.new_code_cell(text, metadata=dict(metadata))
