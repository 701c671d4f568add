"""The code behind a number: a hash of what a function can reach in this project, wherever that lies.

Each definition (a function, a class, a constant) has a hash of its own: that of its syntax tree, in which every name
that leads to another definition of ours stands for that definition's hash. Imports are followed and then left out, and
so are docstrings and a definition's own name: to move, to rename or to import in other words is no change of code.

From a file to a hash: ``sources`` (syntax trees), ``names`` (what they lead to), ``texts`` (definitions in words),
``tables`` (which rows count), ``digests``. The imports are relative, since :mod:`advbook.restamp` loads this folder
beside another edition of the book.
"""

from __future__ import annotations

from collections.abc import Callable

from .digests import digest_of, hash_of
from .names import WHOLE, Use, lead
from .sources import OURS, remember_loaded
from .tables import keys, reachable, texts_in

__all__ = ["OURS", "code_hash", "reachable", "remember_loaded"]


def code_hash(function: Callable | str, parameters: dict | None = None) -> str:
    """Hash (16 hexadecimal digits) of the function and of all that it can reach in this project; nothing is imported.

    ``function`` may be its name ("advutils.core.norms.steepest"); ``LookupError`` if there is none.

    A better comment, or another function in the same file, does not make a record look old; a changed constant does.
    Of a table (a dict with text as keys at a module's top level, that is only asked for single rows) those rows count
    whose keys stand as text in ``parameters``, in the code that is reached or in a row that counts: another kind of
    network beside those that were measured changes nothing. All rows count without ``parameters``, where none is named
    in this way, and where the table is used as a whole. A key must therefore be written down somewhere: a table whose
    keys are put together from parts is to be walked through.
    What cannot be told from the text (a module handed on as a value) counts as all of the module.
    """
    if isinstance(function, str):
        module, _, name = function.rpartition(".")
    else:
        module, name = function.__module__, function.__qualname__.partition(".")[0]
    found, _ = lead(module, [name])
    if not isinstance(found, Use) and not isinstance(function, str):
        return digest_of([found])[:16]
    if not isinstance(found, Use) or found.symbol[1] in ("", WHOLE):
        raise LookupError(f"there is no {name} in {module}")
    texts = None if parameters is None else frozenset(texts_in(parameters)) & keys(found.symbol)
    return hash_of(found.symbol, texts)[:16]
