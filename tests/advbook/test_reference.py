"""The reference of advutils in the site: every public name of every room, from its own docstring."""

import importlib
import inspect
import re

import pytest
import yaml

import advutils
from advbook import paths, reference
from advbook.site import prose


@pytest.mark.parametrize("room", reference.ROOMS)
def test_a_room_s_page_has_all_that_the_room_offers(room):
    text = prose.filled((paths.root() / "book" / "reference" / f"{room}.md").read_text(), {})
    package = importlib.import_module(f"advutils.{room}")
    for module in reference.modules(package):
        for name, thing in reference.public(module):
            place = package if getattr(package, name, None) is thing else module
            assert re.search(rf":: {place.__name__}.{name}[(\n]", text)
    wanted = [name for name in getattr(package, "__all__", ()) if inspect.isroutine(getattr(package, name))]
    assert all(f":: advutils.{room}.{name}(" in text for name in wanted)
    assert " at 0x" not in text and "generated:" not in text  # the same text at every build


def test_every_room_has_a_page_in_the_contents():
    assert reference.ROOMS == advutils._ROOMS
    contents = yaml.safe_load((paths.root() / "_toc.yml").read_text())
    tools = next(part for part in contents["parts"] if part["caption"] == "Tools")
    pages = next(entry for entry in tools["chapters"] if entry["file"] == "book/reference")["sections"]
    assert [entry["file"] for entry in pages] == [f"book/reference/{room}" for room in reference.ROOMS]


def test_signatures_and_docstrings_are_the_code_s_own():
    def steps(x: float, *, of=len, kind: str = "a") -> float:
        """Norm ||x||, and `code` ``|x|``."""

    assert reference._signature(steps) == "(x: float, *, of=len, kind: str = 'a') -> float"
    assert reference._doc(steps) == r"Norm \|\|x\|\|, and `code` ``|x|``."


def test_a_reference_lists_methods_with_a_docstring_and_no_parent_s_words():
    text = reference.PAGES["reference_training"]({})
    assert ".. py:method:: rate(step: int) -> float" in text
    assert "Initialize internal Module state" not in "".join(page({}) for page in reference.PAGES.values())
