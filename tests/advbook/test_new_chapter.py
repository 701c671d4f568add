"""A sixth paper begins with files whose tests pass."""

import os
import shutil
import subprocess
import sys

import pytest

from advbook import paths

KEPT = ("advbook", "advutils", "notebooks", "tests", "book", "benchmarks", "tools")
FILES = ("_toc.yml", "_config.yml", "pyproject.toml", "LICENSE", "README.md", "requirements.lock", "results")


@pytest.fixture
def copy(tmp_path):
    """A copy of the checkout without its records, and how to run something in it."""
    root = paths.root()
    for name in KEPT:
        shutil.copytree(
            root / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
        )
    for name in FILES:
        if (root / name).is_file():
            shutil.copy(root / name, tmp_path)
    (tmp_path / "results").mkdir()
    for path in (root / "results").glob("*.csv"):
        shutil.copy(path, tmp_path / "results")

    def run(*words, **options):
        environment = {**os.environ, "PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1"}
        environment |= {"ADVUTILS_RESULTS": "", "ADVUTILS_CACHE": str(tmp_path / "cache")}
        return subprocess.run(
            [sys.executable, "-m", *words], cwd=tmp_path, env=environment, capture_output=True, text=True, **options
        )

    return tmp_path, run


OF_FILES = (
    "ipynb_is_what or no_outputs or helpers or mentioned or rules_and_errata or two_exercises or stub or teachers or "
    "nothing_is_told or table_of or editions or papermill_lists or cells_are_what or sets_no_knob or wrong_values or "
    "every_setting or solutions_run"
)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_new_chapter_runs_and_its_tests_pass(copy):
    folder, run = copy
    done = run("advbook", "new-chapter", "my-paper")
    assert done.returncode == 0, done.stderr
    for words in (["check"], ["format", "--check"]):
        linted = run("ruff", *words, "advbook/chapters/my_paper", "notebooks/my-paper", "tests/chapters")
        assert linted.returncode == 0, linted.stdout
    ran = run("advbook", "run", "my-paper", "-p", "seeds=3", "--jobs", "1")
    assert ran.returncode == 0 and "my-paper/1-first" in ran.stdout, ran.stdout + ran.stderr
    assert len(list((folder / "results" / "quick" / "my-paper").rglob("*.json"))) == 3
    own = run("pytest", "-q", "-p", "no:cacheprovider", "tests/chapters/test_my_paper.py")
    assert own.returncode == 0 and "3 passed" in own.stdout, own.stdout
    places = [f"tests/advbook/test_{name}.py" for name in ("notebooks", "exercises", "knobs", "rules")]
    wanted = f"(({OF_FILES}) and (my or 1-first or not [)) or every_measurement_of or (nearest_mean and standin)"
    tests = run("pytest", "-q", "-x", "-p", "no:cacheprovider", "tests/chapters/test_devices.py", *places, "-k", wanted)
    assert tests.returncode == 0, tests.stdout[-3000:]


@pytest.mark.parametrize(
    "name, message", [("My Paper", "small letters"), ("attacks", "attacks is taken"), ("", "small")]
)
def test_a_name_that_is_wrong_or_taken_is_refused_and_nothing_written(name, message):
    from advbook import new_chapter

    before = (paths.root() / "_toc.yml").read_text()
    with pytest.raises(ValueError, match=message):
        new_chapter.create(name)
    assert (paths.root() / "_toc.yml").read_text() == before


@pytest.mark.check
@pytest.mark.timeout(3000)
def test_the_site_builds_with_a_new_chapter_and_without_it_again(copy):
    folder, run = copy
    (folder / "results").rmdir() if not any((folder / "results").iterdir()) else shutil.rmtree(folder / "results")
    shutil.copytree(paths.root() / "results", folder / "results", ignore=shutil.ignore_patterns("quick"))
    contents = (folder / "_toc.yml").read_text()
    assert run("advbook", "new-chapter", "my-paper").returncode == 0
    assert run("advbook", "run", "my-paper", "--jobs", "1").returncode == 0
    built = run("advbook", "site")
    page = folder / "_build" / "site" / "notebooks" / "my-paper" / "1-first.html"
    assert built.returncode == 0 and "Errors of the nearest mean" in page.read_text(), built.stdout + built.stderr
    shutil.rmtree(folder / "notebooks" / "my-paper")
    (folder / "_toc.yml").write_text(contents)
    built = run("advbook", "site")
    assert built.returncode == 0 and not page.exists(), built.stdout + built.stderr
