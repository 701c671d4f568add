"""The playground for its readers: networks of their own, bad files, accessibility, a page that stays free."""

import re

import numpy as np
import pytest
import torch
from browser import served
from playground_page import OWN_THREAD, ask, digits, in_browser, opened, settled, verdict

from advbook import paths, web_export
from advutils import models

AXE = paths.build() / "playground" / "node_modules" / "axe-core" / "axe.min.js"
SITE = paths.build() / "site"

# -- a reader's own network ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """Files of a convolutional network with pooling, and of one that is wrong in many ways."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("own")
    for name, make in (("lenet", models.lenet), ("c4", models.c4)):
        web_export.write(folder / f"{name}.js", make().eval(), name=name, title=f"My {name}")
    return folder


@in_browser
@pytest.mark.parametrize("name", ["lenet", "c4"])
def test_a_convolutional_network_of_the_readers_own_answers_as_in_python(name, playground, own):
    page = playground()
    page.set_input_files('[data-do="own"]', own / f"{name}.js")
    page.wait_for_function("document.querySelector('[data-side=right] select').value === 'own'")
    settled(page)
    x, y = digits()
    model = web_export.read(own / f"{name}.js")[0].double()
    requests = [dict(id="own", image=x[k].flatten().tolist(), label=int(y[k])) for k in range(4)]
    logits = np.array([one["logits"] for one in ask(page, "look", requests)])
    leaf = x[:4].clone().requires_grad_()
    z = model(leaf)
    assert np.abs(logits - z.detach().numpy()).max() < 1e-3
    others = z.detach().scatter(1, y[:4, None], -torch.inf).softmax(1).scatter(1, y[:4, None], -1)
    (gradient,) = torch.autograd.grad(z, leaf, others)
    assert np.abs(np.array(ask(page, "gradient", requests)) - gradient.flatten(1).numpy()).max() < 1e-3
    assert page.trouble == []


DAMAGE = {
    "nothing": (lambda text: "", "this is no network's file"),
    "cut": (lambda text: text[:300], "JSON is damaged or cut short"),
    "not JSON": (lambda text: "advbookNetwork({oops});", "JSON is damaged"),
    "another format": (lambda text: text.replace("network 1", "network 2"), 'format is "advbook network 2"'),
    "other pixels": (lambda text: text.replace('"pixels": 784', '"pixels": 64'), "sees 64 pixels"),
    "unknown layer": (lambda text: text.replace('"relu"', '"swish"'), 'unknown kind "swish"'),
    "wrong width": (lambda text: text.replace('"in": 500', '"in": 400'), "takes 400 numbers, the layer before gives"),
    "no size": (lambda text: text.replace('"out": 500', '"out": "x"'), 'needs "out"'),
    "short data": (lambda text: re.sub(r'"data": "[^"]*"', '"data": "AAAA"', text), "too short"),
    "huge": (lambda text: text.replace('"out": 500', '"out": 50000000'), 'needs "out"'),
}


@in_browser
def test_bad_files_get_one_line_and_change_nothing(playground, own, tmp_path):
    page = playground()
    before = verdict(page, "right")
    whole = (own / "lenet.js").read_text()
    for name, (damage, message) in DAMAGE.items():
        text = damage(whole)
        assert text != whole, name
        (tmp_path / "bad.js").write_text(text)
        page.set_input_files('[data-do="own"]', tmp_path / "bad.js")
        page.wait_for_function("m => document.querySelector('.pg-message').textContent.includes(m)", arg=message)
        line = page.inner_text(".pg-message")
        assert line.startswith("bad.js: ") and "\n" not in line, name
    assert verdict(page, "right") == before and page.trouble == []


# -- for everybody -------------------------------------------------------------------------------------------------


def serious(page, within: str) -> list:
    """What axe-core calls serious or critical in a part of the page."""
    page.add_script_tag(content=AXE.read_text())
    found = page.evaluate(
        """part => axe.run(part, {preload: false}).then(
        r => r.violations.map(v => [v.impact, v.id, v.nodes[0].html]))""",
        within,
    )
    return [entry for entry in found if entry[0] in ("serious", "critical")]


@in_browser
@pytest.mark.parametrize("scheme, width", [("light", 1200), ("dark", 1200), ("light", 390), ("dark", 390)])
def test_axe_finds_nothing_serious_and_nothing_overflows(scheme, width, playground):
    if not AXE.exists():
        pytest.skip("axe-core is not here; run `make playground`")
    page = playground(color_scheme=scheme, viewport={"width": width, "height": 844})
    page.click('[data-do="tour"]')
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    settled(page)
    assert serious(page, "body") == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@in_browser
@pytest.mark.skipif(not (SITE / "book" / "playground.html").exists(), reason="no site in _build/site; run `make site`")
@pytest.mark.parametrize("scheme, width", [("light", 1200), ("dark", 390)])
def test_axe_finds_nothing_serious_in_the_books_own_page(scheme, width, playground_browser):
    if not AXE.exists():
        pytest.skip("axe-core is not here; run `make playground`")
    with served(SITE) as place:
        page = opened(
            playground_browser,
            place + "book/playground.html",
            within=place,
            color_scheme=scheme,
            viewport={"width": width, "height": 844},
        )
        page.click('[data-do="tour"]')
        page.evaluate("document.querySelectorAll('.pg details').forEach(d => { d.open = true })")
        settled(page)
        assert serious(page, ".pg") == [] and page.trouble == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.context.close()


# how often the page is painted between a request of its engine and the answer
PAINTED = """async image => {
  const engine = document.querySelector('.advbook-playground').advbookEngine;
  const request = { id: 'maxout', image: Float64Array.from(image), label: 2 };
  let [painted, waiting] = [0, true];
  const tick = () => { if (waiting) { painted++; requestAnimationFrame(tick) } };
  requestAnimationFrame(tick);
  const { passes } = await engine.ask('least', request);
  waiting = false;
  return [painted, passes.forward] }"""


@in_browser
@pytest.mark.parametrize("first, free", [("", True), (OWN_THREAD, False)], ids=["worker", "the page's own thread"])
def test_the_worker_leaves_the_page_free(first, free, playground):
    """During one long answer the page goes on painting; one that computed by itself would not paint once."""
    page = playground("#left=maxout&right=sigmoid", first=first)
    painted, passes = page.evaluate(PAINTED, digits()[0][12].flatten().tolist())
    assert passes > 9 * 40 and (painted >= 5 if free else painted == 0) and page.trouble == []
