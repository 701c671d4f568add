"""The language that claims were first written in: comparisons of samples, decided by 95 % intervals.

It is three-valued: a comparison is true or false only if the interval over seeds decides it, and uncertain otherwise.
Claims that have a ``rule`` are judged by its parts instead (:mod:`advbook.rules`).
"""

from __future__ import annotations

import ast
import math
import operator
from dataclasses import dataclass


@dataclass(frozen=True)
class Sample:
    """A quantity with its uncertainty: mean, variance of the mean, number of seeds (degrees of freedom n - 1).

    ``numbers`` are those of the seeds where they are known, for whoever shows them.
    """

    mean: float
    variance: float
    n: int
    numbers: tuple[float, ...] = ()

    @classmethod
    def of(cls, numbers: list[float], *, exact: bool = False) -> Sample:
        """From one number per seed. One seed has no known spread unless the quantity is ``exact``."""
        n = len(numbers)
        mean = sum(numbers) / n
        if exact:
            return cls(mean, 0.0, n)
        if n == 1:
            return cls(mean, math.inf, 1)
        if max(numbers) - min(numbers) <= 1e-12 * max(map(abs, numbers)):  # equal but for the rounding of sums
            return cls(mean, 0.0, n)
        return cls(mean, sum((v - mean) ** 2 for v in numbers) / (n - 1) / n, n, tuple(numbers))

    @property
    def sd(self) -> float:
        """Standard deviation over seeds."""
        return math.sqrt(self.variance * self.n)


def as_sample(value) -> Sample:
    """A number as a sample without spread; a sample as it is."""
    return value if isinstance(value, Sample) else Sample(float(value), 0.0, 0)


def less(a, b) -> bool | None:
    """Whether a < b: True or False if Welch's 95 % interval of the difference excludes 0, else None."""
    a, b = as_sample(a), as_sample(b)
    variance = a.variance + b.variance
    if math.isinf(variance) or math.isnan(a.mean - b.mean):
        return None
    if variance == 0:
        return a.mean < b.mean
    parts = [(s.variance, s.n - 1) for s in (a, b) if s.variance > 0]
    freedom = variance**2 / sum(v * v / d for v, d in parts)
    half = _quantile(freedom) * math.sqrt(variance)
    difference = b.mean - a.mean
    return True if difference > half else False if difference < -half else None


def near(value, target: float, tolerance: float) -> bool | None:
    """Whether the value lies within ``tolerance`` of ``target``; None if its 95 % interval crosses that border."""
    value = as_sample(value)
    if math.isinf(value.variance) or math.isnan(value.mean):
        return None
    half = _quantile(value.n - 1) * math.sqrt(value.variance) if value.variance else 0.0
    away = abs(value.mean - target)
    return True if away + half <= tolerance else False if away - half > tolerance else None


def _quantile(freedom: float) -> float:
    from scipy.special import stdtrit  # what scipy.stats.t.ppf calls, without its second of importing

    return float(stdtrit(freedom, 0.975))


_ARITHMETIC = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}
_FUNCTIONS = {"near": near, "mean": lambda a: as_sample(a).mean, "abs": abs}  # abs: of numbers, so of means


def _combine(function, a, b):
    """First-order propagation of the variances through + - * /; a quotient by a mean of 0 decides nothing."""
    if not isinstance(a, Sample) and not isinstance(b, Sample):
        return function(a, b)
    a, b = as_sample(a), as_sample(b)
    n = min((s.n for s in (a, b) if s.n), default=0)
    if function is operator.truediv and b.mean == 0:
        return Sample(math.nan, math.inf, n)
    slopes = {operator.mul: (b.mean, a.mean), operator.truediv: (1 / (b.mean or 1), a.mean / (b.mean or 1) ** 2)}
    variance = sum(
        s.variance * slope**2 for s, slope in zip((a, b), slopes.get(function, (1, 1)), strict=True) if s.variance
    )
    return Sample(function(a.mean, b.mean), math.inf if math.isnan(variance) else variance, n)


def evaluate_rule(rule: str, values: dict) -> bool | None:
    """Evaluate ``rule`` over ``values`` (samples or numbers): True, False or None for uncertain.

    The language: names, numbers, ``+ - * /``, ``< <= > >=``, ``and or not``, ``near(a, target, tolerance)``,
    ``mean(a)``, ``abs(x)``. Anything else raises ``ValueError``.
    """
    try:
        truth = _node(ast.parse(rule, mode="eval").body, values, rule)
    except SyntaxError as error:
        raise ValueError(f"rule {rule!r} cannot be read: {error.msg}") from None
    except TypeError as error:
        raise ValueError(f"rule {rule!r}: {error}; abs takes mean(a), near a value, a target and a tolerance") from None
    if truth is not None and not isinstance(truth, bool):
        raise ValueError(f"rule {rule!r} compares nothing")
    return truth


def value(expression: str, values: dict) -> Sample:
    """What an expression in ``values`` comes to, with its uncertainty; ``ValueError`` as in :func:`evaluate_rule`."""
    return as_sample(_node(ast.parse(expression, mode="eval").body, values, expression))


def _node(node: ast.expr, values: dict, rule: str):
    def inner(n):
        return _node(n, values, rule)

    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return node.value
    if isinstance(node, ast.Name) and node.id in values:
        return values[node.id]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return _combine(operator.mul, -1, inner(node.operand))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        truth = evaluate_rule(ast.unparse(node.operand), values)
        return None if truth is None else not truth
    if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
        return _combine(_ARITHMETIC[type(node.op)], inner(node.left), inner(node.right))
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        a, b = inner(node.left), inner(node.comparators[0])
        if isinstance(node.ops[0], ast.Lt | ast.GtE):
            truth = less(a, b)
            return truth if isinstance(node.ops[0], ast.Lt) or truth is None else not truth
        if isinstance(node.ops[0], ast.Gt | ast.LtE):
            truth = less(b, a)
            return truth if isinstance(node.ops[0], ast.Gt) or truth is None else not truth
    if isinstance(node, ast.BoolOp):
        truths = [evaluate_rule(ast.unparse(part), values) for part in node.values]
        decisive = isinstance(node.op, ast.Or)  # one True decides an "or", one False an "and"
        return decisive if decisive in truths else None if None in truths else not decisive
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _FUNCTIONS:
        return _FUNCTIONS[node.func.id](*(inner(argument) for argument in node.args))  # type: ignore[operator]
    raise ValueError(f"rule {rule!r} uses {ast.unparse(node)!r}, which is not a value of the claim or of the language")


def names(expression: str) -> set[str]:
    """The names in a rule or an expression."""
    return {node.id for node in ast.walk(ast.parse(expression)) if isinstance(node, ast.Name)} - set(_FUNCTIONS)
