"""Batches that are too large for the device's memory: passes are split, results are not."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


class Split:
    """Call a function on a batch; where memory runs out, on halves of it, and remember the size that fitted.

    One object serves one attack. The attack keeps its few image-sized tensors whole and draws its random numbers for
    all of the batch, so that splitting its passes changes nothing but rounding.
    """

    def __init__(self) -> None:
        self.size: int | None = None  # None: never yet too large

    def __call__(self, function: Callable[..., tuple[Tensor, ...]], *batch: Tensor) -> tuple[Tensor, ...]:
        """``function(*batch)``, a tuple of tensors with the batch as their first axis.

        ``function`` must not change its arguments. Raises ``torch.OutOfMemoryError`` if one example alone does not fit.
        """
        total = len(batch[0])
        while True:
            size = min(self.size or total, total)
            try:
                if size == total:
                    return function(*batch)
                parts = [function(*part) for part in zip(*(tensor.split(size) for tensor in batch), strict=True)]
                return tuple(torch.cat(column) for column in zip(*parts, strict=True))
            except RuntimeError as error:
                if not _out_of_memory(error) or size == 1:
                    raise
                self.size = (size + 1) // 2
            if torch.cuda.is_available():
                torch.cuda.empty_cache()


def _out_of_memory(error: RuntimeError) -> bool:
    """Whether memory ran out: torch has its own class for a GPU, and a message for a CPU."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
