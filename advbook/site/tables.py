"""Tables for generated pages, and what chapters are called."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from advbook import paths


def table(columns: list[str], rows: list[list]) -> str:
    """A Markdown table; a vertical bar inside a cell is escaped."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(
        "| " + " | ".join(str(c).replace("|", "\\|").replace("\n", " ") for c in line) + " |" for line in lines
    )


def chapter_titles() -> dict[str, str]:
    """Chapter folder -> its caption in ``_toc.yml``."""
    parts = yaml.safe_load((paths.root() / "_toc.yml").read_text())["parts"]
    return {
        Path(entry["file"]).parts[1]: part["caption"]
        for part in parts
        for entry in part["chapters"]
        if entry["file"].startswith("notebooks/")
    }


def by_chapter(entries: list[dict]) -> dict[str, list[dict]]:
    """Entries of claims or errata under the titles of their chapters; without those of chapters in no contents yet."""
    titles = chapter_titles()
    grouped: dict[str, list[dict]] = {}
    for entry in entries:
        if entry["chapter"] in titles:
            grouped.setdefault(titles[entry["chapter"]], []).append(entry)
    return grouped


def sentence(text: str) -> str:
    """One line of text: YAML's folded lines joined; a number that starts with its point gets its zero."""
    return re.sub(r"(?<![\w.])\.(?=\d)", "0.", " ".join(str(text).split()))
