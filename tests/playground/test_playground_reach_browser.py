"""The playground by finger, by keys and by ear: scrolling leaves it alone, sliders speak, answers stay in view."""

from playground_page import PANEL, change, in_browser, settled, state, verdict

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


# ten frames of the page in which it did not scroll
AT_REST = """() => new Promise(done => { let [at, still] = [scrollY, 0];
  const look = () => { still = scrollY === at ? still + 1 : 0; at = scrollY;
    still < 10 ? requestAnimationFrame(look) : done() };
  requestAnimationFrame(look) })"""


def swipe(page, selector: str, across: int, down: int) -> float:
    """A finger goes down in the middle of a part of the page and moves in ten steps, as the browser sees it; returns
    how far the page scrolled."""
    page.locator(selector).evaluate("part => part.scrollIntoView({block: 'center'})")
    page.evaluate(AT_REST)
    start = page.evaluate("scrollY")
    box = page.locator(selector).bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    session = page.context.new_cdp_session(page)

    def touch(kind, *points):
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": a, "y": b} for a, b in points]})
        page.wait_for_timeout(20)  # the pace of a finger

    touch("touchStart", (x, y))
    for k in range(1, 11):
        touch("touchMove", (x + across * k / 10, y + down * k / 10))
    touch("touchEnd")
    page.evaluate(AT_REST)
    settled(page)
    return page.evaluate("scrollY") - start


@in_browser
def test_a_swipe_scrolls_over_pad_and_sliders_and_draws_only_after_draw_is_pressed(playground):
    page = playground("#attack=step&budget=8", **PHONE)
    for part in (".pg-pad", '[data-state="budget"]', '[data-state="q"]'):
        assert abs(swipe(page, part, 4, -200)) > 50, part
        assert state(page) == {"attack": "step", "budget": "8"}, part  # nothing was set, so nothing was written anew
        values = [page.input_value(f'[data-state="{name}"]') for name in ("budget", "q")]
        assert values == ["800", "0.5"], part
    swipe(page, '[data-state="budget"]', -80, 4)  # sideways it is the slider's
    assert float(state(page)["budget"]) < 6
    page.tap('[data-do="draw"]')
    assert swipe(page, ".pg-pad", 4, -60) == 0
    assert state(page)["digit"] == "drawn"


@in_browser
def test_a_new_digit_clears_the_pad_and_clearing_goes_back_to_the_digit(playground):
    page = playground("#digit=3")
    page.focus('[data-do="draw"]')
    page.keyboard.press("Space")
    assert page.get_attribute('[data-do="draw"]', "aria-pressed") == "true"
    page.focus(".pg-pad")
    for key in [" ", *["ArrowUp"] * 8, " "]:
        page.keyboard.press(key)
    page.wait_for_function("location.hash.includes('pixels')")
    settled(page)
    page.click('[data-do="clear"]')
    assert state(page)["digit"] == "3"
    page.focus(".pg-pad")
    for key in [" ", *["ArrowUp"] * 8, " "]:
        page.keyboard.press(key)
    page.wait_for_function("location.hash.includes('pixels')")
    page.click(".pg-digits button >> nth=4")
    assert state(page)["digit"] == "4"
    page.locator(".pg-pad").blur()
    inked = page.eval_on_selector(
        ".pg-pad", "c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some((v, k) => k % 4 < 3 && v)"
    )
    assert not inked and page.get_attribute('[data-do="draw"]', "aria-pressed") == "false"


@in_browser
def test_sliders_have_names_and_say_their_values(playground):
    page = playground("#attack=step&budget=1&smooth=true")
    for name, title, value in (
        ("budget", "Budget", "budget 1, l2 norm"),
        ("q", "Norm", "norm 2"),
        ("alpha", "Smoothness", "smoothness 0.95"),
    ):
        slider = page.get_by_role("slider", name=title, exact=True)
        assert slider.get_attribute("data-state") == name and slider.get_attribute("aria-valuetext") == value
    change(page, '[data-state="q"]', "0")
    assert page.get_attribute('[data-state="budget"]', "aria-valuetext").endswith(", l-infinity norm")


@in_browser
def test_digits_are_one_stop_of_the_tab_key_and_arrows_move_inside(playground):
    page = playground("#digit=3")
    stops = "() => [...document.querySelectorAll('.pg-digits button')].flatMap((b, k) => b.tabIndex === 0 ? [k] : [])"
    here = "() => [...document.querySelectorAll('.pg-digits button')].indexOf(document.activeElement)"
    assert page.evaluate(stops) == [3]
    page.focus(".pg-digits button >> nth=3")
    for key, place in (("ArrowRight", 4), ("ArrowDown", 14), ("ArrowLeft", 13), ("Home", 0), ("ArrowLeft", 0)):
        page.keyboard.press(key)
        assert page.evaluate(here) == place and page.evaluate(stops) == [place]
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    assert state(page)["digit"] == "19"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.dataset.do") == "morph"
    assert page.get_attribute(".pg-digits button >> nth=13", "aria-label") == "3, one that could be an 8"


@in_browser
def test_answers_stay_in_view_on_a_phone_and_a_clipped_way_is_told(playground):
    page = playground("#digit=12&left=sigmoid&right=sigmoid-p2&attack=step&budget=10", **PHONE)
    for part in (".pg-digits", '[data-state="budget"]', f"{PANEL.format('right')} .pg-answers"):
        page.locator(part).evaluate("part => part.scrollIntoView({block: 'center'})")
        box = page.locator(".pg-edge").bounding_box()
        assert 0 <= box["y"] and box["y"] + box["height"] <= 845
        assert page.inner_text(".pg-edge") == "First network: 2 → 1. Second network: 2 → 7."
    note = f"{PANEL.format('right')} .pg-note"
    assert page.inner_text(note) == "Budget 10, way 5.93: pixels end at 0 and 1."
    page.tap('[data-state="clip"]')
    page.wait_for_function("""!document.querySelector('[data-state="clip"]').checked""")
    settled(page)
    assert page.inner_text(note) == "" and "turns into" in verdict(page, "right")


@in_browser
def test_morph_and_the_answers_stand_beside_the_digits(playground):
    page = playground()
    page.locator(".pg-digits").evaluate("part => part.scrollIntoView()")
    for part in ('[data-do="morph"]', ".pg-status"):
        box = page.locator(part).bounding_box()
        assert 0 <= box["y"] and box["y"] + box["height"] <= 900
    assert not page.locator(".pg-edge").is_visible()
