"""``import torchvision`` works for whoever uses an environment with this package in it.

The wheel of torchvision on the package index is compiled against CUDA. Beside a CPU-only torch its compiled part does
not load, and ``import torchvision`` fails with "operator torchvision::nms does not exist" (pytorch/vision issue 9085).
torch calls :func:`declare` at the end of ``import torch``, since pyproject.toml names it as an entry point of the group
``torch.backends``: no file of the environment is touched, and it goes when the package is uninstalled. Without entry
points (``TORCH_DEVICE_BACKEND_AUTOLOAD=0``, or the sources on ``PYTHONPATH`` alone) :mod:`advutils.core._torchvision`
does the same for our own imports.
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

_declared: list[object] = []  # the declaration lives as long as this object


def declare() -> None:
    """Declare the schema of torchvision's operators where its compiled part cannot load beside this torch.

    ``torchvision.ops.nms`` and ``torchvision.io`` stay unusable; models, data sets and transforms work.
    """
    import torch

    if _declared or torch.version.cuda or torch.version.hip or not _needs_a_gpu_build():
        return
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _declared.append(library)


def _needs_a_gpu_build() -> bool:
    """Whether the torchvision that is installed was compiled against CUDA or ROCm; it is not imported for that."""
    spec = find_spec("torchvision")
    if spec is None or spec.origin is None:
        return False
    version = Path(spec.origin).with_name("version.py")
    return version.exists() and re.search(r"__version__ = '[^']*\+(cu|rocm)", version.read_text()) is not None
