"""Pages and their figures, and the builder with a stand-in for Sphinx."""

import csv
import io
import json
import subprocess

import nbformat
import pytest

from advbook import claims, figures, paths
from advbook.picture import Picture, data_of
from advbook.site import build, config, extension, pages, short, weight


def test_the_data_of_a_figure_are_its_lines_and_bars_and_not_its_rules(drawn):
    rows = list(csv.reader(io.StringIO(data_of(drawn))))
    assert rows[:3] == [["panel", "series", "x", "y"], ["Left", "error", "0", "2.5"], ["Left", "error", "1", "3"]]
    assert [row[0] for row in rows[3:]] == ["panel 2", "panel 2"] and [row[3] for row in rows[3:]] == ["1", "4"]


def test_lines_become_a_drawing_and_pixels_an_image_of_the_same_bytes_every_time(drawn):
    first, second = (Picture.of(drawn, caption="c", alt="a") for _ in range(2))
    assert first.kind == "svg" and first == second and f'width="{first.width}"' in first.html()
    drawn.axes[0].imshow([[0, 1], [1, 0]])
    assert Picture.of(drawn, caption="c", alt="a").kind == "webp"


def test_the_figures_of_an_executed_page_are_read_as_they_were_shown(executed, drawn, tmp_path, monkeypatch):
    shown = Picture.of(drawn, caption="from 1 < 2 & on", alt='what "it" shows')
    assert Picture.read(shown.html(), shown.data) == shown and Picture.read("<p>no figure</p>") is None
    monkeypatch.setattr(figures.runner, "find", lambda target: [executed])
    monkeypatch.setattr(figures.runner, "executed_path", lambda path, edition: executed)
    (file,) = figures.extract("fake/1-page", tmp_path / "slides")
    assert file.read_bytes() == Picture.of(drawn, caption="c", alt="a").content
    assert "## " + file.name + "\n\nc\n\n*what it shows*" in (tmp_path / "slides" / "captions.md").read_text()
    monkeypatch.setattr(figures, "of_notebook", lambda path: [])
    with pytest.raises(ValueError, match="shows no figure"):
        figures.extract("fake/1-page", tmp_path)


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
