"""``python tools/compare_sites.py BEFORE AFTER``: what a reader sees differently on two built sites.

Prose, tables and verdicts are compared word by word, figures byte by byte. Listings of code, the list of what stands
behind a page's numbers, and names of modules and files are left out. Ends with 1 if anything differs.
"""

import difflib
import hashlib
import re
import sys
from pathlib import Path

from bs4 import BeautifulSoup

PLACES = re.compile(r"(advutils|advbook|tests|notebooks)[./][\w./]+")
LEFT_OUT = "pre, script, style, .toggle-details, .highlight, #run-it-yourself, .provenance"


def seen(page: Path) -> tuple[list[str], list[str]]:
    """The sentences and cells of a page, and the hashes of its pictures."""
    article = BeautifulSoup(page.read_text(), "html.parser").select_one("article") or BeautifulSoup("", "html.parser")
    for part in article.select(LEFT_OUT):
        part.decompose()
    pictures = []
    for image in article.select("img"):
        source = image.get("src", "")
        kept = source.encode() if source.startswith("data:") else (page.parent / source).read_bytes()
        pictures.append(f"{image.get('alt', '')}: {hashlib.sha256(kept).hexdigest()[:16]}")
    text = [PLACES.sub("(place)", " ".join(line.split())) for line in article.get_text("\n").split("\n")]
    return [line for line in text if line], pictures


def main(before: Path, after: Path) -> int:
    names = {path.relative_to(side) for side in (before, after) for path in side.rglob("*.html")}
    wrong = 0
    for name in sorted(names):
        if not all((side / name).exists() for side in (before, after)):
            print(f"{name}: only on one side")
            wrong += 1
            continue
        for kind, one, two in zip(("text", "pictures"), seen(before / name), seen(after / name), strict=True):
            lines = [line for line in difflib.unified_diff(one, two, lineterm="", n=0) if line[0] in "+-"][2:]
            if lines:
                wrong += 1
                print(f"{name}: {kind}", *(f"   {line[:160]}" for line in lines[:12]), sep="\n")
    print(f"{len(names)} pages compared, {wrong} differences")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:3])))
