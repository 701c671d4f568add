"""Write results/verdicts-first-edition.csv: of each claim whose rule is in parts, the first edition's verdict, that of
the expression that the parts replaced (on today's records), today's, and by what means the last two differ.

    python tools/verdicts.py
"""

from __future__ import annotations

import csv
import io
import math
import subprocess

import yaml

from advbook import changes, claims, ledger, outcomes, paths, rules, withdrawn
from advbook.claims import Sample
from advbook.outcomes import FAILS
from advbook.statistics import Estimate
from advutils.core import files

BEFORE = "49162c4"  # the last commit whose rules were all expressions
SAME = dict(zip(outcomes.WORDS["ours"].values(), outcomes.WORDS["paper"].values(), strict=True))


def expressions(chapter: str) -> dict[str, dict]:
    """The claims of a chapter as they were."""
    text = subprocess.run(
        ["git", "show", f"{BEFORE}:notebooks/{chapter}/claims.yml"],
        cwd=paths.root(),
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return {entry["id"]: entry for entry in yaml.safe_load(text)}


def unpaired(part: rules.Part, samples: dict[str, Sample]) -> Estimate:
    """The estimate of a part as if its values shared nothing: variances are added, degrees of freedom the fewest."""
    names = {name: samples[name] for name in rules.names(part.expression)}
    found = claims._as_sample(claims._node(claims.ast.parse(part.expression, mode="eval").body, names, part.expression))
    spread, mean = math.sqrt(found.variance), found.mean
    if isinstance(part, rules.Ratio):
        spread, mean = spread / mean, math.log(mean)
    return Estimate(mean, spread, math.inf if not spread else max(found.n - 1, 1), max(found.n, 2))


def means(claim: dict, before: str) -> str:
    """By what today's verdict is another one than the expression's."""
    verdict = SAME.get(claim["verdict"], claim["verdict"])
    if verdict == before:
        return "words" if verdict != claim["verdict"] else ""
    if verdict == "does not arise":
        return "a false premise is called so"
    parts = [each.part for each in claim["findings"]]
    apart = rules.together(parts, [unpaired(part, claim["samples"]) for part in parts])
    if outcomes.WORDS["paper"][apart.state] != verdict:
        return "pairs"
    if any(each.outcome.state == FAILS and each.outcome.note.startswith("smaller") for each in claim["findings"]):
        return "the paper's effect is excluded"
    return "ratios on the log" if any(isinstance(part, rules.Ratio) for part in parts) else "intervals and outcomes"


def main() -> None:
    first, rows = changes.first_edition(), []
    old = {chapter: expressions(chapter) for chapter in paths.chapters()}
    for claim in claims.evaluate():
        entry = old[claim["chapter"]].get(claim["id"])
        if "rule" not in claim or entry is None:
            continue
        records = ledger.survey(claim["profile"], claim["chapter"])
        before = claims.verdict_of(entry, *records, withdrawn.standing(claim["profile"], claim["chapter"]))["verdict"]
        rows.append(
            [claim["id"], first.get(claim["id"], {}).get("verdict", ""), before, claim["verdict"], means(claim, before)]
        )
    lines = [["id", "first edition", "expression", "today", "means"], *rows]
    target = paths.root() / "results" / "verdicts-first-edition.csv"
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(lines)
    files.write_atomic(target, buffer.getvalue().encode())


if __name__ == "__main__":
    main()
