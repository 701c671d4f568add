"""The generated tables and the builder; then the built site in a real browser, with the network off.

The tests of the built site need `make site` (or `make book`) and Chromium; they carry the marker `browser`.
"""

import functools
import http.server
import re
import shutil
import subprocess
import threading

import nbformat
import pytest

from advbook import claims, paths, rules, site, statistics
from advbook.judgement import Finding

SITE = paths.build() / "site"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_site = pytest.mark.skipif(not (SITE / "index.html").exists(), reason="no site in _build/site; run `make site`")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
PAGES = sorted(
    str(path.relative_to(SITE)) for folder in ("book", "notebooks") for path in (SITE / folder).rglob("*.html")
)


def in_browser(test):
    """A test that needs the built site and Chromium."""
    return pytest.mark.browser(needs_site(needs_chromium(test)))


# the luminance contrast of WCAG 2, in the page
CONTRAST = """element => {
  const rgb = colour => colour.match(/[\\d.]+/g).map(Number);
  const linear = v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => .2126 * linear(r) + .7152 * linear(g) + .0722 * linear(b);
  const ground = e => (rgb(getComputedStyle(e).backgroundColor)[3] ?? 1) || !e.parentElement
    ? getComputedStyle(e).backgroundColor : ground(e.parentElement);
  const [a, b] = [light(rgb(getComputedStyle(element).color)), light(rgb(ground(element)))];
  return (Math.max(a, b) + .05) / (Math.min(a, b) + .05) }"""


# -- what the builder generates --------------------------------------------------------------------------------

CLAIM = {
    "id": "x-one",
    "chapter": "fake",
    "where": "Table I",
    "claim": "Half | of it.",
    "paper": {"a": 0.9},
    "metric": "%",
    "values": {"a": {}, "b": {}},
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
    monkeypatch.setattr(site, "chapter_titles", lambda: {CLAIM["chapter"]: "A chapter"})
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


def test_scoreboard_counts_verdicts_and_anchors_every_claim(judged):
    short, full = site.scoreboard_short({}), site.scoreboard({})
    assert "2 claims of the paper" in short and "1 questions of ours" in short and "One seed." in full
    assert "1 reproduced in trend<" in short and "1 not reproduced<" in short
    for name in ("x-one", "x-two"):
        assert f"({name})=" in full and f"[{name}](#{name})" in full
    assert "| `a` | 0.9 | 1.05 ± 0.071 (n = 2) |" in full and "| `b` | – | – |" in full  # both sides, or a dash
    assert "near(a, 0.9, 0.1)" in full and "because" in full and "[fake/1-page](../notebooks/fake/1-page)" in full
    assert "**A chapter**" in short and "x-later" not in full and "without a page" not in short


def test_a_card_with_a_rule_in_parts_shows_what_each_part_found_and_both_scales(judged, monkeypatch):
    part, found = rules.part({"effect": "a - b", "paper": 1.0}), statistics.mean([1.0, 1.1, 0.9])
    finding = Finding(part, found, part.outcome(found, 1, 0.05), 2)
    claim = {
        **CLAIM,
        "rule": [{"effect": "a - b", "paper": 1.0}],
        "premise": [{"effect": "2 - a"}],
        "findings": [finding],
        "scales": {"paper": "reproduced", "standard": "inconclusive"},
    }
    monkeypatch.setattr(claims, "evaluate", lambda: [claim])
    full = site.scoreboard({})
    assert "judged only if `effect 2 - a`; all of `effect a - b, paper 1.0`" in full
    assert "`a - b` 1 [0.752, 1.25] (n = 3, 2 left out)" in full and "paper: reproduced, standard: inconclusive" in full
    assert '<figure class="forest">' in full and "1 reproduced in trend" in site.matrix({})


def test_a_verdict_in_prose_is_todays_and_leads_to_its_card(judged):
    text = site._filled("A sentence <!-- verdict: x-one: reproduced -->, and on.", {})
    assert text == 'A sentence [<span class="verdict trend">reproduced in trend</span>](#x-one), and on.'


def test_a_number_in_prose_is_the_recorded_mean_of_a_claims_value(judged):
    assert site._filled("From <!-- number: x-one: a --> to <!-- number: x-one: b --> %.", {}) == (
        "From 1.05 to (not measured) %."
    )
    with pytest.raises(KeyError, match="x-one has no value c"):
        site._filled("<!-- number: x-one: c -->", {})


def test_numbers_in_prose_are_of_claims_and_their_values():
    values = {claim["id"]: claim["values"] for claim in claims.evaluate()}
    prose = "".join(path.read_text() for path in (paths.root() / "book").glob("*.md"))
    told = site.NUMBER.findall(prose)
    assert len(told) == prose.count("<!-- number") > 5  # a misspelt one would be a comment that nobody sees
    assert [(name, value) for name, value in told if value not in values.get(name, {})] == []


def test_sentences_in_prose_were_written_for_todays_verdicts():
    """Where a verdict has changed, its sentence has to be read again."""
    verdicts = {claim["id"]: claim["verdict"] for claim in claims.evaluate()}
    prose = "".join(path.read_text() for path in (paths.root() / "book").glob("*.md"))
    told = site.VERDICT.findall(prose)
    assert len(told) == prose.count("<!-- verdict") > 30  # a misspelt one would be a comment that nobody sees
    assert [(name, verdict) for name, verdict in told if verdicts.get(name) != verdict] == []


def test_errata_name_their_test_and_escape_bars(judged):
    text = site.errata({})
    assert "(x-e)=" in text and "`tests/t.py::t`" in text and r"a \|b\|" in text


@pytest.fixture
def small_book(tmp_path, monkeypatch):
    """A book of one prose page and one executed notebook, and a stand-in for Jupyter Book that counts its calls."""
    (tmp_path / "book").mkdir()
    (tmp_path / "_config.yml").write_text("title: t\n")
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: book/intro\nparts: []\n")
    record = tmp_path / "results" / "quick" / "fake" / "f" / "1.json"
    record.parent.mkdir(parents=True)
    record.write_text("{}")
    monkeypatch.delenv("ADVUTILS_RESULTS", raising=False)
    (tmp_path / "book" / "intro.md").write_text("# T\n\n<!-- generated: pages -->\n")
    notebook = nbformat.v4.new_notebook(metadata={"advbook": {"profile": "quick", "measurements": 3, "seconds": 1.5}})
    nbformat.write(notebook, tmp_path / "executed.ipynb")
    monkeypatch.setattr(paths, "root", lambda: tmp_path)
    calls = []

    def build(command, **_):
        calls.append(command)
        html = tmp_path / "_build" / "html" / "_build" / "html"
        html.mkdir(parents=True, exist_ok=True)
        (html / "index.html").write_text("built")
        return subprocess.CompletedProcess(command, build.code, stdout="", stderr="page.md:3: WARNING: no such target")

    build.code = 0
    monkeypatch.setattr(subprocess, "run", build)
    return tmp_path, {"fake/1-page": tmp_path / "executed.ipynb"}, build, calls


def test_a_site_is_staged_built_and_not_built_twice(small_book):
    root, executed, _, calls = small_book
    (root / "results" / "withdrawn.csv").write_text("record\n")
    assert (site.build_site(executed) / "index.html").read_text() == "built"
    assert (root / "_build/source/notebooks/fake/1-page.ipynb").exists()
    assert (root / "_build/site/results/withdrawn.csv").read_text() == "record\n"
    assert (root / "_build/site/results/quick/fake/f/1.json").read_text() == "{}"
    assert "| quick | 3 | 1.5 |" in (root / "_build/source/book/intro.md").read_text()
    site.build_site(executed)
    assert len(calls) == 1
    (root / "book" / "intro.md").write_text("# Changed\n")
    site.build_site(executed)
    assert len(calls) == 2


def test_a_warning_is_an_error_and_leaves_the_old_site(small_book):
    root, executed, build, _ = small_book
    folder = site.build_site(executed)
    build.code = 1
    (root / "book" / "intro.md").write_text("# Changed\n")
    with pytest.raises(RuntimeError, match="no such target"):
        site.build_site(executed)
    assert (folder / "index.html").read_text() == "built"


# -- the built site --------------------------------------------------------------------------------------------


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
        chromium = engine.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--no-first-run",
            ],
        )
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser, address):
    """Open a page with everything but localhost blocked; returns the page, with its complaints in ``page.trouble``."""
    contexts = []

    def go(path, *, width=1200):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme="light")
        contexts.append(context)
        page = context.new_page()
        page.trouble = []

        def route(request):
            if request.request.url.startswith((address, "data:")):
                return request.continue_()
            page.trouble.append(f"asked the network for {request.request.url}")
            return request.abort()

        page.route("**/*", route)
        page.on("console", lambda m: page.trouble.append(f"console: {m.text}") if m.type == "error" else None)
        page.on("pageerror", lambda error: page.trouble.append(f"error: {error}"))
        page.on("response", lambda r: page.trouble.append(f"{r.status} {r.url}") if r.status >= 400 else None)
        page.goto(address + path)
        page.wait_for_load_state("networkidle")
        page.evaluate("window.MathJax && MathJax.Hub && new Promise(done => MathJax.Hub.Queue(done))")
        return page

    yield go
    for context in contexts:
        context.close()


@pytest.mark.browser
@needs_site
def test_the_book_has_its_pages():
    assert len(PAGES) >= 10
    for source in paths.notebooks():
        assert f"notebooks/{source.parent.name}/{source.stem}.html" in PAGES


@pytest.mark.browser
@needs_site
@pytest.mark.parametrize("path", PAGES)
def test_no_page_shows_a_warning_or_a_folder_of_the_machine_that_built_it(path):
    text = (SITE / path).read_text()
    assert "output stderr" not in text and str(paths.root()) not in text


def loads_offline(page):
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
        "pre span",
        "nav a",
    ):
        for element in page.locator(selector).all()[:5]:
            if element.is_visible():
                assert element.evaluate(CONTRAST) >= 4.5, (scheme, selector, element.inner_text()[:40])


@in_browser
@pytest.mark.parametrize("path", PAGES)
def test_page_loads_offline_and_is_readable_in_light_dark_and_on_a_phone(path, visit):
    """One visit for all: most of the time goes into typesetting the mathematics."""
    page = visit(path)
    loads_offline(page)
    is_readable(page, "light")
    page.emulate_media(color_scheme="dark")
    is_readable(page, "dark")
    page.set_viewport_size({"width": 375, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= 376


@in_browser
def test_search_finds_maxout(visit):
    page = visit("search.html?q=Maxout")
    page.wait_for_selector("#search-results li")
    found = page.inner_text("#search-results")
    assert "MNIST" in found and page.trouble == []


@in_browser
def test_links_and_launch_buttons_point_at_things_that_exist(visit):
    page = visit("notebooks/gradient-regularization/2-mnist.html")
    links = [a.get_attribute("href") or "" for a in page.locator("a").all()]
    for host in ("colab.research.google.com", "mybinder.org"):
        target = next(link for link in links if host in link)
        path = re.search(r"notebooks/gradient-regularization/[\w-]+\.ipynb", target.replace("%2F", "/"))[0]
        assert (paths.root() / path).exists()
    assert any(link.endswith("2-mnist.ipynb") for link in links)  # the download


@pytest.mark.browser
@needs_site
def test_internal_links_are_not_broken():
    for path in PAGES:
        text = (SITE / path).read_text()
        for link in re.findall(r'href="([^"#?:]+)(?:#[^"]*)?"', text):
            if link.endswith((".html", ".css", ".ipynb", ".json")):
                assert ((SITE / path).parent / link).exists(), (path, link)


@pytest.mark.browser
@needs_site
def test_nothing_is_loaded_from_the_network():
    for path in SITE.rglob("*.html"):
        for tag in re.findall(r"<(?:script|link|img|iframe|source)\b[^>]*>", path.read_text()):
            if re.search(r'rel="(?:canonical|license|author)"', tag):
                continue
            assert not re.search(r'(?:src|href)="(?:https?:)?//', tag), (path.name, tag)


@in_browser
def test_the_menu_of_a_phone_opens(visit):
    page = visit("book/intro.html", width=375)
    link = page.locator(".bd-sidebar-primary, dialog").get_by_text("Notation and threat models").first
    assert not link.is_visible()
    page.locator("button.primary-toggle:visible").first.click()
    link.wait_for(state="visible")
    assert page.trouble == []
