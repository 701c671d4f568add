"""Write results/verdicts-first-edition.csv: of each claim the first edition's verdict, that of the expression that was
its rule before parts replaced it (on today's records), today's, by what means it came to differ, and what the first
edition's own rule says with today's statistics.

    python tools/verdicts.py
"""

from __future__ import annotations

import csv
import functools
import io
import math
import subprocess

import yaml
from translate import parts

from advbook import changes, claims, ledger, outcomes, paths, rules, settings, withdrawn
from advbook.expressions import Sample, value
from advbook.outcomes import FAILS
from advbook.statistics import Estimate
from advutils.core import files

FIRST, BEFORE = "f9b4068", "49162c4"  # the first edition; the last commit whose rules were all expressions
SAME = dict(zip(outcomes.WORDS["ours"].values(), outcomes.WORDS["paper"].values(), strict=True))
COLUMNS = ["id", "first edition", "expression", "today", "means", "first rule, today's statistics"]


@functools.cache
def expressions(commit: str, chapter: str) -> dict[str, dict]:
    """The claims of a chapter as they were."""
    text = subprocess.run(
        ["git", "show", f"{commit}:notebooks/{chapter}/claims.yml"],
        cwd=paths.root(),
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return {entry["id"]: entry for entry in yaml.load(text, loader)}


@functools.cache
def evidence(profile: str, chapter: str) -> tuple:
    return (*ledger.survey(profile, chapter), withdrawn.standing(profile, chapter))


def unpaired(part: rules.Part, samples: dict[str, Sample]) -> Estimate:
    """The estimate of a part as if its values shared nothing: variances are added, degrees of freedom the fewest."""
    names = {name: samples[name] for name in rules.names(part.expression)}
    found = value(part.expression, names)
    spread, mean = math.sqrt(found.variance), found.mean
    if isinstance(part, rules.Ratio):
        spread, mean = spread / mean, math.log(mean)
    return Estimate(mean, spread, math.inf if not spread else max(found.n - 1, 1), max(found.n, 2))


def means(claim: dict, before: str, same_rule: str) -> str:
    """By what today's verdict is not the expression's, which says ``same_rule`` with today's statistics."""
    verdict = SAME.get(claim["verdict"], claim["verdict"])
    if verdict == before:
        return "words" if verdict != claim["verdict"] else ""
    if verdict == "does not arise":
        return "a false premise is called so"
    if not claim["findings"]:
        return "units"
    ways = rules.ways(claim)
    apart = rules.either(ways, [[unpaired(part, claim["samples"]) for part in way] for way in ways])
    if outcomes.WORDS["paper"][apart.state] != verdict:
        return "pairs"
    if any(each.outcome.state == FAILS and each.outcome.note.startswith("smaller") for each in claim["findings"]):
        return "the paper's effect is excluded"
    if same_rule and SAME.get(same_rule, same_rule) != verdict:
        return "rule"
    return "ratios on the log" if any(isinstance(part, rules.Ratio) for way in ways for part in way) else "intervals"


def earlier(first: dict | None, entry: dict | None, verdict: str, then: str) -> str:
    """By what the expression's verdict on today's records is another one than the first edition's."""
    if first is None or entry is None or verdict == then:
        return ""
    same = all(first.get(kind) == entry.get(kind) for kind in claims.RULES)
    return "units" if same and verdict == "not attempted" else "records" if same else "rule"


def with_todays_statistics(first: dict | None, claim: dict) -> str:
    """The verdict of an expression, put in parts, on today's values; empty where it cannot be asked."""
    if first is None or claim["page"] is None:
        return ""
    keep = {key: claim[key] for key in ("id", "values", "units", "exact", "scope", "page") if key in claim}
    page = next(path for path in paths.notebooks() if f"{path.parent.name}/{path.stem}" == claim["page"])
    own = settings.of_page(page).get(claim["profile"])
    try:
        asked = keep | parts(first)
        if not rules.used(asked) <= set(claim["values"]):
            return ""
        return claims.verdict_of(asked, *evidence(claim["profile"], claim["chapter"]), own=own)["verdict"]
    except ValueError:
        return ""


def rows() -> list[list[str]]:
    first, found = changes.first_edition(), []
    for claim in claims.evaluate():
        name, chapter = claim["id"], claim["chapter"]
        entry, then = (expressions(commit, chapter).get(name) for commit in (BEFORE, FIRST))
        verdict = first.get(name, {}).get("verdict", "")
        before = claim["verdict"]
        if entry is not None and claim["page"] is not None:
            before = claims.verdict_of(entry, *evidence(claim["profile"], chapter))["verdict"]
        told = [earlier(then, entry, before, verdict)]
        if entry and "rule" in claim:
            told.append(means(claim, before, with_todays_statistics(entry, claim)))
        said = with_todays_statistics(then, claim)
        found.append([name, verdict, before, claim["verdict"], ", ".join(dict.fromkeys(filter(None, told))), said])
    return found


def main() -> None:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows([COLUMNS, *rows()])
    files.write_atomic(paths.root() / "results" / "verdicts-first-edition.csv", buffer.getvalue().encode())


if __name__ == "__main__":
    main()
