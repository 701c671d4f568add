"""One step of `train` equals one step of plain PyTorch, on every network and objective that a chapter trains.

Fused optimizers are given gradients in memory layouts that autograd chose; what they make of them must be what
`loss.backward()` and an unfused optimizer make.
"""

import pytest
import torch
from torch import nn

from advbook.chapters.attacks import comparison as attacks
from advbook.chapters.gradient_regularization import convolutional, dense
from advbook.chapters.gradient_regularization import pictures as visual
from advbook.chapters.representation import counting, defences
from advbook.chapters.smooth_adversarial import attacks as smooth_adversarial
from advbook.chapters.sparsity_attribution import pipeline as sparsity_attribution
from advbook.chapters.universal_perturbations import fooling as universal_perturbations
from advutils import training
from advutils.core import runtime

STEP = 8  # images in the minibatch


class Caught(Exception):
    """What a chapter hands to `train`."""

    def __init__(self, model, images, labels, options):
        self.model, self.images, self.labels, self.options = model, images, labels, options


@pytest.fixture
def caught(monkeypatch, tmp_path):
    """Call a training function of a chapter and catch its call of `train`."""

    def stop(model, images, labels, **options):
        raise Caught(model, images, labels, options)

    def catch(train, **spec):
        with monkeypatch.context() as patch:
            patch.setattr(training, "train", stop)
            with pytest.raises(Caught) as found:
                train(**spec)
        return found.value

    catch.folder = tmp_path
    return catch


def steps(call):
    """Weights and buffers before, after one step of `train`, and after one of plain PyTorch from the same start."""
    model, before = call.model, snapshot(call.model)
    x, y = call.images[torch.arange(STEP)], call.labels[:STEP]
    options = {name: value for name, value in call.options.items() if name not in ("checkpoint", "monitor", "restore")}
    training.train(model, x, y, **options | {"epochs": 1, "batch_size": STEP, "patience": None, "target": None})
    ours = snapshot(model)
    model.load_state_dict(before)
    plain_step(model, x, y, **options)
    return before, ours, snapshot(model)


def snapshot(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def plain_step(model, x, y, *, objective, seed, schedule=training.Schedule(), optimizer="momentum", max_norm=None, **_):
    scales = {id(p): m.lr_scale for m in model.modules() if hasattr(m, "lr_scale") for p in m.parameters()}
    groups = [{"params": [p], "lr": schedule.rate(0) * scales.get(id(p), 1)} for p in model.parameters()]
    plain = dict(fused=False, foreach=False)
    stepper = (
        torch.optim.Adam(groups, **plain)
        if optimizer == "adam"
        else torch.optim.SGD(groups, lr=1.0, momentum=schedule.momentum_at(1), **plain)
    )
    model.train().zero_grad()
    with runtime.seeded(seed), runtime.flushing_denormals():
        order = torch.randperm(STEP)
        objective(model, x[order], y[order]).backward()
    stepper.step()
    with torch.no_grad():
        for module in model.modules():
            limit = getattr(module, "max_norm", max_norm if isinstance(module, nn.Linear) else None)
            if limit is not None:
                for row in module.weight:
                    row.mul_(min(1.0, limit / row.norm().item()))


def assert_equal_steps(call):
    before, ours, plain = steps(call)
    moved = False
    for name, value in plain.items():
        assert ours[name].stride() == value.stride(), name
        if not value.is_floating_point():
            assert torch.equal(ours[name], value), name
            continue
        step, error = (value - before[name]).abs().max(), (ours[name] - value).abs().max()
        moved |= bool(step > 0)
        assert error <= 1e-3 * step + 1e-7 * value.abs().max(), (name, step.item(), error.item())
    assert moved


@pytest.mark.parametrize("network", ["sigmoid-mlp", "maxout-mlp"])
@pytest.mark.parametrize(
    "changes",
    [
        {"penalty": "none"},
        *dense.VARIANTS.values(),
        *({**dense.VARIANTS["p=2"], **switch} for kind in dense.SWITCHES.values() for switch in kind.values()),
        {"penalty": "none", "matmul": "medium"},
        {**dense.VARIANTS["p=2"], "matmul": "medium"},
    ],
    ids=str,
)
def test_dense(network, changes, caught):
    assert_equal_steps(
        caught(
            dense.train_dense,
            checkpoint=caught.folder / "c.pt",
            data="digits",
            network=network,
            epochs=1,
            seed=0,
            **changes,
        )
    )


def test_softmax(caught):
    assert_equal_steps(caught(visual._softmax, name="digits", seed=0))


@pytest.mark.parametrize("optimizer", ["adam", "momentum"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize(
    "data, label",
    [
        (kind, label)
        for kind, variants in (
            ("digits", convolutional.VARIANTS["mnist"]),
            ("photographs", convolutional.VARIANTS["cifar10"]),
        )
        for label in variants
    ],
)
def test_convolutional(data, label, precision, optimizer, caught):
    variant = convolutional.VARIANTS[convolutional.KINDS[data]][label]
    assert_equal_steps(
        caught(
            convolutional.train_convolutional,
            checkpoint=caught.folder / "c.pt",
            data=data,
            **variant,
            epochs=1,
            seed=0,
            spread=0.05,
            precision=precision,
            optimizer=optimizer,
            lr=1e-3,
            width=0.25,
        )
    )


@pytest.mark.slow
@pytest.mark.parametrize("data", ["digits", "photographs"])
def test_convolutional_at_full_width(data, caught):
    assert_equal_steps(
        caught(
            convolutional.train_convolutional,
            checkpoint=caught.folder / "c.pt",
            data=data,
            penalty="perturbation",
            p=2,
            sigma=1.0,
            mask="fresh",
            epochs=1,
            seed=0,
            spread=0.05,
            precision="bfloat16",
            optimizer="adam",
            lr=1e-3,
        )
    )


@pytest.mark.parametrize("network, data", [("lenet", "digits")])
def test_small(network, data, caught):
    assert_equal_steps(
        caught(attacks.train_small, checkpoint=caught.folder / "c.pt", network=network, data=data, epochs=1, seed=0)
    )


@pytest.mark.parametrize("adversarial", [False, True])
def test_c4(adversarial, caught):
    assert_equal_steps(
        caught(
            smooth_adversarial.train_c4,
            checkpoint=caught.folder / "c.pt",
            data="digits",
            adversarial=adversarial,
            epochs=1,
            seed=0,
        )
    )


def test_photographs(caught):
    """ResNet-8, in both chapters that train it."""
    for train, spec in (
        (smooth_adversarial.train_photograph_net, {"epochs": 1}),
        (universal_perturbations.train_photograph_net, {}),
    ):
        assert_equal_steps(caught(train, checkpoint=caught.folder / "c.pt", seed=0, **spec))


FULL = ("resnet50", "mobilenet", "vgg16", "vgg16-bn")


@pytest.mark.parametrize(
    "network",
    [pytest.param(name, marks=pytest.mark.slow) if name in FULL else name for name in sparsity_attribution.NETWORKS],
)
@pytest.mark.parametrize("regularizer", sparsity_attribution.REGULARIZERS)
def test_sparse(network, regularizer, caught):
    assert_equal_steps(
        caught(
            sparsity_attribution.train_sparse,
            checkpoint=caught.folder / "c.pt",
            data="photographs",
            network=network,
            regularizer=regularizer,
            factor=1e-2,
            epochs=1,
            train_size=STEP,
            seed=0,
        )
    )


def test_single_layer(caught):
    assert_equal_steps(
        caught(
            sparsity_attribution.single_layer,
            data="photographs",
            activation_l1=1e-5,
            weight_l1=1e-5,
            epochs=1,
            train_size=STEP,
            seed=0,
        )
    )


@pytest.mark.parametrize("precision", counting.PRECISIONS)
@pytest.mark.parametrize(
    "activation, renormalised",
    [("relu", False), ("sigmoid", True), ("softplus", False), ("stretched softplus", False), ("sine", False)],
)
def test_counters(activation, renormalised, precision, caught):
    assert_equal_steps(
        caught(
            counting.train_counter,
            checkpoint=caught.folder / "c.pt",
            size=128,
            scales=[10, 20],
            one_scale=False,
            limit=4,
            plan="small",
            width=0.5,
            activation=activation,
            renormalised=renormalised,
            images=STEP,
            epochs=1,
            batch_size=STEP,
            lr=1e-3,
            precision=precision,
            seed=0,
        )
    )


@pytest.mark.parametrize("kind", defences.KINDS)
def test_defences(kind, caught):
    assert_equal_steps(
        caught(
            defences.train_defence,
            checkpoint=caught.folder / "c.pt",
            restore=True,
            data="digits",
            kind=kind,
            side=14,
            epochs=1,
            seed=0,
            train_size=STEP,
        )
    )
