"""The search for the closest success that the attacks of Carlini and Wagner's kind share: Adam, and a search over c."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from advutils.core import checks, memory, norms, runtime

BETA1, BETA2, TINY = 0.9, 0.999, 1e-8  # Adam's usual constants
PENALTIES = ("squared", "norm")
State = dict[str, Any]  # one row an example that is still searching; also what else ``decode`` needs, by row
Decode = Callable[[State], tuple[Tensor, Tensor, Callable[[Tensor, Tensor], Tensor]]]


def check(*, steps: int, search_steps: int, lr: float, initial_const: float, confidence: float) -> None:
    """``ValueError`` naming the option that is out of range."""
    checks.at_least(1, steps=steps, search_steps=search_steps)
    checks.positive(lr=lr, initial_const=initial_const)
    checks.at_least(0, confidence=confidence)


def closest_success(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    decode: Decode,
    *,
    needs: dict[str, Any],
    penalty: str = "squared",
    steps: int,
    search_steps: int,
    lr: float,
    initial_const: float,
    confidence: float,
    abort_early: bool,
) -> Tensor:
    """Minimise ||r||^2 (or ||r||, ``penalty="norm"``) + c [z_y - max_{k != y} z_k + confidence]_+ over a variable v.

    ``decode(state)`` gives the image and the perturbation r at ``state["v"]``, and a function that takes the gradients
    in r and in the image to the gradient in v; v = 0 is r = 0. ``needs`` are what it reads from the state, by row.

    ``search_steps`` runs of at most ``steps`` passes, each from v = 0. c starts at ``initial_const``, is multiplied by
    10 until a run succeeds, and bisected from then on (a success lowers it). Every example has its own c, run and step,
    and leaves the batch when its search is over. With ``abort_early``

    * a run ends when two tenths of ``steps`` in a row have not lowered its smallest objective by .01 %;
    * a search ends when the smallest c that succeeded is within 20 % of the largest that failed: the minimum of the
      objective is concave in c, so a better c could shorten r by a tenth at most, and does by far less;
    * a search ends when a run succeeded only on its way: nothing in its last tenth, and nothing shorter than before.
      Its minimum is no success, and the next c would be smaller still.

    The rules are made for several runs; where ``search_steps`` is 1, the first may end the only run too early.

    Returns the image with the smallest ||r|| among the successes, or ``x`` where there is none.
    """
    best, split, window = x.clone(), memory.Split(), max(steps // 10, 1)
    state = _start(x, y, initial_const) | needs
    passes = torch.arange(1, steps + 1, dtype=torch.float64, device=x.device)
    rate = lr / (1 - BETA1**passes)  # Adam's corrections for its start, by pass
    scale, guard = ((1 - BETA2**passes).rsqrt() / rate).to(x.dtype), (TINY / rate).to(x.dtype)

    def margins(image: Tensor, y: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        return _margin(model, image, y, c, confidence)

    with runtime.evaluating(model), torch.no_grad():
        first = True
        while len(state["index"]):
            s = state
            image, r, pull = decode(s)
            margin, slope = split(margins, image, s["y"], s["c"])
            size = norms.norm(r)
            value, along = (size * size, 2 * r) if penalty == "squared" else (size, _unit(r, size))
            s["step"] += 1
            success = margin < 0 if confidence == 0 else margin <= 0
            if first:  # r = 0: what succeeds here is x, and nothing is shorter
                over, first = success, False
                s["runs"] += search_steps * success
            else:
                better = success & (size < s["shortest"])
                if better.any():
                    best[s["index"][better]] = image[better]
                    s["shortest"] = torch.where(better, size, s["shortest"])
                    s["better"] |= better
                s["last"] = torch.where(success, s["step"], s["last"])
                over = s["step"] >= steps
                if abort_early:
                    over |= _stuck(s, value + s["c"] * margin.clamp(min=0), window)
            now = s["step"] - 1
            _adam(s, pull(along, slope), norms.per_example(scale[now], r), norms.per_example(guard[now], r))
            if over.any():
                state = _next_runs(s, over, search_steps, window if abort_early else None)
    checks.result(best)
    return best


def _start(x: Tensor, y: Tensor, const: float) -> State:
    one = torch.full_like(x.flatten(1)[:, 0], const)
    return {
        "index": torch.arange(len(x), device=x.device),
        "x": x,
        "y": y,
        "v": torch.zeros_like(x),
        "mean": torch.zeros_like(x),
        "square": torch.zeros_like(x),  # the last two: Adam's
        "step": torch.zeros_like(y),
        "last": torch.zeros_like(y),  # passes of this run; the last success among them
        "shortest": torch.full_like(one, torch.inf),  # the size of the best success so far
        "better": torch.zeros_like(y, dtype=torch.bool),  # has this run found it?
        "lowest": torch.full_like(one, torch.inf),
        "before": torch.full_like(one, torch.inf),  # objectives, and for how
        "idle": torch.zeros_like(y),  # many windows in a row they have not fallen
        "runs": torch.zeros_like(y),
        "c": one,
        "low": torch.zeros_like(one),
        "high": torch.full_like(one, torch.inf),
    }


def _margin(model: nn.Module, x: Tensor, y: Tensor, c: Tensor, confidence: float) -> tuple[Tensor, Tensor]:
    """z_y - max_{k != y} z_k + confidence, and the gradient in x of c times its positive part."""
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        z = model(leaf)
        checks.logits(z, x)
        checks.labels(y, x, classes=z.shape[1])
        own = y[:, None]
        margin = (z.gather(1, own) - z.scatter(1, own, -torch.inf).amax(1, keepdim=True))[:, 0] + confidence
        (slope,) = torch.autograd.grad(margin.clamp(min=0), leaf, c)
    return margin.detach(), slope


def _unit(r: Tensor, size: Tensor) -> Tensor:
    """The gradient of ||r||, 0 at 0."""
    return r / norms.per_example(torch.where(size > 0, size, 1), r)


def _adam(s: State, gradient: Tensor, scale: Tensor, guard: Tensor) -> None:
    """One step of Adam in v: v -= rate mean / (sqrt(square) / correction + TINY), with the rate in the denominator."""
    s["mean"].mul_(BETA1).add_(gradient, alpha=1 - BETA1)
    s["square"].mul_(BETA2).addcmul_(gradient, gradient, value=1 - BETA2)
    s["v"].addcdiv_(s["mean"], s["square"].sqrt().mul_(scale).add_(guard), value=-1)


def _stuck(s: State, objective: Tensor, window: int) -> Tensor:
    """Whose smallest objective has not fallen for two windows; the first pass of a run, where r = 0, does not count."""
    s["lowest"] = torch.where(s["step"] > 1, torch.minimum(s["lowest"], objective), s["lowest"])
    check = s["step"] % window == 0
    if check.any():
        idle = torch.where(s["lowest"] > 0.9999 * s["before"], s["idle"] + 1, 0)
        s["idle"] = torch.where(check, idle, s["idle"])
        s["before"] = torch.where(check, s["lowest"], s["before"])
    return s["idle"] >= 2


def _next_runs(s: State, over: Tensor, search_steps: int, window: int | None) -> State:
    """Give the examples whose run is over their next c and a fresh start; drop those whose search is over."""
    won, lost = over & (s["last"] > 0), over & (s["last"] == 0)
    done = s["runs"] + over >= search_steps
    if window is not None:
        done |= won & ~s["better"] & (s["step"] - s["last"] >= window)  # succeeded only on its way
    s["high"] = torch.where(won, s["c"], s["high"])
    s["low"] = torch.where(lost, s["c"], s["low"])
    c = torch.where(s["high"].isinf(), 10 * s["c"], (s["low"] + s["high"]) / 2)
    s["c"] = torch.where(over, c, s["c"])
    s["runs"] += over
    for name in ("v", "mean", "square", "step", "last", "idle", "better"):
        s[name][over] = 0
    for name in ("lowest", "before"):
        s[name][over] = torch.inf
    if window is not None:
        done |= s["high"] - s["low"] < 0.2 * s["high"]
    return {name: value[~done] for name, value in s.items()} if done.any() else s
