"""Pictures of verdicts: every claim's effect beside the paper's, and how many verdicts of each kind each paper has.

SVG that stands in a page: its text takes the page's colour, its marks the colours of ``book.css``, which are legible on
light and on dark ground; each row links to its card. Needs neither Sphinx nor matplotlib.
"""

from __future__ import annotations

import html
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from advbook.judgement import Finding
from advbook.outcomes import FAILS, HOLDS, OPEN, TREND
from advbook.rules import Equal, Number, Ratio

# verdict -> class of book.css, and the mark, so that nobody needs the colour
MARKS = {
    "reproduced": ("reproduced", "disc"),
    "yes": ("reproduced", "disc"),
    "reproduced in trend": ("trend", "diamond"),
    "partly": ("trend", "diamond"),
    "not reproduced": ("not", "cross"),
    "no": ("not", "cross"),
    "inconclusive": ("inconclusive", "ring"),
    "open": ("inconclusive", "ring"),
    "does not arise": ("not-attempted", "ring"),
}
LEFT, RIGHT, WIDTH, LINE = 230, 30, 700, 20  # pixels: labels, margin, all, a row
PAPER_RANGE, OWN_RANGE = (-0.5, 2.5), (-1.0, 1.0)


@dataclass(frozen=True)
class Row:
    """An effect on the picture's axis: ours with its interval; the paper's stands at 1, no effect at 0."""

    id: str
    verdict: str
    mean: float
    low: float
    high: float


def rows(claims: Sequence[dict]) -> tuple[list[Row], list[Row]]:
    """The main effect of each judged claim: in units of the paper's, where it has one, and the others.

    The main effect is a difference or ratio to which the paper gives a number, else such a value, else any part; of
    several the one that made the verdict, else the first. Differences are divided by the paper's, ratios compared on
    the log, values divided by the paper's. The others are in units of the tolerance of an equality, or else in half
    widths of their own interval, so that only the sign can be read, and v stands at v / (1 + |v|), so that all of them
    can be seen.
    """
    beside: list[Row] = []
    alone: list[Row] = []
    for claim in claims:
        if claim["verdict"] not in MARKS or not claim["findings"]:
            continue
        found = main(claim["findings"])
        if math.isnan(found.estimate.mean):  # the sides share no unit, and there is no effect to draw
            continue
        unit = _unit(found)
        ends = [found.estimate.mean, *found.estimate.interval()]
        if unit is None:
            half = (ends[2] - ends[1]) / 2
            scale = found.part.within if isinstance(found.part, Equal) else half if 0 < half < math.inf else None
            if scale is None:  # no spread, or not known: its sign alone
                sign = math.copysign(3.0, ends[0]) if ends[0] else 0.0
                ends, scale = ([sign] * 3 if half == 0 else [sign, -math.inf, math.inf]), 1.0
            if isinstance(found.part, Number):
                ends = [end - found.part.near for end in ends]
        ends = [end / unit for end in ends] if unit else [_squeezed(end / scale) for end in ends]  # type: ignore[operator]
        (beside if unit else alone).append(Row(claim["id"], claim["verdict"], *ends))
    return beside, alone


def main(findings: list[Finding]) -> Finding:
    worst = [FAILS, OPEN, TREND, HOLDS]
    kinds = [lambda each: not isinstance(each.part, Number) and _unit(each), _unit, lambda each: True]
    some = next(found for kind in kinds if (found := [each for each in findings if kind(each)]))
    return min(some, key=lambda each: worst.index(each.outcome.state))


def _squeezed(number: float) -> float:
    return math.copysign(1.0, number) if math.isinf(number) else number / (1 + abs(number))


def _unit(found: Finding) -> float | None:
    """The paper's effect on the scale of the estimate; None if it gives none, or none to divide by."""
    if isinstance(found.part, Equal) or found.part.paper is None:  # type: ignore[attr-defined]
        return None
    paper = math.log(found.part.paper) if isinstance(found.part, Ratio) else found.part.paper  # type: ignore[attr-defined]
    return paper if paper > 0 else None


def forest(claims: Sequence[dict], title: str, page: str = "") -> str:
    """The forest plot of these judged claims as an HTML figure; empty if there is nothing to draw.

    Each row leads to the claim on ``page``, an address; without one on this page.
    """
    beside, alone = rows(claims)
    parts = []
    for found, span, words, ticks in (
        (beside, PAPER_RANGE, ("no effect", "the paper's"), (0.0, 1.0)),
        (alone, OWN_RANGE, ("none", ""), (0.0,)),
    ):
        if found:
            parts.append(_panel(found, span, words, ticks, title, paper=found is beside, page=page))
    return "\n".join(parts)


def _panel(
    found: list[Row],
    span: tuple[float, float],
    words: Sequence[str],
    ticks: Sequence[float],
    title: str,
    *,
    paper: bool,
    caption: str = "",
    page: str = "",
) -> str:
    low, high = span
    height = LINE * (len(found) + 2)

    def x(value: float) -> float:
        return LEFT + (min(max(value, low), high) - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    lines = []
    for tick, word in zip(ticks, words, strict=False):
        lines.append(
            f'<line class="rule" x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{LINE}" y2="{height - LINE}"/>'
            f'<text x="{x(tick):.1f}" y="{LINE * 0.7:.1f}" text-anchor="middle">{word}</text>'
        )
    lines += [_row(row, LINE * (number + 1.5), x, span, page) for number, row in enumerate(found)]
    return _figure("".join(lines), height, caption or _caption(title, paper), _told(found, title, paper))


def _caption(title: str, paper: bool) -> str:
    if paper:
        return f"{title}: effects and numbers in units of the paper's, which stand at 1, with 95 % intervals."
    return (
        f"{title}: effects to which the paper gives no number, in half widths of their 95 % "
        "intervals (differences that should be none: in units of the tolerance), on an axis that is squeezed "
        "towards its ends; only the side can be compared."
    )


def _row(row: Row, y: float, x, span: tuple[float, float], page: str = "") -> str:
    kind, mark = MARKS[row.verdict]
    ends = f'<line x1="{x(row.low):.1f}" x2="{x(row.high):.1f}" y1="{y}" y2="{y}"/>' + "".join(
        _arrow(x(end), y, side)
        for end, side in ((row.low, -1), (row.high, 1))
        if end * side > span[(side + 1) // 2] * side
    )
    outside = not span[0] <= row.mean <= span[1]
    label = f'<text x="{LEFT - 12}" y="{y + 4}" text-anchor="end">{row.id}</text>'
    return (
        f'<g class="{kind}"><a href="{page}#{row.id}">{label}'
        f"</a>{ends}{'' if outside else _mark(mark, x(row.mean), y)}<title>{html.escape(_words(row))}</title></g>"
    )


def _arrow(x: float, y: float, side: int) -> str:
    return f'<path d="M{x - 6 * side:.1f} {y - 4} L{x:.1f} {y} L{x - 6 * side:.1f} {y + 4}"/>'


def _mark(mark: str, x: float, y: float) -> str:
    return {
        "disc": f'<circle class="full" cx="{x:.1f}" cy="{y}" r="4.5"/>',
        "ring": f'<circle class="empty" cx="{x:.1f}" cy="{y}" r="4.5"/>',
        "diamond": f'<path class="full" d="M{x:.1f} {y - 6} l6 6 l-6 6 l-6 -6 Z"/>',
        "cross": f'<path d="M{x - 4.5:.1f} {y - 4.5} l9 9 m0 -9 l-9 9"/>',
    }[mark]


def _words(row: Row) -> str:
    return f"{row.id}: {row.verdict}, {row.mean:.2g} [{row.low:.2g}, {row.high:.2g}]"


def _told(found: list[Row], title: str, paper: bool) -> str:
    """What the picture says, for who cannot see it."""
    counts = ", ".join(f"{number} {verdict}" for verdict, number in Counter(row.verdict for row in found).items())
    text = f"Forest plot of {len(found)} claims of {title}: {counts}."
    if paper:
        there = sum(row.low <= 1 <= row.high for row in found)
        small, none = sum(row.high < 1 for row in found), sum(row.low <= 0 for row in found)
        text += (
            f" The interval contains the paper's number {there} times, lies below it {small} times and above it "
            f"{len(found) - there - small} times; {none} contain no effect or the other sign."
        )
    else:
        sides = sum(row.low > 0 for row in found), sum(row.high < 0 for row in found)
        text += (
            f" {sides[0]} intervals lie above no effect, {sides[1]} below it, "
            f"{len(found) - sum(sides)} contain it or touch it."
        )
    return text


def matrix(counts: dict[str, Counter], verdicts: Sequence[str]) -> str:
    """How many claims of each paper (title -> counts) have which verdict, as an HTML figure of discs with numbers."""
    verdicts = [verdict for verdict in verdicts if any(count[verdict] for count in counts.values())]
    most = max(count[verdict] for count in counts.values() for verdict in verdicts)
    left, top, size = 310, 110, 34
    step = (WIDTH - left - 70) / len(verdicts)
    lines = []
    for column, verdict in enumerate(verdicts):
        x = left + step * (column + 0.5)
        lines.append(f'<text transform="translate({x:.1f} {top - 12}) rotate(-40)">{verdict}</text>')
        for line, (title, count) in enumerate(counts.items()):
            if count[verdict]:
                y, kind = top + size * (line + 0.5), MARKS.get(verdict, ("not-attempted",))[0]
                radius = 8 + 8 * math.sqrt(count[verdict] / most)
                lines.append(
                    f'<g class="{kind}"><circle class="soft" cx="{x:.1f}" cy="{y}" r="{radius:.1f}"/></g>'
                    f'<a href="scoreboard.html?{html.escape(urlencode({"paper": title, "verdict": verdict}))}">'
                    f'<text x="{x:.1f}" y="{y + 4}" text-anchor="middle">{count[verdict]}</text></a>'
                )
    lines += [
        f'<text x="{left - 12}" y="{top + size * (line + 0.5) + 4}" text-anchor="end">{html.escape(title)}</text>'
        for line, title in enumerate(counts)
    ]
    told = "; ".join(
        f"{title}: " + ", ".join(f"{count[verdict]} {verdict}" for verdict in verdicts if count[verdict])
        for title, count in counts.items()
    )
    return _figure(
        "".join(lines),
        top + size * len(counts) + 10,
        "How many claims have which verdict, by paper.",
        f"Verdicts by paper. {told}.",
    )


def _figure(content: str, height: float, caption: str, told: str) -> str:
    return (
        f'<figure class="forest"><svg viewBox="0 0 {WIDTH} {height:.0f}" role="group" '
        f'aria-label="{html.escape(told, quote=True)}">{content}</svg>'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
    )


def strip(claim: dict) -> str:
    """The main effect of one claim as a picture of one row; empty if there is nothing to draw."""
    beside, alone = rows([claim])
    if not beside and not alone:
        return ""
    found, span, words, ticks = (
        (beside, PAPER_RANGE, ("no effect", "the paper's"), (0.0, 1.0))
        if beside
        else (alone, OWN_RANGE, ("none", ""), (0.0,))
    )
    return _panel(found, span, words, ticks, claim["id"], paper=bool(beside))
