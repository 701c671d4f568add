"""p-norms of batches: the norm, its dual, the steepest ascent direction and the projection onto a ball.

Every function treats the first axis as the batch and all other axes together as one vector.
``p`` is any real number in [1, inf].
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

INF = math.inf


def check_p(p: float) -> float:
    """Return ``p`` as a float; raise ``ValueError`` unless 1 <= p <= inf. The strings 'inf' and '2' are accepted.

    >>> from advutils.core.norms import check_p
    >>> check_p("inf")
    inf
    """
    try:
        value = float(p)
    except (TypeError, ValueError):
        raise ValueError(f"p must be a number in [1, inf], got {p!r}") from None
    if not value >= 1:
        raise ValueError(f"p must be in [1, inf], got {p!r}")
    return value


def dual(p: float) -> float:
    """The dual exponent p* with 1/p + 1/p* = 1 (Lyu et al. 2015, below Eq. (3)).

    >>> from advutils.core.norms import dual
    >>> dual(2), dual(1)
    (2.0, inf)
    """
    p = check_p(p)
    return INF if p == 1 else 1.0 if p == INF else p / (p - 1)


def per_example(values: Tensor, like: Tensor) -> Tensor:
    """Reshape (N,) ``values`` to (N, 1, ..., 1) so that they broadcast over ``like`` of shape (N, ...).

    >>> import torch
    >>> from advutils.core.norms import per_example
    >>> per_example(torch.tensor([1.0, 2.0]), torch.zeros(2, 3, 8, 8)).shape
    torch.Size([2, 1, 1, 1])
    """
    return values.reshape(-1, *[1] * (like.dim() - 1))


def norm(v: Tensor, p: float = 2) -> Tensor:
    """||v_n||_p of each example: (N, ...) -> (N,).

    >>> import torch
    >>> from advutils.core.norms import norm
    >>> norm(torch.tensor([[3.0, 4.0]]))
    tensor([5.])
    """
    return torch.linalg.vector_norm(v.flatten(1), ord=check_p(p), dim=1)


def steepest(g: Tensor, p: float = 2) -> Tensor:
    """The vector u with ||u||_p = 1 that maximises <g, u>: Lyu et al. 2015, Eqs. (3) and (44) with sigma = 1.

    ``sign(g) (|g| / ||g||_p*)^(1/(p-1))``, with its limits ``sign(g)`` at p = inf (Eq. (8); sign(0) = 0) and, at p = 1,
    all of the budget on one entry with the largest |g| (Eq. (11) as corrected in the errata; ties go to the first).
    <g, u> = ||g||_p*. Where g = 0 the result is 0.

    Shapes: (N, ...) -> (N, ...), same dtype.

    >>> import torch
    >>> from advutils.core.norms import steepest
    >>> steepest(torch.tensor([[3.0, -4.0]]), 2)
    tensor([[ 0.6000, -0.8000]])
    >>> steepest(torch.tensor([[3.0, -4.0]]), float("inf"))
    tensor([[ 1., -1.]])
    """
    p = check_p(p)
    if p == INF:
        return g.sign()
    # Dividing by the largest entry first keeps the powers in range; an absolute guard such as 1e-12 would
    # silently switch the direction off for a confident network, whose gradients are smaller than that.
    largest = per_example(norm(g, INF), g)
    g = torch.where(largest > 0, g / torch.where(largest > 0, largest, 1), 0)
    if p == 1:
        index = g.flatten(1).abs().argmax(dim=1, keepdim=True)
        one_hot = torch.zeros_like(g.flatten(1)).scatter_(1, index, 1).reshape(g.shape)
        return one_hot * g.sign()
    q_norm = per_example(norm(g, dual(p)), g)
    q_norm = torch.where(q_norm > 0, q_norm, 1)
    if p == 2:  # the general line below, without its two powers
        return g / q_norm
    return g.sign() * (g.abs() / q_norm) ** (1 / (p - 1))


def project(v: Tensor, radius: float | Tensor, p: float = 2) -> Tensor:
    """The point of the ball ||.||_p <= radius nearest to each v_n in the Euclidean sense, for p in {1, 2, inf}.

    ``radius`` is a number or an (N,) tensor, >= 0. For p = 1 this is the sorting algorithm of Duchi et al. 2008.
    Raises ``ValueError`` for other p.

    >>> import torch
    >>> from advutils.core.norms import project
    >>> v = torch.tensor([[3.0, 4.0]])
    >>> project(v, 1.0, 2), project(v, 1.0, 1)
    (tensor([[0.6000, 0.8000]]), tensor([[0., 1.]]))
    """
    p = check_p(p)
    flat = v.flatten(1)
    r = torch.as_tensor(radius, dtype=v.dtype, device=v.device).expand(len(v)).reshape(-1, 1)
    if p == INF:
        out = flat.clamp(-r, r)
    elif p == 2:
        size = torch.linalg.vector_norm(flat, dim=1, keepdim=True)
        out = torch.where(size > r, flat * (r / size.clamp(min=torch.finfo(v.dtype).tiny)), flat)
    elif p == 1:
        magnitude = flat.abs()
        ordered = magnitude.sort(dim=1, descending=True).values
        excess = ordered.cumsum(dim=1) - r
        rank = torch.arange(1, flat.shape[1] + 1, device=v.device, dtype=v.dtype)
        last = ((ordered * rank > excess).sum(dim=1, keepdim=True) - 1).clamp(min=0)
        threshold = (excess.gather(1, last) / (last + 1)).clamp(min=0)
        shrunk = flat.sign() * (magnitude - threshold).clamp(min=0)
        out = torch.where(magnitude.sum(dim=1, keepdim=True) > r, shrunk, flat)
    else:
        raise ValueError(f"p must be 1, 2 or inf for a projection, got {p}")
    return out.reshape(v.shape)
