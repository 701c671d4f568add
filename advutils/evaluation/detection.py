"""Can an algorithm tell an adversarial image from a natural one? The question that Zhang et al. 2019 leave open."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from advutils.filters.smoothing import ImageSmoother


def residual_features(images: Tensor) -> Tensor:
    """Statistics of what smoothing guided by the image itself takes away, (N, C, H, W) -> (N, 6 C).

    With e = x - s^(x): the logarithms of its mean absolute value, standard deviation and 99th percentile, its kurtosis,
    and its correlation with its neighbour to the right and below. No other image is needed.
    """
    e = images - ImageSmoother(images)(images)
    flat = e.flatten(2)
    spread = flat.std(dim=2).clamp(min=1e-12)
    centred = e - e.mean(dim=(2, 3), keepdim=True)
    square = centred.square().mean(dim=(2, 3)).clamp(min=1e-24)
    columns = [
        flat.abs().mean(dim=2).clamp(min=1e-12).log(),
        spread.log(),
        flat.abs().quantile(0.99, dim=2).clamp(min=1e-12).log(),
        centred.pow(4).mean(dim=(2, 3)) / square**2,
        (centred[..., 1:] * centred[..., :-1]).mean(dim=(2, 3)) / square,
        (centred[..., 1:, :] * centred[..., :-1, :]).mean(dim=(2, 3)) / square,
    ]
    return torch.cat(columns, dim=1)


def detectability(clean: np.ndarray, attacked: np.ndarray, *, folds: int = 5, resamples: int = 2000) -> dict[str, Any]:
    """How well logistic regression on these features tells ``attacked`` from ``clean``, both (N, F), row by row a pair.

    Cross-validated: both images of a pair are in the same fold. Returns ``auc``, the area under the receiver's
    curve, 1/2 for a guess, and its 95 % bootstrap ``interval`` over pairs.
    Raises ``ValueError`` for different shapes or fewer rows than folds.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    pairs = len(clean)
    if pairs < folds or clean.shape != attacked.shape:
        raise ValueError(
            f"clean and attacked need one shape and at least {folds} rows, got {clean.shape} and {attacked.shape}"
        )
    fold = np.random.default_rng(0).permutation(pairs) % folds
    scores = np.zeros((2, pairs))
    for number in range(folds):
        train, test = fold != number, fold == number
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
        model.fit(np.concatenate([clean[train], attacked[train]]), np.repeat([0, 1], train.sum()))
        scores[0, test], scores[1, test] = (model.decision_function(part[test]) for part in (clean, attacked))
    truth = np.repeat([0, 1], pairs)
    draws = np.random.default_rng(1).integers(pairs, size=(resamples, pairs))
    # the area is the share of (clean, attacked) pairs in the right order: resampling takes a block of this table
    right = (scores[1] > scores[0][:, None]) + (scores[1] == scores[0][:, None]) / 2
    resampled = [right[np.ix_(draw, draw)].mean() for draw in draws]
    low, high = np.quantile(resampled, [0.025, 0.975])
    return {"auc": float(roc_auc_score(truth, scores.ravel())), "interval": [float(low), float(high)], "pairs": pairs}
