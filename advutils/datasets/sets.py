"""Data sets as tensors: images (N, C, H, W) float32 in [0, 1] and labels (N,) int64.

``digits`` travels inside scikit-learn and needs no file; ``mnist``, ``cifar10`` and ``nips2017`` are read from
:func:`where`. What was read is compared with a checksum of its content, whatever file format it came in.
"""

from __future__ import annotations

import csv
import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from advutils.core import runtime

NAMES = ("digits", "mnist", "cifar10", "nips2017")
TITLES = {"digits": "digits (scikit-learn)", "mnist": "MNIST", "cifar10": "CIFAR-10", "nips2017": "NIPS 2017 images"}
# SHA-256 of the uint8 pixels (N, H, W) or (N, H, W, C) followed by the int64 labels
CONTENT = {
    ("digits", "train"): "d139e7b42574f5a1961d0ba9dee97023250646dbff68ffe7ed51bcb18ff6c5e8",
    ("digits", "test"): "e50078e67fbc7eaadb928cc75785a0a8a50f9dc45a274abada677eff3380aae6",
    ("mnist", "train"): "d18cfd466eb143ac1097fde604dba9eec4116885869d04cc648b510949f9e88c",
    ("mnist", "test"): "a0863a96c44e5666edbb30c4071ee79ca0514c621e6349c5967fc78e7305c891",
    ("cifar10", "train"): "67e12c2a5906880a4fe5595fe6d768185ad7ca587f35d3a7ece3c3b8b85035d2",
    ("cifar10", "test"): "e54a434ec35094516eacbaac0f2f9550358d985e9d1f71b47d41d333c15ba304",
    ("nips2017", "test"): "9de87751d389bf3f57ec126e937cb35dbde5032d4ec51622a59e0ed6aa52ac4a",
}
DIGITS_TRAIN = 1297  # of 1797; the other 500 are the test set


class MissingData(FileNotFoundError):
    """A data set is not on this machine."""


class DamagedData(ValueError):
    """A data set does not match its checksum."""


def where() -> Path:
    """The folder that holds the data sets: :func:`advutils.core.runtime.data_root`."""
    return runtime.data_root()


def load(name: str, *, split: str = "train") -> tuple[Tensor, Tensor]:
    """Images (N, C, H, W) in [0, 1] and labels (N,) of data set ``name`` (one of ``NAMES``), ``split`` train or test.

    The tensors are shared between callers: do not write into them.

    Raises :class:`MissingData` (with the way to get it) if the files are not there, :class:`DamagedData` if their
    content is not what was published, ``ValueError`` for an unknown name or split.

    >>> from advutils.datasets import load
    >>> images, labels = load("digits", split="test")
    >>> tuple(images.shape), tuple(labels.shape)
    ((500, 1, 28, 28), (500,))
    """
    if name not in NAMES:
        raise ValueError(f"name must be one of {', '.join(NAMES)}, got {name!r}")
    if split not in ("train", "test"):
        raise ValueError(f"split must be 'train' or 'test', got {split!r}")
    if name == "nips2017" and split == "train":
        raise ValueError("nips2017 has no training images; use split='test'")
    return _load(name, split, where())


def checksum(name: str, split: str) -> str:
    """SHA-256 that the content of a data set must have (the provenance of every measurement on it)."""
    return CONTENT[name, split]


def checksum_there(name: str, split: str) -> str:
    """SHA-256 that the content of a data set under :func:`where` has now. Raises :class:`MissingData`."""
    return _digest(*_read(name, split, where()))


@lru_cache(maxsize=4)
def _load(name: str, split: str, root: Path) -> tuple[Tensor, Tensor]:
    pixels, labels = _read(name, split, root)
    found = _digest(pixels, labels)
    if (name, split) in CONTENT and found != CONTENT[name, split]:
        raise DamagedData(
            f"{TITLES[name]} ({split}) under {root} is damaged: checksum {found[:12]}, expected "
            f"{CONTENT[name, split][:12]}; delete it and run `advbook data fetch {name}`"
        )
    images = torch.from_numpy(pixels)
    images = images[:, None] if images.dim() == 3 else images.permute(0, 3, 1, 2)
    return images.contiguous().float().div_(255), torch.from_numpy(labels)


def _digest(pixels: np.ndarray, labels: np.ndarray) -> str:
    return hashlib.sha256(pixels.tobytes() + labels.tobytes()).hexdigest()


def _read(name: str, split: str, root: Path) -> tuple[np.ndarray, np.ndarray]:
    if name == "digits":
        return _digits(split)
    try:
        return _image_folder(root / "nips2017") if name == "nips2017" else _torchvision(name, split, root)
    except (RuntimeError, FileNotFoundError, EOFError) as error:
        if isinstance(error, RuntimeError) and "not found" not in str(error):
            raise
        raise MissingData(
            f"{TITLES[name]} is not under {root}; set ADVUTILS_DATA or run `advbook data fetch {name}`"
        ) from None


def _digits(split: str) -> tuple[np.ndarray, np.ndarray]:
    """scikit-learn's 8x8 digits, enlarged to 20x20 and framed like MNIST: a digit of 20 pixels in 28x28."""
    from sklearn.datasets import load_digits

    small, labels = load_digits(return_X_y=True)
    # bilinear weights in tenths, so that the arithmetic is exact on every machine: source = (4 i - 3) / 10
    position = np.clip(4 * np.arange(20) - 3, 0, 70)
    weights = np.maximum(0, 10 - abs(position[:, None] - 10 * np.arange(8)))
    large = weights @ small.astype(np.int64).reshape(-1, 8, 8) @ weights.T  # 0..1600
    pixels = np.zeros((len(labels), 28, 28), dtype=np.uint8)
    pixels[:, 4:24, 4:24] = (large * 255 + 800) // 1600
    order = np.random.default_rng(0).permutation(len(labels))  # the file is ordered by writer
    part = order[:DIGITS_TRAIN] if split == "train" else order[DIGITS_TRAIN:]
    return pixels[part], labels[part].astype(np.int64)


def _class(name: str) -> Any:
    from advutils.core._torchvision import torchvision

    return {"mnist": torchvision().datasets.MNIST, "cifar10": torchvision().datasets.CIFAR10}[name]


def _torchvision(name: str, split: str, root: Path) -> tuple[np.ndarray, np.ndarray]:
    dataset = _class(name)(root, train=split == "train", download=False)
    return np.asarray(dataset.data), np.asarray(dataset.targets, dtype=np.int64)


def _image_folder(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Pictures of one size and ``labels.csv`` with a header; its columns ``image`` and ``label``, in its order."""
    from PIL import Image

    with open(folder / "labels.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    pixels = np.stack([np.asarray(Image.open(folder / row["image"]).convert("RGB")) for row in rows])
    return pixels, np.array([int(row["label"]) for row in rows], dtype=np.int64)


def splits(name: str) -> tuple[str, ...]:
    """The splits that a data set has.

    >>> from advutils.datasets import splits
    >>> splits("mnist"), splits("nips2017")
    (('train', 'test'), ('test',))
    """
    return ("test",) if name == "nips2017" else ("train", "test")


FOLDERS = {"mnist": "MNIST", "cifar10": "cifar-10-batches-py", "nips2017": "nips2017"}  # under the data root


def state(name: str) -> str:
    """'ok', 'missing' (nothing of it is there) or 'damaged' (torn: a part is missing, cut or another one)."""
    try:
        for split in splits(name):
            load(name, split=split)
    except MissingData:  # also where a file is shorter than it says, or one of many is not there
        there = where() / FOLDERS.get(name, name)
        return "damaged" if any(path.is_file() for path in there.rglob("*")) else "missing"
    except Exception:  # a torn archive fails in as many ways as there are formats
        return "damaged"
    return "ok"


def fetch(name: str) -> Path:
    """Download ``mnist`` or ``cifar10`` with torchvision (checksummed) and verify it; returns :func:`where`.

    Raises ``ValueError`` for a data set that cannot be downloaded and ``ConnectionError`` without a network.
    """
    if name == "digits":
        return where()
    if name not in ("mnist", "cifar10"):
        raise ValueError(
            f"{name} cannot be downloaded: put its pictures and labels.csv (columns image, label) under "
            f"{where() / name} yourself"
            if name in NAMES
            else f"name must be one of {', '.join(NAMES)}, got {name!r}"
        )
    root = where()
    root.mkdir(parents=True, exist_ok=True)
    try:
        _class(name)(root, train=True, download=True)
    except (OSError, RuntimeError) as error:
        raise ConnectionError(f"cannot download {TITLES[name]}: {error}") from None
    _load.cache_clear()
    for split in splits(name):
        load(name, split=split)
    return root
