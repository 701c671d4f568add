"""The examples in docstrings say what happens."""

import doctest
import importlib
import pkgutil

import advutils


def examples(room):
    """How many examples the files of a room have, and how many of them fail."""
    package = importlib.import_module(f"advutils.{room}")
    names = [
        package.__name__,
        *(f"{package.__name__}.{entry.name}" for entry in pkgutil.iter_modules(package.__path__)),
    ]
    found = [doctest.testmod(importlib.import_module(name)) for name in names]
    return sum(each.attempted for each in found), sum(each.failed for each in found)


def test_each_room_has_examples_and_they_are_right():
    found = {room: examples(room) for room in advutils._ROOMS}
    assert all(tried and not failed for tried, failed in found.values()), found
    assert doctest.testmod(advutils).failed == 0
