"""The parts of a rule, as ``claims.yml`` has them, and what they decide.

    rule:
    - effect: none - p2       # more than 0; `paper` and `within` say how large, `error` is the paper's own;
                                  # none, if it lies within `nothing`
    - ratio: cw / scw         # more than 1, on the log; `least` and `within` are factors
    - value: none             # `within` of `near`; a trend if within a wider tolerance, `further`
    - equal: p_smooth - p_plain  # a difference that is none, `within`
    - median: far - near      # more than 0 in the median, where some are infinite
    or:                       # beside `rule`: other lists of parts, each of which would do too
    - - effect: none - p1

All parts of a list must hold. ``trend: any``: without this one it is a trend still. Expressions are arithmetic in the
claim's values, formed inside each unit that all of them have.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable
from typing import Literal

import msgspec
import numpy as np

from advbook import outcomes, statistics
from advbook.statistics import Interval
from advbook.units import Unit, Value

_ARITHMETIC = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}


class Part(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One condition. ``independent``: the two sides share nothing, whatever their units are called."""

    trend: Literal["any"] | None = None
    independent: bool = False

    @property
    def expression(self) -> str:
        return getattr(self, next(kind for kind in KINDS if kind in self.__struct_fields__))

    def outcome(self, found: Interval, parts: int, level: float) -> outcomes.Outcome:
        """What its estimate decides, as one of so many parts."""
        outcome = self.decide(found, parts, level)  # type: ignore[attr-defined]
        return outcomes.only_size(outcome) if self.trend else outcome

    def shown(self, number: float) -> float:
        """An end of the interval in the units in which it is read."""
        return number

    @property
    def zero(self) -> float:
        """Where there is no effect."""
        return 0.0


class Effect(Part, kw_only=True):
    """A difference that is more than 0."""

    effect: str
    paper: float | None = None
    within: float | None = None
    error: float = 0.0
    nothing: float | None = None

    def decide(self, found: Interval, parts: int, level: float) -> outcomes.Outcome:
        sizes = {key: getattr(self, key) for key in ("paper", "within", "error", "nothing")}
        return outcomes.effect(found, **sizes, parts=parts, level=level)


class Ratio(Part, kw_only=True):
    """A quotient of positive numbers that is more than 1; its tolerances are factors."""

    ratio: str
    paper: float | None = None
    within: float | None = None
    least: float | None = None

    def decide(self, found: Interval, parts: int, level: float) -> outcomes.Outcome:
        paper, within, least = (None if x is None else math.log(x) for x in (self.paper, self.within, self.least))
        return outcomes.effect(
            found, paper=paper, within=within, least=-math.inf if least is None else least, parts=parts, level=level
        )

    def shown(self, number: float) -> float:
        return math.exp(number) if number < 700 else math.inf

    @property
    def zero(self) -> float:
        return 1.0


class Number(Part, kw_only=True):
    """A number near another."""

    value: str
    near: float
    within: float
    further: float | None = None

    def decide(self, found: Interval, parts: int, level: float) -> outcomes.Outcome:
        return outcomes.value(found, near=self.near, within=self.within, further=self.further, parts=parts, level=level)

    @property
    def paper(self) -> float:
        return self.near

    @property
    def zero(self) -> float:
        return self.near


class Equal(Part, kw_only=True):
    """A difference that is none."""

    equal: str
    within: float
    paper: float | None = None

    def decide(self, found: Interval, parts: int, level: float) -> outcomes.Outcome:
        return outcomes.equality(found, within=self.within, parts=parts, level=level)


class Median(Part, kw_only=True):
    """A difference that is more than 0 in the median; infinite numbers count."""

    median: str
    paper: float | None = None

    def decide(self, found: Interval, parts: int, level: float) -> outcomes.Outcome:
        return outcomes.effect(found, paper=self.paper, parts=parts, level=level)


KINDS = {"effect": Effect, "ratio": Ratio, "value": Number, "equal": Equal, "median": Median}


def part(entry: dict) -> Part:
    """One part from its YAML; ``ValueError`` names the key that is wrong."""
    kinds = [kind for kind in KINDS if kind in entry] if isinstance(entry, dict) else []
    if len(kinds) != 1:
        raise ValueError(f"a part has one of the keys {', '.join(KINDS)}, got {entry!r}")
    try:
        made = msgspec.convert(entry, KINDS[kinds[0]])
    except msgspec.ValidationError as error:
        raise ValueError(f"part {entry[kinds[0]]!r}: {error}") from None
    names(made.expression)
    if getattr(made, "within", None) is not None and made.paper is None and not isinstance(made, Equal):
        raise ValueError(f"part {made.expression!r} has `within` and no `paper`")
    if isinstance(made, Ratio) and not isinstance(ast.parse(made.ratio, mode="eval").body, ast.BinOp):
        raise ValueError(f"part {made.ratio!r} is no quotient")
    return made


def names(expression: str) -> set[str]:
    """The values that an expression uses; ``ValueError`` if it is more than arithmetic."""
    try:
        tree = ast.parse(expression, mode="eval").body
    except SyntaxError as error:
        raise ValueError(f"expression {expression!r} cannot be read: {error.msg}") from None
    _compute(tree, None, expression)
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def _compute(node: ast.expr, values: dict[str, np.ndarray] | None, expression: str):
    """The value of arithmetic in names and numbers; without ``values`` only whether it is that."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return node.value
    if isinstance(node, ast.Name):
        if values is not None and node.id not in values:
            raise ValueError(f"expression {expression!r} uses {node.id}, which is no value of the claim")
        return None if values is None else values[node.id]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = _compute(node.operand, values, expression)
        return None if values is None else -inner
    if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
        sides = [_compute(side, values, expression) for side in (node.left, node.right)]
        return None if values is None else _ARITHMETIC[type(node.op)](*sides)
    raise ValueError(f"expression {expression!r} uses {ast.unparse(node)!r}; it may use values, numbers and + - * /")


def derived(expression: str, values: dict[str, Value]) -> Value:
    """A value that is an expression in others, in the units that all of them have."""
    used = names(expression)
    if missing := used - set(values):
        raise ValueError(f"expression {expression!r} uses {', '.join(sorted(missing))}, which is no value above it")
    units = common(used, values)
    tree = ast.parse(expression, mode="eval").body
    numbers = _compute(
        tree, {name: np.array([values[name].numbers[unit] for unit in units]) for name in used}, expression
    )
    first = values[next(iter(sorted(used)))]
    return Value(dict(zip(units, map(float, numbers), strict=True)), {unit: first.records[unit] for unit in units})


def common(used: set[str], values: dict[str, Value]) -> list[Unit]:
    """The units that all of these values have, in the order of one of them."""
    sides = [values[name].numbers for name in sorted(used)]
    return [unit for unit in sides[0] if all(unit in side for side in sides)] if sides else []


def left_out(part: Part, values: dict[str, Value]) -> int:
    """How many units one side of a part has and another lacks."""
    used = names(part.expression)
    everywhere = set().union(*(values[name].numbers for name in used))
    return 0 if part.independent else len(everywhere) - len(common(used, values))


def estimate(part: Part, values: dict[str, Value], *, exact: bool = False) -> Interval:
    """The estimate of a part: in pairs, by image where all its values have images, Welch's if it is independent.

    Values that share no unit and are not independent say nothing of a difference: :data:`statistics.NOTHING`.
    """
    tree, used = ast.parse(part.expression, mode="eval").body, sorted(names(part.expression))
    if part.independent:
        return _independent(part, tree, values)
    units = common(set(used), values)
    if not units:
        return statistics.NOTHING

    def over(numbers: Callable[[str], np.ndarray]):
        return _compute(tree, {name: numbers(name) for name in used}, part.expression)

    if used and all(values[name].images for name in used) and not exact:
        return _by_image(tree, units, values, over)
    if isinstance(part, Ratio) and not exact:
        sides = [
            _compute(side, {name: _numbers(values[name], units) for name in used}, part.expression)
            for side in (tree.left, tree.right)  # type: ignore[attr-defined]
        ]
        return statistics.ratio(*(np.broadcast_to(side, len(units)) for side in sides))
    numbers = np.broadcast_to(over(lambda name: _numbers(values[name], units)), len(units))
    if isinstance(part, Median):
        return statistics.median(numbers)
    if exact:
        mean = float(np.mean(numbers))
        return statistics.exact(math.log(mean) if isinstance(part, Ratio) else mean)
    return statistics.mean(numbers)


def _numbers(value: Value, units: list[Unit]) -> np.ndarray:
    return np.array([value.numbers[unit] for unit in units])


def _by_image(tree: ast.expr, units: list[Unit], values: dict[str, Value], over: Callable) -> Interval:
    rows = {
        node.id: np.stack([values[node.id].images[unit] for unit in units])
        for node in ast.walk(tree)
        if isinstance(node, ast.Name)
    }
    scales = {values[name].scale for name in rows}
    if isinstance(tree, ast.Name):
        return statistics.rate(rows[tree.id]) * values[tree.id].scale
    pair = isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.Sub) and len(rows) == 2 and len(scales) == 1
    if pair and isinstance(tree.left, ast.Name) and isinstance(tree.right, ast.Name):  # type: ignore[attr-defined]
        return statistics.difference(rows[tree.left.id], rows[tree.right.id]) * scales.pop()  # type: ignore[attr-defined]
    return statistics.over_images(over(lambda name: rows[name] * values[name].scale))


def _independent(part: Part, tree: ast.expr, values: dict[str, Value]) -> Interval:
    """Welch's: the sides of the outermost difference or quotient are two samples."""
    wanted = ast.Div if isinstance(part, Ratio) else ast.Sub
    if not (isinstance(tree, ast.BinOp) and isinstance(tree.op, wanted)):
        raise ValueError(f"part {part.expression!r} is independent, and no difference or quotient of two sides")
    sides = []
    for node in (tree.left, tree.right):
        used = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
        numbers = {name: _numbers(values[name], common(used, values)) for name in used}
        side = np.atleast_1d(_compute(node, numbers, part.expression))
        sides.append(np.log(side) if isinstance(part, Ratio) else side)
    return statistics.welch(*sides)


def ways(claim: dict) -> list[list[Part]]:
    """The lists of parts of which one must hold: ``rule``, and those under ``or``."""
    return [[part(entry) for entry in way] for way in (claim["rule"], *claim.get("or", ()))]


def used(claim: dict) -> set[str]:
    """The values that the premise and the rule of a claim use."""
    parts = [part(entry) for entry in claim.get("premise", ())] + [each for way in ways(claim) for each in way]
    return set().union(*(names(each.expression) for each in parts))


def either(ways: list[list[Part]], found: list[list[Interval]], level: float = statistics.LEVEL) -> outcomes.Outcome:
    """What the ways decide, given the estimates of the parts of each: :func:`advbook.outcomes.disjunction`."""
    strict, plain = (
        [together(parts, one, share) for parts, one in zip(ways, found, strict=True)]
        for share in (level / len(ways), level)
    )
    return outcomes.disjunction(strict, plain)


def together(parts: list[Part], found: list[Interval], level: float = statistics.LEVEL) -> outcomes.Outcome:
    """What all parts decide, given the estimate of each: :func:`advbook.outcomes.conjunction`."""
    firm = max(1, sum(part.trend is None for part in parts))
    return outcomes.conjunction([part.outcome(one, firm, level) for part, one in zip(parts, found, strict=True)])
