"""Softmax models by weight decay: against the measurements by lambda, automatic differentiation and each other."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from advbook.chapters.gradient_regularization import decay, noise, theory
from advutils import datasets, models
from advutils.core import norms

BY_LAMBDA = dict(data="digits", convention="half", lam=0.02, max_iter=200)
BY_DECAY = dict(data="digits", coefficient=0.01, max_iter=200)


def test_a_fit_by_decay_is_the_fit_by_lambda():
    by_lambda, _ = noise.softmax_fit(**BY_LAMBDA)
    by_decay, arrays = decay.decay_fit(**BY_DECAY)
    shared = set(by_lambda) & set(by_decay)
    assert {"train_error", "test_error", "minimum_mean", "minimum_sd", "coefficient", "never"} <= shared
    assert {name: by_decay[name] for name in shared} == pytest.approx({name: by_lambda[name] for name in shared})
    test = arrays["test_distance"]
    assert (test == 0).mean() == pytest.approx(by_decay["test_error"])
    assert test[test > 0].astype(float).mean() == pytest.approx(by_decay["test_minimum_mean"], rel=1e-3)


def test_noise_by_decay_is_noise_by_lambda_and_is_kept_by_image():
    more = dict(noise=[0.1, 0.3], draws=2, seed=3)
    by_lambda, _ = noise.softmax_noise(**BY_LAMBDA, **more)
    by_decay, arrays = decay.decay_noise(**BY_DECAY, **more)
    assert set(by_decay) == set(by_lambda)
    for name in by_lambda:
        assert np.ravel(by_decay[name]) == pytest.approx(np.ravel(by_lambda[name]), abs=1e-6), name
    images = len(datasets.load("digits", split="train")[1])
    wrong = np.unpackbits(arrays["noise_wrong"], axis=-1)[..., :images]
    assert wrong.shape == (2, 2, images) and wrong.mean(-1) == pytest.approx(np.array(by_decay["actual"]), abs=1e-6)


def test_one_step_of_descent_is_that_of_automatic_differentiation():
    x, y = datasets.load("digits", split="train")
    x, y = x[:30], y[:30]
    torch.manual_seed(0)
    model = models.softmax_regression()
    torch.nn.init.normal_(model[1].weight, std=0.1)
    by_hand = models.softmax_regression()
    by_hand.load_state_dict(model.state_dict())
    loss = F.cross_entropy(model(x), y) + 0.03 * model[1].weight.square().sum()
    loss.backward()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter -= 0.5 * parameter.grad
    decay.descend(by_hand, x, y, coefficient=0.03, lr=0.5)
    for a, b in zip(model.parameters(), by_hand.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-6)


def test_descent_walks_towards_the_fit_from_longer_distances():
    rest, _ = decay.decay_fit(data="digits", coefficient=1e-3, max_iter=500)
    options = dict(data="digits", coefficient=1e-3, lr=0.5, batch_size=50, seed=0)
    path, arrays = decay.descent_path(epochs=[1, 10, 60], **options)
    means = path["minimum_mean"]
    assert means == sorted(means, reverse=True) and means[-1] == pytest.approx(rest["minimum_mean"], rel=0.2)
    assert arrays["distance"].shape == (3, len(datasets.load("digits", split="train")[1]))
    with pytest.raises(ValueError, match="epochs"):
        decay.descent_path(epochs=[2, 1], **options)


def test_the_decays_rise_with_lambda_and_stand_in_the_claims():
    from advbook import claims

    assert list(decay.MATCHED) == list(noise.LAMBDAS) and list(decay.MATCHED.values()) == sorted(decay.MATCHED.values())
    named = {
        selection["where"]["coefficient"]
        for claim in claims.load("claims", "gradient-regularization")
        for selection in claim["values"].values()
        if isinstance(selection, dict) and selection["from"].startswith("decay_")
    }
    assert named == set(decay.MATCHED.values())


def test_each_decay_stands_between_its_neighbours_of_one_digit():
    assert list(decay.NEIGHBOURS) == list(decay.MATCHED)
    for lam, found in decay.NEIGHBOURS.items():
        assert found[1] == decay.MATCHED[lam] and list(found) == sorted(found)
        assert all(c == float(f"{c:.0e}") for c in found)
        assert len({f"{c:e}"[2:] for c in found}) == 1  # steps of one in the same digit
        assert np.diff([float(f"{c:e}"[0]) for c in found]) == pytest.approx(1)


def test_remark_2_for_p_2_is_the_second_order_measurement(monkeypatch):
    """Against finite differences of the gradient, and against the measurement of p = 2 alone."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 9), torch.nn.Sigmoid(), torch.nn.Linear(9, 4))
    model = model.double().eval()
    x, y = torch.rand(5, 1, 3, 4, dtype=torch.float64), torch.arange(5) % 4
    monkeypatch.setattr(theory, "judged", lambda images, **_: (model, x, y))
    found, arrays = theory.second_order_family(powers=[1, 2, "inf"], images=5)
    alone, _ = theory.second_order(images=5, sigmas=[0.1])
    assert found["curvature"][1] == pytest.approx(alone["mean_curvature"])
    assert found["squared"][1] == pytest.approx(alone["mean_squared_gradient"])
    _, _, g = theory.gradient(model, x, y)
    for row, power in enumerate([1, 2, "inf"]):
        v, h = norms.steepest(g, power), 1e-5
        slopes = [(theory.gradient(model, x + side * h * v, y)[2] * v).flatten(1).sum(1) for side in (-1, 1)]
        assert torch.allclose((slopes[1] - slopes[0]) / (2 * h), torch.tensor(arrays["curvature"][row]), rtol=1e-4)
        assert found["ratio"][row] == pytest.approx(arrays["curvature"][row].mean() / arrays["squared"][row].mean())
