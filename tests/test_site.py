"""The built site in a real browser, with the network off. Needs `make site` (or `make book`) and Chromium."""
import functools
import http.server
import re
import shutil
import threading

import pytest

from advutils.book import paths

SITE = paths.build() / "site"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not (SITE / "index.html").exists(), reason="no site in _build/site; run `make site`"),
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]
PAGES = sorted(
    str(path.relative_to(SITE)) for folder in ("book", "notebooks") for path in (SITE / folder).rglob("*.html"))
# the luminance contrast of WCAG 2, in the page
CONTRAST = """element => {
  const rgb = colour => colour.match(/[\\d.]+/g).map(Number);
  const linear = v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => .2126 * linear(r) + .7152 * linear(g) + .0722 * linear(b);
  const ground = e => (rgb(getComputedStyle(e).backgroundColor)[3] ?? 1) || !e.parentElement
    ? getComputedStyle(e).backgroundColor : ground(e.parentElement);
  const [a, b] = [light(rgb(getComputedStyle(element).color)), light(rgb(ground(element)))];
  return (Math.max(a, b) + .05) / (Math.min(a, b) + .05) }"""


@pytest.fixture(scope="module")
def address():
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(SITE)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as engine:
        chromium = engine.chromium.launch(executable_path=CHROMIUM, args=[
            "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
            "--disable-sync", "--no-first-run"])
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser, address):
    """Open a page with everything but localhost blocked; returns the page, with its complaints in ``page.trouble``."""
    contexts = []

    def go(path, *, scheme="light", width=1200):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.trouble = []

        def route(request):
            if request.request.url.startswith((address, "data:")):
                return request.continue_()
            page.trouble.append(f"asked the network for {request.request.url}")
            return request.abort()

        page.route("**/*", route)
        page.on("console", lambda m: page.trouble.append(f"console: {m.text}") if m.type == "error"
                and "about:blank" not in m.text + m.location["url"] else None)  # MathJax names an empty font on purpose
        page.on("pageerror", lambda error: page.trouble.append(f"error: {error}"))
        page.on("response", lambda r: page.trouble.append(f"{r.status} {r.url}") if r.status >= 400 else None)
        page.goto(address + path)
        page.wait_for_load_state("networkidle")
        page.evaluate("window.MathJax && MathJax.Hub && new Promise(done => MathJax.Hub.Queue(done))")
        return page

    yield go
    for context in contexts:
        context.close()


def test_the_book_has_its_pages():
    assert len(PAGES) >= 10
    for source in paths.notebooks():
        assert f"notebooks/{source.parent.name}/{source.stem}.html" in PAGES


@pytest.mark.parametrize("path", PAGES)
def test_page_loads_offline_with_mathematics_and_alt_texts(path, visit):
    page = visit(path)
    assert page.trouble == []
    assert len(page.inner_text("article")) > 200
    written = page.locator(".math.notranslate").count()
    shown = page.locator(".math .MathJax, .math .MathJax_Display").count()
    assert shown >= written and page.locator(".MathJax_Error, .merror, .noError").count() == 0
    assert not re.search(r"\\(frac|sigma|nabla|epsilon)\b", page.inner_text("article").replace("\\\\", ""))
    for image in page.locator("article img").all():
        alt = image.get_attribute("alt") or ""
        assert len(alt) > 15 and not re.search(r"\.(png|svg|jpe?g)$", alt), alt
        assert image.evaluate("i => i.complete && i.naturalWidth > 0")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_text_is_readable(path, scheme, visit):
    page = visit(path, scheme=scheme)
    assert page.evaluate("document.documentElement.dataset.theme") == scheme
    for selector in ("article p", "article td", "article h2", "article .verdict", "article figcaption", "nav a"):
        for element in page.locator(selector).all()[:5]:
            if element.is_visible():
                assert element.evaluate(CONTRAST) >= 4.5, (selector, element.inner_text()[:40])


@pytest.mark.parametrize("path", PAGES)
def test_a_phone_does_not_scroll_sideways(path, visit):
    page = visit(path, width=375)
    assert page.evaluate("document.documentElement.scrollWidth") <= 376


def test_search_finds_maxout(visit):
    page = visit("search.html?q=Maxout")
    page.wait_for_selector("#search-results li")
    found = page.inner_text("#search-results")
    assert "MNIST" in found and page.trouble == []


def test_links_and_launch_buttons_point_at_things_that_exist(visit):
    page = visit("notebooks/gradient-regularization/2-mnist.html")
    links = [a.get_attribute("href") or "" for a in page.locator("a").all()]
    for host in ("colab.research.google.com", "mybinder.org"):
        target = next(link for link in links if host in link)
        path = re.search(r"notebooks/gradient-regularization/[\w-]+\.ipynb", target.replace("%2F", "/"))[0]
        assert (paths.root() / path).exists()
    assert any(link.endswith("2-mnist.ipynb") for link in links)  # the download


def test_internal_links_are_not_broken():
    for path in PAGES:
        text = (SITE / path).read_text()
        for link in re.findall(r'href="([^"#?:]+)(?:#[^"]*)?"', text):
            if link.endswith((".html", ".css", ".ipynb")):
                assert ((SITE / path).parent / link).exists(), (path, link)
