"""The machine under the book: ledger, claims, errata, pages, runner, site, command line."""

from importlib.util import find_spec


def needs(*modules: str) -> None:
    """Raise ``ModuleNotFoundError`` that says what to install where one of the book's libraries is not there."""
    if missing := [module for module in modules if find_spec(module) is None]:
        raise ModuleNotFoundError(f"the book needs {', '.join(missing)}: pip install 'advutils[book]'", name=missing[0])
