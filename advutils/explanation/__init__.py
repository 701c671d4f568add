"""Explanation: which pixels an answer rests on, and which shapes a map finds."""

from advutils.explanation.attribution import (
    first_order_saliency,
    grad_cam,
    occlusion,
    saliency,
    second_order_saliency,
    total,
)
from advutils.explanation.localisation import components, detect, matched, overlap

__all__ = [
    "components",
    "detect",
    "first_order_saliency",
    "grad_cam",
    "matched",
    "occlusion",
    "overlap",
    "saliency",
    "second_order_saliency",
    "total",
]
