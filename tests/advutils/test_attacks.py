"""The contract of every attack, agreement with foolbox, and oracles that need no peer."""

import copy
import math
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy.optimize import linprog
from torch import nn

from advutils import attacks, datasets
from advutils.attacks import ascent
from advutils.attacks.gradient import random_in_ball
from advutils.core import norms, runtime
from advutils.filters.smoothing import ImageSmoother
from advutils.training import regularizers


def smoother(x):
    """A smoother for the batch; for input that it refuses, one for grey images: the attack must object itself."""
    try:
        return ImageSmoother(x, bandwidth=10.0, alpha=0.5, method="dense")
    except ValueError:
        return ImageSmoother(torch.full((20, 1, 4, 4), 0.5))


ATTACKS = {
    "fgsm inf": lambda m, x, y, **o: attacks.fgsm(m, x, y, **{"eps": 0.1, **o}),
    "fgsm 2": lambda m, x, y, **o: attacks.fgsm(m, x, y, **{"eps": 0.5, "p": 2, **o}),
    "pgd inf": lambda m, x, y, **o: attacks.pgd(m, x, y, **{"eps": 0.1, "step": 0.03, "steps": 7, **o}),
    "pgd 2": lambda m, x, y, **o: attacks.pgd(m, x, y, **{"eps": 0.5, "step": 0.2, "steps": 7, "p": 2, **o}),
    "pgd 1": lambda m, x, y, **o: attacks.pgd(m, x, y, **{"eps": 2.0, "step": 0.5, "steps": 7, "p": 1, **o}),
    "pgd random": lambda m, x, y, **o: attacks.pgd(
        m,
        x,
        y,
        **{"eps": 0.5, "step": 0.2, "steps": 7, "p": 2, "random_start": True, "generator": runtime.generator(5), **o},
    ),
    "pgd sphere": lambda m, x, y, **o: attacks.pgd(
        m, x, y, **{"eps": 0.5, "step": 0.2, "steps": 7, "p": 2, "sphere": True, **o}
    ),
    "pgd sphere, clipped": lambda m, x, y, **o: attacks.pgd(
        m, x, y, **{"eps": 0.5, "step": 0.2, "steps": 7, "p": 2, "sphere": "clipped", **o}
    ),
    "smooth pgd, gradient": lambda m, x, y, **o: attacks.smooth_pgd(
        m, x, y, **{"eps": 0.5, "step": 0.2, "steps": 7, "smoother": smoother(x), **o}
    ),
    "smooth pgd, perturbation": lambda m, x, y, **o: attacks.smooth_pgd(
        m, x, y, **{"eps": 0.5, "step": 0.2, "steps": 7, "smooth": "perturbation", "smoother": smoother(x), **o}
    ),
    "deepfool 1": lambda m, x, y, **o: attacks.deepfool(m, x, **{"num_classes": 4, "p": 1, **o}),
    "deepfool 2": lambda m, x, y, **o: attacks.deepfool(m, x, **{"num_classes": 4, **o}),
    "deepfool inf": lambda m, x, y, **o: attacks.deepfool(m, x, **{"num_classes": 4, "p": math.inf, **o}),
    "carlini wagner": lambda m, x, y, **o: attacks.carlini_wagner(m, x, y, **{"steps": 30, "search_steps": 4, **o}),
    "carlini wagner, clip": lambda m, x, y, **o: attacks.carlini_wagner(
        m, x, y, **{"steps": 30, "search_steps": 4, "lr": 0.05, "variable": "clip", **o}
    ),
    "smooth carlini wagner": lambda m, x, y, **o: attacks.smooth_carlini_wagner(
        m, x, y, **{"steps": 60, "search_steps": 4, "lr": 0.1, "smoother": smoother(x), **o}
    ),
    "smooth carlini wagner, norm": lambda m, x, y, **o: attacks.smooth_carlini_wagner(
        m, x, y, **{"steps": 60, "search_steps": 4, "lr": 0.1, "smoother": smoother(x), "penalty": "norm", **o}
    ),
}
MINIMAL = (
    "deepfool 1",
    "deepfool 2",
    "deepfool inf",
    "carlini wagner",
    "carlini wagner, clip",
    "smooth carlini wagner",
    "smooth carlini wagner, norm",
)  # look for the nearest success; others have a budget
NORM = {
    "fgsm inf": (0.1, math.inf),
    "fgsm 2": (0.5, 2),
    "pgd inf": (0.1, math.inf),
    "pgd 2": (0.5, 2),
    "pgd 1": (2.0, 1),
    "pgd random": (0.5, 2),
    "pgd sphere": (0.5, 2),
    "pgd sphere, clipped": (0.5, 2),
    "smooth pgd, gradient": (0.5, 2),
    "smooth pgd, perturbation": (0.5, 2),
}
every = pytest.mark.parametrize("name", ATTACKS)
with_budget = pytest.mark.parametrize("name", NORM)
minimal = pytest.mark.parametrize("name", MINIMAL)
with_labels = pytest.mark.parametrize("name", [name for name in ATTACKS if "deepfool" not in name])


@with_budget
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
    if "smooth" not in name:  # smoothing needs rows and columns
        assert ATTACKS[name](net, x.double().flatten(1), y).shape == (20, 16)
    assert ATTACKS[name](net, x[:1].double(), y[:1]).shape == (1, 1, 4, 4)


@pytest.mark.parametrize("name", [name for name in ATTACKS if "random" not in name])
def test_alone_as_in_a_batch(name, net, batch):
    x, y = (batch[0].double(), batch[1])
    net = net.double()
    together = ATTACKS[name](net, x, y)
    alone = torch.cat([ATTACKS[name](net, x[i : i + 1], y[i : i + 1]) for i in range(len(x))])
    torch.testing.assert_close(alone, together)


@every
def test_a_constant_on_all_logits_changes_nothing(name, net, batch):
    x, y = batch
    before = ATTACKS[name](net.double(), x.double(), y)
    with torch.no_grad():
        net[-1].bias -= 100
    torch.testing.assert_close(ATTACKS[name](net, x.double(), y), before)


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


@with_budget
def test_a_very_confident_network_is_still_attacked(name):
    """Margin 40: the gradient is about 1e-17, below any absolute guard; the step must have its full length."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
    with torch.no_grad():
        model[1].weight.zero_()
        model[1].bias.copy_(torch.tensor([40.0, 0.0]))
        model[1].weight[1, :] = 1e-3 * torch.linspace(1, 2, 16)
    x, y = torch.full((3, 1, 4, 4), 0.5, dtype=torch.float64), torch.zeros(3, dtype=torch.long)
    out = ATTACKS[name](model.double(), x, y)
    eps, p = NORM[name]
    # p = 1 moves one pixel at a time, here always the same one, which has only .5 of room
    assert (norms.norm(out - x, p) > 0.9 * min(eps, 0.5 if p == 1 else eps)).all()


class Times(nn.Module):
    """A network whose logits are multiplied: the same classes, larger margins."""

    def __init__(self, net, factor):
        super().__init__()
        self.net, self.factor = net, factor

    def forward(self, x):
        return self.factor * self.net(x)


@pytest.fixture(scope="module")
def digits():
    """A network trained on the embedded digits, and 400 test images with their labels."""
    (x, y), (images, labels) = (datasets.load("digits", split=split) for split in ("train", "test"))
    with runtime.seeded(0):
        net = nn.Sequential(nn.Flatten(), nn.Linear(x[0].numel(), 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(60):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        optimizer.step()
    return net.eval(), images[:400], labels[:400]


@pytest.mark.parametrize("factor", (1, 3, 10, 30, 100, 300, 1000, 3000))
@pytest.mark.parametrize(
    "attack",
    [
        lambda *given: attacks.fgsm(*given, eps=0.05),
        lambda *given: attacks.pgd(*given, eps=0.04, step=0.01, steps=10),
        lambda *given: attacks.pgd(*given, eps=0.5, step=0.2, steps=10, p=2),
    ],
    ids=["fgsm", "pgd inf", "pgd 2"],
)
def test_a_sure_network_is_attacked_in_float32_as_in_float64(attack, factor, digits):
    net, x, y = digits
    fooled = []
    for model, images in ((Times(net, factor), x), (Times(copy.deepcopy(net).double(), factor), x.double())):
        fooled.append(model(attack(model, images, y)).argmax(1) != y)
    wrong = (net(x).argmax(1) != y).sum()
    assert (fooled[0] != fooled[1]).sum() <= 1 and fooled[1].sum() > wrong + 50 and (~fooled[1]).sum() > 50


@pytest.mark.parametrize("factor", (1, 5))
def test_the_direction_and_the_gradient_are_those_of_cross_entropy(factor, digits):
    """grad CE = sigmoid(L') grad L'; in float32 too, at margins where torch's own has lost its digits or all of it."""
    net, x, y = digits
    exact = Times(copy.deepcopy(net).double(), factor)
    leaf = x.double().requires_grad_()
    z = exact(leaf)
    (slope,) = torch.autograd.grad(
        (z.scatter(1, y[:, None], -math.inf).logsumexp(1) - z.gather(1, y[:, None])[:, 0]).sum(), leaf
    )
    torch.testing.assert_close(attacks.ascent_direction(exact, x.double(), y), slope)
    expected = slope * norms.per_example(torch.sigmoid(ascent.doubt(z, y)), x).detach()
    if factor == 1:
        leaf = x.double().requires_grad_()
        (plain,) = torch.autograd.grad(nn.functional.cross_entropy(exact(leaf), y, reduction="sum"), leaf)
        torch.testing.assert_close(expected, plain)
    torch.testing.assert_close(regularizers.loss_gradient(exact, x.double(), y), expected)
    normal = norms.norm(expected) > 1e-34  # float32 has smaller numbers with fewer digits
    single = regularizers.loss_gradient(Times(net, factor), x, y).double()
    assert normal.sum() > 100
    assert (norms.norm(single - expected) / norms.norm(expected))[normal].max() < 1e-3


def test_sure_examples_are_counted_where_that_is_asked_for():
    model = nn.Linear(2, 3)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, -1.0]]))
        model.bias.copy_(torch.tensor([16.5, 0.0, 0.0]))
    x, y = torch.tensor([[0.0, 0.5], [1.0, 0.5], [0.2, 0.5], [1.0, 0.5]]), torch.tensor([0, 0, 0, 1])
    with attacks.counting_sure() as counts:
        attacks.fgsm(model, x, y, eps=0.01)
        assert (counts.looks, counts.sure) == (4, 2)  # margins 16.5, 17.5, 16.7 and -17.5
        with attacks.counting_sure() as inner:
            attacks.pgd(model, x, y, eps=0.15, step=0.15, steps=3)
        regularizers.loss_gradient(model, x, y)
    attacks.fgsm(model, x, y, eps=0.01)
    assert (inner.looks, inner.sure) == (12, 2 + 1 + 1)  # the third image's margin falls to 16.55
    assert (counts.looks, counts.sure) == (8, 4)


def test_one_class_is_refused():
    model, x, y = nn.Linear(3, 1), torch.rand(2, 3), torch.zeros(2, dtype=torch.long)
    for call in (
        lambda: attacks.fgsm(model, x, y, eps=0.1),
        lambda: regularizers.loss_gradient(model, x, y),
        lambda: attacks.pgd(model, x, y, eps=0.1, step=0.1, steps=1),
    ):
        with pytest.raises(ValueError, match="at least two classes"):
            call()


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
    for name, attack in ATTACKS.items():
        out = attack(net, x, wrong)
        assert torch.isfinite(out).all()
        assert "wagner" not in name or torch.equal(out, x)  # nothing is nearer than the image itself


BAD = [
    (lambda x, y: (x * float("nan"), y), "x must lie"),
    (lambda x, y: (2 * x, y), "x must lie"),
    (lambda x, y: ((255 * x).byte(), y), "x must be a floating-point"),
    (lambda x, y: (x, y.float()), "y must be an integer"),
    (lambda x, y: (x, y + 4), "y must lie"),
    (lambda x, y: (x, y - 9), "y must lie"),
    (lambda x, y: (x, y[:3]), "y must have shape"),
    (lambda x, y: (x[:0], y[:0]), "x must have shape"),
    (lambda x, y: (x, y.to("meta")), "y is on meta"),
    (lambda x, y: (x.double(), y), "x is torch.float64 but model is torch.float32"),
]


@every
@pytest.mark.parametrize("spoil, message", BAD, ids=[m for _, m in BAD])
def test_bad_input_is_named(name, spoil, message, net, batch):
    if "deepfool" in name and message.startswith("y "):
        pytest.skip("takes no labels")
    with pytest.raises(ValueError, match=message):
        ATTACKS[name](net, *spoil(*batch))


@every
def test_a_model_elsewhere_is_named(name, net, batch):
    with pytest.raises(ValueError, match="x is on cpu but model is on meta"):
        ATTACKS[name](net.to("meta"), *batch)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"eps": -0.1}, "eps"),
        ({"eps": math.nan}, "eps"),
        ({"eps": torch.ones(3)}, "eps"),
        ({"step": 0.0}, "step"),
        ({"steps": 0}, "steps"),
        ({"p": 3}, "p must be"),
        ({"random_start": True}, "generator"),
        ({"sphere": "clip"}, "sphere must be"),
    ],
)
def test_bad_options_are_named(options, message, net, batch):
    with pytest.raises(ValueError, match=message):
        ATTACKS["pgd inf"](net, *batch, **options)


@pytest.mark.parametrize(
    "name, options, message",
    [
        ("deepfool 2", {"num_classes": 1}, "num_classes"),
        ("deepfool 2", {"overshoot": -0.1}, "overshoot"),
        ("deepfool 2", {"max_iter": 0}, "max_iter"),
        ("deepfool 2", {"p": 0.5}, "p must be"),
        ("carlini wagner", {"steps": 0}, "steps"),
        ("carlini wagner", {"search_steps": 0}, "search_steps"),
        ("carlini wagner", {"lr": 0.0}, "lr"),
        ("carlini wagner", {"initial_const": 0.0}, "initial_const"),
        ("carlini wagner", {"confidence": -1.0}, "confidence"),
        ("carlini wagner", {"lr": math.nan}, "lr"),
        ("carlini wagner", {"variable": "log"}, "variable"),
        ("smooth carlini wagner", {"penalty": "cube"}, "penalty"),
        ("smooth carlini wagner", {"smoother": ImageSmoother(torch.full((2, 1, 4, 4), 0.5))}, "smoother was made for"),
        ("smooth carlini wagner", {"steps": 0}, "steps"),
    ],
)
def test_bad_options_of_minimal_attacks_are_named(name, options, message, net, batch):
    with pytest.raises(ValueError, match=message):
        ATTACKS[name](net, *batch, **options)


@every
def test_a_batch_too_large_for_memory_is_split(name, net, batch):
    """A model that refuses more than six images at once gives the same answer."""

    class Small(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net.double()

        def forward(self, x):
            if len(x) > 6:
                raise torch.OutOfMemoryError("no memory")
            return self.net(x)

    x, y = batch[0].double(), batch[1]
    torch.testing.assert_close(ATTACKS[name](Small(), x, y), ATTACKS[name](net.double(), x, y))


def test_one_example_too_large_for_memory_is_an_error(net, batch):
    class Never(nn.Module):
        def forward(self, x):
            raise torch.OutOfMemoryError("no memory")

    with pytest.raises(torch.OutOfMemoryError):
        attacks.fgsm(Never(), *batch, eps=0.1)


def test_smoothing_with_alpha_0_is_no_smoothing(net, batch):
    x, y = batch[0].double(), batch[1]
    net, none = net.double(), ImageSmoother(x, alpha=0.0)
    given = {"eps": 0.3, "step": 0.1, "steps": 5}
    torch.testing.assert_close(
        attacks.smooth_pgd(net, x, y, smoother=none, **given), attacks.pgd(net, x, y, p=2, **given)
    )
    torch.testing.assert_close(
        attacks.smooth_pgd(net, x, y, smoother=none, smooth="perturbation", **given),
        attacks.pgd(net, x, y, p=2, sphere=True, **given),
    )


def test_smooth_carlini_wagner_without_smoothing_is_that_of_eq_13(net, batch):
    x, y = batch[0].double(), batch[1]
    net, given = net.double(), {"steps": 30, "search_steps": 4, "lr": 0.05}
    none = ImageSmoother(x, alpha=0.0)
    torch.testing.assert_close(
        attacks.smooth_carlini_wagner(net, x, y, smoother=none, **given),
        attacks.carlini_wagner(net, x, y, variable="clip", **given),
    )


@pytest.mark.parametrize("penalty", ("squared", "norm"))
def test_the_gradients_of_the_smooth_objective_are_those_of_autograd(penalty, net, batch):
    """Eqs. (18) and (19): the gradient in z that the search hands to Adam, beside autograd through everything."""
    from advutils.attacks import margin_search, smooth

    x, y = batch[0].double(), batch[1]
    net, guided = net.double().eval(), ImageSmoother(x, bandwidth=10.0, alpha=0.9, method="dense")
    z = (0.4 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)).requires_grad_()
    r, c = guided(z), torch.linspace(0.1, 5, 20, dtype=torch.float64)
    logits = net((x + r).clamp(0, 1))
    margin = logits.gather(1, y[:, None])[:, 0] - logits.scatter(1, y[:, None], -math.inf).amax(1) + 0.1
    length = norms.norm(r).square() if penalty == "squared" else norms.norm(r)
    (expected,) = torch.autograd.grad((length + c * margin.clamp(min=0)).sum(), z)
    image, r, pull = smooth._smoothed({"x": x, "v": z.detach(), "smoother": guided})
    assert ((image == 0) | (image == 1)).any() and (margin < 0).any()  # clipping and the hinge both matter
    _, slope = margin_search._margin(net, image, y, c, 0.1)
    along = 2 * r if penalty == "squared" else margin_search._unit(r, norms.norm(r))
    torch.testing.assert_close(pull(along, slope), expected)


def test_smooth_carlini_wagner_gives_smooth_perturbations():
    """Flat halves with an edge: within a half the perturbation varies less than without smoothing."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 2)).double()
    with torch.no_grad():
        net[1].weight[0] += 1  # a part of the weights that smoothing keeps
    x = torch.full((20, 1, 4, 4), 0.3, dtype=torch.float64)
    x[..., 2:] = 0.5 + 0.01 * torch.arange(20, dtype=torch.float64)[:, None, None, None]
    with torch.no_grad():
        net[1].bias[1] += (net(x)[10, 0] - net(x)[10, 1]) - 0.5  # close to the boundary
    y = net(x).argmax(1)

    def roughness(out):
        r = (out - x)[norms.norm(out - x) > 0]
        left = r[..., :2] - r[..., :2].mean((2, 3), keepdim=True)
        return (norms.norm(left) / norms.norm(r)).mean()

    given = {"steps": 60, "search_steps": 6, "lr": 0.05}
    guided = ImageSmoother(x, bandwidth=100.0, alpha=0.99, method="dense")
    smooth = attacks.smooth_carlini_wagner(net, x, y, smoother=guided, **given)
    assert (net(smooth).argmax(1) != y).all()
    assert roughness(smooth) < 0.3 * roughness(attacks.carlini_wagner(net, x, y, **given))


def test_one_smooth_step_is_the_formula(net, batch):
    x, y = 0.4 + 0.2 * batch[0].double(), batch[1]
    net, guided = net.double().eval(), ImageSmoother(x, bandwidth=10.0, alpha=0.9, method="dense")
    leaf = x.clone().requires_grad_()
    (g,) = torch.autograd.grad(nn.functional.cross_entropy(net(leaf), y, reduction="sum"), leaf)
    one = {"eps": 0.3, "step": 0.1, "steps": 1, "smoother": guided}
    smoothed = guided(g)
    expected = 0.1 * smoothed / norms.norm(smoothed)[:, None, None, None]
    torch.testing.assert_close(attacks.smooth_pgd(net, x, y, **one) - x, expected)  # Eq. (12)
    coded = attacks.smooth_pgd(net, x, y, smooth="perturbation", **one) - x
    torch.testing.assert_close(norms.norm(coded), torch.full((20,), 0.3).double())  # on the sphere
    torch.testing.assert_close(coded / 0.3, expected / 0.1)  # smoothing is linear: the same direction in the first step


@pytest.mark.parametrize(
    "options, message",
    [
        ({"smooth": "image"}, "smooth must be"),
        ({"step": 0.0}, "step"),
        ({"steps": 0}, "steps"),
        ({"eps": -1.0}, "eps"),
        ({"smoother": ImageSmoother(torch.full((2, 1, 4, 4), 0.5))}, "smoother was made for"),
    ],
)
def test_bad_options_of_smooth_pgd_are_named(options, message, net, batch):
    with pytest.raises(ValueError, match=message):
        ATTACKS["smooth pgd, gradient"](net, *batch, **options)


@pytest.mark.parametrize("p", (2, math.inf))
@pytest.mark.parametrize("sphere", (True, "clipped"))
def test_each_order_on_the_sphere_is_that_of_a_loop_by_hand(sphere, p, net, batch):
    """The authors clip the step, scale, and clip the image at the end; the variant scales, and clips every step."""
    x, y, net = batch[0].double().round(decimals=1), batch[1], net.double().eval()
    eta, off = torch.zeros_like(x), 0
    for _ in range(4):
        leaf = (x + eta).requires_grad_()
        off += ((leaf < 0) | (leaf > 1)).sum()
        (g,) = torch.autograd.grad(nn.functional.cross_entropy(net(leaf), y, reduction="sum"), leaf)
        moved = leaf.detach() + 0.2 * (g.sign() if p == math.inf else g / norms.norm(g)[:, None, None, None])
        if sphere == "clipped":
            eta = moved - x
            eta = (x + 0.3 * eta / norms.norm(eta, p)[:, None, None, None]).clamp(0, 1) - x
        else:
            eta = moved.clamp(0, 1) - x
            eta = 0.3 * eta / norms.norm(eta, p)[:, None, None, None]
    assert (off > 0) == (sphere is True)  # the orders differ only where pixels leave [0, 1]
    found = attacks.pgd(net, x, y, eps=0.3, step=0.2, steps=4, p=p, sphere=sphere)
    torch.testing.assert_close(found, (x + eta).clamp(0, 1))


@pytest.mark.parametrize(
    "attack",
    [
        lambda *given, **o: attacks.pgd(*given, steps=1, random_start=True, **o),
        lambda *given, **o: attacks.margin_pgd(*given, steps=1, restarts=1, **o),
    ],
    ids=["pgd", "margin_pgd"],
)
def test_the_word_inf_starts_in_the_whole_cube_too(attack, net, batch):
    x, y, net = torch.full((20, 1, 4, 4), 0.5), batch[1], net.eval()
    starts = []
    net.register_forward_pre_hook(lambda module, inputs: starts.append(inputs[0].detach() - 0.5))
    moved = [attack(net, x, y, eps=0.1, step=0.01, p=p, generator=runtime.generator(0)) for p in ("inf", math.inf)]
    assert torch.equal(*moved)
    first = starts[0].abs()
    assert 0.09 < first.max() <= 0.1 and first.mean() == pytest.approx(0.05, abs=0.005)  # uniform in [-.1, .1]


@pytest.mark.parametrize("p", (1, 2, math.inf))
def test_random_starts_are_drawn_on_the_cpu_for_any_device(p):
    x = torch.rand(3, 1, 2, 2)
    here, there = (
        random_in_ball(images, 0.1 * torch.ones(3).to(images), p, runtime.generator(0)) for images in (x, x.to("meta"))
    )
    assert here.device.type == "cpu" and there.device.type == "meta" and there.shape == x.shape


def test_a_generator_elsewhere_is_named(net, batch):
    class Elsewhere:
        device = torch.device("cuda")

    with pytest.raises(ValueError, match="generator must be on the CPU"):
        ATTACKS["pgd random"](net, *batch, generator=Elsewhere())


def test_the_sphere_variant_ends_on_the_sphere(net, batch):
    x = 0.5 + 0 * batch[0]  # far from 0 and 1
    out = attacks.pgd(net, x, batch[1], eps=0.3, step=0.05, steps=3, p=2, sphere=True)
    torch.testing.assert_close(norms.norm(out - x), torch.full((20,), 0.3))
    inside = attacks.pgd(net, x, batch[1], eps=0.3, step=0.05, steps=3, p=2)
    assert (norms.norm(inside - x) < 0.2).all()


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


def test_passes_are_counted(net, batch):
    """DeepFool: one forward pass a step, one more of the rest where some arrived. C&W: none for the finished."""
    seen = []
    net.eval().register_forward_hook(lambda module, inputs, output: seen.append(len(output)))
    x, y = batch[0], net(batch[0]).argmax(1)
    seen.clear()
    attacks.deepfool(net, x, num_classes=4)
    assert seen[0] == 20 and all(a >= b for a, b in zip(seen, seen[1:], strict=False))
    seen.clear()
    attacks.pgd(net, x, y, eps=0.1, step=0.1, steps=5)
    assert seen == [20] * 5
    seen.clear()
    attacks.carlini_wagner(net, x, y, steps=30, search_steps=9)
    stopped = sum(seen)
    seen.clear()
    attacks.carlini_wagner(net, x, y, steps=30, search_steps=9, abort_early=False)
    assert sum(seen) == 20 * 9 * 30 and stopped < 0.8 * sum(seen)


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


MEMORY = """
import pathlib, re, resource, sys, torch
from advutils import attacks

torch.set_num_threads(1)
torch.manual_seed(0)
classes = int(sys.argv[2])
model = torch.nn.Linear(12288, classes)
x = torch.rand(1500, 12288)
y = torch.zeros(1500, dtype=torch.long)
calls = {
    "pgd 2": lambda n: attacks.pgd(model, x[:n], y[:n], eps=1.0, step=0.5, steps=3, p=2),
    "deepfool 1": lambda m, x, y, **o: attacks.deepfool(m, x, **{"num_classes": 4, "p": 1, **o}),
    "deepfool 2": lambda n: attacks.deepfool(model, x[:n], num_classes=classes, max_iter=3),
    "carlini wagner": lambda n: attacks.carlini_wagner(model, x[:n], y[:n], steps=3, search_steps=2),
}
def peak():
    status = pathlib.Path("/proc/self/status")  # ru_maxrss starts at the peak of the parent process
    if status.exists():
        return int(re.search(r"VmHWM:\\s*(\\d+)", status.read_text())[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
calls[sys.argv[1]](1)  # what the libraries load at their first use
before = peak()
calls[sys.argv[1]](1500)
print((peak() - before) / (4 * x.numel()))
"""


@pytest.mark.parametrize("name, most", [("pgd 2", 8), ("deepfool 2", 10), ("carlini wagner", 20)])
def test_few_image_sized_tensors_are_alive_at_once(name, most):
    """Peak memory in units of the batch; DeepFool keeps the nearest boundary, not one tensor a class.

    Free memory goes back to the system: a process of the runner, which keeps it, would count what is dead as well.
    """
    peaks = [
        float(
            subprocess.run(
                [sys.executable, "-c", MEMORY, name, str(classes)],
                capture_output=True,
                text=True,
                check=True,
                timeout=120,
                env={name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")},
            ).stdout
        )
        for classes in (3, 12)
    ]
    assert max(peaks) <= most and peaks[1] <= peaks[0] + 1.5, peaks
