"""``advbook pair``, ``fork``, ``pack`` and ``new-chapter``: notebooks as files, here and in other people's hands."""

from __future__ import annotations

from pathlib import Path

import click

from advbook import paths
from advbook.commands.output import fail


@click.command()
@click.option("--check", is_flag=True, help="change nothing; fail if a file is not what its source generates")
def pair(check) -> None:
    """Generate every .ipynb from its .py, and the table of exercises from exercises.yml."""
    from advbook import pairs, teaching

    found = [path.with_suffix(".ipynb") for path in (pairs.differing() if check else pairs.write())]
    found += teaching.differing() if check else teaching.write()
    for path in found:
        click.echo(f"{'differs' if check else 'written'}: {path.relative_to(paths.root())}")
    if check and found:
        fail("run `advbook pair`")


@click.command()
@click.argument("target")
@click.argument("folder", metavar="DEST", type=click.Path(path_type=Path))
@click.option("--student", "edition", flag_value="student", help="without solutions: stubs with checks")
@click.option("--instructor", "edition", flag_value="instructor", help="stubs, solutions, minutes, typical mistakes")
def fork(target, folder, edition) -> None:
    """Write CHAPTER or CHAPTER/NOTEBOOK into a new folder DEST that runs by itself, with pip and Jupyter."""
    from advbook import fork as forks

    try:
        written = forks.fork(target, folder, edition or "")
    except (ValueError, RuntimeError, OSError) as error:
        fail(error)
    click.echo(f"begin with {written / 'README.md'}")


@click.command()
@click.argument("folder", metavar="DEST", type=click.Path(file_okay=False, path_type=Path))
def pack(folder) -> None:
    """Write into DEST what a release has, for notebooks that lie alone: the wheel, and an archive of the records."""
    from advbook import alone

    try:
        for path in alone.pack(folder):
            click.echo(f"{path.stat().st_size / 1e6:.1f} MB  {path}")
    except (RuntimeError, OSError) as error:
        fail(error)


@click.command("new-chapter")
@click.argument("name")
def new_chapter(name) -> None:
    """Begin chapter NAME: a page, a measurement, a claim, an erratum, exercises, and tests that pass."""
    from advbook import new_chapter as beginning

    try:
        written = beginning.create(name)
    except (ValueError, OSError) as error:
        fail(error)
    for path in written:
        click.echo(path.relative_to(paths.root()))
    click.echo(
        f"Now `advbook run {name}`, then change these files one by one; CONTRIBUTING.md has the check-list. "
        f"`python -m pytest tests/chapters/test_{name.replace('-', '_')}.py` runs its tests."
    )


@click.command("figures")
@click.argument("target")
@click.argument("folder", metavar="DEST", type=click.Path(file_okay=False, path_type=Path))
def figures_command(target, folder) -> None:
    """Write the figures of executed pages (CHAPTER or CHAPTER/NOTEBOOK) into DEST, with captions.md."""
    from advbook import figures

    try:
        written = figures.extract(target, folder)
    except (ValueError, OSError) as error:
        fail(error)
    click.echo(f"{len(written)} figures and captions.md in {folder}")
