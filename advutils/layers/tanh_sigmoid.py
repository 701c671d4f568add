"""The sigmoid in Chainer's arithmetic, which the networks of Cutilli 2021 were attacked in."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class _HalfTanh(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, double: bool) -> Tensor:
        inner = x.double() if double else x
        y = (torch.tanh(inner * 0.5) * 0.5 + 0.5).to(x.dtype)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (y,) = ctx.saved_tensors
        return grad * y * (1 - y), None


def tanh_sigmoid(x: Tensor, *, double: bool = False) -> Tensor:
    """tanh(x / 2) / 2 + 1 / 2 with the slope y (1 - y), (...) -> [0, 1] of the same type.

    The sigmoid, but in single precision the slope is exactly 0 where y is rounded to 0 or 1. As Chainer computes it on
    a CPU that is so from about 17 on at both ends. With ``double``, as on a GPU (y in double precision, then rounded),
    it is so from about 17 on at the right, and only below -38 at the left. ``torch.sigmoid`` has slopes down to e^-88
    at the left. For first derivatives only.

    >>> import torch
    >>> from advutils.layers import tanh_sigmoid
    >>> x = torch.tensor([-20.0], requires_grad=True)
    >>> [torch.autograd.grad(sigmoid(x).sum(), x)[0].item() > 0 for sigmoid in (tanh_sigmoid, torch.sigmoid)]
    [False, True]
    """
    return _HalfTanh.apply(x, double)  # type: ignore[no-untyped-call]


class TanhSigmoid(nn.Module):
    """:func:`tanh_sigmoid` as a layer, (N, ...) -> the same.

    >>> import torch
    >>> from advutils.layers import TanhSigmoid
    >>> TanhSigmoid()(torch.tensor([0.0]))
    tensor([0.5000])
    """

    def __init__(self, *, double: bool = False):
        super().__init__()
        self.double_inside = double

    def forward(self, x: Tensor) -> Tensor:
        return tanh_sigmoid(x, double=self.double_inside)
