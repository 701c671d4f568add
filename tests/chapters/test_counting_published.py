"""The measures of the published maps, the loader of the files, and the ceiling on what masks can find."""

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from advbook import cli, ledger
from advbook.chapters.representation import counting as chapter
from advbook.chapters.representation import counting_ceiling as ceiling
from advbook.chapters.representation import counting_published as published
from advutils import datasets, models
from advutils.core import runtime
from advutils.datasets import figures, shapes
from advutils.explanation import attribution, localisation


@pytest.fixture
def two(tmp_path, monkeypatch):
    """Two files in place of those of the author."""
    monkeypatch.setenv("ADVUTILS_DATA", str(tmp_path))
    (tmp_path / figures.NAME).mkdir()
    for number in range(2):
        Image.fromarray(np.full((3, 4), 7 + number, dtype=np.uint8)).save(tmp_path / figures.NAME / f"{number}.png")
    monkeypatch.setattr(
        figures, "FILES", {f"{number}.png": figures._digest(figures.where() / f"{number}.png") for number in range(2)}
    )
    return tmp_path / figures.NAME


def test_a_published_picture_is_read_missed_and_refused(two):
    assert figures.state() == "ok" and (figures.load("0.png") == 7).all()
    (two / "1.png").write_bytes((two / "0.png").read_bytes())
    assert figures.state() == "damaged" and figures.damaged() == ["1.png"]
    with pytest.raises(datasets.DamagedData, match="SHA-256"):
        figures.load("1.png")
    told = CliRunner().invoke(cli.main, ["data", "verify", figures.NAME])
    assert told.exit_code != 0 and "1.png: not the file" in told.output
    (two / "1.png").unlink()
    assert figures.state() == "damaged" and figures.damaged() == ["1.png"]  # torn: the other one is there
    told = CliRunner().invoke(cli.main, ["data", "verify", figures.NAME])
    assert told.exit_code == 1 and "1.png: missing" in told.output
    with pytest.raises(datasets.MissingData, match=figures.SOURCE):
        figures.load("1.png")
    with pytest.raises(ValueError, match="name must be"):
        figures.load("2.png")
    (two / "0.png").unlink()
    assert figures.state() == "missing"


def test_the_files_stand_in_the_provenance():
    assert ledger._data(figures.NAME) == {"name": figures.NAME, "files": figures.checksum()}


def drawn(size, scale, seed=3):
    return shapes.draw(
        np.array([[2, 2]]), size=size, scales=(scale, scale), one_scale=True, rng=np.random.default_rng(seed)
    )


def test_at_128_pixels_zones_are_the_regions_of_the_other_networks():
    polygons = drawn(128, 20).polygons[0]
    assert (published.zones(polygons, 128)[0] == chapter.regions(polygons, 128)).all()


def test_bands_grow_with_the_picture():
    assert published.near(128) == chapter.NEAR
    assert published.near(1000)["edge"] == pytest.approx(11.72, abs=0.01)
    polygons = drawn(128, 20).polygons[0]
    small, large = (
        np.bincount(published.zones([factor * one for one in polygons], 128 * factor)[0].ravel()) / (128 * factor) ** 2
        for factor in (1, 4)
    )
    np.testing.assert_allclose(small, large, atol=0.005)


def test_outlines_are_found_again_even_of_shapes_that_touch():
    picture = drawn(256, 50)
    found = published.outlines(picture.images[0, 2].numpy() > 0)
    assert sorted(map(len, found)) == [3, 3, 4, 4]
    for polygon in picture.polygons[0]:
        nearest = min(found, key=lambda one: abs(one.mean(0) - polygon.mean(0)).sum())
        assert len(nearest) == len(polygon)
        assert all(np.hypot(*(nearest - corner).T).min() < 2 for corner in polygon)
    touching = np.zeros((60, 60), dtype=bool)
    touching[10:30, 10:30] = touching[29:50, 29:50] = True
    assert list(map(len, published.outlines(touching))) == [4, 4]


def test_the_largest_are_taken_level_by_level_and_a_level_in_part():
    levels = np.array([[9, 9], [4, 0], [3, 3], [1, 0]])
    np.testing.assert_allclose(published.best(levels, 1), [1, 0])
    np.testing.assert_allclose(published.best(levels, 7), [4 / 7, 3 / 7])
    np.testing.assert_allclose(published.best(levels, 4), [2.5 / 4, 1.5 / 4])


def test_an_invented_map_is_told_as_it_was_made():
    values, arrays = published.published_maps(data="generated", image="", tops=[20, 1000], window=[0, 0, 40])
    assert values["shapes"] == {"3": 1, "4": 2} and values["agree"] > 0.97
    assert values["unseen"] == 256**2 - 253**2 and values["extent"] == [253, 253]
    assert values["top"]["20"]["corner"] > 0.9 and values["outline"]["1000"] > 0.9
    assert values["share"]["empty"] < 0.2 < values["area"]["empty"]
    [mask] = values["masks"]
    assert mask["on"] == 1 and mask["place"] == "whole" and values["between"] == 0
    assert values["most"] == mask["covered"] > 0.7 and mask["iou"] > 0.8
    assert arrays["levels"].sum() == 256**2 and arrays["picture"].shape == arrays["masks"][0].shape == (40, 40)
    with pytest.raises(ValueError, match="data"):
        published.published_maps(data="mnist", image="", tops=[1], window=[0, 0, 4])


@pytest.mark.parametrize("plan, size", [("small", 128), ("small", 200), ("large", 160)])
def test_fields_are_where_the_units_of_the_last_map_have_a_gradient(plan, size):
    network = models.counter(size=size, plan=plan, width=0.2, activation="sigmoid")[:-3]
    picture = torch.rand(1, 3, size, size, generator=runtime.generator(0)).requires_grad_()
    last, fields = network(picture), models.fields(size, plan)
    assert len(fields) == last.shape[-1]
    for place in (0, 1, len(fields) // 2, len(fields) - 1):
        gradient = torch.autograd.grad(last[0, :, place, place].sum(), picture, retain_graph=True)[0].abs()
        rows = gradient.amax((0, 1, 3)).nonzero()
        assert fields[place] == (rows.min(), rows.max())


def test_the_larger_network_of_the_thesis_leaves_the_last_three_rows_unseen_the_smaller_many():
    assert max(last for _, last in models.fields(1000, "large")) == 996
    seen = set().union(*(range(first, last + 1) for first, last in models.fields(1000, "small")))
    assert len(seen) == 8 * 87


def test_a_block_holds_the_second_derivatives_of_a_pixel():
    with runtime.seeded(0):
        network = models.counter(size=96, plan="small", width=0.3, activation="sigmoid").double()
    with torch.no_grad():
        network[-2].bias.fill_(3.0)
    image = torch.rand(3, 96, 96, dtype=torch.float64, generator=runtime.generator(1))
    fields = models.fields(96, "small")
    for row, column in ((40, 51), (7, 90), (47, 47)):
        seen = attribution.second_order_saliency(network, image, torch.tensor([[row, column]]))[0] > 0
        [rows], [columns] = (ceiling.blocks(fields, place, place) for place in (row, column))
        assert localisation.box(seen) == (columns[0], rows[0], columns[1], rows[1])


def test_blocks_are_those_of_all_pixels_between():
    assert ceiling.blocks([(0, 4), (3, 7), (9, 11)], 2, 9) == [(0, 4), (0, 7), (3, 7), (9, 11)]
    assert ceiling.blocks([(0, 4), (9, 11)], 6, 7) == []


def test_a_square_of_the_size_of_a_shape_finds_it_and_a_larger_one_does_not():
    assert ceiling.centred((10, 10, 29, 29), 20) == 1
    assert ceiling.centred((10, 10, 29, 29), 40) == 0.25
    assert ceiling.centred((10, 10, 29, 19), 10) == 0.5  # 20 by 10 pixels
    spec = dict(size=128, one_scale=True, limit=4, plan="small", images=25, seed=0)
    small, arrays = ceiling.ceiling(scales=[10, 12], **spec)
    large, _ = ceiling.ceiling(scales=[34, 36], **spec)
    assert small["together"] == 39 and small["centred"] == 0 and large["centred"] > 0.9 and large["placed"] > 0.9
    assert len(arrays["area"]) == small["shapes"]
    assert np.unpackbits(arrays["placed"])[: small["shapes"]].mean() == pytest.approx(small["placed"])


def test_the_real_pictures_have_their_shapes():
    if figures.state() != "ok":
        pytest.skip("the author's pictures are not on this machine")
    for image, corners in (("image1", [3] * 4 + [4] * 13), ("image2", [3] * 3 + [4])):
        blue = figures.load(f"limited-scale/{image}/picture.png")[..., 2] > 0
        assert sorted(map(len, published.outlines(blue))) == corners
