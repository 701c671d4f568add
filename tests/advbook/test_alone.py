"""A notebook that lies alone: its first code cell, the archive, and the real thing where only Jupyter is."""

import json
import os
import shutil
import subprocess
import sys
import zipfile

import nbformat
import pytest

from advbook import alone, paths, runner


def test_the_cell_does_nothing_in_a_clone(monkeypatch):
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("installed something"))
    monkeypatch.setattr(alone, "_fetched", lambda address: pytest.fail(f"fetched {address}"))
    before = dict(os.environ)
    exec(compile(alone.cell(), "cell", "exec"), {})
    assert dict(os.environ) == before


def test_the_repository_s_address_is_that_of_the_configuration_everywhere():
    """Notebooks are generated with it; the other files that need one cannot read it, and are changed with it."""
    import yaml

    address = yaml.safe_load((paths.root() / "_config.yml").read_text())["repository"]["url"]
    words = ["git", "grep", "-hoE", r"https://[a-z.]+/[A-Za-z0-9_-]+/adversarial-examples-book\b"]
    told = subprocess.run(words, cwd=paths.root(), capture_output=True, text=True)
    if told.returncode > 1:
        pytest.skip("no git, or no checkout")
    assert set(told.stdout.split()) == {address} and address in alone.cell()


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """A place without a clone, with the archive of a tiny book in ``release``; returns that folder's address."""
    book = tmp_path / "tiny"
    (book / "notebooks" / "c").mkdir(parents=True)
    (book / "results" / "quick").mkdir(parents=True)
    for name in ("_toc.yml", "LICENSE", "notebooks/c/claims.yml", "results/withdrawn.csv", "results/quick/x.json"):
        (book / name).write_text(name)
    (tmp_path / "release").mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(paths, "root", lambda: book)
        alone._archive(tmp_path / "release" / alone.ARCHIVE)

    def nothing():
        if "ADVBOOK_ROOT" in os.environ:
            return os.environ["ADVBOOK_ROOT"]
        raise FileNotFoundError

    monkeypatch.setattr(paths, "root", nothing)
    monkeypatch.setenv("ADVUTILS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ADVBOOK_ROOT", "")
    monkeypatch.delenv("ADVBOOK_ROOT")
    return tmp_path


def test_the_archive_is_unpacked_once_and_named(nowhere, monkeypatch):
    source = (nowhere / "release").as_uri()
    alone.ready(source)
    folder = nowhere / "cache" / "book"
    assert os.environ["ADVBOOK_ROOT"] == str(next(folder.iterdir())) and len(list(folder.iterdir())) == 1
    there = sorted(str(path.relative_to(os.environ["ADVBOOK_ROOT"])) for path in folder.rglob("*") if path.is_file())
    assert there == ["LICENSE", "_toc.yml", "notebooks/c/claims.yml", "results/withdrawn.csv"]  # no quick records
    monkeypatch.delenv("ADVBOOK_ROOT")
    alone.ready(source)  # in another kernel
    assert len(list(folder.iterdir())) == 1


def test_without_a_source_one_line_says_what_to_do(nowhere):
    with pytest.raises(SystemExit, match="cannot be fetched from file:///none/.*Clone the book"):
        alone.ready("file:///none")
    (nowhere / "release" / alone.ARCHIVE).write_bytes(b"torn")
    with pytest.raises(zipfile.BadZipFile):
        alone.ready((nowhere / "release").as_uri())
    assert not list((nowhere / "cache" / "book").iterdir())  # nothing half unpacked is left


def test_the_folder_of_a_fork_comes_before_the_checkout_of_the_package(tmp_path, monkeypatch):
    inside = tmp_path / "fork" / "notebooks" / "c"
    inside.mkdir(parents=True)
    (tmp_path / "fork" / "_toc.yml").write_text("")
    monkeypatch.delenv("ADVBOOK_ROOT", raising=False)
    own = paths.root()
    monkeypatch.chdir(inside)
    assert paths.root() == tmp_path / "fork" and own == paths.code()
    (tmp_path / "fork" / "advbook").mkdir()  # another checkout: with its own code, not with this one's
    paths._root.cache_clear()
    assert paths.root() == own
    monkeypatch.setenv("ADVBOOK_ROOT", str(tmp_path))
    assert paths.root() == tmp_path


# -- the real thing: minutes ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """An environment with only pip and Jupyter, and how to execute a notebook in it as `jupyter nbconvert` does."""
    folder = tmp_path_factory.mktemp("bare")
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    python = folder / "venv" / "bin" / "python"
    done = subprocess.run([python, "-m", "pip", "install", "-q", "nbconvert", "ipykernel"], capture_output=True)
    if done.returncode:
        pytest.skip("no package index")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ADV", "PYTHON"))}
    environment |= {"OMP_NUM_THREADS": "1", "ADVUTILS_CACHE": str(folder / "cache")}

    def execute(notebook, **variables):
        words = ["-m", "nbconvert", "--to", "notebook", "--execute", notebook.name, "--output", "out.ipynb"]
        options = dict(cwd=notebook.parent, env=environment | variables, capture_output=True, text=True)
        return subprocess.run([python, *words, "--ExecutePreprocessor.timeout=2400"], **options)

    return folder, python, execute


def errors(path):
    """The cells of an executed notebook that ended with an error: their tags."""
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    return [c.metadata.get("tags", []) for c in cells if any(o.output_type == "error" for o in c.outputs)]


@pytest.mark.check
@pytest.mark.timeout(4000)
def test_a_notebook_alone_in_a_bare_environment(bare, tmp_path):
    folder, python, execute = bare
    alone.pack(tmp_path / "release")
    source = next(path for path in runner.find() if path.stem == "4-noise-model")
    lone = shutil.copy(source, tmp_path)
    done = execute(tmp_path / source.name, ADVBOOK_SOURCE="/nowhere", PIP_RETRIES="0")
    assert done.returncode and "The book cannot be installed from" in done.stderr and "clone https://" in done.stderr
    done = execute(tmp_path / source.name, ADVBOOK_SOURCE=str(tmp_path / "release"))
    assert done.returncode == 0, done.stderr[-3000:]
    shown = json.dumps(nbformat.read(tmp_path / "out.ipynb", as_version=4))
    assert "figure class" in shown and "reproduced" in shown and not errors(tmp_path / "out.ipynb"), lone


@pytest.mark.check
@pytest.mark.timeout(4000)
@pytest.mark.parametrize("edition", ["student", "instructor"])
def test_a_fork_in_a_bare_environment(bare, tmp_path, edition):
    from advbook import fork

    _, python, execute = bare
    made = fork.fork("attacks", tmp_path / "fork", edition)
    again = ["-m", "pip", "install", "-q", "--force-reinstall", "--no-deps", made / alone.WHEEL]
    subprocess.run([python, "-m", "pip", "install", "-q", f"{made / alone.WHEEL}[page]"], check=True)
    subprocess.run([python, *again], check=True)
    notebook = made / "notebooks" / "attacks" / "1-attacks.ipynb"
    done = execute(notebook)
    assert done.returncode == 0, done.stderr[-3000:]
    unsolved = errors(notebook.with_name("out.ipynb"))
    assert unsolved == [["exercise", "raises-exception"]] * 3
    assert any((made / "results" / "quick").rglob("*.json"))  # the fork is the book here
