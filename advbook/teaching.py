"""The table of exercises and goals on the *Teaching* page, from the pages and ``exercises.yml``."""

from __future__ import annotations

import re
from pathlib import Path

from advbook import exercises, paths
from advutils.core import files

PLACE = re.compile(r"(?s)(<!-- exercises: begin[^>]*-->\n).*?(<!-- exercises: end -->)")


def page() -> Path:
    """The file that the table stands in."""
    return paths.root() / "book" / "teaching.md"


def differing() -> list[Path]:
    """The page, if its table is not today's."""
    return [page()] if page().exists() and page().read_text() != _written() else []


def write() -> list[Path]:
    """Write the table into the page; returns the page if that changed it."""
    changed = differing()
    for path in changed:
        files.write_atomic(path, _written().encode())
    return changed


def _written() -> str:
    text = page().read_text()
    if not PLACE.search(text):
        raise ValueError(f"{page()} has no place for the exercises: <!-- exercises: begin --> and ... end -->")
    return PLACE.sub(lambda match: f"{match[1]}{table()}{match[2]}", text)


def table() -> str:
    """For each page its goals, and a row for each of its exercises."""
    parts = []
    for source in paths.notebooks():
        known, name = exercises.for_teachers(source.parent.name), f"{source.parent.name}/{source.stem}"
        title = re.search(r"(?m)^# # (.+)$", source.read_text())[1]  # type: ignore[index]
        goals = known[source.stem].goals if source.stem in known else []
        lines = [
            f"### {title}\n",
            f"[{name}](../notebooks/{name}): after it students can\n",
            *[f"* {g}" for g in goals],
        ]
        rows = ["", "| exercise | level | minutes | idea |", "| --- | --- | --- | --- |"]
        for exercise in exercises.of_page(source):
            told = known.get(exercise.label, exercises.ForTeachers(exercise.label))
            cells = [exercise.title, exercise.level, str(told.minutes or "–"), told.idea]
            rows.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
        parts.append("\n".join([*lines, *rows]) + "\n")
    return "\n".join(parts)
