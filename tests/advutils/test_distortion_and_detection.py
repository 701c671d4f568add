"""Success, distortion and storage of images; bilateral filter and magnification; a detector; networks for images."""

import numpy as np
import pytest
import torch
from torch import nn

from advbook.chapters.smooth_adversarial import attacks as chapter
from advbook.chapters.smooth_adversarial import detection as visible
from advutils import datasets, models
from advutils.attacks import margin_search
from advutils.core import norms
from advutils.datasets import photographs
from advutils.evaluation import detection, distortion
from advutils.filters.bilateral import bilateral, magnification
from advutils.models.pretrained import FILES, GoogLeNet, MissingWeights, input_size, pretrained

D = np.array([0.5, 2.0, np.inf, 1.0])


def test_the_operating_characteristic_rises_from_0_to_the_success_probability():
    curve = distortion.operating_characteristic(D, np.array([0.0, 0.4, 0.5, 1.5, 2.0, 100.0]))
    assert curve.tolist() == [0, 0, 0.25, 0.5, 0.75, 0.75]
    probability, low, high = distortion.success_probability(D)
    assert probability == curve[-1] and 0 < low < probability < high < 1


def test_the_conditional_mean_leaves_failures_out_and_repeats():
    mean, low, high = distortion.conditional_mean(D)
    assert mean == pytest.approx(3.5 / 3) and low <= mean <= high
    assert distortion.conditional_mean(D) == (mean, low, high)
    assert np.isnan(distortion.conditional_mean(np.array([np.inf]))).all()
    assert distortion.conditional_mean(np.array([2.0])) == (2.0, 2.0, 2.0)


@pytest.mark.parametrize("bad", [[], [np.nan], [-1.0], [[1.0]]])
def test_bad_distortions_are_named(bad):
    for function in (distortion.success_probability, distortion.conditional_mean):
        with pytest.raises(ValueError, match="distortion"):
            function(np.array(bad))


def test_rounding_moves_no_grey_level_and_every_other_value_to_the_nearest():
    levels = torch.arange(256) / 255
    assert torch.allclose(distortion.rounded(levels), levels)
    x = torch.rand(1000)
    assert ((distortion.rounded(x) - x).abs() <= 0.5 / 255 + 1e-6).all()
    lost = x - distortion.truncated(x)
    assert (lost > -1e-6).all() and (lost < 1 / 255 + 1e-6).all()  # down, by less than a level


@pytest.fixture
def picture():
    return photographs.photograph("coffee")[None, :, :40, 120:164].double()


def test_the_bilateral_filter_agrees_with_scipy(picture):
    """One channel, pixel by pixel, windows cut off at the border (NaN outside)."""
    from scipy.ndimage import generic_filter

    rows, columns = np.mgrid[-5:6, -5:6]
    image = picture[0, 0, :20, :20].numpy()
    for sigma_domain, sigma_range in ((0.5, 0.2), (1.5, 0.1)):
        near = np.exp(-(rows**2 + columns**2) / (2 * sigma_domain**2)).ravel()

        def mean(window, near=near, sigma_range=sigma_range):
            weights = near * np.exp(-((window - window[60]) ** 2) / (2 * sigma_range**2))
            return np.nansum(weights * window) / np.nansum(weights)

        expected = generic_filter(image, mean, size=11, mode="constant", cval=np.nan)
        found = bilateral(picture[:, :1, :20, :20], sigma_domain=sigma_domain, sigma_range=sigma_range, radius=5)
        np.testing.assert_allclose(found[0, 0].numpy(), expected, atol=1e-12)


def test_the_bilateral_filter_keeps_constants_and_edges_and_averages_flat_noise():
    flat = torch.full((1, 3, 9, 9), 0.3, dtype=torch.float64)
    torch.testing.assert_close(bilateral(flat, sigma_domain=2.0, sigma_range=0.1), flat)
    edge = flat.clone()
    edge[..., 5:] = 0.9
    torch.testing.assert_close(bilateral(edge, sigma_domain=2.0, sigma_range=0.01), edge)
    noisy = flat + 0.01 * torch.randn(flat.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert bilateral(noisy, sigma_domain=2.0, sigma_range=0.5).std() < 0.4 * noisy.std()


def test_joint_and_guided_weights_come_from_all_channels_and_from_the_guide():
    x = torch.rand(1, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    options = dict(sigma_domain=2.0, sigma_range=0.1)
    assert not torch.allclose(bilateral(x, **options), bilateral(x, joint=False, **options))
    torch.testing.assert_close(bilateral(x, joint=False, **options)[:, 1:2], bilateral(x[:, 1:2], **options))
    constant = torch.zeros_like(x)
    blur = bilateral(x, **(options | {"sigma_range": 1e9}))
    torch.testing.assert_close(bilateral(x, guide=constant, **options), blur)
    torch.testing.assert_close(bilateral(x, guide=x, **options), bilateral(x, **options))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"sigma_domain": 0.0}, "sigma_domain"),
        ({"sigma_range": -1.0}, "sigma_range"),
        ({"guide": torch.rand(1, 3, 4, 4)}, "x and guide"),
    ],
)
def test_bad_options_of_the_bilateral_filter_are_named(picture, options, message):
    with pytest.raises(ValueError, match=message):
        bilateral(picture, **{"sigma_domain": 1.0, "sigma_range": 1.0, **options})


def test_magnification_is_0_on_constants_and_shows_small_noise_in_flat_places(picture):
    flat = torch.full((1, 3, 9, 9), 0.3)
    assert (magnification(flat) == 0).all()
    noisy = flat + 1e-3 * torch.randn(flat.shape, generator=torch.Generator().manual_seed(0))
    assert 0.5 < magnification(noisy, beta=1.0, sigma_domain=2.0).std() < 2  # about one deviation, however small
    with pytest.raises(ValueError, match="x must lie"):
        magnification(2 * picture)


def test_the_detector_knows_noise_from_none_and_guesses_where_there_is_nothing():
    generator = torch.Generator().manual_seed(0)
    x = photographs.crops(split="test")[0][:40, :, :24, :24]
    noisy = (x + 0.05 * torch.randn(x.shape, generator=generator)).clamp(0, 1)
    clean, attacked = (detection.residual_features(part).numpy() for part in (x, noisy))
    assert clean.shape == (40, 18) and np.isfinite(clean).all()
    found = detection.detectability(clean, attacked)
    assert found["auc"] > 0.9 and found["interval"][0] <= found["auc"] <= found["interval"][1] and found["pairs"] == 40
    same = np.random.default_rng(0).normal(size=(2, 60, 18))
    assert 0.3 < detection.detectability(*same)["auc"] < 0.7
    assert detection.detectability(clean, clean)["auc"] == pytest.approx(0.5, abs=1e-9)  # a pair shares its fold
    with pytest.raises(ValueError, match="at least 5 rows"):
        detection.detectability(clean[:3], attacked[:3])


def test_photographs_have_crops_that_do_not_overlap_between_training_and_test():
    train, test = (photographs.crops(split=split) for split in ("train", "test"))
    assert train[0].shape[1:] == test[0].shape[1:] == (3, 48, 48) and train[0].min() >= 0 and train[0].max() <= 1
    assert set(train[1].tolist()) == set(test[1].tolist()) == set(range(len(photographs.NAMES)))
    assert not {image.numpy().tobytes() for image in train[0]} & {image.numpy().tobytes() for image in test[0]}
    with pytest.raises(ValueError, match="split"):
        photographs.crops(split="valid")
    with pytest.raises(ValueError, match="name"):
        photographs.photograph("lena")


def test_c4_has_the_maps_and_filters_of_the_paper():
    torch.manual_seed(0)
    network = models.c4()
    sides, x = [], torch.rand(2, 1, 28, 28)
    for layer in network:
        x = layer(x)
        if isinstance(layer, nn.Conv2d):
            sides.append(x.shape[-1])
            torch.testing.assert_close(layer.weight.flatten(1).norm(dim=1), torch.ones(layer.out_channels))
    assert sides == [14, 5, 1] and x.shape == (2, 10)


def test_googlenet_maps_images_to_a_thousand_logits():
    assert GoogLeNet()(torch.rand(1, 3, 224, 224)).shape == (1, 1000)


def test_missing_and_unknown_networks_are_named(monkeypatch, tmp_path):
    monkeypatch.setenv("ADVUTILS_DATA", str(tmp_path))
    with pytest.raises(MissingWeights, match="ADVUTILS_DATA"):
        pretrained("squeezenet1_1")
    for call in (pretrained, input_size):
        with pytest.raises(ValueError, match="name must be one of"):
            call("alexnet")
    assert input_size("inception_v3") == 299 and input_size("inception_v1") == 224


def test_noise_that_files_do_not_keep_is_invisible_to_the_detector_and_loud_noise_is_not():
    found = visible.reach(data="photographs", images=40, size=32, lengths=[1e-3, 3.0], seed=0)
    (low, _), (loud_low, loud_high) = found["interval"]
    assert found["auc"][0] == 0.5 and low <= 0.5  # the stored images are the same
    assert found["auc"][1] > 0.9 and loud_low <= found["auc"][1] <= loud_high


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, accuracy",
    [("inception_v1", 0.745), ("squeezenet1_1", 0.555), ("mobilenet_v1", 0.855), ("mobilenet_v2", 0.825)],
)
def test_networks_are_as_right_as_their_weights_should_make_them(name, accuracy):
    """Top-1 on every fifth image, resized to 224 pixels."""
    try:
        network, (x, y) = pretrained(name), datasets.load("nips2017", split="test")
    except FileNotFoundError as error:
        pytest.skip(str(error))
    with torch.no_grad():
        small = chapter.resized(x[::5], FILES[name])
        right = torch.cat([network(part).argmax(1) for part in small.split(25)]) == y[::5]
    assert right.double().mean().item() == pytest.approx(accuracy, abs=1e-9)


def test_resizing_gives_grey_levels_and_is_pillows():
    from PIL import Image

    x = photographs.photograph("chelsea")[None, :, :60, :60]
    small = chapter.resized(x, 45)
    frame = Image.fromarray((x[0].permute(1, 2, 0) * 255).round().byte().numpy())
    expected = np.asarray(frame.resize((45, 45), Image.Resampling.BILINEAR)) / np.float32(255)
    np.testing.assert_allclose(small[0].permute(1, 2, 0).numpy(), expected, atol=1e-7)
    assert torch.allclose(distortion.rounded(small), small)


@pytest.fixture
def plane():
    """A linear network of two classes, images near its border, and their distances from it."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(9, 2))
    x = 0.5 + 0.02 * torch.randn(30, 1, 3, 3)
    with torch.no_grad():
        gap = (model(x)[:, 1] - model(x)[:, 0]).sort().values
        model[1].bias[0] += (gap[14] + gap[15]) / 2  # no image lies on the border
        z = model(x)
    distance = (z[:, 1] - z[:, 0]).abs() / (model[1].weight[1] - model[1].weight[0]).norm()
    return model, x, z.argmax(1), distance.detach()


PGD = dict(attack="pgd", options={"p": 2, "step": 1.0, "steps": 3}, smoothing={}, batch=7)


def test_the_protocol_finds_the_smallest_budget_and_attacks_only_what_is_right(plane):
    model, x, y, distance = plane
    y = y.clone()
    y[:4] = 1 - y[:4]  # wrong from the start
    budgets = [0.01, 0.02, 0.04, 0.2]
    values, arrays, closest = chapter.judged(model, x, y, eps=budgets, **PGD)
    expected = torch.tensor([min((b for b in budgets if b > d), default=np.inf) for d in distance[4:]])
    assert values["correct"] == 26 and values["accuracy"] == pytest.approx(26 / 30)
    assert arrays["index"].tolist() == list(range(4, 30))
    torch.testing.assert_close(torch.from_numpy(arrays["float"]).double(), expected.double(), rtol=1e-4, atol=0)
    failed = torch.isinf(expected)
    assert torch.equal(closest[failed], x[4:][failed])
    torch.testing.assert_close(
        norms.norm(closest - x[4:])[~failed].double(), expected[~failed].double(), rtol=1e-4, atol=0
    )
    assert [run["tried"] for run in values["runs"]] == [26] * 4
    spared, others, _ = chapter.judged(model, x, y, eps=budgets, every_run=False, **PGD)
    np.testing.assert_allclose(others["float"], arrays["float"], rtol=1e-5)
    assert spared["float"]["success"] == values["float"]["success"] and spared["runs"][-1]["tried"] < 26


def test_the_protocol_reports_failure_without_a_mean(plane):
    model, x, y, distance = plane
    values, arrays, _ = chapter.judged(model, x, y, eps=[1e-6], **PGD)
    assert values["float"]["success"] == 0 and values["float"]["distortion"] is None
    assert np.isinf(arrays["float"]).all()


def test_the_storage_floor_is_that_of_the_grey_levels():
    found = chapter.storage_floor(data="digits", images=50)
    assert found["float"] == 0 and found["rounded"] < 1e-6
    assert found["truncated"] <= 28 / 255 * 1.001 and found["largest"] >= found["truncated"]


def test_adversarial_training_sees_both_halves():
    torch.manual_seed(0)
    model, x, y = models.c4(), torch.rand(4, 1, 28, 28), torch.arange(4)
    natural, both = chapter.natural_loss(model, x, y), chapter.adversarial_loss(model, x, y)
    assert both > natural  # the attacked half costs more
    z = model(x)
    targets = torch.full_like(z, 0.1 / 9).scatter_(1, y[:, None], 0.9)
    torch.testing.assert_close(natural, -(targets * z.log_softmax(1)).sum(1).mean())


def test_search_options_are_named():
    for name in ("steps", "search_steps", "lr", "initial_const"):
        good = dict(steps=1, search_steps=1, lr=0.1, initial_const=1.0, confidence=0.0)
        margin_search.check(**good)
        with pytest.raises(ValueError, match=name):
            margin_search.check(**{**good, name: 0})
