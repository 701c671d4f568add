"""The generated pages and tables of the site, and the builder with a stand-in for Sphinx."""

import csv
import io
import json
import re
import subprocess

import nbformat
import pytest
import yaml
from prose_sentences import marked

from advbook import claims, ledger, paths, rules, statistics, summary
from advbook.judgement import Finding
from advbook.picture import Picture, data_of
from advbook.record_list import RecordList
from advbook.site import (
    build,
    cards,
    config,
    errata,
    extension,
    front,
    pages,
    prose,
    rule_words,
    scoreboard,
    search,
    short,
    tables,
    weight,
)

CLAIM = {
    "id": "x-one",
    "chapter": "fake",
    "where": "Table I",
    "claim": "Half | of it.",
    "paper": {"a": 0.9},
    "metric": "%",
    "values": {"a": {"from": "f", "take": "a"}, "b": {"from": "f", "take": "b"}},
    "samples": {"a": claims.Sample.of([1.0, 1.1])},
    "n": 2,
    "reproduced": "near(a, 0.9, 0.1)",
    "trend": "a < b",
    "tolerance": "because",
    "profile": "standard",
    "why": "",
    "scope": "paper",
    "known": "One seed.",
    "page": "fake/1-page",
    "findings": [],
    "scales": {},
    "verdict": "reproduced in trend",
}
ERRATUM = {
    "id": "x-e",
    "chapter": "fake",
    "where": "Eq. (1)",
    "printed": "a |b|",
    "right": "b",
    "evidence": "Seen.",
    "kind": "misprint",
    "test": "tests/t.py::t",
    "source": "derived here",
}


@pytest.fixture
def judged(monkeypatch):
    monkeypatch.setattr(tables, "chapter_titles", lambda: {CLAIM["chapter"]: "A chapter (Author 2020)"})
    monkeypatch.setattr(cards, "chapter_titles", tables.chapter_titles)
    monkeypatch.setattr(
        claims,
        "evaluate",
        lambda: [
            {**CLAIM, "id": "x-later", "chapter": "a chapter without a page"},
            CLAIM,
            {**CLAIM, "id": "x-two", "verdict": "not reproduced"},
            {**CLAIM, "id": "x-three", "scope": "ours", "verdict": "inconclusive"},
        ],
    )
    monkeypatch.setattr(claims, "errata", lambda: [ERRATUM])
    monkeypatch.setattr(ledger, "survey", lambda *_: ([], []))


# -- claims --------------------------------------------------------------------------------------------------------


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
    "entry, words",
    [
        ({"effect": "a", "paper": 2, "within": 0.5}, "`a` is more than 0, and within 0.5 of the paper's 2"),
        ({"effect": "a", "nothing": 0.5}, "`a` is more than 0; no effect if its 90 % interval is within 0.5 of 0"),
        (
            {"ratio": "a / b", "least": 1.5, "trend": "any"},
            "more than 1, at least 1.5; without it the claim holds in trend",
        ),
        ({"ratio": "a / b", "paper": 2, "within": 3}, "more than 1, and the paper's 2 up to a factor of 3"),
        ({"value": "a", "near": 1, "within": 0.5, "further": 2}, "within 0.5 of 1; within 2 it is a trend"),
        ({"equal": "a - b", "within": 0.5}, "`a - b` is 0, within 0.5 (its 90 % interval)"),
        ({"median": "a - b"}, "the median of `a - b` is more than 0"),
    ],
)
def test_each_kind_of_part_has_its_words(entry, words):
    assert words in rule_words.asked(rules.part(entry))


def test_a_rule_of_several_ways_names_each_and_an_older_rule_has_no_parts():
    claim = {**CLAIM, "rule": [{"effect": "a"}], "or": [[{"effect": "b"}, {"effect": "c"}]]}
    told = rule_words.of(claim)
    assert "all parts of one of its ways must hold" in told and "| `a` is" in told and told.count("| Or: ") == 2
    assert rule_words.of(CLAIM) == ""


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


# -- prose ---------------------------------------------------------------------------------------------------------


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


# -- pages ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def drawn():
    import matplotlib.pyplot as plt

    fig, (left, right) = plt.subplots(1, 2)
    left.plot([0, 1], [2.5, 3], label="error")
    left.axvline(0.5)
    left.set_title("Left")
    right.bar(["a", "b"], [1, 4])
    yield fig
    plt.close(fig)


def test_the_data_of_a_figure_are_its_lines_and_bars_and_not_its_rules(drawn):
    rows = list(csv.reader(io.StringIO(data_of(drawn))))
    assert rows[:3] == [["panel", "series", "x", "y"], ["Left", "error", "0", "2.5"], ["Left", "error", "1", "3"]]
    assert [row[0] for row in rows[3:]] == ["panel 2", "panel 2"] and [row[3] for row in rows[3:]] == ["1", "4"]


def test_lines_become_a_drawing_and_pixels_an_image_of_the_same_bytes_every_time(drawn):
    first, second = (Picture.of(drawn, caption="c", alt="a") for _ in range(2))
    assert first.kind == "svg" and first == second and f'width="{first.width}"' in first.html()
    drawn.axes[0].imshow([[0, 1], [1, 0]])
    assert Picture.of(drawn, caption="c", alt="a").kind == "webp"


@pytest.fixture
def executed(tmp_path, drawn):
    """An executed notebook with a title, its settings, an injected cell, a figure and its records."""
    picture = Picture.of(drawn, caption="c", alt="what it shows")
    told = {"record": "results/standard/fake/f/1.json", "function": "m.f", "parameters": {"seed": 1}, "data": "mnist"}
    listed = RecordList([told | dict(seconds=1, commit="1", code="as then", machine="cpu", date="2026", values={})])
    new, code = nbformat.v4.new_output, nbformat.v4.new_code_cell
    cells = [
        nbformat.v4.new_markdown_cell("# A title\n\nText of {cite}`lyu2015`. **Time to learn**: 7 minutes."),
        code("profile: str = 'quick'", metadata={"tags": ["parameters"]}),
        code("profile = 'standard'", metadata={"tags": ["injected-parameters"]}),
        code("import x\npage = Page('fake')"),
        code("page.figure(fig)", outputs=[new("display_data", data=picture._repr_mimebundle_())]),
        code("page.provenance()", outputs=[new("display_data", data=listed._repr_mimebundle_())]),
    ]
    path = tmp_path / "1-page.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def test_a_page_starts_with_the_answer_and_ends_with_its_settings(judged, executed):
    made = pages.page("fake/1-page", executed)
    sources = [cell.source for cell in made.notebook.cells]
    assert sources[0].startswith("# A title\n\n") and sources[-3].startswith("## How it was measured")
    assert sources[-2:] == ["profile: str = 'quick'", "import x\npage = Page('fake')"]
    assert all(cell.metadata["tags"] == ["hide-cell"] for cell in made.notebook.cells[-2:])
    assert not any("profile = 'standard'" in source for source in sources)
    box = sources[0]
    assert "Measured on MNIST · cpu · 7 minutes to read" in box and "https://arxiv.org/abs/1511.06385" in box
    assert "paper 0.9 → ours 1.05 [0.415, 1.69], n = 2" in box and box.index("</aside>") < box.index("Text of")
    assert 'src="../../pictures/fake/1-page-1.svg"' in box


def test_a_box_answers_its_question_and_sets_questions_of_ours_apart(judged, executed, monkeypatch):
    told = {"question": "Is it?", "answer": "It is\n<!-- number: x-one: a --> now.", "claims": ["x-three", "x-two"]}
    monkeypatch.setattr(short, "declared", lambda chapter: {"1-page": told})
    box = pages.page("fake/1-page", executed).notebook.cells[0].source
    assert '<p class="question">Is it?</p><p class="answer">It is 1.05 now.</p>' in box
    paper, ours = (box.index(words) for words in short.KINDS.values())
    assert paper < box.index(">not reproduced</span>") < ours < box.index(">open</span>")
    assert "n = 2, <code>a</code> (%)</span>" in box


def test_pictures_data_and_records_of_a_page_are_files(judged, executed):
    made = pages.page("fake/1-page", executed)
    assert set(made.files) == {"pictures/fake/1-page-1.svg", "pictures/fake/1-page-1.csv", "records/fake/1-page.json"}
    shown = made.notebook.cells[1].outputs[0].data
    assert set(shown) == {"text/html"} and "data:image" not in shown["text/html"]
    assert 'loading="lazy"' in shown["text/html"] and "1-page-1.csv" in shown["text/html"]
    assert json.loads(made.files["records/fake/1-page.json"])[0]["parameters"] == {"seed": 1}
    assert b"base64" not in made.text()


def test_every_page_asks_a_question_and_names_claims_of_its_own():
    judged = {claim["id"]: claim["page"] for claim in claims.evaluate()}
    for source in paths.notebooks():
        told = short.declared(source.parent.name)[source.stem]
        assert told["question"].endswith("?") and told["answer"] and len(told["claims"]) <= short.MOST
        assert {judged.get(name) for name in told["claims"]} <= {f"{source.parent.name}/{source.stem}"}, source
    told = {
        f"{folder.name}/{name}" for folder in paths.root().glob("notebooks/*") for name in short.declared(folder.name)
    }
    assert told == {f"{source.parent.name}/{source.stem}" for source in paths.notebooks()}


# -- what becomes of the HTML --------------------------------------------------------------------------------------

TABLE = '<div class="pst-scrollable-table-container"><table class="table">\n<thead>\n'
HEAD = '<tr class="row-odd"><th class="head"><p>a</p></th>\n</tr>\n</thead>'


def test_a_table_has_its_caption_its_scopes_and_a_region_that_the_keyboard_reaches():
    told = extension.tables(f"<p><em>Errors by <code>kind</code></em></p>\n{TABLE}{HEAD}")
    assert 'role="region" tabindex="0" aria-label="Errors by kind"' in told
    assert "<caption>Errors by <code>kind</code></caption>" in told and '<th scope="col" class="head">' in told
    assert "<p><em>" not in told


def test_a_table_without_a_caption_is_named_after_its_heading_for_who_cannot_see_it():
    heading = '<h2>Results<a class="headerlink" href="#r">#</a></h2><p>Text.</p>'
    told = extension.tables(f"{heading}{TABLE}{HEAD}")
    assert '<caption class="visually-hidden">Table 1 under “Results”</caption>' in told and "<p>Text.</p>" in told


def test_a_table_of_pairs_has_no_empty_head():
    empty = '<tr class="row-odd"><th class="head"><p></p></th>\n<th class="head"><p></p></th>\n</tr>\n</thead>'
    assert "thead" not in extension.tables(f"<p><strong>Threat model</strong></p>{TABLE}{empty}")


def test_icons_and_their_font_go_and_other_rules_stay():
    style = (
        "@font-face{font-family:Font Awesome\\ 6 Free;src:url(x)}.fa-a:before,.fa-b:before{content:'x'}"
        '.fas,.fa-solid{font:x}.bd-main .fa-x{color:red}.face{color:blue}html{--pst-icon-bell:"";--pst-y:1}'
    )
    told = weight.without_icons(style)
    assert "Awesome" not in told and ".fa-a" not in told and ".fas" not in told
    assert ".face{color:blue}" in told and '--pst-icon-bell:"";--pst-y:1' in told


PAGE = """<nav><p>menu</p></nav><article><section id="one"><h1>One<a class="headerlink" href="#one">#</a></h1>
<p>Prose of <em>one</em>.</p><pre>code</pre><section id="two"><h2>Two</h2><table><tr><td>cell</td></tr></table>
<figure><img alt="x"><figcaption>A caption.</figcaption></figure></section></section></article>"""


def test_search_reads_prose_and_captions_and_no_code_tables_or_menus():
    one, two = search.sections(PAGE)
    assert (one.title, one.anchor, " ".join(" ".join(one.words).split())) == ("One", "one", "Prose of one .")
    assert (two.title, two.anchor, two.words) == ("Two", "two", ["A caption."])


def test_search_has_one_entry_a_claim_with_its_numbers(judged, tmp_path):
    found = search.entries(tmp_path)
    assert ["Half | of it. Table I", "book/cards-fake.html#x-one"] in [entry[:2] for entry in found]
    assert sum("x-one" in entry[2] for entry in found) == 1 and any("paper 0.9" in entry[2] for entry in found)


def test_cards_stand_under_the_scoreboard_in_the_contents():
    made = yaml.safe_load(build.contents((paths.root() / "_toc.yml").read_text(), ["cards-a", "cards-b"]))
    board = next(e for part in made["parts"] for e in part["chapters"] if e["file"] == "book/scoreboard")
    assert board["sections"] == [{"file": "book/cards-a"}, {"file": "book/cards-b"}]


# -- the builder ---------------------------------------------------------------------------------------------------


@pytest.fixture
def small_book(tmp_path, monkeypatch):
    """A book of one prose page and one executed notebook, and a stand-in for Sphinx that counts its calls."""
    (tmp_path / "book").mkdir()
    (tmp_path / "_config.yml").write_text("title: t\n")
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: book/intro\nparts: []\n")
    monkeypatch.setenv("ADVUTILS_RESULTS", str(tmp_path / "results"))
    (tmp_path / "results").mkdir()
    (tmp_path / "book" / "intro.md").write_text("# T\n\n<!-- generated: pages -->\n")
    (tmp_path / "notebooks" / "fake").mkdir(parents=True)
    notebook = nbformat.v4.new_notebook(metadata={"advbook": {"profile": "quick", "measurements": 3, "seconds": 1.5}})
    nbformat.write(notebook, tmp_path / "executed.ipynb")
    nbformat.write(nbformat.v4.new_notebook(), tmp_path / "notebooks" / "fake" / "1-page.ipynb")
    monkeypatch.setattr(paths, "root", lambda: tmp_path)
    monkeypatch.setattr(config, "edition", lambda: "version 0")
    monkeypatch.setattr(claims, "evaluate", lambda: [])
    monkeypatch.setattr(weight, "mathjax", lambda target: None)
    calls = []

    def build_html(command, **_):
        calls.append(command)
        html = tmp_path / "_build" / "html" / "html"
        (html / "_static").mkdir(parents=True, exist_ok=True)
        (html / "index.html").write_text("built")
        (html / "search.html").write_text("<body></body>")
        warned = "page.md:3: WARNING: no such target"
        return subprocess.CompletedProcess(command, build_html.code, stdout="", stderr=warned)

    build_html.code = 0
    monkeypatch.setattr(subprocess, "run", build_html)
    return tmp_path, {"fake/1-page": tmp_path / "executed.ipynb"}, build_html, calls


def test_a_site_is_staged_built_and_not_built_twice(small_book):
    root, executed, _, calls = small_book
    (root / "results" / "withdrawn.csv").write_text("record\n")
    for folder in ("book/_static/playground", "results/standard"):
        (root / folder).mkdir(parents=True)
    (root / "book/_static/playground/contents.js").write_text('f({"record": "results/standard/1.json"});')
    (root / "results/standard/1.json").write_text("{}")
    site = build.build_site(executed)
    assert (site / "results/standard/1.json").read_text() == "{}"
    assert (site / "index.html").read_text() == "built"
    assert (root / "_build/source/notebooks/fake/1-page.ipynb").exists()
    assert (site / "results/withdrawn.csv").read_text() == "record\n"
    assert (site / "_sources/notebooks/fake/1-page.ipynb").exists() and "bookEntries" in (
        site / "_static/search-data.js"
    ).read_text()
    assert "| quick | 3 | 1.5 |" in (root / "_build/source/book/intro.md").read_text()
    build.build_site(executed)
    assert len(calls) == 1
    (root / "book" / "intro.md").write_text("# Changed\n")
    build.build_site(executed)
    assert len(calls) == 2


def test_a_warning_is_an_error_and_leaves_the_old_site(small_book):
    root, executed, build_html, _ = small_book
    folder = build.build_site(executed)
    build_html.code = 1
    (root / "book" / "intro.md").write_text("# Changed\n")
    with pytest.raises(RuntimeError, match="no such target"):
        build.build_site(executed)
    assert (folder / "index.html").read_text() == "built"


def test_arguments_of_a_signature_are_no_list_without_terms():
    made = extension.signatures(
        '<dt>f(<dl>\n<dd><em class="sig-param">x</em>,</dd>\n<dd><em class="sig-param">y</em></dd>\n</dl>)</dt>'
        "<dl><dt>t</dt><dd>z</dd></dl>"
    )
    assert made.count('sig-line"') == 2 and made.count("<dl>") == 1 and "<dd>z</dd>" in made
