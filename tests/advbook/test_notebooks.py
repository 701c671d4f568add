"""The notebooks as files: pairs, length of their helpers, exercises, claims and errata that exist, parameters."""

import ast
import importlib
import os
import re
import shutil
import subprocess
import sys

import nbclient
import nbformat
import pytest
import yaml

from advbook import claims, pairs, paths, runner

SOURCES = paths.sources()
NAMES = [f"{path.parent.name}/{path.stem}" for path in SOURCES]
pytestmark = pytest.mark.skipif(not SOURCES, reason="no notebooks")


def test_every_ipynb_is_what_its_py_generates():
    assert pairs.differing() == [], "run `advbook pair`"


def test_code_has_no_line_over_120_characters():
    done = subprocess.run(
        [sys.executable, "tools/long_strings.py", "--check"],
        cwd=paths.root(),
        env={**os.environ, "PYTHONPATH": str(paths.root())},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


LONG = r"""
record = {"share": 0.25, "name": "digits"}
page.say("plain {braces} MORE", f"{{kept}} {100 * record['share']:.1f} % MORE, {record['name']:>{12}}. MORE" r"\a MORE")
page.figure(caption="One: \n MORE" + "MORE \N{DEGREE SIGN} \"so\" {none} " f"{record['name']}", alt=f"{1}" '"MORE')
""".replace("MORE", "and more words, " * 8)


def test_long_strings_are_broken_where_they_may_be_and_keep_their_values(monkeypatch):
    monkeypatch.syspath_prepend(str(paths.root() / "tools"))
    tool = importlib.import_module("long_strings")
    new = tool.mended(LONG)
    assert tool.long_lines(LONG) == [3, 4] and not tool.long_lines(new)
    assert ast.dump(ast.parse(new)) == ast.dump(ast.parse(LONG))
    text = f"{'x' * 200} = 1\n"
    assert tool.mended(text) == text and tool.long_lines(text) == [1]
    monkeypatch.setattr(tool, "written", lambda pieces: '"something else"')
    with pytest.raises(ValueError, match="strings would change"):
        tool.mended(LONG)


@pytest.mark.parametrize("source", SOURCES, ids=NAMES)
def test_no_outputs_and_no_injected_cell(source):
    notebook = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    nbformat.validate(notebook)
    tags = [tag for cell in notebook.cells for tag in cell.metadata.get("tags", [])]
    assert tags.count("parameters") == 1 and "injected-parameters" not in tags
    assert all(not cell.get("outputs") and cell.get("execution_count") is None for cell in notebook.cells)


@pytest.mark.parametrize("source", SOURCES, ids=NAMES)
def test_helpers_are_short(source):
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.FunctionDef):
            lines = node.end_lineno - node.lineno + 1  # as the formatter writes them
            assert lines <= 10, f"{node.name} has more than ten lines; move it to advbook.chapters"


@pytest.mark.parametrize("source", SOURCES, ids=NAMES)
def test_mentioned_claims_and_errata_exist(source):
    known = {entry["id"] for kind in ("claims", "errata") for entry in claims.load(kind, source.parent.name)}
    text = source.read_text()
    for block in re.findall(r"page\.(?:claims|errata)\(([^)]*)\)", text):
        assert set(re.findall(r"\"([\w-]+)\"", block)) <= known


RULES = sorted(paths.root().glob("notebooks/*/*.yml"))


@pytest.mark.parametrize("rules", RULES, ids=[f"{path.parent.name}/{path.name}" for path in RULES])
def test_rules_and_errata_are_yaml_with_one_entry_for_each_name(rules):
    """A file that cannot be read holds no rules, whatever its commit says."""
    entries = yaml.safe_load(rules.read_text())
    names = re.findall(r"(?m)^- id: (.+)$", rules.read_text())
    assert [entry["id"] for entry in entries] == names and len(set(names)) == len(names) > 0


def solutions():
    for source in SOURCES:
        text = re.sub(r"(?m)^# ?", "", source.read_text())
        for label, body in re.findall(r"(?s)`{3,}\{solution\} ([\w-]+)\n(.*?)\n`{4,}", text):
            for code in re.findall(r"(?s)```python\n(.*?)```", body):
                yield pytest.param(code, id=label)


@pytest.mark.parametrize("code", list(solutions()))
def test_solutions_run(code):
    exec(compile(code, "solution", "exec"), {})


def test_every_notebook_has_two_exercises_with_solutions():
    for source in SOURCES:
        text = source.read_text()
        exercises = set(re.findall(r":label: ([\w-]+)", text))
        assert len(exercises) >= 2 and exercises == set(re.findall(r"\{solution\} ([\w-]+)", text)), source.name


def test_an_unknown_papermill_parameter_fails(tmp_path):
    notebook = runner.find()[0]
    done = subprocess.run(
        [sys.executable, "-m", "papermill", str(notebook), str(tmp_path / "out.ipynb"), "-p", "profil", "quick"],
        capture_output=True,
        text=True,
        cwd=paths.root(),
        timeout=120,
    )
    assert done.returncode != 0 and "unknown parameter profil" in done.stdout + done.stderr


def twice(path):
    """Execute all cells of a notebook under the quick profile, and then all again in the same kernel."""
    notebook = nbformat.read(path, as_version=4)
    again = [nbformat.v4.new_code_cell(cell.source) for cell in notebook.cells if cell.cell_type == "code"]
    notebook.cells += again
    nbclient.NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(paths.root())}}
    ).execute()
    return notebook


FIRST = {path.parent.name: path for path in reversed(runner.find())}.values()  # a page of each chapter


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=runner.name_of(path), marks=[pytest.mark.check, *[pytest.mark.slow] * (path in FIRST)])
        for path in runner.find()
    ],
)
@pytest.mark.timeout(1200)
def test_all_cells_run_twice_in_one_kernel(path, monkeypatch):
    results = paths.build() / "twice"  # `make site` would take quick records for a page whose own are missing
    results.mkdir(parents=True, exist_ok=True)
    if (paths.root() / "results" / "quick").exists():  # what a run has measured need not be measured again
        shutil.copytree(paths.root() / "results" / "quick", results / "quick", dirs_exist_ok=True)
    if not (results / "standard").exists():
        (results / "standard").symlink_to(paths.root() / "results" / "standard")
    monkeypatch.setenv("ADVUTILS_RESULTS", str(results))
    monkeypatch.setenv("PYTHONPATH", str(paths.root()))
    notebook = twice(path)
    assert not any(
        output.output_type == "error" for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs
    )


def test_unknown_target_is_named():
    with pytest.raises(ValueError, match="no-such"):
        runner.find("no-such")
