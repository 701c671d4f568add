"""Tables that fit the column: smaller type for a wide one, and if that is not enough, deviations under their means.

How wide a table will be is estimated from its longest words; the tests of the built site measure it.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from functools import lru_cache

COLUMN = 688  # pixels of the text column in a window of 1280
TABLE = re.compile(r"<table([^>]*)>(.*?)</table>", re.S)
NARROW, WIDE = "\u00a0.,:;()[]|'!ijl-", "%mMW@"
DEVIATION = "\u00a0±\u00a0"
CODE = 13  # letters: the least width of a cell with code in book.css


@dataclass(frozen=True)
class Setting:
    """A way to set a table: its class in ``book.css``, pixels of a digit and of a cell's margins, deviations below."""

    name: str
    letter: float
    margins: float
    stacked: bool


SETTINGS = (
    Setting("", 10.2, 17, False),
    Setting("small", 8.4, 11, False),
    Setting("small", 8.4, 11, True),
    Setting("smaller", 7.35, 9, True),
)


def fit(body: str) -> str:
    """A page's HTML with each table set so that it fits, or else as small as there is."""
    return TABLE.sub(lambda match: _fitted(match[1], match[2]), body)


def _fitted(attributes: str, inside: str) -> str:
    chosen = next((each for each in SETTINGS if width(inside, each) <= COLUMN), SETTINGS[-1])
    if chosen.name:
        attributes = re.sub(r'class="([^"]*)"', rf'class="\1 {chosen.name}"', attributes, count=1)
        attributes = attributes if "class=" in attributes else f'{attributes} class="{chosen.name}"'
    if chosen.stacked:
        inside = inside.replace(DEVIATION, f"<br>±{DEVIATION[-1]}")
    return f"<table{attributes}>{inside}</table>"


def width(inside: str, setting: Setting) -> float:
    """The least pixels that a table's columns need together, in this setting; ``inside``: the HTML of its rows."""
    columns: dict[int, float] = {}
    for row in re.findall(r"<tr\b.*?</tr>", inside, re.S):
        cells = re.findall(r"<(t[hd])\b[^>]*>(.*?)</t[hd]>", row, re.S)
        for place, (kind, cell) in enumerate(cells):
            longest = _longest(cell, setting.stacked) * (1.1 if kind == "th" else 1)
            columns[place] = max(columns.get(place, 0), longest * setting.letter + setting.margins)
    return sum(columns.values())


@lru_cache(50_000)  # each table is tried in several settings
def _longest(cell: str, stacked: bool) -> float:
    return max(map(_letters, _words(cell, stacked)), default=0)


def _letters(word: str) -> float:
    """How many digits as wide a word is, in DejaVu Sans, which is wider than most."""
    return sum(0.5 if c in NARROW else 1.5 if c in WIDE else 0.93 if c.islower() else 1.0 for c in word)


def _words(cell: str, stacked: bool) -> list[str]:
    """What a line of a cell cannot be broken in; a command of a formula counts as one letter."""
    cell = re.sub(r"<code\b.*?</code>", "x" * CODE, cell, flags=re.S)  # breaks anywhere, but is no narrower
    cell = re.sub(r'<span class="verdict.*?</span>', lambda match: match[0].replace(" ", "\u00a0"), cell, flags=re.S)
    text = re.sub(r"\\\(.*?\\\)", lambda match: re.sub(r"\\[a-zA-Z]+|[{}^_$\\()\s]", "", match[0]) + "xx", cell)
    text = html.unescape(re.sub(r"<br[^>]*>|</p>|</li>", " ", text))
    text = re.sub(r"<[^>]+>", "", text).replace("\u200b", " ")
    if stacked:
        text = text.replace(DEVIATION, " ±\u00a0")
    return [word for word in re.split(r"[ \n]+|(?<=-)(?=[a-z])", text) if word]
