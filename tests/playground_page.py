"""For the tests of the playground: its page in headless Chromium, over http and from file://, and Python's answers."""

import base64
import functools
import json

import numpy as np
import pytest
import torch
from browser import chromium, needs_chromium, served

from advbook import paths, web_export
from advbook.chapters.playground.networks import NETWORKS

FOLDER = paths.root() / "book" / "_static" / "playground"
NAMES = list(NETWORKS)
PANEL = '[data-side="{}"]'
# a Worker that computes on the page's own thread, as soon as it is asked
OWN_THREAD = """window.Worker = class {
  constructor(address) {
    const asked = new XMLHttpRequest();
    asked.open('GET', address, false);
    asked.send();
    this.self = { postMessage: data => this.onmessage({ data }) };
    new Function('self', asked.responseText)(this.self);
  }
  postMessage(data) { this.self.onmessage({ data }) }
}"""


def in_browser(test):
    """A test that needs Chromium, and no built site: the playground's own page is committed."""
    return pytest.mark.browser(needs_chromium(test))


@functools.cache
def contents() -> dict:
    """What contents.js says."""
    text = (FOLDER / "contents.js").read_text()
    return json.loads(text.removeprefix("advbookContents = ").rstrip().removesuffix(";"))


def digits() -> tuple[torch.Tensor, torch.Tensor]:
    """The twenty digits, float64 (20, 1, 28, 28) in [0, 1], and their labels."""
    pixels = [np.frombuffer(base64.b64decode(digit["pixels"]), np.uint8) for digit in contents()["digits"]]
    images = torch.from_numpy(np.stack(pixels).copy()).double() / 255
    return images.reshape(-1, 1, 28, 28), torch.tensor([digit["label"] for digit in contents()["digits"]])


@functools.cache
def network(name: str) -> torch.nn.Module:
    """The network of a committed file, in double precision."""
    return web_export.read(FOLDER / "networks" / f"{name}.js")[0].double()


def opened(browser, address: str, *, within: str | None = None, first: str = "", **context):
    """A page with everything outside ``within`` (default: its folder) blocked, once both networks have answered; the
    script ``first`` runs before its own. ``page.trouble`` has complaints and ``page.asked`` what it loaded."""
    page = browser.new_context(**{"viewport": {"width": 1200, "height": 900}} | context).new_page()
    if first:
        page.add_init_script(first)
    page.trouble, page.asked = [], []

    def route(request):
        url = request.request.url
        page.asked.append(url)
        if url.startswith((within or address.partition("index.html")[0], "data:", "blob:")):
            return request.continue_()
        page.trouble.append(f"asked for {url}")
        return request.abort()

    page.route("**/*", route)
    page.on("console", lambda m: page.trouble.append(f"console: {m.text}") if m.type == "error" else None)
    page.on("pageerror", lambda error: page.trouble.append(f"error: {error}"))
    page.on("response", lambda r: page.trouble.append(f"{r.status} {r.url}") if r.status >= 400 else None)
    page.goto(address)
    settled(page)
    return page


def settled(page) -> None:
    """Wait until both networks have answered what the page asks now. What a reader does marks the panels as busy before
    it returns, so there is no moment to wait for in between."""
    page.wait_for_function("""() => [...document.querySelectorAll('.pg-panel')].every(
        p => !p.hasAttribute('aria-busy') && p.querySelector('tbody tr'))""")


def ask(page, task: str, requests: list[dict]) -> list:
    """What the page's worker answers to each request; arrays come as lists. All in one call, which is much faster."""
    return page.evaluate(
        """async ([task, requests]) => {
      const engine = document.querySelector('.advbook-playground').advbookEngine;
      const plain = v => ArrayBuffer.isView(v) ? [...v] : Array.isArray(v) ? v.map(plain)
        : v && typeof v === 'object'
        ? Object.fromEntries(Object.entries(v).filter(([k]) => k !== 'r').map(([k, w]) => [k, plain(w)])) : v;
      return Promise.all(requests.map(request => {
        request.image = Float64Array.from(request.image);
        if (request.settings?.common) request.settings.common = Float64Array.from(request.settings.common);
        if (request.settings?.p === 'inf') request.settings.p = Infinity;
        return engine.ask(task, request).then(plain) })) }""",
        [task, requests],
    )


def load(page, name: str) -> None:
    """Load a committed network into the worker, the way the page does."""
    page.evaluate(
        """async name => {
      const folder = new URL('.', document.querySelector('script[src$="playground.js"]').src).href;
      await document.querySelector('.advbook-playground').advbookEngine.load(name, folder); }""",
        name,
    )


@pytest.fixture(scope="module")
def playground_browser():
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def playground_address():
    with served(FOLDER) as found:
        yield found + "index.html"


@pytest.fixture
def playground(playground_browser, playground_address):
    """Open the playground's own page at a link."""
    pages = []

    def go(hash_="", *, where=playground_address, **context):
        pages.append(opened(playground_browser, where + hash_, **context))
        return pages[-1]

    yield go
    for page in pages:
        page.context.close()


def change(page, selector: str, value: str) -> None:
    """Set a slider or a select, as a reader does, and wait for the answer."""
    page.eval_on_selector(
        selector,
        """(control, value) => { control.value = value;
        control.dispatchEvent(new Event('input', {bubbles: true})) }""",
        value,
    )
    settled(page)


def state(page) -> dict:
    """What the address says; it is written 200 ms after the last change, so before this later timer of the page."""
    page.evaluate("new Promise(done => setTimeout(done, 250))")
    return dict(part.split("=", 1) for part in page.evaluate("location.hash.slice(1)").split("&") if part)


def verdict(page, side: str) -> str:
    return page.inner_text(f"{PANEL.format(side)} .pg-verdict")


def distance(page, side: str) -> float:
    return float(page.inner_text(f'{PANEL.format(side)} [data-distance="l2"]'))
