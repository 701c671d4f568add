"""The ``.ipynb`` of a notebook is generated from its ``.py``; never the other way round."""

from __future__ import annotations

import hashlib
from pathlib import Path

from advbook import paths
from advutils.core import files


def generate(source: Path) -> str:
    """The text of the ``.ipynb`` that belongs to a percent-format ``.py``: no outputs, the same bytes every time."""
    import jupytext

    notebook = jupytext.read(source, fmt="py:percent")
    for number, cell in enumerate(notebook.cells):  # jupytext draws random ids
        cell["id"] = hashlib.sha256(f"{source.stem} {number}".encode()).hexdigest()[:8]
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    notebook.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook.metadata["language_info"] = {"name": "python"}
    return jupytext.writes(notebook, fmt="ipynb").rstrip("\n") + "\n"


def differing() -> list[Path]:
    """The sources whose ``.ipynb`` is missing or is not what the source generates."""
    return [
        source
        for source in paths.sources()
        if not source.with_suffix(".ipynb").exists() or source.with_suffix(".ipynb").read_text() != generate(source)
    ]


def write() -> list[Path]:
    """Generate every ``.ipynb`` that differs; returns those written."""
    changed = differing()
    for source in changed:
        files.write_atomic(source.with_suffix(".ipynb"), generate(source).encode())
    return changed
