"""Rules that were written, or changed, when some of their own results were known: their badges carry a mark."""

from __future__ import annotations

import re

WORDS = "Some results were known when this rule was written or last changed; the card says which."
MARK = f'<span class="hindsight" role="img" title="{WORDS}" aria-label="{WORDS}">°</span>'
# what nearly all rules share (the scoreboard says it once): their statistics were changed, and no tolerance
SHARED = re.compile(r"statistics of the verdict were changed \(")
KNOWN = re.compile(
    r"(?i)\ball (?:its |the )?results\b|\ball (?:was|but)\b|^all\b|\beverything\b|\b(?:were|was|results|all) known\b"
    r"|\b(?:was|were) recorded\b|\brecorded networks\b|\bafter the records\b|\bhad been judged\b"
    r"|\bseeds? [0-4]\b|\bhad shown (?:it|\d)|^(?:of|on|until then|one measurement|c&w|that|the (?!rule|budgets))\b"
)


def known(claim: dict) -> bool:
    """Whether what a claim says in ``known`` names results, beside the change of statistics that nearly all share.

    It reads words, so it leans to yes: a mark too many sends a reader to the card, one too few would hide something.
    """
    text = " ".join((claim.get("known") or "").split())
    told = [part for part in re.split(r"(?<=\.)\s+(?=[A-Z])", text) if not SHARED.search(part)]
    return any(KNOWN.search(part) for part in told)


def mark(claim: dict) -> str:
    """The mark behind a claim's badge, in HTML; empty where the rule is older than its results."""
    return MARK if known(claim) else ""
