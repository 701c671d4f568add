"""Penalties against Keras' formulas, densities against counting, and the networks for 32 pixels."""

import numpy as np
import pytest
import torch
from torch import nn

from advbook.chapters.sparsity_attribution import pipeline as chapter
from advutils import models
from advutils.core import runtime
from advutils.training import sparsity


def small():
    with runtime.seeded(0):
        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10))


def test_penalties_are_kerass_l1_l2_and_their_sum():
    model = small()
    weights = torch.cat([model[0].weight.flatten(), model[4].weight.flatten()])
    l1, l2 = 0.01 * weights.abs().sum(), 0.01 * weights.square().sum()
    torch.testing.assert_close(sparsity.weight_penalty(model, l1=0.01), l1)
    torch.testing.assert_close(sparsity.weight_penalty(model, l2=0.01), l2)
    torch.testing.assert_close(sparsity.weight_penalty(model, l1=0.01, l2=0.01), l1 + l2)
    assert sparsity.weight_penalty(model) == 0
    gradient = torch.autograd.grad(sparsity.weight_penalty(model, l1=0.5), model[4].weight)[0]
    torch.testing.assert_close(gradient, 0.5 * model[4].weight.sign())
    with pytest.raises(ValueError, match="l1"):
        sparsity.weight_penalty(model, l1=-1)


def test_depthwise_kernels_count_and_normalisations_do_not():
    network = models.mobilenet(width=0.1)
    assert len(sparsity.kernels(network)) == 1 + 2 * 12 + 1 + 2
    assert sum(w.numel() for w in sparsity.kernels(network)) < sum(p.numel() for p in network.parameters())


def test_activation_penalty_and_density_count_units():
    model = small()
    x = torch.rand(5, 3, 8, 8, generator=runtime.generator(1))
    with sparsity.recorded([model[2]]) as outputs:
        model.eval()(x)
    (a,) = outputs
    torch.testing.assert_close(sparsity.activation_penalty(outputs), a.abs().sum() / 5)
    assert sparsity.average_density(model, model[2], x) == pytest.approx((a > 0).double().mean().item())
    assert not model[2]._forward_hooks


def test_weight_density_is_the_share_above_the_threshold():
    model = nn.Sequential(nn.Linear(4, 1))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[0.0, 5e-4, -2e-3, 1.0]]))
    assert sparsity.weight_density(model) == 0.5


@pytest.mark.parametrize(
    "build, count",
    [
        (models.resnet50, 23_520_842),
        (models.mobilenet, 3_217_226),
        (models.vgg16, 14_719_818),
        (models.vgg16_bn, 14_719_818 + 2 * 4_224),
    ],
)
def test_networks_for_32_pixels(build, count):
    x = torch.rand(2, 3, 32, 32)
    network = build().eval()
    assert sum(p.numel() for p in network.parameters()) == count
    assert network(x).shape == (2, 10)
    narrow = build(width=0.25, classes=6).eval()
    assert narrow(x).shape == (2, 6)
    assert sum(p.numel() for p in narrow.parameters()) < count / 8
    last, shapes = models.last_maps(network), []
    handle = last.register_forward_hook(lambda module, inputs, output: shapes.append(tuple(output.shape)))
    network(x)
    handle.remove()
    assert shapes == [
        {
            models.resnet50: (2, 2048, 4, 4),
            models.mobilenet: (2, 1024, 2, 2),
            models.vgg16: (2, 512, 2, 2),
            models.vgg16_bn: (2, 512, 2, 2),
        }[build]
    ]


def test_the_normalised_vgg_is_the_paper_s_but_for_its_normalisation():
    plain, normalised = (build(width=0.25).modules() for build in (models.vgg16, models.vgg16_bn))
    plain, normalised = list(plain), list(normalised)
    convolutions = [number for number, layer in enumerate(normalised) if isinstance(layer, nn.Conv2d)]
    assert len(convolutions) == 13
    assert all(isinstance(normalised[number + 1], nn.BatchNorm2d) for number in convolutions)
    rest = [layer for layer in normalised if not isinstance(layer, nn.BatchNorm2d)]
    assert [str(a) for a in rest if not list(a.children())] == [str(b) for b in plain if not list(b.children())]


def test_pruning_sets_small_weights_to_zero_for_a_block():
    model = small()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with sparsity.pruned(model, 0.1):
        weights = torch.cat([weight.flatten() for weight in sparsity.kernels(model)])
        old = torch.cat([before["0.weight"].flatten(), before["4.weight"].flatten()])
        assert torch.equal(weights, old.where(old.abs() > 0.1, torch.zeros_like(old)))
        assert torch.equal(model[4].bias, before["4.bias"])
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.fixture
def few(monkeypatch, tmp_path):
    """Sixty random images of three brightnesses, a network of one layer, and an empty cache folder."""
    labels = torch.arange(60) % 3
    images = torch.rand(60, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 0.2
    images = images + labels[:, None, None, None] / 4
    monkeypatch.setattr(chapter, "loaded", lambda name, split, size=0: (images[: size or None], labels[: size or None]))
    monkeypatch.setitem(
        chapter.NETWORKS,
        "one",
        lambda classes: nn.Sequential(
            nn.Conv2d(3, 8, 5, stride=4), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 49, classes)
        ),
    )
    monkeypatch.setenv("ADVUTILS_CACHE", str(tmp_path))
    return dict(data="none", network="one", epochs=3, train_size=60, seed=0)


def test_the_pipeline_counts_what_both_networks_answer(few):
    run = dict(regularizer="base", factor=0.01, steps=2, deepfool_steps=3, test_size=30, **few)
    found = chapter.pipeline(attack="fgsm", **run)
    for name in ("first", "retrained"):
        assert [sum(answers) for answers in found["counts"][name]] == [30, 30]
        assert found["largest"][name] == [max(answers) / 30 for answers in found["counts"][name]]
    assert found["truth"] == [10, 10, 10] and 0 <= found["adaptive"] <= 1
    assert chapter.pipeline(attack="deepfool", **run)["adaptive"] is None


def test_a_heavy_penalty_leaves_one_answer(few):
    heavy = few | dict(epochs=60)
    found, arrays = chapter.answers(regularizer="l1", factor=1.0, images=60, **heavy)
    assert found["largest"] == 1 and found["clean"] == found["train_clean"] == pytest.approx(1 / 3)
    assert len(arrays["objective"]) == len(arrays["loss"]) == 60


def test_an_untrained_network_is_not_trained_and_judged_ones_report_pruned_accuracy(few):
    model, history = chapter.trained(regularizer="base", factor=0.0, **few | {"epochs": 0})
    with runtime.seeded(0):
        start = chapter.NETWORKS["one"](classes=3)
    assert history.loss == []
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), start.parameters(), strict=True))
    found, arrays = chapter.judged(regularizer="base", factor=0.0, images=30, steps=2, budgets=[1e-9, 0.1], **few)
    for name in ("clean", "fgsm", "pgd"):  # the result by image is that of the values
        shares = 1 - np.unpackbits(arrays[f"{name}_wrong"], axis=-1, count=30).mean(-1)
        assert shares == pytest.approx(np.array(found[name]))
    length = arrays["length"].astype(float)
    assert np.isnan(length).mean() == pytest.approx(1 - found["clean"])
    found_for_half = np.median(length[~np.isnan(length)])
    assert (None if np.isinf(found_for_half) else pytest.approx(found_for_half, rel=0.1)) == found["distance"]
    assert found["pruned"][0] == pytest.approx(found["clean"], abs=0.1) and found["pgd"][0] == found["clean"]
    assert found["weight_density"] == sorted(found["weight_density"], reverse=True)
