"""Numerics shared by the chapters of the book: attacks, regularisers, layers, data, training, evaluation.

Submodules are imported when first used, so ``import advutils`` alone is cheap:

>>> import advutils
>>> images, labels = advutils.data.load("digits", split="test")
"""
from importlib import import_module

__version__ = "0.1.0"
_SUBMODULES = ("attacks", "attribution", "data", "distortion", "evaluation", "layers", "linesearch", "localisation",
               "models", "norms", "regularizers", "runtime", "shapes", "smoothing", "sparsity", "training", "universal")
__all__ = [*_SUBMODULES, "__version__"]


def __getattr__(name):
    if name in _SUBMODULES:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *_SUBMODULES])
