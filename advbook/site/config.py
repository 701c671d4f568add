"""What ``_config.yml``, ``CITATION.cff`` and git say about the book and this edition of it."""

from __future__ import annotations

import subprocess
from functools import cache
from importlib.metadata import version

import yaml

from advbook import paths, provenance


@cache
def _read(name: str) -> dict:
    return yaml.safe_load((paths.root() / name).read_text())


def title() -> str:
    return _read("_config.yml")["title"]


def repository() -> str:
    """The address of the repository."""
    return _read("_config.yml").get("repository", {}).get("url", "")


def citation() -> dict:
    return _read("CITATION.cff")


@cache
def date() -> str:
    """The day of the commit, else today, as 2026-11-28."""
    asked = ["git", "-C", str(paths.root()), "show", "-s", "--format=%cs", "HEAD"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    return done.stdout.strip() or provenance.now()[:10]


def edition() -> str:
    """'version 0.1.0, commit 1a2b3c4d, 2026-11-28'."""
    commit = provenance.commit()["commit"]
    return ", ".join(filter(None, [f"version {version('advutils')}", commit and f"commit {commit[:8]}", date()]))
