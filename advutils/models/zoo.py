"""Any of torchvision's classifiers, fetched where there is a network connection."""

from __future__ import annotations

from torch import nn

from advutils.core._torchvision import torchvision
from advutils.layers import Normalize
from advutils.models.pretrained import MissingWeights


def zoo(name: str) -> nn.Sequential:
    """A classifier of torchvision by name ("vgg16", "googlenet"), in evaluation mode.

    Images (N, 3, 224, 224) in [0, 1] to (N, 1000), with the first weights that torchvision published; the first layer
    normalises the pixels as they expect. Raises ``ValueError`` for a name that it does not have,
    :class:`~advutils.models.pretrained.MissingWeights` if they cannot be fetched.
    """
    models = torchvision().models
    if name not in models.list_models(module=models):
        raise ValueError(f"name must be one of {', '.join(models.list_models(module=models))}, got {name!r}")
    weights = models.get_model_weights(name)["IMAGENET1K_V1"]
    try:
        network = models.get_model(name, weights=weights)
    except OSError as error:
        raise MissingWeights(f"torchvision cannot fetch {name}: {error}") from error
    transform = weights.transforms()
    return nn.Sequential(Normalize(transform.mean, transform.std), network).eval()
