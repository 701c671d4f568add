"""What attacks refuse, and that they name it."""

import math

import pytest
import torch
from attack_table import ATTACKS, every
from torch import nn

from advutils import attacks
from advutils.filters.smoothing import ImageSmoother
from advutils.training import regularizers


def test_one_class_is_refused():
    model, x, y = nn.Linear(3, 1), torch.rand(2, 3), torch.zeros(2, dtype=torch.long)
    for call in (
        lambda: attacks.fgsm(model, x, y, eps=0.1),
        lambda: regularizers.loss_gradient(model, x, y),
        lambda: attacks.pgd(model, x, y, eps=0.1, step=0.1, steps=1),
    ):
        with pytest.raises(ValueError, match="at least two classes"):
            call()


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


def test_a_generator_elsewhere_is_named(net, batch):
    class Elsewhere:
        device = torch.device("cuda")

    with pytest.raises(ValueError, match="generator must be on the CPU"):
        ATTACKS["pgd random"](net, *batch, generator=Elsewhere())


def test_a_model_that_returns_nan_is_named(batch):
    class Broken(nn.Module):
        def forward(self, x):
            return x.flatten(1)[:, :4] * float("nan")

    with pytest.raises(ValueError, match="model returned NaN"):
        attacks.fgsm(Broken(), *batch, eps=0.1)
