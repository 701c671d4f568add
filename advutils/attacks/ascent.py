"""The direction that raises the cross-entropy, in float32 too where a network is so sure that the gradient is gone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from advutils.core import checks, memory

SURE = 16.6  # beyond this margin 1 + exp(-margin) is 1 in float32


@dataclass
class Looks:
    """``looks``: gradients taken, one an example and step; ``sure``: those of examples with a margin over ``SURE``."""

    looks: int = 0
    sure: int = 0


_ACTIVE: ContextVar[Looks | None] = ContextVar("looks", default=None)


@contextmanager
def counting_sure() -> Iterator[Looks]:
    """Count for a block the gradients taken here, and those where z_y - max_{k != y} z_k > :data:`SURE`.

    There the gradient of torch's own cross-entropy has lost digits in float32. Yields the :class:`Looks`.

    >>> import torch
    >>> model = torch.nn.Linear(2, 2, bias=False)  # the larger of two numbers wins
    >>> model.weight.data = torch.eye(2)
    >>> x, y = torch.tensor([[0.6, 0.4]]), torch.tensor([0])
    >>> from advutils.attacks import counting_sure, fgsm
    >>> with counting_sure() as looks:
    ...     moved = fgsm(model, x, y, eps=0.1)
    >>> looks
    Looks(looks=1, sure=0)
    """
    token = _ACTIVE.set(Looks())
    try:
        yield _ACTIVE.get()  # type: ignore[misc]
    finally:
        _ACTIVE.reset(token)


def doubt(z: Tensor, y: Tensor) -> Tensor:
    """L' = log sum_{k != y} exp(z_k) - z_y, the log-odds against class y, of logits (N, K) and labels (N,): (N,).

    The cross-entropy is log(1 + exp(L')), its gradient sigmoid(L') times that of L'.

    >>> import torch
    >>> from advutils.attacks.ascent import doubt
    >>> doubt(torch.zeros(1, 3), torch.tensor([0]))  # two classes against one: log 2
    tensor([0.6931])
    """
    own = y[:, None].long()
    return (z.scatter(1, own, -torch.inf) - z.gather(1, own)).logsumexp(1)


def sure(z: Tensor, y: Tensor) -> Tensor:
    """Whose margin z_y - max_{k != y} z_k is over :data:`SURE`: (N, K), (N,) -> (N,) bool.

    >>> import torch
    >>> from advutils.attacks.ascent import sure
    >>> sure(torch.tensor([[20.0, 0.0], [10.0, 0.0]]), torch.tensor([0, 0]))
    tensor([ True, False])
    """
    own = y[:, None].long()
    return (z.gather(1, own) - z.scatter(1, own, -torch.inf).amax(1, keepdim=True))[:, 0] > SURE


def doubt_slope(z: Tensor, y: Tensor) -> Tensor:
    """dL'/dz, (N, K): the softmax of the other logits, and -1 at y. ``ValueError`` for one class."""
    checks.several_classes(z)
    own = y[:, None].long()
    others = z.detach().scatter(1, own, -torch.inf)
    if (counts := _ACTIVE.get()) is not None:
        counts.looks += len(z)
        counts.sure += int(sure(z.detach(), y).sum())
    return others.softmax(1).scatter_(1, own, -1)


def loss_slope(z: Tensor, y: Tensor) -> Tensor:
    """d(cross-entropy)/dz, (N, K), as sigmoid(L') dL'/dz: it does not vanish before float32 has no number so small."""
    return torch.sigmoid(doubt(z.detach(), y))[:, None] * doubt_slope(z, y)


def ascent_direction(
    model: nn.Module, x: Tensor, y: Tensor, *, split: memory.Split | None = None, check: bool = True
) -> Tensor:
    """The gradient in x of L' = log sum_{k != y} exp(z_k) - z_y of each example: (N, ...) -> (N, ...).

    A positive multiple of the cross-entropy's gradient, which is sigmoid(L') times this one, for steps that are
    normalised or signed. In float32 torch's cross-entropy loses the term of its own class once p_y rounds to 1 (margins
    over :data:`SURE`) and all of it near 90; this keeps its size and its digits. The model is used in the mode that it
    is in; one pass forward and one backward.

    ``y`` (N,) class numbers. ``split`` is the caller's memory of what fits; ``check`` off spares the checks of logits
    and labels where the first step made them. Raises ``ValueError`` for bad ones, or for a model of one class.

    >>> import torch
    >>> model = torch.nn.Linear(2, 2, bias=False)  # the larger of two numbers wins
    >>> model.weight.data = torch.eye(2)
    >>> x, y = torch.tensor([[0.6, 0.4]]), torch.tensor([0])
    >>> from advutils.attacks import ascent_direction
    >>> ascent_direction(model, x, y)
    tensor([[-1.,  1.]])
    """

    def one_pass(x: Tensor, y: Tensor) -> tuple[Tensor, ...]:
        with torch.enable_grad():
            leaf = x.detach().requires_grad_()
            z = model(leaf)
        if check:
            checks.logits(z, x)
            checks.labels(y, x, classes=z.shape[1])
        return torch.autograd.grad(z, leaf, doubt_slope(z, y))

    return (split or memory.Split())(one_pass, x, y)[0]
