"""Images of a folder of one's own, and torchvision's networks, without a network connection."""

import numpy as np
import pytest
import torch
from PIL import Image

from advbook.chapters.universal_perturbations import fooling as chapter
from advutils import models
from advutils.core import runtime
from advutils.core._torchvision import torchvision
from advutils.datasets import folder
from advutils.models.pretrained import MissingWeights


@pytest.fixture
def photos(tmp_path):
    for part in ("train", "val"):
        for number in range(5):
            place = tmp_path / part / f"class{number % 2}"
            place.mkdir(parents=True, exist_ok=True)
            pixels = np.zeros((300, 400 + 10 * number, 3), dtype=np.uint8)
            pixels[..., 0] = 50 * number
            pixels[:, 150 : 250 + 10 * number, 1] = 200  # a stripe in the middle
            Image.fromarray(pixels).save(place / f"{number}.png")
    return tmp_path


def test_images_are_scaled_by_their_shorter_side_and_cut_in_the_middle(photos):
    found = folder.images(photos / "train", count=5, side=60, generator=runtime.generator(0))
    assert found.shape == (5, 3, 60, 60) and found.dtype == torch.float32
    assert sorted((255 * found[:, 0].mean((1, 2))).round().int().tolist()) == [0, 50, 100, 150, 200]
    assert (found[:, 1, :, 29:31] > 0.7).all()
    stripe = (found[:, 1] > 0.4).double().sum(2)[:, 30]
    assert ((stripe >= 19) & (stripe <= 29)).all()  # 100 to 140 of 300 pixels, a fifth of them: shapes are kept


def test_the_choice_depends_on_the_generator_alone(photos):
    def choice(seed):
        return folder.images(photos / "train", count=3, side=32, generator=runtime.generator(seed))

    assert torch.equal(choice(1), choice(1)) and any(not torch.equal(choice(1), choice(seed)) for seed in (2, 3, 4))


def test_too_few_images_are_an_error_that_counts_them(photos):
    with pytest.raises(ValueError, match="has 5 images"):
        folder.images(photos / "train", count=6, side=32, generator=runtime.generator(0))


def test_a_folder_is_a_data_set_of_the_chapter(photos, monkeypatch):
    monkeypatch.setattr(chapter, "HELD_OUT", 4)
    inside, outside = chapter.frames(data=str(photos), split=0, training=3)
    assert inside.shape == (3, 3, 256, 256) and outside.shape == (4, 3, 256, 256)


def test_a_network_of_torchvision_takes_pixels_and_its_own_normalisation(monkeypatch):
    with runtime.seeded(0):
        body = torchvision().models.squeezenet1_1()
    monkeypatch.setattr(
        "torchvision.models._api.WeightsEnum.get_state_dict", lambda *args, **options: body.state_dict()
    )
    network = models.zoo("squeezenet1_1")
    x = torch.rand(2, 3, 224, 224, generator=runtime.generator(1))
    mean, std = (torch.tensor(values)[:, None, None] for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    assert not network.training
    torch.testing.assert_close(network(x), body.eval()((x - mean) / std))


def test_unknown_and_unreachable_networks(monkeypatch):
    with pytest.raises(ValueError, match="name must be one of"):
        models.zoo("vgg17")
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", _refuse)
    with pytest.raises(MissingWeights, match="cannot fetch squeezenet1_1"):
        models.zoo("squeezenet1_1")


def _refuse(*args, **options):
    raise OSError("no network")
