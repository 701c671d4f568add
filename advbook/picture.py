"""A figure as a reader gets it: its look, the picture (SVG for lines, WebP for images), and its data as CSV."""

from __future__ import annotations

import base64
import csv
import html
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

PIXELS = 96  # CSS pixels an inch: ten points are thirteen pixels
LARGEST = 250_000  # bytes; a drawing of so many points is smaller as an image
TYPES = {"svg": "image/svg+xml", "webp": "image/webp"}
# what Picture.html writes, to be read again from executed notebooks
IMAGE = re.compile(r'<img alt="([^"]*)" width="(\d+)" height="(\d+)" src="data:image/([\w+]+);base64,([^"]+)">')
CAPTION = re.compile(r"(?s)<figcaption[^>]*>(.*?)</figcaption>")


def style() -> None:
    """The look of every figure of the book: one size, one palette, white ground."""
    import matplotlib as mpl

    mpl.rcParams.update(
        {
            "figure.figsize": (6.4, 3.6),
            "figure.dpi": 110,
            "figure.facecolor": "white",
            "savefig.facecolor": "white",
            "font.size": 10,
            "axes.grid": True,
            "grid.alpha": 0.3,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "lines.linewidth": 1.8,
            "legend.frameon": False,
            "image.cmap": "gray_r",
            # Okabe and Ito's palette: distinct also for colour-blind readers
            "axes.prop_cycle": mpl.cycler(  # type: ignore[attr-defined]
                color=["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]
            ),
        }
    )


@dataclass(frozen=True)
class Picture:
    """A figure with caption and alternative text; shows itself in notebooks, with its data beside the HTML.

    ``figure`` is a matplotlib figure; ``ValueError`` if it has no caption or no alternative text.
    """

    kind: str
    content: bytes
    width: int
    height: int
    caption: str
    alt: str
    data: str

    @classmethod
    def of(cls, figure, *, caption: str, alt: str) -> Picture:
        if not caption.strip() or not alt.strip():
            raise ValueError("a figure needs a caption and an alternative text, for readers who cannot see it")
        kind, content, (width, height) = _drawn(figure)
        return cls(kind, content, round(width * PIXELS), round(height * PIXELS), caption, alt, data_of(figure))

    def html(self) -> str:
        source = f"data:{TYPES[self.kind]};base64,{base64.b64encode(self.content).decode()}"
        return (
            f'<figure class="result"><img alt="{html.escape(self.alt, quote=True)}" width="{self.width}" '
            f'height="{self.height}" src="{source}"><figcaption class="tex2jax_process">'
            f"{html.escape(self.caption, quote=False)}</figcaption></figure>"
        )

    @classmethod
    def read(cls, text: str, data: str = "") -> Picture | None:
        """The picture that ``text`` shows, as :meth:`html` wrote it; None if there is none."""
        image, caption = IMAGE.search(text), CAPTION.search(text)
        if image is None or caption is None:
            return None
        alt, width, height, mime, content = image.groups()
        kind = next(kind for kind, known in TYPES.items() if known == f"image/{mime}")
        words = html.unescape(caption[1]), html.unescape(alt)
        return cls(kind, base64.b64decode(content), int(width), int(height), words[0], words[1], data)

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        return {"text/html": self.html()} | ({"text/csv": self.data} if self.data else {})


def _drawn(figure) -> tuple[str, bytes, tuple[float, float]]:
    """Kind of file, content, width and height in inches."""
    import matplotlib as mpl
    from PIL import Image

    figure.draw_without_rendering()
    box = figure.get_tightbbox().padded(0.1)
    buffer = io.BytesIO()
    if not any(axes.images or axes.collections and _large(axes) for axes in figure.axes):
        with mpl.rc_context({"svg.hashsalt": "book"}):  # the same bytes every time
            figure.savefig(buffer, format="svg", bbox_inches=box, metadata={"Date": None, "Creator": None})
        if len(buffer.getvalue()) <= LARGEST:
            return "svg", buffer.getvalue(), box.size
    pixels = io.BytesIO()
    figure.savefig(pixels, format="png", dpi=2 * PIXELS, bbox_inches=box, pil_kwargs={"compress_level": 0})
    buffer = io.BytesIO()
    Image.open(pixels).convert("RGB").save(buffer, "webp", quality=80, method=6)
    return "webp", buffer.getvalue(), box.size


def _large(axes) -> bool:
    return sum(len(each.get_offsets()) for each in axes.collections) > 2000


def data_of(figure) -> str:
    """What the figure draws, as CSV: panel, series, x, y of each point, bar or mark (bounds of bands too).

    Panels without a title are numbered. Images have no rows; empty if there is nothing but images.
    """
    rows = [
        [axes.get_title() or axes.get_title("left") or f"panel {number}", name, x, y]
        for number, axes in enumerate(figure.axes, 1)
        for name, points in _series(axes)
        for x, y in points
    ]
    if not rows:
        return ""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["panel", "series", "x", "y"])
    writer.writerows([panel, name, _number(x), _number(y)] for panel, name, x, y in rows)
    return buffer.getvalue()


def _series(axes) -> Iterator[tuple[str, np.ndarray]]:
    from matplotlib.collections import PathCollection, PolyCollection

    for number, line in enumerate(axes.lines, 1):
        if line.get_transform().contains_branch(axes.transData):  # not a line across the whole panel
            yield (
                _label(line, f"line {number}"),
                np.column_stack([np.asarray(line.get_xdata(), dtype=object), line.get_ydata()]),
            )
    for bars in axes.containers:
        if patches := [each for each in bars if hasattr(each, "get_height")]:
            centres = [(each.get_x() + each.get_width() / 2, each.get_y() + each.get_height()) for each in patches]
            yield _label(bars, "bars"), np.array(centres)
    for number, each in enumerate(axes.collections, 1):
        if isinstance(each, PathCollection):
            yield _label(each, f"points {number}"), np.asarray(each.get_offsets())
        elif isinstance(each, PolyCollection) and each.get_paths():
            yield _label(each, f"band {number}"), np.asarray(each.get_paths()[0].vertices)


def _label(artist, otherwise: str) -> str:
    label = str(artist.get_label() or "")
    return otherwise if label.startswith("_") or not label else label


def _number(value) -> str:
    return f"{value:.6g}" if isinstance(value, float | np.floating) else str(value)
