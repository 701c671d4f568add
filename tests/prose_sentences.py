"""For the tests of prose: the sentences of Markdown, with the number of their words."""

import re
from pathlib import Path

from advbook import paths
from advbook.site import short

MOST = 25  # words of a sentence
BLOCKS = re.compile(r"```.*?```|~~~.*?~~~|<!--(?! (?:number|effect|paper):).*?-->|\$\$.*?\$\$", re.S)
ABBREVIATIONS = re.compile(r"\b(?:Alg|Eq|Eqs|Fig|Sect|Sec|vs|al|cf|e\.g|i\.e|std|approx|No)\.(?=\s)")


def sentences(text: str) -> list[str]:
    """The sentences of Markdown: no code, formulas on their own, tables, headings, directives or marks of verdicts."""
    text = re.sub(r"(`{3,})\{(?:solution|exercise)\}[^\n]*\n(.*?)\n\1", r"\n\n\2\n\n", text, flags=re.S)
    text = BLOCKS.sub(" ", text)
    text = re.sub(r"<!--.*?-->", "x", text, flags=re.S)  # a number
    text = re.sub(r"\$[^$\n]+\$|`[^`\n]+`|\{\w+\}`[^`]*`", "x", text)  # a formula or a name is a word
    text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"<[^>]+>", " ", text)
    lines = [re.sub(r"^\s*(?:[*+-]|\d+\.)\s+", "\n\n", line) for line in text.split("\n")]
    lines = ["" if re.match(r"\s*(?:\||#|:\w|\(\w[\w-]*\)=|:::)", line) else line for line in lines]
    text = ABBREVIATIONS.sub(lambda match: match[0][:-1], re.sub(r"[*_]{1,2}", "", "\n".join(lines)))
    found = []
    for block in re.split(r"\n\s*\n", text):
        found += re.split(r"(?<=[.!?])[\")]?\s+(?=[A-Z0-9\"(])|(?<=:)\s+(?=[A-Z])", " ".join(block.split()))
    return [sentence for sentence in found if words(sentence)]


def words(sentence: str) -> int:
    """How many words it has; a word has a letter or a digit."""
    return sum(any(letter.isalnum() for letter in word) for word in sentence.split())


def long_ones(path: Path) -> list[str]:
    """The sentences of a file that are too long: of a page's Markdown cells, of a text, of a glossary."""
    text = path.read_text()
    if path.suffix == ".py":
        cells = re.findall(r"(?m)^# %% \[markdown\].*\n((?:#.*\n?)*)", text)
        text = "\n\n".join(re.sub(r"(?m)^# ?", "", cell) for cell in cells)
    return [sentence for sentence in sentences(text) if words(sentence) > MOST]


def answers() -> dict[str, dict]:
    """Page -> its entry in pages.yml."""
    folders = sorted(path.parent for path in (paths.root() / "notebooks").glob("*/pages.yml"))
    return {f"{folder.name}/{name}": told for folder in folders for name, told in short.declared(folder.name).items()}


def marked() -> str:
    """All texts in which marks stand for numbers and verdicts: those of the book and the answers of the boxes."""
    texts = [path.read_text() for path in sorted((paths.root() / "book").rglob("*.md"))]
    return "\n".join([*texts, *(" ".join(told.get("answer", "").split()) for told in answers().values())])


def sources() -> list[Path]:
    """What has prose: the texts of the book and the pages."""
    root = paths.root()
    texts = [path for path in (root / "book").rglob("*.md") if "playground" not in path.relative_to(root).parts]
    return sorted([*texts, *(root / "notebooks").glob("*/[0-9]*.py")])
