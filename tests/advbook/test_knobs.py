"""The knobs of pages: papermill lists them, wrong values are refused first, printed commands can be pasted."""

import ast
import json
import logging
import math
import os
import subprocess
import sys

import nbformat
import papermill
import papermill.cli
import pytest
from click.testing import CliRunner

from advbook import cli, knobs, parameters, paths, runner, settings
from advutils import datasets
from advutils.datasets import photographs

SOURCES = paths.sources()
PAGES = [runner.name_of(path) for path in SOURCES]
each_page = pytest.mark.parametrize("source", SOURCES, ids=PAGES)


def own_knobs(source):
    return [name for name in parameters.declared(source) if name not in parameters.ALWAYS]


@each_page
def test_papermill_lists_every_parameter_with_type_and_help(source, caplog):
    with caplog.at_level(logging.WARNING):
        found = papermill.inspect_notebook(str(source.with_suffix(".ipynb")))
    assert list(found) == parameters.declared(source) and not caplog.records
    for name, listed in found.items():
        kind = "str" if name in parameters.ALWAYS else knobs.knob(runner.name_of(source), name).kind
        assert listed["inferred_type_name"] == kind and listed["help"]


def test_parameters_cells_are_what_the_tool_writes():
    done = subprocess.run(
        [sys.executable, "tools/parameter_cells.py", "--check"],
        cwd=paths.root(),
        env={**os.environ, "PYTHONPATH": str(paths.root())},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


INNER = (ast.ListComp, ast.DictComp, ast.SetComp, ast.GeneratorExp, ast.Lambda, ast.FunctionDef)


def stored(node):
    """The names that code sets at top level."""
    if not isinstance(node, INNER):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        for child in ast.iter_child_nodes(node):
            yield from stored(child)


@each_page
def test_a_page_sets_no_knob_itself(source):
    """Else its cell could not be run again: the knob would hold what the page computed."""
    body = [node for node in ast.parse(source.read_text()).body if not isinstance(node, ast.AnnAssign)]
    assert not {name for node in body for name in stored(node)} & set(parameters.declared(source))


@each_page
def test_a_setting_can_be_edited_and_its_cell_run_again_when_the_page_has_run(source, monkeypatch, tmp_path):
    monkeypatch.setenv("ADVUTILS_RESULTS", str(tmp_path))
    monkeypatch.setattr("IPython.display.display", lambda *_: None)
    cells = nbformat.read(source.with_suffix(".ipynb"), as_version=4).cells
    codes = [
        cell.source for cell in cells if cell.cell_type == "code" and "remove-cell" not in cell.metadata.get("tags", [])
    ]
    number = next(k for k, code in enumerate(codes) if "Page(" in code)
    kernel = {"In": [""]}

    def run(code):
        kernel["In"].append(code)
        exec(compile(code, "cell", "exec"), kernel)

    for code in codes[: number + 1]:
        run(code)
    rest = "\n".join(codes[number + 1 :])
    kernel |= dict.fromkeys(stored(ast.parse(rest)), [1]) | {"page": kernel["page"], "settings": kernel["settings"]}
    own = vars(kernel["page"].settings)
    name = next(name for name, value in own.items() if isinstance(value, list | dict | str) and name != "data")
    edited = "from advbook.page import Page as _Page\n\n\ndef Page(*words, settings):\n"
    edited += f"    settings['quick']['{name}'] = 'edited'\n    return _Page(*words, settings=settings)\n"
    run(edited)
    run(codes[number].replace("from advbook.page import Page", "from advbook.page import Page as _unused"))
    assert kernel["page"].settings.__dict__[name] == "edited"


WRONG = [0, -1, -1e9, -1000000000, 1e12, 10**12, True, False, 2.5, math.nan, math.inf, "", "many", [], [1], {"a": 1}]


@each_page
def test_wrong_values_are_refused_by_name(source):
    page, profiles = runner.name_of(source), settings.of_page(source)
    for name in own_knobs(source):
        for profile, own in profiles.items():
            for value in WRONG:
                with pytest.raises(ValueError, match=f"parameter {name} must .*, got "):
                    knobs.read(page, {name: value}, own)
            assert knobs.read(page, {name: own[name]}, own) == {name: own[name]}, profile


@pytest.mark.parametrize(
    "page, profile, name, value",
    [
        ("smooth-adversarial/2-mnist", "quick", "images", 501),
        ("smooth-adversarial/2-mnist", "standard", "images", 10_001),
        ("sparsity-attribution/2-robustness", "standard", "train_size", 50_001),
        ("sparsity-attribution/2-robustness", "quick", "networks", "resnet-tiny,resnet-tiny"),
        ("sparsity-attribution/3-attribution", "quick", "networks", "resnet-tiny,alexnet"),
        ("smooth-adversarial/3-imagenet", "quick", "networks", "inception_v1"),
        ("smooth-adversarial/3-imagenet", "standard", "search_groups", 11),
        ("universal-perturbations/1-deepfool-and-universal", "quick", "network", "squeezenet1_1"),
        ("universal-perturbations/2-transfer", "quick", "training", 788),
        ("universal-perturbations/2-transfer", "quick", "data", "/nowhere"),
        ("universal-perturbations/2-transfer", "quick", "sources", "photographs-0,photographs--1"),
    ],
)
def test_what_the_data_or_the_networks_do_not_have_is_refused(page, profile, name, value):
    own = settings.of_page(paths.root() / "notebooks" / f"{page}.py")[profile]
    with pytest.raises(ValueError, match=f"parameter {name} must "):
        knobs.read(page, {name: value}, own)


def test_counts_of_images_are_those_of_the_data_sets():
    for split in ("train", "test"):
        assert knobs.COUNTS[split]["photographs"] == len(photographs.crops(split=split, size=32)[0])
        assert knobs.COUNTS[split]["digits"] == len(datasets.load("digits", split=split)[0])
    frames = sum(len(photographs.crops(split=split)[0]) for split in ("train", "test"))
    assert knobs.COUNTS["rest"]["photographs"] == frames - 1


def test_data_are_read_before_what_follows_from_them():
    own = settings.of_page(paths.root() / "notebooks/universal-perturbations/2-transfer.py")["standard"]
    given = {"sources": "photographs-0,photographs-3", "data": "photographs"}
    assert knobs.read("universal-perturbations/2-transfer", given, own)["sources"] == ["photographs-0", "photographs-3"]


@pytest.mark.parametrize(
    "values",
    [
        {"seeds": 3, "epochs": 2},
        {"networks": ["resnet-small", "vgg-small"]},
        {"data": "/data of mine/it's here"},
        {"data": "123"},
        {"data": "None"},
    ],
    ids=str,
)
def test_a_printed_command_can_be_pasted_into_a_shell(values):
    """Through a shell, and through papermill's own reading of its options."""

    def words(command):
        show = [sys.executable, "-c", "import json, sys; print(json.dumps(sys.argv[1:]))"]
        return json.loads(subprocess.run(["sh", "-c", f'"$@" {command}', "sh", *show], capture_output=True).stdout)

    said = words(parameters.papermill_options(values))
    got = {}
    for flag, name, value in zip(said[::3], said[1::3], said[2::3], strict=True):
        got[name] = value if flag == "-r" else papermill.cli._resolve_type(value)
    expected = {name: ",".join(value) if isinstance(value, list) else value for name, value in values.items()}
    assert got == expected
    pairs = words(parameters.run_options(values))[1::2]
    assert {name: str(value) for name, value in parameters.given_pairs(tuple(pairs)).items()} == {
        name: str(value) for name, value in expected.items()
    }


def test_run_gives_a_knob_to_the_pages_that_have_it_and_says_which(monkeypatch, tmp_path):
    calls = []
    monkeypatch.setattr(paths, "build", lambda: tmp_path)
    monkeypatch.setattr("advbook.commands.run.closing_table", lambda results: None)
    monkeypatch.setattr(
        runner, "run", lambda pages, parameters, **_: calls.append(([p.stem for p in pages], parameters)) or pages
    )
    done = CliRunner().invoke(cli.main, ["run", "sparsity-attribution", "-p", "networks=resnet-tiny", "-p", "seeds=2"])
    assert done.exit_code == 0, done.output
    assert calls == [
        (["1-sparsity"], {"seeds": 2}),
        (["2-robustness", "3-attribution"], {"networks": "resnet-tiny", "seeds": 2}),
    ]
    assert "networks=resnet-tiny for sparsity-attribution/2-robustness, sparsity-attribution/3-attr" in done.output


@pytest.mark.parametrize(
    "pairs, message",
    [
        (["-p", "sedes=2"], "none of these pages has a knob sedes; they have seeds, epochs"),
        (
            ["-p", "seeds=0"],
            "sparsity-attribution/1-sparsity: parameter seeds must be a whole number from 1 to 100, got 0",
        ),
        (["--seeds", "-1"], "parameter seeds must be"),
        (["-p", "seeds"], "-p wants NAME=VALUE"),
        (["-p", "seeds=1e12"], "parameter seeds must be"),
    ],
)
def test_run_refuses_a_wrong_knob_in_one_line_before_anything_runs(monkeypatch, pairs, message):
    monkeypatch.setattr(runner, "run", lambda *_, **__: pytest.fail("ran"))
    done = CliRunner().invoke(cli.main, ["run", "sparsity-attribution", *pairs])
    assert done.exit_code == 1 and message in done.output and len(done.output.strip().splitlines()) == 1
