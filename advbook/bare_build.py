"""A Sphinx extension that stops ``jupyter-book build .``: it would show notebooks that nobody executed."""

from __future__ import annotations

from pathlib import Path

from advbook import paths


def setup(app) -> dict:
    """Let only a stage that ``advbook site`` has laid out be built."""
    if Path(app.srcdir).resolve() == paths.root().resolve():
        raise SystemExit(
            "jupyter-book: these are the sources, without results. Run `make site` (the published edition) "
            "or `make book` (runs the notebooks first); the site is then _build/site/index.html"
        )
    return {"parallel_read_safe": True, "parallel_write_safe": True}
