"""Records: measured once, whole or absent, never used when damaged."""

import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from hashes import forget

from advbook import claims, codehash, ledger, paths, provenance, withdrawn
from advbook.cli import main
from advutils.core import files, runtime

pretrained = importlib.import_module("advutils.models.pretrained")  # the package has a function of that name

calls = []


def square(*, x: float, seed: int = 0):
    calls.append(x)
    return {"square": x * x}, {"curve": np.arange(3.0)}


def nan(*, x: float):
    return {"good": 1, "noise": [[x, 2.0], {"deep": float(x) * float("inf") * 0}]}, {"curve": np.arange(3.0)}


@pytest.fixture(autouse=True)
def results(monkeypatch, tmp_path):
    monkeypatch.setenv("ADVUTILS_RESULTS", str(tmp_path / "results"))
    calls.clear()
    return tmp_path / "results"


def measure(function=square, replay="auto", **parameters):
    return ledger.measure(
        function, parameters or {"x": 3.0}, profile="quick", chapter="c", replay=replay, command="the command"
    )


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


def test_nan_is_not_a_number_to_store(results, monkeypatch, tmp_path):
    monkeypatch.setattr(paths, "build", lambda: tmp_path)
    with pytest.raises(ValueError, match="not JSON: values.noise.1.deep is nan;.*kept in") as error:
        measure(nan, x=1.0)
    assert not any(path.is_file() for path in results.rglob("*"))  # no orphan of the arrays either
    kept = str(error.value).rpartition("kept in ")[2]
    assert '"good": 1' in open(kept).read() and kept.startswith(str(tmp_path / "refused"))


def numpy_or_objects(*, what: str):
    return ({"x": np.float32(1)}, {}) if what == "numpy" else ({}, {"curve": np.array([{}])})


@pytest.mark.parametrize(
    "what, message", [("numpy", r"values.x is (np.float32\()?1.0"), ("objects", "arrays.curve holds objects")]
)
def test_what_could_not_be_read_again_is_not_written(what, message, results, monkeypatch, tmp_path):
    monkeypatch.setattr(paths, "build", lambda: tmp_path)
    with pytest.raises(ValueError, match=message):
        measure(numpy_or_objects, what=what)
    assert not any(path.is_file() for path in results.rglob("*"))


@pytest.mark.parametrize("bad, shown", [(float("nan"), "nan"), (float("inf"), "inf"), (-float("inf"), "-inf")])
def test_a_parameter_that_json_cannot_hold_is_named_before_anything_is_measured(bad, shown):
    with pytest.raises(ValueError, match=f"parameters.spec.eps.1 is {shown};.*'inf' for infinity"):
        measure(square, x=2.0, spec={"eps": [0.1, bad]})
    assert not calls


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


def aged(*files_):
    """Make files look as if they had been written some time ago."""
    for file in files_:
        os.utime(file, (file.stat().st_atime, file.stat().st_mtime - 60))


@pytest.mark.parametrize("suffix", (".json", ".npz"))
def test_what_has_not_changed_is_not_read_twice_and_what_has_is(suffix, monkeypatch):
    path = measure().path
    read, seen = ledger.read, []
    monkeypatch.setattr(ledger, "read", lambda path: (seen.append(path), read(path))[1])
    for _ in range(2):  # so young that another writing might look the same
        assert [record["square"] for record in ledger.records()] == [9.0]
    assert len(seen) == 2
    aged(path, path.with_suffix(".npz"))
    first, second = ledger.survey()[0] + ledger.survey()[0]
    assert len(seen) == 3 and first is second
    torn = path.with_suffix(suffix)
    with open(torn, "r+b") as stream:  # in place: the same size
        stream.seek(20)
        stream.write(b"?")
    assert ledger.survey()[0] == [] and len(seen) == 4
    torn.unlink()
    assert ledger.survey()[0] == []


def test_checking_a_record_does_not_unpack_its_arrays(monkeypatch):
    path = measure().path
    monkeypatch.setattr(np, "load", None)
    assert ledger.read(path)["square"] == 9.0 and ledger.records()


@pytest.fixture
def copied():
    """Copy a record with its arrays over another place."""

    def copy(path, target):
        target.parent.mkdir(parents=True, exist_ok=True)
        for suffix in (".json", ".npz"):
            shutil.copy(path.with_suffix(suffix), target.with_suffix(suffix))

    return copy


@pytest.mark.parametrize(
    "place",
    ("quick/c/square/0123456789abcdef", "quick/c/cube/{key}", "quick/other/square/{key}", "standard/c/square/{key}"),
)
def test_a_copy_under_another_name_or_in_another_folder_is_refused(place, results, copied, capsys):
    path = measure().path
    target = results / (place.format(key=path.stem) + ".json")
    copied(path, target)
    with pytest.raises(ledger.DamagedRecord, match=f"it is the record quick/c/square/{path.stem}"):
        ledger.read(target)
    assert [record.path for record in ledger.records()] == [path] and str(target) in capsys.readouterr().err


def test_two_swapped_records_are_not_replayed_as_each_other(copied, tmp_path):
    first, second = (measure(square, x=x).path for x in (3.0, 4.0))
    aside = tmp_path / "aside.json"
    for source, target in ((first, aside), (second, first), (aside, second)):
        copied(source, target)
    with pytest.raises(ledger.DamagedRecord):
        measure(replay="only", x=3.0)
    assert measure(x=3.0)["square"] == 9.0 and measure(x=4.0)["square"] == 16.0


def test_a_record_of_before_places_were_sealed_is_read_where_it_lies(results):
    origin = {"function": "f", "code": ""}
    path = ledger.path_of("standard", "c", "f", {"x": 1})
    ledger.write(path, "f", {"x": 1}, {"y": 2}, None, origin)
    assert ledger.read(path)["y"] == 2
    made = measure().provenance
    assert (made["profile"], made["chapter"]) == ("quick", "c")


def test_a_withdrawn_record_keeps_its_values_and_its_reason(results):
    first, second = measure(square, x=3.0), measure(square, x=4.0)
    rows = withdrawn.withdraw([second], 'Wrong, "all" of it.', on="2026-11-28")
    rows += withdrawn.withdraw([first], "Wrong.", on="2026-11-28")
    assert not list(results.rglob("*.npz")) and ledger.records() == []
    table = withdrawn.table().read_bytes()
    assert withdrawn.load() == sorted(rows, key=lambda row: row.record)
    assert {(row.values["square"], row.parameters["x"], row.profile) for row in rows} == {
        (9.0, 3.0, "quick"),
        (16.0, 4.0, "quick"),
    }
    assert all(row.measured == first.provenance["date"] for row in rows[1:])
    again = ledger.write(
        first.path,
        "square",
        first.parameters,
        first.values,
        first.arrays_sha256 and {"curve": np.arange(3.0)},
        first.provenance,
    )  # as if the first call had been cut short after the table
    assert withdrawn.withdraw([again], "Wrong.", on="2026-11-29") == [] and not first.path.exists()
    assert withdrawn.table().read_bytes() == table
    assert withdrawn.load("standard") == withdrawn.load("quick", "other") == []


def test_a_missing_record_that_is_withdrawn_says_so():
    record = measure(square, x=3.0)
    withdrawn.withdraw([record], "Wrong.", on="2026-11-28")
    for x in (3.0, 5.0):  # measured again it may have other settings
        with pytest.raises(ledger.Withdrawn, match="run `the command`; it is withdrawn: Wrong.") as error:
            measure(replay="only", x=x)
        assert error.value.reason == "Wrong." and isinstance(error.value, ledger.MissingRecord)
    with pytest.raises(ledger.MissingRecord) as error:
        measure(drifting, replay="only", x=3.0)
    assert not isinstance(error.value, ledger.Withdrawn)
    assert measure(square, x=3.0)["square"] == 9.0 and measure(replay="only", x=3.0)["square"] == 9.0


def test_a_damaged_record_is_not_withdrawn_unread_and_one_that_never_was_is_named(results):
    path = measure().path
    nowhere = path.with_name("0123456789abcdef.json")
    refused = CliRunner().invoke(main, ["withdraw", "Wrong.", str(path), str(nowhere)])
    assert refused.exit_code == 1 and str(nowhere) in refused.stderr and path.exists()
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    refused = CliRunner().invoke(main, ["withdraw", "Wrong.", str(path)])
    assert refused.exit_code == 1 and "damaged" in refused.stderr and path.exists()
    path.write_bytes(whole)
    for said in ("1 records withdrawn, 0 were before", "0 records withdrawn, 1 were before"):
        assert said in CliRunner().invoke(main, ["withdraw", "Wrong.", str(path)]).output
    assert not path.exists()


def test_a_missing_array_file_damages_the_record():
    measure().path.with_suffix(".npz").unlink()
    with pytest.raises(ledger.DamagedRecord):
        measure(replay="only")


def test_provenance_is_complete():
    origin = measure(square, x=2.0, seed=5).provenance
    assert origin["seed"] == 5 and origin["seconds"] >= 0 and origin["machine"]["threads"] >= 1
    for field in (
        "commit",
        "dirty",
        "function",
        "code",
        "versions",
        "machine",
        "data",
        "weights",
        "peak_memory_mib",
        "date",
    ):
        assert field in origin
    assert origin["versions"]["torch"] and origin["versions"]["scikit-image"] and origin["weights"] is None


def hungry(*, mib: int):
    return {"sum": float(np.ones(mib * 2**17).sum())}


@pytest.mark.parametrize("allowed", (True, False))
def test_peak_memory_is_the_measurement_s_own(allowed, monkeypatch):
    if not provenance._reset_mark():
        pytest.skip("this system resets no mark of the largest memory")
    if not allowed:
        monkeypatch.setattr(provenance, "_reset_mark", lambda: False)
    small, large, after = (measure(hungry, mib=mib).provenance["peak_memory_mib"] for mib in (1, 600, 2))
    assert small > 20 and large > small + 500 and after < large - 500


def test_on_a_gpu_the_peak_is_the_gpu_s_and_reset_before(monkeypatch):
    did = []
    monkeypatch.setenv("ADVUTILS_DEVICE", "cuda")
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", did.append)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 3 * 2**20)
    assert provenance.PeakMemory().mib() == 3 and did == [torch.device("cuda")]


def test_the_device_of_a_record_is_the_one_that_measurements_use(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda *_: "a large GPU")
    assert provenance.machine()["device"] == "a large GPU"
    monkeypatch.setenv("ADVUTILS_DEVICE", "cpu")
    assert provenance.machine()["device"] == "cpu"


def test_provenance_knows_the_data_and_seed_of_a_network_that_is_handed_over():
    def judged(*, spec: dict) -> dict:
        return {"x": 1.0}

    def transferred(*, source: dict, target: dict) -> dict:
        return {"x": 1.0}

    def mixed(*, first: dict, second: dict) -> dict:
        return {"x": 1.0}

    spec = {"data": "digits", "seed": 3}
    for origin in (
        measure(judged, spec=spec).provenance,
        measure(mixed, first=spec, second=spec).provenance,
        measure(transferred, source={"data": "photographs", "seed": 4}, target=spec).provenance,
    ):
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
    place = ledger.path_of("quick", "c", "lost", {})
    gone = ledger.write(place, "lost", {}, {}, None, record.provenance | {"function": "tests.no.such"})
    refused = CliRunner().invoke(main, ["again", str(gone.path)])
    assert refused.exit_code == 1 and "no longer exists" in refused.output


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


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Write the text of a module that counts as ours, and forget what was read before."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(text):
        (tmp_path / "advutils_probe.py").write_text(text)
        sys.modules.pop("advutils_probe", None)
        importlib.invalidate_caches()
        forget()

    yield write
    write("")


def test_a_record_is_stale_when_its_code_has_changed_and_gone_with_its_function(written, results):
    def record(code, function="advutils_probe.f"):
        origin = {"function": function, "code": code}
        return ledger.write(results / "quick" / "c" / "f" / "1.json", "f", {"kind": "a"}, {}, None, origin)

    written("K = {'a': 1}\ndef f(kind):\n    return K[kind]\n")
    old = codehash.code_hash("advutils_probe.f", {"kind": "a"})
    assert ledger.stale(record(old)) is False and "advutils_probe" not in sys.modules  # read, and not imported
    assert ledger.stale(record(old, "advutils_probe.g")) is None
    written("K = {'a': 1, 'b': 1}\ndef f(kind):\n    return K[kind]\n")
    assert ledger.stale(record(old)) is False
    written("K = {'a': 2, 'b': 1}\ndef f(kind):\n    return K[kind]\n")
    assert ledger.stale(record(old)) is True


def test_auto_measures_a_quick_record_again_whose_code_has_changed_and_no_other(written):
    def value(number, profile, replay="auto"):
        written(f"# {'long' * number}\nK = {number}\ndef f(*, x):\n    return {{'k': K}}\n")
        function = importlib.import_module("advutils_probe").f
        record = ledger.measure(function, {"x": 1}, profile=profile, chapter="c", replay=replay)
        return record["k"], record.replayed, ledger.stale(record)

    for profile in ("quick", "standard"):
        assert value(1, profile) == (1, False, False)
    assert value(2, "quick", "only") == (1, True, True)
    assert value(2, "quick") == (2, False, False) and value(2, "quick") == (2, True, False)
    assert value(2, "standard") == (1, True, True)


def all_committed():
    """The records in the checkout but the quick ones, which nobody commits; raises if one is damaged."""
    folder = paths.root() / "results"
    return [ledger.read(path) for profile in claims.JUDGED for path in sorted(folder.glob(f"{profile}/*/*/*.json"))]


def test_committed_records_are_whole():
    """Every record in the checkout can be read, and nothing damaged lies beside them."""
    found = all_committed()
    for record in found:
        json.dumps(record.values, allow_nan=False)
    assert found


def test_committed_records_come_from_committed_code():
    """From the second edition on; 113 records of the first were made while files differed from their commit."""
    made = [(record.path.name, record.provenance["date"], record.provenance["dirty"]) for record in all_committed()]
    assert [entry for entry in made if entry[1] >= "2026-11-28" and entry[2] is not False] == []
    assert sum(dirty is not False for *_, dirty in made) <= 113
