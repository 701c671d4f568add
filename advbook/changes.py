"""What differs from the first edition: each verdict and number that changed, with the reason."""

from __future__ import annotations

import csv

import yaml

from advbook import claims, paths, withdrawn


def first_edition() -> dict[str, dict]:
    """Claim -> its ``verdict`` and ``recorded`` numbers at commit f9b4068, as `advbook claims --json` had them."""
    with open(paths.root() / "results" / "first-edition.csv", newline="") as stream:
        return {row["id"]: row for row in csv.DictReader(stream)}


def rows() -> list[dict]:
    """Claims whose verdict or numbers changed or that are gone: ``id``, ``then`` and ``now`` (None: gone), ``reason``.

    A reason stands in ``book/changes.yml`` under the claim's id, or under the chapter and function of a measurement
    that it takes numbers from; or it is that of the withdrawal of such records. It is empty where there is none.
    """
    told = yaml.safe_load((paths.root() / "book" / "changes.yml").read_text()) or {}
    told = {(row.chapter, row.function): row.reason for row in withdrawn.load()} | {
        tuple(name.split("/")) if "/" in name else name: text for name, text in told.items()
    }
    now = {claim["id"]: claim for claim in claims.evaluate()}
    found = []
    for name, then in first_edition().items():
        claim = now.get(name)
        if claim is None or (claim["verdict"], claim["recorded"]) != (then["verdict"], then["recorded"]):
            found.append({"id": name, "then": then, "now": claim, "reason": _reason(name, claim, told)})
    return found


def _reason(name: str, claim: dict | None, told: dict) -> str:
    if name in told:
        return told[name]
    selections = claim["values"].values() if claim else ()
    sources = [(claim["chapter"], selection["from"]) for selection in selections if isinstance(selection, dict)]  # type: ignore[index]
    return " ".join(dict.fromkeys(told[source] for source in sources if source in told))


def open_then() -> list[dict]:
    """The claims that were inconclusive in the first edition: rows of ``results/verdicts-first-edition.csv``, which
    ``tools/verdicts.py`` writes."""
    with open(paths.root() / "results" / "verdicts-first-edition.csv", newline="") as stream:
        return [row for row in csv.DictReader(stream) if row["first edition"] == "inconclusive"]
