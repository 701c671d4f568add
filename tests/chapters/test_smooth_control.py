"""What smoothing does alone: attacks paired by image, sure networks, the floor at the size of the attack."""

import numpy as np
import pytest
import torch
from torch import nn

from advbook.chapters.smooth_adversarial import control
from advutils import attacks
from advutils.core import norms
from advutils.evaluation import distortion
from advutils.filters.smoothing import ImageSmoother

SEARCH = dict(steps=15, search_steps=2, initial_const=5.0, confidence=0.0, abort_early=False)
MILD = dict(kernel="gaussian", bandwidth=10.0, alpha=0.9, method="dense")
NONE = dict(kernel="gaussian", bandwidth=10.0, alpha=0.0, method="cg", iterations=1)
CALLS = {
    "tanh": dict(attack="carlini_wagner", options=SEARCH, smoothing={}),
    "clip": dict(attack="carlini_wagner", options=SEARCH | {"variable": "clip"}, smoothing={}),
    "squared": dict(attack="smooth_carlini_wagner", options=SEARCH | {"penalty": "squared"}, smoothing=MILD),
    "unsmoothed": dict(attack="smooth_carlini_wagner", options=SEARCH | {"penalty": "squared"}, smoothing=NONE),
}
PAIRS = [["clip", "tanh"], ["squared", "clip"], ["unsmoothed", "clip"]]


@pytest.fixture
def small(monkeypatch):
    """A network for 6 x 6 pixels and the images that it gets right, in place of a trained one."""
    torch.manual_seed(3)
    model = nn.Sequential(nn.Flatten(), nn.Linear(36, 12), nn.Tanh(), nn.Linear(12, 3)).eval()
    x = torch.rand(9, 1, 6, 6)
    with torch.no_grad():
        y = model(x).argmax(1)
    monkeypatch.setattr(control, "network_and_images", lambda **_: (model, x, y, torch.arange(9)))
    return model, x, y


def test_two_attacks_are_compared_on_the_images_that_both_fool():
    first, second = np.array([1.0, 3.0, np.inf, 2.0, np.inf]), np.array([2.0, 2.0, 1.0, np.inf, np.inf])
    found = distortion.compared(first, second)
    assert found["ratio"] == pytest.approx(4 / 4) and found["kept"] == 0.4
    assert found["shorter"] == 2 / 4  # the first image, and the fourth, where the second attack fails
    assert (found["only_first"], found["only_second"]) == (1, 1)
    low, high = found["interval"]
    assert low == 0.5 and high == 1.5 and distortion.compared(first, second) == found
    assert distortion.compared(second, second)["interval"] == [1, 1]
    nothing = distortion.compared(np.array([np.inf]), np.array([1.0]))
    assert nothing["ratio"] is None and nothing["interval"] is None and nothing["shorter"] == 0
    assert distortion.compared(np.array([np.inf]), np.array([np.inf]))["shorter"] is None
    with pytest.raises(ValueError, match="same images"):
        distortion.compared(first, second[:2])


def test_pairing_is_by_image_and_the_attacks_are_the_plain_calls(small):
    model, x, y = small
    values, arrays = control.paired(calls=CALLS, rates=[0.1, 0.02], pairs=PAIRS, network="small")
    assert arrays["lengths"].shape == (4, 2, 9) and arrays["lengths"].dtype == np.float16
    fooled = np.unpackbits(arrays["fooled"], axis=-1)[..., :9].astype(bool)
    np.testing.assert_array_equal(fooled, np.isfinite(arrays["lengths"]))
    for row, call, given in ((2, "tanh", {}), (0, "clip", {"variable": "clip"})):  # rows in the order of the names
        moved = attacks.carlini_wagner(model, x, y, lr=0.02, **SEARCH, **given)
        with torch.no_grad():
            won = model(moved).argmax(1) != y
        expected = torch.where(won, norms.norm(moved - x), torch.inf)
        np.testing.assert_allclose(arrays["lengths"][row, 1], expected.half().numpy(), rtol=1e-3)
        assert values["success"][call][1] == won.double().mean().item()
        assert values["distortion"][call][1] == pytest.approx(expected[won].mean().item())
    a, b = arrays["lengths"][[0, 2], 1].astype(float)
    both = np.isfinite(a) & np.isfinite(b)
    assert both.any()
    pair = values["pairs"]["clip/tanh"]
    assert pair["ratio"][1] == pytest.approx(a[both].mean() / b[both].mean(), rel=2e-3)
    assert pair["kept"][1] == both.mean() and len(pair["interval"]) == 2
    best = arrays["lengths"].astype(float).min(axis=1)
    both = np.isfinite(best[[0, 2]]).all(0)
    assert values["best"]["clip/tanh"]["ratio"] == pytest.approx(best[0][both].mean() / best[2][both].mean(), rel=2e-3)
    assert values["closest"]["clip"]["success"] >= max(values["success"]["clip"])
    assert values["pairs"]["unsmoothed/clip"]["ratio"] == pytest.approx([1, 1], abs=1e-4)  # alpha 0 smooths nothing
    assert values["pairs"]["squared/clip"]["ratio"][0] != pytest.approx(1, abs=1e-3)


def test_an_image_counts_under_its_own_number(monkeypatch):
    """Images that the network gets wrong are left out, and the others keep their numbers."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    x, y = torch.rand(6, 1, 2, 2), torch.zeros(6, dtype=torch.long)
    with torch.no_grad():
        model[1].weight.zero_()
        model[1].weight[1, 0] = 1
        model[1].bias.copy_(torch.tensor([0.5, 0.0]))
        x[:, 0, 0, 0] = torch.tensor([0.1, 0.9, 0.2, 0.8, 0.3, 0.7])  # those above .5 are wrong
    monkeypatch.setattr(control, "natural", lambda **_: (model, x, y))
    _, kept, labels, index = control.network_and_images(data="d", network="n", first=0, images=6)
    assert index.tolist() == [0, 2, 4] and len(labels) == 3 and torch.equal(kept, x[[0, 2, 4]])


def test_the_floor_is_that_of_the_size_of_the_attack(monkeypatch):
    """Grey levels that are moved cost 1/255 a pixel, so that the floor grows with the side of the image."""

    def pictures(*, data, first, images, size):
        levels = (torch.arange(size * size * 3) % 256).float().reshape(1, 3, size, size) / 255
        return levels.expand(images, -1, -1, -1), None

    monkeypatch.setattr(control, "natural_images", pictures)
    found = {}
    for size in (32, 64):
        values, arrays = control.floor_at(data="d", images=2, size=size)
        assert values["pixels"] == size and arrays["truncated"].shape == (2,) and values["rounded"] < 1e-5
        assert values["truncated"] == pytest.approx((3 * size * size * 95 / 256) ** 0.5 / 255, rel=0.01)
        found[size] = values["truncated"]
    assert found[64] == pytest.approx(2 * found[32], rel=0.01)


def test_tanh_is_the_variable_of_today_to_the_last_bit():
    """C&W without ``variable`` is C&W with "tanh", bit by bit, and not the one over r."""
    torch.manual_seed(5)
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 3)).eval()
    x = torch.rand(6, 1, 4, 4)
    with torch.no_grad():
        y = model(x).argmax(1)
    given = dict(steps=20, search_steps=2, lr=0.1, initial_const=5.0)
    plain = attacks.carlini_wagner(model, x, y, **given)
    assert torch.equal(plain, attacks.carlini_wagner(model, x, y, variable="tanh", **given))
    assert not torch.equal(plain, attacks.carlini_wagner(model, x, y, variable="clip", **given))


def test_a_smoother_of_alpha_0_and_one_iteration_smooths_nothing():
    x = torch.rand(2, 1, 6, 6)
    smoother = ImageSmoother(x, **NONE)
    z = torch.randn(2, 1, 6, 6)
    torch.testing.assert_close(smoother(z), z)
    torch.testing.assert_close(smoother.adjoint(z), z)
