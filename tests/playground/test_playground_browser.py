"""Each network and attack of the playground in Chromium, on its twenty digits, beside advutils on the same weights."""

import base64

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from browser import chromium, served
from playground_page import FOLDER, NAMES, ask, contents, digits, in_browser, load, network, opened

from advutils import attacks
from advutils.attacks import ascent_direction
from advutils.core import norms
from advutils.filters.smoothing import ImageSmoother

NEAR = 1e-3  # of logits, gradients and pixels


def common() -> torch.Tensor:
    steps = np.frombuffer(base64.b64decode(contents()["common"]["steps"]), np.int8)
    return torch.from_numpy(steps.copy()).double().reshape(1, 1, 28, 28) / 127


# the page's settings of each attack, and the same in Python
STRENGTHS = {
    "step": [
        dict(budget=30.0, p=1),
        dict(budget=8.0, p=1.5),
        dict(budget=3.0, p=2),
        dict(budget=1.0, p=4),
        dict(budget=0.15, p="inf"),
    ],
    "fgsm": [dict(budget=0.1)],
    "pgd2": [dict(budget=2.0)],
    "pgdinf": [dict(budget=0.1)],
    "deepfool": [dict(budget=0)],
    "universal": [dict(budget=0.3)],
}


def attacked(name, model, x, y, *, budget, p=2):
    walk = dict(eps=budget, step=2.5 * budget / 40, steps=40)
    return {
        "step": lambda: attacks.fgsm(model, x, y, eps=budget, p=float(p)),
        "fgsm": lambda: attacks.fgsm(model, x, y, eps=budget),
        "pgd2": lambda: attacks.pgd(model, x, y, **walk, p=2),
        "pgdinf": lambda: attacks.pgd(model, x, y, **walk),
        "deepfool": lambda: attacks.deepfool(model, x),
        "universal": lambda: (x + budget * common()).clamp(0, 1),
    }[name]()


@pytest.fixture(scope="module", params=["http", "file"])
def page(request):
    with chromium() as browser, served(FOLDER) as address:
        page = opened(browser, address + "index.html" if request.param == "http" else (FOLDER / "index.html").as_uri())
        for name in NAMES:
            load(page, name)
        yield page


def pixels(image: torch.Tensor) -> list[float]:
    return image.flatten().tolist()


def run(page, name, attack, **settings):
    """What the page shows of the attack on each of the twenty digits."""
    plain = dict(seed=1, clip=True, smooth=False, alpha=0.95, p=2)
    if attack == "universal":
        settings["common"] = pixels(common())
    x, y = digits()
    settings = plain | {"attack": attack} | settings
    return ask(
        page,
        "run",
        [
            dict(id=name, image=pixels(image), label=int(label), settings=settings)
            for image, label in zip(x, y, strict=True)
        ],
    )


def near(found: list[list[float]], wanted: torch.Tensor) -> bool:
    return np.abs(np.array(found) - wanted.flatten(1).numpy()).max() < NEAR


@in_browser
@pytest.mark.parametrize("name", NAMES)
def test_logits_and_gradients_are_those_of_python(page, name):
    x, y = digits()
    logits = network(name)(x)
    slopes = ascent_direction(network(name), x, y)
    requests = [dict(id=name, image=pixels(image), label=int(label)) for image, label in zip(x, y, strict=True)]
    seen = ask(page, "look", requests)
    assert near([one["logits"] for one in seen], logits)
    assert near([[one["loss"]] for one in seen], F.cross_entropy(logits, y, reduction="none")[:, None])
    assert near(ask(page, "gradient", requests), slopes)
    assert page.trouble == []


@in_browser
@pytest.mark.parametrize("attack", STRENGTHS)
@pytest.mark.parametrize("name", NAMES)
def test_perturbations_and_answers_are_those_of_python(page, name, attack):
    x, y = digits()
    for settings in STRENGTHS[attack]:
        wanted = attacked(attack, network(name), x, y, **settings)
        logits = network(name)(wanted)
        seen = run(page, name, attack, **settings)
        assert near([one["image"] for one in seen], wanted), settings
        assert near([one["after"]["logits"] for one in seen], logits), settings
        assert [one["after"]["found"] for one in seen] == logits.argmax(1).tolist()
        for p, distance in ((1, "l1"), (2, "l2"), ("inf", "linf")):
            assert near([[one["distances"][distance]] for one in seen], norms.norm(wanted - x, p)[:, None])
        for end, images in ((0, x), (-1, wanted)):
            losses = F.cross_entropy(network(name)(images), y, reduction="none")
            assert near([[one["path"][end]] for one in seen], losses[:, None])


@in_browser
def test_a_smoothed_perturbation_is_that_of_pythons_smoother(page):
    x, y = digits()
    for alpha in (0.5, 0.95):
        smoother = ImageSmoother(x, kernel="laplacian", bandwidth=10.0, alpha=alpha, method="dense")
        r = attacks.pgd(network("thesis-S"), x, y, eps=2.0, step=0.125, steps=40, p=2) - x
        soft = smoother(r)
        wanted = (x + soft * norms.per_example(norms.norm(r, 2) / norms.norm(soft, 2), soft)).clamp(0, 1)
        seen = run(page, "thesis-S", "pgd2", budget=2.0, smooth=True, alpha=alpha)
        assert near([one["image"] for one in seen], wanted)


@in_browser
def test_noise_has_its_deviation_and_its_seed_and_the_answer_is_pythons(page):
    x, _ = digits()
    seen, same, other = (
        [one["image"] for one in run(page, "thesis-S", "noise", budget=0.3, clip=False, seed=seed)]
        for seed in (1, 1, 2)
    )
    r = torch.tensor(seen, dtype=torch.double) - x.flatten(1)
    assert abs(r[0].std().item() - 0.3) < 0.03 and abs(r[0].mean().item()) < 0.04  # three standard errors or more
    assert seen == same != other
    logits = network("thesis-S")((x.flatten(1) + r).reshape(x.shape))
    found = run(page, "thesis-S", "noise", budget=0.3, clip=False, seed=1)
    assert near([one["after"]["logits"] for one in found], logits)


@in_browser
def test_without_the_box_the_step_is_the_papers_which_does_not_clip(page):
    x, y = digits()
    step = 10 * norms.steepest(ascent_direction(network("thesis-S"), x, y), 2)
    assert near([one["image"] for one in run(page, "thesis-S", "step", budget=10.0, clip=False)], x + step)
