"""What stands in a newcomer's way: a full disk, a folder that cannot be written, no git, two runs at once."""

import errno
import fcntl
import os
import shutil
import subprocess
import sys
import threading

import pytest
from click.testing import CliRunner

from advbook import cli, ledger, paths, provenance, runner
from advutils.core import files


def test_a_full_disk_names_the_file(monkeypatch, tmp_path):
    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=f"No space left on device: '{tmp_path}/record.json'"):
        files.write_atomic(tmp_path / "record.json", b"1")
    assert not list(tmp_path.iterdir())


@pytest.fixture
def read_only(monkeypatch, tmp_path):
    """A folder that cannot be written to, also for root, who may write where the bits say no."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    real = os.access

    def access(path, mode, **options):
        return (not mode & os.W_OK or folder not in (path, *path.parents)) and real(path, mode, **options)

    monkeypatch.setattr(os, "access", access)
    return folder


def slow(*, seed: int):
    pytest.fail("an hour was computed")


def test_a_read_only_place_is_noticed_before_anything_is_computed(read_only, monkeypatch):
    monkeypatch.setenv("ADVUTILS_RESULTS", str(read_only / "results"))
    with pytest.raises(PermissionError, match=f"nothing can be written to {read_only}/results/quick/c/slow; work in"):
        ledger.measure(slow, {"seed": 0}, profile="quick", chapter="c")
    monkeypatch.setattr(runner, "run", lambda *_, **__: pytest.fail("ran"))
    done = CliRunner().invoke(cli.main, ["run", "attacks"])
    assert done.exit_code == 1 and f"advbook: nothing can be written to {read_only}" in done.output


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_user_who_is_not_root_gets_the_same_error(tmp_path):
    """In a folder of root's."""
    folder = tmp_path / "results"
    folder.mkdir()
    code = (
        "import os, sys; sys.path.insert(0, sys.argv[1]); from advbook import paths; from pathlib import Path\n"
        "os.setuid(65534); paths.must_be_writable(Path(sys.argv[2]) / 'quick')"
    )
    done = subprocess.run(
        [sys.executable, "-B", "-c", code, paths.root(), folder], capture_output=True, text=True, cwd="/"
    )
    assert done.returncode and f"PermissionError: nothing can be written to {folder}/quick" in done.stderr


def test_without_git_records_say_so(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    getattr(provenance.commit, "cache_clear", lambda: None)()
    assert provenance.commit()["commit"] is None


def test_a_second_run_of_a_page_waits_for_the_first(monkeypatch, tmp_path):
    monkeypatch.setattr(paths, "build", lambda: tmp_path)
    monkeypatch.setattr("advbook.commands.run.closing_table", lambda results: None)
    ran = []
    monkeypatch.setattr(runner, "run", lambda pages, **_: ran.extend(pages) or pages)
    name = next(runner.name_of(path) for path in runner.find("attacks")).replace("/", "-")
    lock = tmp_path / "locks" / f"run-{name}"
    lock.parent.mkdir()
    with open(lock, "w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        second = threading.Thread(target=lambda: CliRunner().invoke(cli.main, ["run", "attacks"]))
        second.start()
        second.join(0.5)
        assert second.is_alive() and not ran
    second.join(10)
    assert not second.is_alive() and len(ran) == 1


FAKE = """#!/bin/sh
case "$*" in
  *version_info*) echo 3.12 ;;
  *--version*) echo Python 3.12 ;;
  *ensurepip*) ;;
  *) sleep 1; mkdir "$PWD/.venv" || exit 1; mkdir -p .venv/bin; printf '#!/bin/sh\\nexit 0\\n' >.venv/bin/python
     chmod +x .venv/bin/python; echo made >>made ;;
esac
"""


@pytest.mark.skipif(not shutil.which("flock"), reason="no flock")
def test_two_make_at_once_make_one_environment_also_in_a_path_with_spaces(tmp_path):
    folder = tmp_path / "a path with spaces"
    (folder / "tools").mkdir(parents=True)
    for name in ("tools/env.sh", "requirements.lock", "pyproject.toml"):
        shutil.copy(paths.root() / name, folder / name)
    python = folder / "python"
    python.write_text(FAKE)
    python.chmod(0o755)
    start = {"args": ["sh", "tools/env.sh"], "cwd": folder, "env": {**os.environ, "PYTHON": str(python)}}
    both = [subprocess.Popen(**start, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    assert [each.wait(60) for each in both] == [0, 0], [each.stderr.read() for each in both]
    assert (folder / "made").read_text() == "made\n" and (folder / ".venv" / ".complete").exists()
