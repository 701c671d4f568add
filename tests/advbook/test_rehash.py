"""Another definition of the code hash: records and networks follow by computation, and nothing is trained again."""

import subprocess
from contextlib import nullcontext

import pytest
from hashes import forget

from advbook import codehash, ledger, networks, paths, rehash, sides
from advbook.chapters.gradient_regularization import dense
from advutils.training import loop

# The definition that was: a hash of the file, its words and all
FORMER = """
import hashlib, importlib.util
def code_hash(function, parameters=None):
    text = open(importlib.util.find_spec(function.partition(".")[0]).origin, "rb").read()
    if function.rpartition(".")[2].encode() not in text:
        raise LookupError(function)
    return hashlib.sha256(text).hexdigest()[:16]
"""
OLD = "0" * 16


@pytest.fixture
def repo(tmp_path, monkeypatch):
    """A repository whose last commit has the former definition and a module of ours, and that commit."""
    root = tmp_path / "repo"
    (root / "advbook").mkdir(parents=True)
    (root / "advbook" / "codehash.py").write_text(FORMER)
    (root / "advutils_probe.py").write_text("def f(x):\n    return x\n")
    for words in (["init", "-q"], ["add", "-A"], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "a"]):
        subprocess.run(["git", *words], cwd=root, check=True, capture_output=True)
    monkeypatch.setattr(paths, "root", lambda: root)
    monkeypatch.setenv("ADVUTILS_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("ADVUTILS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ADVUTILS_DATA", str(tmp_path / "no data"))
    monkeypatch.syspath_prepend(root)
    scope = {}
    exec(FORMER, scope)
    yield root, scope["code_hash"]
    forget()


def test_what_was_current_gets_the_new_hash_and_what_was_changed_stays_so(repo):
    root, former = repo

    def record(x, code):
        path = ledger.path_of("standard", "c", "f", {"x": x})
        origin = {"function": "advutils_probe.f", "code": code, "seconds": 1.0}
        return ledger.write(path, "f", {"x": x}, {"y": 1.5}, {"a": [1, 2]}, origin).path

    current, changed = record(1, former("advutils_probe.f")), record(2, "0123456789abcdef")
    text = changed.read_text()
    (root / "advutils_probe.py").write_text("def f(x: float) -> float:\n    return x\n")  # only COMMIT's code counts
    assert rehash.migrate("HEAD") == (1, 0) and rehash.migrate("HEAD") == (0, 0)
    after = ledger.read(current)
    assert after.provenance["code"] == codehash.code_hash("advutils_probe.f", {"x": 1}) != former("advutils_probe.f")
    assert after.provenance["formerly"]["code"] != after.provenance["code"] and ledger.stale(after) is False
    assert (after.values, after.arrays["a"].tolist()) == ({"y": 1.5}, [1, 2])
    assert changed.read_text() == text and ledger.stale(ledger.read(changed))
    with pytest.raises(ValueError, match="nowhere"):
        rehash.migrate("nowhere")


def test_a_damaged_record_is_named_and_nothing_is_written(repo):
    paths_ = [ledger.path_of("standard", "c", "f", {"x": x}) for x in (1, 2)]
    for path, x in zip(paths_, (1, 2), strict=True):
        origin = {"function": "advutils_probe.f", "code": repo[1]("advutils_probe.f")}
        ledger.write(path, "f", {"x": x}, {"y": 1.5}, None, origin)
    last = max(paths_)
    last.write_text(last.read_text().replace("1.5", "2.5"))
    texts = [path.read_text() for path in paths_]
    with pytest.raises(ledger.DamagedRecord, match=last.name):
        rehash.migrate("HEAD")
    assert [path.read_text() for path in paths_] == texts


def test_a_trained_network_its_weights_and_what_rests_on_it_move_and_nothing_is_trained(tmp_path, monkeypatch):
    monkeypatch.setenv("ADVUTILS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ADVUTILS_RESULTS", str(tmp_path / "results"))
    spec = dict(data="digits", network="sigmoid-mlp", penalty="none", epochs=2, seed=0, width=20, batch_size=25)
    parameters = dict(noise=[], draws=1, attack_images=5, attack_l2=[], attack_linf=[], **spec)

    def measured():
        return ledger.measure(dense.dense_network, parameters, profile="quick", chapter="c", replay="never")

    with monkeypatch.context() as then:
        for module in (ledger, networks):
            then.setattr(module, "code_hash", lambda function, parameters=None: OLD)
        before = measured()
    monkeypatch.setattr(sides, "checkout", lambda commit: nullcontext(paths.root()))
    hashes = sides.hashes
    monkeypatch.setattr(sides, "definition", lambda tree: None)
    monkeypatch.setattr(sides, "hashes", lambda tree, jobs, by: hashes(tree, jobs, by) if by else [OLD] * len(jobs))
    (old,) = before.provenance["networks"]
    assert rehash.migrate("then") == (2, 1) and rehash.migrate("then") == (0, 0)

    monkeypatch.setattr(loop, "_epoch", lambda *args: pytest.fail("it is trained again"))
    followed = ledger.read(before.path)
    again = measured()
    assert again.values == {**before.values, **{k: v for k, v in again.values.items() if "seconds" in k}}
    assert again.provenance["networks"] == followed.provenance["networks"] == [old | {"key": key_of(spec)}]
    assert followed.provenance["formerly"] == {"code": OLD, "networks": {key_of(spec): old["key"]}}
    for folder in (tmp_path / "results" / "quick" / "c", tmp_path / "cache" / "networks"):
        (path,) = (folder / "train_dense").glob("*.json")
        record = ledger.read(path)
        assert path.stem == key_of(spec) and ledger.stale(record) is False
        assert record.provenance["formerly"] == {"code": OLD, "parameters": {"code": OLD}, "key": old["key"]}
        assert ledger.key(record.name, record.parameters | {"code": OLD}) == old["key"]
    assert [path.stem for path in (tmp_path / "cache" / "networks" / "train_dense").glob("*.pt")] == [key_of(spec)]


def key_of(spec):
    return networks.key(dense.train_dense, spec)


def test_all_records_of_networks_have_the_key_that_those_which_rest_on_them_name():
    documents = ledger.records("standard")
    known = {record.path.stem for record in documents if ledger.is_network(record)}
    assert len(known) > 5
    moved = {record.provenance.get("formerly", {}).get("key") for record in documents if record.path.stem in known}
    used = {network["key"] for record in documents for network in record.provenance.get("networks") or []}
    assert used & known and not used & (moved - {None})
