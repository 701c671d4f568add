"""Where the parts of the book are, seen from the checkout that this package is run from."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

PROFILES = ("quick", "standard", "paper")  # from smallest to largest


def root() -> Path:
    """The book's folder, with ``_toc.yml`` and ``notebooks``.

    ``ADVBOOK_ROOT`` if it is set; else a fork around the current directory; else the checkout that this package is run
    from, or one around the current directory. ``FileNotFoundError`` if there is none.
    """
    return _root(Path.cwd(), os.environ.get("ADVBOOK_ROOT", ""))


@cache
def _root(start: Path, given: str) -> Path:
    around = [folder for folder in (start, *start.parents) if _is_book(folder)]
    forks = [folder for folder in around[:1] if not (folder / "advbook").is_dir()]  # it has no code of its own
    own = [folder for folder in (code(), *code().parents) if _is_book(folder)]
    for folder in [*([Path(given)] if given else []), *forks, *own, *around]:
        return folder
    raise FileNotFoundError(
        "the book's folder (with _toc.yml and notebooks/) was not found; work inside a clone, "
        "installed with `pip install -e .` or `make env`"
    )


def _is_book(folder: Path) -> bool:
    return (folder / "_toc.yml").exists() and (folder / "notebooks").is_dir()


def code() -> Path:
    """The folder that the packages lie in: the checkout, or that of installed packages."""
    return Path(__file__).resolve().parents[1]


def results() -> Path:
    """The ledger's folder: ``ADVUTILS_RESULTS``, else ``results`` in the checkout."""
    return Path(os.environ["ADVUTILS_RESULTS"]) if os.environ.get("ADVUTILS_RESULTS") else root() / "results"


def build() -> Path:
    """The folder for everything that can be made again."""
    return root() / "_build"


def must_be_writable(*folders: Path) -> None:
    """Raise ``PermissionError`` that names a folder where nothing can be written: before an hour is computed."""
    for folder in folders:
        there = next(each for each in (folder, *folder.parents) if os.path.lexists(each) or each == each.parent)
        if not os.access(there, os.W_OK | os.X_OK):
            raise PermissionError(
                f"nothing can be written to {folder}; work in a checkout of your own (records: set ADVUTILS_RESULTS)"
            )


def chapters() -> list[str]:
    """Names of the chapters: the folders of ``notebooks`` that state claims."""
    return sorted(path.parent.name for path in (root() / "notebooks").glob("*/claims.yml"))


def sources() -> list[Path]:
    """All notebook sources (``.py``), those that are not in ``_toc.yml`` yet among them."""
    return sorted((root() / "notebooks").glob("*/[0-9]*.py"))


def notebooks() -> list[Path]:
    """The notebook sources (``.py``) in the order of ``_toc.yml``."""
    import yaml

    toc = yaml.safe_load((root() / "_toc.yml").read_text())
    entries = [entry["file"] for entry in _files(toc)]
    paths = [(root() / entry).with_suffix(".py") for entry in entries if entry.startswith("notebooks/")]
    return [path for path in paths if path.exists()]


def _files(node):
    if isinstance(node, dict):
        if "file" in node:
            yield node
        for value in node.values():
            yield from _files(value)
    elif isinstance(node, list):
        for value in node:
            yield from _files(value)
