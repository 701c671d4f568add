"""An executed notebook as a page of the site: the answer first, pictures and records as files, housekeeping last."""

from __future__ import annotations

import html
import json
import re
from dataclasses import dataclass, field
from pathlib import Path

import nbformat

from advbook import record_list
from advbook.picture import IMAGE, Picture
from advbook.site import short

TITLE = re.compile(r"\A# .+\n?")
HOUSEKEEPING = "## How it was measured\n\nThe parameters of this page, what it imports, and its settings by profile."


@dataclass
class Page:
    """What becomes of one notebook: the staged notebook and the files that belong beside the built site."""

    name: str
    notebook: nbformat.NotebookNode
    files: dict[str, bytes] = field(default_factory=dict)
    records: list[dict] = field(default_factory=list)

    def text(self) -> bytes:
        return (nbformat.writes(self.notebook) + "\n").encode()


def page(name: str, path: Path) -> Page:
    """The page of an executed notebook ``name`` ("chapter/notebook"); nothing is executed."""
    made = Page(name, nbformat.read(path, as_version=4))
    cells = [cell for cell in made.notebook.cells if "injected-parameters" not in cell.metadata.get("tags", [])]
    settings = [cell for cell in cells if _is_setting(cell)]
    cells = [cell for cell in cells if cell not in settings]
    pictures = [picture for cell in cells if cell.cell_type == "code" for picture in _outputs(made, cell)]
    first = next((k for k, cell in enumerate(cells) if cell.cell_type == "markdown" and TITLE.match(cell.source)), None)
    if first is not None:
        title = TITLE.match(cells[first].source)[0].rstrip("\n")  # type: ignore[index]
        rest = cells[first].source[len(title) :]
        box = short.box(name, made.records, pictures, rest)
        cells[first].source = f"{title}\n\n{box}\n{rest}"
    if settings:
        cells.append(nbformat.v4.new_markdown_cell(HOUSEKEEPING, id="housekeeping"))
        for cell in settings:
            cell.metadata["tags"] = ["hide-cell"]
        cells += settings
    made.notebook.cells = cells
    return made


def _is_setting(cell) -> bool:
    """Whether a cell is housekeeping: the parameters, or the cell that imports and makes the page."""
    return cell.cell_type == "code" and (
        "parameters" in cell.metadata.get("tags", []) or re.search(r"(?m)^page = Page\(", cell.source) is not None
    )


def _outputs(made: Page, cell) -> list[str]:
    """Move pictures, data and records of a cell's outputs into files; returns the pictures' HTML."""
    shown = []
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        csv, records = data.pop("text/csv", ""), data.pop(record_list.MIME, None)
        if records is not None:
            made.records = records
            made.files[f"records/{made.name}.json"] = json.dumps(records, separators=(",", ":")).encode()
            data["text/html"] = _with_link(data["text/html"], made)
        if picture := Picture.read(data.get("text/html", ""), csv):
            data["text/html"] = _as_file(made, data["text/html"], picture)
            shown.append(data["text/html"])
    return shown


def _count(made: Page) -> int:
    return sum(name.startswith("pictures/") and not name.endswith(".csv") for name in made.files)


def _as_file(made: Page, text: str, picture: Picture) -> str:
    """A figure whose picture is a file that opens large, and can be had with its data."""
    number = _count(made) + 1
    place = f"pictures/{made.name}-{number}"
    made.files[f"{place}.{picture.kind}"] = picture.content
    links = [f'<a href="../../{place}.{picture.kind}" download>picture</a>']
    if picture.data:
        made.files[f"{place}.csv"] = picture.data.encode()
        links.append(f'<a href="../../{place}.csv" download>data (CSV)</a>')
    image = (
        f'<a class="enlarge" href="../../{place}.{picture.kind}" title="open the picture alone"><img '
        f'alt="{html.escape(picture.alt, quote=True)}" width="{picture.width}" height="{picture.height}" '
        f'loading="lazy" decoding="async" src="../../{place}.{picture.kind}"></a>'
    )
    text = IMAGE.sub(lambda _: image, text, count=1)
    return text.replace("</figcaption>", f' <small class="downloads">{" · ".join(links)}</small></figcaption>')


def _with_link(text: str, made: Page) -> str:
    size = len(made.files[f"records/{made.name}.json"]) / 1000
    link = (
        f'<p><a href="../../records/{made.name}.json">All of them as JSON</a> ({size:.0f} kB): '
        "parameters, values, commit, code, networks, machine.</p>"
    )
    return text.replace("</summary>", f"</summary>{link}", 1)


def source(name: str, root: Path) -> bytes:
    """The notebook as it lies in the repository: what a reader downloads, without outputs or injected parameters."""
    return (root / "notebooks" / f"{name}.ipynb").read_bytes()
