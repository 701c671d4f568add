"""The attack of Carlini and Wagner 2017 for the l2 norm."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from advutils.attacks.margin_search import State, check, closest_success
from advutils.core import checks

SHRINK = 1 - 1e-6  # black and white pixels would need an infinite w
VARIABLES = ("tanh", "clip")
Pull = Callable[[Tensor, Tensor], Tensor]


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
    variable: str = "tanh",
) -> Tensor:
    """The smallest perturbation in l2 that Adam finds for a balance c of length and margin, and a search over c.

    Carlini and Wagner 2017, Section VI-A, untargeted: minimise ||r||^2 + c [z_y - max_{k != y} z_k + confidence]_+.
    ``variable="tanh"`` is theirs, r = (tanh(w) + 1) / 2 - x over w; "clip" is Zhang et al. 2019, Eq. (13), over r
    itself, with the image clip(x + r). :func:`advutils.attacks.margin_search.closest_success` says how c is found
    and when, with ``abort_early``, a run or a search stops.

    ``x`` (N, ...) in [0, 1], ``y`` (N,) the labels to get away from. Returns the closest success, or ``x`` where none
    was found. Raises ``ValueError`` naming the argument: steps or search_steps < 1, lr or initial_const <= 0,
    confidence < 0, another variable, bad images or labels.

    >>> import torch
    >>> model = torch.nn.Linear(2, 2, bias=False)  # the larger of two numbers wins
    >>> model.weight.data = torch.eye(2)
    >>> x, y = torch.tensor([[0.6, 0.4]]), torch.tensor([0])
    >>> from advutils.attacks import carlini_wagner
    >>> moved = carlini_wagner(model, x, y)
    >>> model(moved).argmax(1), bool((moved - x).norm() < 0.15)  # the border is 0.1414 away
    (tensor([1]), True)
    """
    checks.attack(model, x, y)
    options = dict(steps=steps, search_steps=search_steps, lr=lr, initial_const=initial_const, confidence=confidence)
    check(**options)  # type: ignore[arg-type]
    if variable not in VARIABLES:
        raise ValueError(f"variable must be one of {', '.join(VARIABLES)}, got {variable!r}")
    x = x.detach()
    if variable == "clip":
        return closest_success(model, x, y, clipped, needs={}, abort_early=abort_early, **options)  # type: ignore[arg-type]
    origin = torch.atanh((2 * x - 1) * SHRINK)
    return closest_success(model, x, y, _squashed, needs={"origin": origin}, abort_early=abort_early, **options)  # type: ignore[arg-type]


def _squashed(s: State) -> tuple[Tensor, Tensor, Pull]:
    """image = (tanh(w) + 1) / 2 at w = w(x) + v."""
    t = torch.tanh(s["origin"] + s["v"])
    image = (t + 1) / 2

    def pull(along_r: Tensor, along_image: Tensor) -> Tensor:
        return (along_r + along_image) * (1 - t * t) / 2

    return image, image - s["x"], pull


def clipped(s: State, r: Tensor | None = None) -> tuple[Tensor, Tensor, Pull]:
    """image = clip(x + r) at r = v; the slope of clipping is 1 from 0 to 1 and 0 outside."""
    r = s["v"] if r is None else r
    moved = s["x"] + r

    def pull(along_r: Tensor, along_image: Tensor) -> Tensor:
        return torch.where((moved >= 0) & (moved <= 1), along_r + along_image, along_r)

    return moved.clamp(0, 1), r, pull
