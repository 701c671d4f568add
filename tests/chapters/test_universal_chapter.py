"""Splits, windows and cached perturbations of the chapter on universal perturbations, with tiny networks."""

import pytest
import torch
from torch import nn

from advbook.chapters.universal_perturbations import fooling as chapter
from advbook.chapters.universal_perturbations import theory
from advutils.core import runtime

WHERE = dict(data="photographs", split=0, training=60)
NAMES = ["photographs-0", "photographs-1"]


@pytest.fixture
def small(monkeypatch, tmp_path):
    """Linear networks in place of trained ones, and a cache of their own; counts how often a network is asked for."""
    asked = []

    def network(name):
        asked.append(name)
        with runtime.seeded(int(name[-1])):
            return nn.Sequential(nn.AvgPool2d(4), nn.Flatten(), nn.Linear(3 * 11 * 11, 6)).eval()

    chapter._clean.cache_clear()
    monkeypatch.setattr(chapter, "network", network)
    monkeypatch.setattr(theory, "network_named", network)
    monkeypatch.setattr(runtime, "cache_root", lambda: tmp_path)
    return asked


def spec(**changes):
    given = dict(method="deepfool", networks=NAMES[:1], augment=True, p="inf", passes=2, num_classes=6)
    return given | WHERE | changes


def test_a_split_has_every_image_once_and_repeats():
    (inside, outside), other = chapter.frames(**WHERE), chapter.frames(**WHERE | {"split": 1})
    whole = torch.cat([inside, outside])
    assert len(inside) == 60 and torch.equal(*(x.flatten(1).unique(dim=0) for x in (whole, torch.cat(other))))
    assert torch.equal(inside, chapter.frames(**WHERE)[0]) and not torch.equal(inside, other[0])
    with pytest.raises(ValueError, match="training"):
        chapter.frames(**WHERE | {"training": len(whole)})


def test_windows_are_parts_of_their_frames_mirrored_or_not():
    frames = torch.arange(48 * 48, dtype=torch.float32).reshape(1, 1, 48, 48).expand(200, 3, 48, 48)
    crops = chapter.random_crops(frames, runtime.generator(0), side=44)
    corners = set()
    for crop in crops:
        crop = crop if crop[0, 0, 0] < crop[0, 0, 1] else crop.flip(-1)
        top, left = divmod(int(crop[0, 0, 0]), 48)
        assert torch.equal(crop, frames[0, :, top : top + 44, left : left + 44])
        corners.add((top, left))
    mirrored = (crops[:, 0, 0, 0] > crops[:, 0, 0, 1]).double().mean()
    assert corners == {(top, left) for top in range(5) for left in range(5)} and 0.35 < mirrored < 0.65
    assert torch.equal(chapter.centre(frames, 44)[0], frames[0, :, 2:46, 2:46])


def test_a_perturbation_is_made_once_and_then_read(small, monkeypatch):
    made = chapter.perturbation(**spec())
    monkeypatch.setattr("advutils.attacks.universal._add_increments", lambda *args: pytest.fail("made again"))
    again = chapter.perturbation(**spec())
    assert torch.equal(made.perturbation, again.perturbation) and made.history == again.history
    assert len(made.history) == 2 and made.perturbation.shape == (3, 44, 44)


def test_fine_tuning_starts_where_the_other_ended(small):
    first = spec(passes=1)
    moved = chapter.perturbation(**spec(networks=NAMES[1:], passes=1, after=first))
    fresh = chapter.perturbation(**spec(networks=NAMES[1:], passes=1))
    assert not torch.equal(moved.perturbation, fresh.perturbation)
    assert moved.history[0]["training"] != fresh.history[0]["training"]


def test_a_record_says_whom_a_perturbation_fools(small):
    values, arrays = chapter.fooling(targets=NAMES, **spec(networks=NAMES, schedule="cyclic"))
    made = chapter.perturbation(**spec(networks=NAMES, schedule="cyclic"))
    means = [sum(counts["held out"]) / 2 for counts in values["history"]]
    assert values["rates"] == values["history"][-1]["held out"]  # the targets are the networks it was made on
    assert values["best"] == max(means) and values["last"] == means[-1]
    assert values["mean"] == pytest.approx(255 * made.perturbation.abs().mean().item())
    assert 0 < values["saturated"] <= 1 and values["mean"] <= 10.001
    back = (torch.from_numpy(arrays["perturbation"]).double() / 127.5 - 1) * made.perturbation.abs().max()
    assert (back - made.perturbation).abs().max() <= 0.51 / 127.5 * made.perturbation.abs().max()


def test_the_ends_of_a_mixture_are_the_perturbations(small):
    first, second = spec(), spec(networks=NAMES[1:])
    found = chapter.interpolated(first=first, second=second, shares=[0.0, 0.5, 1.0], targets=NAMES, rescaled=False)
    alone = [chapter.fooling(targets=NAMES, **one)[0]["rates"] for one in (second, first)]
    assert [found["rates"][0], found["rates"][-1]] == alone
    inner = found["rates"][1]
    assert found["gain"] == min(inner[0] - alone[1][0], inner[1] - alone[0][1])
    with pytest.raises(ValueError, match="targets must begin"):
        chapter.interpolated(first=first, second=second, shares=[0.5], targets=NAMES[::-1], rescaled=False)


def test_noise_is_the_mean_over_its_draws(small):
    found = chapter.noise(targets=NAMES, eps=10 / 255, draws=3, **WHERE)
    means = [sum(column) / 3 for column in zip(*found["rates"], strict=True)]
    assert len(found["rates"]) == 3 and found["mean"] == pytest.approx(means)


def test_the_spectrum_of_a_linear_network_has_few_directions(small):
    """The normals of six classes' boundaries span five dimensions; clipping to [0, 1] leads a little out of them."""
    values, arrays = theory.spectrum(
        network=NAMES[0], images=40, num_classes=6, dimensions=[1, 5, 20], draws=2, length=3.0, seed=0, **WHERE
    )
    squares = arrays["found"] ** 2
    assert squares.sum() == pytest.approx(len(squares))  # rows of length 1
    assert squares[:5].sum() > 0.99 * squares.sum() and squares[:4].sum() < 0.99 * squares.sum()
    assert (arrays["random"] > 0.8).all() and (arrays["random"] < 1.2).all()
    assert values["last"] == 20 and len(values["rates"]) == 3 and values["steps"] < 1.5
