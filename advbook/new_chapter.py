"""The beginning of a chapter: a page, a measurement, a claim, an erratum, exercises, and tests that pass."""

from __future__ import annotations

import re
from pathlib import Path

from advbook import pairs, paths, teaching
from advutils.core import files

TEMPLATES = Path(__file__).with_name("templates")
LAST = "  - caption: The whole book\n"  # the part of the contents that chapters stand before
CASES = "\nCASES = {\n"  # of tests/chapters/test_devices.py: every measurement runs there


def create(name: str) -> list[Path]:
    """Write the files of chapter ``name`` ("my-paper") and enter it where chapters are listed; returns all of them.

    ``ValueError`` for a name that is no folder's, or is taken, or begins another chapter's name; nothing is written
    then.
    """
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise ValueError(f"NAME must be words of small letters and digits joined by hyphens, got {name!r}")
    root, package = paths.root(), name.replace("-", "_")
    wanted = {
        f"notebooks/{name}/1-first.py": "1-first.py.txt",
        f"notebooks/{name}/claims.yml": "claims.yml.txt",
        f"notebooks/{name}/errata.yml": "errata.yml.txt",
        f"notebooks/{name}/exercises.yml": "exercises.yml.txt",
        f"advbook/chapters/{package}/first.py": "first.py.txt",
        f"tests/chapters/test_{package}.py": "test_chapter.py.txt",
    }
    taken = [path for path in (root / f"notebooks/{name}", root / f"advbook/chapters/{package}") if path.exists()]
    taken += [root / path for path in wanted if (root / path).exists()]
    if taken:
        raise ValueError(f"{name} is taken: there is {taken[0].relative_to(root)}")
    title = name.replace("-", " ").capitalize()
    case = f'    "{package}.first": {{"nearest_mean": [dict(data="digits", train_size=50, sigma=1.0, seed=0)]}},\n'
    listed = {
        "_toc.yml": (LAST, f"  - caption: {title}\n    chapters:\n      - file: notebooks/{name}/1-first\n{LAST}"),
        "tests/chapters/test_devices.py": (CASES, CASES + case),
    }
    texts = {path: _with(root / path, *change) for path, change in listed.items()}
    for path, template in wanted.items():
        text = (TEMPLATES / template).read_text()
        texts[path] = text.replace("PACKAGE", package).replace("NAME", name).replace("TITLE", title)
    texts[f"advbook/chapters/{package}/__init__.py"] = f'"""{title}: what is measured."""\n'
    for path, text in texts.items():
        files.write_atomic(root / path, text.encode())
    return [*(root / path for path in texts), *[p.with_suffix(".ipynb") for p in pairs.write()], *teaching.write()]


def _with(path: Path, place: str, new: str) -> str:
    """The text of a file with ``new`` at ``place``, which it must have once."""
    text = path.read_text()
    if text.count(place) != 1:
        raise ValueError(f"{path} has no single line {place.strip()!r}, where chapters are entered")
    return text.replace(place, new)
