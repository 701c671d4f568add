"""Universal adversarial perturbations of one network or of several (Kuehne and Toedtli 2020, Algorithms 1 and 2)."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from advutils import evaluation
from advutils.attacks.ascent import loss_slope
from advutils.attacks.deepfool import descend
from advutils.core import checks, files, norms, runtime

Draw = Callable[[Tensor, torch.Generator], Tensor]  # frames, and where randomness comes from, to images
BLOCK = 50  # images that are drawn, or classified, at a time


@dataclass
class Universal:
    """A universal perturbation (C, H, W) in units of [0, 1], and how it came about.

    ``history`` has a dict for each pass over the images: ``calls`` (images that were not fooled yet, one DeepFool walk
    each), ``skipped`` (walks that did not arrive in time), ``updates`` (walks whose increment was added), ``steps`` (of
    all walks; each costs num_classes - 1 gradients), and by the name of each watched set the fooling rate of each
    network.
    """

    perturbation: Tensor
    history: list[dict] = field(default_factory=list)  # type: ignore[type-arg]
    turn: int = 0  # how many batches have been visited: Algorithm 2 goes on with the next network


def universal_perturbation(
    models: Sequence[nn.Module],
    images: Tensor,
    *,
    eps: float = 10 / 255,
    p: float = norms.INF,
    passes: int = 10,
    schedule: str = "each",
    num_classes: int = 10,
    overshoot: float = 0.02,
    max_iter: int = 10,
    batch_size: int = 1,
    draw: Draw | None = None,
    watched: dict[str, Tensor] | None = None,
    start: Tensor | None = None,
    generator: torch.Generator | None = None,
    checkpoint: Path | None = None,
    callback: Callable[[Universal], None] | None = None,
) -> Universal:
    """One perturbation v with ||v||_p <= eps that changes what each of ``models`` predicts for most of ``images``.

    Moosavi-Dezfooli et al. 2017, Algorithm 1, for one network. For several, Kuehne and Toedtli 2020: with ``schedule``
    "each" every network looks at every image (Algorithm 1), with "cyclic" the next image goes to the next network
    (Algorithm 2). Where a network predicts for x + v what it predicts for x, DeepFool (p = 2) walks on from x + v, its
    increment is added to v, and v is projected onto the ball. As in the authors' code and not in the text, p is 2 or
    inf and the projection is the ball's, x + v is not clipped to [0, 1], and an increment counts only if DeepFool
    arrived in fewer than ``max_iter`` - 1 steps.

    ``images`` (N, C, H, W) in [0, 1]; every pass visits them in a new order from ``generator`` (default: seed 0).
    ``draw(images, generator)``, if given, makes the images that are used of each block of them, (n, C', H', W'), anew
    in every pass: random crops, for example. With ``batch_size`` B > 1 so many images walk at once from the same v and
    then add their increments one by one, each after another look at it: a variant, not the algorithm. ``watched`` are
    sets of images (M, C', H', W') by name, whose fooling rates are measured after each pass. ``start`` (C', H', W') is
    where v begins (default: 0). ``checkpoint`` names a file written after each pass, from which a killed run continues
    exactly; a damaged one is ignored. ``callback`` is called after each pass.

    Raises ``ValueError`` naming the argument for bad input.
    """
    _check(models, images, eps, p, passes, batch_size, schedule)
    checks.at_least(3, max_iter=max_iter)
    checks.at_least(2, num_classes=num_classes)
    checks.at_least(0, overshoot=overshoot)
    walk = {"num_classes": num_classes, "overshoot": overshoot, "max_iter": max_iter - 2, "p": 2, "clip": False}

    def visit(out: Universal, x: Tensor, labels: Tensor, visits: list[tuple[int, Tensor]]) -> Counter[str]:
        counts = Counter(calls=0, skipped=0, updates=0, steps=0)
        for k, rows in visits:
            v, found = _add_increments(models[k], x[rows], labels[k, rows], out.perturbation, eps, p, walk)
            out.perturbation = v
            counts.update(found)
        return counts

    return _in_passes(
        visit,
        models,
        images,
        passes=passes,
        schedule=schedule,
        batch_size=batch_size,
        draw=draw,
        watched=watched or {},
        start=start,
        generator=generator,
        checkpoint=checkpoint,
        callback=callback,
    )


def universal_ascent(
    models: Sequence[nn.Module],
    images: Tensor,
    *,
    eps: float = 10 / 255,
    p: float = norms.INF,
    step: float = 1 / 255,
    passes: int = 10,
    schedule: str = "cyclic",
    batch_size: int = 20,
    draw: Draw | None = None,
    watched: dict[str, Tensor] | None = None,
    start: Tensor | None = None,
    generator: torch.Generator | None = None,
    checkpoint: Path | None = None,
    callback: Callable[[Universal], None] | None = None,
) -> Universal:
    """A universal perturbation by stochastic gradient ascent, the way that is used today (Shafahi et al. 2020).

    For each batch of ``batch_size`` images v goes ``step`` along the steepest direction (of the p-norm) of the sum of
    their cross-entropies at x + v, with the networks' own predictions for x as labels, and is projected onto the ball:
    one gradient an image. Other arguments, and what is returned, as in :func:`universal_perturbation`; ``history``
    counts ``gradients`` instead of walks.
    """
    _check(models, images, eps, p, passes, batch_size, schedule)
    checks.positive(step=step)

    def visit(out: Universal, x: Tensor, labels: Tensor, visits: list[tuple[int, Tensor]]) -> Counter[str]:
        for k, rows in visits:
            with torch.enable_grad():
                v = out.perturbation.detach().requires_grad_()
                z = models[k](x[rows] + v)
            (g,) = torch.autograd.grad(z, v, loss_slope(z, labels[k, rows]))
            out.perturbation = norms.project((v.detach() + step * norms.steepest(g[None], p)[0])[None], eps, p)[0]
        return Counter(gradients=sum(len(rows) for _, rows in visits))

    return _in_passes(
        visit,
        models,
        images,
        passes=passes,
        schedule=schedule,
        batch_size=batch_size,
        draw=draw,
        watched=watched or {},
        start=start,
        generator=generator,
        checkpoint=checkpoint,
        callback=callback,
    )


# (perturbation so far, images, labels by network, visits) -> counts
Visit = Callable[["Universal", Tensor, Tensor, list[tuple[int, Tensor]]], Mapping[str, int]]


def _check(
    models: Sequence[nn.Module], images: Tensor, eps: float, p: float, passes: int, batch_size: int, schedule: str
) -> None:
    checks.images(images, name="images")
    checks.positive(eps=eps)
    checks.at_least(1, passes=passes, batch_size=batch_size)
    if norms.check_p(p) not in (2, norms.INF):
        raise ValueError(f"p must be 2 or inf, got {p!r}")
    if schedule not in ("each", "cyclic"):
        raise ValueError(f"schedule must be 'each' or 'cyclic', got {schedule!r}")
    if len(models) == 0:
        raise ValueError("models must have at least one network")


def _in_passes(
    visit: Visit,
    models: Sequence[nn.Module],
    images: Tensor,
    *,
    passes: int,
    schedule: str,
    batch_size: int,
    draw: Callable[[Tensor, torch.Generator], Tensor] | None,
    watched: Mapping[str, Tensor],
    start: Tensor | None,
    generator: torch.Generator | None,
    checkpoint: Path | None,
    callback: Callable[[Universal], None] | None,
) -> Universal:
    """Show all images to ``visit``, in a new order in every pass and block by block; measure rates; keep each pass."""
    generator = runtime.generator(0) if generator is None else generator
    if start is None:
        start = torch.zeros_like(images[0] if draw is None else draw(images[:1], runtime.generator(0))[0])
    out = _resume(checkpoint, generator) or Universal(start)
    out.perturbation = out.perturbation.to(images)
    with ExitStack() as stack:
        for model in models:
            stack.enter_context(runtime.evaluating(model))
        clean = {name: [classes(model, x) for model in models] for name, x in watched.items()}
        fixed = torch.stack([classes(model, images) for model in models]) if draw is None else None
        while len(out.history) < passes:
            counts: Counter = Counter()  # type: ignore[type-arg]
            order = torch.randperm(len(images), generator=generator)
            for rows in order.split(max(1, BLOCK // batch_size) * batch_size):
                x = images[rows] if draw is None else draw(images[rows], generator)
                visits = _visits(torch.arange(len(x)).split(batch_size), len(models), schedule, out)
                labels = fixed[:, rows] if draw is None else _visited_classes(models, x, visits)  # type: ignore[index]
                counts.update(visit(out, x, labels, visits))
            rates = {
                name: [
                    fooling_rate(model, x, out.perturbation, clean=labels)
                    for model, labels in zip(models, clean[name], strict=True)
                ]
                for name, x in watched.items()
            }
            out.history.append(dict(counts) | rates)
            if checkpoint is not None:
                _save(checkpoint, out, generator)
            if callback is not None:
                callback(out)
    return out


def _visits(batches: Sequence[Tensor], networks: int, schedule: str, out: Universal) -> list[tuple[int, Tensor]]:
    """Which network looks at which batch, in order."""
    if schedule == "each":
        return [(k, batch) for batch in batches for k in range(networks)]
    first, out.turn = out.turn, (out.turn + len(batches)) % networks
    return [((first + number) % networks, batch) for number, batch in enumerate(batches)]


def _visited_classes(models: Sequence[nn.Module], x: Tensor, visits: list[tuple[int, Tensor]]) -> Tensor:
    """(K, n) predictions of each network for the images that it visits."""
    labels = torch.full((len(models), len(x)), -1, device=x.device)
    for k, model in enumerate(models):
        mine = [batch for number, batch in visits if number == k]
        if mine:
            labels[k, torch.cat(mine)] = classes(model, x[torch.cat(mine)])
    return labels


def _add_increments(
    model: nn.Module, x: Tensor, labels: Tensor, v: Tensor, eps: float, p: float, walk: dict[str, Any]
) -> tuple[Tensor, dict[str, int]]:
    """v after one batch, and counts: every image that v does not fool adds its walk, if those before it left it so."""
    found, taken = descend(model, x + v, labels=labels, **walk)
    skipped = taken > walk["max_iter"]
    increments, updates = found - (x + v), 0
    for n in ((taken > 0) & ~skipped).nonzero().flatten().tolist():
        if updates and classes(model, x[n : n + 1] + v) != labels[n]:
            continue
        v, updates = norms.project((v + increments[n])[None], eps, p)[0], updates + 1
    return v, {
        "calls": int((taken > 0).sum()),
        "skipped": int(skipped.sum()),
        "updates": updates,
        "steps": int(taken.clamp(max=walk["max_iter"]).sum()),
    }


def fooling_rate(model: nn.Module, images: Tensor, v: Tensor, *, clean: Tensor | None = None) -> float:
    """Share of ``images`` (N, C, H, W) whose prediction ``v`` (C, H, W) changes; no label has a part in it.

    Moosavi-Dezfooli et al. 2017, Section 2. Like their code this does not clip x + v. ``clean`` (N,), if given, are
    the predictions without ``v``.
    """
    clean = classes(model, images) if clean is None else clean
    return (classes(model, images, v) != clean).double().mean().item()


def interpolate(v_f: Tensor, v_g: Tensor, lam: float) -> Tensor:
    """lam v_f + (1 - lam) v_g (Kuehne and Toedtli 2020, Eq. (1)), inside the ball if both are.

    Raises ``ValueError`` for a ``lam`` outside [0, 1].
    """
    if not 0 <= lam <= 1:
        raise ValueError(f"lam must lie in [0, 1], got {lam!r}")
    return lam * v_f + (1 - lam) * v_g


def classes(model: nn.Module, images: Tensor, v: Tensor | float = 0.0) -> Tensor:
    """(N,) what ``model`` predicts for ``images`` + v, a block at a time."""
    return torch.cat([evaluation.predictions(model, part + v) for part in images.split(BLOCK)])


def _save(path: Path, out: Universal, generator: torch.Generator) -> None:
    buffer = io.BytesIO()
    torch.save(vars(out) | {"generator": generator.get_state(), "name": path.name}, buffer)
    files.write_sealed(path, buffer.getvalue())


def _resume(path: Path | None, generator: torch.Generator) -> Universal | None:
    if path is None or not path.exists():
        return None
    try:
        state = torch.load(io.BytesIO(files.read_sealed(path)), map_location="cpu", weights_only=True)
    except files.DamagedFile:
        return None  # starts again; a number never comes from a damaged file, nor from another perturbation's
    if state.pop("name", "") != path.name or not torch.isfinite(state["perturbation"]).all():
        return None
    generator.set_state(state.pop("generator"))
    return Universal(**state)
