"""A notebook that lies alone: the code cell that generated notebooks begin with, and the archive that it fetches.

In a clone, and in a fork (:mod:`advbook.fork`), the cell does nothing. Elsewhere it installs this package at the book's
version and unpacks claims, errata and records into the cache folder. Both come from the release of that version, or
from ``ADVBOOK_SOURCE``, a folder or address with the two files that ``advbook pack`` writes.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import sys
import tempfile
import urllib.request
import zipfile
from pathlib import Path

from advbook import paths
from advutils import __version__
from advutils.core import files, runtime

WHEEL = f"advutils-{__version__}-py3-none-any.whl"
ARCHIVE = f"adversarial-examples-book-{__version__}.zip"
CELL = """\
# Where this notebook lies alone (on Colab, say), this installs the book and fetches its records. Else it does nothing.
import importlib.util, os, pathlib, subprocess, sys
_clone = "{address}"
_book = os.environ.get("ADVBOOK_SOURCE", f"{{_clone}}/releases/download/v{version}")
_book = _book if "://" in _book else pathlib.Path(_book).resolve().as_uri()
if importlib.util.find_spec("advbook") is None:
    _up = [pathlib.Path.cwd(), *pathlib.Path.cwd().parents]
    _here = [place for place in _up if (place / "advbook" / "alone.py").exists()]
    _what = ["-e", f"{{_here[0]}}[page]"] if _here else [f"advutils[page] @ {{_book}}/{wheel}"]
    if subprocess.run([sys.executable, "-m", "pip", "install", "-q", *_what]).returncode:
        sys.exit(f"The book cannot be installed from {{_what[-1]}}; clone {{_clone}} and open this notebook there.")
    importlib.invalidate_caches()
from advbook import alone; alone.ready(_book)
"""


def cell() -> str:
    """The code of the first cell, with the address that ``_config.yml`` has."""
    import yaml

    address = yaml.safe_load((paths.root() / "_config.yml").read_text())["repository"]["url"]
    return CELL.format(address=address, version=__version__, wheel=WHEEL).strip()


def ready(source: str) -> None:
    """Find the book's folder, or unpack the archive at ``source`` (an address, ``file://`` too) and name it.

    ``SystemExit`` in one line if it cannot be fetched.
    """
    try:
        paths.root()
        return
    except FileNotFoundError:
        pass
    address = f"{source}/{ARCHIVE}"
    target = runtime.cache_root() / "book" / __version__
    if source.startswith("file:"):  # of a release that may still change
        target = target.with_name(hashlib.sha256(_fetched(address)).hexdigest()[:16])
    if not target.exists():
        _unpack(_fetched(address), target)
    os.environ["ADVBOOK_ROOT"] = str(target)


def _fetched(address: str) -> bytes:
    try:
        with urllib.request.urlopen(address, timeout=60) as stream:
            return stream.read()
    except (OSError, ValueError) as error:
        sys.exit(f"The records of the book cannot be fetched from {address}: {error}. Clone the book and work there.")


def _unpack(packed: bytes, target: Path) -> None:
    """All of it or nothing: another notebook may do the same at the same time."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as part:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            archive.extractall(Path(part) / "book")
        try:
            (Path(part) / "book").rename(target)
        except OSError:
            if not target.exists():
                raise


# -- what is published -------------------------------------------------------------------------------------------


def pack(folder: Path) -> list[Path]:
    """Write the wheel of this package and the archive of the book into ``folder``; returns both files."""
    folder.mkdir(parents=True, exist_ok=True)
    return [wheel(folder), _archive(folder / ARCHIVE)]


def wheel(folder: Path) -> Path:
    """Build the wheel of this checkout into ``folder``. ``RuntimeError`` where pip cannot, or outside of a checkout."""
    import subprocess

    sources = paths.code()
    if not (sources / "pyproject.toml").exists():
        raise RuntimeError("a wheel is made in a checkout of the book; this package was installed without one")
    with tempfile.TemporaryDirectory() as copy:  # pip leaves its own files beside the sources
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(sources / name, copy)
        for name in ("advutils", "advbook"):
            shutil.copytree(sources / name, Path(copy) / name, ignore=shutil.ignore_patterns("__pycache__"))
        words = ["wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(Path(copy) / "out"), copy]
        done = subprocess.run([sys.executable, "-m", "pip", *words], capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"pip cannot make the wheel: {done.stderr.strip().splitlines()[-1:]}")
        files.write_atomic(folder / WHEEL, (Path(copy) / "out" / WHEEL).read_bytes())
    return folder / WHEEL


def benchmarks() -> list[Path]:
    """The code behind recorded timings, which is in no wheel: without it these records look as if it were gone."""
    return sorted((paths.root() / "benchmarks").glob("*.py"))


def copy_benchmarks(folder: Path) -> None:
    """Lay the code behind recorded timings into ``folder``."""
    for path in benchmarks():
        files.write_atomic(folder / "benchmarks" / path.name, path.read_bytes())


def _archive(target: Path) -> Path:
    root, buffer = paths.root(), io.BytesIO()
    wanted = [root / "_toc.yml", root / "LICENSE", *paths.sources(), *sorted(root.glob("notebooks/*/*.yml"))]
    wanted += benchmarks()
    wanted += [path for path in sorted((root / "results").rglob("*")) if path.is_file() and "quick" not in path.parts]
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in wanted:
            archive.write(path, path.relative_to(root))
    files.write_atomic(target, buffer.getvalue())
    return target
