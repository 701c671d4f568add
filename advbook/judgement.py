"""A claim with a rule in parts, judged on its values: what each part found, and the verdict."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

from advbook import outcomes, rules
from advbook.outcomes import FAILS, HOLDS, OPEN, TREND
from advbook.statistics import LEVEL, Interval
from advbook.units import Value


@dataclass(frozen=True)
class Finding:
    """One part of a rule: its estimate, what it decides by itself, how many units only one side had, and which of the
    rule's ways it belongs to."""

    part: rules.Part
    estimate: Interval
    outcome: outcomes.Outcome
    left_out: int
    way: int = 0

    @property
    def ends(self) -> tuple[float, ...]:
        """Estimate and 95 % interval (mean, low, high) in the units in which the part is read."""
        return tuple(self.part.shown(end) for end in (self.estimate.mean, *self.estimate.interval()))


def rows(claim: dict) -> list[dict]:
    """What each part of a judged claim found, for JSON: ``expression``, the 95 % interval ``low`` to ``high`` (null:
    infinite) around ``mean``, ``n``, the ``paper``'s number if there is one, ``state`` and ``note``."""
    found = []
    for each in claim["findings"]:
        mean, low, high = (end if math.isfinite(end) else None for end in each.ends)
        found.append(
            {
                "expression": each.part.expression,
                "mean": mean,
                "low": low,
                "high": high,
                "n": each.estimate.n,
                "paper": each.part.paper,
                "state": each.outcome.state,
                "note": each.outcome.note,
            }
        )
    return found


def estimates(findings: list[Finding]) -> str:
    """What each part of a rule found, in Markdown: estimate, 95 % interval, units."""
    found = []
    for each in findings:
        mean, low, high = each.ends
        interval = f" [{low:.3g}, {high:.3g}]" if low < high else ""
        lacking = f", {each.left_out} left out" if each.left_out else ""
        found.append(f"`{each.part.expression}` {mean:.3g}{interval} (n = {each.estimate.n}{lacking})")
    return "; ".join(found)


def of(claim: dict, values: dict[str, Value]) -> dict:
    """``verdict``, ``why``, ``findings`` and ``premises`` (of :class:`Finding`), ``seconds`` that a unit took."""
    level, exact = claim.get("level", LEVEL), claim.get("exact", False)
    premises = _findings([rules.part(entry) for entry in claim.get("premise", ())], values, level, exact)
    findings = [
        each for way, parts in enumerate(rules.ways(claim)) for each in _findings(parts, values, level, exact, way)
    ]
    words = outcomes.WORDS["ours" if claim.get("scope") == "ours" else "paper"]
    used = set().union(*(rules.names(each.part.expression) for each in (*premises, *findings)))
    result = {"premises": premises, "findings": findings, "seconds": _seconds(used, values)}
    premise, outcome = decided(premises, level), decided(findings, level)
    if premise.state == FAILS:
        return {**result, "verdict": "does not arise", "why": f"a premise does not hold: {_told(premises, FAILS)}"}
    if premise.state != HOLDS:
        return {**result, "verdict": words[OPEN], "why": f"a premise is not decided: {_told(premises, OPEN)}"}
    why = {
        HOLDS: "",
        TREND: outcome.note,
        FAILS: _told(findings, FAILS) or outcome.note,
        OPEN: f"not decided: {_told(findings, OPEN) or 'at the share of the level that each of several ways has'}",
    }[outcome.state]
    return {**result, "verdict": words[outcome.state], "why": why}


def _findings(
    parts: list[rules.Part], values: dict[str, Value], level: float, exact: bool, way: int = 0
) -> list[Finding]:
    found = []
    for part in parts:
        estimate = rules.estimate(part, values, exact=exact)
        found.append(Finding(part, estimate, part.outcome(estimate, 1, level), rules.left_out(part, values), way))
    return found


def decided(findings: list[Finding], level: float, further: int = 0) -> outcomes.Outcome:
    """What the findings decide together; with so many ``further`` units, at today's means and spreads."""
    ways = [list(found) for _, found in itertools.groupby(findings, lambda each: each.way)] or [[]]
    later = [[each.estimate.at(each.estimate.n + further) for each in way] for way in ways]
    return rules.either([[each.part for each in way] for way in ways], later, level)


def _told(findings: list[Finding], state: str) -> str:
    return ", ".join(
        f"{each.part.expression}" + (f" ({each.outcome.note})" if each.outcome.note else "")
        for each in findings
        if each.outcome.state == state
    )


def _seconds(used: set[str], values: dict[str, Value]) -> float:
    """Processor seconds behind one unit: those of its records, each counted once, their trainings among them."""
    records = {record.path: record for name in used for record in values[name].records.values()}
    per_unit = max((len(values[name].numbers) for name in used), default=1)
    return (
        sum(
            max(record.provenance["seconds"], record.values.get("training_seconds") or 0.0)
            * record.provenance["machine"]["threads"]
            for record in records.values()
        )
        / per_unit
    )
