"""Locks between processes: one at a time, given back by a killed process, and the first of several that is free."""

import subprocess
import sys
import threading
import time

import pytest

from advutils.core import files

HOLD = """
import sys, time
from pathlib import Path
from advutils.core import files
with files.locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds a lock file."""
    started = []

    def hold(path):
        process = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield hold
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def waits_for(path, seconds=0.4):
    """A thread that takes the lock, and an event that says when it has it."""
    has = threading.Event()

    def take():
        with files.locked(path):
            has.set()

    thread = threading.Thread(target=take, daemon=True)
    thread.start()
    assert not has.wait(seconds)
    return has


def test_a_lock_is_waited_for_and_a_killed_process_gives_it_back(holder, tmp_path):
    path = tmp_path / "new folder" / "lock"
    process = holder(path)
    has = waits_for(path)
    process.kill()
    assert has.wait(10) and path.exists()


def test_threads_of_one_process_wait_for_each_other(tmp_path):
    with files.locked(tmp_path / "lock"):
        has = waits_for(tmp_path / "lock")
    assert has.wait(10)


def test_of_several_locks_the_first_that_is_free_is_had_and_given_back(holder, tmp_path):
    paths = [tmp_path / name for name in "abc"]
    holder(paths[0])
    with files.one_locked(paths) as first, files.one_locked(paths) as second:
        assert (first, second) == (paths[1], paths[2])
    with files.one_locked(paths) as first:
        assert first == paths[1]
    with pytest.raises(KeyError), files.one_locked(paths):
        raise KeyError
    with files.one_locked(paths) as again:
        assert again == paths[1]


def test_where_all_are_taken_the_first_to_be_free_is_waited_for(holder, tmp_path):
    paths = [tmp_path / name for name in "ab"]
    processes = [holder(path) for path in paths]
    threading.Timer(0.5, processes[1].kill).start()
    started = time.monotonic()
    with files.one_locked(paths) as free:
        assert free == paths[1] and time.monotonic() - started > 0.4
