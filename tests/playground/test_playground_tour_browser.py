"""The playground's tour: what it says happens, its state is in the address, and no link of the page is dead."""

import re
import shutil

import pytest
from browser import served
from playground_page import FOLDER, PANEL, change, digits, distance, in_browser, opened, settled, verdict

from advbook import claims
from advbook.site import playground as site_playground

BOX = '.pg-tour [data-do="box"]'


def tick(page, name: str) -> None:
    page.click(f'[data-state="{name}"]')
    settled(page)


def both(page) -> list[str]:
    return [verdict(page, "left"), verdict(page, "right")]


@in_browser
def test_the_tour_shows_what_it_says(playground):
    page = playground()
    page.click('[data-do="tour"]')
    for step in range(1, 7):
        settled(page)
        assert page.inner_text(".pg-tour h3").startswith(f"{step} of 6") and page.locator(".pg-claims a").count() >= 1
        text = page.inner_text(".pg-text")
        assert page.locator(BOX).is_visible() == ("Untick" in text)
        if page.locator(BOX).is_visible():  # the box is named as it is labelled
            words = re.search("“(.*)”", page.inner_text(BOX))[1]
            assert f"Untick the box “{words}”" in text and page.get_by_label(words).count() == 1
        if step == 1:
            assert both(page) == ["Reads 0 before and after"] * 2
        if step == 2:
            assert verdict(page, "right") == "2 turns into 7" and "way" in page.inner_text(
                f"{PANEL.format('right')} .pg-note"
            )
            tick(page, "clip")
            assert verdict(page, "right") == "2 turns into 7"
            change(page, '[data-state="budget"]', "1000")
            assert verdict(page, "right") == "2 turns into 4"
            tick(page, "clip")
            assert verdict(page, "right") == "2 turns into 7"
        if step == 4:  # the regularised network needs more, here and for most
            assert distance(page, "right") > distance(page, "left") > 0
            page.wait_for_function("document.querySelector('.pg-count').textContent.endsWith('here.')", timeout=120000)
            more, counted = map(int, re.findall(r"\d+", page.inner_text(".pg-count")))
            assert counted / 2 < more < counted <= len(digits()[0])  # most, not all
        if step == 5:
            assert both(page) == ["9 turns into 8"] * 2
        if step == 6:
            assert both(page) == ["7 turns into 3", "Reads 7 before and after"]
            tick(page, "smooth")
            assert both(page) == ["7 turns into 3"] * 2
        assert page.locator(".pg-next").is_visible() == (step == 6)
        if step < 6:
            page.click('[data-do="next"]')
    assert "What next" in page.inner_text(".pg-next")
    page.click('[data-do="leave"]')
    assert page.locator("text=Take the tour").is_visible() and page.trouble == []


@in_browser
def test_a_step_brings_its_box_into_view_and_to_the_keyboard(playground):
    page = playground("#tour=2", viewport={"width": 390, "height": 600}, reduced_motion="reduce")
    page.locator(BOX).click()
    box = page.locator('[data-state="clip"]').bounding_box()
    assert 0 <= box["y"] <= 600 and page.evaluate("document.activeElement.dataset.state") == "clip"


@in_browser
def test_back_from_a_card_leads_to_the_step_and_to_what_was_changed_there(playground_browser, site_address):
    page = opened(playground_browser, site_address + "_static/playground/index.html", within=site_address)
    page.click('[data-do="tour"]')
    page.click('[data-do="next"]')
    settled(page)
    address = page.evaluate("""() => { document.querySelectorAll('.pg-digits button')[3].click();
        document.querySelector('.pg-claims a').click();
        return location.hash }""")
    assert "digit=3" in address and "tour=2" in address  # written at once, before the page is left
    page.wait_for_url("**/book/scoreboard.html#*")
    page.go_back()
    page.wait_for_selector(".pg-panel tbody tr")
    assert page.inner_text(".pg-tour h3").startswith("2 of 6")
    assert page.get_attribute(".pg-digits button >> nth=3", "aria-pressed") == "true"
    page.context.close()


@pytest.fixture(scope="module")
def site_address(tmp_path_factory):
    """What the site has of the playground: its files, the records beside them, and the pages that it links to."""
    site = tmp_path_factory.mktemp("site")
    shutil.copytree(FOLDER, site / "_static" / "playground")
    rows = "".join(f'<p id="{claim["id"]}">' for claim in claims.evaluate())
    pages = {"book/scoreboard.html": rows, "book/playground.html": ""}
    for name, content in {**{k: v.encode() for k, v in pages.items()}, **site_playground.records()}.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_bytes(content)
    with served(site) as address:
        yield address


@in_browser
def test_no_link_of_the_page_is_dead_and_links_are_words(playground_browser, site_address):
    page = opened(playground_browser, site_address + "_static/playground/index.html", within=site_address)
    links: dict[str, str] = {}
    page.click('[data-do="tour"]')
    for step in range(1, 7):
        links |= dict(page.eval_on_selector_all("a[href]", "all => all.map(a => [a.href, a.textContent])"))
        if step < 6:
            page.click('[data-do="next"]')
    inside = {link: words for link, words in links.items() if link.startswith(site_address)}
    assert len([link for link in inside if "/results/" in link]) == 8 and len(inside) >= 8 + 9
    for link, words in inside.items():
        answer = page.request.get(link)
        assert answer.status == 200, link
        fragment = link.partition("#")[2]
        assert f'id="{fragment}"' in answer.text() or not fragment, link
        assert not re.search(r"[a-z0-9]+-[a-z0-9]+-[a-z0-9]+", words), words
    page.context.close()
