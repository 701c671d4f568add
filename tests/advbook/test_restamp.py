import os
import signal
import subprocess
import sys
import time

import hashes
import pytest
from click.testing import CliRunner

from advbook import codehash, ledger, paths, restamp, to_measure
from advbook.cli import main

OLD = """
import time
import numpy as np
import torch
from torch import nn
from advutils import attacks
from advutils.core import runtime
RATE = 0.5
RATES = {"a": 1, "b": 2}
EPS = 0.2
def steady(*, x, seed=0, spec=None):
    return {"y": x * RATE, "seconds": time.perf_counter()}, {"curve": np.arange(3.0) * x}
def moving(*, kind, images):
    return {"deep": [images / 3 * RATES[kind]]}
def drawn(*, x):
    return {"y": 1}, {"curve": np.full(3, x + 0.0)}
def hidden(*, images):
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    x, y = torch.full((images, 1, 2, 2), 0.5), torch.zeros(images, dtype=torch.long)
    return {"rate": (model(attacks.fgsm(model, x, y, eps=EPS)).argmax(1) > 1).float().mean().item()}
def broken(*, x):
    return {"y": x}
def slow(*, x):
    return {"y": x}
def aside():
    return 0
def leaning(*, x):
    return {"y": x + aside()}
def resting(*, kind):
    kept = runtime.cache_root() / "networks" / "kept"
    if not kept.exists():
        kept.parent.mkdir(parents=True)
        kept.write_text(str(aside()))
    return {"y": int(kept.read_text())}
"""
NEW = (
    OLD.replace("RATE = 0.5", "RATE = 0.25 * 2")
    .replace('"a": 1, "b": 2', '"a": 2 - 1, "b": 3')
    .replace("x + 0.0", "x + 1e-12")
    .replace("EPS = 0.2", "EPS = 0.1")
    .replace("def broken(*, x):", "def broken(*, x):\n    raise KeyError(x)")
    .replace("def slow(*, x):", "def slow(*, x):\n    while True: pass")
    .replace("return 0", "return 1 - 1")
)


def forget():
    sys.modules.pop("advutils_probe", None)
    hashes.forget()


@pytest.fixture
def repo(tmp_path, monkeypatch):
    """A repository with a module of ours, ``advutils_probe``; ``commit(text)`` commits it and gives its name."""
    root = tmp_path / "repo"
    root.mkdir()
    monkeypatch.setattr(paths, "root", lambda: root)
    monkeypatch.setenv("ADVUTILS_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("ADVUTILS_DATA", str(tmp_path / "no data"))
    monkeypatch.syspath_prepend(root)

    def git(*words):
        return subprocess.run(
            ["git", "-c", "user.name=a", "-c", "user.email=a@b", *words],
            cwd=root,
            check=True,
            text=True,
            capture_output=True,
        ).stdout.strip()

    def commit(text):
        (root / "advutils_probe.py").write_text(text)
        git("add", "-A")
        git("commit", "-qm", "code")
        forget()
        return git("rev-parse", "HEAD")

    git("init", "-q")
    (root / ".gitignore").write_text("_build/\n")
    yield commit
    forget()


def record(name, parameters, code=None):
    """A record of the present code of a function, or of other ``code``."""
    origin = {
        "function": f"advutils_probe.{name}",
        "seconds": 7.5,
        "date": "then",
        "code": code or codehash.code_hash(f"advutils_probe.{name}", parameters),
    }
    path = ledger.path_of("standard", "chapter", name, parameters)
    return ledger.write(path, name, parameters, {"y": 1.0}, {"a": [1, 2]}, origin)


def test_what_keeps_its_bits_is_restamped_and_says_why_and_the_rest_is_listed(repo):
    old = repo(OLD)
    made = [
        record("steady", {"x": 3.0, "seed": 0}),
        record("steady", {"x": 4.0, "seed": 5}),
        record("moving", {"kind": "a", "images": 0}),
        record("moving", {"kind": "b", "images": 5}),
        record("drawn", {"x": 1.0}),
        record("hidden", {"images": 4}),
        record("broken", {"x": 1}),
        record("slow", {"x": 1}),
    ]
    before = record("steady", {"x": 5.0}, code="0" * 16)  # it was already changed
    network = record("steady", {"x": 6.0, "spec": {"x": 6.0}, "code": "abc"})
    new = repo(NEW)
    current = record("steady", {"x": 6.0})
    texts = {each.path: each.path.read_bytes() for each in [*made, before, network, current]}

    pairs = {pair.label: pair for pair in restamp.restamp(old, limit=2)}
    verdicts = {label: (pair.verdict, pair.why) for label, pair in pairs.items()}
    assert {label: verdict for label, (verdict, _) in verdicts.items()} == {
        "steady()": "proved",
        "moving(a)": "proved",
        "moving(b)": "differs",
        "drawn()": "differs",
        "hidden()": "differs",
        "broken()": "not proved",
        "slow()": "not proved",
    }
    assert verdicts["moving(b)"][1].startswith("deep.0: 3.33") and "array curve" in verdicts["drawn()"][1]
    assert verdicts["hidden()"][1] == "what advutils.attacks.fgsm returns"  # the rate is 0 either way
    assert "KeyError" in verdicts["broken()"][1] and "TooLong" in verdicts["slow()"][1]
    assert len(pairs["steady()"].records) == 2  # one proof for both, whatever the seed

    proved = {each.path for label in ("steady()", "moving(a)") for each in pairs[label].records}
    for each in [*made, before, network, current]:
        now = ledger.read(each.path)  # whole
        if each.path not in proved:
            assert each.path.read_bytes() == texts[each.path]
            continue
        assert ledger.stale(now) is False and now.values == each.values and now.parameters == each.parameters
        (entry,) = now.provenance.pop("restamped")
        assert entry["commits"] == [old, new] and entry["code"] == each.provenance["code"] and entry["reason"]
        assert entry["unless"] == []
        assert entry["parameters"] == restamp.small(
            pairs[f"{each.name}({'a' * (each.name == 'moving')})"].records[0].parameters
        )
        assert now.provenance == each.provenance | {"code": now.provenance["code"]}

    listed = {row["record"]: row for row in to_measure.listed()}
    assert len(listed) == 6 and list(listed) == sorted(listed)
    row = listed[to_measure.name_of(made[3])]
    assert row == {
        "record": to_measure.name_of(made[3]),
        "chapter": "chapter",
        "function": "moving",
        "seconds": 7.5,
        "reason": f"differs: {verdicts['moving(b)'][1]}",
    }
    assert listed[to_measure.name_of(before)]["reason"] == f"not made by the code of {old[:12]}"

    text = to_measure.path().read_bytes()
    again = restamp.restamp(old, only=(made[6].path,), limit=2)
    assert [pair.label for pair in again] == ["broken()"] and to_measure.path().read_bytes() == text


def test_what_calls_a_function_that_small_runs_prove_nothing_of_is_not_proved(repo):
    old = repo(OLD)
    record("leaning", {"x": 1.0}), record("steady", {"x": 3.0})
    record("resting", {"kind": "a"}), record("resting", {"kind": "b"})  # on one network
    repo(NEW)
    assert {pair.label: pair.verdict for pair in restamp.restamp(old, dry_run=True)} == dict.fromkeys(
        ["leaning()", "steady()", "resting(a)", "resting(b)"], "proved"
    )
    found = {pair.label: pair for pair in restamp.restamp(old, unless=("advutils_probe.aside", "advutils_no.such"))}
    assert {label for label, pair in found.items() if pair.verdict == "proved"} == {"steady()"}
    assert "it calls advutils_probe.aside" in found["leaning()"].why


def test_the_list_is_summed_by_chapter(repo):
    repo(OLD)
    to_measure.write([(record("steady", {"x": x}), "why") for x in (1.0, 2.0)])
    old = {row["record"] for row in to_measure.listed()}
    assert to_measure.by_chapter(old) == {"chapter": (2, pytest.approx(15 / 3600))}
    assert to_measure.by_chapter(old - {min(old)})["chapter"][0] == 1  # measured again


def test_the_command_says_what_it_proved_and_refuses_code_that_nobody_can_check_out(repo, tmp_path):
    old = repo(OLD)
    made = record("steady", {"x": 3.0})
    repo(NEW)
    (tmp_path / "repo" / "advutils_probe.py").write_text(NEW + "K = 1\n")
    refused = CliRunner().invoke(main, ["restamp", old])
    assert refused.exit_code == 1 and "commit it first" in refused.output and ledger.stale(ledger.read(made.path))
    (tmp_path / "repo" / "advutils_probe.py").write_text(NEW)
    assert CliRunner().invoke(main, ["restamp", "nonsense"]).exit_code == 1
    before = made.path.read_bytes()
    dry = CliRunner().invoke(main, ["restamp", old[:10], "--dry-run"])
    assert dry.exit_code == 0 and "1 proved" in dry.output
    assert made.path.read_bytes() == before and not to_measure.path().exists()
    done = CliRunner().invoke(main, ["restamp", old])
    assert done.exit_code == 0 and "steady()" in done.output and "1 proved" in done.output
    assert not list((tmp_path / "repo" / "_build").iterdir())
    assert to_measure.listed() == []


KILLED = """
import sys
from pathlib import Path
from advbook import paths, restamp
sys.path.insert(0, sys.argv[1])
paths.root = lambda: Path(sys.argv[1])
restamp.restamp(sys.argv[2])
"""


def test_a_killed_run_leaves_records_whole_and_the_next_one_goes_on(repo, tmp_path):
    old = repo(OLD)
    made = [record("steady", {"x": float(x)}) for x in range(1, 301)]
    repo(NEW)
    (tmp_path / "killed.py").write_text(KILLED)
    process = subprocess.Popen(
        [sys.executable, str(tmp_path / "killed.py"), str(tmp_path / "repo"), old],
        stdout=subprocess.DEVNULL,
        env=os.environ,
    )
    first = min(made, key=lambda each: each.path).path
    before = first.read_bytes()
    while first.read_bytes() == before and process.poll() is None:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    found = ledger.records()
    stamped = [each for each in found if "restamped" in each.provenance]
    assert len(found) == 300 and stamped
    assert all(ledger.stale(each) is ("restamped" not in each.provenance) for each in found)
    restamp.restamp(old)
    assert all(len(each.provenance["restamped"]) == 1 for each in ledger.records())
