"""What would fool a network least, as the playground finds it, and digits that are misread before any attack."""

import numpy as np
import pytest
import torch
from playground_page import PANEL, ask, change, digits, distance, in_browser, load, network, settled, verdict

from advutils import attacks
from advutils.core import norms


def note(page, side: str) -> str:
    return page.inner_text(f"{PANEL.format(side)} .pg-note")


@in_browser
@pytest.mark.parametrize("name", ["sigmoid", "thesis-S", "fgsm-trained"])
def test_the_least_fools_in_python_is_no_longer_than_deepfool_or_pgd_and_ends_at_the_border(name, playground):
    page = playground()
    load(page, name)
    x, y = digits()
    x, y = x[[2, 12, 14]], y[[2, 12, 14]]
    requests = [dict(id=name, image=a.flatten().tolist(), label=int(b)) for a, b in zip(x, y, strict=True)]
    found = ask(page, "least", requests)
    image = torch.tensor(np.array([one["image"] for one in found])).reshape(x.shape)
    length = norms.norm(image - x, 2)
    assert np.allclose([one["length"] for one in found], length, atol=1e-9)
    assert (network(name)(image).argmax(1) != y).all()
    assert (network(name)(x + 0.99 * (image - x)).argmax(1) == y).all()
    own = norms.norm(attacks.deepfool(network(name), x) - x, 2)
    assert np.allclose([one["own"] for one in found], own, atol=1e-3) and (length <= own + 1e-3).all()
    assert [one["missed"] for one in found] == (own > 2 * length).tolist()
    for eps in (0.5, 1.0, 1.5, 2.0, 3.0):
        seen = attacks.pgd(network(name), x, y, eps=eps, step=2.5 * eps / 40, steps=40, p=2)
        fooled = network(name)(seen).argmax(1) != y
        assert (length[fooled] <= eps).all(), eps
    assert all(one["passes"]["forward"] > 9 * 40 for one in found)


@in_browser
def test_deepfool_keeps_its_end_and_is_said_to_have_missed_the_border_and_the_button_shows_the_least(playground):
    page = playground("#left=thesis-S&right=sigmoid&digit=12&attack=deepfool")
    assert distance(page, "left") > 10 and distance(page, "right") < 1
    assert "DeepFool did not come near the border here." in note(page, "left")
    assert "The least found is l2" in note(page, "right") and "did not come near" not in note(page, "right")
    page.click('[data-do="least"]')
    page.wait_for_function("location.hash.includes('attack=least')")
    settled(page)
    assert (
        distance(page, "left") < 2
        and "by PGD" in note(page, "left")
        and "DeepFool itself goes to" in note(page, "left")
    )
    assert "turns into" in verdict(page, "left") and "turns into" in verdict(page, "right")
    change(page, '[data-state="attack"]', "fgsm")
    assert note(page, "left") == ""


@in_browser
@pytest.mark.parametrize("attack", ["step", "deepfool", "least"])
def test_a_digit_that_is_misread_before_any_attack_is_never_a_fooling(attack, playground):
    page = playground(f"#left=thesis-S&right=sigmoid&digit=5&attack={attack}&budget=1")
    assert verdict(page, "left").startswith("Already read as 6 before any attack (it is a 5), after it as ")
    assert page.locator(f"{PANEL.format('left')} .pg-turned, {PANEL.format('left')} .pg-other").count() == 0
    assert page.locator(".pg-summary").last.inner_text().startswith("First network: already read as 6")
    if attack == "least":
        assert distance(page, "left") == 0 and "nothing was looked for" in note(page, "left")


@in_browser
def test_an_attack_is_told_in_passes(playground):
    page = playground("#attack=pgd2&budget=1")
    facts = f"{PANEL.format('left')} .pg-facts"
    assert "40 passes forward and 40 back" in page.inner_text(facts)
    for attack, told in (("fgsm", "1 pass forward and 1 back"), ("noise", "no pass through the network")):
        change(page, '[data-state="attack"]', attack)
        assert told in page.inner_text(facts)
