"""Convolutional maxout layer by layer, its limits and learning rates, and whitening."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from advbook.chapters.gradient_regularization import convolutional
from advutils import layers, models, training
from advutils.core import runtime
from advutils.layers import ConvMaxout, PairwiseDifference
from advutils.layers.whiten import contrast_normalised
from advutils.training import constraints


def sizes(network, x):
    found = []
    for layer in network.eval():
        x = layer(x)
        if isinstance(layer, (layers.ConvMaxout, layers.Maxout, nn.Linear)):
            found.append(tuple(x.shape[1:]))
    return found


def test_maps_of_the_mnist_network():
    network = models.conv_maxout_mnist()
    assert sizes(network, torch.rand(2, 1, 28, 28)) == [(48, 10, 10), (48, 4, 4), (24, 3, 3), (10,)]
    assert [layer.map_size for layer in network if isinstance(layer, layers.ConvMaxout)] == [21, 9, 6]
    assert network[-1].in_features == 216
    weights = 96 * 64 + 96 * 48 * 64 + 96 * 48 * 25 + 10 * 216
    biases = 96 * 21**2 + 96 * 9**2 + 96 * 6**2 + 10
    assert sum(p.numel() for p in network.parameters()) == weights + biases


def test_maps_of_the_cifar_network():
    network = models.conv_maxout_cifar()
    assert sizes(network, torch.rand(2, 3, 32, 32)) == [(48, 16, 16), (128, 7, 7), (128, 5, 5), (240,), (10,)]
    assert [layer.map_size for layer in network if isinstance(layer, layers.ConvMaxout)] == [33, 15, 9]
    weights = 96 * 3 * 64 + 256 * 48 * 64 + 256 * 128 * 25 + 1200 * 3200 + 10 * 240
    assert sum(p.numel() for p in network.parameters()) == weights + 96 + 256 + 256 + 1200 + 10


def test_limits_and_rates_are_those_of_the_yaml_files():
    def carried(network, name):
        return [getattr(module, name) for module in network.modules() if hasattr(module, name)]

    assert carried(models.conv_maxout_mnist(), "max_norm") == [0.9, 1.9365, 1.9365, 1.9365]
    assert carried(models.conv_maxout_mnist(), "lr_scale") == []
    assert carried(models.conv_maxout_cifar(), "max_norm") == [0.9, 1.9365, 1.9365, 1.9, 1.9365]
    assert carried(models.conv_maxout_cifar(), "lr_scale") == [0.05] * 3


@pytest.mark.parametrize("tied", [True, False])
def test_a_layer_is_the_largest_of_adjacent_pieces_in_every_window(tied):
    layer = layers.ConvMaxout(2, 3, 2, kernel=3, padding=1, pool=4, size=7, tied=tied)
    with torch.no_grad():
        layer.bias.normal_(generator=runtime.generator(0))
    x = torch.randn(1, 2, 7, 7, generator=runtime.generator(1))
    out = layer(x)
    assert out.shape == (1, 3, 3, 3) and layer.out_size == 3
    z = F.conv2d(x, layer.weight, padding=1)[0] + (layer.bias[:, None, None] if tied else layer.bias)
    for channel in range(3):
        best = torch.maximum(z[2 * channel], z[2 * channel + 1])
        for row in range(3):
            for column in range(3):
                window = best[2 * row : 2 * row + 4, 2 * column : 2 * column + 4]  # the last hang over the edge
                torch.testing.assert_close(out[0, channel, row, column], window.max())


def test_a_layer_that_its_maps_do_not_fit_is_refused():
    with pytest.raises(ValueError, match="smaller than the pool"):
        layers.ConvMaxout(1, 1, 2, kernel=5, padding=0, pool=4, size=6, tied=True)
    with pytest.raises(ValueError, match="pieces"):
        layers.ConvMaxout(1, 1, 0, kernel=5, padding=0, pool=4, size=9, tied=True)


def narrow(seed=0):
    with runtime.seeded(seed):
        return models.conv_maxout_cifar(width=0.05)


def batch():
    return torch.randn(8, 3, 32, 32, generator=runtime.generator(3)), torch.arange(8)


def one_epoch(network, x, y, **options):
    training.train(
        network,
        x,
        y,
        objective=lambda m, a, b: F.cross_entropy(m(a), b),
        epochs=1,
        seed=0,
        batch_size=len(y),
        **options,
    )


def test_after_a_step_every_filter_keeps_to_its_own_limit():
    network, (x, y) = narrow(), batch()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(1000)
    one_epoch(network, x, y)
    for module in network.modules():
        if hasattr(module, "max_norm"):
            norms = module.weight.detach().flatten(1).norm(dim=1)
            assert norms.max() == pytest.approx(module.max_norm, rel=1e-5) and norms.min() > 0.5 * module.max_norm


@pytest.mark.parametrize("optimizer", ["adam", "momentum"])
def test_a_rate_of_its_own_is_a_group_with_that_rate(optimizer):
    """A layer with a twentieth of the rate goes a twentieth of the way, with Adam too."""
    before, slow, fast, (x, y) = narrow(), narrow(), narrow(), batch()
    with torch.no_grad():  # or a step would be lost in rounding
        for parameter in (p for network in (before, slow, fast) for p in network.parameters()):
            parameter.mul_(20)
    for module in fast.modules():
        if hasattr(module, "lr_scale"):
            module.lr_scale = 1.0
    for network in (slow, fast):
        for module in network.modules():
            if hasattr(module, "max_norm"):
                module.max_norm = 1e9
        one_epoch(network, x, y, optimizer=optimizer)
    scaled = [name for name, module in slow.named_modules() if hasattr(module, "lr_scale")]
    assert len(scaled) == 3
    for name in scaled:
        start = before.get_submodule(name).weight
        short, long = (network.get_submodule(name).weight - start for network in (slow, fast))
        torch.testing.assert_close(20 * short, long, rtol=1e-3, atol=1e-4 * long.abs().max().item())


def test_limits_are_those_of_units_alone():
    """Biases that have a place each, and weights of pairs, are no rows of a unit's incoming weights."""
    model = nn.Sequential(
        ConvMaxout(1, 2, 2, kernel=3, padding=0, pool=2, size=6, tied=False), PairwiseDifference(5, 3), nn.Linear(3, 2)
    )
    assert [weight.shape for weight, _ in constraints.limits(model, 1.0)] == [(4, 1, 3, 3), (2, 3)]
    assert constraints.limits(model) == []


def test_contrast_normalisation():
    x = torch.rand(5, 3, 4, 4, generator=runtime.generator(0), dtype=torch.float64)
    out = contrast_normalised(x)
    torch.testing.assert_close(out.flatten(1).norm(dim=1), torch.full((5,), 55.0, dtype=torch.float64))
    torch.testing.assert_close(out.mean((1, 2, 3)), torch.zeros(5, dtype=torch.float64))
    torch.testing.assert_close(contrast_normalised(0.3 * x + 0.2), out)  # brightness and contrast are gone
    assert not contrast_normalised(torch.full((1, 3, 4, 4), 0.5)).any()


def test_whitened_images_have_the_covariance_that_the_ridge_leaves():
    x = torch.rand(400, 1, 4, 4, generator=runtime.generator(0), dtype=torch.float64)
    whiten = layers.Whiten(x)
    before, after = contrast_normalised(x).flatten(1), whiten(x).flatten(1)
    assert after.shape == (400, 16) and whiten(x).shape == x.shape
    values, vectors = torch.linalg.eigh(torch.cov(before.T, correction=0))
    expected = vectors @ torch.diag(values / (values + 0.1)) @ vectors.T
    torch.testing.assert_close(torch.cov(after.T, correction=0), expected)
    torch.testing.assert_close(whiten.matrix, whiten.matrix.T)  # ZCA, not PCA
    torch.testing.assert_close(after.mean(0), torch.zeros(16, dtype=torch.float64))


def test_whitening_depends_on_the_images_it_was_fitted_on_alone():
    x = torch.rand(50, 1, 4, 4, generator=runtime.generator(0))
    whiten = layers.Whiten(x)
    torch.testing.assert_close(whiten(x)[7:8], whiten(x[7:8]))
    assert whiten.state_dict() == {}
    assert torch.autograd.functional.jacobian(whiten, x[:1]).abs().sum() > 0


def test_short_training_needs_a_rate_for_adam_and_a_known_precision():
    spec = dict(data="digits", penalty="none", p=2, sigma=0.0, epochs=1, seed=0)
    with pytest.raises(ValueError, match="lr must be given"):
        convolutional.trained(**spec, optimizer="adam")
    with pytest.raises(ValueError, match="precision must be"):
        convolutional.trained(**spec, precision="half")


def test_keep_changes_hidden_dropout_alone():
    kept = [layer.keep for layer in models.conv_maxout_cifar(keep=0.8).modules() if isinstance(layer, layers.Dropout)]
    assert kept == [0.8] * 5  # pixels, three layers of maps, the dense layer
    assert models.conv_maxout_cifar(keep=0.7)[0].keep == 0.8


def test_a_linear_rate_is_constant_within_an_epoch_and_falls_to_a_hundredth():
    schedule = convolutional.Linear(lr=2.0, batches=10, decay_epochs=4)
    assert schedule.rate(0) == schedule.rate(9) == 2.0
    assert schedule.rate(10) == schedule.rate(19) == pytest.approx(2.0 * (1 - 0.99 / 4))
    assert [schedule.rate(40), schedule.rate(10_000)] == pytest.approx([0.02, 0.02], rel=1e-12)


def test_one_step_flips_the_images_whose_margin_is_shorter(monkeypatch):
    torch.manual_seed(0)
    plane = torch.nn.Linear(3, 2)  # two classes: the gradient points straight at the border
    x = torch.randn(200, 3, generator=torch.Generator().manual_seed(0))
    logits = plane(x).detach()
    y = logits.argmax(1)
    normal = (plane.weight[0] - plane.weight[1]).norm().item()
    margin = (logits[:, 0] - logits[:, 1]).abs() / normal
    monkeypatch.setattr(convolutional, "named", lambda spec: torch.nn.Sequential(torch.nn.Identity(), plane))
    monkeypatch.setattr(convolutional, "loaded", lambda name, split: (x, y))
    lengths = [0.25, 0.5, 1.0]
    found, which = convolutional.one_step(spec={"data": "any"}, images=150, lengths=lengths, seed=0)
    assert found["classes"] == 2 and found["clean"] == 0
    assert found["gradient"] == pytest.approx([(margin[:150] < d).double().mean().item() for d in lengths], abs=0.011)
    assert all(random < straight for random, straight in zip(found["random"], found["gradient"], strict=True))
    by_image = np.unpackbits(which["gradient"], axis=-1)[:, :150]
    assert by_image.mean(1).tolist() == pytest.approx(found["gradient"])
