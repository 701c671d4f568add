"""The pictures of Cutilli 2021, Figures 2.3 to 2.7, as their author publishes them (MIT licence).

They lie under ``thesis-figures`` in :func:`advutils.datasets.where`, from the folder of ``SOURCE`` below
``Counting/LaTeX/figures/putasideall``, renamed; a test of a file's SHA-256 says which is which.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from advutils import datasets

NAME = "thesis-figures"
SOURCE = "https://github.com/benvcutilli/CountingPlusFriendly"
CREDIT = "Benjamin Vincent Cutilli, 2021, MIT licence"
# SHA-256 of each file. limited-scale: Figures 2.3 and 2.4, one size a picture; a mask is what a round of the loop
# selects, numbered by the round. any-scale: saliency maps of networks that were trained on sizes drawn for every shape.
FILES = {
    "any-scale-activation-1/image1/saliency.png": "2f9ccad7dc7ce5c3c3f4ad845041c081234039b3d29d8a868ddff2d4d5b7fb4e",
    "any-scale-activation-1/image2/saliency.png": "1e949b66e20cf261c354750efa3989e3c546d8742667fb1c0874a61d951e37f1",
    "any-scale-activation-2/image1/saliency.png": "9dabd7227b0d3d2e503aacc93eebc8bbf3345cf44cf9e155a32217de2a3b8277",
    "any-scale-activation-2/image2/saliency.png": "56ba70468eee6c68cd7a8e1829f9ecb3eaa870db33118a218ca9eb568c2b9732",
    "any-scale-activation-3/image1/saliency.png": "1624243e63bfe8eb0aaf5a5fd0a82ba9ea1485e7865cb73303474e437bdec5fc",
    "limited-scale/image1/mask-17.png": "006b64720bd4a0065b3f63391c607721bb78fcdcde961791d02acce38fd069fd",
    "limited-scale/image1/mask-2.png": "978902a95e078a2df30a1669ff5d21bfff7d3a16df44493160d729e5e5e67958",
    "limited-scale/image1/mask-8.png": "a43e251f4cca5e7ddd6d3d19acb0cdca903907e084b126b0af4e752405806b0c",
    "limited-scale/image1/picture.png": "267e12896bd078f4d53e717263da333bc8e497577ce073c15666a47f9401f5cd",
    "limited-scale/image1/saliency.png": "d12bd5aff4c55d3f52e753d9bf20e479f4272c42da234eb3d75d282b4ffd3975",
    "limited-scale/image2/mask-1.png": "5394dab4352ca084a2d1f339bdb7d8cc0c86cbb74ed6638c891b32a863ccca0c",
    "limited-scale/image2/mask-2.png": "c934baa5ecfa0b80031d09f10fc9520d08b91fd41ea507ec6d83815bf4da9c9e",
    "limited-scale/image2/mask-3.png": "62e693f395d59f8116084d5ded1296e15850a58a4d48b5c687592c881eda25e9",
    "limited-scale/image2/picture.png": "85110ade46d2b150fbcd42eb3cb75fb686a76a67ac7d5c28f11d052e86dc1a1f",
    "limited-scale/image2/saliency.png": "eacd39447463978370aed970a75aa2b427f8f75a66b24558fe67ce94fd727f0e",
}
ROUNDS = {"image1": (2, 8, 17), "image2": (1, 2, 3)}  # of which a mask is published


def where() -> Path:
    """The folder that holds the pictures."""
    return datasets.where() / NAME


def load(name: str) -> np.ndarray:
    """One picture as it is stored: (H, W, 3) or (H, W) in 8 bits, a mask (H, W) of truth values.

    Raises ``ValueError`` for a name that is not in ``FILES``, :class:`advutils.datasets.MissingData`, which says
    where the author publishes them, if it is not there, and :class:`advutils.datasets.DamagedData` if it is another
    file.
    """
    from PIL import Image

    if name not in FILES:
        raise ValueError(f"name must be one of {', '.join(FILES)}, got {name!r}")
    path = where() / name
    if not path.exists():
        raise datasets.MissingData(
            f"{NAME}/{name} is not under {datasets.where()}; the author publishes it at {SOURCE}"
        )
    if _digest(path) != FILES[name]:
        raise datasets.DamagedData(f"{path} is not the file that was measured: its SHA-256 differs from that in FILES")
    with Image.open(path) as picture:
        return np.array(picture)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def checksum() -> str:
    """SHA-256 over the checksums of all files (the provenance of what is measured on them)."""
    return hashlib.sha256("".join(FILES.values()).encode()).hexdigest()


def state() -> str:
    """'ok', 'missing' (nothing of it is there) or 'damaged' (torn: a file is missing or another one)."""
    if not any((where() / name).exists() for name in FILES):
        return "missing"
    return "damaged" if damaged() else "ok"


def damaged() -> list[str]:
    """The files that are missing or are not those that were measured."""
    return [name for name, known in FILES.items() if not (where() / name).exists() or _digest(where() / name) != known]
