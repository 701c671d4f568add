"""The store of trained networks: a key that holds all that training can reach, records that say what they rest on."""

import ast
import dataclasses
from pathlib import Path

import pytest
import torch
from hashes import forget

from advbook import ledger, networks
from advbook.chapters.gradient_regularization import convolutional
from advbook.chapters.gradient_regularization import dense as chapter
from advbook.chapters.representation import defences
from advbook.codehash import sources
from advutils.training import loop

SPEC = dict(data="digits", network="sigmoid-mlp", penalty="none", epochs=2, seed=0, width=20, batch_size=25)
JUDGED = dict(noise=[], draws=1, attack_images=5, attack_l2=[], attack_linf=[], **SPEC)


@pytest.fixture(autouse=True)
def folders(monkeypatch, tmp_path):
    monkeypatch.setenv("ADVUTILS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ADVUTILS_RESULTS", str(tmp_path / "results"))
    return tmp_path


def measured(replay="never"):
    return ledger.measure(chapter.dense_network, JUDGED, profile="quick", chapter="c", replay=replay)


def edited(monkeypatch, old, new):
    """Let the code hash read another text of the chapter, as after an edit."""
    text = Path(chapter.__file__).read_text()
    assert text.count(old) == 1
    parsed = sources.parsed

    def other(module):
        source, tree = parsed(module)
        edited = sources.bare(ast.parse(text.replace(old, new)))
        return source, edited if module == chapter.__name__ else tree

    monkeypatch.setattr(sources, "parsed", other)
    forget()


@pytest.fixture(autouse=True)
def fresh_hash(monkeypatch):
    yield
    monkeypatch.undo()
    forget()


def test_a_network_is_trained_once_and_is_a_record(folders):
    first, second = measured(), measured()
    assert first.values == second.values and first.provenance["networks"] == second.provenance["networks"]
    (used,) = first.provenance["networks"]
    record = ledger.read(folders / "results" / "quick" / "c" / "train_dense" / f"{used['key']}.json")
    assert [record["weights"]["last"]] == used["weights"] and len(record["loss"]) == 2
    assert record.parameters["spec"] | SPEC == record.parameters["spec"]
    assert used["key"] not in first.path.stem
    assert ledger.stale(record) is False


def test_another_rate_in_the_recipe_is_another_network_and_another_number(monkeypatch):
    """The checkpoint of the first edition outlived the recipe that it was trained by."""
    before = measured()
    recipe = chapter.RECIPES["sigmoid-mlp"]
    edited(monkeypatch, "lr=0.2, lr_divisor", "lr=0.0001, lr_divisor")
    slow = recipe | {"schedule": dataclasses.replace(recipe["schedule"], lr=0.0001)}
    monkeypatch.setitem(chapter.RECIPES, "sigmoid-mlp", slow)
    assert ledger.stale(before)
    after = measured()
    assert after["error"] != before["error"]
    assert after.provenance["networks"][0]["key"] != before.provenance["networks"][0]["key"]


def test_a_changed_function_behind_a_network_makes_its_records_changed(monkeypatch):
    record = measured()
    edited(
        monkeypatch,
        "return models.sigmoid_mlp(hidden=(width or 600, width or 600))",
        "return models.sigmoid_mlp(hidden=(width or 500, width or 600))",
    )
    assert ledger.stale(record)


def test_other_threads_train_other_weights_and_find_the_same_records():
    threads, here = torch.get_num_threads(), measured()
    try:
        torch.set_num_threads(threads + 1)
        assert networks.key(chapter.train_dense, SPEC) != here.provenance["networks"][0]["key"]
        assert measured(replay="only").path == here.path
    finally:
        torch.set_num_threads(threads)


def test_defaults_count_as_if_they_were_given():
    assert networks.key(chapter.train_dense, SPEC) == networks.key(chapter.train_dense, SPEC | {"mask": "shared"})
    assert networks.key(chapter.train_dense, SPEC) != networks.key(chapter.train_dense, SPEC | {"mask": "fresh"})


def test_a_part_of_what_is_returned_has_the_hash_that_the_record_has(folders):
    """A convolutional network comes back behind its preprocessing; loading it leaves its record alone."""
    spec = dict(
        data="digits",
        penalty="none",
        p=2,
        sigma=0.0,
        epochs=1,
        seed=0,
        train_size=40,
        width=0.1,
        lr=1e-3,
        optimizer="adam",
    )
    convolutional.trained(**spec)
    (beside,) = (folders / "cache" / "networks" / "train_convolutional").glob("*.json")
    model, _ = convolutional.trained(**spec)
    before = beside.stat()
    convolutional.trained(**spec)
    assert networks.digest(model.state_dict()) == ledger.read(beside)["weights"]["last"]
    assert (beside.stat().st_mtime_ns, beside.stat().st_ino) == (before.st_mtime_ns, before.st_ino)


def test_both_weights_of_one_network_are_named():
    with networks.noted("quick", "c") as use:
        for weights in ("last", "best", "last"):
            defences.trained(data="digits", kind="S", side=7, epochs=3, seed=0, train_size=60, weights=weights)
    (used,) = use.networks.values()
    assert len(used["weights"]) == len(set(used["weights"])) <= 2
    record = ledger.read(ledger.paths.results() / "quick" / "c" / "train_defence" / f"{used['key']}.json")
    assert set(used["weights"]) <= set(record["weights"].values())


def test_a_record_of_a_network_that_is_damaged_or_of_other_weights_is_written_again(folders):
    (used,) = measured().provenance["networks"]
    place = folders / "results" / "quick" / "c" / "train_dense" / f"{used['key']}.json"
    beside = next((folders / "cache" / "networks" / "train_dense").glob("*.json"))
    for path in (place, beside):
        path.write_bytes(path.read_bytes()[:-9])
    measured()
    assert [ledger.read(place)["weights"]["last"]] == used["weights"]
    other = ledger.read(place)
    ledger.write(
        place,
        other.name,
        other.parameters,
        other.values | {"weights": {"last": "another machine's"}},
        None,
        other.provenance,
    )
    measured()
    assert [ledger.read(place)["weights"]["last"]] == used["weights"]


def test_both_stages_of_a_training_are_in_its_record(monkeypatch):
    monkeypatch.setattr(chapter, "PATIENCE", 2)
    _, history = chapter.trained(**SPEC | {"epochs": 4, "protocol": "two-stage"})
    _, loaded = chapter.trained(**SPEC | {"epochs": 4, "protocol": "two-stage"})
    assert len(history.loss) > 2 and vars(loaded) == vars(history)


def test_a_folder_of_ones_own_counts_by_its_files(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"1")
    before = networks._content(str(tmp_path))
    (tmp_path / "b.jpg").write_bytes(b"22")
    assert networks._content(str(tmp_path)) != before and networks._content("photographs") != before


@pytest.mark.parametrize("damage", ["torn", "swapped", "nan"])
def test_weights_that_are_not_the_networks_own_are_trained_again(damage, folders, monkeypatch):
    right = measured()
    path = next((folders / "cache" / "networks" / "train_dense").glob("*.pt"))
    if damage == "torn":
        path.write_bytes(path.read_bytes()[:-9])
    if damage == "swapped":
        chapter.trained(**SPEC | {"seed": 1})
        other = next(p for p in path.parent.glob("*.pt") if p != path)
        path.write_bytes(other.read_bytes())
    if damage == "nan":
        model, history = chapter.trained(**SPEC)
        torch.nn.init.constant_(model[1].weight, float("nan"))
        loop._save(path, model, None, history, None)
    trained = []
    real = loop._epoch
    monkeypatch.setattr(loop, "_epoch", lambda *args: trained.append(1) or real(*args))
    assert measured().provenance["networks"] == right.provenance["networks"] and len(trained) == 2


def test_the_record_of_a_network_is_not_measured_again_by_itself():
    used = measured().provenance["networks"][0]
    record = next(each for each in ledger.records("quick") if each.path.stem == used["key"])
    assert ledger.is_network(record) and not ledger.is_network(measured())
    with pytest.raises(LookupError, match="trained network"):
        ledger.again(record)
