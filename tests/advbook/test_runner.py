"""Executing notebooks: results, failures, skipping what is up to date."""

import os
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import nbformat
import pytest

from advbook import ledger, paths, runner, withdrawn
from advbook.commands import output

PARAMETERS = 'profile: str = "quick"\nreplay: str = "auto"\nseeds: int | None = None'
START = """from advbook.page import Page
page = Page("tiny", "1-tiny", globals(), settings={"quick": dict(seeds=2), "standard": dict(seeds=3)})"""
MEASURE = """import json as _json
def double(*, seed):
    return {"double": 2 * seed}
for _seed in range(page.settings.seeds):
    page.measure(double, seed=_seed)"""


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A notebook that makes two measurements, with its own results folder; returns (execute, path)."""
    for name, value in {
        "ADVUTILS_RESULTS": tmp_path / "results",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "ADVBOOK_PROGRESS": "",
        "JUPYTER_RUNTIME_DIR": "",
        "PYTHONPATH": paths.root(),
        **runner.ALLOCATOR,
    }.items():
        monkeypatch.setenv(name, str(value))
    path = tmp_path / "tiny" / "1-tiny.ipynb"
    path.parent.mkdir()

    def write(*cells):
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        notebook.cells[0].metadata["tags"] = ["parameters"]
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(notebook, path)

    def execute(number, **parameters):
        return runner.execute(
            path,
            {"profile": "quick", "replay": "auto", **parameters},
            tmp_path / "out.ipynb",
            tmp_path / f"progress{number}",
            1,
        )

    return write, execute, tmp_path


def test_measured_then_replayed(tiny):
    write, execute, folder = tiny
    write(PARAMETERS, START, MEASURE)
    first, second = execute(1), execute(2)
    assert (first.made, first.replayed, first.error) == (2, 0, "")
    assert (second.made, second.replayed, second.error) == (0, 2, "")
    output = nbformat.read(folder / "out.ipynb", as_version=4)
    assert output.metadata["advbook"]["measurements"] == 2 and "papermill" not in output.metadata


def around() -> tuple[dict[str, str], int]:
    """The environment that the parent of this process started with, and how many threads it has."""
    parent = Path(f"/proc/{os.getppid()}")
    pairs = (entry.split("=", 1) for entry in (parent / "environ").read_text().split("\0") if "=" in entry)
    return dict(pairs), len(list((parent / "task").iterdir()))


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="no /proc here")
def test_pages_are_forked_from_a_process_without_threads_that_keeps_the_memory_of_large_tensors(monkeypatch):
    for name in runner.ALLOCATOR:
        monkeypatch.setenv(name, "")  # so that what the runner sets is undone after this test
        monkeypatch.delenv(name)
    with ProcessPoolExecutor(1, mp_context=runner._context(), max_tasks_per_child=1) as pool:
        environment, threads = pool.submit(around).result()
    assert {name: environment.get(name) for name in runner.ALLOCATOR} == runner.ALLOCATOR and threads == 1


def test_a_forked_page_has_the_environment_of_now(tiny, monkeypatch):
    write, _, folder = tiny
    write(PARAMETERS, "import os\nassert os.environ['BOOK_TRIAL'] == 'now'")
    monkeypatch.setenv("BOOK_TRIAL", "now")
    monkeypatch.setattr(paths, "build", lambda: folder)
    path = folder / "tiny" / "1-tiny.ipynb"
    assert [result.error for result in runner.run([path, path], jobs=2)] == ["", ""]


def test_cells_of_a_page_show_what_a_kernel_would_show(tiny):
    write, execute, folder = tiny
    write(
        PARAMETERS,
        "def f():\n    return 1\nprint('said')\nassert f.__module__ == '__main__' and 'f' in globals()",
        "from IPython.display import Markdown, display\ndisplay(Markdown('**shown**'))\n'the last value'",
        "import sys\nprint('warned', file=sys.stderr)",
    )
    assert execute(1).error == ""
    cells = nbformat.read(folder / "out.ipynb", as_version=4).cells
    assert [output.text for output in cells[-3].outputs] == ["said\n"]
    shown = [output.data for output in cells[-2].outputs]
    assert shown[0]["text/markdown"] == "**shown**" and shown[1]["text/plain"] == "'the last value'"
    assert (cells[-1].outputs[0].name, cells[-1].outputs[0].text) == ("stderr", "warned\n")
    assert sys.modules["__main__"].__name__ != "tiny" and execute(2).error == ""


def test_more_seeds_measure_only_what_is_new(tiny):
    write, execute, _ = tiny
    write(PARAMETERS, START, MEASURE)
    execute(1)
    again = execute(2, seeds=3)
    assert (again.made, again.replayed) == (1, 2)


def test_a_failing_cell_is_reported_and_leaves_no_output(tiny):
    write, execute, folder = tiny
    write(PARAMETERS, START, MEASURE, "1 / 0")
    result = execute(1)
    assert "ZeroDivisionError" in result.error and result.made == 2
    assert not (folder / "out.ipynb").exists()


def test_unknown_and_ill_typed_parameters_are_errors(tiny):
    write, execute, _ = tiny
    write(PARAMETERS, START, MEASURE)
    assert "unknown parameter sedes" in execute(1, sedes=3).error
    assert "seeds" in execute(2, seeds="three").error


def test_replay_only_fails_with_the_command(tiny):
    write, execute, _ = tiny
    write(PARAMETERS, START, MEASURE)
    error = execute(1, replay="only").error
    assert "MissingRecord" in error and "papermill notebooks/tiny/1-tiny.ipynb" in error


def test_the_stamp_follows_notebook_and_parameters(tiny):
    write, _, folder = tiny
    path = folder / "tiny" / "1-tiny.ipynb"
    write(PARAMETERS, START)
    before = runner.stamp(path, {"profile": "quick"})
    assert before == runner.stamp(path, {"profile": "quick"}) != runner.stamp(path, {"profile": "standard"})
    write(PARAMETERS, START, "1 + 1")
    assert runner.stamp(path, {"profile": "quick"}) != before


def test_a_source_that_is_edited_while_the_notebook_runs_is_not_taken_for_what_ran(tiny):
    write, execute, folder = tiny
    path = folder / "tiny" / "1-tiny.ipynb"
    write(PARAMETERS, START, f"open({str(path)!r}, 'a').write(' ')")
    assert execute(1).error == ""
    found = nbformat.read(folder / "out.ipynb", as_version=4).metadata["advbook"]["stamp"]
    assert found != runner.stamp(path, {"profile": "quick", "replay": "auto"})


def test_a_page_whose_record_is_withdrawn_is_published_without_numbers_and_says_why(tiny, monkeypatch, capsys):
    write, execute, folder = tiny
    write("# Tiny", PARAMETERS, START, MEASURE)
    path = folder / "tiny" / "1-tiny.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[0] = nbformat.v4.new_markdown_cell("# Tiny")
    notebook.cells[1].metadata["tags"] = ["parameters"]
    nbformat.write(notebook, path)
    claim = {"id": "t-one", "claim": "It\ndoubles.", "page": "tiny/1-tiny", "chapter": "tiny", "verdict": "withdrawn"}
    monkeypatch.setattr(runner, "find", lambda *_: [path])
    monkeypatch.setattr(runner.claims, "evaluate", lambda: [claim, claim | {"id": "t-two", "page": "tiny/2-other"}])
    monkeypatch.setattr(paths, "build", lambda: folder / "build")
    assert execute(1, profile="standard").error == ""
    results = folder / "results"
    made = ledger.read(sorted((results / "standard" / "tiny" / "double").glob("*.json"))[0])
    withdrawn.withdraw([made], "The gradient was scrambled.", on="2026-11-28")
    stopped = execute(2, profile="standard", replay="only")
    assert stopped.withdrawn == "The gradient was scrambled." and stopped.error.startswith("Withdrawn:")

    (results / "quick" / "tiny" / "double").mkdir(parents=True)
    (results / "quick" / "tiny" / "double" / "1.json").write_text("{}")  # quick numbers do not stand in
    monkeypatch.setattr(runner, "run", lambda *_, profile, **__: {"standard": [stopped]}[profile])
    result = runner.publish()[0]
    assert (result.error, result.withdrawn) == ("", "The gradient was scrambled.")
    page = nbformat.read(runner.executed_path(path, "published"), as_version=4)
    nbformat.validate(page)
    assert page.cells[0].source == "# Tiny" and not any(cell.get("outputs") for cell in page.cells)
    box = page.cells[1].source
    assert "The gradient was scrambled." in box and "withdrawn.csv" in box and len(page.cells) == 5
    assert "[`t-one`](#t-one) It doubles." in box and "t-two" not in box
    output.closing_table([result])
    assert "is published without its numbers" in capsys.readouterr().out
    again = runner._up_to_date(path, {"profile": "standard", "replay": "only"}, "published")
    assert again.skipped and again.withdrawn == "The gradient was scrambled."
    withdrawn.table().write_text(withdrawn.table().read_text() + "\n")
    assert runner._up_to_date(path, {"profile": "standard", "replay": "only"}, "published") is None


@pytest.mark.parametrize(
    "outcomes, expected",
    [({"paper": "Withdrawn", "standard": ""}, ""), ({"paper": "Withdrawn", "standard": "ValueError"}, "ValueError: x")],
)
def test_a_profile_that_is_complete_or_fails_otherwise_comes_before_the_withdrawn_one(
    outcomes, expected, monkeypatch, tmp_path
):
    monkeypatch.setenv("ADVUTILS_RESULTS", str(tmp_path))
    monkeypatch.setattr(runner, "find", lambda: [tmp_path / "tiny" / "1-tiny.ipynb"])
    for profile in outcomes:
        (tmp_path / profile / "tiny" / "f").mkdir(parents=True)
        (tmp_path / profile / "tiny" / "f" / "1.json").write_text("{}")

    def run(todo, *, profile, **_):
        word = outcomes[profile]
        return [
            runner.Result(path.stem, 0.0, 0, 1, f"{word}: x" if word else "", withdrawn="y" * (word == "Withdrawn"))
            for path in todo
        ]

    monkeypatch.setattr(runner, "run", run)
    assert [(result.error, result.withdrawn) for result in runner.publish()] == [(expected, "")]


def test_a_page_with_withdrawn_claims_never_has_quick_numbers(monkeypatch, tmp_path):
    """Its first missing record may be one that was never withdrawn."""
    path = tmp_path / "tiny" / "1-tiny.ipynb"
    monkeypatch.setenv("ADVUTILS_RESULTS", str(tmp_path))
    monkeypatch.setattr(runner, "find", lambda: [path])
    monkeypatch.setattr(
        runner.claims,
        "evaluate",
        lambda: [{"id": "t", "page": "tiny/1-tiny", "verdict": "withdrawn", "why": "Wrong sign."}],
    )
    monkeypatch.setattr(runner, "_without_numbers", lambda path, result, asked: result)
    for profile in ("standard", "quick"):
        (tmp_path / profile / "tiny" / "f").mkdir(parents=True)
        (tmp_path / profile / "tiny" / "f" / "1.json").write_text("{}")
    monkeypatch.setattr(
        runner,
        "run",
        lambda todo, *, profile, **_: (
            [runner.Result("tiny", 0.0, 0, 1, "MissingRecord: x") for _ in todo] if profile == "standard" else 1 / 0
        ),
    )
    assert runner.publish()[0].withdrawn == "Wrong sign."


def test_the_stamp_follows_arrays_and_withdrawn_records(tiny):
    write, _, folder = tiny
    path = folder / "tiny" / "1-tiny.ipynb"
    write(PARAMETERS, START)
    seen = [runner.stamp(path, {})]
    arrays = folder / "results" / "standard" / "tiny" / "f" / "1.npz"
    arrays.parent.mkdir(parents=True)
    for file in (arrays, withdrawn.table()):
        file.write_text("x")
        seen.append(runner.stamp(path, {}))
    assert len(set(seen)) == 3


def test_the_table_at_the_end_says_how_many_records_are_older_than_their_code(monkeypatch, capsys):
    monkeypatch.setattr(runner.claims, "evaluate", lambda: [])
    output.closing_table([runner.Result("tiny/1-tiny", 1.0, 2, 40, older=17)])
    told = " ".join(capsys.readouterr().out.split())
    assert "older than their code" in told and "2 40 17" in told
