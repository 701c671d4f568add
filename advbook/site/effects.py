"""Effects for sentences: a difference, a quotient or a number of a claim with its interval, as on its card."""

from __future__ import annotations

import math

from advbook import paths, rules, settings, statistics, units
from advbook.site import verdicts
from advbook.summary import Summary
from advbook.units import Value


def of(claim: dict, expression: str) -> Summary | None:
    """What ``expression``, arithmetic in the values of a judged claim, comes to; None where nothing is recorded.

    A part of the claim's rule is taken as it was judged. Anything else is formed inside each unit, as a rule would form
    it: a quotient on the log, all else as a difference. ``ValueError`` names the claim whose values do not allow it.
    """
    for found in claim["findings"]:
        if found.part.expression == expression:
            mean, low, high = found.ends
            return Summary(expression, found.part.paper, mean, low, high, found.estimate.n)  # type: ignore[attr-defined]
    try:
        wanted = rules.names(expression)
        if unknown := wanted - set(claim["values"]):
            raise ValueError(f"it has no value {', '.join(sorted(unknown))}")
        if not wanted <= set(claim["samples"]):
            return None
        part, found = _part(expression), _estimate(claim, expression)
    except ValueError as error:
        raise ValueError(f"claim {claim['id']}: effect {expression!r}: {error}") from None
    mean, low, high = (part.shown(end) for end in (found.mean, *found.interval()))
    paper = claim["paper"].get(expression)
    return Summary(expression, paper if isinstance(paper, int | float) else None, mean, low, high, found.n)


def text(found: Summary | None, *, scale: float = 1) -> str:
    """'0.373 [0.222, 0.525]' times ``scale``; one run alone and what is not measured say so."""
    if found is None:
        return "(not measured)"
    mean, low, high = (scale * end for end in (found.mean, found.low, found.high))
    scaled = Summary(found.what, None, mean, low, high, found.n)
    alone = " (one run)" if math.isinf(found.low) and math.isinf(found.high) else ""
    title = f"95 % interval, n = {found.n}" if found.low < found.high and not alone else f"n = {found.n}"
    return f'<span class="effect" title="{title}">{scaled.ours()}{alone}</span>'


def _part(expression: str) -> rules.Part:
    try:
        return rules.part({"ratio": expression}) if "/" in expression else rules.part({"effect": expression})
    except ValueError:  # a division inside of a difference
        return rules.part({"effect": expression})


def _estimate(claim: dict, expression: str) -> statistics.Interval:
    """The estimate with its interval."""
    sample = claim["samples"].get(expression)
    if sample is not None and "rule" not in claim:  # an older claim may take several settings as one sample
        return statistics.mean(sample.numbers) if sample.numbers else _without_spread(sample)
    part = _part(expression)
    found = rules.estimate(part, _values(claim, rules.names(expression)), exact=claim.get("exact", False))
    if math.isnan(found.mean):
        raise ValueError("its values share no unit")
    return found


def _without_spread(sample) -> statistics.Estimate:
    return statistics.Estimate(sample.mean, math.sqrt(sample.variance), math.inf, max(sample.n, 1))


def _values(claim: dict, wanted: set[str]) -> dict[str, Value]:
    """The values that are wanted, and those that they are made of, by unit, in the profile that was judged."""
    selections = claim["values"]
    if "rule" in claim:
        page = (paths.root() / "notebooks" / claim["page"]).with_suffix(".py")
        own = settings.of_page(page).get(claim["profile"], {})
        selections = settings.resolved(selections, own, f"page {claim['page']}")
    for name, selection in reversed(selections.items()):  # an expression uses values above it
        if name in wanted and isinstance(selection, str):
            wanted = wanted | rules.names(selection)
    found: dict[str, Value] = {}
    for name, selection in selections.items():
        if name in wanted and isinstance(selection, str):
            found[name] = rules.derived(selection, found)
        elif name in wanted:
            records = verdicts.records(claim["profile"], claim["chapter"], selection["from"])
            found[name] = units.value(name, selection, records)
    return found
