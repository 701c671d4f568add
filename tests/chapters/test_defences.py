"""The networks, penalties and attacks of the page on structural defences, on closed forms and small data."""

import math

import pytest
import torch
from torch import nn

from advbook.chapters.representation import defences as chapter
from advbook.chapters.representation import defences_masking as masking
from advbook.chapters.representation import defences_theory as theory
from advutils import datasets, evaluation, layers, models, training
from advutils.core import runtime
from advutils.training import regularizers


@pytest.fixture
def few(monkeypatch, tmp_path):
    """Ninety digits in place of a data set, and an empty cache folder."""
    images, labels = datasets.load("digits")
    monkeypatch.setattr(datasets, "load", lambda name, split="train": (images[:90], labels[:90]))
    monkeypatch.setenv("ADVUTILS_CACHE", str(tmp_path))
    return dict(data="digits", side=7, epochs=3, seed=0, train_size=0)


# -- networks -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("neurons", "count"),
    [("linear", 784 * 100 + 100), ("angular", 784 * 100 + 100), ("pairs", 784 * 783 // 2 * 100 + 100)],
)
def test_sizes_are_those_of_the_thesis(neurons, count):
    model = models.structural(neurons=neurons)
    assert sum(p.numel() for p in model[2].parameters()) == count
    assert sum(p.numel() for p in model[3:].parameters()) == 100 * 100 + 100 + 100 * 10 + 10


def test_pixels_are_multiplied_by_255_and_the_last_sigmoid_is_left_to_the_loss():
    with runtime.seeded(0):
        model = models.structural(pixels=4, hidden=3)
    x = torch.rand(2, 1, 2, 2, generator=runtime.generator(1))
    first = (255 * x.flatten(1)) @ model[2].weight.T
    second = torch.sigmoid(first) @ model[5].weight.T
    torch.testing.assert_close(model(x), torch.sigmoid(second) @ model[8].weight.T)
    with pytest.raises(ValueError, match="neurons must be one of"):
        models.structural(neurons="cubic")


def test_the_start_is_that_of_the_thesis_code():
    with runtime.seeded(0):
        plain, angular = models.structural(), models.structural(neurons="angular", activation="none", renormalised=True)
        elastic, pairs = models.structural(activation="elastic"), models.structural(neurons="pairs", pixels=64)
    assert plain[2].weight.std().item() == pytest.approx(1 / 28, rel=0.02)
    assert plain[5].weight.std().item() == pytest.approx(0.1, rel=0.03)
    assert angular[2].weight.abs().max() <= 1 and angular[2].weight.std().item() == pytest.approx(3**-0.5, rel=0.02)
    assert pairs[2].weight.std().item() == pytest.approx(3**-0.5, rel=0.02)  # a difference of two, over sqrt 2
    norms_ = [layer for layer in angular if isinstance(layer, layers.BatchRenorm)]
    assert len(norms_) == 3 and all(layer.decay == 0.8 for layer in norms_) and norms_[-1].weight.shape == (10,)
    scales = [layer for layer in elastic if isinstance(layer, layers.Elastic)]
    assert len(scales) == 3 and not isinstance(scales[-1], layers.ElasticSigmoid)


def test_limits_are_loosened_by_the_last_minibatch_of_each_epoch(few, monkeypatch):
    losses, seen, plain = [], [], chapter.objective("RS")
    monkeypatch.setattr(layers.Loosening, "__call__", lambda self, loss: seen.append((self.wait, loss)))
    monkeypatch.setattr(chapter, "objective", lambda kind: lambda *of: losses.append(plain(*of)) or losses[-1])
    chapter.trained(**few, kind="RS", weights="last")
    assert len(losses) == 3 * 5  # 84 images in batches of 20, three epochs
    assert seen == [(20, loss.item()) for loss in losses[4::5]]
    for kind, options in chapter.KINDS.items():  # and there is something to loosen only where there are limits
        found = layers.Loosening(chapter.network(kind, side=7, seed=0), start=0.01, wait=20).layers
        assert len(found) == (3 if options.get("renormalised") else 0), kind


@pytest.mark.parametrize("arithmetic", chapter.ARITHMETIC)
def test_a_network_in_another_arithmetic_gives_the_same_answers(arithmetic):
    x = torch.rand(6, 1, 4, 4, generator=runtime.generator(0)) / 100  # small, or everything is saturated
    sigmoid = chapter.sigmoid_in(arithmetic)
    for kind in ("S", "GMRES", "A", "PD"):
        model = chapter.network(kind, side=4, seed=0).eval()
        with torch.no_grad():
            for layer in model:
                if isinstance(layer, layers.Elastic):
                    layer.scale.fill_(0.5)
        found = chapter.with_sigmoid(model, sigmoid)
        torch.testing.assert_close(found(x), model(x), msg=kind)
        assert all(layer is sigmoid for layer in found if isinstance(layer, nn.Sigmoid | layers.ElasticSigmoid)), kind
        torch.testing.assert_close(
            chapter.gradient(kind, found, x, torch.arange(6), sigmoid=sigmoid),
            chapter.gradient(kind, model, x, torch.arange(6)),
            rtol=1e-3,
            atol=1e-7,
            msg=kind,
        )


@pytest.mark.parametrize(
    "given, zero",
    [({}, 1), ({"arithmetic": "chainer cpu"}, 1), ({"arithmetic": "chainer gpu"}, 0), ({"arithmetic": "torch"}, 0)],
)
def test_the_thesis_step_is_taken_in_the_arithmetic_asked_for(few, monkeypatch, given, zero):
    with runtime.seeded(0):
        sure = nn.Sequential(nn.Flatten(), nn.Linear(49, 10), nn.Sigmoid(), nn.Linear(10, 10)).eval()
        with torch.no_grad():
            sure[1].bias.fill_(-25)  # where a slope is 1e-11, or 0 if it is rounded
    monkeypatch.setattr(chapter, "trained", lambda **_: (sure, training.History(best_epoch=1)))
    spec = {"data": "digits", "kind": "S", "side": 7}
    values = masking.masked(spec=spec, eps=0.1, images=20, **given)
    assert (values["zero_chainer"], values["zero"]) == (zero, 0)
    values, _ = chapter.as_printed(spec=spec, against=spec, budgets=[0.1], images=20, **given)
    assert (values["thesis"]["zero"], values["settled"]["zero"]) == (zero, 0)


def test_training_on_attacked_images_stays_in_the_budget(monkeypatch):
    seen, x = [], torch.rand(20, 1, 4, 4, generator=runtime.generator(0))
    model, y, plain = chapter.network("S", side=4, seed=0), torch.arange(20) % 10, chapter.squared
    monkeypatch.setattr(chapter, "squared", lambda kind, z, y, **how: seen.append(1) or plain(kind, z, y, **how))
    handle = model.register_forward_pre_hook(lambda module, inputs: moved.append(inputs[0].detach()))
    for kind, passes in (("FGSM training", 2), ("PGD training", 8)):
        seen.clear()
        moved = []
        loss, eps = chapter.objective(kind)(model, x, y), chapter.KINDS[kind]["eps"]
        assert len(seen) == len(moved) == passes
        away = moved[-1] - x
        assert 0.9 * eps < away.abs().max() <= eps + 1e-6 and moved[-1].min() >= 0 and moved[-1].max() <= 1
        assert loss > plain("S", model(x), y).mean()
    handle.remove()


def test_every_kind_learns_one_minibatch():
    x, y = datasets.load("digits")
    x, y = nn.functional.avg_pool2d(x[:20], 4), y[:20]
    for kind, options in chapter.KINDS.items():
        model = chapter.network(kind, side=7, seed=0).train()
        parameters = list(model.parameters())
        loss = chapter.objective(kind)
        optimizer = torch.optim.SGD(parameters, lr=10 * options["lr"], momentum=chapter.MOMENTUM)
        values = []
        for _ in range(30):
            value = loss(model, x, y)
            for parameter, gradient in zip(parameters, torch.autograd.grad(value, parameters), strict=True):
                parameter.grad = gradient
            optimizer.step()
            values.append(value.item())
        assert values[-1] < 0.9 * values[0], kind
    with pytest.raises(ValueError, match="kind must be one of"):
        chapter.network("Z", side=7, seed=0)


# -- penalties ------------------------------------------------------------------------------------------------------


def test_gradient_magnitude_of_a_quadratic_and_its_derivative():
    a = torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
    x = torch.tensor([[3.0, 4.0], [0.0, 5.0]], dtype=torch.float64, requires_grad=True)
    losses = a * x.square().sum(1) / 2  # gradients a x, of length 5a
    one, each = (regularizers.gradient_magnitude(losses, x, per_example=how) for how in (False, True))
    assert one.item() == pytest.approx(3 * math.sqrt(50) / 2) and each.item() == pytest.approx(15)
    assert torch.autograd.grad(each, a)[0].item() == pytest.approx(5)


def test_the_penalty_is_that_of_pixels_up_to_255():
    """Against a network that takes pixels of 0 to 255, written out: half of one norm of the mean loss' gradient."""
    model = chapter.network("GMR", side=4, seed=0)
    x, y = torch.rand(20, 1, 4, 4, generator=runtime.generator(0)), torch.arange(20) % 10
    raw = (255 * x).requires_grad_()
    mean = chapter.squared("GMR", model[1:](raw), y).mean()
    size = torch.autograd.grad(mean, raw)[0].norm()
    assert chapter.objective("S")(model, x, y).item() == pytest.approx(mean.item(), rel=1e-5)
    for kind, times in (("GMR", 1), ("GMR x 10", 10), ("GMR x 255", 255)):
        assert chapter.objective(kind)(model, x, y).item() == pytest.approx((mean + times * size / 2).item(), rel=1e-4)
    bent = chapter.objective("GMR x 10, curvature")(model, x, y).item()
    assert bent > chapter.objective("GMR x 10")(model, x, y).item()


# -- training -------------------------------------------------------------------------------------------------------


def test_last_and_best_weights_are_both_kept(few):
    last, history = chapter.trained(**few, kind="RS", weights="last")
    best, again = chapter.trained(**few, kind="RS", weights="best")
    assert len(history.monitor) == 3 and history.monitor == again.monitor
    assert history.best_epoch == 1 + min(range(3), key=history.monitor.__getitem__)
    same = all(torch.equal(a, b) for a, b in zip(last.parameters(), best.parameters(), strict=True))
    assert same is (history.best_epoch == 3)
    with pytest.raises(ValueError, match="weights must be"):
        chapter.trained(**few, kind="RS", weights="first")


def test_judging_in_training_mode_leaves_the_network_alone(few):
    other = dict(few, kind="S", seed=1)
    model, _ = chapter.trained(**few, kind="RS", weights="last")
    x, y = chapter.loaded("digits", "test", 7)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with chapter.batch_statistics(model):
        assert model.training and 0 <= chapter.accuracy(model, x, y) <= 1
    assert not model.training
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in before.items())
    found, arrays = chapter.as_printed(spec=dict(few, kind="RS"), against=other, budgets=[0.3, 0.0], images=0)
    for name in ("thesis", "settled"):
        assert found[name]["white"][1] == found[name]["black"][1] == found[name]["clean"]  # a step of length 0
        assert found[name]["white"][0] <= found[name]["clean"]
    assert len(arrays["loss"]) == len(arrays["validation"]) == 3


def test_the_thesis_tests_renormalisation_as_normalisation():
    model = models.structural(pixels=16, hidden=8, renormalised=True)
    x = torch.rand(20, 1, 4, 4, generator=runtime.generator(0))
    for _ in range(5):
        model.train()(x)
    with chapter.batch_statistics(model):
        plain = model(x)
    for layer in model:
        if isinstance(layer, layers.BatchRenorm):
            layer.r_max.fill_(1000.0)
            layer.d_max.fill_(1000.0)
    with chapter.batch_statistics(model):
        same = model(x)
    torch.testing.assert_close(same, plain)
    assert model[3].r_max == 1000 and not model.training
    assert (model.train()(x) - plain).abs().max() > 1e-3  # with its limits it is another network


def test_every_measurement_of_the_pages_runs(few):
    spec, other = dict(few, kind="S"), dict(few, kind="S", seed=1)
    found = chapter.judged(
        spec=spec, against=other, budgets=[0.1, 1e-9], images=40, steps=3, restarts=2, queries=20, query_images=10
    )
    single = ("fgsm", "pgd", "margin", "wide", "transfer", "transfer_wide")
    assert found["worst"][0] <= min(found[how][0] for how in single)
    assert found["all"][0] <= min(found["before_square"][0], found["square"][0])
    assert max(found["before_square"][0], found["square"][0]) <= found["clean_same"]
    assert found["few"] == found["all"]  # of ten images these are the first hundred
    assert found["all"][1] == found["clean_same"] and found["worst"][1] == found["margin"][1] == found["clean"]
    masked = masking.masked(spec=spec, eps=0.3, images=40)
    assert 0 <= masked["zero64"] <= masked["zero"] <= masked["zero_chainer"] <= 1
    values, arrays = masking.surface(spec=spec, images=20, drawn=2, reaches=[0.3, 0.02], points=5, seed=0)
    assert arrays["loss"].shape == (2, 2, 5, 5) and values["images"] <= 20
    units = theory.penalty_units(spec=spec, images=40)
    assert 1 <= units["ratio"] <= units["bound"] + 1e-9


def test_widened_sigmoids_give_the_same_answers_and_a_direction_where_slopes_vanish():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.Sigmoid(), nn.Linear(3, 2), layers.ElasticSigmoid())
    model.double()
    with torch.no_grad():
        model[1].weight.mul_(1e4)
        model[4].scale.fill_(-2.0)  # a slope with the other sign
    x = torch.rand(10, 4, dtype=torch.double, generator=torch.Generator().manual_seed(0)).requires_grad_()
    soft = chapter.widened(model, x.detach())
    torch.testing.assert_close(soft(x), model(x), rtol=0, atol=1e-15)
    (hard,) = torch.autograd.grad(model(x)[:, 0].sum(), x)
    (wide,) = torch.autograd.grad(soft(x)[:, 0].sum(), x)
    assert (hard == 0).all(1).any() and (wide != 0).all()
    first = model[1].weight / soft[2].width
    slope = torch.sigmoid(model[1](x.detach()) / soft[2].width)
    inner = (slope * (1 - slope)) * model[3].weight[0]
    outer = torch.sigmoid(-2 * model[3](model[2](model[1](x.detach())))[:, :1] / soft[4].width)
    torch.testing.assert_close(wide, outer * (1 - outer) * -2 / soft[4].width * (inner @ first))


def test_with_settled_statistics_neighbours_do_not_matter(few):
    """A network without batch statistics is judged alike in all five situations."""
    met = masking.neighbours(spec=dict(few, kind="S"), eps=0.3, images=40)
    assert met["attacked"]["training"] == met["attacked"]["evaluation"] == met["alone"]
    assert met["crossed"] == met["crossed_back"] == met["alone"]
    assert met["clean"]["training"] == met["clean"]["evaluation"]
    other = masking.neighbours(spec=dict(few, kind="RS"), eps=0.05, images=40)
    assert other["clean"]["training"] != other["clean"]["evaluation"] or other["crossed"] != other["alone"]


# -- an attack without gradients --------------------------------------------------------------------------------------


def test_the_square_attack_stays_in_its_ball_and_leaves_numpy_alone(few):
    import numpy as np

    model, _ = chapter.trained(**few, kind="RS", weights="best")
    x, y = chapter.loaded("digits", "test", 7)
    before = np.random.get_state()[1].copy()
    moved = chapter.square(model, x[:20], y[:20], eps=0.2, queries=30, seed=0)
    assert (np.random.get_state()[1] == before).all()
    assert (moved - x[:20]).abs().max() <= 0.2 + 1e-5
    assert evaluation.error_rate(model, moved, y[:20]) >= evaluation.error_rate(model, x[:20], y[:20])


def test_the_surface_is_steepest_along_the_gradient_of_a_small_step(few):
    _, arrays = masking.surface(spec=dict(few, kind="RS"), images=5, drawn=3, reaches=[1e-5], points=3, seed=0)
    loss = arrays["loss"][:, 0]
    assert (loss[:, 2, 1] >= loss[:, 1, 1]).all() and (loss[:, 0, 1] <= loss[:, 1, 1]).all()
    along, across = loss[:, 2, 1] - loss[:, 0, 1], loss[:, 1, 2] - loss[:, 1, 0]
    assert (abs(across) < along).all()
