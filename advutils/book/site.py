"""Stage the sources, the executed notebooks and the generated tables, and build the HTML site from them."""
from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

from advutils import files, provenance
from advutils.book import claims, ledger, paths
from advutils.book.page import badge


def build_site(executed: dict[str, Path]) -> Path:
    """Build ``_build/site`` from the executed notebooks ``{"chapter/notebook": path}``; returns the folder.

    A stage that did not change is not built again. Warnings are errors: ``RuntimeError`` with the first ones, and the
    old site stays.
    """
    stage, site = paths.build() / "source", paths.build() / "site"
    _stage(stage, executed)
    stamp = _digest(stage)
    if (site / ".stamp").exists() and (site / ".stamp").read_text() == stamp:
        return site
    output = paths.build() / "html"
    environment = {**os.environ, "PYTHONWARNINGS": "ignore", "SPHINX_AUTO": "1"}
    done = subprocess.run(
        [sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build", str(stage),
         "--path-output", str(output), "-W", "-n", "--keep-going", "-q"],
        capture_output=True, text=True, env=environment, check=False,
    )
    if done.returncode:
        lines = [line for line in (done.stderr + done.stdout).splitlines() if re.search("WARNING|ERROR|rror:", line)]
        raise RuntimeError("the site did not build:\n" + "\n".join(lines[:20] or [done.stderr[-2000:]]))
    fresh = paths.build() / "site.new"
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(output / "_build" / "html", fresh)
    (fresh / ".stamp").write_text(stamp)
    shutil.rmtree(site, ignore_errors=True)
    fresh.rename(site)
    return site


def _stage(stage: Path, executed: dict[str, Path]) -> None:
    """Lay out the sources; files that did not change keep their time, so that Sphinx builds only what did."""
    root = paths.root()
    wanted = {Path(name): (root / name).read_bytes() for name in ("_config.yml", "_toc.yml")}
    for path in sorted((root / "book").rglob("*")):
        if path.is_file():
            text = path.read_bytes()
            wanted[path.relative_to(root)] = _filled(text.decode()).encode() if path.suffix == ".md" else text
    for name, path in executed.items():
        wanted[Path("notebooks") / f"{name}.ipynb"] = path.read_bytes()
    for relative, content in wanted.items():
        target = stage / relative
        if not target.exists() or target.read_bytes() != content:
            files.write_atomic(target, content)
    mathjax = stage / "mathjax"
    if not mathjax.exists():
        shutil.copytree(Path(find_spec("jupyter_server_mathjax").origin).parent / "static", mathjax)
    for path in sorted(stage.rglob("*")):
        relative = path.relative_to(stage)
        if path.is_file() and relative not in wanted and relative.parts[0] not in ("mathjax", "_build"):
            path.unlink()


def _digest(stage: Path) -> str:
    digest = hashlib.sha256(provenance.versions()["python"].encode())
    for path in sorted(stage.rglob("*")):
        relative = path.relative_to(stage)
        if path.is_file() and relative.parts[0] not in ("mathjax", "_build"):
            digest.update(str(relative).encode() + path.read_bytes())
    return digest.hexdigest()


# -- tables that are generated into the prose pages --------------------------------------------------------------


def _filled(text: str) -> str:
    """Replace each line ``<!-- generated: NAME -->`` by what ``GENERATED[NAME]`` returns."""
    return re.sub(r"<!-- generated: (\w+) -->", lambda match: GENERATED[match[1]](), text)


def table(columns: list[str], rows: list[list]) -> str:
    """A Markdown table; a vertical bar inside a cell is escaped."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(str(c).replace("|", "\\|").replace("\n", " ") for c in line) + " |"
                     for line in lines)


def scoreboard_short() -> str:
    """Number of claims by verdict, a row a chapter."""
    counts = Counter((claim["chapter"], claim["verdict"]) for claim in claims.evaluate())
    chapters = dict.fromkeys(chapter for chapter, _ in counts)
    rows = [[f"`{c}`", *(counts[c, v] or "–" for v in claims.VERDICTS), sum(counts[c, v] for v in claims.VERDICTS)]
            for c in chapters]
    return table(["chapter", *map(badge, claims.VERDICTS), "claims"], rows)


def scoreboard() -> str:
    """Every claim as a result card, with an anchor of its own."""
    cards = []
    for claim in claims.evaluate():
        paper = "; ".join(f"{name} {value}" for name, value in claim["paper"].items()) or "no number"
        rules = [f"reproduced if `{claim['reproduced']}`"]
        if "trend" in claim:
            rules.append(f"in trend if `{claim['trend']}`")
        cards.append("\n".join([
            f"({claim['id']})=", f"## {claim['id']}", "", f"{badge(claim['verdict'])} {claim['claim']}", "",
            table(["", ""], [
                ["where", claim["where"]], ["paper", paper], ["recorded", claim["recorded"] or "none"],
                ["records", f"{claim['profile']} profile, {claim['n']} or more a value" if claim["n"] else "none"],
                ["metric", claim["metric"]], ["rule", "; ".join(rules)], ["tolerance", claim["tolerance"]],
                *([["why not", claim["why"]]] if claim["why"] else []),
            ]), ""]))
    return "\n".join(cards)


def errata() -> str:
    """Every erratum, with the test that proves it."""
    rows = [[e["where"], e["printed"], e["right"], f"{e['evidence']} ({e['source']})", e["kind"],
             f"`{e['test'].rpartition('::')[2]}`"] for e in claims.errata()]
    return table(["where", "printed", "right", "evidence", "kind", "test"], rows)


def status() -> str:
    """Records by profile and notebook function: how many, how long, on what, and how many are older than the code."""
    groups: dict[tuple, list[ledger.Record]] = {}
    for record in ledger.records():
        profile = ledger.profile_of(record)
        if profile != "quick":
            groups.setdefault((record.path.parents[1].name, profile, record.name), []).append(record)
    rows = []
    for (chapter, profile, name), found in groups.items():
        origins = [record.provenance for record in found]
        machines = {f"{o['machine']['device']}, {o['machine']['threads']} thread(s)" for o in origins}
        rows.append([chapter, profile, f"`{name}`", len(found), f"{sum(o['seconds'] for o in origins) / 60:.1f} min",
                     "; ".join(sorted(machines)), max(o["date"] for o in origins)[:10],
                     sum(ledger.stale(record) is not False for record in found)])
    columns = ["chapter", "profile", "measurement", "records", "time in all", "machine", "last", "code changed since"]
    return table(columns, rows)


def versions() -> str:
    """What the committed records were made with, and what built this site."""
    made = Counter()
    for record in ledger.records():
        if ledger.profile_of(record) != "quick":
            origin = record.provenance
            libraries = ", ".join(f"{k} {v}" for k, v in origin["versions"].items())
            made[f"{libraries}; {origin['machine']['processor']}"] += 1
    here = ", ".join(f"{k} {v}" for k, v in provenance.versions().items())
    rows = [[f"{n} records", text] for text, n in made.items()]
    return table(["", ""], [*rows, ["this site", f"{here}; {platform.system()} {platform.machine()}"]])


GENERATED = {"scoreboard_short": scoreboard_short, "scoreboard": scoreboard, "errata": errata, "status": status,
             "versions": versions}
