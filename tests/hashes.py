"""Code hashes in tests: what they have read is remembered for a process, and a test that writes code forgets it."""

import importlib
import pkgutil

from advbook import codehash

MODULES = [
    importlib.import_module(f"advbook.codehash.{entry.name}") for entry in pkgutil.iter_modules(codehash.__path__)
]


def forget(*, sources=True):
    """Empty the caches as in a new process: all, or all but those of source files that were read."""
    for module in MODULES:
        for name, value in vars(module).items():
            if hasattr(value, "cache_clear") and (sources or name != "source_of"):
                value.cache_clear()
