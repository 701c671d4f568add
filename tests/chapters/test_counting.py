"""The counting networks, batch renormalisation, and derivatives of derivatives."""

import numpy as np
import pytest
import torch

from advbook.chapters.representation import counting as chapter
from advutils import models
from advutils.core import runtime
from advutils.datasets import shapes
from advutils.explanation import attribution
from advutils.models import counting


def test_maps_at_a_thousand_pixels_are_those_of_the_thesis():
    assert counting.sides(counting.SMALL, 1000) == [199, 39, 8]
    assert counting.sides(counting.LARGE, 1000) == [332, 109, 35, 35, 35, 35, 16, 6, 4, 2]
    assert counting.fitted(counting.SMALL, 1000) == counting.SMALL
    assert counting.fitted(counting.LARGE, 1000) == counting.LARGE
    small, large = models.counter(size=1000, plan="small"), models.counter(size=1000, plan="large")
    assert small[-2].in_features == 640 and large[-2].in_features == 80


@pytest.mark.parametrize("plan", ["small", "large"])
@pytest.mark.parametrize("size", [64, 128, 200])
def test_smaller_pictures_keep_maps_of_the_same_size_at_the_end(plan, size):
    found = counting.fitted(counting.PLANS[plan], size)
    last = counting.sides(found, size)[-1]
    assert counting.sides(counting.PLANS[plan], 1000)[-1] <= last < 3 * 8
    assert [kernel for kernel, *_ in found] == [kernel for kernel, *_ in counting.PLANS[plan]]
    network = models.counter(size=size, plan=plan, width=0.2)
    out = network(torch.rand(2, 3, size, size))
    assert out.shape == (2, 2) and (out >= 0).all()


@pytest.mark.parametrize(("plan", "size"), [("small", 128), ("small", 1000), ("large", 256)])
def test_a_unit_of_the_last_map_sees_its_field_of_view(plan, size):
    network = models.counter(size=size, plan=plan, width=0.2, activation="sigmoid")[:-3]
    picture = torch.zeros(1, 3, size, size, requires_grad=True)
    last = network(picture)
    middle, starts = last.shape[-1] // 2, []
    for place in (middle, middle + 1):
        gradient = torch.autograd.grad(last[0, :, place, place].sum(), picture, retain_graph=True)[0].abs()
        rows = gradient.amax((0, 1, 3)).nonzero()
        starts.append(rows.min())
        if place == middle:
            seen = rows.max() - rows.min() + 1
    assert (seen, starts[1] - starts[0]) == models.field_of_view(size, plan)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="too small"):
        models.counter(size=8)
    with pytest.raises(ValueError, match="activation"):
        models.counter(size=128, activation="tanh")


@pytest.mark.parametrize("activation, renormalised", [("relu", False), ("sigmoid", True)])
def test_convolutions_in_bfloat16_leave_the_rest_and_the_gradients_in_float32(activation, renormalised):
    model = chapter.untrained(
        size=64, limit=4, plan="small", width=1.0, activation=activation, renormalised=renormalised, seed=0
    )
    x = torch.rand(8, 3, 64, 64, generator=runtime.generator(0))
    parameters = list(model.parameters())
    found = {}
    for name, dtype in chapter.PRECISIONS.items():
        out = chapter.convolved(model, x, dtype)
        assert out.dtype == torch.float32
        found[name] = out, torch.autograd.grad(out.square().sum(), parameters)
    torch.testing.assert_close(found["float32"][0], model(x))
    coarse, exact = found["bfloat16"], found["float32"]
    torch.testing.assert_close(coarse[0], exact[0], rtol=0.05, atol=0.05)  # 8 bits and three layers
    assert not torch.equal(coarse[0], exact[0])  # else nothing was computed in bfloat16
    for parameter, one, other in zip(parameters, coarse[1], exact[1], strict=True):
        assert one.dtype == parameter.dtype
        if other.norm() > 1e-3:
            assert torch.cosine_similarity(one.flatten(), other.flatten(), dim=0) > 0.99


def bending(activation):
    with runtime.seeded(0):
        network = models.counter(size=32, plan="small", activation=activation)
    with torch.no_grad():
        network[-2].bias.fill_(3.0)  # so that the last rectifier lets everything through
    return network


@pytest.mark.parametrize(
    "activation, bends",
    [("relu", False), ("softplus", True), ("sigmoid", True), ("sine", True), ("stretched softplus", True)],
)
def test_rectifiers_alone_have_no_second_derivative(activation, bends):
    image = torch.rand(3, 32, 32, generator=runtime.generator(1))
    maps = attribution.second_order_saliency(bending(activation), image, torch.tensor([[4, 5], [20, 9]]))
    assert maps.shape == (2, 32, 32)
    assert (maps.amax((1, 2)) > 0).all() == bends and (bends or (maps == 0).all())


def test_a_row_agrees_with_finite_differences():
    network = bending("softplus").double()
    image = torch.rand(3, 32, 32, dtype=torch.float64, generator=runtime.generator(2))
    seed, step = torch.tensor([[10, 12]]), 1e-5
    row = attribution.second_order_saliency(network, image, seed)[0]

    def gradient(x):
        leaf = x[None].clone().requires_grad_()
        return torch.autograd.grad(network(leaf).sum(), leaf)[0][0, :, 10, 12]

    channel = gradient(image).abs().argmax()
    for i, j in ((10, 12), (11, 12), (13, 9), (30, 30)):
        slopes = []
        for c in range(3):
            moved = torch.zeros_like(image)
            moved[c, i, j] = step
            slopes.append((gradient(image + moved)[channel] - gradient(image - moved)[channel]) / (2 * step))
        assert row[i, j].item() == pytest.approx(torch.stack(slopes).abs().max().item(), rel=1e-4, abs=1e-12)


def test_total_saliency_is_the_gradient_of_the_sum():
    network = bending("relu")
    x = torch.rand(2, 3, 32, 32, generator=runtime.generator(3))
    leaf = x.clone().requires_grad_()
    expected = torch.autograd.grad(network(leaf).sum(), leaf)[0].abs().amax(1)
    torch.testing.assert_close(attribution.first_order_saliency(network, x), expected)


def test_a_squared_loss_gives_rectifiers_a_second_derivative_of_rank_one():
    """Of (f - c)^2 it is 2 grad f grad f^T where f does not bend: the saliency map itself, whatever the seed."""
    network, image = bending("relu"), torch.rand(3, 32, 32, generator=runtime.generator(4))
    seeds = torch.tensor([[5, 6], [20, 25]])

    def of(outputs):
        return (attribution.total(outputs) - 1).square()

    maps = attribution.second_order_saliency(network, image, seeds, of=of)
    first = attribution.first_order_saliency(network, image[None])[0]
    for heat, (row, column) in zip(maps, seeds.tolist(), strict=True):
        torch.testing.assert_close(heat, 2 * first[row, column] * first)


def test_the_variance_of_a_count_is_what_the_schedule_assumes():
    counts = shapes.pair_counts(200_000, limit=8, kinds=2, rng=np.random.default_rng(0))
    assert counts.var(0) == pytest.approx(8 * 11 / 18, rel=0.02)
    assert chapter.LOOSEN * 17 * 20 / 18 == pytest.approx(3.0)


def test_turns_of_outlines_are_components_less_holes():
    from advbook.chapters.representation import counting_rival as rival

    images = torch.zeros(4, 3, 12, 12)
    images[1, 2, 2:5, 2:5] = 1  # a square
    images[2, 2, 1:4, 1:8] = images[2, 2, 6:11, 6:11] = 1  # two rectangles
    images[3, 2, 2:9, 2:9] = 1
    images[3, 2, 4:7, 4:7] = 0  # a ring
    assert rival.components_less_holes(rival.patterns(images)).tolist() == [0, 1, 2, 0]


def test_patterns_are_those_of_a_loop():
    from advbook.chapters.representation import counting_rival as rival

    blue = torch.rand(2, 9, 9, generator=torch.Generator().manual_seed(0)) > 0.5
    images = torch.zeros(2, 3, 9, 9)
    images[:, 2] = blue.float()
    for picture, counted in zip(blue.int().tolist(), rival.patterns(images), strict=True):
        padded = [[0] * 11] + [[0, *row, 0] for row in picture] + [[0] * 11]
        found = [0] * 5
        for i in range(10):
            for j in range(10):
                a, b, c, d = padded[i][j], padded[i][j + 1], padded[i + 1][j], padded[i + 1][j + 1]
                number = a + b + c + d
                place = {1: 0, 3: 1, 4: 4}.get(number, 2 if a == d else 3)
                found[place] += number > 0
        assert found == counted.tolist()


def test_pixels_are_told_apart_by_the_nearest_corner_edge_and_inside():
    where = chapter.regions([np.array([[20.0, 20], [60, 20], [60, 60], [20, 60]])], 80)
    names = [[chapter.REGIONS[k] for k in row] for row in where]
    assert names[40][40] == "inside" and names[5][5] == names[75][40] == "empty"
    assert names[20][40] == names[40][60] == names[40][61] == "edge"  # row, column
    assert names[20][20] == names[61][61] == "corner"
    assert (where == where.T).all() and (where == where[::-1, ::-1]).sum() > 0.9 * where.size
    assert (chapter.regions([], 8) == chapter.REGIONS.index("empty")).all()
