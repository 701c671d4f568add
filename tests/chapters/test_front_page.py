"""The front page's measurement: a linear network whose answer turns at a known budget."""

import torch
from torch import nn

from advbook.chapters.front_page import photograph


def linear(sign: float) -> nn.Module:
    """Two classes told apart by the mean of the pixels: the difference of the logits is 2 (mean - threshold)."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 1000))
    with torch.no_grad():
        network[1].weight.zero_()
        network[1].bias.fill_(-100.0)
        network[1].weight[0] = sign / (3 * 8 * 8)
        network[1].bias[:2] = torch.tensor([-sign * 0.4, 0.0])
    return network


def test_the_answer_turns_where_the_budget_crosses_the_boundary(monkeypatch):
    image = torch.full((3, 10, 8), 0.42)  # two hundredths above the threshold: 5.1 of 255
    monkeypatch.setattr(photograph.models, "pretrained", lambda name: linear(1.0))
    monkeypatch.setattr(photograph.models, "input_size", lambda name: 8)
    monkeypatch.setattr(photograph.photographs, "photograph", lambda name: image)
    values, arrays = photograph.one_step(photograph="x", network="x", budgets=[0, 4, 6, 8])
    assert values["first_wrong"] == 6  # .42 is stored as 107 / 255, which is 5 / 255 above 102 / 255
    assert [each[0][0] for each in values["answers"]].index(values["answers"][2][0][0]) == 2
    assert arrays["image"].shape == (3, 8, 8) and (arrays["image"] == 107).all() and (arrays["step"] == -1).all()


def test_the_middle_of_a_photograph_is_square_and_has_steps_of_a_255th():
    image = torch.zeros(3, 10, 30)
    image[:, :, 10:20] = 1  # the middle
    found = photograph.square(image, 10)
    assert found.shape == (1, 3, 10, 10) and (found == 1).all()
