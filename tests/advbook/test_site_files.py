"""The files of the built site: weight, links, sizes of pictures; no browser."""

import re

import pytest
from site_pages import MEGABYTE, PAGES, SITE, on_site, own, weight

from advbook import claims, paths


@on_site
def test_the_site_weighs_at_most_25_megabytes():
    files = [path for path in SITE.rglob("*") if path.is_file()]
    playground = sum(path.stat().st_size for path in (SITE / "_static" / "playground").rglob("*") if path.is_file())
    assert sum(path.stat().st_size for path in files) - playground <= 25 * MEGABYTE
    assert not list(SITE.rglob("*.map")) and not list(SITE.rglob("fontawesome*"))


@on_site
@pytest.mark.parametrize("path", PAGES)
def test_a_pages_own_html_and_pictures_weigh_at_most_a_megabyte_and_a_half(path):
    assert weight(own(path)) <= 1.5 * MEGABYTE
    assert "data:image/png" not in (SITE / path).read_text()


@on_site
def test_the_book_has_its_pages():
    assert len(PAGES) >= 10
    for source in paths.notebooks():
        assert f"notebooks/{source.parent.name}/{source.stem}.html" in PAGES


@on_site
@pytest.mark.parametrize("path", PAGES)
def test_no_page_shows_a_warning_an_injected_cell_or_a_folder_of_the_machine_that_built_it(path):
    text = (SITE / path).read_text()
    assert "output stderr" not in text and str(paths.root()) not in text and "injected-parameters" not in text


@on_site
@pytest.mark.parametrize("path", [path for path in PAGES if path.startswith("notebooks")])
def test_a_page_has_its_answer_before_its_first_heading_and_pictures_that_are_sized_and_lazy(path):
    text = (SITE / path).read_text().partition("<article")[2].partition("</article>")[0]
    assert 0 < text.index('<aside class="short"') < text.index("<h2")
    assert text.index('class="question"') < text.index('class="answer"') < text.index("</aside>")
    for image in re.findall(r"<figure class=\"result\">.*?<img ([^>]*)>", text, re.S):
        assert 'loading="lazy"' in image and "width=" in image and "height=" in image
    assert text.index("How it was measured<") > text.rindex("Run it yourself<")


@on_site
def test_internal_links_are_not_broken():
    for path in PAGES:
        text = (SITE / path).read_text()
        for link in re.findall(r'href="([^"#?:]+)(?:[#?][^"]*)?"', text):
            assert ((SITE / path).parent / link).exists(), (path, link)


@on_site
def test_every_claim_has_a_row_and_a_card_under_its_old_name():
    board = (SITE / "book" / "scoreboard.html").read_text()
    for claim in claims.evaluate():
        assert f'<tr id="{claim["id"]}"' in board
        assert f'id="{claim["id"]}"' in (SITE / "book" / f"cards-{claim['chapter']}.html").read_text()
