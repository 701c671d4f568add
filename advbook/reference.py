"""The reference of ``advutils`` in the site: a page a room, from signatures and docstrings (reStructuredText)."""

from __future__ import annotations

import inspect
import pkgutil
import re
import textwrap
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType

ROOMS = ("attacks", "core", "datasets", "evaluation", "explanation", "filters", "layers", "models", "training")


def room(executed: dict[str, Path], *, name: str) -> str:
    """What a room of ``advutils`` offers, file by file; under the room's own name what can be imported from there."""
    package = import_module(f"advutils.{name}")
    parts = [inspect.getdoc(package) or ""]
    for module in modules(package):
        entries = [_entry(package, module, found, thing) for found, thing in public(module)]
        if entries:
            about = _rst([f".. py:currentmodule:: {module.__name__}", "", inspect.getdoc(module) or ""])
            parts += [f"## {module.__name__.rpartition('.')[2]}", about, *(_rst([entry]) for entry in entries)]
    return "\n\n".join(parts)


def modules(package: ModuleType) -> Iterator[ModuleType]:
    """The files of a room, but those whose names begin with an underscore."""
    for entry in pkgutil.iter_modules(package.__path__):
        if not entry.name.startswith("_"):
            yield import_module(f"{package.__name__}.{entry.name}")


def public(module: ModuleType) -> list[tuple[str, Callable]]:
    """The functions and classes that a file defines for others, in their order there."""
    return [
        (name, thing)
        for name, thing in vars(module).items()
        if not name.startswith("_") and callable(thing) and getattr(thing, "__module__", None) == module.__name__
        if inspect.getdoc(thing) and not isinstance(thing, partial)
    ]


def _entry(package: ModuleType, module: ModuleType, name: str, thing: Callable) -> str:
    shared = getattr(package, name, None) is thing
    full = f"{package.__name__ if shared else module.__name__}.{name}"
    kind = "class" if inspect.isclass(thing) else "function"
    lines = [f".. py:{kind}:: {full}{_signature(thing)}", "", textwrap.indent(_doc(thing), "   ")]
    if inspect.isclass(thing):
        for method, function in vars(thing).items():
            if inspect.isfunction(function) and not method.startswith("_") and function.__doc__:
                head = f"   .. py:method:: {method}{_signature(function)}"
                lines += ["", head, "", textwrap.indent(_doc(function), "      ")]
    return "\n".join(lines)


def _doc(thing: Callable) -> str:
    """A docstring of its own: neither a parent's, nor the signature that a dataclass has in place of one."""
    text = inspect.cleandoc(thing.__doc__ or "")
    if text.startswith(f"{thing.__name__}("):
        return ""
    # a bar is a norm's here, and would be a substitution there; not in ``code``
    return "``".join(part if number % 2 else part.replace("|", r"\|") for number, part in enumerate(text.split("``")))


def _signature(thing: Callable) -> str:
    """The arguments as they stand in the code; a default that is an object by its name."""
    try:
        signature = inspect.signature(thing)
    except ValueError:
        return ""
    given = [each.replace(annotation=_plain(each.annotation)) for each in signature.parameters.values()]
    back = inspect.Signature.empty if inspect.isclass(thing) else _plain(signature.return_annotation)
    text = str(inspect.Signature(given, return_annotation=back))
    text = re.sub(r"<(?:built-in )?(?:function|class) '?([\w.]+)[^>]*>", r"\1", text)
    return re.sub(r"\(self(?:, |\))", lambda found: "()" if found[0][-1] == ")" else "(", text, count=1)


class _Plain(str):
    """An annotation as it is written, without quotes."""

    __repr__ = str.__str__


def _plain(annotation: object) -> object:
    return _Plain(annotation) if isinstance(annotation, str) else annotation


def _rst(lines: list[str]) -> str:
    return "\n".join(["````{eval-rst}", *lines, "````"])


PAGES: dict[str, Callable[[dict[str, Path]], str]] = {f"reference_{name}": partial(room, name=name) for name in ROOMS}
