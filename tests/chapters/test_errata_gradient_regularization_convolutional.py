"""Each test proves one entry of the errata of Lyu, Huang and Liang 2015 that the convolutional notebook lists."""

import math

import pytest
import torch

from advutils import datasets, layers
from advutils.core import norms
from advutils.datasets import photographs

TABLE_3 = {"none cited": 12.93, "p=2": 12.28}
TABLE_5 = {"none": (13.08, 13.37, 16.88), "p=2": (12.28, 12.81, 16.80)}


def test_table_5_and_table_3_have_two_baselines():
    assert TABLE_5["p=2"][0] == TABLE_3["p=2"] and TABLE_5["none"][0] != TABLE_3["none cited"]
    assert TABLE_5["none"][0] - TABLE_5["p=2"][0] == pytest.approx(0.80)
    assert TABLE_3["none cited"] - TABLE_3["p=2"] == pytest.approx(0.65)


def test_noise_adds_more_errors_with_p_2_in_table_5():
    added = {name: [row[1] - row[0], row[2] - row[0]] for name, row in TABLE_5.items()}
    assert added["none"] == pytest.approx([0.29, 3.80]) and added["p=2"] == pytest.approx([0.53, 4.52])
    assert all(p2 > none for p2, none in zip(added["p=2"], added["none"], strict=True))


def test_noise_of_std_03_is_longer_than_an_image_in_pixels_but_not_in_whitened_units():
    noise = 0.3 * math.sqrt(3 * 32**2)
    assert noise == pytest.approx(16.6, abs=0.05)
    images = photographs.crops(split="train", size=32)[0]
    pixels = images.flatten(1) - images.flatten(1).mean(1, keepdim=True)
    whitened = layers.Whiten(images)(images).flatten(1)
    assert pixels.norm(dim=1).median() < noise < whitened.norm(dim=1).median()
    assert TABLE_5["none"][2] - TABLE_5["none"][0] < 4


@pytest.mark.slow
def test_whitened_cifar_10_has_a_length_of_28():
    try:
        images = datasets.load("cifar10", split="train")[0][:10_000]
    except datasets.MissingData:
        pytest.skip("CIFAR-10 is not here")
    assert layers.Whiten(images)(images[:1000]).flatten(1).norm(dim=1).mean().item() == pytest.approx(28, abs=0.5)
    pixels = images[:2000].flatten(1)
    assert (pixels - pixels.mean(1, keepdim=True)).norm(dim=1).mean().item() == pytest.approx(12, abs=0.5)


@pytest.mark.parametrize("p, factor", [(1, 3.918), (2, 1.979), (math.inf, 1.0)])
def test_how_sigma_scales_with_the_dimension(p, factor):
    small, large = torch.full((1, 28 * 28), 0.1), torch.full((1, 3 * 32**2), 0.1)
    assert (norms.norm(large, p) / norms.norm(small, p)).item() == pytest.approx(factor, abs=1e-3)
    digits = datasets.load("digits", split="train")[0]
    assert 1 / norms.norm(digits).mean() > 2 / 28  # the share of an image that sigma is
