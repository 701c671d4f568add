"""The attack of Carlini and Wagner 2017 for the l2 norm."""
from __future__ import annotations

import torch
from torch import Tensor, nn

from advutils import checks, memory, norms, runtime

SHRINK = 1 - 1e-6  # black and white pixels would need an infinite w
BETA1, BETA2, TINY = 0.9, 0.999, 1e-8  # Adam's usual constants


def carlini_wagner(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    steps: int = 100,
    search_steps: int = 9,
    lr: float = 0.1,
    initial_const: float = 1.0,
    confidence: float = 0.0,
    abort_early: bool = True,
) -> Tensor:
    """The smallest perturbation in l2 that Adam finds for a balance c of length and margin, and a search over c.

    Carlini and Wagner 2017, Section VI-A, untargeted: minimise ||r||^2 + c [z_y - max_{k != y} z_k + confidence]_+ with
    r = (tanh(w) + 1) / 2 - x over w, from r = 0 in each of ``search_steps`` runs of at most ``steps`` passes. c starts
    at ``initial_const``, is multiplied by 10 until a run succeeds, and bisected from then on (a success lowers it).

    Every example has its own c, run and step, and leaves the batch when its search is over. With ``abort_early``

    * a run ends when two tenths of ``steps`` in a row have not lowered its smallest objective by .01 %;
    * a search ends when the smallest c that succeeded is within 20 % of the largest that failed: the minimum of the
      objective is concave in c, so a better c could shorten r by a tenth at most, and does by far less;
    * a search ends when a run succeeded only on its way: nothing in its last tenth, and nothing shorter than before.
      Its minimum is no success, and the next c would be smaller still.

    ``x`` (N, ...) in [0, 1], ``y`` (N,) the labels to get away from. Returns the closest success, or ``x`` where none
    was found. Raises ``ValueError`` naming the argument: steps or search_steps < 1, lr or initial_const <= 0,
    confidence < 0, bad images or labels.
    """
    checks.images(x)
    checks.placed(model, x)
    checks.labels(y, x)
    for name, value in (("steps", steps), ("search_steps", search_steps)):
        if value < 1:
            raise ValueError(f"{name} must be >= 1, got {value!r}")
    for name, value in (("lr", lr), ("initial_const", initial_const)):
        if not value > 0:
            raise ValueError(f"{name} must be > 0, got {value!r}")
    if not confidence >= 0:
        raise ValueError(f"confidence must be >= 0, got {confidence!r}")

    best, shortest = x.detach().clone(), torch.full_like(x.flatten(1)[:, 0], torch.inf)
    state, split = _start(x.detach(), y, initial_const), memory.Split()
    window = max(steps // 10, 1)

    def margins(image: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return _margin(model, image, y, confidence)

    with runtime.evaluating(model):
        while len(state["index"]):
            s, index = state, state["index"]
            image = (torch.tanh(s["origin"] + s["shift"]) + 1) / 2
            margin, slope = split(margins, image, s["y"])
            offset = image - s["x"]
            square = offset.square().flatten(1).sum(1)
            objective = square + s["c"] * margin.clamp(min=0)

            success = margin < 0 if confidence == 0 else margin <= 0
            better = success & (square < shortest[index])
            shortest[index[better]], best[index[better]] = square[better], image[better]

            at_once = success & (s["step"] == 0)  # the image itself: nothing is shorter
            best[index[at_once]], s["runs"] = s["x"][at_once], s["runs"].masked_fill(at_once, search_steps)
            s["step"] += 1
            s["last"] = torch.where(success, s["step"], s["last"])
            s["better"] |= better
            over = at_once | (s["step"] >= steps)
            if abort_early:
                over |= _stuck(s, objective, window)
            _adam(s, 2 * offset + norms.per_example(s["c"], offset) * slope, image, lr)
            if over.any():
                state = _next_runs(s, over, search_steps, window if abort_early else None)
    checks.result(best)
    return best


def _start(x, y, const):
    one = torch.full_like(x.flatten(1)[:, 0], const)
    return {
        "index": torch.arange(len(x), device=x.device), "x": x, "y": y, "origin": torch.atanh((2 * x - 1) * SHRINK),
        "shift": torch.zeros_like(x), "mean": torch.zeros_like(x), "square": torch.zeros_like(x),  # of w, and Adam's
        "step": torch.zeros_like(y), "last": torch.zeros_like(y),  # passes of this run; the last success among them
        "better": torch.zeros_like(y, dtype=torch.bool),  # has this run found the shortest so far?
        "lowest": torch.full_like(one, torch.inf), "before": torch.full_like(one, torch.inf),  # objectives, and for how
        "idle": torch.zeros_like(y),  # many windows in a row they have not fallen
        "runs": torch.zeros_like(y), "c": one, "low": torch.zeros_like(one), "high": torch.full_like(one, torch.inf),
    }


def _margin(model, x, y, confidence):
    """z_y - max_{k != y} z_k + confidence, and the gradient in x of its positive part."""
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        z = model(leaf)
        checks.logits(z, x)
        checks.labels(y, x, classes=z.shape[1])
        own = z.gather(1, y[:, None])[:, 0]
        margin = own - z.scatter(1, y[:, None], -torch.inf).amax(1) + confidence
        (slope,) = torch.autograd.grad(margin.clamp(min=0).sum(), leaf)
    return margin.detach(), slope


def _adam(s, gradient, image, lr):
    """One step of Adam in w, where d image / d w = 2 image (1 - image)."""
    gradient = gradient * (2 * image * (1 - image))
    s["mean"].mul_(BETA1).add_(gradient, alpha=1 - BETA1)
    s["square"].mul_(BETA2).addcmul_(gradient, gradient, value=1 - BETA2)
    step = s["step"].to(image.dtype)
    first = norms.per_example(lr / (1 - BETA1**step), image)
    second = norms.per_example((1 - BETA2**step).rsqrt(), image)
    s["shift"] -= first * s["mean"] / (s["square"].sqrt() * second + TINY)


def _stuck(s, objective, window):
    """Whose smallest objective has not fallen for two windows; the first pass, where r = 0, does not count."""
    s["lowest"] = torch.where(s["step"] > 1, torch.minimum(s["lowest"], objective), s["lowest"])
    check = s["step"] % window == 0
    idle = torch.where(s["lowest"] > 0.9999 * s["before"], s["idle"] + 1, 0)
    s["idle"] = torch.where(check, idle, s["idle"])
    s["before"] = torch.where(check, s["lowest"], s["before"])
    return s["idle"] >= 2


def _next_runs(s, over, search_steps, window):
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
    for name in ("shift", "mean", "square"):
        s[name] = torch.where(norms.per_example(over, s[name]), 0, s[name])
    for name in ("step", "last", "idle"):
        s[name] = torch.where(over, 0, s[name])
    for name in ("lowest", "before"):
        s[name] = torch.where(over, torch.inf, s[name])
    s["better"] &= ~over
    if window is not None:
        done |= s["high"] - s["low"] < 0.2 * s["high"]
    return {name: value[~done] for name, value in s.items()} if done.any() else s
