"""DeepFool (Moosavi-Dezfooli, Fawzi and Frossard 2016), for any p-norm."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from advutils.core import checks, memory, norms, runtime

# The authors' code lengthens every step by this, the paper does not say so. Without it, where clipping to [0, 1] takes
# more than the overshoot gives, the walk converges to the boundary from the inside and never arrives.
NUDGE = 1e-4


def deepfool(
    model: nn.Module, x: Tensor, *, num_classes: int = 10, overshoot: float = 0.02, max_iter: int = 50, p: float = 2
) -> Tensor:
    """The nearest image of another class, found by walking to the nearest boundary of the linearised network.

    Moosavi-Dezfooli et al. 2016, Algorithm 2; Kuehne and Toedtli 2020, Section 3.1. With f_k the logit of class k
    minus that of the predicted class and w_k its gradient, each step goes |f_l| / ||w_l||_q along the steepest
    direction of the p-norm, where l has the smallest |f_k| / ||w_k||_q and 1/p + 1/q = 1 (their formula divides by
    ||w||_p^2, which is right for p = 2 alone). The sum of the steps is lengthened by ``overshoot``.

    At p = 1 a step along the steepest direction would ask one pixel for more than it has left to 0 or 1, again and
    again. Each step is then the shortest that stays in [0, 1]: the pixel with the largest |w_l| goes as far as it has
    room, then the next; l has the shortest such step. A class that no such step reaches is not gone to.

    ``x`` (N, ...) in [0, 1]. The label is the model's own prediction; the candidates are the ``num_classes`` largest
    logits at ``x``, the predicted class among them. Returns images in [0, 1] like ``x``: the first iterate of another
    class, or ``x`` itself where ``max_iter`` steps found none.

    Raises ``ValueError`` naming the argument: num_classes < 2, overshoot < 0, max_iter < 1, p < 1, or bad images.

    >>> import torch
    >>> from advutils.attacks import deepfool
    >>> model = torch.nn.Linear(2, 2, bias=False)  # the larger of two numbers wins
    >>> model.weight.data = torch.eye(2)
    >>> model(deepfool(model, torch.tensor([[0.6, 0.4]]), num_classes=2)).argmax(1)
    tensor([1])
    """
    checks.images(x)
    return descend(model, x, num_classes=num_classes, overshoot=overshoot, max_iter=max_iter, p=p)[0]


def descend(
    model: nn.Module,
    x: Tensor,
    *,
    num_classes: int,
    overshoot: float,
    max_iter: int,
    p: float,
    labels: Tensor | None = None,
    clip: bool = True,
) -> tuple[Tensor, Tensor]:
    """As :func:`deepfool`, and the number of steps of each example, (N,), max_iter + 1 where none arrived.

    ``labels`` (N,), if given, are the classes to leave in place of the predictions at ``x``: an example that has
    another class already takes no step, and costs one forward pass. Without ``clip`` pixels may have any value.
    """
    checks.placed(model, x)
    p = norms.check_p(p)
    checks.at_least(2, num_classes=num_classes)
    checks.at_least(0, overshoot=overshoot)
    checks.at_least(1, max_iter=max_iter)
    x = x.detach()
    found, taken = x.clone(), torch.full((len(x),), max_iter + 1, device=x.device)
    index = torch.arange(len(x), device=x.device)  # the examples that are still on their way
    # A row: the class to leave, then (after the first look) the other candidates
    classes = torch.empty(len(x), 0, dtype=torch.long, device=x.device) if labels is None else labels[:, None]
    here, start, moved, split = x, x, torch.zeros_like(x), memory.Split()
    with runtime.evaluating(model):
        for step in range(max_iter + 1):
            look = partial(_look, model, num_classes=num_classes, p=p, fill=p == 1 and clip, walk=step < max_iter)
            arrived, classes, move = split(look, here, classes)
            found[index[arrived]], taken[index[arrived]] = here[arrived], step
            left = ~arrived
            if step == max_iter or not left.any():
                break
            index, start, classes = index[left], start[left], classes[left]
            moved = moved[left] + move
            here = start + (1 + overshoot) * moved
            if clip:
                here.clamp_(0, 1)
    return found, taken


def _look(
    model: nn.Module, x: Tensor, classes: Tensor, *, num_classes: int, p: float, fill: bool, walk: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Which examples have another class by now, the candidates, and for the rest (if ``walk``) the next step."""
    leaf, z = _logits(model, x, walk)
    largest = z.topk(min(num_classes, z.shape[1]), dim=1).indices if classes.shape[1] <= 1 else classes
    arrived = z.amax(1) > z.gather(1, (classes if classes.shape[1] else largest)[:, :1])[:, 0]
    classes = largest
    left = ~arrived
    if not walk or not left.any():
        return arrived, classes, torch.zeros_like(x[left])
    # A graph cannot be cut. Where dragging the arrived through the backward passes costs more than one forward pass of
    # the rest, make a new graph.
    candidates, rest = classes, left if arrived.any() else slice(None)
    if arrived.sum() * (classes.shape[1] - 1) > left.sum():
        leaf, z = _logits(model, x[left], walk)
        candidates, rest = classes[left], slice(None)
    gaps, q = z.detach().gather(1, candidates), norms.dual(p)
    gaps = (gaps[rest, 1:] - gaps[rest, :1]).abs()
    nearest, direction = torch.full_like(gaps[:, 0], torch.inf), torch.zeros_like(x[left])
    for k in range(1, candidates.shape[1]):
        towards = torch.zeros_like(z).scatter_(1, candidates[:, k : k + 1], 1).scatter_(1, candidates[:, :1], -1)
        w = torch.autograd.grad(z, leaf, towards, retain_graph=k + 1 < candidates.shape[1])[0][rest]
        # 0 / 0 is nan and 1 / 0 infinite: never nearest
        distance = _shortest(gaps[:, k - 1], w, x[left]) if fill else gaps[:, k - 1] / norms.norm(w, q)
        closer = distance < nearest
        nearest = torch.where(closer, distance, nearest)
        direction = torch.where(norms.per_example(closer, w), w, direction)
    nearest = torch.where(nearest.isinf(), 0, nearest + NUDGE)
    if fill:
        return arrived, classes, _filled(nearest, direction, x[left])
    return arrived, classes, norms.per_example(nearest, direction) * norms.steepest(direction, p)


def _shortest(gap: Tensor, w: Tensor, x: Tensor) -> Tensor:
    """The smallest ||r||_1 with <w, r> = gap and x + r in [0, 1], (N,); infinite where there is none."""
    _, slope, room = _by_slope(w, x)
    gain = slope * room
    missing = gap[:, None] - (gain.cumsum(1) - gain)  # when it is this pixel's turn
    used = torch.where(slope > 0, missing / slope, 0).clamp(min=0).minimum(room)
    return torch.where(gain.sum(1) >= gap, used.sum(1), torch.inf)


def _filled(length: Tensor, w: Tensor, x: Tensor) -> Tensor:
    """r with ||r||_1 = ``length`` and the largest <w, r> for x + r in [0, 1]: one pixel after the other."""
    order, _, room = _by_slope(w, x)
    used = (length[:, None] - (room.cumsum(1) - room)).clamp(min=0).minimum(room)
    return torch.zeros_like(room).scatter_(1, order, used).view_as(w) * w.sign()


def _by_slope(w: Tensor, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Numbers of the pixels of each image, those with the largest |w| first; their |w|; how far they can go along w."""
    room = torch.where(w > 0, 1 - x, x).flatten(1)
    slope, order = w.abs().flatten(1).sort(dim=1, descending=True, stable=True)
    return order, slope, room.gather(1, order)


def _logits(model: nn.Module, x: Tensor, graph: bool) -> tuple[Tensor, Tensor]:
    with torch.set_grad_enabled(graph):
        leaf = x.detach().requires_grad_(graph)
        z = model(leaf)
    checks.logits(z, x)
    return leaf, z
