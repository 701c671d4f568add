"""Names of the first edition, which go on working for one edition with a DeprecationWarning."""

import sys
import warnings
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

MOVED = {
    "attribution": "explanation.attribution",
    "data": "datasets",
    "distortion": "evaluation.distortion",
    "linesearch": "attacks.linesearch",
    "localisation": "explanation.localisation",
    "norms": "core.norms",
    "regularizers": "training.regularizers",
    "runtime": "core.runtime",
    "shapes": "datasets.shapes",
    "smoothing": "filters.smoothing",
    "sparsity": "training.sparsity",
    "universal": "attacks.universal",
}


class _Finder(MetaPathFinder, Loader):
    """Gives the module in its new place for ``import advutils.<old name>``."""

    def find_spec(self, fullname: str, path: object, target: ModuleType | None = None) -> ModuleSpec | None:
        package, _, name = fullname.rpartition(".")
        return ModuleSpec(fullname, self) if package == "advutils" and name in MOVED else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        old, new = spec.name, f"advutils.{MOVED[spec.name.rpartition('.')[2]]}"
        warnings.warn(f"{old} is {new} now; the old name goes with the next edition", DeprecationWarning, stacklevel=2)
        self._kept = import_module(new)
        self._spec = self._kept.__spec__
        return self._kept

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec  # the import system has put the old name's there


def answer() -> None:
    """Let the import system know the old names."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
