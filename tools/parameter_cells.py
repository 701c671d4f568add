"""Write the parameters cells of all pages as papermill reads them, with the ranges of advbook/knobs.py in the comments.

    python tools/parameter_cells.py [--check]

papermill lists a parameter on one line, ``name: type = value  # help``, without ``|`` in the type and without a second
``=``. Each knob's help is what stands in the page's comment up to the first semicolon; the rest is written anew. The
help of ``profile`` and ``replay`` stays. Run it after a merge, then `advbook pair`.
"""

import re
import sys

from advbook import knobs, parameters, paths
from advutils.core import files

CELL = re.compile(r'(# %% [^\n]*tags=\[[^\n]*"parameters"[^\n]*\]\n)(.*?)(?=\n+# %%)', re.S)
KNOB = re.compile(r"(?ms)^(\w+): [^=\n]+= \(?\s*([^#\n]+?)\s*#\s*([^\n]*)(?:\n\))?$")


def line(page: str, name: str, value: str, text: str) -> str:
    """One line of a parameters cell."""
    if name in parameters.ALWAYS:
        return f"{name}: str = {value}  # {text}"
    known = knobs.knob(page, name)
    if known is None:
        raise SystemExit(f"{page}: knob {name} has no range in advbook/knobs.py")
    told = text.partition(";")[0]
    return f"{name}: {known.kind} = None  # {told}; {known.words()}; {parameters.OWN}"


def rewritten(page: str, text: str) -> str:
    """The source of a page with its parameters cell written anew."""
    match = CELL.search(text)
    if match is None:
        raise SystemExit(f"{page} has no parameters cell")
    lines = [line(page, *each) for each in KNOB.findall(match[2])]
    return text[: match.start(2)] + "\n".join(lines) + text[match.end(2) :]


def main() -> int:
    """Write what differs; with --check only say so and return 1."""
    wrong = 0
    for source in paths.sources():
        text = source.read_text()
        new = rewritten(f"{source.parent.name}/{source.stem}", text)
        if new != text:
            wrong += 1
            print(source.relative_to(paths.root()))
            if "--check" not in sys.argv:
                files.write_atomic(source, new.encode())
    return int(wrong > 0 and "--check" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
