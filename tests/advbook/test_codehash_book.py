"""Hashes of the book's own measurements."""

import json
import subprocess
import sys
import time

from advbook import codehash, paths
from advbook.codehash import names, sources, tables


def test_what_keeps_and_describes_numbers_does_not_count():
    for name in ("advbook.ledger", "advutils.core.files", "advbook.codehash"):
        assert names.lead(name, ["anything"]) == ("Stored(anything)", 1)
    assert sources.source_of("advbook.ledger") is None and sources.source_of("advutils.core.norms") is not None


def test_code_hash_of_a_real_measurement():
    reached = codehash.reachable(("advbook.chapters.gradient_regularization.dense", "dense_network"))
    assert {
        ("advutils.core.norms", "steepest"),
        ("advutils.attacks.gradient", "pgd"),
        ("advutils.training.loop", "train"),
        ("advutils.layers.maxout", "Maxout"),
    } <= reached
    assert not any(
        module.startswith("advbook") and "chapters" not in module for module, _ in reached
    )  # the arrow runs one way
    assert not any("deepfool" in module or name == "fgsm" for module, name in reached)  # beside pgd, not used


def test_a_new_kind_of_network_leaves_the_records_of_others_as_they_are():
    """Of the real tables, only the rows of the kinds that a record names are chosen."""
    root = ("advbook.chapters.representation.defences", "judged")
    parameters = {"spec": {"data": "mnist", "kind": "GMR x 10"}, "against": {"data": "mnist", "kind": "S"}}
    named = frozenset(tables.texts_in(parameters)) & tables.keys(root)
    chosen = dict(tables.chosen_rows(root, named))
    assert chosen[root[0], "KINDS"] == {"S", "GMR x 10"}


def test_nothing_is_imported_and_all_records_take_less_than_seconds():
    script = (
        "import json, sys, time\nfrom pathlib import Path\nfrom advbook.codehash import code_hash\n"
        "found = [json.loads(path.read_text()) for path in sorted(Path(sys.argv[1]).glob('*/*/*/*.json'))]\n"
        "for _ in range(2):\n    start = time.process_time()\n"
        "    codes = [code_hash(each['provenance']['function'], each['parameters']) for each in found]\n"
        "assert 'torch' not in sys.modules and 'advutils.core.norms' not in sys.modules, 'imported'\n"
        "print(json.dumps([len(found), len(set(codes)), time.process_time() - start]))"
    )
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", script, str(paths.root() / "results")],
        check=True,
        text=True,
        capture_output=True,
        cwd=paths.root(),
    )
    records, codes, again = json.loads(done.stdout)
    assert records > 1000 and 50 < codes < records
    assert again < 1 and time.monotonic() - started < 60
