"""Labels may be any integers: what is done with them is what is done with int64."""

import pytest
import torch

from advutils import attacks, evaluation
from advutils.attacks import linesearch
from advutils.core import checks, runtime
from advutils.filters.smoothing import ImageSmoother
from advutils.training import regularizers

USES = {  # a function of a model, images and labels
    "ascent_direction": attacks.ascent_direction,
    "fgsm": lambda m, x, y: attacks.fgsm(m, x, y, eps=0.1),
    "pgd": lambda m, x, y: attacks.pgd(m, x, y, eps=0.1, step=0.03, steps=3),
    "smooth_pgd": lambda m, x, y: attacks.smooth_pgd(
        m, x, y, eps=0.5, step=0.2, steps=3, smoother=ImageSmoother(x, bandwidth=10.0, alpha=0.5, method="dense")
    ),
    "bisect_distance": lambda m, x, y: linesearch.bisect_distance(m, x, y, torch.ones_like(x), maximum=2.0, steps=8),
    "loss_gradient": regularizers.loss_gradient,
    "wrong": evaluation.wrong,
}
BY_INDEX = {  # these use the labels as an index, for which torch takes int32 and int64
    "margin_pgd": lambda m, x, y: attacks.margin_pgd(
        m, x, y, eps=0.1, step=0.03, steps=3, restarts=2, generator=runtime.generator(0)
    ),
    "carlini_wagner": lambda m, x, y: attacks.carlini_wagner(m, x, y, steps=20, search_steps=2),
}
CASES = [(name, kind) for name in USES for kind in (torch.uint8, torch.int8, torch.int16, torch.int32)]


@pytest.mark.parametrize("name, kind", [*CASES, *((name, torch.int32) for name in BY_INDEX)])
def test_integers_of_any_length_are_the_same_labels(name, kind, net, batch):
    x, y = batch
    use, net = {**USES, **BY_INDEX}[name], net.eval()
    expected = use(net, x, y)
    assert not torch.equal(use(net, x, (y + 1) % 4), expected)  # the labels matter
    assert torch.equal(use(net, x, y.to(kind)), expected)


@pytest.mark.parametrize("kind", (torch.float32, torch.float16, torch.bool, torch.complex64))
def test_what_is_no_integer_is_refused_by_name_and_type(kind, batch):
    x, y = batch
    with pytest.raises(ValueError, match=f"target must be an integer tensor of class numbers, got {kind}"):
        checks.labels(y.to(kind), x, name="target")
    with pytest.raises(ValueError, match="got list"):
        checks.labels(y.tolist(), x)
