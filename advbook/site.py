"""Stage the sources, the executed notebooks and the generated tables, and build the HTML site from them."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import yaml

from advbook import changes, claims, forest, judgement, ledger, paths, provenance, reference, withdrawn
from advbook.page import BADGES, SCOPE, badge
from advutils.core import files

BUILDERS = ("jupyter-book", "sphinx", "sphinx-book-theme", "myst-nb", "jupyter-server-mathjax")


def build_site(executed: dict[str, Path]) -> Path:
    """Build ``_build/site`` from the executed notebooks ``{"chapter/notebook": path}``; returns the folder.

    A stage that did not change is not built again. One that did is built from nothing: an incremental build misses new
    style sheets, removed pages and changed titles in the menu. Warnings are errors: ``RuntimeError`` with the first
    ones, and the old site stays.
    """
    stage, site = paths.build() / "source", paths.build() / "site"
    _stage(stage, executed)
    stamp = _digest(stage)
    if (site / ".stamp").exists() and (site / ".stamp").read_text() == stamp:
        return site
    output = paths.build() / "html"
    shutil.rmtree(output, ignore_errors=True)
    environment = {**os.environ, "PYTHONWARNINGS": "ignore", "SPHINX_AUTO": "1"}
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from jupyter_book.cli.main import main; main()",
            "build",
            str(stage),
            "--path-output",
            str(output),
            "-W",
            "-n",
            "--keep-going",
            "-q",
        ],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    if done.returncode:
        lines = [line for line in (done.stderr + done.stdout).splitlines() if re.search("WARNING|ERROR|rror:", line)]
        raise RuntimeError("the site did not build:\n" + "\n".join(lines[:20] or [done.stderr[-2000:]]))
    fresh = paths.build() / "site.new"
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(output / "_build" / "html", fresh)
    shutil.copytree(stage / "results", fresh / "results")
    (fresh / ".stamp").write_text(stamp)
    shutil.rmtree(site, ignore_errors=True)
    fresh.rename(site)
    return site


def _stage(stage: Path, executed: dict[str, Path]) -> None:
    """Lay out the sources: what is there and right stays, what is wanted is written, all else is removed."""
    root = paths.root()
    wanted = {Path(name): (root / name).read_bytes() for name in ("_config.yml", "_toc.yml")}
    for path in sorted((root / "book").rglob("*")):
        if path.is_file():
            text = path.read_bytes()
            page = path.suffix == ".md"
            wanted[path.relative_to(root)] = _filled(text.decode(), executed).encode() if page else text
    for name, path in executed.items():
        wanted[Path("notebooks") / f"{name}.ipynb"] = path.read_bytes()
    # so that the lists of records at the end of pages can link to them; their arrays stay in the repository
    wanted |= {
        Path("results") / path.relative_to(paths.results()): path.read_bytes()
        for path in sorted(paths.results().rglob("*.json"))
    }
    if withdrawn.table().exists():
        wanted[Path("results") / withdrawn.table().name] = withdrawn.table().read_bytes()
    for relative, content in wanted.items():
        target = stage / relative
        if not target.exists() or target.read_bytes() != content:
            files.write_atomic(target, content)
    mathjax = stage / "mathjax"
    if not mathjax.exists():
        half = paths.build() / "mathjax.new"  # a copy that was cut short is not taken for a whole one
        shutil.rmtree(half, ignore_errors=True)
        shutil.copytree(Path(find_spec("jupyter_server_mathjax").origin).parent / "static", half)  # type: ignore[arg-type, union-attr]
        half.rename(mathjax)
    for path in sorted(stage.rglob("*")):
        relative = path.relative_to(stage)
        if path.is_file() and relative not in wanted and relative.parts[0] not in ("mathjax", "_build"):
            path.unlink()


def _digest(stage: Path) -> str:
    digest = hashlib.sha256(" ".join(version(name) for name in BUILDERS).encode())
    for path in sorted(stage.rglob("*")):
        relative = path.relative_to(stage)
        if path.is_file() and relative.parts[0] not in ("mathjax", "_build"):
            digest.update(str(relative).encode() + path.read_bytes())
    return digest.hexdigest()


# -- tables that are generated into the prose pages --------------------------------------------------------------


VERDICT = re.compile(r"<!-- verdict: ([\w-]+): ([\w ]+) -->")
NUMBER = re.compile(r"<!-- number: ([\w-]+): (\w+) -->")


def _filled(text: str, executed: dict[str, Path]) -> str:
    """Replace ``<!-- generated: NAME -->`` by what ``GENERATED[NAME]`` makes of the executed notebooks, and
    ``<!-- verdict: ID: VERDICT -->`` by today's verdict on that claim, which links to its card. (A test compares it
    with the one that the sentence was written for.) ``<!-- number: ID: VALUE -->`` becomes the recorded mean of that
    value of the claim, to three digits.
    """
    text = re.sub(r"<!-- generated: (\w+) -->", lambda match: GENERATED[match[1]](executed), text)
    if VERDICT.search(text) is None and NUMBER.search(text) is None:
        return text
    found = {claim["id"]: claim for claim in claims.evaluate()}
    text = NUMBER.sub(lambda match: _number(found[match[1]], match[2]), text)
    return VERDICT.sub(lambda match: f"[{badge(found[match[1]]['verdict'])}](#{match[1]})", text)


def _number(claim: dict, value: str) -> str:
    """The recorded mean of a claim's value for a sentence; ``KeyError`` if the claim has no such value."""
    if value not in claim["values"]:
        raise KeyError(f"claim {claim['id']} has no value {value}")
    return f"{claim['samples'][value].mean:.3g}" if value in claim["samples"] else "(not measured)"


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


def _by_chapter(entries: list[dict]) -> dict[str, list[dict]]:
    """Entries of claims or errata under the titles of their chapters; without those of chapters in no contents yet."""
    titles = chapter_titles()
    grouped: dict[str, list[dict]] = {}
    for entry in entries:
        if entry["chapter"] in titles:
            grouped.setdefault(titles[entry["chapter"]], []).append(entry)
    return grouped


SCOPES = {
    "paper": "claims of the paper, or quoted there",
    "identity": "identities and sums in the paper, checked",
    "ours": "questions of ours that the paper raises",
}


def scoreboard_short(executed: dict[str, Path]) -> str:
    """How many claims of each chapter got which verdict."""
    lines = []
    for title, judged in _by_chapter(claims.evaluate()).items():
        lines.append(f"**{title}**")
        for scope, words in SCOPES.items():
            counts = Counter(claim["verdict"] for claim in judged if claim["scope"] == scope)
            badges = [f'<span class="verdict {BADGES[v]}">{counts[v]} {v}</span>' for v in claims.VERDICTS if counts[v]]
            if badges:
                lines.append(f"{counts.total()} {words}:\n{' '.join(badges)}")
    return "\n\n".join(lines)


def scoreboard(executed: dict[str, Path]) -> str:
    """A table of all claims by chapter, then every claim as a result card with an anchor of its own."""
    parts = []
    for title, judged in _by_chapter(claims.evaluate()).items():
        rows = [[f"[{c['id']}](#{c['id']})", c["where"], badge(c["verdict"]) + SCOPE[c["scope"]]] for c in judged]
        picture = forest.forest(judged, title)
        parts += [
            f"## {title}",
            "",
            picture,
            "",
            table(["claim", "where in the paper", "verdict"], rows),
            "",
            *map(_card, judged),
        ]
    return "\n".join(parts)


def matrix(executed: dict[str, Path]) -> str:
    """How many claims of each chapter have which verdict, as a picture."""
    counts = {
        title: Counter(claim["verdict"] for claim in judged) for title, judged in _by_chapter(claims.evaluate()).items()
    }
    return forest.matrix(counts, claims.VERDICTS)


def _card(claim: dict) -> str:
    """One result card: verdict, claim, the paper's numbers beside the recorded ones, metric, rule, tolerance."""
    names = dict.fromkeys([*claim["values"], *claim["paper"]])
    rows = [
        [
            f"`{name}`",
            claim["paper"].get(name, "–"),
            claims.show(claim["samples"][name]) if name in claim["samples"] else "–",
        ]
        for name in names
    ]
    made = f"recorded ({claim['profile']} profile)" if claim["samples"] else "recorded"
    scales = ", ".join(f"{profile}: {verdict}" for profile, verdict in claim.get("scales", {}).items())
    facts = {
        "Metric": claim["metric"],
        "Rule": _rule(claim),
        "Effects": judgement.told(claim["findings"]),
        "Tolerance": claim["tolerance"],
        "Note": claim["why"],
        "At both scales": scales if len(claim.get("scales", {})) > 1 else "",
        "Known when the rule was written": claim.get("known"),
        "Page and records": claim["page"] and f"[{claim['page']}](../notebooks/{claim['page']})",
    }
    return "\n".join(
        [
            f"({claim['id']})=",
            f"### {claim['id']}",
            "",
            f"{badge(claim['verdict'])}{SCOPE[claim['scope']]} {claim['claim']} *{claim['where']}*",
            "",
            table(["value", "paper", made], rows),
            "",
            *(f"{name}\n: {_sentence(text)}\n" for name, text in facts.items() if text),
        ]
    )


def _rule(claim: dict) -> str:
    """The rule of a card."""
    if "rule" in claim:
        words = {"premise": "judged only if", "rule": "all of"}
        return "; ".join(
            f"{word} " + ", ".join(f"`{_part(each)}`" for each in claim[kind])
            for kind, word in words.items()
            if kind in claim
        )
    kinds = {"premise": "judged only if", "reproduced": "reproduced if", "trend": "in trend if"}
    return "; ".join(f"{words} `{claim[kind]}`" for kind, words in kinds.items() if kind in claim)


def _part(entry: dict) -> str:
    return ", ".join(f"{key} {value}" for key, value in entry.items())


def _sentence(text: str) -> str:
    """One line of text: YAML's folded lines joined."""
    return " ".join(str(text).split())


def changed(executed: dict[str, Path]) -> str:
    """Each verdict and number that is not the first edition's, under the reason."""
    reasons: dict[str, list[list[str]]] = {}
    for row in changes.rows():
        then, now = row["then"], row["now"]
        name = f"[{row['id']}](#{row['id']})" if now else row["id"]
        verdicts = f"{badge(then['verdict'])} → {badge(now['verdict']) if now else 'no longer asked'}"
        numbers = [then["recorded"] or "–", now["recorded"] or "–" if now else "–"]
        reasons.setdefault(_sentence(row["reason"]), []).append([name, verdicts, *numbers])
    text = (
        "\n\n".join(
            f"**{why}**\n\n{table(['claim', 'verdict then → now', 'numbers then', 'now'], rows)}"
            for why, rows in reasons.items()
        )
        or "No verdict and no number differs so far."
    )
    if withdrawn.table().exists():
        text += '\n\nThe withdrawn records: <a href="../results/withdrawn.csv">withdrawn.csv</a>.'
    return text


def errata(executed: dict[str, Path]) -> str:
    """Every erratum with an anchor of its own: what is printed, what is right, why, and the test that checks it."""
    parts = []
    for title, found in _by_chapter(claims.errata()).items():
        parts += [f"## {title}", ""]
        for entry in found:
            parts += [
                f"({entry['id']})=",
                f"### {entry['where'][0].upper()}{entry['where'][1:]}",
                "",
                table(["printed", "right"], [[_sentence(entry["printed"]), _sentence(entry["right"])]]),
                "",
                f"*{entry['kind'].capitalize()}; {entry['source']}.* {_sentence(entry['evidence'])} "
                f"Test: `{entry['test']}`.",
                "",
            ]
    return "\n".join(parts)


def pages(executed: dict[str, Path]) -> str:
    """The notebooks of this site: profile, calls of measurements, and the seconds that executing them took."""
    rows = []
    for name, path in executed.items():
        meta = json.loads(path.read_text())["metadata"].get("advbook", {})
        facts = [meta.get(key, "–") for key in ("profile", "measurements", "seconds")]
        rows.append([f"[{name}](../notebooks/{name})", *facts])
    return table(["page", "profile", "calls", "seconds"], rows)


def status(executed: dict[str, Path]) -> str:
    """Records by profile and function: how many, how long they took, on what, how many are older than the code."""
    groups: dict[str, dict[tuple, list[ledger.Record]]] = {}
    for record in ledger.records():
        profile = ledger.profile_of(record)
        if profile != "quick":
            chapter = groups.setdefault(record.path.parents[1].name, {})
            chapter.setdefault((profile, record.name), []).append(record)
    columns = ["measurement", "profile", "records", "time in all", "machine", "last", "code changed since"]
    parts = []
    for chapter, found in groups.items():  # type: ignore[assignment]
        rows = [[f"`{name}`", profile, *_summary(records)] for (profile, name), records in found.items()]
        parts.append(f"**{chapter_titles().get(chapter, chapter)}**\n\n{table(columns, rows)}")  # type: ignore[call-overload]
    return "\n\n".join(parts)


def _summary(records: list[ledger.Record]) -> list:
    origins = [record.provenance for record in records]
    seconds = sum(origin["seconds"] for origin in origins)
    machines = {f"{o['machine']['device']}, {o['machine']['threads']} thread(s)" for o in origins}
    duration = f"{seconds / 60:.1f} min" if seconds >= 60 else f"{seconds:.1f} s"
    changed = sum(ledger.stale(record) is not False for record in records)
    return [len(records), duration, "; ".join(sorted(machines)), max(o["date"] for o in origins)[:10], changed]


def versions(executed: dict[str, Path]) -> str:
    """What the committed records were made with, and what built this site."""
    made: Counter[str] = Counter()
    for record in ledger.records():
        if ledger.profile_of(record) != "quick":
            origin = record.provenance
            libraries = ", ".join(f"{k} {v}" for k, v in origin["versions"].items())
            made[f"{libraries}; {origin['machine']['processor']}"] += 1
    here = ", ".join(f"{k} {v}" for k, v in provenance.versions().items())
    rows = [[f"{n} records", text] for text, n in made.items()]
    return table(["", ""], [*rows, ["this site", f"{here}; {platform.system()} {platform.machine()}"]])


GENERATED: dict[str, Callable[[dict[str, Path]], str]] = {
    "scoreboard_short": scoreboard_short,
    "scoreboard": scoreboard,
    "matrix": matrix,
    "errata": errata,
    "pages": pages,
    "changes": changed,
    "status": status,
    "versions": versions,
    **reference.PAGES,
}
