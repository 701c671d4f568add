"""Records: measured once, whole or absent, never used when damaged."""
import ast
import importlib
import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from advutils import codehash, files, runtime
from advutils.book import ledger, paths
from advutils.book.cli import main

pretrained = importlib.import_module("advutils.models.pretrained")  # the package has a function of that name

calls = []


def square(*, x: float, seed: int = 0):
    calls.append(x)
    return {"square": x * x}, {"curve": np.arange(3.0)}


def nan(*, x: float):
    return {"bad": float("nan")}


@pytest.fixture(autouse=True)
def results(monkeypatch, tmp_path):
    monkeypatch.setenv("ADVUTILS_RESULTS", str(tmp_path / "results"))
    calls.clear()
    return tmp_path / "results"


def measure(function=square, replay="auto", **parameters):
    return ledger.measure(function, parameters or {"x": 3.0}, profile="quick", chapter="c", replay=replay,
                          command="the command")


def test_measured_once_then_replayed():
    first, second = measure(), measure()
    assert calls == [3.0] and first["square"] == second["square"] == 9.0
    assert not first.replayed and second.replayed and second.arrays["curve"].tolist() == [0, 1, 2]


def sensitive(*, x: float) -> dict:
    convolutions = torch.backends.cudnn.conv.fp32_precision if hasattr(torch.backends.cudnn, "conv") else "ieee"
    return {"products": torch.get_float32_matmul_precision(), "convolutions": convolutions}


def test_measurements_run_in_float32_whatever_the_process_is_set_to():
    with runtime.precision("medium"):
        record = measure(sensitive, x=1.0)
        assert record.values == {"products": "highest", "convolutions": "ieee"}
        assert all(then == now for _, then, now in ledger.again(record))
        assert torch.get_float32_matmul_precision() == "medium"


def test_replay_modes():
    with pytest.raises(ledger.MissingRecord, match="run `the command`"):
        measure(replay="only")
    measure()
    measure(replay="never")
    assert calls == [3.0, 3.0] and measure(replay="only").replayed
    with pytest.raises(ValueError, match="replay"):
        measure(replay="sometimes")


def test_the_key_depends_on_parameters_and_not_on_their_order():
    assert ledger.key("f", {"a": 1, "b": 2}) == ledger.key("f", {"b": 2, "a": 1}) != ledger.key("f", {"a": 1, "b": 3})
    assert ledger.key("f", {"a": 1, "b": 2}) == "12ddb7dd5dae5156"  # or every committed record would be lost


def test_nan_is_not_a_number_to_store(results):
    with pytest.raises(ValueError, match="not JSON"):
        measure(nan, x=1.0)
    assert not list(results.rglob("*.json"))


@pytest.mark.parametrize("suffix", (".json", ".npz"))
@pytest.mark.parametrize("damage", ("truncated", "one bit", "empty"))
def test_a_damaged_record_is_named_and_never_used(suffix, damage, capsys):
    path = measure().path.with_suffix(suffix)
    raw = bytearray(path.read_bytes())
    if damage == "one bit":  # a digit of the stored value, or a byte of the array
        at = raw.index(b"9.0") if suffix == ".json" else len(raw) // 2
        raw[at] ^= 1
    path.write_bytes(b"" if damage == "empty" else raw[: len(raw) // 2] if damage == "truncated" else raw)
    with pytest.raises(ledger.DamagedRecord, match=str(path.stem)):
        measure(replay="only")
    assert ledger.records() == [] and path.name.split(".")[0] in capsys.readouterr().err
    again = measure()
    assert calls == [3.0, 3.0] and again["square"] == 9.0 and "measuring again" in capsys.readouterr().err
    assert measure(replay="only")["square"] == 9.0


def test_a_missing_array_file_damages_the_record():
    measure().path.with_suffix(".npz").unlink()
    with pytest.raises(ledger.DamagedRecord):
        measure(replay="only")


def test_provenance_is_complete():
    origin = measure(square, x=2.0, seed=5).provenance
    assert origin["seed"] == 5 and origin["seconds"] >= 0 and origin["machine"]["threads"] >= 1
    for field in ("commit", "dirty", "function", "code", "versions", "machine", "data", "weights", "peak_memory_mib",
                  "date"):
        assert field in origin
    assert origin["versions"]["torch"] and origin["versions"]["scikit-image"] and origin["weights"] is None


def test_provenance_knows_the_data_and_seed_of_a_network_that_is_handed_over():
    def judged(*, spec: dict) -> dict:
        return {"x": 1.0}

    def transferred(*, source: dict, target: dict) -> dict:
        return {"x": 1.0}

    def mixed(*, first: dict, second: dict) -> dict:
        return {"x": 1.0}

    spec = {"data": "digits", "seed": 3}
    for origin in (measure(judged, spec=spec).provenance, measure(mixed, first=spec, second=spec).provenance,
                   measure(transferred, source={"data": "photographs", "seed": 4}, target=spec).provenance):
        assert origin["seed"] == 3 and origin["data"]["name"] == "digits" and origin["data"]["test"]


def test_weights_are_compared_with_their_checksum_before_anything_is_measured(monkeypatch, tmp_path):
    def fooled(*, networks: list) -> dict:
        calls.append(networks)
        return {"x": 1.0}

    monkeypatch.setenv("ADVUTILS_DATA", str(tmp_path))
    with pytest.raises(pretrained.MissingWeights, match="no weights of inception_v1"):
        measure(fooled, networks=["inception_v1"])
    file = tmp_path / "weights" / "inception_v1.safetensors"
    file.parent.mkdir()
    file.write_bytes(b"torn")
    with pytest.raises(pretrained.DamagedWeights, match="another copy"):
        measure(fooled, networks=["inception_v1"])
    refused = CliRunner().invoke(main, ["data", "verify"])
    assert refused.exit_code and "weights of inception_v1: damaged" in refused.output
    assert "another copy" in refused.output and "data fetch" not in refused.output
    assert "weights of mobilenet_v1: missing" in refused.output
    assert not calls
    monkeypatch.setitem(pretrained.SHA256, "inception_v1", files.sha256(b"torn"))
    assert measure(fooled, networks=["inception_v1"]).provenance["weights"] == {"inception_v1": files.sha256(b"torn")}


def drifting(*, x: float):
    calls.append(x)
    return {"kept": [x, {"deep": None}], "count": len(calls)}


def test_again_measures_once_more_compares_and_stores_nothing():
    record = measure(drifting, x=2.0)
    before = record.path.read_bytes()
    assert ledger.again(record) == [("count", 1, 2), ("kept.0", 2.0, 2.0), ("kept.1.deep", None, None)]
    assert record.path.read_bytes() == before


def test_the_command_again_shows_what_differs_and_names_a_function_that_is_gone():
    record = measure(drifting, x=2.0)
    shown = CliRunner().invoke(main, ["again", str(record.path)])
    assert shown.exit_code == 0 and "drifting(x=2.0)" in shown.output and "2 of 3 values are equal" in shown.output
    assert "count" in shown.output and "kept.0" not in shown.output
    gone = ledger.write(record.path, "lost", {}, {}, None, record.provenance | {"function": "tests.no.such"})
    refused = CliRunner().invoke(main, ["again", str(gone.path)])
    assert refused.exit_code == 1 and "no longer exists" in refused.output


SERIES = """
import sys, time
from advutils.book import ledger, paths
from advutils.book.cli import main
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
    script.write_text("import sys\nfrom pathlib import Path\nfrom advutils import files\n"
                      "for _ in range(60): files.write_sealed(Path(sys.argv[1]), sys.argv[2].encode() * 300_000)")
    target = tmp_path / "file"
    writers = [subprocess.Popen([sys.executable, str(script), str(target), letter]) for letter in "ab"]
    seen = set()
    while any(writer.poll() is None for writer in writers):
        if target.exists():
            seen.add(files.read_sealed(target)[:1])  # raises if torn
    assert [writer.returncode for writer in writers] == [0, 0] and seen <= {b"a", b"b"} and seen
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".part"] == []


@pytest.fixture
def probe(tmp_path, monkeypatch):
    """Write modules of a package that counts as ours, and hash its function ``f``."""
    package = tmp_path / "advutils_probe"
    package.mkdir()
    (package / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)

    def forget():
        for cached in (codehash.reachable, codehash._source, codehash._text):
            cached.cache_clear()
        for name in [name for name in sys.modules if name.startswith("advutils_probe")]:
            del sys.modules[name]

    def digest(**modules):
        for name, text in modules.items():
            (package / f"{name}.py").write_text(text)
        forget()
        return codehash.code_hash(importlib.import_module("advutils_probe.probe").f)

    yield digest
    forget()


def test_code_hash_follows_code_and_not_words(probe):
    base = probe(probe='"""A docstring."""\nK = 1\ndef f():\n    """Doc."""\n    return K\n')
    assert probe(probe='"""Another."""\n# a comment\nK = 1\n\n\ndef f():\n    return K\n') == base
    assert probe(probe="K = 1\ndef g():\n    return 3\ndef f():\n    return K\n") == base  # f does not use g
    assert probe(probe="K = 2\ndef f():\n    return K\n") != base
    assert probe(probe="K = 1\nprint()\ndef f():\n    return K\n") != base  # done at every import


def test_the_words_of_a_tree_are_those_of_python_3_11_whatever_runs():
    tree = ast.parse("@cache\ndef f(a, *, b=1.5, **c) -> int:\n    x: str\n    return [a, None, b'z', -b], {}").body[0]
    assert codehash._dump(tree) == (
        "FunctionDef(name='f', args=arguments(posonlyargs=[], args=[arg(arg='a')], kwonlyargs=[arg(arg='b')], "
        "kw_defaults=[Constant(value=1.5)], kwarg=arg(arg='c'), defaults=[]), body=[AnnAssign(target=Name(id='x', "
        "ctx=Store()), annotation=Name(id='str', ctx=Load()), simple=1), Return(value=Tuple(elts=[List(elts=["
        "Name(id='a', ctx=Load()), Constant(value=None), Constant(value=b'z'), UnaryOp(op=USub(), operand=Name(id='b', "
        "ctx=Load()))], ctx=Load()), Dict(keys=[], values=[])], ctx=Load()))], decorator_list=[Name(id='cache', "
        "ctx=Load())], returns=Name(id='int', ctx=Load()))")
    if sys.version_info[:2] == (3, 11):
        for path in (paths.root() / "advutils").rglob("*.py"):
            assert all(codehash._dump(node) == ast.dump(node) for node in ast.parse(path.read_text()).body)


def test_a_hash_is_of_the_code_that_was_imported_and_not_of_a_later_edit(probe, tmp_path):
    before = probe(probe="K = 1\ndef f():\n    return K\n")
    codehash.remember_loaded()
    (tmp_path / "advutils_probe" / "probe.py").write_text("K = 2\ndef f():\n    return K\n")
    for cached in (codehash.reachable, codehash._text):
        cached.cache_clear()
    assert codehash.code_hash(sys.modules["advutils_probe.probe"].f) == before


def test_a_record_is_stale_when_its_code_has_changed_and_gone_with_its_function(probe, results):
    def record(code, function="advutils_probe.probe.f"):
        origin = {"function": function, "code": code}
        return ledger.write(results / "quick" / "c" / "f" / "1.json", "f", {}, {}, None, origin)

    old = probe(probe="K = 1\ndef f():\n    return K\n")
    assert ledger.stale(record(old)) is False
    assert ledger.stale(record(old, "advutils_probe.probe.g")) is None
    probe(probe="K = 2\ndef f():\n    return K\n")
    assert ledger.stale(record(old)) is True


USER = "from advutils_probe import other\ndef f():\n    return {}\n"


@pytest.mark.parametrize("text, seen, unseen", [
    (USER.format("other.a()"), ("a", "b", "K"), ("c",)),  # a uses b, and b the constant
    (USER.format("[other][0]"), ("a", "b", "c", "K"), ()),  # the module itself is handed on
    ("from advutils_probe.other import a as x\ndef f(c=1):\n    return x\n", ("a", "b", "K"), ("c",)),
    ("import advutils_probe.other\ndef f():\n    return advutils_probe.other.c()\n", ("c",), ("a", "b", "K")),
    ("def f():\n    from advutils_probe.other import c\n    return c\n", ("c",), ("a", "b", "K")),
    ("from advutils_probe import other\ndef f(other):\n    return other\n", (), ("a", "b", "c", "K")),
    ("from advutils_probe import list\ndef f():\n    return list.c()\n", ("c",), ("a", "b", "K")),
    ("from advutils_probe import other\nTABLE = {1: other.c}\ndef f():\n    return TABLE[1]()\n", ("c",), ("a",)),
    ("from advutils_probe import other\nclass C:\n    def m(self):\n        return other.c()\ndef f():\n    C()\n",
     ("c",), ("a",)),
])
def test_code_hash_follows_names_from_definition_to_definition(text, seen, unseen, probe):
    parts = {"a": "def a():\n    return b(), {}\n", "b": "def b():\n    return K, {}\n",
             "c": "def c():\n    return {}\n", "K": "K = {}\n"}

    def digest(changed):
        other = "".join(part.format(2 if name == changed else 1) for name, part in parts.items())
        return probe(other=other, list="from advutils_probe.other import a, c\n", probe=text)

    base = digest(None)
    assert all(digest(name) != base for name in seen) and all(digest(name) == base for name in unseen)


def test_code_hash_of_a_real_measurement():
    from advutils.chapters import gradient_regularization as chapter

    reached = codehash.reachable(chapter.__name__, "dense_network")
    assert {("advutils.norms", "steepest"), ("advutils.attacks.gradient", "pgd"), ("advutils.training", "train"),
            ("advutils.layers.maxout", "Maxout")} <= reached
    assert not any("book" in module for module, _ in reached)  # the arrow runs one way
    assert not any("deepfool" in module or name == "fgsm" for module, name in reached)  # beside pgd, not used


def test_committed_records_are_whole():
    """Every record in the checkout can be read, and nothing damaged lies beside them."""
    from advutils.book import paths

    found = list((paths.root() / "results").glob("*/*/*/*.json"))
    for path in found:
        record = ledger.read(path)
        assert path.stem == ledger.key(record.name, record.parameters) and path.parent.name == record.name
        json.dumps(record.values, allow_nan=False)
    assert found
