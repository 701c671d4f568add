"""The records of the repository."""

import json

import pytest

from advbook import claims, ledger, paths

pytestmark = pytest.mark.usefixtures("results")


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
