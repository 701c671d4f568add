"""What the page on structural defences says of pairs, angles and means, in small cases."""

import math

import pytest
import torch

from advbook.chapters.representation import defences_theory as theory
from advutils import datasets


def test_an_affine_map_of_angles_is_solved_by_least_squares():
    found = theory.linear_accuracy(data="digits", side=14)
    assert 0.8 < found["accuracy"] < 1


def test_pixel_pairs_by_hand(monkeypatch):
    image = torch.zeros(1, 1, 28, 28)
    image[0, 0, 0, :2] = torch.tensor([5, 255]) / 255
    monkeypatch.setattr(datasets, "load", lambda name, split: (image, torch.zeros(1, dtype=torch.long)))
    found = theory.pixel_pairs(data="digits", images=1)
    assert found["zero"] == pytest.approx(782 * 781 / (784 * 783))
    assert found["close"] == pytest.approx((782 * 781 + 2 * 782) / (784 * 783))
    assert found["length"] == pytest.approx(math.hypot(5, 255))


def test_a_step_moves_a_weighted_mean_by_its_length():
    found = theory.sensitivity(data="digits", sides=[2, 7], images=30, units=4, eps=0.1, seed=0)
    assert found["raw"]["weighted mean"] == pytest.approx([25.5, 25.5], rel=1e-4)
    assert found["raw"]["dot product"][1] > 2 * found["raw"]["dot product"][0]
