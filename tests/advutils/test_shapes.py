"""The pictures: counts, outlines and pixels agree, nothing touches, and they are made fast enough."""

import time

import numpy as np
import pytest
import shapely
import torch
from scipy import ndimage

from advutils.datasets import shapes


def some(count=40, **changes):
    rng = np.random.default_rng(0)
    options = dict(size=128, scales=(12, 18), one_scale=False) | changes
    return shapes.draw(shapes.pair_counts(count, limit=8, kinds=2, rng=rng), rng=rng, **options)


def test_counts_are_uniform_over_pairs():
    counts = shapes.pair_counts(60_000, limit=4, kinds=2, rng=np.random.default_rng(1))
    totals = np.bincount(counts.sum(1), minlength=5) / len(counts)
    assert np.allclose(totals, np.arange(1, 6) / 15, atol=0.006)  # P(total = t) is proportional to t + 1
    one = shapes.pair_counts(10_000, limit=4, kinds=1, rng=np.random.default_rng(2))
    assert one.shape == (10_000, 1) and np.allclose(np.bincount(one[:, 0]) / 10_000, 0.2, atol=0.02)


def test_outlines_are_as_many_as_counted_inside_and_apart():
    pictures = some()
    for polygons, kinds, counts in zip(pictures.polygons, pictures.kinds, pictures.counts, strict=True):
        assert np.array_equal(np.bincount(kinds, minlength=2), counts.numpy())
        outlines = [shapely.Polygon(p) for p in polygons]
        assert all(0 <= p.min() and p.max() <= 127 for p in polygons)
        assert not any(a.intersects(b) for k, a in enumerate(outlines) for b in outlines[:k])


def test_pixels_are_those_of_the_outlines():
    pictures = some()
    pixels = pictures.images[:, 2].sum((1, 2)).numpy()  # drawn if the outline meets a pixel's square
    least, most = (
        [sum(shapely.Polygon(p).buffer(margin).area for p in polygons) for polygons in pictures.polygons]
        for margin in (0, 0.5**0.5)
    )
    assert (np.array(least) <= pixels).all() and (pixels <= np.array(most)).all()
    assert pictures.images[:, :2].abs().max() == 0 and set(pictures.images.unique().tolist()) == {0.0, 1.0}
    parts = np.array([ndimage.label(image.numpy(), structure=np.ones((3, 3)))[1] for image in pictures.images[:, 2]])
    counts = pictures.counts.sum(1).numpy()
    assert (parts <= counts).all() and (parts == counts).mean() > 0.6  # close ones may touch as pixels: one in five


def test_areas_are_those_of_triangles_squares_and_circles():
    for kind, area in (("triangle", 200.0), ("square", 400.0), ("circle", 314.2)):
        rng = np.random.default_rng(3)
        ((polygon,),) = shapes.draw(
            np.array([[1]]), size=64, scales=(20, 20), one_scale=True, kinds=(kind,), rng=rng
        ).polygons
        assert shapely.Polygon(polygon).area == pytest.approx(area, rel=0.02)


def test_one_scale_is_one_for_a_picture_and_others_differ():
    def sides(pictures):
        return [{round(float(np.linalg.norm(p[1] - p[0]))) for p in polygons} for polygons in pictures.polygons]

    assert all(len(found) <= 1 for found in sides(some(one_scale=True)))
    assert len(set().union(*sides(some(one_scale=True)))) > 3
    assert any(len(found) > 2 for found in sides(some(one_scale=False)))


def test_the_stream_looks_like_a_tensor_and_is_new_each_time():
    stream = shapes.Stream(100, limit=5, seed=0, size=64, scales=(8, 10), one_scale=True)
    index = torch.tensor([3, 70, 8])
    images = stream[index]
    assert images.shape == (3, 3, 64, 64) and len(stream) == 100 and stream.labels.shape == (100, 2)
    assert torch.equal(images, stream[index]) and not torch.equal(images[:2], stream[index[:2]])
    occupied = stream.labels[index].sum(1) > 0
    assert torch.equal(images.flatten(1).any(1), occupied)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="do not fit"):
        shapes.draw(np.array([[0, 40]]), size=64, scales=(30, 30), one_scale=True, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match="scales"):
        some(scales=(0, 5))


def test_one_process_draws_250_pictures_a_second():
    best = np.inf
    for _ in range(3):  # the machine may be busy with other things
        start = time.perf_counter()
        some(count=200)
        best = min(best, time.perf_counter() - start)
    assert 200 / best > 250  # one process; two on two cores make 500


def test_a_picture_that_its_first_shapes_block_begins_again():
    for seed in range(3):
        drawn = shapes.draw(
            np.tile([[0, 8]], (20, 1)), size=128, scales=(26, 26), one_scale=True, rng=np.random.default_rng(seed)
        )
        assert all(len(outlines) == 8 for outlines in drawn.polygons)
        for outlines in drawn.polygons:
            bodies = [shapely.Polygon(outline) for outline in outlines]
            assert not any(a.intersects(b) for k, a in enumerate(bodies) for b in bodies[:k])
