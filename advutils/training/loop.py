"""One training loop for every network of the book: momentum SGD or Adam, max-norm, early stopping, resume."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from advutils.core import files, runtime
from advutils.training import constraints

Objective = Callable[[nn.Module, Tensor, Tensor], Tensor]
OPTIMIZERS = ("momentum", "adam")


@dataclass(frozen=True)
class Schedule:
    """Learning rate and momentum of classical momentum SGD, as pylearn2 schedules them.

    ``lr`` is divided by ``lr_divisor`` after every minibatch down to ``lr_floor``; the momentum goes linearly from
    ``momentum[0]`` in epoch 1 to ``momentum[1]`` in epoch ``momentum_epochs``.

    >>> from advutils.training import Schedule
    >>> Schedule(lr=0.1).rate(1000)
    0.09960079973121408
    """

    lr: float = 0.1
    lr_divisor: float = 1.000004
    lr_floor: float = 1e-6
    momentum: tuple[float, float] = (0.5, 0.7)
    momentum_epochs: int = 250

    def rate(self, step: int) -> float:
        """Learning rate of minibatch ``step``, counted from 0."""
        try:
            return max(self.lr / self.lr_divisor**step, self.lr_floor)
        except OverflowError:  # after some 1e8 minibatches
            return self.lr_floor

    def momentum_at(self, epoch: int) -> float:
        """Momentum of ``epoch``, counted from 1."""
        alpha = min(max((epoch - 1) / max(self.momentum_epochs - 1, 1), 0), 1)
        return self.momentum[0] + alpha * (self.momentum[1] - self.momentum[0])


@dataclass
class History:
    """What a training run did: one entry an epoch."""

    loss: list[float] = field(default_factory=list)  # mean objective over the epoch's minibatches
    monitor: list[float] = field(default_factory=list)  # the monitored quantity after the epoch, if any
    seconds: list[float] = field(default_factory=list)
    best_epoch: int = 0  # counted from 1; the epoch of the best weights, the last one without patience
    finished: bool = False


def train(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    objective: Objective,
    epochs: int,
    seed: int,
    schedule: Schedule = Schedule(),
    optimizer: str = "momentum",
    batch_size: int = 100,
    max_norm: float | None = None,
    monitor: Callable[[nn.Module], float] | None = None,
    patience: int | None = None,
    target: float | None = None,
    checkpoint: Path | None = None,
    restore: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> History:
    """Train ``model`` in place on ``images`` (N, ...) and ``labels`` (N,); minimise ``objective(model, x, y)``.

    ``optimizer`` is "momentum", classical momentum SGD, or "adam" (Kingma and Ba 2015 with their constants), which
    takes the learning rate alone from ``schedule``. A layer's ``lr_scale`` multiplies the rate of its own parameters.
    After each step the Euclidean norm of the incoming weights of every unit is limited to ``max_norm``, or to the
    layer's own ``max_norm`` where it has one (:func:`advutils.training.constraints.limits`).
    ``monitor(model)`` is evaluated after each epoch (lower is better): with ``patience``
    training stops when it has not improved for so many epochs and the best weights are restored (the last ones stay
    with ``restore=False``); with ``target`` it stops as soon as the monitor is <= target. ``checkpoint`` names a file
    written after every epoch, from which a killed run continues exactly and a finished one is only loaded. One that is
    damaged, was written under another name or holds a NaN is ignored and the run starts again.
    ``progress(done, epochs)`` is called after each epoch.

    All randomness (order, dropout) comes from ``seed``. Raises ``ValueError`` for bad arguments and
    ``FloatingPointError`` when the loss is not finite.

    >>> import torch
    >>> from advutils.training import Schedule, train
    >>> x, y = torch.tensor([[0.0, 1.0], [1.0, 0.0]]), torch.tensor([0, 1])
    >>> model = torch.nn.Linear(2, 2)
    >>> def objective(model, x, y):
    ...     return torch.nn.functional.cross_entropy(model(x), y)
    >>> history = train(model, x, y, objective=objective, epochs=50, seed=0, schedule=Schedule(lr=1.0))
    >>> model(x).argmax(1)
    tensor([0, 1])
    """
    if epochs < 1 or batch_size < 1:
        raise ValueError(f"epochs and batch_size must be >= 1, got {epochs} and {batch_size}")
    if len(images) != len(labels) or len(labels) == 0:
        raise ValueError(f"images and labels must have one length > 0, got {len(images)} and {len(labels)}")
    if (patience is not None or target is not None) and monitor is None:
        raise ValueError("patience and target need a monitor")
    if optimizer not in OPTIMIZERS:
        raise ValueError(f"optimizer must be one of {', '.join(OPTIMIZERS)}, got {optimizer!r}")

    groups, limits = constraints.groups(model), constraints.limits(model, max_norm)
    # fused: one pass over the weights instead of three, which is a quarter of the time at batches of 100
    stepper = (
        torch.optim.Adam(groups, lr=schedule.lr, fused=True)
        if optimizer == "adam"
        else torch.optim.SGD(groups, lr=schedule.lr, momentum=schedule.momentum[0], fused=True)
    )
    history, best = History(), None
    with runtime.seeded(seed), runtime.flushing_denormals():
        if checkpoint is not None:
            best = _resume(checkpoint, model, stepper, history)
        if history.finished:
            if best is not None and restore:
                model.load_state_dict(best)
            return history
        for epoch in range(len(history.loss) + 1, epochs + 1):
            started = time.perf_counter()
            history.loss.append(_epoch(model, images, labels, objective, stepper, limits, schedule, epoch, batch_size))
            history.seconds.append(time.perf_counter() - started)
            stop = epoch == epochs
            if monitor is not None:
                history.monitor.append(monitor(model))
                if patience is None:
                    stop |= target is not None and history.monitor[-1] <= target
                elif history.best_epoch == 0 or history.monitor[-1] < history.monitor[history.best_epoch - 1]:
                    history.best_epoch = epoch
                    best = {name: value.clone() for name, value in model.state_dict().items()}
                else:
                    stop |= epoch - history.best_epoch >= patience
            if stop:
                history.finished = True
                if best is None:
                    history.best_epoch = epoch
                if not _finite(model.state_dict()):  # the last step: the loss has not seen it
                    raise FloatingPointError(f"the weights are not finite after epoch {epoch}; lower the learning rate")
            if checkpoint is not None:
                _save(checkpoint, model, stepper, history, best)
            if stop and best is not None and restore:
                model.load_state_dict(best)
            if progress is not None:
                progress(epoch, epochs)
            if stop:
                break
    return history


def _epoch(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    objective: Objective,
    optimizer: torch.optim.Optimizer,
    limits: constraints.Limits,
    schedule: Schedule,
    epoch: int,
    batch_size: int,
) -> float:
    model.train()
    batches = torch.randperm(len(labels)).to(labels.device).split(batch_size)
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    total = 0.0
    for group in optimizer.param_groups:
        if "momentum" in group:
            group["momentum"] = schedule.momentum_at(epoch)
    for number, index in enumerate(batches):
        loss = objective(model, images[index], labels[index])
        for weight, gradient in zip(weights, torch.autograd.grad(loss, weights), strict=True):
            weight.grad = laid_out_like(weight, gradient)
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate((epoch - 1) * len(batches) + number) * group["lr_scale"]
        optimizer.step()
        constraints.limit(limits)
        total += loss.detach() * len(index)  # type: ignore[assignment]
    optimizer.zero_grad()
    mean = float(total) / len(labels)
    if not mean < float("inf"):  # also catches NaN
        raise FloatingPointError(f"the training loss is {mean} in epoch {epoch}; lower the learning rate")
    return mean


def laid_out_like(weight: Tensor, gradient: Tensor) -> Tensor:
    """``gradient``, copied into the memory layout of ``weight`` where it has another one.

    On a CPU the fused optimizers read weight and gradient as raw memory and ignore strides. ``loss.backward()`` copies;
    ``torch.autograd.grad`` may give strides of its own: those of channels_last activations, or of ``vmap``.
    """
    return gradient if gradient.stride() == weight.stride() else torch.empty_like(weight).copy_(gradient)


def _save(
    path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, history: History, best: dict[str, Tensor] | None
) -> None:
    state = {
        "name": path.name,
        "model": model.state_dict(),
        "history": vars(history),
        "rng": torch.get_rng_state(),
        "best": best,
    }
    if torch.cuda.is_available():
        state["rng_cuda"] = torch.cuda.get_rng_state()
    if not history.finished:  # a finished run does not need it
        state["optimizer"] = optimizer.state_dict()
    buffer = io.BytesIO()
    torch.save(state, buffer)
    files.write_sealed(path, buffer.getvalue())


def _resume(
    path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, history: History
) -> dict[str, Tensor] | None:
    """Load a checkpoint into ``model``, ``optimizer`` and ``history``; returns the best weights so far, if any."""
    if not path.exists():
        return None
    device = next(model.parameters()).device
    try:
        state = torch.load(io.BytesIO(files.read_sealed(path)), map_location=device, weights_only=True)
    except files.DamagedFile:
        state = {}
    # another network's file under this name, and weights that are no numbers, are refused like a damaged file
    if state.get("name") != path.name or not all(map(_finite, (state["model"], state["best"] or {}))):
        path.unlink()  # the run starts again
        return None
    model.load_state_dict(state["model"])
    vars(history).update(state["history"])
    torch.set_rng_state(state["rng"].cpu())
    if "rng_cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["rng_cuda"].cpu())
    if "optimizer" in state:
        optimizer.load_state_dict(state["optimizer"])
    return state["best"]


def _finite(weights: dict[str, Tensor]) -> bool:
    return all(torch.isfinite(value).all() for value in weights.values())
