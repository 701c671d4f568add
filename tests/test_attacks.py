"""The contract of every attack, agreement with foolbox, and oracles that need no peer."""
import math

import pytest
import torch
from torch import nn

from advutils import attacks, norms, runtime

ATTACKS = {
    "fgsm inf": lambda m, x, y, **o: attacks.fgsm(m, x, y, **{"eps": 0.1, **o}),
    "fgsm 2": lambda m, x, y, **o: attacks.fgsm(m, x, y, **{"eps": 0.5, "p": 2, **o}),
    "pgd inf": lambda m, x, y, **o: attacks.pgd(m, x, y, **{"eps": 0.1, "step": 0.03, "steps": 7, **o}),
    "pgd 2": lambda m, x, y, **o: attacks.pgd(m, x, y, **{"eps": 0.5, "step": 0.2, "steps": 7, "p": 2, **o}),
    "pgd 1": lambda m, x, y, **o: attacks.pgd(m, x, y, **{"eps": 2.0, "step": 0.5, "steps": 7, "p": 1, **o}),
    "pgd random": lambda m, x, y, **o: attacks.pgd(m, x, y, **{
        "eps": 0.5, "step": 0.2, "steps": 7, "p": 2, "random_start": True, "generator": runtime.generator(5), **o}),
}
NORM = {"fgsm inf": (0.1, math.inf), "fgsm 2": (0.5, 2), "pgd inf": (0.1, math.inf), "pgd 2": (0.5, 2),
        "pgd 1": (2.0, 1), "pgd random": (0.5, 2)}
every = pytest.mark.parametrize("name", ATTACKS)


@every
def test_budget_range_shape_and_loss(name, net, batch):
    x, y = batch
    out = ATTACKS[name](net, x, y)
    eps, p = NORM[name]
    assert out.shape == x.shape and out.dtype == x.dtype and not out.requires_grad
    assert out.min() >= 0 and out.max() <= 1
    assert (norms.norm(out - x, p) <= eps * (1 + 1e-5)).all()
    net.eval()
    loss = [nn.functional.cross_entropy(net(z), y).item() for z in (x, out)]
    assert loss[1] > loss[0]


@every
def test_the_model_and_the_random_state_are_left_as_found(name, net, batch):
    x, y = batch
    net[4].eval()  # a mixture of modes, as fine-tuning has
    before = {k: v.clone() for k, v in net.state_dict().items()}
    modes, random = [m.training for m in net.modules()], torch.get_rng_state()
    ATTACKS[name](net, x, y)
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    assert [m.training for m in net.modules()] == modes
    assert all(p.requires_grad and p.grad is None for p in net.parameters())
    assert torch.equal(torch.get_rng_state(), random)


@every
def test_no_grad_float64_flat_and_single(name, net, batch):
    x, y = batch
    with torch.no_grad():
        inside = ATTACKS[name](net, x, y)
    torch.testing.assert_close(inside, ATTACKS[name](net, x, y))
    assert ATTACKS[name](net.double(), x.double(), y).dtype == torch.float64
    assert ATTACKS[name](net, x.double().flatten(1), y).shape == (20, 16)
    assert ATTACKS[name](net, x[:1].double(), y[:1]).shape == (1, 1, 4, 4)


@pytest.mark.parametrize("name", [name for name in ATTACKS if "random" not in name])
def test_alone_as_in_a_batch(name, net, batch):
    x, y = (batch[0].double(), batch[1])
    net = net.double()
    together = ATTACKS[name](net, x, y)
    alone = torch.cat([ATTACKS[name](net, x[i:i + 1], y[i:i + 1]) for i in range(len(x))])
    torch.testing.assert_close(alone, together)


@every
def test_a_constant_on_all_logits_changes_nothing(name, net, batch):
    x, y = batch
    before = ATTACKS[name](net.double(), x.double(), y)
    with torch.no_grad():
        net[-1].bias -= 100
    torch.testing.assert_close(ATTACKS[name](net, x.double(), y), before)


@every
def test_a_very_confident_network_is_still_attacked(name):
    """Margin 40: the gradient is about 1e-17, below any absolute guard; the step must have its full length."""
    model = nn.Linear(16, 2)
    with torch.no_grad():
        model.weight.zero_()
        model.bias.copy_(torch.tensor([40.0, 0.0]))
        model.weight[1, :] = 1e-3 * torch.linspace(1, 2, 16)
    x, y = torch.full((3, 16), 0.5, dtype=torch.float64), torch.zeros(3, dtype=torch.long)
    out = ATTACKS[name](model.double(), x, y)
    eps, p = NORM[name]
    # p = 1 moves one pixel at a time, here always the same one, which has only .5 of room
    assert (norms.norm(out - x, p) > 0.9 * min(eps, 0.5 if p == 1 else eps)).all()


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


def test_images_that_are_already_wrong_are_fine(net, batch):
    x, _ = batch
    wrong = (net.eval()(x).argmax(1) + 1) % 4
    for attack in ATTACKS.values():
        assert torch.isfinite(attack(net, x, wrong)).all()


BAD = [
    (lambda x, y: (x * float("nan"), y), "x must lie"), (lambda x, y: (2 * x, y), "x must lie"),
    (lambda x, y: ((255 * x).byte(), y), "x must be a floating-point"),
    (lambda x, y: (x, y.float()), "y must be an integer"),
    (lambda x, y: (x, y + 4), "y must lie"), (lambda x, y: (x, y - 9), "y must lie"),
    (lambda x, y: (x, y[:3]), "y must have shape"), (lambda x, y: (x[:0], y[:0]), "x must have shape"),
    (lambda x, y: (x, y.to("meta")), "y is on meta"),
]


@every
@pytest.mark.parametrize("spoil, message", BAD, ids=[m for _, m in BAD])
def test_bad_input_is_named(name, spoil, message, net, batch):
    with pytest.raises(ValueError, match=message):
        ATTACKS[name](net, *spoil(*batch))


@pytest.mark.parametrize("options, message", [
    ({"eps": -0.1}, "eps"), ({"eps": math.nan}, "eps"), ({"eps": torch.ones(3)}, "eps"), ({"step": 0.0}, "step"),
    ({"steps": 0}, "steps"), ({"p": 3}, "p must be"), ({"random_start": True}, "generator"),
])
def test_bad_options_are_named(options, message, net, batch):
    with pytest.raises(ValueError, match=message):
        ATTACKS["pgd inf"](net, *batch, **options)


def test_a_model_that_returns_nan_is_named(batch):
    class Broken(nn.Module):
        def forward(self, x):
            return x.flatten(1)[:, :4] * float("nan")

    with pytest.raises(ValueError, match="model returned NaN"):
        attacks.fgsm(Broken(), *batch, eps=0.1)


def test_one_budget_an_example(net, batch):
    x, y = batch
    eps = torch.linspace(0, 0.3, 20)
    for out in (attacks.fgsm(net, x, y, eps=eps), attacks.pgd(net, x, y, eps=eps, step=0.1, steps=5)):
        assert ((out - x).abs().flatten(1).amax(1) <= eps + 1e-6).all() and torch.equal(out[0], x[0])


def test_agrees_with_foolbox(net, batch):
    fb = pytest.importorskip("foolbox")
    x, y = batch
    net.eval()
    peer = fb.PyTorchModel(net, bounds=(0, 1))
    theirs = fb.attacks.LinfFastGradientAttack(random_start=False)(peer, x, y, epsilons=0.1)[1]
    assert torch.equal(attacks.fgsm(net, x, y, eps=0.1), theirs)
    theirs = fb.attacks.LinfPGD(abs_stepsize=0.03, steps=7, random_start=False)(peer, x, y, epsilons=0.1)[1]
    torch.testing.assert_close(attacks.pgd(net, x, y, eps=0.1, step=0.03, steps=7), theirs, atol=1e-6, rtol=0)
    theirs = fb.attacks.L2PGD(abs_stepsize=0.2, steps=7, random_start=False)(peer, x, y, epsilons=0.5)[1]
    torch.testing.assert_close(attacks.pgd(net, x, y, eps=0.5, step=0.2, steps=7, p=2), theirs, atol=1e-5, rtol=0)
