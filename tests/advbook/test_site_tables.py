"""Tables, icons and the search index of the site."""

import yaml

from advbook import paths
from advbook.site import build, extension, search, weight

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
