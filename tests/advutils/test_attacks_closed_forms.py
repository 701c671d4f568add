"""Minimal attacks and budgets on models whose distances are known, and agreement with foolbox."""

import math
import sys

import numpy as np
import pytest
import torch
from attack_table import ATTACKS, MINIMAL, minimal
from scipy.optimize import linprog
from torch import nn

from advutils import attacks
from advutils.core import norms


@minimal
def test_minimal_attacks_return_a_success_or_the_input(name, net, batch):
    x, _ = batch
    net.eval()
    y = net(x).argmax(1)
    out = ATTACKS[name](net, x, y)
    fooled = net(out).argmax(1) != y  # evaluated again on what was returned
    assert out.min() >= 0 and out.max() <= 1 and not out.requires_grad and fooled.float().mean() > 0.7
    assert torch.equal(out[~fooled], x[~fooled]) and (norms.norm(out - x)[fooled] > 0).all()


@pytest.mark.parametrize("name", [name for name in MINIMAL if "smooth" not in name])
def test_minimal_attacks_find_the_closed_form_distance(name):
    """Two classes and a plane: DeepFool must be exact but for its overshoot, C&W within 1.25 times."""
    torch.manual_seed(0)
    model = nn.Linear(9, 2).double()
    x = torch.rand(30, 9, dtype=torch.float64) * 0.02 + 0.49
    y = model(x).argmax(1)
    p = {"deepfool 1": 1, "deepfool inf": math.inf}.get(name, 2)
    w = model.weight[1] - model.weight[0]
    distance = ((model(x)[:, 1] - model(x)[:, 0]).abs() / norms.norm(w[None], norms.dual(p))).detach()
    near = distance < 0.4  # farther ones need clipping, which has no closed form
    out = ATTACKS[name](model, x, y, **({} if "deepfool" in name else {"steps": 200, "search_steps": 9}))
    assert near.sum() > 10 and (model(out).argmax(1) != y).all()
    ratio = norms.norm(out - x, p)[near] / distance[near]
    if "deepfool" in name:
        torch.testing.assert_close(norms.norm(out - x, p)[near], 1.02 * (distance[near] + 1e-4))
    else:
        assert (ratio >= 1).all() and (ratio < 1.25).all()


@pytest.mark.parametrize("p", (1.5, 2, 3, math.inf))
def test_deepfool_of_any_p_lands_on_the_boundary(p):
    """One step on an affine classifier leaves f = 0 with the dual norm; with the printed ||w||_p^2 for p = 2 alone."""
    generator = torch.Generator().manual_seed(3)
    w = torch.randn(1, 20, generator=generator, dtype=torch.float64)
    f = torch.tensor([-3.6], dtype=torch.float64)
    step = f.abs() / norms.norm(w, norms.dual(p)) * norms.steepest(w, p)
    printed = -f * w / norms.norm(w, p) ** 2
    assert (f + (w * step).sum()).abs() < 1e-12
    assert ((f + (w * printed).sum()).abs() < 1e-12) == (p == 2)
    torch.testing.assert_close(norms.norm(step, p), f.abs() / norms.norm(w, norms.dual(p)))


@pytest.mark.parametrize("dtype", (torch.float32, torch.float64))
def test_deepfool_in_l1_spreads_over_pixels_as_a_linear_programme_does(dtype):
    """An affine network, pixels near the border: no pixel has the room to arrive alone."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 5)).to(dtype)
    with torch.no_grad():
        model[1].bias.mul_(8)  # farther away
    x = torch.rand(40, 1, 8, 8, dtype=dtype)
    x = torch.where(torch.rand(x.shape) < 0.7, x.round(), x)
    z = model(x).detach()
    y = z.argmax(1)
    out = attacks.deepfool(model, x, num_classes=5, p=1)
    assert (model(out).argmax(1) != y).all() and out.min() >= 0 and out.max() <= 1
    weight, pixels, shortest = model[1].weight.detach().double().numpy(), x.double().flatten(1).numpy(), []
    for n, own in enumerate(y.tolist()):
        room = np.concatenate([1 - pixels[n], pixels[n]])  # up and down
        found = [
            linprog(
                np.ones(128),
                A_ub=-np.concatenate([w, -w])[None],
                b_ub=[-(z[n, own] - z[n, k]).item()],
                bounds=np.stack([0 * room, room], 1),
            )
            for k in range(5)
            if k != own
            for w in [weight[k] - weight[own]]
        ]
        shortest.append(min(answer.fun for answer in found if answer.success))
    ratio = norms.norm(out - x, 1).double() / torch.tensor(shortest)
    assert (((out - x).abs() > 1e-6).flatten(1).sum(1) > 1).sum() > 30  # most need several pixels
    assert ratio.min() > 1 - 1e-5 and ratio.max() < 1.03


def test_deepfool_in_l1_stays_where_no_step_in_the_range_arrives():
    model = nn.Linear(2, 2).double()
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[0.0, 0.0], [1.0, -1.0]]))
        model.bias.copy_(torch.tensor([2.5, 0.0]))
    x = torch.tensor([[0.9, 0.2]], dtype=torch.float64)
    assert torch.equal(attacks.deepfool(model, x, num_classes=2, p=1), x)


def test_deepfool_needs_its_extra_step_where_clipping_takes_part_of_each(monkeypatch):
    """Images at the border: without the authors' 1e-4 the walk stops short of the boundary and never arrives."""
    torch.manual_seed(4)
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 40), nn.Tanh(), nn.Linear(40, 10)).eval()
    x = torch.rand(40, 1, 8, 8).round()
    y = net(x).argmax(1)
    assert (net(attacks.deepfool(net, x)).argmax(1) != y).all()
    monkeypatch.setattr(sys.modules["advutils.attacks.deepfool"], "NUDGE", 0.0)
    assert (net(attacks.deepfool(net, x)).argmax(1) != y).float().mean() < 0.9


@minimal
def test_a_scaled_network_is_still_attacked(name, net, batch):
    """Logits times 200, margins about 40: cross-entropy is flat there, logits are not."""
    x, _ = batch
    net = net.eval().double()
    with torch.no_grad():
        for parameter in net[-1].parameters():
            parameter *= 200
    x = x.double()
    y = net(x).argmax(1)
    assert (net(ATTACKS[name](net, x, y)).argmax(1) != y).float().mean() > 0.7


def test_carlini_wagner_keeps_its_confidence(net, batch):
    x, _ = batch
    net.eval()
    y = net(x).argmax(1)
    out = attacks.carlini_wagner(net, x, y, steps=60, search_steps=5, confidence=0.05)
    z = net(out)
    margin = z.scatter(1, y[:, None], -math.inf).amax(1) - z.gather(1, y[:, None])[:, 0]
    assert (margin[norms.norm(out - x) > 0] >= 0.05 - 1e-6).all() and (norms.norm(out - x) > 0).float().mean() > 0.5


@pytest.mark.parametrize("p", (1, 2, math.inf))
def test_a_linear_model_is_fooled_exactly_beyond_its_distance(p):
    """Two classes, a plane at dual-norm distance gap / ||w||_p*: PGD fails just below it and succeeds just above."""
    torch.manual_seed(0)
    model = nn.Linear(9, 2).double()
    x = torch.rand(30, 9, dtype=torch.float64) * 0.02 + 0.49  # far from 0 and 1, so that clipping never matters
    y = model(x).argmax(1)
    w = model.weight[1] - model.weight[0]
    gap = (model(x)[:, 1] - model(x)[:, 0]).abs()
    distance = (gap / norms.norm(w[None], norms.dual(p))).detach()
    for factor, fooled in ((0.99, False), (1.01, True)):
        eps = factor * distance
        out = attacks.pgd(model, x, y, eps=eps, step=float(distance.max()), steps=3, p=p)
        inside = (out > 0).all() and (out < 1).all()
        assert inside and ((model(out).argmax(1) != y) == fooled).all()


def test_minimal_attacks_agree_with_foolbox():
    """Success and norms on a network with curved boundaries, images away from the border and at it."""
    fb = pytest.importorskip("foolbox")
    torch.manual_seed(4)
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 40), nn.Tanh(), nn.Linear(40, 10)).eval()
    x = torch.rand(40, 1, 8, 8).mul(1.4).sub(0.2).clamp(0, 1)
    y = net(x).argmax(1)
    peer = fb.PyTorchModel(net, bounds=(0, 1))
    theirs = fb.attacks.L2DeepFoolAttack(steps=50, candidates=10, overshoot=0.02)(peer, x, y, epsilons=None)[1]
    ours = attacks.deepfool(net, x)
    assert (net(ours).argmax(1) != y).all()
    torch.testing.assert_close(norms.norm(ours - x).mean(), norms.norm(theirs - x).mean(), rtol=2e-3, atol=0)
    theirs = fb.attacks.L2CarliniWagnerAttack(
        binary_search_steps=9, steps=100, stepsize=0.1, initial_const=1.0, abort_early=False
    )(peer, x, y, epsilons=None)[1]
    for stop, tolerance in ((False, 0.02), (True, 0.02)):
        ours = attacks.carlini_wagner(net, x, y, abort_early=stop)
        assert torch.equal(net(ours).argmax(1) != y, net(theirs).argmax(1) != y)
        torch.testing.assert_close(norms.norm(ours - x).mean(), norms.norm(theirs - x).mean(), rtol=tolerance, atol=0)


def test_agrees_with_foolbox(net, batch):
    fb = pytest.importorskip("foolbox")
    x, y = batch
    net.eval()
    peer = fb.PyTorchModel(net, bounds=(0, 1))
    theirs = fb.attacks.LinfFastGradientAttack(random_start=False)(peer, x, y, epsilons=0.1)[1]
    assert torch.equal(attacks.fgsm(net, x, y, eps=0.1), theirs)
    theirs = fb.attacks.LinfPGD(abs_stepsize=0.03, steps=7, random_start=False)(peer, x, y, epsilons=0.1)[1]
    assert torch.equal(attacks.pgd(net, x, y, eps=0.1, step=0.03, steps=7), theirs)
    theirs = fb.attacks.L2PGD(abs_stepsize=0.2, steps=7, random_start=False)(peer, x, y, epsilons=0.5)[1]
    torch.testing.assert_close(attacks.pgd(net, x, y, eps=0.5, step=0.2, steps=7, p=2), theirs, atol=1e-5, rtol=0)
