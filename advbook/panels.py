"""A grid of pictures with a label under each, which can be read at a phone's width too."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np

WIDEST = 5.0  # inches; a phone shows as much at three quarters of its size, and 9 points at 9 pixels
POINTS = 9
LETTERS = 13  # an inch has room for


def panels(
    pictures: Sequence[Sequence[np.ndarray]],
    labels: Sequence[Sequence[str]],
    *,
    side: float,
    titles: Sequence[str] = (),
    rows: Sequence[str] = (),
):
    """A matplotlib figure: ``pictures`` (H, W) or (H, W, 3) in rows, each ``side`` inches wide, labelled below.

    ``titles`` stand over the columns, ``rows`` at the left of the rows. Labels are broken to the width of their
    picture. ``ValueError`` if the figure would be wider than :data:`WIDEST`.
    """
    import matplotlib.pyplot as plt
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    across = len(pictures[0])
    if across * side > WIDEST:
        raise ValueError(f"side must be at most {WIDEST / across:.2f} for {across} pictures a row, got {side}")
    broken = [[textwrap.fill(label, round(LETTERS * side)) for label in each] for each in labels]
    lines = max(label.count("\n") for each in broken for label in each) + 1
    height = len(pictures) * (side + 0.17 * lines) + 0.35 * bool(titles)
    close = ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.02, wspace=0.0, hspace=0.0)
    fig, axes = plt.subplots(len(pictures), across, figsize=(across * side, height), layout=close, squeeze=False)
    for line, shown, below in zip(axes, pictures, broken, strict=True):
        for axis, picture, label in zip(line, shown, below, strict=True):
            axis.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            axis.set(xticks=[], yticks=[])
            axis.set_xlabel(label, fontsize=POINTS, labelpad=2)
            axis.spines[:].set_visible(False)
    for axis, title in zip(axes[0], titles, strict=bool(titles)):
        axis.set_title(title, fontsize=POINTS)
    for line, name in zip(axes, rows, strict=bool(rows)):
        line[0].set_ylabel(name, fontsize=POINTS)
    return fig
