"""Records and processes: killed, two at once, writers beside readers."""

import signal
import subprocess
import sys
import time

import pytest

from advbook import ledger
from advutils.core import files

pytestmark = pytest.mark.usefixtures("results")


SERIES = """
import sys, time
from advbook import ledger
from advbook.cli import main
def slow(*, x):
    with open(sys.argv[1], "a") as log:
        log.write(f"start {x}\\n")
    time.sleep(0.25)
    with open(sys.argv[1], "a") as log:
        log.write(f"end {x}\\n")
    return {"x": x, "text": "y" * 200_000}
for x in range(8):
    ledger.measure(slow, {"x": x}, profile="quick", chapter="c")
    print(x, flush=True)
"""


def series(tmp_path):
    script = tmp_path / "series.py"
    script.write_text(SERIES)
    return [sys.executable, str(script), str(tmp_path / "log")]


def test_kill_9_loses_at_most_one_measurement(tmp_path):
    process = subprocess.Popen(series(tmp_path), stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        if line.strip() == "3":
            time.sleep(0.1)  # in the middle of the next one
            process.send_signal(signal.SIGKILL)
            break
    process.wait()
    assert len(ledger.records()) == 4
    subprocess.run(series(tmp_path), check=True, capture_output=True)
    log = (tmp_path / "log").read_text().split("\n")
    assert sorted(r["x"] for r in ledger.records()) == list(range(8))
    assert all(log.count(f"end {x}") == 1 for x in range(8)) and log.count("start 4") == 2


def test_two_processes_at_once_measure_everything_once(tmp_path):
    processes = [subprocess.Popen(series(tmp_path), stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait(timeout=120) for process in processes] == [0, 0]
    log = (tmp_path / "log").read_text().split("\n")
    assert all(log.count(f"start {x}") == 1 for x in range(8)) and len(ledger.records()) == 8


def test_writers_and_readers_at_once_never_see_a_torn_file(tmp_path):
    script = tmp_path / "write.py"
    script.write_text(
        "import sys\nfrom pathlib import Path\nfrom advutils.core import files\n"
        "for _ in range(60): files.write_sealed(Path(sys.argv[1]), sys.argv[2].encode() * 300_000)"
    )
    target = tmp_path / "file"
    writers = [subprocess.Popen([sys.executable, str(script), str(target), letter]) for letter in "ab"]
    seen = set()
    while any(writer.poll() is None for writer in writers):
        if target.exists():
            seen.add(files.read_sealed(target)[:1])  # raises if torn
    assert [writer.returncode for writer in writers] == [0, 0] and seen <= {b"a", b"b"} and seen
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".part"] == []
