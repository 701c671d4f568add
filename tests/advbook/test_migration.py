import importlib
import json
import shutil

import pytest

from advbook import ledger, migration, paths

OLD = "advutils.chapters.attacks.paths"
NEW = "advbook.chapters.attacks.comparison.paths"


def origin(function, **more):
    return {"profile": "standard", "chapter": "attacks", "function": function, "seconds": 1.0, "code": "c", **more}


@pytest.fixture
def record(tmp_path):
    """Write a record, and read what is there."""
    path = tmp_path / "standard" / "attacks" / "paths" / f"{ledger.key('paths', {'seed': 0})}.json"

    def write(**provenance):
        ledger.write(path, "paths", {"seed": 0}, {"a": 1.5}, {"b": [1, 2]}, origin(**provenance))
        return path

    return tmp_path, write


def test_records_follow_their_function_and_keep_the_old_name(record):
    folder, write = record
    path = write(function=OLD, networks=[{"function": "advutils.chapters.attacks.train_small", "key": "k"}])
    before = ledger.read(path)
    assert migration.migrate(folder) == 1 and migration.migrate(folder) == 0
    after = ledger.read(path)  # its checksum holds
    assert (after.values, after.parameters, after.name) == (before.values, before.parameters, before.name)
    assert after.arrays["b"].tolist() == [1, 2]
    assert after.provenance["function"] == NEW and after.provenance["formerly"] == {"function": OLD}
    assert after.provenance["networks"] == [{"function": NEW.replace("paths", "train_small"), "key": "k"}]
    assert after.provenance["code"] == "c"


def test_a_damaged_record_is_named_and_nothing_is_written(record):
    folder, write = record
    path = write(function=OLD)
    path.write_text(path.read_text().replace("1.5", "2.5"))
    text = path.read_text()
    with pytest.raises(ledger.DamagedRecord, match="checksum"):
        migration.migrate(folder)
    assert path.read_text() == text


def test_names_lead_back_to_those_of_the_first_edition():
    assert migration.names(NEW) == [NEW, OLD]
    assert migration.names("benchmarks.attacks.run") == ["benchmarks.attacks.run"]


def test_every_new_name_is_a_module_and_all_records_have_it():
    for module in migration.MODULES.values():
        importlib.import_module(module)
    assert len(set(migration.MODULES.values())) == len(migration.MODULES)
    old = [
        path
        for path in paths.results().glob("*/*/*/*.json")
        if "/quick/" not in str(path)
        for document in [json.loads(path.read_text())]
        if migration.migrated(document) is not document
    ]
    assert not old, f"{len(old)} records have old names: python -m advbook.migration"


def test_a_copy_of_the_ledger_is_left_alone(tmp_path):
    shutil.copytree(paths.results() / "standard" / "attacks", tmp_path / "standard" / "attacks")
    assert migration.migrate(tmp_path) == 0
