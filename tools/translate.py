"""A rule that is an expression over means, as all of the first edition's were, in parts."""

from __future__ import annotations

import ast


def parts(entry: dict) -> dict:
    """``premise``, ``rule`` and ``or`` that ask what the expressions of a claim ask, with their thresholds.

    What the full rule asks beyond the trend can lower the verdict to a trend and no further. ``ValueError`` for an
    expression that has no such form.
    """
    full, trend = (_ways(entry.get(kind)) for kind in ("reproduced", "trend"))
    if len(trend) > 1 and len(full) == 1:  # the trend has a choice: each of them with all of the full rule
        full *= len(trend)
    trend = trend or [None] * len(full)  # type: ignore[list-item]
    first, *others = [_way(*pair) for pair in zip(full, trend, strict=True)]
    found: dict = {"rule": first}
    if others:
        found["or"] = others
    if "premise" in entry:
        found["premise"] = [_part(node) for node in _all(ast.parse(entry["premise"], mode="eval").body)]
    return found


def _ways(text: str | None) -> list[ast.expr]:
    if text is None:
        return []
    node = ast.parse(text, mode="eval").body
    return list(node.values) if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.Or) else [node]


def _all(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And):
        return [each for value in node.values for each in _all(value)]
    return [node]


def _way(full: ast.expr, trend: ast.expr | None) -> list[dict]:
    wanted = [_part(node) for node in _all(full)]
    if trend is None:
        return wanted
    firm, found = [_part(node) for node in _all(trend)], []
    for part in wanted:
        wider = next((each for each in firm if "value" in part and _place(each) == _place(part)), None)
        if part in firm:
            found.append(part)
        elif wider:
            firm.remove(wider)
            found.append({**part, "further": wider["within"]})
        else:
            found.append({**part, "trend": "any"})
    return [part for part in firm if part not in wanted] + found


def _place(part: dict) -> tuple:
    return part.get("value"), part.get("near")


def _part(node: ast.expr) -> dict:
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        sides = [node.left, node.comparators[0]]
        if isinstance(node.ops[0], ast.Lt | ast.LtE):
            sides.reverse()
        more, less = (ast.unparse(side) for side in sides)
        return {"effect": f"{more} - ({less})"}
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "near":
        value, near, within = node.args
        return {"value": ast.unparse(value), "near": ast.literal_eval(near), "within": ast.literal_eval(within)}
    raise ValueError(f"{ast.unparse(node)} has no form in parts")
