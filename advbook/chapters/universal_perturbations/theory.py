"""Measurements of the chapter on Kuehne and Toedtli 2020: why one perturbation can fool on many images."""

from __future__ import annotations

import torch
from torch import Tensor

from advbook.chapters.universal_perturbations.fooling import centre, frames, sides
from advbook.chapters.universal_perturbations.fooling import network as network_named
from advutils.attacks import universal
from advutils.attacks.deepfool import descend
from advutils.core import norms, runtime


def spectrum(
    *,
    data: str,
    network: str,
    split: int,
    training: int,
    images: int,
    num_classes: int,
    dimensions: list[int],
    draws: int,
    length: float,
    seed: int,
) -> tuple[dict, dict]:
    """Do minimal perturbations of different images share directions? Moosavi-Dezfooli et al. 2017, Section 5.

    DeepFool's perturbations of ``images`` training images, each scaled to length 1, are the rows of a matrix. Arrays:
    its singular values ``found``, and ``random``, those of as many random directions. Values: ``steps`` and ``lengths``
    (of DeepFool, mean; l2 in [0, 1]), ``arrived`` (share), and ``rates``: the fooling rate on held-out images of
    random vectors of l2 norm ``length`` in the span of the first k right singular vectors, by k of ``dimensions`` and
    draw. Controls, by draw: ``last_rates``, in the span of as many of the last singular vectors as the largest of
    ``dimensions`` below half of them; ``single_rates``, perturbations of single images, at that length;
    ``noise_rates``, random vectors of all space.
    """
    side, model = sides(data)[1], network_named(network)
    inside, outside = (centre(part, side) for part in frames(data=data, split=split, training=training))
    inside = inside[:images]
    generator = runtime.generator(seed)
    pairs = [
        descend(model, part, num_classes=num_classes, overshoot=0.02, max_iter=50, p=2) for part in inside.split(50)
    ]
    r, taken = torch.cat([found for found, _ in pairs]) - inside, torch.cat([steps for _, steps in pairs])
    arrived = (taken > 0) & (taken <= 50)
    sizes = norms.norm(r[arrived])
    rows = (r[arrived] / norms.per_example(sizes, r[arrived])).flatten(1).double()
    values, vectors = _singular(rows)
    noise = torch.randn(rows.shape, generator=generator, dtype=torch.float64).to(rows)
    clean = universal.classes(model, outside)

    def rate(direction: Tensor) -> float:
        v = (length * direction / direction.norm()).to(outside).reshape(outside.shape[1:])
        return universal.fooling_rate(model, outside, v, clean=clean)

    def span(basis: Tensor) -> list[float]:
        shares = torch.randn(draws, len(basis), generator=generator, dtype=torch.float64).to(rows)
        return [rate(share @ basis) for share in shares]

    last = max(k for k in dimensions if k <= len(vectors) // 2)
    chosen = torch.randperm(len(rows), generator=generator)[:draws].to(rows.device)
    return (
        {
            "steps": taken[arrived].double().mean().item(),
            "lengths": sizes.mean().item(),
            "arrived": arrived.double().mean().item(),
            "rates": [span(vectors[:k]) for k in dimensions],
            "last": last,
            "last_rates": span(vectors[-last:]),
            "single_rates": [rate(row) for row in rows[chosen]],
            "noise_rates": [rate(torch.randn(rows.shape[1], generator=generator).to(rows)) for _ in range(draws)],
        },
        {"found": values.cpu().numpy(), "random": _singular(_unit(noise))[0].cpu().numpy()},
    )


def _unit(rows: Tensor) -> Tensor:
    return rows / rows.norm(dim=1, keepdim=True)


def _singular(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Singular values, largest first, and right singular vectors (K, D) of (K, D) rows with K much smaller than D."""
    squares, left = torch.linalg.eigh(rows @ rows.T)
    values, left = squares.clamp(min=0).sqrt().flip(0), left.flip(1)
    return values, (left.T @ rows) / values.clamp(min=1e-12)[:, None]
