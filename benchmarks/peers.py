"""The same attacks as other libraries have them, with equal settings. One that is not installed is skipped by name."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from types import ModuleType

from torch import Tensor, nn

from advutils import attacks
from advutils.core._torchvision import torchvision

EPS, STEP, STEPS = {"inf": 0.1, "2": 1.0}, {"inf": 0.01, "2": 0.1}, 40
DISTRIBUTIONS = {
    "foolbox": "foolbox",
    "torchattacks": "torchattacks",
    "adv_lib": "adv-lib",
    "art": "adversarial-robustness-toolbox",
}
Attack = Callable[[nn.Module, Tensor, Tensor], Tensor]


def installed() -> dict[str, str]:
    """Name -> version of the peers that can be imported."""
    found = {}
    for name, distribution in DISTRIBUTIONS.items():
        try:
            torchvision()  # torchattacks and adv_lib import it
            without_visdom()
            import_module({"art": "art.attacks.evasion", "adv_lib": "adv_lib.attacks.deepfool"}.get(name, name))
        except (ImportError, RuntimeError):
            continue
        found[name] = version(distribution)
    return found


def without_visdom() -> None:
    """Let ``adv_lib`` be imported where visdom is not installed: an empty module takes its place.

    adv_lib imports it at the top of files, and uses it for charts of a run where a callback asks for them, as none does
    here. visdom 0.2.4 comes as source only, whose build needs ``pkg_resources``, which setuptools has dropped.
    """
    if "visdom" not in sys.modules and find_spec("visdom") is None:
        sys.modules["visdom"] = ModuleType("visdom")


def ours() -> dict[str, Attack]:
    """This package's attacks at the benchmark's settings; labels are the model's predictions."""
    return {
        "pgd-linf": lambda m, x, y: attacks.pgd(m, x, y, eps=EPS["inf"], step=STEP["inf"], steps=STEPS),
        "pgd-l2": lambda m, x, y: attacks.pgd(m, x, y, eps=EPS["2"], step=STEP["2"], steps=STEPS, p=2),
        "deepfool": lambda m, x, y: attacks.deepfool(m, x),
        "carlini-wagner": lambda m, x, y: attacks.carlini_wagner(m, x, y),
        "carlini-wagner, full": lambda m, x, y: attacks.carlini_wagner(m, x, y, abort_early=False),
    }


def foolbox() -> dict[str, Attack]:
    import foolbox as fb

    def run(attack, epsilon=None):
        return lambda m, x, y: attack(fb.PyTorchModel(m, bounds=(0, 1)), x, y, epsilons=epsilon)[1]

    return {
        "pgd-linf": run(fb.attacks.LinfPGD(abs_stepsize=STEP["inf"], steps=STEPS, random_start=False), EPS["inf"]),
        "pgd-l2": run(fb.attacks.L2PGD(abs_stepsize=STEP["2"], steps=STEPS, random_start=False), EPS["2"]),
        "deepfool": run(fb.attacks.L2DeepFoolAttack(steps=50, candidates=10, overshoot=0.02)),
        "carlini-wagner, full": run(
            fb.attacks.L2CarliniWagnerAttack(
                binary_search_steps=9, steps=100, stepsize=0.1, initial_const=1.0, abort_early=False
            )
        ),
    }


def torchattacks() -> dict[str, Attack]:
    import torchattacks as ta

    return {
        "pgd-linf": lambda m, x, y: ta.PGD(m, eps=EPS["inf"], alpha=STEP["inf"], steps=STEPS, random_start=False)(x, y),
        "pgd-l2": lambda m, x, y: ta.PGDL2(m, eps=EPS["2"], alpha=STEP["2"], steps=STEPS, random_start=False)(x, y),
        "deepfool": lambda m, x, y: ta.DeepFool(m, steps=50, overshoot=0.02)(x, y),
    }


def adv_lib() -> dict[str, Attack]:
    from adv_lib.attacks.carlini_wagner.l2 import carlini_wagner_l2
    from adv_lib.attacks.deepfool import df

    def carlini_wagner(m, x, y):
        return carlini_wagner_l2(m, x, y, learning_rate=0.1, initial_const=1.0, max_iterations=100)

    return {
        "deepfool": lambda m, x, y: df(m, x, y, steps=50, overshoot=0.02),
        "carlini-wagner": carlini_wagner,
        "carlini-wagner, full": carlini_wagner,  # its early stop asks the whole batch
    }


def art() -> dict[str, Attack]:
    import torch
    from art.attacks.evasion import CarliniL2Method, DeepFool, ProjectedGradientDescentPyTorch
    from art.estimators.classification import PyTorchClassifier

    def run(make):
        def call(m, x, y):
            wrapped = PyTorchClassifier(
                m,
                nn.CrossEntropyLoss(),
                tuple(x.shape[1:]),
                10,
                clip_values=(0, 1),
                device_type="cpu" if x.device.type == "cpu" else "gpu",
            )
            out = make(wrapped, len(x)).generate(x.cpu().numpy(), y.cpu().numpy())
            return torch.from_numpy(out).to(x)

        return call

    def pgd(norm, key):
        return run(
            lambda wrapped, n: ProjectedGradientDescentPyTorch(
                wrapped, norm=norm, eps=EPS[key], eps_step=STEP[key], max_iter=STEPS, batch_size=n, verbose=False
            )
        )

    return {
        "pgd-linf": pgd("inf", "inf"),
        "pgd-l2": pgd(2, "2"),
        "deepfool": run(
            lambda wrapped, n: DeepFool(wrapped, max_iter=50, epsilon=0.02, nb_grads=10, batch_size=n, verbose=False)
        ),
        "carlini-wagner, full": run(
            lambda wrapped, n: CarliniL2Method(
                wrapped,
                learning_rate=0.1,
                binary_search_steps=9,
                max_iter=100,
                initial_const=1.0,
                batch_size=n,
                verbose=False,
            )
        ),
    }


LIBRARIES = {"foolbox": foolbox, "torchattacks": torchattacks, "adv_lib": adv_lib, "art": art}
