"""Heat maps against captum, against closed forms, and against maps that know nothing."""

import pytest
import torch
from torch import nn

from advbook.chapters.sparsity_attribution import pipeline as chapter
from advutils import models
from advutils.core import runtime
from advutils.explanation import attribution

captum = pytest.importorskip("captum.attr")


@pytest.fixture(scope="module")
def network():
    with runtime.seeded(0):
        return models.vgg16(width=0.1).eval()


@pytest.fixture(scope="module")
def images():
    return torch.rand(3, 3, 32, 32, generator=runtime.generator(0))


CLASSES = torch.tensor([1, 7, 3])


@pytest.mark.parametrize("patch, stride", [(4, 2), (2, 2), (5, 3)])
def test_occlusion_agrees_with_captum(network, images, patch, stride):
    mine = attribution.occlusion(network, images, CLASSES, patch=patch, stride=stride)
    theirs = captum.Occlusion(lambda x: network(x).softmax(1)).attribute(
        images, sliding_window_shapes=(3, patch, patch), strides=(3, stride, stride), baselines=0.5, target=CLASSES
    )
    torch.testing.assert_close(mine, theirs[:, 0], rtol=1e-3, atol=2e-6)


def test_grad_cam_agrees_with_captum(network, images):
    layer = network[0][-3]  # a convolution
    mine = attribution.grad_cam(network, images, CLASSES, layer=layer)
    theirs = captum.LayerGradCam(network, layer).attribute(images, target=CLASSES, relu_attributions=True)
    theirs = captum.LayerAttribution.interpolate(theirs, (32, 32), interpolate_mode="bilinear")
    torch.testing.assert_close(mine, theirs[:, 0])
    assert mine.shape == (3, 32, 32) and (mine >= 0).all()


def test_saliency_agrees_with_captum(network, images):
    theirs = captum.Saliency(network).attribute(images, target=CLASSES).amax(1)
    torch.testing.assert_close(attribution.saliency(network, images, CLASSES), theirs)


class OnePixel(nn.Module):
    """Two classes; the logit of class 1 is five times one pixel."""

    def forward(self, x):
        return torch.stack([torch.zeros(len(x), dtype=x.dtype), 5 * x[:, 0, 3, 4]], 1)


def test_occlusion_marks_the_squares_that_hide_what_matters():
    x = torch.rand(1, 1, 8, 8, generator=runtime.generator(1))
    x[0, 0, 3, 4] = 1.0
    heat = attribution.occlusion(OnePixel(), x, torch.tensor([1]), patch=2, stride=2)[0]
    fall = torch.sigmoid(torch.tensor(5.0)) - torch.sigmoid(torch.tensor(2.5))
    expected = torch.zeros(8, 8)
    expected[2:4, 4:6] = fall
    torch.testing.assert_close(heat, expected)


def test_a_constant_network_has_maps_of_zeros_and_perfect_stability():
    network, x, y = models.vgg16(width=0.1), torch.rand(2, 3, 32, 32), torch.tensor([0, 1])
    nn.init.zeros_(network[-1].weight)
    coarse, fine = (attribution.occlusion(network, x, y, patch=patch, stride=2) for patch in (4, 2))
    assert coarse.abs().max() == 0
    for how in attribution.NORMALISATIONS:
        assert (attribution.change(coarse, fine, how=how) == 0).all()


def test_a_flat_map_does_not_become_its_rounding_errors():
    flat = torch.full((1, 4, 4), 0.7)
    flat[0, 1, 1] += 1e-7
    assert (attribution.normalised(flat, "range") == 0).all()
    torch.testing.assert_close(attribution.normalised(flat, "largest"), torch.ones(1, 4, 4))


@pytest.mark.parametrize("how", attribution.NORMALISATIONS)
def test_change_is_zero_for_equal_maps_and_scales_as_its_normalisation_says(how):
    a, b = torch.rand(2, 4, 6, 6, generator=runtime.generator(2)).unbind(0)
    assert (attribution.change(a, a, how=how) == 0).all()
    plain = attribution.change(a, b, how=how)
    assert plain.shape == (4,) and (plain > 0).all()
    torch.testing.assert_close(attribution.change(3 * a, 3 * b, how=how), plain * (9 if how == "none" else 1))


def test_a_map_that_knows_deletes_faster_than_one_that_does_not():
    x = torch.rand(1, 1, 8, 8, generator=runtime.generator(1))
    x[0, 0, 3, 4] = 1.0
    good, bad = torch.zeros(1, 8, 8), torch.zeros(1, 8, 8)
    good[0, 3, 4], bad[0, 3, 4] = 1, -1
    one = torch.tensor([1])

    def score(maps, insert):
        return attribution.curve(OnePixel(), x, one, maps, steps=64, insert=insert).mean().item()

    assert score(good, False) < score(bad, False) and score(good, True) > score(bad, True)
    curve = attribution.curve(OnePixel(), x, one, good, steps=64, insert=False)[0]
    full, grey = torch.sigmoid(torch.tensor([5.0, 2.5]))
    torch.testing.assert_close(curve[0], full)
    torch.testing.assert_close(curve[1:], grey.expand(64))  # the first pixel is the only one that matters


def test_bad_arguments_are_named(network, images):
    with pytest.raises(ValueError, match="stride"):
        attribution.occlusion(network, images, CLASSES, patch=2, stride=3)
    with pytest.raises(ValueError, match="how"):
        attribution.change(images[:, 0], images[:, 0], how="minmax")


@pytest.mark.parametrize("sigma", [0.5, 1.0])
def test_the_blur_is_a_gaussian_of_unit_mass_that_keeps_constants(sigma):
    impulse = torch.zeros(1, 1, 21, 21)
    impulse[..., 10, 10] = 1
    t = torch.arange(-10, 11, dtype=torch.float64)
    line = torch.exp(-(t**2) / (2 * sigma**2)) * (t.abs() <= round(4 * sigma))
    line = line / line.sum()
    found, grey = chapter.blurred(impulse, sigma=sigma)[0, 0].double(), torch.full((2, 3, 9, 9), 0.3)
    torch.testing.assert_close(found, line[:, None] * line, atol=1e-6, rtol=0)
    torch.testing.assert_close(chapter.blurred(grey, sigma=sigma), grey)


def test_what_the_maps_cost_in_passes():
    """Section 3.3: Grad-CAM is orders of magnitude cheaper."""
    images, forward, back = torch.rand(1, 3, 32, 32, generator=runtime.generator(0)), [], []
    with runtime.seeded(0):
        network = nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(8, 10))
    network.register_forward_hook(lambda module, inputs, output: forward.append(len(output)))
    for patch, places in ((4, 15 * 15), (2, 16 * 16)):
        forward.clear()
        attribution.occlusion(network, images, torch.tensor([0]), patch=patch, stride=2)
        assert sum(forward) == places + 1
    forward.clear()
    network[-1].register_full_backward_hook(lambda module, inputs, outputs: back.append(1))
    attribution.grad_cam(network, images, torch.tensor([0]), layer=network[1])
    assert sum(forward) == 1 and len(back) == 1
