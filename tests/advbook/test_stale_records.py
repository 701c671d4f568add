"""Records that are older than their code."""

import importlib
import sys

import pytest
from hashes import forget

from advbook import codehash, ledger

pytestmark = pytest.mark.usefixtures("results")


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
