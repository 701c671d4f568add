"""For the tests of the built site: its pages in headless Chromium, with the network off, and what weighs how much."""

import re
from contextlib import contextmanager

import pytest
from browser import needs_chromium

from advbook import paths

SITE = paths.build() / "site"
MEGABYTE = 1e6
AXE = paths.build() / "playground" / "node_modules" / "axe-core" / "axe.min.js"
PAGES = sorted(
    str(path.relative_to(SITE)) for folder in ("book", "notebooks") for path in (SITE / folder).rglob("*.html")
)
needs_site = pytest.mark.skipif(not (SITE / "index.html").exists(), reason="no site in _build/site; run `make site`")


def on_site(test):
    """A test that needs the built site."""
    return pytest.mark.browser(needs_site(test))


def in_browser(test):
    """A test that needs the built site and Chromium."""
    return on_site(needs_chromium(test))


@contextmanager
def visited(browser, address: str, path: str, *, width: int = 1280, script: bool = True):
    """A page with everything but ``address`` blocked: ``page.trouble`` has complaints, ``page.loaded`` what it got."""
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme="light", java_script_enabled=script
    )
    page = context.new_page()
    page.trouble, page.loaded = [], []

    def route(request):
        if request.request.url.startswith((address, "data:")):
            return request.continue_()
        page.trouble.append(f"asked the network for {request.request.url}")
        return request.abort()

    page.route("**/*", route)
    page.on("console", lambda m: page.trouble.append(f"console: {m.text}") if m.type == "error" else None)
    page.on("pageerror", lambda error: page.trouble.append(f"error: {error}"))
    page.on("response", lambda r: page.trouble.append(f"{r.status} {r.url}") if r.status >= 400 else None)
    page.on("response", lambda r: page.loaded.append(r.url.partition("?")[0].removeprefix(address)))
    page.goto(address + path)
    page.wait_for_load_state("networkidle")
    if script:
        page.evaluate("window.MathJax && MathJax.Hub && new Promise(done => MathJax.Hub.Queue(done))")
    yield page
    context.close()


def weight(places) -> int:
    """Bytes of these files of the site."""
    return sum((SITE / place).stat().st_size for place in set(places) if (SITE / place).is_file())


def own(path: str) -> set[str]:
    """A page's own files: its HTML and its pictures."""
    text = (SITE / path).read_text()
    pictures = re.findall(r'src="([^"]*pictures/[^"]+)"', text)
    return {path} | {
        str((SITE / path).parent.joinpath(each).resolve().relative_to(SITE.resolve())) for each in pictures
    }
