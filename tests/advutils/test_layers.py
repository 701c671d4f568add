"""What holds for every layer, whatever it computes: one table, in each precision, by finite differences, from a file,
and on a device that is not there. What each computes is in the files beside this one."""

import copy
import io

import pytest
import torch
from torch import nn

from advutils import layers
from advutils.core import runtime
from advutils.training import constraints

LAYERS = {  # how to make one, the shape of a batch that it takes, and that of what it gives
    "Angular": (lambda: layers.Angular(5, 3), (4, 5), (4, 3)),
    "BatchRenorm": (lambda: layers.BatchRenorm(3), (6, 3, 2, 2), (6, 3, 2, 2)),
    "ConvMaxout": (
        lambda: layers.ConvMaxout(2, 3, 2, kernel=3, padding=1, pool=4, size=7, tied=False),
        (2, 2, 7, 7),
        (2, 3, 3, 3),
    ),
    "Dropout": (lambda: layers.Dropout(0.5), (4, 5), (4, 5)),
    "Elastic": (layers.Elastic, (4, 5), (4, 5)),
    "ElasticSigmoid": (layers.ElasticSigmoid, (4, 5), (4, 5)),
    "Maxout": (lambda: layers.Maxout(5, 3, 4), (4, 5), (4, 3)),
    "Normalize": (lambda: layers.Normalize((0.5, 0.25), (0.5, 0.25)), (3, 2, 4, 4), (3, 2, 4, 4)),
    "PairwiseDifference": (lambda: layers.PairwiseDifference(5, 3, block=5), (4, 5), (4, 3)),
    "Share": (lambda: layers.Share(5, 3), (4, 5), (4, 3)),
    "TanhSigmoid": (layers.TanhSigmoid, (4, 5), (4, 5)),
    "WeightedMean": (lambda: layers.WeightedMean(5, 3), (4, 5), (4, 3)),
    "WeightedPairs": (lambda: layers.WeightedPairs(5, 3), (4, 5), (4, 3)),
    "Whiten": (lambda: layers.Whiten(pixels((20, 1, 3, 3), seed=7)), (4, 1, 3, 3), (4, 1, 3, 3)),
}
LIMITED = {"ConvMaxout", "Maxout"}  # a max-norm limits their rows; a new layer joins UNITS of training/constraints.py
every = pytest.mark.parametrize("name", LAYERS)


def pixels(shape, seed=1):
    return torch.rand(shape, generator=runtime.generator(seed))


def example(name, seed=0):
    """The layer, away from its start, in evaluation mode, and a batch for it."""
    make, shape, _ = LAYERS[name]
    with runtime.seeded(seed):
        layer = make().eval()
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
    return layer, pixels(shape)


def test_the_table_has_every_layer():
    kinds = {name: getattr(layers, name) for name in layers.__all__}
    found = {name for name, kind in kinds.items() if isinstance(kind, type) and issubclass(kind, nn.Module)}
    assert found == set(LAYERS)
    assert all(type(example(name)[0]) is kinds[name] for name in LAYERS)


@every
@pytest.mark.parametrize("dtype", (torch.float32, torch.float64, torch.bfloat16))
def test_shape_and_type_in_each_precision_and_mode(name, dtype):
    layer, x = example(name)
    layer, x = layer.to(dtype), x.to(dtype)
    for mode in (True, False):
        out = layer.train(mode)(x)
        assert out.shape == LAYERS[name][2] and out.dtype == dtype and torch.isfinite(out).all()


@every
def test_single_precision_gives_what_double_does(name):
    layer, x = example(name)
    exact = copy.deepcopy(layer).double()(x.double())
    assert exact.abs().max() > 0
    # one rounding of float32 is 6e-8; Whiten makes each some sixty times larger
    assert (layer(x) - exact).abs().max() < 1e-4 * exact.abs().max()


@every
def test_gradients_in_the_input_and_each_parameter_are_those_of_finite_differences(name):
    layer, x = example(name)
    layer = layer.double().train(name != "Dropout")  # whose mask would be another in each pass
    names = [each for each, _ in layer.named_parameters()]

    def call(x, *parameters):
        return torch.func.functional_call(layer, dict(zip(names, parameters, strict=True)), (x,))

    leaves = [parameter.detach().clone().requires_grad_() for parameter in layer.parameters()]
    assert torch.autograd.gradcheck(call, (x.double().requires_grad_(), *leaves))


@every
def test_a_layer_comes_back_from_a_file(name):
    layer, x = example(name)
    layer.train()(x)  # running values too
    file = io.BytesIO()
    torch.save(layer.state_dict(), file)
    file.seek(0)
    other, _ = example(name, seed=1)
    parameters = bool(list(layer.parameters()))
    assert torch.equal(layer.eval()(x), other(x)) != parameters
    other.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(layer(x), other(x))


@every
def test_a_pass_that_is_asked_to_moves_no_statistics(name):
    layer, x = example(name)
    before = {key: value.clone() for key, value in layer.state_dict().items()}
    with runtime.statistics_still(layer.train()):
        layer(x)
    assert all(torch.equal(value, before[key]) for key, value in layer.state_dict().items())
    assert layer.training


@every
def test_elsewhere_a_layer_gives_the_same_values_and_gradients(name, device):
    layer, x = example(name)
    found = []
    for place in (torch.device("cpu"), device):
        moved, there = copy.deepcopy(layer).to(place), x.detach().to(place).requires_grad_()
        out = moved(there)
        gradients = torch.autograd.grad(out.square().sum(), [there, *moved.parameters()])
        assert all(each.device.type == place.type for each in (out, *gradients, *moved.state_dict().values()))
        found.append([each.detach().cpu() for each in (out, *gradients)])
    torch.testing.assert_close(*found)


@every
def test_a_max_norm_limits_the_rows_of_layers_that_have_units(name):
    assert bool(constraints.limits(example(name)[0], 1.0)) == (name in LIMITED)
