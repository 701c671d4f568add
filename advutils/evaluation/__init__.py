"""Evaluation: error rates with results by image, distortions, and whether a detector sees a perturbation."""

from advutils.evaluation.rates import (
    BATCH,
    error_rate,
    mean_loss,
    noise_error,
    noise_wrong,
    packed,
    predictions,
    wilson,
    wrong,
)

__all__ = ["BATCH", "error_rate", "mean_loss", "noise_error", "noise_wrong", "packed", "predictions", "wilson", "wrong"]
