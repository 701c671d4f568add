"""Write requirements.lock and requirements-cuda.lock again, with the hashes of all files that the index has.

    python tools/lock.py                  # new hashes, and what pyproject.toml asks for and the lock lacks
    python tools/lock.py NAME==VERSION    # and other versions of these

Needs ``uv`` (pip install uv). Versions that the lock has already stay. What only a CUDA build of torch needs stands in
the second file, which ``tools/env.sh`` installs where there is such a build.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from packaging.markers import Marker

ROOT = Path(__file__).resolve().parents[1]
PYTHONS = ("3.11", "3.12", "3.13")
CUDA = re.compile("nvidia-|cuda-|triton")
# The CPU wheels of other indexes than the one that uv asks: Linux x86-64, Python 3.11 (the records are made with it)
ELSEWHERE = {"torch==2.13.0": ["6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b"]}
HEAD = {
    "requirements.lock": """\
# The exact versions behind every recorded number, and the hashes of their files: `make env` installs nothing else.
# Written by tools/lock.py; pyproject.toml has the ranges that the package works with. torch: on Linux the index's
# default wheel brings CUDA libraries of several GB; where an index or a folder offers a CPU wheel of this version, pip
# takes that one. The hash of the CPU wheel for Python 3.11 is here; that of another one you would have to add.
""",
    "requirements-cuda.lock": """\
# What a CUDA build of torch needs beside requirements.lock. Written by tools/lock.py.
""",
}


def compiled(changes: list[str]) -> str:
    """What ``uv`` makes of pyproject.toml under the versions of the lock."""
    changed = {line.partition("==")[0].lower() for line in changes}
    kept = [line.split()[0] for name in HEAD for line in (ROOT / name).read_text().splitlines() if "==" in line]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as constraints:
        constraints.write(
            "\n".join([*changes, *(one for one in kept if one.partition("==")[0].lower() not in changed)])
        )
        constraints.flush()
        command = ["uv", "pip", "compile", "-q", "pyproject.toml", "--all-extras", "--universal", "--generate-hashes"]
        command += ["--python-version", PYTHONS[0], "--no-annotate", "--no-header", "-c", constraints.name]
        return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def entries(text: str) -> dict[str, tuple[str, list[str]]]:
    """Of each requirement on Linux: the marker, where Python 3.11 does without it, and its hashes."""
    found = {}
    for block in re.split(r"\n(?=\S)", text.replace("\\\n", "").strip()):
        requirement, _, marker = re.sub(r"--hash\S+", "", block).strip().partition(" ; ")
        linux = {"sys_platform": "linux", "os_name": "posix", "platform_machine": "x86_64"}
        wanted = [v for v in PYTHONS if not marker or Marker(marker).evaluate(linux | versions(v))]
        if wanted:
            only = "" if PYTHONS[0] in wanted else f' ; python_version >= "{wanted[0]}"'
            hashes = re.findall(r"--hash=sha256:(\w+)", block) + ELSEWHERE.get(requirement, [])
            found[requirement] = only, sorted(hashes)
    return found


def versions(python: str) -> dict[str, str]:
    """The variables of markers for a version of Python."""
    return {"python_version": python, "python_full_version": f"{python}.0"}


def main() -> None:
    found = entries(compiled(sys.argv[1:]))
    for name, head in HEAD.items():
        lines = []
        for requirement in sorted(found, key=str.lower):
            if bool(CUDA.match(requirement)) == ("cuda" in name):
                marker, hashes = found[requirement]
                lines.append(" \\\n".join([requirement + marker, *(f"    --hash=sha256:{each}" for each in hashes)]))
        (ROOT / name).write_text(head + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
