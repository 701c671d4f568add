"""Stage the sources, the executed notebooks and the generated pages, and build the HTML site from them."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import yaml

from advbook import paths, withdrawn
from advbook.site import cards, config, errata, front, pages, playground, prose, scoreboard, search, verdicts, weight
from advutils.core import files

BUILDERS = ("jupyter-book", "sphinx", "sphinx-book-theme", "myst-nb", "jupyter-server-mathjax")
SPHINX = """import sys
from jupyter_book.sphinx import build_sphinx
source, output, jobs = sys.argv[1:]
sys.exit(build_sphinx(source, output + '/html', path_config=source + '/_config.yml', quiet=True, noconfig=True,
    warningiserror=True, keep_going=True, freshenv=True, jobs=int(jobs),
    confoverrides={'nitpicky': True, 'latex_individualpages': False}))"""


@dataclass
class Staged:
    """The sources of a site (relative path -> content) and the files that lie beside the built pages."""

    sources: dict[Path, bytes]
    beside: dict[str, bytes]


def build_site(executed: dict[str, Path]) -> Path:
    """Build ``_build/site`` from the executed notebooks ``{"chapter/notebook": path}``; returns the folder.

    A stage that did not change is not built again. One that did is built from nothing: an incremental build misses new
    style sheets, removed pages and changed titles in the menu. Warnings are errors: ``RuntimeError`` with the first
    ones, and the old site stays.
    """
    site, looks = paths.build() / "site", _looks(executed)
    if (site / ".looks").exists() and (site / ".looks").read_text() == looks:
        return site
    with verdicts.read_once():
        _build(executed, site)
    (site / ".looks").write_text(looks)
    return site


def _looks(executed: dict[str, Path]) -> str:
    """Of all that a site is made from: names, sizes, times, which is quick; the content decides where they differ."""
    root = paths.root()
    folders = [
        root / "book",
        root / "advbook",
        paths.results(),
        *(path.parent for path in (root / "notebooks").glob("*/*.yml")),
    ]
    places = {path for folder in folders for path in folder.rglob("*") if path.suffix not in ("", ".pyc")}
    places |= {*executed.values(), root / "_config.yml", root / "_toc.yml", root / "CITATION.cff"}
    listed = [f"{path} {files.look(path)}" for path in sorted(places)]
    return hashlib.sha256("\n".join([config.edition(), *listed]).encode()).hexdigest()


def _build(executed: dict[str, Path], site: Path) -> None:
    staged = stage(executed)
    stamp = _digest(staged)
    if (site / ".stamp").exists() and (site / ".stamp").read_text() == stamp:
        return
    source, output = paths.build() / "source", paths.build() / "html"
    _write(source, staged.sources)
    shutil.rmtree(output, ignore_errors=True)
    _sphinx(source, output)
    fresh = paths.build() / "site.new"
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(output / "html", fresh)
    weight.lighten(fresh)
    for name, content in staged.beside.items():
        (fresh / name).parent.mkdir(parents=True, exist_ok=True)
        (fresh / name).write_bytes(content)
    search.write(fresh)
    (fresh / ".stamp").write_text(stamp)
    shutil.rmtree(site, ignore_errors=True)
    fresh.rename(site)


def stage(executed: dict[str, Path]) -> Staged:
    """Everything that the site is made of."""
    root = paths.root()
    sources: dict[Path, bytes] = {Path("_config.yml"): (root / "_config.yml").read_bytes()}
    beside: dict[str, bytes] = {}
    made = cards.pages()
    sources[Path("_toc.yml")] = contents((root / "_toc.yml").read_text(), list(made)).encode()
    for path in sorted((root / "book").rglob("*")):
        if path.is_file() and path.relative_to(root / "book").parts[0] != "playground":
            prosaic = path.suffix == ".md"
            sources[path.relative_to(root)] = (
                prose.filled(path.read_text(), executed).encode() if prosaic else path.read_bytes()
            )
    for name, text in made.items():
        sources[Path("book") / f"{name}.md"] = text.encode()
    for name, path in executed.items():
        page = pages.page(name, path)
        sources[Path("notebooks") / f"{name}.ipynb"] = page.text()
        beside |= page.files
        beside[f"_sources/notebooks/{name}.ipynb"] = pages.source(name, root)
    beside |= {f"records/cards/{folder}.json": content for folder, content in cards.files().items()}
    if verdicts.judgements():
        beside["data/claims.csv"] = scoreboard.as_csv(scoreboard.rows(), scoreboard.FIELDS)
        beside["data/claims.json"] = scoreboard.as_json()
        beside["data/errata.csv"] = scoreboard.as_csv(errata.rows(), errata.FIELDS)
    if any(b"attack-pictures" in content for content in sources.values()):
        beside |= {f"{front.FOLDER}/{name}": content for name, content in front.stills().items()}
    beside |= playground.records()
    if withdrawn.table().exists():
        beside[f"results/{withdrawn.table().name}"] = withdrawn.table().read_bytes()
    return Staged(sources, beside)


def contents(toc: str, made: list[str]) -> str:
    """The table of contents with the generated pages of cards under the scoreboard."""
    found = yaml.safe_load(toc)
    for part in found.get("parts", []):
        for entry in part["chapters"]:
            if entry["file"] == "book/scoreboard":
                entry["sections"] = [{"file": f"book/{name}"} for name in made]
    return yaml.safe_dump(found, sort_keys=False, allow_unicode=True)


def _write(folder: Path, sources: dict[Path, bytes]) -> None:
    """What is there and right stays, what is wanted is written, all else is removed."""
    for relative, content in sources.items():
        target = folder / relative
        if not target.exists() or target.read_bytes() != content:
            files.write_atomic(target, content)
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if path.is_file() and relative not in sources and relative.parts[0] != "mathjax":
            path.unlink()
    weight.mathjax(folder / "mathjax")


def _sphinx(source: Path, output: Path) -> None:
    """Build in a process of its own; ``RuntimeError`` with the first warnings, which are errors."""
    from advbook.runner import cores

    environment = {**os.environ, "PYTHONWARNINGS": "ignore", "SPHINX_AUTO": "1"}
    done = subprocess.run(
        [sys.executable, "-c", SPHINX, str(source), str(output), str(cores())],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    if done.returncode:
        lines = [line for line in (done.stderr + done.stdout).splitlines() if re.search("WARNING|ERROR|rror:", line)]
        raise RuntimeError("the site did not build:\n" + "\n".join(lines[:20] or [done.stderr[-2000:]]))


def _digest(staged: Staged) -> str:
    """Of the content, of what builds it and of the edition that the footer names."""
    words = [*(version(name) for name in BUILDERS), config.edition()]
    digest = hashlib.sha256(" ".join(words).encode())
    code = sorted(Path(__file__).parent.glob("*.py"))
    listed = {
        **{str(k): v for k, v in staged.sources.items()},
        **staged.beside,
        **{p.name: p.read_bytes() for p in code},
    }
    for name in sorted(listed):
        digest.update(name.encode() + listed[name])
    return digest.hexdigest()
