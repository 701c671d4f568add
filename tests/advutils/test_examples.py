"""The examples in docstrings say what happens, to somebody who has imported nothing before."""

import doctest
import importlib
import pkgutil

import pytest

import advutils

WITHOUT = {  # what needs files, weights, a GPU or more lines than an example should have, or is part of another
    "attacks.ascent": "Looks doubt_slope loss_slope",
    "attacks.carlini_wagner": "clipped",
    "attacks.deepfool": "descend",
    "attacks.gradient": "steepest random_in_ball",
    "attacks.margin_search": "check closest_success",
    "attacks.smooth": "smooth_carlini_wagner",
    "attacks.universal": "Universal universal_perturbation universal_ascent fooling_rate interpolate classes",
    "core._torchvision": "torchvision",
    "core.checks": "placed attack result",
    "core.files": "sha256 write_atomic write_sealed read_sealed look settled locked one_locked",
    "core.memory": "Split",
    "core.runtime": "device data_root cache_root precision flushing_denormals",
    "core.torchvision_operators": "declare",
    "datasets.figures": "where load checksum state damaged",
    "datasets.folder": "images",
    "datasets.photographs": "photograph crops",
    "datasets.sets": "where checksum checksum_there state fetch",
    "datasets.shapes": "Pictures pair_counts draw Stream",
    "evaluation.detection": "residual_features detectability",
    "explanation.attribution": "grad_cam curve",
    "explanation.localisation": "detect components how_many",
    "models.cifar": "resnet50 mobilenet vgg16 vgg16_bn last_maps",
    "models.conv_maxout": "conv_maxout_cifar",
    "models.counting": "Stretched Sine field_of_view fields fitted",
    "models.pretrained": "checksum input_size pretrained GoogLeNet",
    "models.small": "Block",
    "models.zoo": "zoo",
    "training.loop": "History laid_out_like",
}


def modules(room):
    """The files of a room."""
    package = importlib.import_module(f"advutils.{room}")
    names = [f"{package.__name__}.{entry.name}" for entry in pkgutil.iter_modules(package.__path__)]
    return [package, *map(importlib.import_module, names)]


def public(module):
    """The functions and classes that a file offers, by name; errors need no example."""
    return {
        name: value
        for name, value in vars(module).items()
        if callable(value)
        and getattr(value, "__module__", None) == module.__name__
        and hasattr(value, "__qualname__")
        and not name.startswith("_")
        and not (isinstance(value, type) and issubclass(value, Exception))
    }


@pytest.mark.parametrize("room", advutils._ROOMS)
def test_the_examples_of_a_room_are_right_and_import_what_they_use(room):
    found = [doctest.testmod(module, globs={}) for module in modules(room)]
    assert sum(each.attempted for each in found) and not sum(each.failed for each in found)


def test_the_first_example_is_right():
    assert doctest.testmod(advutils, globs={}) == (0, 2)


def test_every_public_function_has_an_example_but_those_named_here():
    found = {}
    for module in [module for room in advutils._ROOMS for module in modules(room)]:
        names = [name for name, value in public(module).items() if ">>>" not in (value.__doc__ or "")]
        if names:
            found[module.__name__.removeprefix("advutils.")] = " ".join(names)
    assert found == WITHOUT
