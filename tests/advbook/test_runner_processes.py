"""Which processes a run starts: cores, threads, GPUs, and the profile that comes next."""

import os
import subprocess
import sys

import pytest

from advbook import paths, runner


@pytest.mark.parametrize(
    "error, used",
    [
        ("", ["paper"]),
        ("MissingRecord: no paper record", ["paper", "standard"]),
        ("DamagedRecord: torn", ["paper"]),
        ("AssertionError: the derivation is wrong", ["paper"]),
    ],
)
def test_only_a_missing_record_sends_a_page_to_the_next_profile(error, used, monkeypatch, tmp_path):
    monkeypatch.setenv("ADVUTILS_RESULTS", str(tmp_path))
    monkeypatch.setattr(runner, "find", lambda: [tmp_path / "tiny" / "1-tiny.ipynb"])
    asked = []
    for profile in ("paper", "standard"):
        (tmp_path / profile / "tiny" / "f").mkdir(parents=True)
        (tmp_path / profile / "tiny" / "f" / "1.json").write_text("{}")

    def run(todo, *, profile, **_):
        asked.append(profile)
        return [runner.Result(path.stem, 0.0, 0, 1, error if profile == "paper" else "") for path in todo]

    monkeypatch.setattr(runner, "run", run)
    assert [bool(result.error) for result in runner.publish()] == [used == ["paper"] and error != ""]
    assert asked == used


@pytest.fixture
def asked(monkeypatch):
    """What `run` asks of the processes for three notebooks: (jobs, threads, GPUs)."""
    found = []
    monkeypatch.setattr(runner, "_up_to_date", lambda *_: None)
    monkeypatch.setattr(runner, "find", lambda target=None: [paths.root() / f"{k}.ipynb" for k in range(3)])
    monkeypatch.setattr(
        runner,
        "_run_all",
        lambda todo, given, edition, folder, jobs, threads, on, report: (
            found.append((jobs, threads, on)),
            {path: None for path in todo},
        )[1],
    )
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)

    def ask(**given):
        runner.run(**given)
        return found.pop()

    return ask


def test_no_more_processes_and_threads_than_the_cores_that_may_be_used(asked, monkeypatch):
    monkeypatch.setenv("ADVUTILS_DEVICE", "cpu")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5}, raising=False)
    assert asked() == (2, 1, []) and asked(jobs=1) == (1, 2, [])
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # as snakemake sets it
    assert asked(jobs=1) == (1, 1, [])


def test_on_gpus_there_is_one_process_for_each(asked, monkeypatch):
    import torch

    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    for device, on in (("cuda", ["0", "1"]), ("cuda:1", ["1"])):
        monkeypatch.setenv("ADVUTILS_DEVICE", device)
        assert asked() == (len(on), 16 // len(on), on)
    assert asked(replay="only")[2] == []  # nothing is measured
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    assert runner.gpus() == ["7"]


ALONE = """import os, sys, time
from pathlib import Path
from advbook import paths, runner
paths.build = lambda: Path(sys.argv[1])
with runner._one_gpu(["4", "7"]):
    start = time.time()
    time.sleep(1)
    print(os.environ["CUDA_VISIBLE_DEVICES"], start, time.time())
"""


def test_two_notebooks_never_share_a_gpu(tmp_path):
    running = [
        subprocess.Popen([sys.executable, "-c", ALONE, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    spans = [process.communicate(timeout=120)[0].split() for process in running]
    assert {gpu for gpu, *_ in spans} <= {"4", "7"} and len(spans) == 4
    for gpu in "47":
        mine = sorted((float(start), float(end)) for name, start, end in spans if name == gpu)
        assert all(before[1] <= after[0] for before, after in zip(mine, mine[1:], strict=False))
