"""The built site: its weight, its links, and every page in headless Chromium, light, dark, on a phone and on paper.

These tests need `make site` (or `make book`) and Chromium; they carry the marker `browser`. What axe-core says is asked
where that lies in `_build/playground` (`make playground` puts it there).
"""

import re

import pytest
from browser import chromium, served
from site_pages import AXE, MEGABYTE, PAGES, SITE, in_browser, on_site, visited, weight

from advbook import claims, paths

# the luminance contrast of WCAG 2, in the page
CONTRAST = """element => {
  const rgb = colour => colour.match(/[\\d.]+/g).map(Number);
  const linear = v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => .2126 * linear(r) + .7152 * linear(g) + .0722 * linear(b);
  const ground = e => (rgb(getComputedStyle(e).backgroundColor)[3] ?? 1) || !e.parentElement
    ? getComputedStyle(e).backgroundColor : ground(e.parentElement);
  const [a, b] = [light(rgb(getComputedStyle(element).color)), light(rgb(ground(element)))];
  return (Math.max(a, b) + .05) / (Math.min(a, b) + .05) }"""

HIDDEN_FIGURES = """() => [...document.querySelectorAll('article figure img, article figure svg')].map(e => {
  const box = e.getBoundingClientRect();
  if (!box.width) return null;
  let left = box.left, right = box.right;
  for (let p = e.parentElement; p; p = p.parentElement)
    if (getComputedStyle(p).overflowX !== 'visible') {
      const frame = p.getBoundingClientRect();
      left = Math.max(left, frame.left); right = Math.min(right, frame.right);
    }
  left = Math.max(left, 0); right = Math.min(right, innerWidth);
  return Math.max(0, right - left) / box.width < .9 ? (e.getAttribute('src') || e.getAttribute('aria-label')) : null;
}).filter(Boolean)"""

BAD_TABLES = """() => [...document.querySelectorAll('article table:not(.advbook-playground table)')].filter(t => {
  const region = t.closest('[role="region"], details');
  const wide = t.getBoundingClientRect().width > t.parentElement.getBoundingClientRect().width + 1;
  return !t.caption || (t.tHead && [...t.tHead.querySelectorAll('th')].some(th => !th.scope))
    || !region || (wide && t.parentElement.tabIndex !== 0);
}).map(t => (t.caption || t).textContent.slice(0, 60))"""

# tables that are wider than the column in a window of 1280 pixels, by the beginning of their captions
WIDE_TABLES = """() => [...document.querySelectorAll('article table:not(.advbook-playground table)')].filter(t =>
    t.getBoundingClientRect().width > t.parentElement.getBoundingClientRect().width + 1)
  .map(t => (t.caption || t).textContent.slice(0, 40))"""
SCROLLING: dict[str, list[str]] = {}  # page -> those of its tables that may: they scroll inside

# formulas that are wider than the window and do not scroll inside of anything, and captions that leave it
CUT_FORMULAS = """() => [...document.querySelectorAll('article .MathJax')].filter(e => {
  if (e.getBoundingClientRect().right <= innerWidth) return false;
  for (let p = e.parentElement; p; p = p.parentElement)
    if (['auto', 'scroll'].includes(getComputedStyle(p).overflowX) && p.scrollWidth > p.clientWidth) return false;
  return true;
}).map(e => e.textContent.slice(0, 40))"""
CUT_CAPTIONS = """() => [...document.querySelectorAll('article caption:not(.visually-hidden)')].filter(e =>
    !e.closest('.advbook-playground') && e.getBoundingClientRect().right > innerWidth + 1)
  .map(e => e.textContent.slice(0, 40))"""

HEADINGS = """() => [...document.querySelectorAll('article :is(h1, h2, h3, h4, h5, h6)')]
  .filter(h => !h.closest('.advbook-playground')).map(h => Number(h.tagName[1]))"""


@pytest.fixture(scope="module")
def address():
    with served(SITE) as place:
        yield place


@pytest.fixture(scope="module")
def browser():
    with chromium() as engine:
        yield engine


@pytest.fixture
def visit(browser, address):
    opened = []

    def go(path, **how):
        opened.append(visited(browser, address, path, **how))
        return opened[-1].__enter__()

    yield go
    for context in opened:
        context.__exit__(None, None, None)


@on_site
def test_nothing_is_loaded_from_the_network():
    for path in SITE.rglob("*.html"):
        for tag in re.findall(r"<(?:script|link|img|iframe|source)\b[^>]*>", path.read_text()):
            if re.search(r'rel="(?:canonical|license|author)"', tag):
                continue
            assert not re.search(r'(?:src|href)="(?:https?:)?//', tag), (path.name, tag)


@on_site
def test_every_icon_that_a_page_asks_for_is_drawn():
    drawn = set(re.findall(r"\.(fa-[\w-]+) \{", (SITE / "_static" / "icons.css").read_text()))
    asked = {
        name
        for path in PAGES
        for text in re.findall(r'class="([^"]*\bfa[sb]?[ -][^"]*)"', (SITE / path).read_text())
        for name in re.findall(r"fa-[\w-]+", text)
    }
    assert asked - drawn - {"fa-solid", "fa-regular", "fa-brands", "fa-lg"} == set()


@on_site
@pytest.mark.parametrize("path", ["book/intro.html", "notebooks/gradient-regularization/2-mnist.html"])
def test_a_link_to_a_page_has_a_preview_and_its_foot_the_edition(path):
    text = (SITE / path).read_text()
    told = re.search(r'<meta property="og:description" content="([^"]+)"', text)[1]
    assert len(told) > 60 and '<meta property="og:title"' in text and "version 0." in text.rpartition("<footer")[0]


def loads_offline(page):
    assert page.trouble == []
    assert len(page.inner_text("article")) > 200
    written = page.locator(".math.notranslate").count()
    shown = page.locator(".math .MathJax, .math .MathJax_Display").count()
    assert shown >= written and page.locator(".MathJax_Error, .merror, .noError").count() == 0
    assert not re.search(r"\\(frac|sigma|nabla|epsilon)\b", page.inner_text("article").replace("\\\\", ""))
    for image in page.locator("article img").all():
        alt = image.get_attribute("alt") or ""
        assert len(alt) > 15 and not re.search(r"\.(png|svg|webp|jpe?g)$", alt), alt
        image.scroll_into_view_if_needed() if image.is_visible() else None
        assert not image.is_visible() or image.evaluate("i => i.decode().then(() => i.naturalWidth > 0)")


def is_readable(page, scheme):
    page.wait_for_function(f"document.documentElement.dataset.theme === {scheme!r}")
    for selector in (
        "article p",
        "article td",
        "article h2",
        "article .verdict",
        "article figcaption",
        "article a",
        "article code",
        "article li",
        "article summary",
        "article caption",
        "pre span",
        "nav a",
    ):
        for element in page.locator(selector).all()[:5]:
            if element.is_visible():
                assert element.evaluate(CONTRAST) >= 4.5, (scheme, selector, element.inner_text()[:40])


def serious(page):
    """What axe-core calls serious or critical, as rule and place; formulas are the typesetter's."""
    page.evaluate(AXE.read_text())
    return page.evaluate(
        """() => axe.run({exclude: [['.MathJax'], ['.MJX_Assistive_MathML']]}, {preload: false}).then(r => r.violations
             .filter(v => ['serious', 'critical'].includes(v.impact))
             .flatMap(v => v.nodes.map(n => [v.id, n.target.join(' ')])))"""
    )


@in_browser
@pytest.mark.parametrize("path", PAGES)
def test_page_loads_offline_and_is_readable_in_light_dark_on_a_phone_and_on_paper(path, visit):
    """One visit for all: most of the time goes into typesetting the mathematics."""
    page = visit(path)
    loads_offline(page)
    shared = [place for place in page.loaded if place.startswith("_static") and "playground" not in place]
    assert weight(shared) <= 1.5 * MEGABYTE
    levels = page.evaluate(HEADINGS)
    assert levels[0] == 1 and all(b <= a + 1 for a, b in zip(levels, levels[1:], strict=False))
    assert page.evaluate(BAD_TABLES) == []
    assert page.evaluate(WIDE_TABLES) == SCROLLING.get(path, [])
    is_readable(page, "light")
    if AXE.exists():
        assert serious(page) == []
    page.emulate_media(color_scheme="dark")
    is_readable(page, "dark")
    page.set_viewport_size({"width": 390, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= 391
    assert page.evaluate(HIDDEN_FIGURES) == []
    assert page.evaluate(CUT_FORMULAS) == [] and page.evaluate(CUT_CAPTIONS) == []
    page.emulate_media(media="print")
    assert not page.locator(".bd-sidebar-primary, .bd-header-article, form.filters").first.is_visible()


@in_browser
@pytest.mark.parametrize(
    "asked, told",
    [
        ("Maxout", "MNIST"),
        ("0.78", "lowers the error of the dense maxout network"),
        (".78", "lowers the error of the dense maxout network"),
        ("gr-pgd-fewer", "fewer errors under PGD"),
        ("regularization", "regularisation"),
    ],
)
def test_search_finds_claims_and_prose_and_fetches_a_megabyte_at_most(asked, told, visit):
    page = visit(f"search.html?q={asked}")
    page.wait_for_selector("#search-results li")
    assert told in page.inner_text("#search-results") and page.trouble == []
    assert weight(place for place in page.loaded if "search" in place) <= MEGABYTE
    assert not any(place.startswith(("notebooks/", "book/")) for place in page.loaded)


@in_browser
def test_search_works_from_a_disk(browser):
    with visited(browser, "file://", f"{SITE}/search.html?q=maxout") as page:
        page.wait_for_selector("#search-results li")
        assert page.trouble == []


ROWS = "table.scoreboard tbody tr:not([hidden])"


@in_browser
def test_the_scoreboard_filters_sorts_and_keeps_its_state_in_the_address(visit):
    page = visit("book/scoreboard.html?verdict=reproduced")
    some = page.locator(ROWS).count()
    assert some == sum(claim["verdict"] == "reproduced" for claim in claims.evaluate())
    page.fill('form.filters input[name="text"]', ".78")
    assert 0 < page.locator(ROWS).count() + 1 and "text=.78" in page.url and "verdict=reproduced" in page.url
    page.select_option('form.filters select[name="verdict"]', "")
    found = page.locator(ROWS).all_inner_texts()
    assert found and all("0.78" in text for text in found)
    page.fill('form.filters input[name="text"]', "")
    page.click("table.scoreboard thead th:nth-child(5) button")
    assert page.get_attribute("table.scoreboard thead th:nth-child(5)", "aria-sort") == "ascending"
    numbers = [
        int(text) for text in page.locator("table.scoreboard tbody td:nth-child(5)").all_inner_texts() if text != "–"
    ]
    assert numbers == sorted(numbers) and "sort=4" in page.url
    assert page.trouble == []


@in_browser
def test_the_scoreboard_is_complete_without_a_script_and_old_addresses_lead_to_cards(visit):
    page = visit("book/scoreboard.html", script=False)
    assert page.locator(ROWS).count() == len(claims.evaluate())
    page = visit("book/scoreboard.html#gr-t1-sigmoid-p2")
    page.wait_for_url("**/cards-gradient-regularization.html#gr-t1-sigmoid-p2")


@in_browser
def test_the_photograph_of_the_front_page_answers_to_its_slider_and_is_a_still_without_a_script(browser, visit):
    with visited(browser, "file://", f"{SITE}/book/intro.html") as page:
        first = page.inner_text("figure.attack output")
        page.locator("figure.attack input").fill("0")
        then = page.inner_text("figure.attack output")
        assert first != then and then.startswith("0/255") and page.trouble == []
        assert page.locator("img.attacked").evaluate("i => i.decode().then(() => i.naturalWidth)") == 224
    still = visit("book/intro.html", script=False)
    assert still.inner_text("figure.attack output") == first and not still.locator("figure.attack input").is_visible()


@in_browser
def test_links_and_launch_buttons_point_at_things_that_exist(visit):
    page = visit("notebooks/gradient-regularization/2-mnist.html")
    links = [a.get_attribute("href") or "" for a in page.locator("a").all()]
    for host in ("colab.research.google.com", "mybinder.org"):
        target = next(link for link in links if host in link)
        path = re.search(r"notebooks/gradient-regularization/[\w-]+\.ipynb", target.replace("%2F", "/"))[0]
        assert (paths.root() / path).exists()
    assert any(link.endswith("2-mnist.ipynb") for link in links)  # the download


@in_browser
def test_a_term_tells_its_meaning_to_the_keyboard_and_leads_to_the_glossary(visit):
    page = visit("book/findings.html")
    term = page.locator("article a.term").first
    told = term.get_attribute("title")
    page.keyboard.press("Tab")
    term.focus()
    assert len(told) > 20 and told[:20] in term.evaluate("e => getComputedStyle(e, '::after').content")
    term.press("Enter")
    page.wait_for_url("**/book/glossary.html#term-*")
    assert told in page.inner_text("dl.glossary") and page.trouble == []


@in_browser
def test_the_menu_of_a_phone_opens(visit):
    page = visit("book/intro.html", width=375)
    link = page.locator(".bd-sidebar-primary, dialog").get_by_text("Notation and threat models").first
    assert not link.is_visible()
    page.locator("button.primary-toggle:visible").first.click()
    link.wait_for(state="visible")
    assert page.trouble == []
