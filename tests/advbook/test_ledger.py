"""Records: measured once, whole or absent, never used when damaged."""

import os
import shutil

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from measuring import calls, drifting, measure, square

from advbook import ledger, paths
from advbook.cli import main
from advutils.core import runtime


def nan(*, x: float):
    return {"good": 1, "noise": [[x, 2.0], {"deep": float(x) * float("inf") * 0}]}, {"curve": np.arange(3.0)}


pytestmark = pytest.mark.usefixtures("results")


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


def test_a_missing_array_file_damages_the_record():
    measure().path.with_suffix(".npz").unlink()
    with pytest.raises(ledger.DamagedRecord):
        measure(replay="only")


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
