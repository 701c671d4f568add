"""Import torchvision beside a CPU build of torch.

The wheel of torchvision on the package index is compiled against CUDA. Beside a CPU-only torch its compiled part does
not load, and ``import torchvision`` fails with "operator torchvision::nms does not exist" (pytorch/vision issue 9085).
Declaring the missing operators (their schema only) lets everything written in Python work: models, data sets,
transforms. ``torchvision.ops.nms`` and ``torchvision.io`` stay unusable. This module acts only if the import fails.
"""

from typing import Any

import torch

_declared = []  # type: ignore[var-annotated]  # the declaration lives as long as this object


def torchvision() -> Any:
    """The torchvision module, imported with the work-around above if it is needed."""
    try:
        import torchvision as module
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _declared.append(library)
        import torchvision as module
    return module
