"""The measurement of how sure networks are, on a linear one whose margins are known."""

import numpy as np
import pytest
import torch
from torch import nn

from advbook.chapters.attacks import sure
from advbook.chapters.smooth_adversarial import attacks as smooth_adversarial


@pytest.fixture
def known(monkeypatch):
    """Two classes, two pixels, the margin of class 0 is 400 times the first less the second; the row ``known``."""
    model = nn.Linear(2, 2)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[200.0, -200.0], [-200.0, 200.0]]))
        model.bias.zero_()
    x = torch.tensor([[0.7, 0.3], [0.55, 0.5], [0.52, 0.5], [0.4, 0.5]])  # margins 160, 20, 8 and -40
    monkeypatch.setitem(sure.LOADERS, "known", lambda spec, count: (model, x[:count], torch.zeros(4).long()[:count]))
    return dict(loader="known", spec={}, images=4, steps=1)


def test_shares_and_what_the_plain_gradient_loses(known):
    values, arrays = sure.sure_share(**known, eps=0.25)
    assert (values["start"], values["sure"], values["clean"], values["images"]) == (0.5, 0.5, 0.25, 4)
    assert (values["pgd"], values["plain"], values["still"]) == (1.0, 0.75, 0.25)  # at 160 all is gone
    assert np.unpackbits(arrays["still"])[:4].tolist() == [1, 0, 0, 0]
    assert arrays["margins"].tolist() == pytest.approx([160, 20, 8, -40], rel=1e-2)


def test_all_steps_are_counted(known):
    values, _ = sure.sure_share(**known | {"steps": 2}, eps=0.01)  # margins fall by 10 at the first step
    assert values["start"] == 0.5 and values["sure"] == 3 / 8  # 160 and 20, then 150 and 10


def test_where_no_digit_is_lost_both_attacks_agree():
    torch.manual_seed(0)
    model, x, y = nn.Linear(6, 3), torch.rand(5, 6), torch.tensor([0, 1, 2, 0, 1])
    options = dict(eps=0.1, step=0.05, steps=4)
    torch.testing.assert_close(sure.plain_ascent(model, x, y, **options), sure.attacks.pgd(model, x, y, **options))


def test_an_unknown_loader_is_named():
    with pytest.raises(ValueError, match="loader must be one of attacks.network"):
        sure.sure_share(loader="nowhere", spec={}, images=1, eps=0.1, steps=1)


def test_every_loader_is_a_function_of_its_module():
    for name in sure.LOADERS:
        module, _, function = name.partition(".")
        assert callable(getattr(getattr(sure, {"attacks": "page"}.get(module, module)), function))
    assert smooth_adversarial.natural is sure.smooth_adversarial.natural
