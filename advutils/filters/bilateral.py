"""Bilateral filtering (Tomasi and Manduchi 1998), also guided by another image."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from advutils.core import checks


def bilateral(
    x: Tensor,
    *,
    sigma_domain: float,
    sigma_range: float,
    radius: int | None = None,
    joint: bool = True,
    guide: Tensor | None = None,
) -> Tensor:
    """The mean of each pixel's neighbours, weighted by nearness in the plane and likeness in colour.

    Weights are exp(-d^2 / 2 sigma_domain^2) exp(-|guide_p - guide_q|^2 / 2 sigma_range^2) in a square window of
    half-width ``radius`` (None: ceil(2.326 sigma_domain), which holds 98 % of a line of the Gaussian), cut off at the
    border of the image. ``joint`` compares the colours of all channels together, as Zhang et al. 2019, Appendix A;
    otherwise each channel has its own weights, as in the filter of their Section 5.4. ``guide`` (None: ``x`` itself)
    is the image whose colours are compared.

    (scikit-image has a bilateral filter, without a guide; in its version 0.26 the spatial weights are displaced: an
    impulse comes back some pixels away.)

    ``x`` (N, C, H, W), any range; ``sigma_range`` in its units. Raises ``ValueError`` naming the argument.

    >>> import torch
    >>> from advutils.filters.bilateral import bilateral
    >>> x = torch.tensor([[[[0.0, 0.0, 1.0, 1.0]]]])
    >>> bilateral(x, sigma_domain=1.0, sigma_range=0.01)  # an edge stays
    tensor([[[[0., 0., 1., 1.]]]])
    """
    checks.positive(sigma_domain=sigma_domain, sigma_range=sigma_range)
    guide = x if guide is None else guide
    if x.dim() != 4 or guide.shape != x.shape:
        raise ValueError(f"x and guide must have one shape (N, C, H, W), got {tuple(x.shape)}, {tuple(guide.shape)}")
    radius = math.ceil(2.326 * sigma_domain) if radius is None else radius
    height, width = x.shape[2:]
    total, weights = torch.zeros_like(x), torch.zeros_like(x)
    for down in range(-min(radius, height - 1), min(radius, height - 1) + 1):
        for right in range(-min(radius, width - 1), min(radius, width - 1) + 1):
            here = (..., slice(max(0, -down), height - max(0, down)), slice(max(0, -right), width - max(0, right)))
            there = (..., slice(max(0, down), height + min(0, down)), slice(max(0, right), width + min(0, right)))
            apart = (guide[here] - guide[there]).square()
            if joint:
                apart = apart.sum(1, keepdim=True)
            weight = torch.exp(-(down**2 + right**2) / (2 * sigma_domain**2) - apart / (2 * sigma_range**2))
            total[here] += weight * x[there]
            weights[here] += weight
    return total / weights


def magnification(x: Tensor, *, beta: float = 0.8, sigma_domain: float = 5.0, sigma_range: float = 0.2) -> Tensor:
    """Adversarial magnification, Zhang et al. 2019, Eq. (22): the image less its local mean, over its local deviation.

    The local mean is the bilateral filter of ``x``, the local deviation the square **root** (the text has the power
    -1/2) of the bilateral filter, guided by ``x``, of the squared difference; the global one is taken per channel.
    ``x`` (N, C, H, W) in [0, 1]; the result is centred at 0, and 0 where the image is constant.

    >>> import torch
    >>> from advutils.filters.bilateral import magnification
    >>> magnification(torch.full((1, 1, 3, 3), 0.5)).abs().max()
    tensor(0.)
    """
    checks.images(x)
    options = {"sigma_domain": sigma_domain, "sigma_range": sigma_range}
    rest = x - bilateral(x, **options)  # type: ignore[arg-type]
    local = bilateral(rest.square(), guide=x, **options).sqrt()  # type: ignore[arg-type]
    scale = beta * local + (1 - beta) * rest.flatten(2).std(dim=2, correction=0)[..., None, None]
    shown = scale > 1e-6  # below it there is only rounding
    return torch.where(shown, rest / torch.where(shown, scale, 1), 0)
