"""The contract of every attack."""

import os
import subprocess
import sys

import pytest
import torch
from attack_table import ATTACKS, NORM, every, with_budget
from torch import nn

from advutils import attacks
from advutils.core import norms


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


def test_images_that_are_already_wrong_are_fine(net, batch):
    x, _ = batch
    wrong = (net.eval()(x).argmax(1) + 1) % 4
    for name, attack in ATTACKS.items():
        out = attack(net, x, wrong)
        assert torch.isfinite(out).all()
        assert "wagner" not in name or torch.equal(out, x)  # nothing is nearer than the image itself


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
