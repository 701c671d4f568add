"""Each test proves one entry of the errata of Cutilli 2021, chapter 2."""

import torch
from torch import nn

from advbook.chapters.representation import counting as chapter
from advutils import models
from advutils.core import runtime
from advutils.explanation import attribution, localisation


def layers(*activations):
    """Four maps of R^5 to R^5 (the last to R), with the given activations, in float64."""
    with runtime.seeded(0):
        return [nn.Sequential(nn.Linear(5, 1 if k == 3 else 5), act()).double() for k, act in enumerate(activations)]


def test_the_chain_of_second_derivatives_is_the_product_rule():
    maps = layers(nn.Softplus, nn.Sigmoid, nn.Softplus, nn.Softplus)
    x = torch.randn(5, dtype=torch.float64, generator=runtime.generator(0))
    points = [x]
    for layer in maps:
        points.append(layer(points[-1]))
    jacobian = [torch.autograd.functional.jacobian(layer, point) for layer, point in zip(maps, points, strict=False)]
    upto = [torch.eye(5, dtype=torch.float64)]  # d a_k / d x
    for matrix in jacobian:
        upto.append(matrix @ upto[-1])
    total = torch.zeros(5, 5, dtype=torch.float64)
    for k, (layer, point) in enumerate(zip(maps, points, strict=False)):  # one term for each layer, as in the last line
        after = torch.eye(1, dtype=torch.float64)
        for matrix in jacobian[:k:-1]:
            after = after @ matrix
        bend = torch.stack(
            [
                torch.autograd.functional.hessian(lambda p, m=layer, o=o: m(p)[o], point)
                for o in range(layer[0].out_features)
            ]
        )
        total += torch.einsum("o,oab,ai,bj->ij", after[0], bend, upto[k], upto[k])
    whole = torch.autograd.functional.hessian(lambda p: nn.Sequential(*maps)(p).sum(), x)
    torch.testing.assert_close(total, whole)


def test_one_bend_at_the_end_gives_the_first_derivative_again():
    network = nn.Sequential(*layers(nn.ReLU, nn.ReLU, nn.ReLU, nn.Softplus))
    x = torch.randn(5, dtype=torch.float64, generator=runtime.generator(3))
    hessian = torch.autograd.functional.hessian(lambda p: network(p).sum(), x)
    gradient = torch.autograd.functional.jacobian(lambda p: network(p).sum(), x)
    assert torch.linalg.matrix_rank(hessian, tol=1e-12) == 1
    row = hessian[gradient.abs().argmax()]
    torch.testing.assert_close(row / row.norm(), (gradient / gradient.norm()) * (row @ gradient).sign())


def test_two_outputs_with_a_bend_at_the_end_give_rank_two():
    with runtime.seeded(4):
        network = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 2), nn.Softplus()).double()
    x = torch.randn(5, dtype=torch.float64, generator=runtime.generator(5))
    hessian = torch.autograd.functional.hessian(lambda p: network(p).sum(), x)
    assert torch.linalg.matrix_rank(hessian, tol=1e-12) == 2


def test_rectifiers_have_jumps_in_place_of_second_derivatives():
    with runtime.seeded(1):
        network = models.counter(size=32, plan="small").double()
    with torch.no_grad():
        network[-2].bias.fill_(3.0)
    image = torch.rand(3, 32, 32, dtype=torch.float64, generator=runtime.generator(1))
    assert (attribution.second_order_saliency(network, image, torch.tensor([[10, 10]])) == 0).all()
    moved = image.clone()
    moved[:, 8:16, 8:16] += 1.0
    first, second = (attribution.first_order_saliency(network, x[None])[0] for x in (image, moved))
    assert (first - second).abs().max() > 1e-3 * first.max()


def test_the_network_counts_each_kind():
    assert models.counter(size=64, plan="small")(torch.rand(2, 3, 64, 64)).shape == (2, 2)


def test_second_derivatives_scale_with_the_square_of_the_units():
    with runtime.seeded(2):
        network = models.counter(size=32, plan="small", activation="softplus").double()
    with torch.no_grad():
        network[-2].bias.fill_(3.0)
    image = torch.rand(3, 32, 32, dtype=torch.float64, generator=runtime.generator(2))

    class InGreyLevels(nn.Module):
        def forward(self, x):
            return network(x / 255)

    seed = torch.tensor([[10, 10]])
    ours = attribution.second_order_saliency(network, image, seed)
    theirs = attribution.second_order_saliency(InGreyLevels(), 255 * image, seed)
    torch.testing.assert_close(ours, 255**2 * theirs)
    assert abs(localisation.thesis_threshold(1000) - 3.25e-5) < 1e-7


def test_a_loss_of_the_count_has_the_counts_saliency():
    with runtime.seeded(3):
        network = models.counter(size=32, plan="small", activation="sigmoid").double()
    with torch.no_grad():
        network[-2].bias.fill_(1.3)
    image = torch.rand(1, 3, 32, 32, dtype=torch.float64, generator=runtime.generator(3))
    count = attribution.first_order_saliency(network, image)
    loss = attribution.first_order_saliency(network, image, of=chapter.one_less)
    torch.testing.assert_close(loss / loss.amax(), count / count.amax())
