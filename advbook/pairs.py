"""The ``.ipynb`` of a notebook is generated from its ``.py``; never the other way round."""

from __future__ import annotations

import hashlib
from pathlib import Path

from advbook import alone, editions, paths
from advutils.core import files


def generate(source: Path) -> str:
    """The text of the ``.ipynb`` that belongs to a percent-format ``.py``: no outputs, the same bytes every time.

    It has a cell more, which makes it run alone, and its solutions are folded.
    """
    import jupytext
    import nbformat

    notebook = jupytext.read(source, fmt="py:percent")
    notebook.cells = editions.folded(notebook.cells)
    for number, cell in enumerate(notebook.cells):  # jupytext draws random ids
        cell["id"] = hashlib.sha256(f"{source.stem} {number}".encode()).hexdigest()[:8]
    first = nbformat.v4.new_code_cell(alone.cell(), id="alone", metadata={"tags": ["remove-cell"]})
    notebook.cells.insert(1, first)  # behind the title
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
