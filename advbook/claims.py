"""Claims and their verdicts: rules are written in YAML before a run and evaluated on the ledger's records.

A rule is a list of parts (:mod:`advbook.rules`), or, as all once were, a comparison in a tiny language
(:mod:`advbook.expressions`).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

from advbook import claim_file, expressions, judgement, ledger, paths, rules, settings, units, withdrawn
from advbook.expressions import Sample
from advbook.selection import select
from advutils.core import files

SCOPES = ("paper", "identity", "ours")  # what a claim is: the paper's, algebra or arithmetic in it, a question of ours
VERDICTS = (
    "reproduced",
    "reproduced in trend",
    "not reproduced",
    "inconclusive",
    "yes",
    "partly",
    "no",
    "open",
    "does not arise",
    "records damaged",
    "withdrawn",
    "not attempted",
)
UNDECIDED = ("inconclusive", "open")
RULES = ("premise", "reproduced", "trend")  # what a claim may have of them; the first says when the others apply
JUDGED = ("paper", "standard")  # profiles whose records count, best first


def verdict_of(
    claim: dict,
    records: list[ledger.Record],
    damaged: Sequence[ledger.DamagedRecord] = (),
    taken_back: Sequence[withdrawn.Withdrawal] = (),
    own: dict | None = None,
) -> dict:
    """Judge one claim on one set of records: adds ``verdict``, ``recorded`` (text), ``samples``, ``n`` and ``why``.

    ``damaged`` are the records that cannot be read. Their parameters are not known, only their function, from the
    folder: a claim that takes anything from one of these functions is not judged. ``taken_back`` are the withdrawn
    ones: a claim that lacks values of a function of which there are some is withdrawn.

    A value of the claim is a selection (see :func:`select`), or an expression in the values above it. ``premise``, a
    rule that need not be there, says when the claim says anything at all: unless it holds the verdict is inconclusive.
    ``units`` is how many numbers were planned for each value (default 1): with fewer it is not attempted yet. ``own``
    are the settings that a claim with a ``rule`` may name (:mod:`advbook.settings`); such a claim gets what its
    parts found too (:mod:`advbook.judgement`).
    ``ValueError`` names a claim whose values or rules do not fit the records or the language.
    """
    try:
        if "rule" in claim:
            page = f"page {claim.get('page') or '(none)'}"
            named = {key: claim[key] for key in ("values", "units") if key in claim}
            judged = _judged({**claim, **settings.resolved(named, own or {}, page)}, records, taken_back) | named
        else:
            judged = _judged(claim, records, taken_back)
        torn = _torn(claim, damaged)
        nothing = {"samples": {}, "recorded": "", "n": 0, "verdict": "records damaged", "why": torn, "findings": []}
        return {**judged, **nothing} if torn else judged
    except ValueError as error:
        raise ValueError(f"claim {claim['id']}: {error}") from None


def _torn(claim: dict, damaged: Sequence[ledger.DamagedRecord]) -> str:
    """Which damaged records a claim might rest on."""
    functions = {selection["from"] for selection in claim["values"].values() if isinstance(selection, dict)}
    return ", ".join(f"{e.path.parent.name}/{e.path.name}" for e in damaged if e.path.parent.name in functions)


def _judged(claim: dict, records: list[ledger.Record], taken_back: Sequence[withdrawn.Withdrawal]) -> dict:
    samples, missing, found = {}, set[str](), {}
    for name, selection in claim["values"].items():
        if "rule" in claim:
            if not isinstance(selection, str):
                found[name] = units.value(name, selection, records)
            elif not rules.names(selection) & missing:
                found[name] = rules.derived(selection, found)
            numbers = list(found[name].numbers.values()) if name in found else []
            if len(numbers) >= max(1, claim.get("units", 1)):
                samples[name] = Sample.of(numbers, exact=claim.get("exact", False))
            else:
                missing.add(name)
        elif isinstance(selection, str):
            if expressions.names(selection) & missing:
                missing.add(name)
            else:
                samples[name] = expressions.value(selection, samples)
        elif len(numbers := select(selection, records)) >= claim.get("units", 1):
            samples[name] = Sample.of(numbers, exact=claim.get("exact", False))
        else:
            missing.add(name)
    names = (
        rules.used(claim)
        if "rule" in claim
        else set().union(*(expressions.names(claim[kind]) for kind in RULES if kind in claim))
    )
    used = [name for name in claim["values"] if name in names and name in samples]
    result = {"scope": "paper", **claim, "samples": samples, "findings": []}
    result["n"] = min((samples[name].n for name in used), default=0)
    result["recorded"] = "; ".join(f"{name} {show(samples[name])}" for name in used)
    if reasons := _reasons(claim, names, missing, taken_back):
        return {**result, "verdict": "withdrawn", "why": "; ".join(reasons)}
    if names & missing:
        return {
            **result,
            "verdict": "not attempted",
            "why": claim.get("why") or f"no record yet for {', '.join(sorted(names & missing))}",
        }
    if "rule" in claim:
        return {**result, **judgement.of(claim, found)}
    if "premise" in claim and not (holds := expressions.evaluate_rule(claim["premise"], samples)):
        state = "does not hold" if holds is False else f"is not decided by so few records (n = {result['n']})"
        return {**result, "verdict": "inconclusive", "why": f"the premise, {claim['premise']}, {state}"}
    outcomes = [
        expressions.evaluate_rule(claim[kind], samples) if kind in claim else False for kind in ("reproduced", "trend")
    ]
    undecided = "the interval over seeds does not decide the full rule" if outcomes == [None, True] else ""
    return {**result, "verdict": _word(*outcomes), "why": undecided}


def _reasons(claim: dict, names: set[str], missing: set[str], taken_back: Sequence[withdrawn.Withdrawal]) -> list[str]:
    """Why the records are withdrawn that values which the rules need, and do not have, would be taken from.

    Withdrawn records of a function count, whatever their parameters: its settings may have been chosen anew.
    """
    needed = set(names)
    for name, selection in reversed(claim["values"].items()):  # an expression uses values above it
        if name in needed and isinstance(selection, str):
            needed |= expressions.names(selection)
    wanted = {claim["values"][name]["from"] for name in needed & missing if isinstance(claim["values"][name], dict)}
    return sorted({row.reason for row in taken_back if row.name in wanted})


def _word(reproduced: bool | None, trend: bool | None) -> str:
    if reproduced:
        return "reproduced"
    if trend:
        return "reproduced in trend"
    return "inconclusive" if reproduced is None or trend is None else "not reproduced"


def diverged(numbers: Sequence[float]) -> bool:
    """Whether these (three or more, all positive) fall into two heaps, one over 10 and over ten times the other.

    So it is with errors in % where some networks have learnt and others nothing: no mean describes them, and the
    numbers themselves are shown.
    """
    heaps = any(max(10 * low, 10) < high for low, high in itertools.pairwise(sorted(numbers)))
    return len(numbers) > 2 and min(numbers) > 0 and heaps


def show(sample: Sample) -> str:
    """'1.02 ± 0.05 (n = 3)': mean, standard deviation over seeds, number of seeds; '1.94, 5.15, 88.7 (n = 3)' where a
    mean describes none (:func:`diverged`)."""
    if diverged(sample.numbers):
        return f"{', '.join(f'{number:.3g}' for number in sorted(sample.numbers))} (n = {sample.n})"
    if sample.n == 0 or sample.variance == 0:
        return f"{sample.mean:.4g}" + (f" (n = {sample.n})" if sample.n > 1 else "")
    return f"{sample.mean:.4g} (n = 1)" if sample.n == 1 else f"{sample.mean:.3g} ± {sample.sd:.2g} (n = {sample.n})"


def load(kind: str, chapter: str) -> list[dict]:
    """The entries of a chapter's ``claims.yml`` or ``errata.yml`` (``kind``), each with its ``chapter``."""
    path = paths.root() / "notebooks" / chapter / f"{kind}.yml"
    if not path.exists():
        return []
    entries = claim_file.read(path) if kind == "claims" else claim_file.read_errata(path)
    return [{**entry, "chapter": chapter} for entry in entries]


_JUDGED: dict[tuple, list[dict]] = {}  # verdicts, under what the files looked like that they follow from


def evaluate() -> list[dict]:
    """Every claim of every chapter with its verdict, from the best profile that attempted it, and its ``page``.

    A claim that no page of the contents names is not attempted, whatever is recorded: records grow seed by seed before
    the page that says how to read them. Verdicts are kept as long as no file changes that they follow from.
    """
    sources = paths.notebooks()
    evidence = [path for profile in JUDGED for path in (paths.results() / profile).glob("*/*/*.*")]
    rules = [paths.root() / "notebooks" / chapter / "claims.yml" for chapter in paths.chapters()]
    looks = tuple((path, files.look(path)) for path in [*sources, *rules, *sorted(evidence), withdrawn.table()])
    if looks not in _JUDGED:
        judged = [claim for chapter in paths.chapters() for claim in _evaluate(chapter, sources)]
        if not files.settled(look for _, look in looks):
            return judged
        _JUDGED.clear()
        _JUDGED[looks] = judged
    return [dict(claim) for claim in _JUDGED[looks]]


def _evaluate(chapter: str, sources: list[Path]) -> Iterator[dict]:
    told = {f"{path.parent.name}/{path.stem}": path.read_text() for path in sources}
    places = {f"{path.parent.name}/{path.stem}": path for path in sources}
    evidence = {profile: (*ledger.survey(profile, chapter), withdrawn.standing(profile, chapter)) for profile in JUDGED}
    for claim in load("claims", chapter):
        claim["page"] = next((page for page, text in told.items() if f'"{claim["id"]}"' in text), None)
        if claim["page"] is None:
            nothing = {"samples": {}, "findings": [], "recorded": "", "n": 0, "scales": {}, "scope": "paper"}
            yield {
                **nothing,
                **claim,
                "verdict": "not attempted",
                "why": "its page is not in the contents yet",
                "profile": JUDGED[-1],
            }
            continue
        asked = settings.of_page(places[claim["page"]]) if "rule" in claim else {}
        try:
            attempts = [
                {**verdict_of(claim, *evidence[profile], own=asked.get(profile)), "profile": profile}
                for profile in JUDGED
            ]
        except ValueError as error:
            raise ValueError(f"{chapter}/claims.yml: {error}") from None
        best = next((a for a in attempts if a["verdict"] not in ("withdrawn", "not attempted")), None) or next(
            (a for a in attempts if a["verdict"] == "withdrawn"), attempts[-1]
        )
        yield {**best, "scales": {a["profile"]: a["verdict"] for a in attempts if a["samples"]}}


def errata() -> list[dict]:
    """Every entry of every chapter's errata."""
    return [entry for chapter in paths.chapters() for entry in load("errata", chapter)]
