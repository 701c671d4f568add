"""The list of what changed since the first edition."""

import csv

import pytest
import yaml

from advbook import changes, claims, paths, withdrawn
from advbook.site import status


@pytest.fixture
def book(tmp_path, monkeypatch):
    """Write the first edition's verdicts and the reasons; today's are `x now` and `y same`."""
    (tmp_path / "results").mkdir()
    (tmp_path / "book").mkdir()
    monkeypatch.delenv("ADVUTILS_RESULTS", raising=False)
    monkeypatch.setattr(paths, "root", lambda: tmp_path)
    values = {"a": {"from": "net"}, "b": {"from": "other"}, "c": "a - b"}
    today = [
        {"id": name, "chapter": "c", "verdict": verdict, "recorded": f"a {number}", "values": values}
        for name, verdict, number in (("x", "inconclusive", 2), ("y", "reproduced", 1), ("new", "reproduced", 1))
    ]
    monkeypatch.setattr(claims, "evaluate", lambda: today)

    def write(reasons, *rows):
        with open(tmp_path / "results" / "first-edition.csv", "w", newline="") as stream:
            csv.writer(stream).writerows([["id", "verdict", "recorded"], *rows])
        (tmp_path / "book" / "changes.yml").write_text(reasons)
        return [(row["id"], row["reason"]) for row in changes.rows()]

    return write


SAME = ("y", "reproduced", "a 1")


def test_only_what_changed_is_listed_with_the_nearest_reason(book):
    assert book("", SAME) == []
    assert book("x: by hand\nc/net: of net", ("x", "reproduced", "a 2"), SAME) == [("x", "by hand")]
    assert book("c/net: of net\nc/other: of other", ("x", "inconclusive", "a 1"), SAME) == [("x", "of net of other")]
    assert book("d/net: of another chapter", ("x", "reproduced", "a 1"), SAME) == [("x", "")]
    assert book("gone: asked twice", ("gone", "reproduced", "a 1"), SAME) == [("gone", "asked twice")]


def test_a_withdrawal_is_a_reason_until_another_is_given(book, monkeypatch):
    row = withdrawn.Withdrawal("standard/c/net/1.json", "c", "net", {}, {}, "", "2026", "2026", "Wrong.")
    monkeypatch.setattr(withdrawn, "load", lambda *_: [row])
    assert book("", ("x", "reproduced", "a 1")) == [("x", "Wrong.")]
    assert book("c/net: Measured again.", ("x", "reproduced", "a 1")) == [("x", "Measured again.")]


def test_the_page_shows_then_and_now(book):
    book("x: a | bar", ("x", "reproduced", "a 1"), ("gone", "reproduced", "a 1"), SAME)
    text = status.changed({})
    assert "[x](#x)" in text and "reproduced</span> →" in text and "| a 1 | a 2 |" in text and "**a | bar**" in text
    assert "no longer asked" in text and "[y]" not in text and "withdrawn.csv" not in text
    book("", SAME)
    assert "No verdict" in status.changed({})


def test_the_page_says_what_became_of_the_claims_that_were_open(book, tmp_path):
    book("", SAME)
    with open(tmp_path / "results" / "verdicts-first-edition.csv", "w", newline="") as stream:
        head = ["id", "first edition", "expression", "today", "means", status.RULE]
        rows = [["x", "inconclusive", "inconclusive", "not reproduced", "pairs", "reproduced"]]
        rows += [["z", "inconclusive", "inconclusive", "inconclusive", "", ""], ["y", "reproduced", "", "no", "", ""]]
        csv.writer(stream).writerows([head, *rows])
    text = status.first_open({})
    assert "Of 2 there are now 1 not reproduced, 1 inconclusive." in text and "[y]" not in text
    (line,) = [line for line in text.split("\n") if "[x](#x)" in line]
    assert line.index("not reproduced<") < line.index("pairs") < line.index(">reproduced<")


def test_every_change_has_its_reason():
    assert [row["id"] for row in changes.rows() if not row["reason"].strip()] == []


def test_the_table_of_verdicts_then_and_now_is_up_to_date():
    with open(paths.root() / "results" / "verdicts-first-edition.csv", newline="") as stream:
        rows = {row["id"]: row for row in csv.DictReader(stream)}
    first = changes.first_edition()
    today = {claim["id"]: claim["verdict"] for claim in claims.evaluate()}
    assert {name: row["today"] for name, row in rows.items()} == today, "run `python tools/verdicts.py`"
    assert all(row["first edition"] == first.get(name, {}).get("verdict", "") for name, row in rows.items())
    assert all(row["means"] for row in rows.values() if row["expression"] != row["today"])


def test_the_first_edition_is_all_there():
    first = changes.first_edition()
    assert len(first) == 177 and {row["verdict"] for row in first.values()} <= set(claims.VERDICTS)
    told = yaml.safe_load((paths.root() / "book" / "changes.yml").read_text()) or {}
    functions = {
        (claim["chapter"], selection["from"])
        for claim in claims.evaluate()
        for selection in claim["values"].values()
        if isinstance(selection, dict)
    }
    assert all(tuple(name.split("/")) in functions if "/" in name else name in first for name in told)
