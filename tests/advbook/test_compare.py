"""Two sets of records side by side."""

import shutil

import pytest
from click.testing import CliRunner

from advbook import cli, compare, ledger


def rate(*, seed: int, shift: float, data: str):
    noise = (0.1, -0.1, 0.05, 0.0, -0.05)[seed]
    return {"rate": 1 + noise + shift, "curve": [0.5, 0.5 + noise], "name": "x", "whole": True}


def make(monkeypatch, folder, seeds, shift=0.0):
    """Records that differ by ``shift`` in the value but not in the parameters: another machine's."""
    monkeypatch.setenv("ADVUTILS_RESULTS", str(folder))
    for seed in seeds:
        values = rate(seed=seed, shift=shift * (1 + 0.1 * seed), data="d")
        parameters = {"seed": seed, "shift": 0.0, "data": "d"}
        path = ledger.path_of("standard", "c", "rate", parameters)
        origin = {"function": "x.rate", "profile": "standard", "chapter": "c"}
        ledger.write(path, "rate", parameters, values, None, origin)
    return folder


def verdicts(first, second):
    rows, damaged = compare.rows(first, second)
    assert not damaged
    return {row.value: row.verdict for row in rows}


def test_a_verdict_for_each_number(monkeypatch, tmp_path):
    book = make(monkeypatch, tmp_path / "book", range(5))
    same = make(monkeypatch, tmp_path / "same", range(5))
    other = make(monkeypatch, tmp_path / "other", range(5), shift=0.3)
    tiny = make(monkeypatch, tmp_path / "tiny", range(3), shift=1e-12)
    assert verdicts(book, same) == {"rate": "equal", "curve.0": "equal", "curve.1": "equal"}
    assert verdicts(book, other) == {"rate": "differs", "curve.0": "equal", "curve.1": "equal"}
    assert verdicts(book, tiny) == {"rate": "rounding", "curve.0": "equal", "curve.1": "equal"}  # the seeds of both


def test_pairs_see_what_unpaired_numbers_do_not(monkeypatch, tmp_path):
    book = make(monkeypatch, tmp_path / "book", [0, 1])
    paired = make(monkeypatch, tmp_path / "paired", [0, 1, 2, 3, 4], shift=0.02)
    unpaired = make(monkeypatch, tmp_path / "unpaired", [2, 3, 4], shift=0.02)
    row = next(row for row in compare.rows(book, paired)[0] if row.value == "rate")
    assert row.n == 2 and row.low < -0.021 < row.high and row.high - row.low < 0.05
    assert verdicts(book, unpaired)["rate"] == "agrees"


def test_one_seed_a_side_is_open_unless_equal(monkeypatch, tmp_path):
    book, other = make(monkeypatch, tmp_path / "a", [0]), make(monkeypatch, tmp_path / "b", [0], shift=0.1)
    near = make(monkeypatch, tmp_path / "near", [0], shift=1e-5)
    assert verdicts(book, near)["rate"] == "open"
    assert verdicts(book, other) == {"rate": "open", "curve.0": "equal", "curve.1": "equal"}


def test_the_command_shows_what_differs_and_names_damaged_records(monkeypatch, tmp_path):
    book, other = make(monkeypatch, tmp_path / "a", range(4)), make(monkeypatch, tmp_path / "b", range(4), shift=0.3)
    done = CliRunner().invoke(cli.main, ["compare", str(book), str(other)])
    assert done.exit_code == 0 and "1 differs" in done.output and "2 equal" in done.output
    path = next(other.rglob("*.json"))
    path.write_text(path.read_text().replace("0.5", "0.6", 1))
    done = CliRunner().invoke(cli.main, ["compare", str(book), str(other)])
    assert done.exit_code == 1 and str(path) in done.output


def test_folders_without_common_records_are_refused(monkeypatch, tmp_path):
    book = make(monkeypatch, tmp_path / "a", [0])
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="empty has no records"):
        compare.rows(book, tmp_path / "empty")
    shutil.copytree(book / "standard", tmp_path / "b" / "paper")
    assert compare.rows(book, tmp_path / "b")[0] == [] and compare.rows(book, tmp_path / "b")[1]  # another place
