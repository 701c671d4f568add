"""The demonstrations on photographs and on a digit, with tiny stand-ins for the networks."""

import numpy as np
import pytest
import torch
from torch import nn

from advbook import ledger, paths
from advbook.chapters import answers
from advbook.chapters.representation import digits
from advbook.chapters.smooth_adversarial import photographs as smooth
from advbook.chapters.sparsity_attribution import photographs as sparse
from advbook.chapters.universal_perturbations import photographs as universal
from advbook.panels import panels
from advutils.datasets import photographs

RECORDED = "standard/universal-perturbations/fooling/b64b6272f34da978.json"
SOFT = dict(kernel="gaussian", bandwidth=300.0, alpha=0.99, method="exact")


class Brightness(nn.Module):
    """Six classes; the first where the mean of an image lies above a threshold, else the second."""

    def __init__(self, threshold: float):
        super().__init__()
        self.threshold = threshold

    def forward(self, x):
        first = 1000 * (x.mean((1, 2, 3)) - self.threshold)
        return torch.stack([first, -first, *[torch.full_like(first, -1e4)] * 4], 1)


def test_an_answer_is_the_most_probable_class_by_name():
    found = answers.answers(Brightness(0.5), torch.tensor([0.7, 0.2])[:, None, None, None].expand(2, 3, 4, 4))
    assert [name for name, _ in found] == list(photographs.NAMES[:2]) and all(p > 0.99 for _, p in found)
    assert answers.told(["cat", 0.426]) == "cat (43\u00a0%)"


def test_a_recorded_perturbation_is_read_in_its_own_size(monkeypatch):
    monkeypatch.setattr(paths, "results", lambda: paths.root() / "results")
    v, record = universal.pattern(RECORDED), ledger.read(paths.root() / "results" / RECORDED)
    assert 255 * v.double().norm().item() == pytest.approx(
        record["l2"], rel=1e-4
    ) and 255 * v.abs().max().item() == pytest.approx(10, abs=0.01)
    assert 255 * v.abs().mean().item() == pytest.approx(record["mean"], rel=1e-3)


def test_the_committed_answers_are_those_to_the_perturbations_that_are_committed(monkeypatch):
    monkeypatch.setattr(paths, "results", lambda: paths.root() / "results")
    found = sorted((paths.root() / "results" / "standard" / "universal-perturbations").glob("on_photographs/*.json"))
    assert found
    for path in found:
        record = ledger.read(path)
        where = paths.root() / "results" / record.parameters["perturbation"]
        assert ledger.read(where).arrays_sha256 == record["content"]
        assert record.parameters["network"] in ledger.read(where).parameters["networks"]


def test_random_signs_are_as_long_as_the_perturbation_and_answers_are_counted(monkeypatch):
    monkeypatch.setattr(paths, "results", lambda: paths.root() / "results")
    what = dict(perturbation=RECORDED, photographs=["coffee", "chelsea"], seed=0)
    monkeypatch.setattr(universal, "squares", lambda names, size: torch.full((len(names), 3, size, size), 128 / 255))
    shown = universal.versions(**what)
    sizes = {name: 255 * (images[0] - shown["before"][0]).norm().item() for name, images in shown.items()}
    assert sizes["signs"] == pytest.approx(sizes["after"], rel=0.12)  # both in 8 bits: 3.6 becomes 4
    assert sizes["bound"] == pytest.approx(10 * (3 * 224 * 224) ** 0.5, rel=1e-4)
    moved = {name: images.mean().item() for name, images in shown.items()}
    monkeypatch.setattr(universal.fooling, "network", lambda name: Brightness((moved["before"] + moved["after"]) / 2))
    record = universal.on_photographs(network="x", **what)
    assert universal.changed(record, "after") == 2 and universal.changed(record, "before") == 0


def test_smoothing_keeps_a_change_where_the_picture_is_flat_and_the_squares_are_cut_where_they_are_named(monkeypatch):
    image = torch.full((3, 40, 40), 0.5)
    image[:, :, 20:] = 0.2 + 0.6 * torch.rand(3, 40, 20, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(smooth, "crop", lambda *_: image[None].double())
    monkeypatch.setattr(
        smooth.smooth_adversarial, "natural_network", lambda name: Brightness(image.mean().item() - 0.004)
    )
    values, arrays = smooth.in_spots(
        photograph="x",
        window=[],
        network="x",
        calls=[dict(attack="fgsm", options=dict(eps=0.01), smoothing={})],
        graph=SOFT,
        spots={"flat": [20, 8], "rough": [20, 32]},
        side=8,
    )
    assert values["before"][0] == photographs.NAMES[0] and values["after"][0][0] == photographs.NAMES[1]
    assert arrays["picture"].shape == (2, 8, 8, 3) and (arrays["picture"][0] == 128).all()
    assert np.array_equal(arrays["picture"][1], (image[:, 16:24, 28:36] * 255).round().byte().permute(1, 2, 0).numpy())
    assert values["largest"][0] == pytest.approx(0.01, rel=1e-4) and set(np.unique(arrays["perturbations"])) == {1}
    assert values["kept"][0][0] == pytest.approx(1, rel=0.01)  # a constant stays, as in Eq. (9)


def test_a_budget_is_shown_as_it_was_answered(monkeypatch):
    monkeypatch.setattr(sparse, "squares", lambda names, size: torch.full((1, 3, size, size), 128 / 255))
    monkeypatch.setattr(sparse, "trained", lambda network: (Brightness(0.5 - 4 / 255), None))
    budgets = [0.0, 2 / 255, 0.3]
    values, arrays = sparse.under_budgets(photograph="coffee", network="x", budgets=budgets)
    assert [name for name, _ in values["answers"]] == [photographs.NAMES[k] for k in (0, 0, 1)]
    record = ledger.Record(None, "x", {"photograph": "coffee"}, values, {}, None)
    record.__dict__["arrays"] = arrays
    assert [int(sparse.picture(record, budget).max()) for budget in budgets] == [128, 126, 52]  # 128 - 76.5, to even


def test_a_digit_is_attacked_at_each_budget(monkeypatch):
    digit = torch.full((3, 1, 4, 4), 0.52)
    monkeypatch.setattr(digits.defences, "loaded", lambda *_: (digit, torch.tensor([5, 0, 5])))
    monkeypatch.setattr(digits.defences, "trained", lambda **_: (Brightness(0.5), None))
    values, arrays = digits.one_digit(
        spec=dict(data="x", side=4, seed=0), index=1, budgets=[0.0, 0.01, 0.1], steps=5, restarts=1
    )
    assert values == {"label": 0, "answers": [0, 0, 1]}
    assert arrays["pictures"].shape == (3, 4, 4) and (arrays["pictures"][0] == 133).all()
    assert arrays["pictures"][2].astype(int).min() == 107  # .52 - .1


def test_a_grid_of_pictures_is_legible_on_a_phone_or_is_refused():
    import matplotlib.pyplot as plt

    picture = np.zeros((8, 8), dtype=np.uint8)
    fig = panels([[picture, picture]], [["one", "a label of a few words"]], side=1.2, titles=["a", "b"], rows=["r"])
    assert [axis.get_title() for axis in fig.axes] == ["a", "b"] and "\n" in fig.axes[1].get_xlabel()
    sizes = {text.get_fontsize() for axis in fig.axes for text in (axis.xaxis.label, axis.yaxis.label, axis.title)}
    assert min(sizes) >= 9 and fig.get_figwidth() <= 5
    with pytest.raises(ValueError, match=r"side must be at most 2\.50"):
        panels([[picture, picture]], [["", ""]], side=2.6)
    plt.close("all")
