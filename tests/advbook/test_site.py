"""The scoreboard and the cards of the site."""

import csv
import io
import json
import re

import pytest
from fake_claims import CLAIM

from advbook import claims, rules, statistics, summary
from advbook.judgement import Finding
from advbook.site import cards, errata, scoreboard


def test_the_counts_are_of_chapters_in_the_contents(judged):
    told = scoreboard.short()
    assert "2 claims of the paper" in told and "1 questions of ours" in told
    assert "1 reproduced in trend<" in told and "1 not reproduced<" in told
    assert "**A chapter (Author 2020)**" in told and "without a page" not in told


def test_the_bar_counts_all_verdicts_and_leads_to_them(judged):
    bar = scoreboard.bar()
    assert "3 statements" in bar and bar.count("<b>1</b>") == 3
    assert 'href="scoreboard.html?verdict=not+reproduced"' in bar


def test_the_scoreboard_has_a_row_a_claim_with_sentence_numbers_and_verdict(judged):
    board = scoreboard.table()
    assert board.count("<tr id=") == 3 and "x-later" not in board
    row = re.search(r'<tr id="x-two".*?</tr>', board)[0]
    assert 'href="cards-fake.html#x-two">Half | of it.</a>' in row and "Author 2020" in row
    assert ">0.9</td>" in row and "1.05 [0.415, 1.69]" in row and ">2</td>" in row and "not reproduced</span>" in row
    assert 'data-verdict="not reproduced" data-scope="paper"' in row
    assert "<caption>" in board and board.count('scope="col"') == 6


def test_a_card_says_numbers_rule_tolerance_and_where_to_report_an_error(judged):
    page = cards.pages()["cards-fake"]
    for name in ("x-one", "x-two"):
        assert f"({name})=" in page
    assert "| `a` | 0.9 | 1.05 ± 0.071 (n = 2) |" in page and "| `b` | – | – |" in page  # both sides, or a dash
    assert "near(a, 0.9, 0.1)" in page and "because" in page and "[fake/1-page](../notebooks/fake/1-page)" in page
    assert "One seed." in page and "/issues/new?title=Error+in+x-one" in page


def test_a_card_with_a_rule_in_parts_shows_what_each_part_found_and_both_scales(judged, monkeypatch):
    part, found = rules.part({"effect": "a - b", "paper": 1.0}), statistics.mean([1.0, 1.1, 0.9])
    claim = {
        **CLAIM,
        "rule": [{"effect": "a - b", "paper": 1.0}],
        "premise": [{"effect": "2 - a"}],
        "findings": [Finding(part, found, part.outcome(found, 1, 0.05), 2)],
        "scales": {"paper": "reproduced", "standard": "inconclusive"},
        "page": None,
    }
    monkeypatch.setattr(claims, "evaluate", lambda: [claim])
    full = cards.card(claim)
    assert "judged only if `effect 2 - a`; all of `effect a - b, paper 1.0`" in full
    assert "| Judged only if `2 - a` is more than 0 | – | – |" in full
    assert "| `a - b` is more than 0 | 1 [0.752, 1.25], n = 3, 2 left out | holds |" in full
    assert "paper: reproduced, standard: inconclusive" in full and "Holm" not in full
    assert "Holm's correction\n: stands." in cards.card(claim, "stands.")
    assert '<figure class="forest">' in full and "1 reproduced in trend" in scoreboard.matrix()
    assert summary.of(claim).text() == "paper 1 → ours 1 [0.752, 1.25], n = 3"


@pytest.mark.parametrize(
    "number, text",
    [(0.78, "0.78"), (0.012345, "0.0123"), (1234.5, "1,234"), (-2.5, "−2.5"), (0, "0"), (3e-9, "3e−09"), (100, "100")],
)
def test_numbers_have_three_digits_and_no_exponent_where_that_is_readable(number, text):
    assert summary.short(number) == text


def test_a_card_lists_its_own_records_unit_by_unit():
    """Of every judged claim: as many numbers of a value as its sample has, and their mean."""
    told = 0
    for claim in claims.evaluate():
        if claim["verdict"] in ("not attempted", "withdrawn") or not claim["samples"]:
            continue
        found = cards.evidence.of(claim)
        for name, sample in claim["samples"].items():
            numbers = [each.number for each in found if each.value == name]
            if isinstance(claim["values"][name], dict):
                assert sum(numbers) / len(numbers) == pytest.approx(sample.mean, nan_ok=True), (claim["id"], name)
                told += 1
    assert told > 300


def test_the_files_for_programs_have_every_claim(judged):
    rows = list(csv.DictReader(io.StringIO(scoreboard.as_csv(scoreboard.rows(), scoreboard.FIELDS).decode())))
    assert [row["id"] for row in rows] == ["x-later", "x-one", "x-two", "x-three"]
    assert rows[1]["paper"] == "0.9" and float(rows[1]["ours"]) == pytest.approx(1.05) and rows[1]["n"] == "2"
    assert [claim["id"] for claim in json.loads(scoreboard.as_json())] == [row["id"] for row in rows]
    listed = list(csv.DictReader(io.StringIO(scoreboard.as_csv(errata.rows(), errata.FIELDS).decode())))
    assert listed[0]["printed"] == "a |b|"


def test_errata_name_their_test_and_escape_bars(judged):
    text = errata.entries()
    assert "(x-e)=" in text and "`tests/t.py::t`" in text and r"a \|b\|" in text
    assert '<a href="#x-e">Eq. (1)</a>' in errata.board() and 'data-kind="misprint"' in errata.board()
