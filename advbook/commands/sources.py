"""``advbook pair``."""

from __future__ import annotations

import click

from advbook import paths
from advbook.commands.output import fail


@click.command()
@click.option("--check", is_flag=True, help="change nothing; fail if an .ipynb is not what its .py generates")
def pair(check) -> None:
    """Generate every .ipynb from its .py."""
    from advbook import pairs

    found = pairs.differing() if check else pairs.write()
    for path in found:
        click.echo(f"{'differs' if check else 'written'}: {path.with_suffix('.ipynb').relative_to(paths.root())}")
    if check and found:
        fail("run `advbook pair`")
