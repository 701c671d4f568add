"""A folder that runs by itself: a page or chapter for students or instructors, with what it needs of the book."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import yaml

from advbook import alone, editions, pairs, paths, runner
from advutils.core import files

EDITIONS: dict[str, Callable] = {"student": editions.student, "instructor": editions.instructor}
README = """# {title}

{what} They come from *{book}* ({address}). Code: MIT; text and figures: CC BY 4.0. Use both, change both, and say where
they come from.

    python3 -m venv .venv
    .venv/bin/pip install -r requirements.txt
    .venv/bin/jupyter lab {first}

Python 3.11 to 3.13. On Linux the package index's torch brings CUDA libraries of several GB; `PIP_FIND_LINKS` or
`PIP_EXTRA_INDEX_URL` can point pip to a CPU wheel instead. Then "run all": {minutes}. The parameters cell says what can
be changed; `profile = "standard"` with `replay = "only"` shows the published numbers from `results/`.
{more}"""
WHAT = {
    "": "Notebooks of a book on adversarial examples, with claims, errata and records.",
    "student": "Notebooks of a book on adversarial examples, without solutions.",
    "instructor": "Notebooks of a book on adversarial examples, with solutions and notes for instructors.",
}
MORE = {
    "": "",
    "student": "\nCells with `# your code` are exercises: each fails as it stands, and runs once it is solved.\n",
    "instructor": "\nStubs are what students get; solutions are folded behind three dots in JupyterLab.\n",
}
MINUTES = "under a minute a page on two cores (quick profile)"


def fork(target: str, folder: Path, edition: str = "") -> Path:
    """Write the pages that ``target`` (CHAPTER or CHAPTER/NOTEBOOK) names into a new ``folder``; returns it.

    Beside each notebook's ``.py`` and ``.ipynb`` there are the chapter's claims, errata and records, the wheel of the
    package and a requirements file. ``edition``: "" as in the book, "student" or "instructor". ``ValueError`` for an
    unknown target or edition or a folder that is not empty, ``RuntimeError`` where no wheel can be made.
    """
    if edition and edition not in EDITIONS:
        raise ValueError(f"edition must be one of {', '.join(EDITIONS)}, got {edition!r}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder} is not empty; name a new folder")
    sources = [path.with_suffix(".py") for path in runner.find(target)]
    folder.mkdir(parents=True, exist_ok=True)
    alone.wheel(folder)
    for source in sources:
        _page(source, folder / "notebooks" / source.parent.name / source.name, EDITIONS.get(edition))
    _beside(sources[0].parent.name, folder, teachers=edition != "student")
    _own(sources, folder, edition)
    return folder


def _page(source: Path, target: Path, edit: Callable | None) -> None:
    import jupytext

    text = source.read_text() if edit is None else jupytext.writes(edit(source), fmt="py:percent")
    files.write_atomic(target, text.encode())
    files.write_atomic(target.with_suffix(".ipynb"), pairs.generate(target).encode())


def _beside(chapter: str, folder: Path, *, teachers: bool) -> None:
    """What the pages of a chapter read: claims, errata, records."""
    root = paths.root()
    for path in sorted((root / "notebooks" / chapter).glob("*.yml")):
        if teachers or path.name != "exercises.yml":
            shutil.copy(path, folder / "notebooks" / chapter)
    alone.copy_benchmarks(folder)
    for path in (root / "results" / "standard" / chapter, root / "results" / "withdrawn.csv"):
        target = folder / path.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            shutil.copytree(path, target)
        elif path.exists():
            shutil.copy(path, target)


def _own(sources: list[Path], folder: Path, edition: str) -> None:
    """The files of the fork itself."""
    config = yaml.safe_load((paths.root() / "_config.yml").read_text())
    names = [f"notebooks/{source.parent.name}/{source.stem}" for source in sources]
    contents = {"format": "jb-book", "root": names[0], "chapters": [{"file": name} for name in names[1:]]}
    files.write_atomic(folder / "_toc.yml", yaml.safe_dump(contents, sort_keys=False).encode())
    shutil.copy(paths.root() / "LICENSE", folder)
    own = {name: config[name] for name in ("title", "author", "repository")}  # also what `jupyter-book build` needs
    own |= {"execute": {"execute_notebooks": "off"}, "sphinx": {"extra_extensions": ["sphinx_exercise"]}}
    files.write_atomic(folder / "_config.yml", yaml.safe_dump(own, sort_keys=False).encode())
    files.write_atomic(folder / "requirements.txt", f"./{alone.WHEEL}[page]\njupyterlab>=4\n".encode())
    readme = README.format(
        title=", ".join(names).removeprefix("notebooks/"),
        what=WHAT[edition],
        book=config["title"],
        address=config["repository"]["url"],
        first=f"{names[0]}.ipynb",
        minutes=MINUTES,
        more=MORE[edition],
    )
    files.write_atomic(folder / "README.md", readme.encode())
