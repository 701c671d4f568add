"""What lies beside the playground's page: the records that it links to, which no notebook shows."""

from __future__ import annotations

import re

from advbook import paths


def records() -> dict[str, bytes]:
    """Place in the site -> content of each record that contents.js names; empty where the book has no playground.

    Raises ``FileNotFoundError`` for a record that is not there.
    """
    contents = paths.root() / "book" / "_static" / "playground" / "contents.js"
    if not contents.exists():
        return {}
    places = sorted(set(re.findall(r'"results/([^"]+\.json)"', contents.read_text())))
    return {f"results/{place}": (paths.results() / place).read_bytes() for place in places}
