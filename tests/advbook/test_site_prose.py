"""Numbers, verdicts and references in the site's prose."""

import pytest
from prose_sentences import marked

from advbook import claims, ledger, paths
from advbook.site import front, prose, short, tables


def test_a_verdict_in_prose_is_todays_and_leads_to_its_card(judged):
    text = prose.filled("A sentence <!-- verdict: x-one: reproduced -->, and on.", {})
    assert text == 'A sentence [<span class="verdict trend">reproduced in trend</span>](#x-one), and on.'


def test_a_number_in_prose_is_the_recorded_mean_of_a_claims_value(judged):
    assert prose.filled("From <!-- number: x-one: a --> to <!-- number: x-one: b --> %.", {}) == (
        "From 1.05 to (not measured) %."
    )
    with pytest.raises(KeyError, match="x-one has no value c"):
        prose.filled("<!-- number: x-one: c -->", {})


def test_numbers_in_prose_are_of_claims_and_their_values():
    values = {claim["id"]: claim["values"] for claim in claims.evaluate()}
    text = marked()
    told = prose.NUMBER.findall(text)
    assert len(told) == text.count("<!-- number") > 5  # a misspelt one would be a comment that nobody sees
    assert [(name, value) for name, value in told if value not in values.get(name, {})] == []


def test_sentences_in_prose_were_written_for_todays_verdicts():
    """Where a verdict has changed, its sentence has to be read again."""
    verdicts = {claim["id"]: claim["verdict"] for claim in claims.evaluate()}
    text = "".join(path.read_text() for path in (paths.root() / "book").rglob("*.md"))
    told = prose.VERDICT.findall(text)
    assert len(told) == text.count("<!-- verdict") > 30  # a misspelt one would be a comment that nobody sees
    assert [(name, verdict) for name, verdict in told if verdicts.get(name) != verdict] == []


def test_the_photograph_says_its_answers_without_a_script_and_has_a_still_for_each_budget():
    told, stills = front.photograph(), front.stills()
    found = front.record()
    before, after = found.values["answers"][0][0], found.values["answers"][found.parameters["budgets"].index(2)][0]
    assert f"“{before[0]}”, {before[1]:.0%}" in told and f"<output>2/255: “{after[0]}”, {after[1]:.0%}</output>" in told
    assert before[0] != after[0] and len(stills) == len(found.parameters["budgets"])
    assert all(content[8:12] == b"WEBP" for content in stills.values())


def test_without_its_record_the_front_page_says_how_to_make_it(judged):
    with pytest.raises(ledger.MissingRecord, match="front_page.photograph"):
        front.photograph()


def test_numbers_get_their_zero():
    assert tables.sentence("from .94 to\n.78 %, not 1.5 or v.2") == "from 0.94 to 0.78 %, not 1.5 or v.2"


def test_references_lead_to_what_they_cite():
    without = [name for name in short._works() if not short.address(name)]
    assert without == ["cutilli2021"]  # a thesis without an address that we know
