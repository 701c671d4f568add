"""Batch renormalisation between its two ends: batch normalisation, and what it has at test time."""

import torch
from torch import nn

from advutils import layers
from advutils.core import runtime


def test_without_correction_it_is_batch_normalisation():
    renorm, norm = layers.BatchRenorm(5, decay=0.9, eps=1e-5), nn.BatchNorm2d(5, momentum=0.1)
    for step in range(4):
        x = 3 * torch.randn(8, 5, 4, 4, generator=runtime.generator(step)) + 1
        torch.testing.assert_close(renorm(x), norm(x))
    torch.testing.assert_close(renorm.running_mean, norm.running_mean)
    torch.testing.assert_close(renorm.running_var, norm.running_var)
    torch.testing.assert_close(renorm.eval()(x), norm.eval()(x))


def limits(renorm, r_max, d_max):
    renorm.r_max.fill_(r_max)
    renorm.d_max.fill_(d_max)


def test_the_schedule_loosens_ten_times_after_each_wait_and_survives_a_resume():
    network = nn.Sequential(layers.BatchRenorm(2))
    schedule = layers.Loosening(network, start=3.0, wait=2)
    seen = []
    for loss in (9.0, 4.0, 2.9, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0):
        schedule(loss)
        seen.append(round(network[0].r_max.item(), 3))
    assert seen == [1.0, 1.0, 1.1, 1.1, 10, 10, 100, 100, 1000, 1000, 1000]
    again = nn.Sequential(layers.BatchRenorm(2))
    again.load_state_dict(network.state_dict())
    assert again[0].r_max == 1000 and again[0].d_max == 1000


def test_without_limits_training_computes_what_evaluation_does():
    renorm = layers.BatchRenorm(3)
    for step in range(20):
        renorm(2 * torch.randn(16, 3, 4, 4, generator=runtime.generator(step)) + 5)
    limits(renorm, 1e9, 1e9)
    x = 2 * torch.randn(16, 3, 4, 4, generator=runtime.generator(99)) + 4
    expected = renorm.eval()(x)
    torch.testing.assert_close(renorm.train()(x), expected, rtol=1e-4, atol=1e-4)


def test_corrections_are_constants_of_the_gradient():
    renorm = layers.BatchRenorm(2).double()
    limits(renorm, 3.0, 5.0)
    x = torch.randn(6, 2, 3, 3, dtype=torch.float64, generator=runtime.generator(0)).requires_grad_()
    gradient = torch.autograd.grad(renorm(x).pow(3).sum(), x)[0]
    # r and d as numbers: the gradient of the usual normalisation, scaled
    renorm.running_mean.zero_()
    renorm.running_var.fill_(1)
    mean, var = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), unbiased=False, keepdim=True)
    sd = (var + renorm.eps).sqrt()
    known = (torch.ones(()) + renorm.eps).sqrt()
    r, d = (sd / known).detach(), (mean / known).detach()
    by_hand = torch.autograd.grad(((x - mean) / sd * r + d).pow(3).sum(), x)[0]
    torch.testing.assert_close(gradient, by_hand)
