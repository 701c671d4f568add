"""What is no record is refused when it is read, in one line that names file and key; so are errata."""

import pytest
import yaml

from advbook import claim_file, claims, ledger, record_file

GOOD = {
    "name": "f",
    "parameters": {"x": 1},
    "values": {"y": 1.5},
    "arrays_sha256": None,
    "provenance": {"function": "advbook.chapters.a.f", "code": "c", "seconds": 1, "networks": None, "seed": 3},
}
ERRATUM = dict(id="a", where="p. 1", printed="1", right="2", evidence="sum", kind="error", test="t.py::t", source="s")


@pytest.mark.parametrize(
    "change, message",
    [
        ({"name": 3}, r"Expected `str`, got `int` - at `\$.name`"),
        ({"values": [1]}, r"\$.values"),
        ({"values": None}, r"\$.values"),
        ({"valuse": {}}, "unknown field `valuse`"),
        ({"parameters": ...}, "missing required field `parameters`"),
        ({"provenance": {"seconds": "long"}}, r"\$.provenance.seconds"),
        ({"provenance": {"code": 12}}, r"\$.provenance.code"),
        (
            {"provenance": {"networks": [{"function": "f"}]}},
            r"missing required field `key` - at `\$.provenance.networks",
        ),
        ({"provenance": {"networks": [{"function": "f", "key": "k", "weights": [1]}]}}, r"networks\[0\].weights"),
    ],
)
def test_a_sealed_file_that_is_no_record_is_refused_by_its_key(tmp_path, change, message):
    path = tmp_path / "standard" / "c" / "f" / f"{ledger.key('f', {'x': 1})}.json"
    ledger.seal(path, GOOD)
    assert ledger.read(path)["y"] == 1.5
    ledger.seal(path, {name: value for name, value in (GOOD | change).items() if value is not ...})
    with pytest.raises(ledger.DamagedRecord, match=message) as error:
        ledger.read(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["", "[]", "{}", "3", '{"sha256": "a"}', '{"sha256": null, "name": "f"'])
def test_what_is_no_sealed_document_is_damaged_and_no_traceback(tmp_path, text):
    path = tmp_path / "standard" / "c" / "f" / "1.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(ledger.DamagedRecord, match="1.json is damaged: its content does not match its checksum"):
        ledger.read(path)


def test_a_record_comes_back_as_it_is():
    assert record_file.check(GOOD) is GOOD
    assert len(ledger.records("standard")) > 1000 and not ledger.survey()[1]


@pytest.mark.parametrize(
    "change, message",
    [
        ({"kind": "mistake"}, r"erratum a: Invalid enum value 'mistake' - at `\$.kind`"),
        ({"rigth": "2"}, "erratum a: .*rigth"),
        ({"test": None}, r"erratum a: .*\$.test"),
        ({"id": ...}, "erratum number 1: .*id"),
    ],
)
def test_errata_that_are_wrong_are_refused_in_one_line(tmp_path, change, message):
    path = tmp_path / "c" / "errata.yml"
    path.parent.mkdir()
    path.write_text("# none yet\n")
    assert claim_file.read_errata(path) == []
    path.write_text(yaml.safe_dump([ERRATUM]))
    assert claim_file.read_errata(path) == [ERRATUM]
    path.write_text(yaml.safe_dump([{k: v for k, v in (ERRATUM | change).items() if v is not ...}]))
    with pytest.raises(ValueError, match=f"^c/errata.yml: {message}") as error:
        claim_file.read_errata(path)
    assert "\n" not in str(error.value)


def test_a_rule_that_does_not_fit_its_records_names_file_and_claim(monkeypatch):
    def judged(claim, *evidence, own=None):
        raise ValueError(f"claim {claim['id']}: values: it has no number at error")

    monkeypatch.setattr(claims, "verdict_of", judged)
    monkeypatch.setattr(claims, "_JUDGED", {})
    with pytest.raises(ValueError, match=r"^[\w-]+/claims.yml: claim [\w-]+: values: it has no number at error$"):
        claims.evaluate()
