"""Penalties against Keras' formulas, densities against counting, and the networks for 32 pixels."""
import pytest
import torch
from torch import nn

from advutils import models, runtime, sparsity


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


@pytest.mark.parametrize("build, count", [
    (models.resnet50, 23_520_842), (models.mobilenet, 3_217_226), (models.vgg16, 14_719_818),
])
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
    assert shapes == [{models.resnet50: (2, 2048, 4, 4), models.mobilenet: (2, 1024, 2, 2),
                       models.vgg16: (2, 512, 2, 2)}[build]]
