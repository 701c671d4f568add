"""The counting networks of Cutilli 2021, Section 2.2: pictures to an estimated number of shapes of each kind."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from advutils.layers import BatchRenorm


class Stretched(nn.Module):
    """Softplus in base 1.1, log_b(1 + b^z): a slower bend than the usual one, whose base is e."""

    def __init__(self, base: float = 1.1):
        super().__init__()
        self.register_buffer("rate", torch.tensor(base).log(), persistent=False)

    def forward(self, z: Tensor) -> Tensor:
        return nn.functional.softplus(self.rate * z) / self.rate  # type: ignore[operator]


class Sine(nn.Module):
    """sin(z)."""

    def forward(self, z: Tensor) -> Tensor:
        return z.sin()


ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "softplus": nn.Softplus,
    "stretched softplus": Stretched,
    "sine": Sine,
}
# kernel, stride, padding and channels of each convolution, for pictures of 1,000 pixels a side
SMALL = ((7, 5, 0, 10), (7, 5, 0, 10), (3, 5, 0, 10))
LARGE = (
    (7, 3, 0, 30),
    (7, 3, 0, 40),
    (7, 3, 0, 50),
    (5, 1, 2, 60),
    (5, 1, 2, 70),
    (5, 1, 2, 60),
    (5, 2, 0, 50),
    (5, 2, 0, 40),
    (3, 1, 0, 30),
    (3, 1, 0, 20),
)
Plan = tuple[tuple[int, int, int, int], ...]  # of each convolution: kernel, stride, padding, channels
PLANS = {"small": SMALL, "large": LARGE}


def counter(
    *,
    size: int,
    plan: str = "large",
    width: float = 1.0,
    activation: str = "relu",
    renormalised: bool = False,
    kinds: int = 2,
) -> nn.Sequential:
    """Convolutions, each followed by ``activation``, a linear layer and a rectifier, (N, 3, size, size) -> (N, kinds).

    ``plan`` "small" and "large" are the thesis' two networks; ``width`` multiplies their channels. For pictures of less
    than 1,000 pixels strides are lowered (:func:`fitted`). With ``renormalised`` batch renormalisation stands before
    each activation, and convolutions have no bias. Raises ``ValueError`` for an unknown plan or activation.

    >>> import torch
    >>> from advutils.models import counter
    >>> counter(size=64)(torch.rand(2, 3, 64, 64)).shape
    torch.Size([2, 2])
    """
    if plan not in PLANS or activation not in ACTIVATIONS:
        raise ValueError(
            f"plan must be one of {', '.join(PLANS)} and activation one of {', '.join(ACTIVATIONS)}, "
            f"got {plan!r} and {activation!r}"
        )
    layers, channels = [], 3
    chosen = fitted(PLANS[plan], size)
    for kernel, stride, padding, out in chosen:
        out = max(round(out * width), 1)
        layers.append(nn.Conv2d(channels, out, kernel, stride, padding, bias=not renormalised))
        if renormalised:
            layers.append(BatchRenorm(out, decay=0.99 if plan == "small" else 0.95))  # type: ignore[arg-type]
        layers.append(ACTIVATIONS[activation]())  # type: ignore[arg-type]
        channels = out
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * sides(chosen, size)[-1] ** 2, kinds), nn.ReLU())


def sides(plan: Plan, size: int) -> list[int]:
    """Pixels a side of the map after each convolution (0 and less: the picture is too small).

    >>> from advutils.models.counting import sides
    >>> sides(((5, 2, 0, 8), (3, 1, 1, 8)), 9)  # kernel, stride, padding, channels
    [3, 3]
    """
    found = []
    for kernel, stride, padding, _ in plan:
        size = (size + 2 * padding - kernel) // stride + 1
        found.append(size)
    return found


def field_of_view(size: int, plan: str) -> tuple[int, int]:
    """Pixels a side that one unit of the last map sees, in pictures of ``size``, and from one unit to the next."""
    seen, apart = 1, 1
    for kernel, stride, _, _ in fitted(PLANS[plan], size):
        seen, apart = seen + (kernel - 1) * apart, apart * stride
    return seen, apart


def fields(size: int, plan: str) -> list[tuple[int, int]]:
    """First and last pixel along a side that each unit of the last map sees, in pictures of ``size`` pixels a side.

    As :func:`field_of_view`, but of the units that there are: a field ends where the picture does, or where a map on
    the way has units that the next one leaves over.
    """
    chosen = fitted(PLANS[plan], size)
    lengths = [size, *sides(chosen, size)]
    found = []
    for unit in range(lengths[-1]):
        first = last = unit
        for (kernel, stride, padding, _), length in zip(reversed(chosen), reversed(lengths[:-1]), strict=True):
            first = max(first * stride - padding, 0)
            last = min(last * stride - padding + kernel - 1, length - 1)
        found.append((first, last))
    return found


def fitted(plan: Plan, size: int) -> Plan:
    """The plan with lower strides (the first of the largest first) that leaves as large a last map as 1,000 pixels do.

    A picture that is a tenth as large needs a tenth of the shrinking: then a shape, in proportion, covers as much of
    the last maps as in the thesis. Raises ``ValueError`` for pictures that are too small even without strides.
    """
    wanted = sides(plan, 1000)[-1]
    while min(sides(plan, size)) < 1 or sides(plan, size)[-1] < wanted:
        strides = [stride for _, stride, _, _ in plan]
        if max(strides) == 1:
            raise ValueError(f"pictures of {size} pixels a side are too small for this network")
        first = strides.index(max(strides))
        kernel, stride, padding, out = plan[first]
        plan = (*plan[:first], (kernel, stride - 1, padding, out), *plan[first + 1 :])
    return plan
