"""Data: the sets of the papers, photographs, generated shapes, folders of images; images in [0, 1], (N, C, H, W)."""

from advutils.datasets.sets import (
    CONTENT,
    DIGITS_TRAIN,
    NAMES,
    TITLES,
    DamagedData,
    MissingData,
    checksum,
    checksum_there,
    fetch,
    load,
    splits,
    state,
    where,
)

__all__ = [
    "CONTENT",
    "DIGITS_TRAIN",
    "NAMES",
    "TITLES",
    "DamagedData",
    "MissingData",
    "checksum",
    "checksum_there",
    "fetch",
    "load",
    "splits",
    "state",
    "where",
]
