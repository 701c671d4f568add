"""What several files of these tests need: empty results, code that counts as ours, pages and figures of a site."""

import importlib

import nbformat
import pytest
from fake_claims import CLAIM, ERRATUM
from hashes import forget
from measuring import calls

from advbook import claims, codehash, ledger
from advbook.picture import Picture
from advbook.record_list import RecordList
from advbook.site import cards, tables


@pytest.fixture
def results(monkeypatch, tmp_path):
    """An empty folder for records, and nothing measured yet."""
    monkeypatch.setenv("ADVUTILS_RESULTS", str(tmp_path / "results"))
    calls.clear()
    return tmp_path / "results"


@pytest.fixture
def probe(tmp_path, monkeypatch):
    """Write modules of a package that counts as ours, and hash its function ``f``."""
    package = tmp_path / "advutils_probe"
    package.mkdir()
    monkeypatch.syspath_prepend(tmp_path)

    def digest(parameters=None, function="probe.f", **modules):
        for old in package.glob("*.py"):
            old.unlink()
        for name, text in {"__init__": "", **modules}.items():
            (package / f"{name}.py").write_text(text)
        forget()
        importlib.invalidate_caches()
        return codehash.code_hash(f"advutils_probe.{function}", parameters)

    yield digest
    forget()


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
