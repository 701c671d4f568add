"""Numerics of adversarial examples: attacks, layers, models, training, evaluation, data.

Rooms are imported when first used, so ``import advutils`` alone is cheap:

>>> import advutils
>>> images, labels = advutils.datasets.load("digits", split="test")
"""

from importlib import import_module
from types import ModuleType

from advutils import _old_names

__version__ = "0.1.0"
_ROOMS = ("attacks", "core", "datasets", "evaluation", "explanation", "filters", "layers", "models", "training")
__all__ = [*_ROOMS, "__version__"]

_old_names.answer()


def __getattr__(name: str) -> ModuleType:
    if name in _ROOMS or name in _old_names.MOVED:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_ROOMS])
