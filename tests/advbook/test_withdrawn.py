"""Withdrawn records keep their values and their reason."""

import numpy as np
import pytest
from click.testing import CliRunner
from measuring import drifting, measure, square

from advbook import ledger, withdrawn
from advbook.cli import main

pytestmark = pytest.mark.usefixtures("results")


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
