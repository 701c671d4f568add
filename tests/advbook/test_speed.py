"""How long `advbook status` and `advbook claims` take, for the committed records and for ten times as many."""

import json
import os
import resource
import shutil
import subprocess
import sys

import pytest

from advbook import ledger, paths
from advutils.core import files

LIMIT = 3.0  # seconds of one core for today's records


def cost(results, *words):
    """Seconds of processor time that a command takes."""

    def spent():
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    before = spent()
    subprocess.run(
        [sys.executable, "-m", "advbook.cli", *words],
        check=True,
        capture_output=True,
        cwd=paths.root(),
        env={**os.environ, "ADVUTILS_RESULTS": str(results)},
    )
    return spent() - before


def multiplied(source, target, times):
    """Copy records, each ``times`` times with other seeds."""
    for path in source.glob("*/*/*/*.json"):
        document = json.loads(path.read_bytes())
        document.pop("sha256")
        seed = document["parameters"].get("seed")
        for copy in range(times):
            if copy:
                document["parameters"] |= {"seed": 1000 * copy + (seed or 0)}
            name = ledger.key(document["name"], document["parameters"])
            place = target / path.parent.relative_to(source) / f"{name}.json"
            place.parent.mkdir(parents=True, exist_ok=True)
            seal = files.sha256(ledger.canonical(document).encode())
            place.write_text(json.dumps(document | {"sha256": seal}))
            if path.with_suffix(".npz").exists():
                shutil.copy(path.with_suffix(".npz"), place.with_suffix(".npz"))


@pytest.mark.check
@pytest.mark.timeout(900)
def test_status_and_claims_take_seconds_and_grow_no_faster_than_the_records(tmp_path):
    results = paths.root() / "results"
    multiplied(results, tmp_path, 10)
    for words in (("status",), ("claims",)):
        one, ten = cost(results, *words), cost(tmp_path, *words)
        print(f"advbook {words[0]}: {one:.1f} s, for ten times as many records {ten:.1f} s")
        assert one <= LIMIT and ten <= 10 * one
