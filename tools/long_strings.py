"""Breaks the long strings in notebooks' code at spaces, so that no line of code is longer than 120 characters.

``python tools/long_strings.py && advbook pair`` after a page was written; ``--check`` only names the lines that are too
long. Values stay as they are: a string in several literals is one to Python, and the parsed code of each file is
compared before it is written.
"""

import ast
import io
import re
import subprocess
import sys
import tokenize

from advbook import paths

WIDTH = 120
LITERAL = re.compile(r"(?s)([rRfF]{0,2})('''|\"\"\"|'|\")(.*)\2")
PART = re.compile(r"(?s)\\N\{[^}]*\}|\\.|\{\{|\}\}|.")
Atom = tuple[bool, bool, str, str]  # raw, formatted, quotes, source text that no break may part


def long_lines(text: str) -> list[int]:
    """The lines of code (not of prose) that are too long, from 1."""
    lines = enumerate(text.split("\n"), 1)
    return [number for number, line in lines if len(line) > WIDTH and not line.startswith("#")]


def groups(text: str) -> list[list[tokenize.TokenInfo]]:
    """The literals of each string, in their order; strings with triple quotes or comments inside are left out."""
    found, current = [], []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.STRING:
            current.append(token)
        elif token.type == tokenize.NL and current:
            continue
        else:
            if current and token.type != tokenize.COMMENT:
                found.append(current)
            current = []
    kinds = {"", "r", "f", "fr", "rf"}
    literals = [[LITERAL.fullmatch(token.string) for token in group] for group in found]
    return [
        group
        for group, parts in zip(found, literals, strict=True)
        if all(part and part[1].lower() in kinds and len(part[2]) == 1 for part in parts)
    ]


def atoms(literal: str, least: int) -> list[Atom]:
    """A literal in pieces that end with a space; one longer than ``least`` is broken at its ``{fields}`` too."""
    prefix, quotes, body = LITERAL.fullmatch(literal).groups()  # type: ignore[union-attr]
    raw, formatted = "r" in prefix.lower(), "f" in prefix.lower()
    pieces: list[list[str]] = [[""]]
    depth = 0
    for part in [match[0] for match in PART.finditer(body)]:
        opens = formatted and part[0] == "{" and (depth or part == "{")
        closes = formatted and part[0] == "}" and depth > 0
        if opens and not depth:
            pieces[-1].append("")
        depth += len(part) * (opens - closes)
        pieces[-1][-1] += part
        if closes and not depth:
            pieces[-1].append("")
        if part == " " and not depth or part == r"\n" and not raw:
            pieces.append([""])
    texts = [text for piece in pieces for text in (piece if len("".join(piece)) > least else ["".join(piece)])]
    return [(raw, formatted and bool(re.search("[{}]", text)), quotes, text) for text in texts if text]


def filled(pieces: list[Atom], first: int, further: int) -> str:
    """The pieces as literals that fit: ``first`` characters in the first, ``further`` in each other one."""
    literals: list[list[Atom]] = []
    for piece in pieces:
        room = first if len(literals) == 1 else further
        same = literals and (piece[0], piece[2]) == (literals[-1][0][0], literals[-1][0][2])
        ended = literals and literals[-1][-1][3].endswith(r"\n") and not piece[0]
        if same and not ended and len(written([*literals[-1], piece])) <= room:
            literals[-1].append(piece)
        else:
            literals.append([piece])
    return " ".join(written(literal) for literal in literals)


def written(pieces: list[Atom]) -> str:
    """Pieces as one literal; braces of plain text are doubled in an f-string."""
    formatted = any(piece[1] for piece in pieces)
    texts = [re.sub(r"[{}]", r"\g<0>\g<0>", piece[3]) if formatted and not piece[1] else piece[3] for piece in pieces]
    return "r" * pieces[0][0] + "f" * formatted + pieces[0][2] + "".join(texts) + pieces[0][2]


def broken(text: str) -> str:
    """The source with its long strings in shorter literals, on one line: the formatter puts each on its own."""
    lines, starts = text.splitlines(True), [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    long = set(long_lines(text))
    for group in reversed(groups(text)):
        (top, left), (bottom, right) = group[0].start, group[-1].end
        if not long & set(range(top, bottom + 1)):
            continue
        indent = len(lines[top - 1]) - len(lines[top - 1].lstrip())
        pieces = [piece for token in group for piece in atoms(token.string, WIDTH - indent - 10)]
        new = filled(pieces, max(WIDTH - left, 40) - 1, WIDTH - indent - 1)
        text = text[: starts[top - 1] + left] + new + text[starts[bottom - 1] + right :]
    return text


def formatted(text: str) -> str:
    """The source as ``ruff format`` writes it."""
    command = [sys.executable, "-m", "ruff", "format", "--stdin-filename", "notebooks/page.py", "-"]
    return subprocess.run(command, input=text, text=True, capture_output=True, check=True, cwd=paths.root()).stdout


def mended(text: str) -> str:
    """The source, formatted, with no long line that is left to a string; ``ValueError`` if a value would change."""
    new = text
    for _ in range(4):  # a broken line may be indented further
        if long_lines(new):
            new = formatted(broken(new))
    if ast.dump(ast.parse(new)) != ast.dump(ast.parse(text)):
        raise ValueError("its strings would change")
    return new


def main() -> None:
    """Mend the pages, or with ``--check`` say which lines are too long; fails if there are any left."""
    left = []
    for path in paths.sources():
        text = path.read_text()
        new = text if "--check" in sys.argv else mended(text)
        if new != text:
            path.write_text(new)
        left += [f"{path.relative_to(paths.root())}:{number}" for number in long_lines(new)]
    sys.exit("\n".join(["lines of code that are too long:", *left]) if left else 0)


if __name__ == "__main__":
    main()
