"""Pairwise Difference without its pairs: equal to the layer that has them all, in values, gradients and training."""

import subprocess
import sys

import pytest
import torch

from advutils.core import runtime
from advutils.layers import PairwiseDifference, WeightedPairs
from advutils.layers.pairwise import pairs
from benchmarks import pairwise as bench


def ordered(weight, x):
    """The definition: a weight (out, in, in) for every ordered pair."""
    return torch.einsum("oab,nab->no", weight, torch.sigmoid(x[:, :, None] - x[:, None, :]))


def example(n, dtype=torch.float64, batch=4, out=3):
    generator = runtime.generator(n)
    weight = 2 * torch.rand(out, n, n, generator=generator, dtype=dtype) - 1
    return weight, 3 * torch.randn(batch, n, generator=generator, dtype=dtype)


@pytest.mark.parametrize("n", (2, 3, 4, 9, 16))
def test_each_pair_has_one_weight(n):
    a, b = pairs(n)
    assert sorted(tuple(sorted(pair)) for pair in zip(a.tolist(), b.tolist(), strict=True)) == [
        (i, j) for i in range(n) for j in range(i + 1, n)
    ]


@pytest.mark.parametrize("block", (1, 7, 10**6))
@pytest.mark.parametrize("n", (2, 3, 4, 9, 16))
def test_it_equals_the_layer_with_all_ordered_pairs(n, block):
    weight, x = example(n)
    layer = PairwiseDifference.from_ordered(weight, block=block)
    torch.testing.assert_close(layer(x), ordered(weight, x))


@pytest.mark.parametrize("n", (2, 5, 8))
def test_gradients_by_finite_differences(n):
    weight, x = example(n)
    layer = PairwiseDifference.from_ordered(weight, block=5)
    w, b = layer.weight.detach().requires_grad_(), layer.bias.detach().requires_grad_()

    def call(x, w, b):
        return torch.func.functional_call(layer, {"weight": w, "bias": b}, (x,))

    assert torch.autograd.gradcheck(call, (x.requires_grad_(), w, b))


def test_gradient_descent_takes_the_same_steps_as_on_ordered_pairs():
    """The rotated weights need no other learning rate; the constant is taken out, as batch statistics do."""
    weight, x = example(7)
    target = torch.randn(4, 3, dtype=torch.float64, generator=runtime.generator(1))
    layer = PairwiseDifference.from_ordered(weight)
    whole = weight.clone().requires_grad_()
    losses = []
    for _ in range(5):
        pair = []
        for out, parameter in ((ordered(whole, x), whole), (layer(x), layer.weight)):
            loss = (out - out.mean(0) - target).square().sum()
            (gradient,) = torch.autograd.grad(loss, parameter)
            with torch.no_grad():
                parameter -= 0.05 * gradient
            pair.append(loss.item())
        losses.append(pair)
    assert all(a == pytest.approx(b, rel=1e-10) for a, b in losses) and losses[-1][0] < 0.9 * losses[0][0]


def test_single_precision_at_the_size_of_mnist():
    weight, x = example(784, torch.float32, batch=2, out=4)
    whole = ordered(weight.double(), x.double())
    gap = (PairwiseDifference.from_ordered(weight)(x) - whole).abs().max() / whole.abs().max()
    assert gap < 1e-5


def test_only_one_order_is_needed_and_inputs_alike_give_the_constant():
    weight, x = example(6)
    layer = PairwiseDifference.from_ordered(weight)
    torch.testing.assert_close(layer(torch.full_like(x, 0.3)), layer.bias.expand(4, 3))
    flipped = PairwiseDifference.from_ordered(weight.transpose(1, 2))
    torch.testing.assert_close(layer(x) + flipped(x), 2 * layer.bias.expand(4, 3))


def test_a_gradient_of_one_side_alone():
    weight, x = example(9)
    layer = PairwiseDifference.from_ordered(weight, block=9)
    both = torch.autograd.grad(layer(x.requires_grad_()).square().sum(), [x, layer.weight])
    alone = torch.autograd.grad(layer(x.detach()).square().sum(), layer.weight)[0]
    layer.requires_grad_(False)
    torch.testing.assert_close(both, (torch.autograd.grad(layer(x).square().sum(), x)[0], alone))


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="in_features"):
        PairwiseDifference(1, 3)
    with pytest.raises(ValueError, match="x must have shape"):
        PairwiseDifference(4, 3)(torch.zeros(2, 5))


def test_pairs_with_weights_of_their_own_start_as_pairwise_difference():
    with runtime.seeded(0):
        layer = WeightedPairs(5, 3).double()
    _, x = example(5)
    torch.testing.assert_close(layer(x), ordered(layer.weight.T.view(3, 5, 5), x))


def test_memory_does_not_grow_with_the_pairs():
    """One pass of a layer of 600 inputs, 180,000 pairs and 20 images, beside the one that holds 360,000."""
    ours, theirs = (
        float(
            subprocess.run(
                [sys.executable, "-m", "benchmarks.pairwise", name, "600", "50", "20"],
                capture_output=True,
                text=True,
                check=True,
            ).stdout
        )
        for name in ("blocked", "ordered")
    )
    assert theirs > 20 * 600 * 600 * 4
    assert ours < theirs / 8


def test_the_benchmark_measures_both_layers():
    found = bench.pairwise_cost(n=40, out=5, batch=3, rounds=1, threads=1, seed=0)
    assert found["gap"] < 1e-5 and found["times_faster"] > 0 and found["ordered"]["seconds"] > 0
