"""Numbers that make a rule come out as wanted, found from its parts by linear programming."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator

import numpy as np
from scipy.optimize import linprog

from advbook import rules, units
from advbook.rules import Effect, Equal, Number, Part, Ratio

MARGIN = 1e-2
Row = tuple[dict[str, float], float]  # sum of coefficient * value + constant <= 0


def affine(expression: str) -> tuple[dict[str, float], float]:
    """Coefficients and constant of an expression, whose denominators are taken as 1."""
    tree = ast.parse(expression, mode="eval").body
    names = rules.names(expression)
    below = {node.right.id for node in ast.walk(tree) if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)}
    at = {name: 1.0 * (name in below) for name in names}

    def number(**changed):
        return float(rules._compute(tree, at | changed, expression))

    constant = number()
    return {name: number(**{name: 1.0}) - constant for name in names - below} | {name: 0.0 for name in below}, constant


def above(expression: str, least: float) -> Row:
    slopes, constant = affine(expression)
    return {name: -slope for name, slope in slopes.items()}, least - constant


def below(expression: str, most: float) -> Row:
    slopes, constant = affine(expression)
    return slopes, constant - most


def between(expression: str, middle: float, half: float) -> list[Row]:
    return [above(expression, middle - half), below(expression, middle + half)]


def quotient(part: Ratio) -> str:
    tree = ast.parse(part.ratio, mode="eval").body
    return "({}) - {{}} * ({})".format(*map(ast.unparse, (tree.left, tree.right)))


def held(part: Part) -> list[Row]:
    """That the part holds."""
    if isinstance(part, Number):
        return between(part.value, part.near, part.within / 2)
    if isinstance(part, Equal):
        return between(part.equal, 0, part.within / 2)
    if isinstance(part, Ratio):
        least = max(1, part.least or 1, part.paper / part.within if part.within else 1)
        most = part.paper * part.within if part.within else 4 * least
        return [above(quotient(part).format(least * 1.01), 0), below(quotient(part).format(most / 1.01), 0)]
    if isinstance(part, Effect) and part.within is not None:
        return [*between(part.effect, part.paper, part.within / 2), above(part.effect, MARGIN * part.paper)]
    return [above(part.expression, MARGIN)]


def missed(part: Part) -> Iterator[list[Row]]:
    """That the part does not hold: on either side, where it has two."""
    if isinstance(part, Number | Equal):
        middle, half = (part.near, part.further or part.within) if isinstance(part, Number) else (0, part.within)
        yield [above(part.expression, middle + 2 * half + MARGIN)]
        yield [below(part.expression, middle - 2 * half - MARGIN)]
    elif isinstance(part, Ratio):
        yield [below(quotient(part).format(0.9), 0)]
    else:
        yield [below(part.expression, -MARGIN)]


def lessened(part: Part) -> Iterator[list[Row]]:
    """That the part is a trend: its size is wrong, or it need not hold and does not."""
    if part.trend:
        yield from missed(part)
    elif isinstance(part, Ratio) and (part.least or part.within):
        most = (part.least or part.paper / part.within) * 0.999
        yield [above(quotient(part).format(1.001), 0), below(quotient(part).format(most), 0)]
    elif isinstance(part, Effect) and part.within is not None:
        yield [above(part.effect, part.paper + 2 * part.within)]
    elif isinstance(part, Number) and part.further is not None:
        middle = (part.within + part.further) / 2
        yield between(part.value, part.near + middle, (part.further - part.within) / 4)
        yield between(part.value, part.near - middle, (part.further - part.within) / 4)


def solved(rows: list[Row], names: set[str], positive: set[str]) -> dict[str, float] | None:
    """Values that fulfil the rows; None if there are none."""
    order = sorted(names)
    matrix = [[slopes.get(name, 0.0) for name in order] for slopes, _ in rows]
    bounds = [(0.05, None) if name in positive else (None, None) for name in order]
    done = linprog(np.zeros(len(order)), matrix, [-constant for _, constant in rows], bounds=bounds)
    return dict(zip(order, np.round(done.x, 12), strict=True)) if done.status == 0 else None


def values_for(claim: dict, state: str) -> Iterator[dict[str, units.Value]]:
    """Candidates of values by unit for which the claim should come out as ``state``, one of advbook.outcomes'."""
    ways, names = rules.ways(claim), rules.used(claim)
    asked = [rules.part(entry) for entry in claim.get("premise", ())]
    premises = [row for part in asked for row in held(part)]
    parts = [*asked, *(part for way in ways for part in way)]
    positive = {name for part in parts if "/" in part.expression for name in rules.names(part.expression)}
    fixed = {name for part in parts if not isinstance(part, Ratio) for name in _denominators(part)}
    for rows in _wanted(ways, state):
        ones = [row for name in fixed for row in between(name, 1.0, 0.0)]
        if (found := solved([*premises, *rows, *ones], names, positive)) is not None:
            yield {
                name: units.Value(_by_unit(found[name], number, state == "open", name in positive))
                for number, name in enumerate(sorted(names))
            }


def _denominators(part: Part) -> set[str]:
    tree = ast.parse(part.expression, mode="eval").body
    return {n.right.id for n in ast.walk(tree) if isinstance(n, ast.BinOp) and isinstance(n.op, ast.Div)}


def _wanted(ways: list[list[Part]], state: str) -> Iterator[list[Row]]:
    full = [row for part in ways[0] for row in held(part)]
    if state in ("holds", "open"):
        yield full
    elif state == "trend":
        for part in ways[0]:
            others = [row for other in ways[0] if other is not part and not other.trend for row in held(other)]
            yield from (others + rows for rows in lessened(part))
    else:
        for parts in itertools.product(*([part for part in way if not part.trend] for way in ways)):
            for rows in itertools.product(*(missed(part) for part in parts)):
                yield [row for some in rows for row in some]


def _by_unit(middle: float, number: int, wide: bool, positive: bool) -> dict:
    """Five units, close to each other or so far apart, and each name in its own measure, that no sign is decided."""
    steps = np.array([-2, -1, 0, 1, 2]) * (1 + 0.37 * number)
    if not wide:
        spread = np.full(5, float(middle))
    elif positive:
        spread = middle * np.exp(3 * steps)
    else:
        spread = middle + 100 * (1 + abs(middle)) * steps
    return {(("seed", seed),): float(one) for seed, one in enumerate(spread)}
