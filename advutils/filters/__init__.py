"""Filters: smoothing along the edges of an image's graph, and the bilateral filter with its magnification."""

from advutils.filters.smoothing import ImageSmoother

__all__ = ["ImageSmoother"]
