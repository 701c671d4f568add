"""The figures of executed pages as files, for slides."""

from __future__ import annotations

import base64
import html
import re
from pathlib import Path

from advbook import runner
from advutils.core import files

SUFFIX = {"png": "png", "svg+xml": "svg", "webp": "webp"}
FIGURE = re.compile(
    r'(?s)<figure[^>]*>.*?<img alt="(?P<alt>[^"]*)"\s+src="data:image/(?P<kind>[a-z+]+);base64,(?P<data>[^"]+)"'
    r".*?<figcaption[^>]*>(?P<caption>.*?)</figcaption>"
)


def extract(target: str, folder: Path) -> list[Path]:
    """Write the figures of the pages that ``target`` names into ``folder``, with ``captions.md``; returns the files.

    They are taken from the last run here, else from the published edition that `advbook site` has replayed;
    ``ValueError`` for an unknown target, ``FileNotFoundError`` if a page was not executed.
    """
    written, captions = [], []
    for path in runner.find(target):
        there = [runner.executed_path(path, edition) for edition in ("run", "published")]
        executed = next((each for each in there if each.exists()), None)
        if executed is None:
            raise FileNotFoundError(f"{runner.name_of(path)} was not executed here; run `advbook run {target}` first")
        for number, found in enumerate(of_notebook(executed), 1):
            file = folder / f"{path.parent.name}-{path.stem}-{number}.{SUFFIX[found['kind']]}"
            files.write_atomic(file, base64.b64decode(found["data"]))
            written.append(file)
            captions.append(f"## {file.name}\n\n{html.unescape(found['caption'])}\n\n*{html.unescape(found['alt'])}*\n")
    if written:
        files.write_atomic(folder / "captions.md", "\n".join(captions).encode())
    return written


def of_notebook(executed: Path) -> list[dict]:
    """Kind, data (base64), caption and alternative text of each figure, in the page's order."""
    import nbformat

    notebook = nbformat.read(executed, as_version=4)
    shown = [
        output["data"].get("text/html", "")
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if "data" in output
    ]
    texts = ["".join(text) if isinstance(text, list) else text for text in shown]
    return [match.groupdict() for text in texts for match in FIGURE.finditer(text)]
