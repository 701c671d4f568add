"""Each test proves one entry of the errata of Cutilli 2021, chapter 3."""

import pytest
import torch
from torch import nn

from advbook.chapters.representation import defences as chapter
from advutils import datasets, evaluation, layers, models
from advutils.core import runtime
from advutils.training import regularizers


def vectors(n=6, batch=4):
    generator = runtime.generator(0)
    return (
        torch.randn(batch, n, generator=generator, dtype=torch.float64, requires_grad=True),
        torch.randn(n, generator=generator, dtype=torch.float64),
    )


def cosine_gradient(a, w):
    value = (a @ w) / (a.norm(dim=1) * w.norm())
    return torch.autograd.grad(value.sum(), a)[0], value.detach()[:, None]


def test_the_derivative_of_the_cosine_has_a_minus():
    a, w = vectors()
    true, _ = cosine_gradient(a, w)
    a = a.detach()
    size = a.norm(dim=1, keepdim=True)
    first, second = w / (w.norm() * size), (a @ w)[:, None] * a / (size**3 * w.norm())
    torch.testing.assert_close(true, first - second)
    assert (true - (first + second)).abs().max() > 0.01


def test_the_derivative_is_orthogonal_and_vanishes_when_aligned():
    a, w = vectors()
    true, cosine = cosine_gradient(a, w)
    assert (true * a).sum(1).abs().max() < 1e-12
    torch.testing.assert_close(true.norm(dim=1, keepdim=True), (1 - cosine**2).sqrt() / a.norm(dim=1, keepdim=True))
    aligned, _ = cosine_gradient((3 * w)[None].requires_grad_(), w)
    assert aligned.abs().max() < 1e-12
    printed = w / (w.norm() * (3 * w).norm()) + 3 * w / (3 * w).square().sum()
    assert printed.norm() == pytest.approx(2 / (3 * w).norm().item())


def test_the_derivative_with_a_constant_and_its_limit():
    c = 0.2
    a, w = vectors()
    layer = layers.Angular(6, 1, c=c).double()
    with torch.no_grad():
        layer.weight.copy_(w[None])
    for scale in (1.0, 1e-7):
        x = (scale * a.detach()).requires_grad_()
        (true,) = torch.autograd.grad(layer(x).sum(), x)
        x = x.detach()
        size, product = x.norm(dim=1, keepdim=True), (x @ w)[:, None]
        below = w.norm() * size + c
        torch.testing.assert_close(true, (below * w - product * w.norm() * x / size) / below**2)
        printed = (w.norm() * size * w - 2 * product * w.norm() * x) / (below**2 * size)
        assert (printed - true).abs().max() > 0.05
        last = (w.norm() * size * w - 2 * product * w.norm() * x) / (
            w.norm() ** 2 * size**3 + 2 * c * w.norm() * size**2 + c**2
        )
    torch.testing.assert_close(true, (w / c).expand(4, 6), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(printed, (w.norm() * w / c**2).expand(4, 6), rtol=1e-5, atol=1e-5)
    assert last.abs().max() < 1e-4  # its denominator is multiplied out wrongly: it goes to 0, not to w / c^2
    assert (w / c - w / c**2).abs().min() > 0.1


def test_no_function_has_a_over_its_l1_length_as_its_gradient():
    """A gradient's Jacobian is symmetric; that of a / ||a||_1 is -a_i sign(a_j) / ||a||_1^2 off the diagonal."""
    a = torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda a: a / a.abs().sum(), a)
    assert (jacobian - jacobian.T).abs().max() > 0.05
    euclidean = torch.autograd.functional.jacobian(lambda a: a / a.norm(), a)  # that of ||a||
    torch.testing.assert_close(euclidean, euclidean.T)


def test_an_angular_network_ranks_classes_by_a_nearly_affine_map():
    """In evaluation mode, without c: logits ranked by u h + v ||h||, with h affine in the image at length 1."""
    with runtime.seeded(0):
        model = models.structural(neurons="angular", activation="none", renormalised=True, pixels=16).double()
    for layer in model:
        if isinstance(layer, layers.Angular):
            layer.c = 1e-12
    x = torch.rand(40, 1, 4, 4, generator=runtime.generator(1), dtype=torch.float64)
    for _ in range(50):
        model.train()(x)
    model.eval()
    unit = x.flatten(1) / x.flatten(1).norm(dim=1, keepdim=True)
    inputs = torch.cat([unit, torch.ones_like(unit[:, :1])], 1)
    h = model[2:5](255 * x.flatten(1))
    assert (inputs @ torch.linalg.lstsq(inputs, h).solution - h).abs().max() < 1e-8  # affine
    rays = torch.randn(300, 100, generator=runtime.generator(2), dtype=torch.float64)
    logits = model[5:](rays)  # of any h: affine in h / ||h||, so ranked by u h + v ||h||
    inputs = torch.cat([rays / rays.norm(dim=1, keepdim=True), torch.ones_like(rays[:, :1])], 1)
    assert (inputs @ torch.linalg.lstsq(inputs, logits).solution - logits).abs().max() < 1e-8


def test_the_derivatives_of_pairwise_difference():
    generator = runtime.generator(2)
    w = torch.randn(5, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    v = torch.randn(5, generator=generator, dtype=torch.float64, requires_grad=True)
    compared = torch.sigmoid(v[:, None] - v[None])
    to_w, to_v = torch.autograd.grad((w * compared).sum(), [w, v])
    torch.testing.assert_close(to_w, compared.detach())
    slope = (compared * (1 - compared)).detach()
    terms = w.detach() * slope - w.detach().T * slope.T  # the sum of Eq. (3.2) over r'
    torch.testing.assert_close(to_v, terms.sum(1))
    assert terms.diagonal().abs().max() == 0


def test_elastic_sigmoid_is_a_sigmoid_with_other_weights():
    with runtime.seeded(0):
        linear, other, elastic = nn.Linear(4, 3).double(), nn.Linear(4, 3).double(), layers.ElasticSigmoid().double()
    with torch.no_grad():
        elastic.scale.fill_(-2.5)
        other.weight.copy_(-2.5 * linear.weight)
        other.bias.copy_(-2.5 * linear.bias)
    x = torch.randn(5, 4, dtype=torch.float64, generator=runtime.generator(1), requires_grad=True)
    pair = elastic(linear(x)), torch.sigmoid(other(x))
    torch.testing.assert_close(*pair)
    torch.testing.assert_close(*(torch.autograd.grad(out.square().sum(), x)[0] for out in pair))
    d = torch.linspace(-2, 2, 9, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(elastic(d).sum(), d)
    e = torch.exp(2.5 * d.detach())
    torch.testing.assert_close(slope, -2.5 * e / (1 + e) ** 2)


def test_a_norm_has_no_derivative_at_zero():
    zero = torch.zeros(3, requires_grad=True)
    step = torch.tensor([1e-6, 0.0, 0.0])
    quotients = [(zero + sign * step).norm().item() / (sign * 1e-6) for sign in (1, -1)]
    assert quotients == pytest.approx([1, -1])
    assert torch.autograd.grad(zero.norm(), zero)[0].abs().max() == 0


def test_one_norm_a_minibatch_is_weaker_than_one_an_image():
    x = torch.randn(20, 7, dtype=torch.float64, generator=runtime.generator(0), requires_grad=True)
    for losses, equal in (((x.square().sum(1)), False), (x.sum(1), True)):
        one, each = (regularizers.gradient_magnitude(losses, x, per_example=how).item() for how in (False, True))
        assert one <= each <= 20**0.5 * one * (1 + 1e-12)
        assert (each == pytest.approx(20**0.5 * one)) is equal


def test_most_pixels_are_zero():
    if datasets.state("mnist") != "ok":
        pytest.skip("needs MNIST")
    images, _ = datasets.load("mnist", split="test")
    assert 0.78 < (images == 0).double().mean() < 0.83 and images.max() == 1


def test_the_loss_is_a_sum_over_outputs():
    logits, y = torch.randn(6, 10, generator=runtime.generator(0)), torch.arange(6)
    summed = chapter.squared("S", logits, y)
    mean = nn.functional.mse_loss(logits.sigmoid(), nn.functional.one_hot(y, 10).float(), reduction="none").mean(1)
    torch.testing.assert_close(summed, 10 * mean)


def test_renormalisation_without_correction_is_normalisation():
    ours, theirs = layers.BatchRenorm(5, eps=1e-5), nn.BatchNorm1d(5)
    x = torch.randn(20, 5, generator=runtime.generator(0))
    torch.testing.assert_close(ours(x), theirs(x))


def test_in_training_mode_an_answer_depends_on_its_neighbours():
    with runtime.seeded(0):
        model = models.structural(pixels=16, hidden=8, renormalised=True).train()
    x = torch.rand(40, 1, 4, 4, generator=runtime.generator(0))
    with torch.no_grad():
        one, two = model(x[:20])[0], model(torch.cat([x[:1], x[20:39]]))[0]
        model.eval()
        settled = model(x[:20])[0], model(torch.cat([x[:1], x[20:39]]))[0]
    assert (one - two).abs().max() > 1e-3
    torch.testing.assert_close(*settled)


def test_saturated_sigmoids_hide_the_gradient_in_single_precision():
    """Units at potentials of -120 and 30: slopes are 0 in float32, and a step along the gradient is no step."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2), nn.Sigmoid(), nn.Linear(2, 2)).eval()
    with torch.no_grad():
        model[1].weight.copy_(torch.tensor([[200.0, 200, 0, 0], [0, 0, 200, 200]]))
        model[1].bias.fill_(-140.0)
        model[3].weight.copy_(4 * torch.eye(2))
        model[3].bias.zero_()
    x, y = torch.tensor([[0.05, 0.05, 0.425, 0.425]]).view(1, 1, 2, 2), torch.tensor([1])
    left = {}
    for dtype in (torch.float32, torch.float64):
        same, image = model.to(dtype), x.to(dtype)
        moved = chapter.sign_attack("S", same, image, y, eps=0.3)
        left[dtype] = (moved - image).abs().max().item(), evaluation.error_rate(same, moved, y)
    assert left[torch.float32][1] == 0 and left[torch.float64][1] == 1
    assert left[torch.float32][0] == 0 and left[torch.float64][0] == pytest.approx(0.3)
