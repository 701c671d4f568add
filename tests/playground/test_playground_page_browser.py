"""The playground's page: what it loads, how fast it is, its links and keys, drawing, the tour."""

import numpy as np
import pytest
import torch
from playground_page import (
    FOLDER,
    NAMES,
    OWN_THREAD,
    PANEL,
    ask,
    change,
    digits,
    distance,
    in_browser,
    load,
    settled,
    state,
    verdict,
)

from advutils.core import norms

# -- loading -------------------------------------------------------------------------------------------------------


@in_browser
@pytest.mark.parametrize("where", ["http", "file"])
def test_before_anything_is_chosen_a_megabyte_at_most_is_loaded_and_nothing_foreign(
    where, playground, playground_address
):
    place = playground_address if where == "http" else (FOLDER / "index.html").as_uri()
    page = playground(where=place)
    base = place.removesuffix("index.html")
    loaded = {url.removeprefix(base) for url in page.asked if url.startswith(base)}
    assert {"index.html", "contents.js", "playground.js", "playground.css"} <= loaded and page.trouble == []
    assert sum((FOLDER / name).stat().st_size for name in loaded) <= 1e6
    change(page, f"{PANEL.format('left')} select", "maxout")  # a network comes when it is chosen
    assert base + "networks/maxout.js" in page.asked and page.trouble == []


@in_browser
def test_a_network_that_cannot_be_loaded_is_said_and_the_page_goes_on(playground):
    page = playground()
    page.route("**/networks/maxout.js", lambda route: route.abort())
    page.select_option(f"{PANEL.format('left')} select", "maxout")
    page.wait_for_selector(".pg-message:visible")
    assert "networks/maxout.js cannot be loaded" in page.inner_text(".pg-message")
    change(page, f"{PANEL.format('left')} select", "thesis-A")
    assert page.locator(".pg-message").is_hidden()


@in_browser
@pytest.mark.parametrize("name", NAMES)
def test_a_pass_fits_into_a_frame_and_forty_steps_into_half_a_second(name, playground):
    """By the processor's time, which other programs on the machine do not lengthen: on the page's own thread, whose
    time the browser tells."""
    page = playground(first=OWN_THREAD)
    load(page, name)
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    x, y = digits()
    image = dict(id=name, image=x[0].flatten().tolist(), label=int(y[0]))

    def seconds(task, request, times):
        started = spent(session)
        ask(page, task, [request] * times)
        return (spent(session) - started) / times

    settings = dict(attack="pgdinf", budget=0.1, p=2, clip=True, smooth=False)
    seconds("look", image, 5)  # the first rounds run code that is not optimised yet
    forward, found = seconds("look", image, 20), seconds("run", image | {"settings": settings}, 3)
    print(f"{name}: a pass {1000 * forward:.2f} ms, 40 steps of PGD {found / forward:.0f} passes")
    assert 0 < forward < 0.016 and forward < found < 0.5


def spent(session) -> float:
    """Seconds of a processor that the page's thread has taken."""
    told = session.send("Performance.getMetrics")["metrics"]
    return next(one["value"] for one in told if one["name"] == "ThreadTime")


# -- what the reader does ------------------------------------------------------------------------------------------


@in_browser
def test_a_link_holds_the_state(playground):
    page = playground()
    change(page, '[data-state="attack"]', "step")
    change(page, '[data-state="q"]', "0.25")
    change(page, '[data-state="budget"]', "500")
    page.click('[data-state="clip"]')
    page.click(".pg-digits button >> nth=7")
    change(page, f"{PANEL.format('right')} select", "thesis-A")
    told, seen = state(page), [verdict(page, "right"), distance(page, "right")]
    assert told | {"digit": "7", "q": "0.25", "clip": "false", "right": "thesis-A"} == told
    again = playground("#" + "&".join(f"{name}={value}" for name, value in told.items()))
    assert [verdict(again, "right"), pytest.approx(distance(again, "right"), rel=0.01)] == seen


@in_browser
def test_a_link_that_nobody_made_opens_the_page_as_at_the_start(playground):
    page = playground("#digit=99&left=nobody&attack=constructor&budget=-1&q=7&pixels=!&seed=x")
    assert page.trouble == [] and page.input_value('[data-state="attack"]') == "step"
    assert page.get_attribute(".pg-digits button >> nth=12", "aria-pressed") == "true"
    assert playground("#attack=pgdinf&budget=x").inner_text('[data-for="budget"] .pg-value') == "0.1 (l∞)"


@in_browser
@pytest.mark.parametrize("attack, budget", [("pgdinf", "0.1"), ("noise", "1"), ("step", "1"), ("universal", "0.5")])
def test_a_budget_survives_a_link(attack, budget, playground):
    page = playground(f"#attack={attack}&budget={budget}")
    page.click(".pg-digits button >> nth=3")
    assert state(page)["budget"] == budget
    assert page.inner_text('[data-for="budget"] .pg-value').startswith(f"{budget} ")


def seen(page) -> np.ndarray:
    """The image that the networks see, (28, 28) from 0 to 255."""
    return np.array(
        page.eval_on_selector(
            ".pg-seen",
            """canvas => {
        const data = canvas.getContext('2d').getImageData(0, 0, 28, 28).data;
        return [...Array(784)].map((_, k) => data[4 * k]) }""",
        )
    ).reshape(28, 28)


def assert_like_mnist(image: np.ndarray) -> None:
    rows, columns = np.nonzero(image)
    assert max(np.ptp(rows), np.ptp(columns)) + 1 == 20  # the larger side of the box
    mass = image / image.sum()
    centre = [(mass.sum(1) * (np.arange(28) + 0.5)).sum(), (mass.sum(0) * (np.arange(28) + 0.5)).sum()]
    assert np.abs(np.array(centre) - 14).max() <= 0.5  # whole pixels are moved


@in_browser
def test_what_is_drawn_becomes_a_digit_as_mnists_are_and_a_link_holds_it(playground):
    page = playground()
    page.click('[data-do="draw"]')
    box = page.locator(".pg-pad").bounding_box()
    at = [(0.2, 0.15), (0.7, 0.15), (0.4, 0.6)]  # a 7, off the centre
    at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in at]
    page.mouse.move(*at[0])
    page.mouse.down()
    for place in at[1:]:
        page.mouse.move(*place, steps=8)
    page.mouse.up()
    page.wait_for_function("location.hash.includes('pixels')")
    settled(page)
    image = seen(page)
    assert_like_mnist(image)
    assert page.trouble == []
    again = playground(page.evaluate("location.hash"))
    assert (seen(again) == image).all() and state(again)["digit"] == "drawn"


@in_browser
def test_the_keyboard_draws_chooses_and_moves_everything(playground):
    page = playground()
    page.focus('[data-do="draw"]')
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className").startswith("pg-pad")
    for key in [" ", *["ArrowUp"] * 8, " "]:
        page.keyboard.press(key)
    page.wait_for_function("location.hash.includes('pixels')")
    assert_like_mnist(seen(page))
    page.focus(".pg-digits button >> nth=3")
    page.keyboard.press("Enter")
    page.focus('[data-state="budget"]')
    page.keyboard.press("ArrowRight")
    page.focus('[data-do="least"]')
    page.keyboard.press("Space")
    page.wait_for_function("location.hash.includes('attack=least')")
    settled(page)
    assert state(page)["digit"] == "3" and page.trouble == []
    controls = ".pg :is(:not(.pg-digits) > button, select, input, textarea, summary, circle.handle)"
    assert page.eval_on_selector_all(controls, "all => all.every(e => e.tabIndex >= 0)")


@in_browser
def test_the_gradient_of_the_plane_moves_by_keys_and_epsilon_is_that_of_the_formula(playground):
    page = playground()
    page.click("text=The unit ball of Eq. (3)")
    page.focus("circle.handle")
    for _ in range(3):
        page.keyboard.press("ArrowUp")
    for share, p in (("0.5", 2), ("0", "inf"), ("0.25", 4), ("1", 1)):
        change(page, '[data-state="ball"]', share)
        wanted = norms.steepest(torch.tensor([[0.9, 0.75]], dtype=torch.double), float(p))[0]
        assert f"epsilon ({wanted[0]:.2f}, {wanted[1]:.2f})" in page.inner_text(".pg-says")
        assert "gradient (0.90, 0.75)" in page.get_attribute("circle.handle", "aria-label")


@in_browser
@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_motion_is_reduced_for_those_who_ask(motion, playground):
    page = playground(reduced_motion=motion)
    page.evaluate("""() => { window.shown = 0;
        document.querySelector('.pg').addEventListener('advbook-shown', () => { shown++ }) }""")
    page.click('[data-do="morph"]')
    page.wait_for_function("document.querySelector('[data-for=budget] .pg-value').textContent.startsWith('10 ')")
    settled(page)
    assert page.evaluate("shown") == 1 if motion == "reduce" else page.evaluate("shown") > 10


# -- somebody who has never seen the page ---------------------------------------------------------------------------


@in_browser
def test_a_2_becomes_a_7_in_two_clicks(playground):
    page = playground()
    assert verdict(page, "right") == "Reads 2 before and after"
    page.click(".pg-digits button >> nth=12")
    page.click('[data-do="morph"]')
    page.wait_for_function("document.querySelector('[data-side=right] .pg-verdict').textContent === '2 turns into 7'")


@in_browser
def test_it_can_be_embedded_and_answers_there(playground_browser, playground_address, playground):
    page = playground()
    snippet = page.input_value('[data-do="snippet"]')
    page.set_content(snippet)
    frame = page.frame_locator("iframe")
    frame.locator(".pg-panel tbody tr").first.wait_for()
    assert (
        "before and after" in frame.locator(".pg-verdict").first.inner_text()
        or "turns" in frame.locator(".pg-verdict").first.inner_text()
    )
