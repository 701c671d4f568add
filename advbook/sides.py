"""Two editions of the code side by side: the files of a commit, and what they say in a process of their own."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from advbook import codehash, migration, paths, restamp_side
from advutils import datasets

CUT = {"train": 120, "test": 40, "nips2017": 8}  # images of a split, or of all of a data set
TODAY = Path(codehash.__file__)  # the definition of the code hash


def definition(tree: Path) -> Path:
    """The file that defines the code hash in ``tree``, or today's if that has none."""
    own = ("advbook/codehash/__init__.py", "advbook/codehash.py", "advutils/codehash.py")
    return next((tree / place for place in own if (tree / place).exists()), TODAY)


def job(function: str, parameters: dict) -> dict:
    """A call of a function, under any of the names that it has had."""
    return {"names": migration.names(function), "parameters": parameters}


def git(*words: str) -> str:
    """What git says; ``ValueError`` with its complaint."""
    done = subprocess.run(["git", *words], cwd=paths.root(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise ValueError(f"git {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout.strip()


@contextmanager
def checkout(commit: str) -> Iterator[Path]:
    """The files of a commit, without its records, in a folder that goes away; ``ValueError`` if there is none."""
    commit = git("rev-parse", "--verify", f"{commit}^{{commit}}")
    paths.build().mkdir(exist_ok=True)
    packed = subprocess.run(["git", "archive", commit], cwd=paths.root(), capture_output=True, check=True).stdout
    with tempfile.TemporaryDirectory(prefix="restamp-", dir=paths.build()) as folder:
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(
                folder, [entry for entry in archive if not entry.name.startswith("results/")], filter="data"
            )
        yield Path(folder)


def results(tree: Path, jobs: list[dict], *, limit: int, unless: tuple[str, ...]) -> list[dict | None]:
    """What each job returns, at most ``limit`` seconds each (:mod:`advbook.restamp`); None where the side ended."""
    lines, _ = _side(tree, {"jobs": jobs, "only_hashes": False, "limit": limit, "cut": CUT, "unless": unless})
    return lines + [None] * (len(jobs) - len(lines))


def hashes(tree: Path, jobs: list[dict], by: Path) -> list[str | None]:
    """The code hash of each job's function in ``tree``, by the definition in the file ``by``; None if it is gone."""
    lines, log = _side(tree, {"jobs": jobs, "only_hashes": True, "codehash": str(by)})
    if len(lines) < len(jobs):
        raise RuntimeError(f"the code in {tree} cannot be hashed: {log[-500:]}")
    return lines


def _side(tree: Path, task: dict) -> tuple[list, str]:
    """What the code in ``tree`` says of a task, and its log: in a process, with a cache of networks, of its own."""
    with tempfile.TemporaryDirectory(prefix="advutils-side-") as name:
        folder = Path(name)
        for place in datasets.where().iterdir() if datasets.where().is_dir() else ():
            if place.name not in ("checkpoints", "networks"):
                (folder / "data").mkdir(exist_ok=True)
                (folder / "data" / place.name).symlink_to(place.resolve())
        (folder / "task").write_text(json.dumps(task | {"tree": str(tree)}))
        found_in = [str(tree), *filter(None, [os.environ.get("PYTHONPATH")])]
        given = {
            "PYTHONPATH": os.pathsep.join(found_in),
            "OMP_NUM_THREADS": "1",
            "PYTHONHASHSEED": "0",
            "ADVUTILS_DATA": str(folder / "data"),
            "ADVUTILS_CACHE": str(folder / "cache"),
        }
        with open(folder / "log", "w") as log:
            subprocess.run(
                [sys.executable, "-P", restamp_side.__file__, str(folder / "task"), str(folder / "out")],
                cwd=tree,
                env=os.environ | given,
                stdout=log,
                stderr=log,
                check=False,
            )
        lines = (folder / "out").read_text().splitlines() if (folder / "out").exists() else []
        return [json.loads(line) for line in lines], (folder / "log").read_text()
