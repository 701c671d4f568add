"""How well an attack does: success, distortion, and the images that a viewer would really get (Zhang et al. 2019)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from advutils import evaluation


def rounded(images: Tensor) -> Tensor:
    """Images in [0, 1] as an 8-bit file stores them, each value at the nearest of the 256 grey levels.

    >>> import torch
    >>> from advutils.evaluation.distortion import rounded
    >>> rounded(torch.tensor([0.5]))  # 128 / 255
    tensor([0.5020])
    """
    return (images * 255).round() / 255


def truncated(images: Tensor) -> Tensor:
    """Images in [0, 1] as the code behind Zhang et al. 2019 stored them: to [-1, 1] and back in float32, then cast.

    The cast rounds down, and the detour falls short of a whole number for 95 of the 256 grey levels, so that even an
    unchanged image comes back changed.

    >>> import torch
    >>> from advutils.evaluation.distortion import truncated
    >>> levels = torch.arange(256) / 255
    >>> int((truncated(levels) < levels - 0.001).sum())
    95
    """
    x, grey = images.double(), rounded(images.double())
    x = torch.where((x - grey).abs() < 1e-7, grey, x)  # they read grey levels in float64; float32 has rounded them
    signed = (2 * x - 1).float()
    return (((signed + 1) * 0.5) * 255).floor().to(images.dtype) / 255


QUANTISED: dict[str, Callable[[Tensor], Tensor]] = {
    "float": lambda images: images,
    "rounded": rounded,
    "truncated": truncated,
}


def success_probability(distortion: np.ndarray) -> tuple[float, float, float]:
    """P_suc of Eq. (20) and its 95 % Wilson interval (low, high). ``distortion`` (N,): inf where the attack failed.

    >>> import numpy as np
    >>> distortion = np.array([1.0, 3.0, np.inf, np.inf])  # half of the attacks failed
    >>> from advutils.evaluation.distortion import success_probability
    >>> success_probability(distortion)[0]
    0.5
    """
    found = int(np.isfinite(_checked(distortion)).sum())
    return found / len(distortion), *evaluation.wilson(found, len(distortion))


def conditional_mean(distortion: np.ndarray, *, resamples: int = 2000) -> tuple[float, float, float]:
    """The mean distortion of the successes, Eq. (20), and its 95 % bootstrap interval; NaN where there is none.

    ``distortion`` (N,), inf where the attack failed. The resampling is seeded, so that a number has one interval.

    >>> import numpy as np
    >>> distortion = np.array([1.0, 3.0, np.inf, np.inf])  # half of the attacks failed
    >>> from advutils.evaluation.distortion import conditional_mean
    >>> conditional_mean(distortion)[0]
    2.0
    """
    found = _checked(distortion)[np.isfinite(distortion)]
    if len(found) == 0:
        return (float("nan"),) * 3
    draws = np.random.default_rng(0).integers(len(found), size=(resamples, len(found)))
    low, high = np.quantile(found[draws].mean(axis=1), [0.025, 0.975])
    return float(found.mean()), float(low), float(high)


def compared(
    first: np.ndarray, second: np.ndarray, *, resamples: int = 2000
) -> dict[str, float | int | list[float] | None]:
    """Two attacks on the same images: how far does the first go, of what the second needs?

    ``first``, ``second`` (N,): distortions of the same N images, inf where the attack failed. ``ratio``: of the mean
    distortions over the images on which both succeed, with ``interval``, its 95 % bootstrap interval over these images
    (both attacks resampled together; seeded); None where there are none, or where an
    image needs no change. ``shorter``: share of the images, among those
    on which either succeeds, where the first goes less far, a failure being infinitely far; None where there are none.
    ``kept``: share of all images on which both succeed; ``only_first``, ``only_second``: numbers of images.
    Raises ``ValueError`` for vectors of other lengths, or that are no distortions.

    >>> import numpy as np
    >>> from advutils.evaluation.distortion import compared
    >>> found = compared(np.array([1.0, 2.0, np.inf]), np.array([2.0, 4.0, 1.0]))
    >>> found["ratio"], found["only_second"]
    (0.5, 1)
    """
    first, second = _checked(first), _checked(second)
    if len(first) != len(second):
        raise ValueError(f"first and second must be of the same images, got {len(first)} and {len(second)}")
    one, other = np.isfinite(first), np.isfinite(second)
    both, either = one & other, one | other
    found: dict = {  # type: ignore[type-arg]
        "ratio": None,
        "interval": None,
        "shorter": None,
        "kept": float(both.mean()),
        "only_first": int((one & ~other).sum()),
        "only_second": int((other & ~one).sum()),
    }
    if either.any():
        found["shorter"] = float((first[either] < second[either]).mean())
    if both.any() and second[both].min() > 0:
        a, b = first[both].astype(float), second[both].astype(float)
        draws = np.random.default_rng(0).integers(len(a), size=(resamples, len(a)))
        found["ratio"] = float(a.mean() / b.mean())
        found["interval"] = np.quantile(a[draws].mean(axis=1) / b[draws].mean(axis=1), [0.025, 0.975]).tolist()
    return found


def operating_characteristic(distortion: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """P(D) of Eq. (21) at each of ``bounds``: the share of the images fooled with distortion <= D.

    >>> import numpy as np
    >>> distortion = np.array([1.0, 3.0, np.inf, np.inf])  # half of the attacks failed
    >>> from advutils.evaluation.distortion import operating_characteristic
    >>> operating_characteristic(distortion, np.array([2.0, 4.0]))
    array([0.25, 0.5 ])
    """
    return (_checked(distortion)[None] <= np.asarray(bounds)[:, None]).mean(axis=1)


def _checked(distortion: np.ndarray) -> np.ndarray:
    distortion = np.asarray(distortion)
    if distortion.ndim != 1 or len(distortion) == 0 or np.isnan(distortion).any() or (distortion < 0).any():
        raise ValueError("distortion must be a vector of numbers >= 0, inf for a failure")
    return distortion
