"""Detection on a network whose second derivatives are known, and the measures of what was found."""

import numpy as np
import pytest
import torch
from torch import nn

from advbook.chapters.representation import counting as chapter
from advutils.explanation import localisation


class Blobs(nn.Module):
    """Counts bright cells of a 2 x 2 grid: one bend for each cell, so that second derivatives stay within a cell."""

    def forward(self, x):
        cells = nn.functional.avg_pool2d(x[:, 2:], 8)
        return torch.sigmoid(20 * (cells - 0.2)).flatten(1).sum(1, keepdim=True)


def picture():
    image = torch.zeros(3, 16, 16)
    image[2, 2:7, 1:6], image[2, 9:15, 10:14] = 1, 1  # means .39 and .375: both slopes are small but not zero
    return image


def test_the_loop_finds_the_cells_that_bend_together():
    found = localisation.detect(Blobs(), picture(), threshold=1e-6)
    assert len(found) == 2 and not (found[0] & found[1]).any()
    assert sorted(localisation.box(mask) for mask in found) == [(0, 0, 7, 7), (8, 8, 15, 15)]


def test_otsu_threshold_separates_a_cell_from_the_rest():
    first = localisation.detect(Blobs(), picture(), threshold=1e-6)[0]
    values = first.float() * 1e-3 + 1e-9 * torch.rand(16, 16, generator=torch.Generator().manual_seed(0))
    values[0] = 0  # nothing has seen these pixels
    assert torch.equal(values >= localisation.otsu(values), first & (values > 1e-4))


def test_groups_are_ordered_by_size():
    values = torch.tensor([1e-9, 2e-9, 1e-3, 2e-3, 5.0, 7.0])
    assert localisation.groups(values).tolist() == [0, 0, 1, 1, 2, 2]
    assert localisation.groups(torch.cat([torch.zeros(3), values])).tolist() == [-1] * 3 + [0, 0, 1, 1, 2, 2]
    assert localisation.otsu(torch.zeros(4)) == float("inf")
    two = torch.cat([torch.logspace(-9, -8, 50), torch.logspace(0, 1, 50)])
    assert 5e-9 < localisation.otsu(two) <= 1.0


def test_boxes_overlap_as_areas_do():
    assert localisation.overlap((0, 0, 9, 9), (0, 0, 9, 9)) == 1
    assert localisation.overlap((0, 0, 9, 9), (10, 0, 19, 9)) == 0
    assert localisation.overlap((0, 0, 9, 9), (0, 5, 9, 14)) == pytest.approx(1 / 3)


def test_each_outline_is_matched_once():
    mask = torch.zeros(20, 20, dtype=torch.bool)
    mask[2:8, 3:9] = True
    outline = np.array([(3, 2), (8, 2), (8, 7), (3, 7)], dtype=float)
    assert localisation.matched([mask, mask], [outline]).tolist() == [1.0, 0.0]
    assert localisation.matched([], [outline]).tolist() == [] and localisation.matched([mask], []).tolist() == [0.0]


def test_an_unknown_choice_is_refused():
    with pytest.raises(ValueError, match="candidates"):
        localisation.detect(Blobs(), picture(), candidates="high")


class Weights(nn.Module):
    """A linear count, two of this picture, whose saliency is three patches of different size and strength."""

    def __init__(self):
        super().__init__()
        self.weights = torch.zeros(16, 16)
        self.weights[1:4, 1:4], self.weights[8:14, 1:7], self.weights[2:7, 9:14] = 1.0, 0.8, 0.9

    def forward(self, x):
        return (x[:, 2] * self.weights / self.weights.sum()).sum((1, 2))[:, None] * 2


def test_the_baseline_keeps_the_most_salient_parts_as_many_as_are_counted():
    image = torch.ones(3, 16, 16)
    assert localisation.how_many(Weights(), image) == 2
    every, kept = localisation.components(Weights(), image), localisation.components(Weights(), image, counted=True)
    assert [int(mask.sum()) for mask in kept] == [36, 25]  # 28.8 and 22.5 in total; the strongest pixels have 9
    assert sorted(int(mask.sum()) for mask in every) == [9, 25, 36]


def test_masks_are_placed_by_a_tenth_and_a_half():
    body = np.zeros((2, 10, 10), dtype=bool)
    body[0, :4, :5], body[1, 6:, :5] = True, True  # twenty pixels each
    masks = np.zeros((5, 10, 10), dtype=bool)
    masks[0, :4, 7:] = True  # on none
    masks[1, :1, :4] = True  # four of twenty pixels of the first
    masks[2, :4, :4] = True  # sixteen of them
    masks[3, :, :2] = True  # eight of each
    masks[4, 4:6] = masks[4, 3, 0] = True  # one common pixel of 21, of a shape of 20: on none
    where, covered = chapter.placed(masks, body)
    assert [chapter.PLACES[k] for k in where] == ["derailed", "partial", "whole", "between", "derailed"]
    assert covered.tolist() == [0.8, 0.4]
    assert chapter.placed(masks[:0], body)[1].tolist() == [] and chapter.placed(masks, body[:0])[0].tolist() == [0] * 5


def test_masks_and_their_moved_copies_are_counted_one_by_one(monkeypatch):
    spec = dict(
        size=64,
        scales=[7, 12],
        one_scale=True,
        limit=4,
        plan="small",
        width=0.5,
        activation="sigmoid",
        renormalised=True,
        images=20,
        epochs=1,
        batch_size=10,
        lr=1e-3,
        precision="float32",
        seed=0,
    )
    found = chapter.METHODS["by hand"]
    calls = iter(range(100))  # the first picture has no mask, the second one mask
    monkeypatch.setitem(chapter.METHODS, "by hand", lambda *x, **y: found(*x, **y)[: next(calls)])
    monkeypatch.setattr(chapter, "by_hand", lambda *_: (1e-9, 1.0))
    values, arrays = chapter.detection(spec=spec, method="by hand", images=6)
    assert sum(values[name] for name in chapter.PLACES) == pytest.approx(1)
    assert sum(values["moved"][name] for name in chapter.PLACES) == pytest.approx(1)
    assert arrays["boxes"][0] == 0 and arrays["boxes"][1] <= 1
    assert len(arrays["round"]) == values["found"] == arrays["boxes"].sum() and (arrays["pixels"] > 0).all()
    with pytest.raises(ValueError, match="method"):
        chapter.detection(spec=spec, method="by foot", images=1)
