"""The gradient regularisation family of Lyu, Huang and Liang (ICDM 2015): train on the worst small perturbation."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from advutils.attacks.ascent import loss_slope
from advutils.core import norms, runtime


def loss_gradient(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """grad_x of the cross-entropy of each example, (N, ...) -> (N, ...).

    The loss is summed, not averaged: row n is then the gradient of example n alone, free of a factor 1/N. It is
    computed as sigmoid(L') grad L' (:func:`advutils.attacks.ascent_direction`), so that in float32 a sure network's is
    as small as it should be and not 0. Raises ``ValueError`` for a model of one class.

    >>> import torch
    >>> model = torch.nn.Identity()  # the images are the logits
    >>> x, y = torch.zeros(1, 2), torch.tensor([0])
    >>> from advutils.training.regularizers import loss_gradient
    >>> loss_gradient(model, x, y)
    tensor([[-0.5000,  0.5000]])
    """
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        z = model(x)
    return torch.autograd.grad(z, x, loss_slope(z, y))[0]


def worst_perturbation(gradient: Tensor, *, sigma: float, p: float) -> Tensor:
    """epsilon of Lyu et al. 2015, Eq. (3): the maximiser of gradient . epsilon under ||epsilon||_p <= sigma.

    ``gradient`` (N, ...) in loss per pixel unit; ``sigma`` >= 0 in the units of the input; ``p`` in [1, inf].
    Returns (N, ...) with ||epsilon_n||_p = sigma (0 where the gradient vanishes).
    Raises ``ValueError`` for sigma < 0 or p outside [1, inf].

    >>> import torch
    >>> from advutils.training.regularizers import worst_perturbation
    >>> worst_perturbation(torch.tensor([[3.0, 4.0]]), sigma=0.1, p=2)
    tensor([[0.0600, 0.0800]])
    """
    if not sigma >= 0:
        raise ValueError(f"sigma must be >= 0, got {sigma!r}")
    return sigma * norms.steepest(gradient, p)


def perturbed_loss(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    sigma: float,
    p: float,
    stop_gradient: bool = True,
    clip: bool = False,
    mask: Literal["shared", "fresh", "none"] = "shared",
) -> Tensor:
    """Mean of L(x + epsilon), what Lyu et al. 2015 minimise instead of L(x) (Eqs. (1) to (4)).

    The paper leaves three things open; each is a switch here:

    * ``stop_gradient``: epsilon is a constant of the outer minimisation (True) or is differentiated too (False);
    * ``clip``: x + epsilon is clipped to [0, 1] (True) or left alone (False);
    * ``mask``: epsilon is computed under the dropout mask of the outer pass ("shared"), under an independent one
      ("fresh"), or without dropout ("none").

    Batch normalisation moves its running statistics once, by the outer pass; with "shared" and "fresh" the pass for
    epsilon normalises by the statistics of the minibatch too.

    ``x`` (N, ...) in [0, 1], ``y`` (N,) class numbers; returns a scalar with a graph to the model's parameters.
    Raises ``ValueError`` for another ``mask`` or a negative ``sigma``.

    >>> import torch
    >>> model = torch.nn.Identity()  # the images are the logits
    >>> x, y = torch.zeros(1, 2), torch.tensor([0])
    >>> from advutils.training.regularizers import perturbed_loss
    >>> round(perturbed_loss(model, x, y, sigma=0.1, p=float("inf")).item(), 4)  # log(1 + exp(0.2))
    0.7981
    """
    if mask not in ("shared", "fresh", "none"):
        raise ValueError(f"mask must be 'shared', 'fresh' or 'none', got {mask!r}")
    before = torch.get_rng_state() if x.device.type == "cpu" else torch.cuda.get_rng_state(x.device)
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        with runtime.evaluating(model) if mask == "none" else runtime.statistics_still(model):
            inner = F.cross_entropy(model(leaf), y, reduction="sum")
        gradient = torch.autograd.grad(inner, leaf, create_graph=not stop_gradient)[0]
    if mask == "shared":  # replay the random numbers, hence the dropout mask, of the pass above
        torch.set_rng_state(before) if x.device.type == "cpu" else torch.cuda.set_rng_state(before, x.device)
    moved = x + worst_perturbation(gradient, sigma=sigma, p=p)
    return F.cross_entropy(model(moved.clamp(0, 1) if clip else moved), y)


def penalised_loss(model: nn.Module, x: Tensor, y: Tensor, *, sigma: float, p: float) -> Tensor:
    """Mean of L(x) + sigma ||grad_x L||_p*, Lyu et al. 2015, Eq. (4), by double backpropagation.

    A zero gradient has no derivative of its norm; the subgradient 0 is used there, as torch does.
    Shapes as in :func:`perturbed_loss`.
    Raises ``ValueError`` for a negative ``sigma``.

    >>> import torch
    >>> model = torch.nn.Identity()  # the images are the logits
    >>> x, y = torch.zeros(1, 2), torch.tensor([0])
    >>> from advutils.training.regularizers import penalised_loss
    >>> round(penalised_loss(model, x, y, sigma=0.1, p=float("inf")).item(), 4)  # log 2 + 0.1, to first order the same
    0.7931
    """
    if not sigma >= 0:
        raise ValueError(f"sigma must be >= 0, got {sigma!r}")
    leaf = x.detach().requires_grad_()
    losses = F.cross_entropy(model(leaf), y, reduction="none")
    gradient = torch.autograd.grad(losses.sum(), leaf, create_graph=True)[0]
    return (losses + sigma * norms.norm(gradient, norms.dual(p))).mean()


def gradient_magnitude(losses: Tensor, x: Tensor, *, per_example: bool = False) -> Tensor:
    """Length of the loss gradient in the pixels, by double backpropagation (Cutilli 2021, Section 3.2.1).

    ``losses`` (N,) with a graph to ``x`` (N, ...), which needs gradients. As in the thesis' code it is one Euclidean
    norm over the whole minibatch, of the gradient of the mean loss: sqrt(sum_n ||g_n||^2) / N. With ``per_example`` it
    is the mean of ||g_n||, which is as large or larger, by sqrt(N) at most. Returns a scalar with a graph, in loss per
    unit of x; the derivative of a norm that is 0 counts as 0.

    >>> import torch
    >>> from advutils.training.regularizers import gradient_magnitude
    >>> x = torch.tensor([[3.0, 4.0]], requires_grad=True)
    >>> gradient_magnitude(x.square().sum(1) / 2, x).item()  # the gradient is x
    5.0
    """
    gradient = torch.autograd.grad(losses.sum(), x, create_graph=True)[0].flatten(1)
    sizes = torch.linalg.vector_norm(gradient, dim=1) if per_example else torch.linalg.vector_norm(gradient)
    return sizes.sum() / len(losses)
