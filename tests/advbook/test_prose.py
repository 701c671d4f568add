"""The prose: sentences are short, its numbers come from records, its terms lead to the glossary, tables fit."""

import json
import math
import re
from pathlib import Path

import pytest
from prose_sentences import MOST, answers, long_ones, marked, sentences, sources, words

from advbook import claims, paths, power, rules, statistics, units
from advbook.judgement import Finding
from advbook.site import conclusion, effects, fitting, glossary, prose, tables, verdicts

LONG = Path(__file__).parent / "long_sentences.json"  # file -> how many sentences are still too long

# -- sentences -----------------------------------------------------------------------------------------------------


def test_sentences_are_counted_without_code_tables_and_marks():
    text = (
        "# A head\n\nOne *two* three <!-- effect: a: b - c --> <!-- verdict: a: no -->. See Alg. 2 of\n"
        "`code` here: $a b c$.\n\n"
        "* an item\n* another\n\n| a | b |\n\n```python\nx = 1. Y\n```\n"
    )
    assert [words(each) for each in sentences(text)] == [4, 7, 2, 1]
    assert len(sentences("First one. Second (in brackets). Third?")) == 3


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(paths.root())))
def test_sentences_have_at_most_25_words_but_for_a_number_that_only_shrinks(path):
    """Where there are fewer now, write the smaller number down; a file without an entry has none."""
    allowed = json.loads(LONG.read_text()).get(str(path.relative_to(paths.root())), 0)
    found = long_ones(path)
    assert len(found) == allowed, f"{len(found)} sentences of more than {MOST} words, {allowed} were: {found}"


def test_the_list_of_long_sentences_names_files_that_are_there():
    names = {str(path.relative_to(paths.root())) for path in sources()}
    assert set(json.loads(LONG.read_text())) <= names


def test_the_new_texts_have_no_long_sentence():
    listed = json.loads(LONG.read_text())
    assert "book/findings.md" not in listed and not any(name.startswith("book/summary") for name in listed)
    assert [t.term for t in glossary.terms() if any(words(each) > MOST for each in sentences(t.told))] == []


# -- effects -------------------------------------------------------------------------------------------------------


def claim(**more):
    found = {"id": "x", "chapter": "c", "profile": "standard", "paper": {"a": 2}, "findings": [], "page": "c/1"}
    found |= {"values": {"a": {"from": "f"}, "b": {"from": "f"}, "c": "a - b"}, "samples": dict.fromkeys("abc")}
    return found | more


@pytest.fixture
def numbers(monkeypatch):
    """Values a and b of three seeds, of which b lacks the last."""
    table = {"a": [3.0, 4.0, 9.0], "b": [1.0, 1.5]}
    monkeypatch.setattr(verdicts, "records", lambda *_: [])
    monkeypatch.setattr(
        units,
        "value",
        lambda name, *_: units.Value(*({(("seed", k),): v for k, v in enumerate(table[name])} for _ in range(2))),
    )


def test_an_effect_is_formed_inside_each_unit_that_both_sides_have(numbers):
    found = effects.of(claim(), "a - b")
    assert found.mean == 2.25 and found.n == 2 and found.low == pytest.approx(2.25 - 12.7062 * 0.25, abs=1e-3)
    assert effects.of(claim(), "c") is not None and effects.of(claim(), "a / b").mean == pytest.approx(8**0.5)


def test_a_part_of_the_rule_is_taken_as_it_was_judged():
    part, estimate = rules.part({"effect": "a - b", "paper": 1.0}), statistics.mean([1.0, 1.1, 0.9])
    found = effects.of(claim(findings=[Finding(part, estimate, part.outcome(estimate, 1, 0.05), 0)]), "a - b")
    assert (found.mean, found.paper, found.n) == (pytest.approx(1), 1.0, 3)
    assert effects.text(found, scale=100) == '<span class="effect" title="95 % interval, n = 3">100 [75.2, 125]</span>'


def test_an_effect_says_what_it_lacks(numbers):
    with pytest.raises(ValueError, match="claim x: effect 'a - z': it has no value z"):
        effects.of(claim(), "a - z")
    assert effects.text(effects.of(claim(samples={"a": None}), "a - b")) == "(not measured)"
    alone = effects.of(claim(samples={"a": claims.Sample.of([2.0])}), "a")
    assert math.isinf(alone.low) and ">2 (one run)<" in effects.text(alone)


def told(kind):
    text = marked()
    found = getattr(prose, kind.upper()).findall(text)
    assert len(found) == text.count(f"<!-- {kind}:") > 3  # a misspelt one would be a comment that nobody sees
    return found


def test_effects_and_the_papers_numbers_in_prose_are_of_claims():
    judged = {claim["id"]: claim for claim in claims.evaluate()}
    for name, expression, _ in told("effect"):
        assert rules.names(expression) <= set(judged[name]["values"]), (name, expression)
    assert [(name, value) for name, value in told("paper") if value not in judged[name]["paper"]] == []


def test_every_effect_in_prose_is_measured_and_has_its_interval():
    with verdicts.read_once():
        judged = {claim["id"]: claim for claim in verdicts.judged()}
        for name, expression, _ in told("effect"):
            found = effects.of(judged[name], expression)
            assert found is not None and math.isfinite(found.mean), (name, expression)
            assert math.isfinite(found.low) or found.n == 1, (name, expression)


def test_every_finding_has_a_measured_number_and_none_is_typed():
    text = (paths.root() / "book" / "findings.md").read_text()
    findings = re.split(r"(?m)^\* ", text.partition("\n## ")[2])[1:]
    assert len(findings) > 30
    for finding in findings:
        assert re.search("<!-- (?:effect|number):", finding), finding[:80]
    typed = set(re.findall(r"\b\d*\.\d+", re.sub(r"<!--.*?-->", "", text)))
    assert typed <= {"0.3", "0.1"}  # budgets


def test_a_question_of_ours_is_answered_and_a_claim_of_the_paper_is_judged():
    asked = {"scope": "ours", "verdict": "not reproduced"}
    assert ">no</span>" in prose.verdict_badge(asked)
    assert ">not reproduced<" in prose.verdict_badge({**asked, "scope": "paper"})
    ours = {claim["id"] for claim in claims.evaluate() if claim["scope"] == "ours"}
    for path in (paths.root() / "book").rglob("*.md"):
        text = path.read_text()
        for match in prose.VERDICT.finditer(text):
            if match[1] in ours:
                assert text[: match.start()].rstrip(" *\n").endswith("?"), (path.name, match[1])


# -- the answers of the boxes --------------------------------------------------------------------------------------

SAYS = {  # what an answer says -> verdicts of which one must be behind it
    r"^Yes[,:.]": {"yes", "partly", "reproduced", "reproduced in trend"},
    r"^No[,:.]": {"no", "not reproduced"},
    r"\bopen\b|\binconclusive\b": {"open", "inconclusive"},
    r"\bnot measured yet\b": {"not attempted", "withdrawn"},
    r"\b(?<!not )reproduced\b": {"reproduced", "reproduced in trend"},
    r"\bnot reproduced\b": {"not reproduced"},
}


@pytest.mark.parametrize("page", answers())
def test_a_box_answers_in_one_or_two_short_sentences_without_a_typed_number(page):
    text = answers()[page]["answer"]
    found = sentences(text)
    assert 1 <= len(found) <= 2 and [each for each in found if words(each) > MOST] == []
    told = re.sub(r"<!--.*?-->", "", text)
    assert not re.search("[<>&]", told)  # it becomes HTML
    assert re.findall(r"\d*\.\d+|\d+ *(?:%|points|times)", told) == []
    assert len(re.findall(r"<!-- (?:effect|number|paper): [\w-]+: [^>]+ -->", text)) == text.count("<!--")


def test_answers_were_written_for_todays_verdicts_and_say_what_these_say():
    """Where a verdict has changed, its answer has to be read again."""
    today = {claim["id"]: claim["verdict"] for claim in claims.evaluate()}
    for page, told in answers().items():
        written, text = told.get("written_for", {}), " ".join(told["answer"].split())
        assert {name: today.get(name) for name in written} == written, page
        assert set(re.findall(r"<!-- \w+: ([\w-]+):", text)) <= set(written), page
        for word, behind in SAYS.items():
            assert not re.search(word, text) or behind & set(written.values()), (page, word)
        waits = {name for name, verdict in written.items() if verdict in ("not attempted", "withdrawn")}
        assert not waits or "not measured yet" in text, page


# -- the last page of a chapter ------------------------------------------------------------------------------------


@pytest.fixture
def chapter(monkeypatch):
    part = rules.part({"effect": "a - b", "paper": 1.0})
    estimate = statistics.mean([1.0, 1.4, -0.9])
    found = [Finding(part, estimate, part.outcome(estimate, 1, 0.05), 0)]
    facts = {"scope": "paper", "claim": "A < b.", "chapter": "c", "paper": {}, "samples": {}, "why": "", "n": 3}
    facts |= {"premises": [], "seconds": 600.0}
    listed = [
        facts | {"id": "x-open", "verdict": "inconclusive", "findings": found},
        facts | {"id": "x-none", "verdict": "not attempted", "findings": []},
    ]
    monkeypatch.setattr(claims, "evaluate", lambda: listed)
    monkeypatch.setattr(tables, "chapter_titles", lambda: {"c": "Chapter (A 2020)"})
    return power.rows("c")[0][0]


def test_the_last_page_draws_every_effect_and_leads_to_the_cards(chapter):
    assert 'href="../cards-c.html#x-open"' in conclusion.picture("c")
    table = conclusion.table("c")
    assert "A &lt; b." in table and "0.5 [" in table and "x-none" not in table and 'scope="row"' in table


def test_the_last_page_says_what_would_decide_and_what_it_costs(chapter):
    text = conclusion.still_open("c")
    assert f"<td>{chapter['further_units']}</td>" in text and "not attempted" in text
    assert conclusion._hours(chapter["core_minutes"]) in text
    with pytest.raises(ValueError, match="chapter 'd' has no claims"):
        conclusion.picture("d")


def test_every_chapter_with_a_verdict_ends_with_its_page():
    text = (paths.root() / "_toc.yml").read_text()
    judged = {claim["chapter"] for claim in claims.evaluate() if claim["verdict"] not in conclusion.UNTOUCHED}
    assert len(judged) >= 5
    for name in judged:
        assert re.search(rf"notebooks/{name}/[\w-]+\n +- file: book/summary/{name}\n(?! +- file: notebooks)", text), (
            name
        )
        source = (paths.root() / "book" / "summary" / f"{name}.md").read_text()
        before = source.partition("\n## ")[0]
        assert 3 <= len(re.findall(r"(?m)^\* ", before)) <= 6 and before.count("<!-- verdict:") >= 3
        assert all(f"<!-- generated: {kind} {name} -->" in source for kind in prose.OF_CHAPTER)
        assert f"summary/{name})" in (paths.root() / "book" / "scoreboard.md").read_text()


# -- glossary ------------------------------------------------------------------------------------------------------

TERMS = (glossary.Term("FGSM", "One step."), glossary.Term("threat model", "What & who.", ("threat models",)))
TERMS += (glossary.Term("C&W", "Another."),)


def test_a_term_leads_to_the_glossary_where_it_first_stands_in_prose():
    body = "<h1>FGSM</h1><pre>FGSM</pre><p>Threat models of <code>FGSM</code>, FGSM and FGSM.</p>"
    found = glossary.linked(body, "notebooks/c/1-page", TERMS)
    link = '<a class="term" href="../../book/glossary.html#term-{}" title="{}">{}</a>'
    assert found == (
        "<h1>FGSM</h1><pre>FGSM</pre><p>"
        + link.format("threat-model", "What &amp; who.", "Threat models")
        + " of <code>FGSM</code>, "
        + link.format("fgsm", "One step.", "FGSM")
        + " and FGSM.</p>"
    )


@pytest.mark.parametrize(
    "body",
    [
        "<p>sFGSM, FGSM_2, Threatmodel</p>",
        '<p><a href="x">FGSM <b>threat model</b></a></p>',
        '<div class="math notranslate"><span>FGSM</span></div>',
        "<script>if (a < b) FGSM</script><!-- FGSM --><table><tr><td>FGSM</td></tr></table>",
    ],
)
def test_no_link_is_made_inside_of_words_links_formulas_code_and_tables(body):
    assert glossary.linked(body, "book/intro", TERMS) == body


def test_terms_are_found_as_html_writes_them_and_the_glossary_has_no_links_to_itself():
    assert 'glossary.html#term-c-w"' in glossary.linked("<p>C&amp;W wins.</p>", "book/intro", TERMS)
    assert glossary.linked("<p>FGSM</p>", "book/glossary", TERMS) == "<p>FGSM</p>"


def test_the_glossary_has_its_terms_once():
    names = [form for term in glossary.terms() for form in (term.term, *term.also)]
    assert len(set(names)) == len(names) and len(glossary.terms()) >= 25
    assert all(f'<dt id="{term.anchor}">' in glossary.page() for term in glossary.terms())


# -- tables that fit -----------------------------------------------------------------------------------------------


def table(columns, cell):
    row = "".join(f"<td><p>{cell}</p></td>" for _ in range(columns))
    return f'<table class="table"><tbody><tr class="a">{row}</tr></tbody></table>'


def test_a_table_that_fits_stays_as_it_is():
    narrow = table(4, "1.23\u00a0±\u00a00.05")
    assert fitting.fit(narrow) == narrow


def test_a_wide_table_gets_smaller_type_and_then_deviations_under_means():
    small = fitting.fit(table(9, "1.23\u00a0±\u00a00"))
    assert 'class="table small"' in small and "<br>" not in small
    stacked = fitting.fit(table(8, "41.23\u00a0±\u00a00.05"))
    assert 'class="table small"' in stacked and "41.23<br>±\u00a00.05" in stacked
    assert 'class="table smaller"' in fitting.fit(table(14, "41.23\u00a0±\u00a00.05"))


def test_words_and_formulas_of_a_cell_break_where_a_browser_breaks_them():
    assert fitting._words("<p>most frequent answer</p>", False) == ["most", "frequent", "answer"]
    assert max(map(len, fitting._words(r"<span>\(\lVert\epsilon\rVert_p/\sigma\)</span>", False))) < 8
