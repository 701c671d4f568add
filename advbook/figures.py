"""The figures of executed pages as files, for slides."""

from __future__ import annotations

from pathlib import Path

from advbook import runner
from advbook.picture import Picture
from advutils.core import files


def extract(target: str, folder: Path) -> list[Path]:
    """Write the figures of the pages that ``target`` names into ``folder``, with ``captions.md``; returns the files.

    They are taken from the last run here, else from the published edition that `advbook site` has replayed;
    ``ValueError`` for an unknown target or one that shows no figure, ``FileNotFoundError`` if a page was not executed.
    """
    written, captions = [], []
    for path in runner.find(target):
        there = [runner.executed_path(path, edition) for edition in ("run", "published")]
        executed = next((each for each in there if each.exists()), None)
        if executed is None:
            raise FileNotFoundError(f"{runner.name_of(path)} was not executed here; run `advbook run {target}` first")
        for number, found in enumerate(of_notebook(executed), 1):
            file = folder / f"{path.parent.name}-{path.stem}-{number}.{found.kind}"
            files.write_atomic(file, found.content)
            written.append(file)
            captions.append(f"## {file.name}\n\n{found.caption}\n\n*{found.alt}*\n")
    if not written:
        raise ValueError(f"{target} shows no figure")
    files.write_atomic(folder / "captions.md", "\n".join(captions).encode())
    return written


def of_notebook(executed: Path) -> list[Picture]:
    """The figures of an executed notebook, in the page's order."""
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
    return [found for text in texts if (found := Picture.read(text))]
