"""``advbook data``: where data sets are, fetch them, verify them."""

from __future__ import annotations

import json

import click

from advbook.commands.output import fail, table


@click.group()
def data() -> None:
    """Data sets: where they are, fetch them, verify them."""


@data.command()
@click.option("--json", "as_json", is_flag=True)
def where(as_json) -> None:
    """The data folder and the state of each data set."""
    from advutils import datasets
    from advutils.datasets import figures

    states = {name: datasets.state(name) for name in datasets.NAMES} | {figures.NAME: figures.state()}
    if as_json:
        click.echo(json.dumps({"root": str(datasets.where()), "data": states}, indent=1))
        return
    click.echo(f"{datasets.where()}  (set ADVUTILS_DATA to change it)")
    table(["data set", "state"], list(map(list, states.items())))


@data.command()
@click.argument("name")
def fetch(name) -> None:
    """Download a data set with torchvision and verify it."""
    from advutils import datasets

    try:
        click.echo(f"{name} is under {datasets.fetch(name)}")
    except (ValueError, OSError) as error:
        fail(" ".join(str(error).split()))  # torchvision reports every mirror on lines of its own


@data.command()
@click.argument("names", nargs=-1)
def verify(names) -> None:
    """Check data sets, and all weights, against their checksums.

    Ends with 1 if one is torn (damaged, or there in part), or if one of NAMES is missing.
    """
    from advutils import datasets
    from advutils.datasets import figures
    from advutils.models.pretrained import FILES, DamagedWeights, MissingWeights, checksum

    bad, torn = [], []
    known = (*datasets.NAMES, figures.NAME)
    for name in names or known:
        if name not in known:
            fail(f"no data set {name!r}; there are {', '.join(known)}")
        state = figures.state() if name == figures.NAME else datasets.state(name)
        click.echo(f"{name}: {state}")
        if state == "damaged" and name == figures.NAME:
            for file in figures.damaged():
                found = (figures.where() / file).exists()
                click.echo(f"  {file}: {'not the file that was measured' if found else 'missing'}")
        elif state == "damaged":
            for split in datasets.splits(name):
                try:
                    there = f"SHA-256 {datasets.checksum_there(name, split)}"
                except Exception:  # a torn archive fails in as many ways as there are formats
                    there = "cannot be read, or a part of it is missing"
                click.echo(f"  {split}: {there}, expected {datasets.checksum(name, split)}")
        if state == "damaged" or (names and state == "missing"):
            bad.append(name)
    for name in () if names else FILES:
        try:
            checksum(name)
            click.echo(f"weights of {name}: ok")
        except MissingWeights:
            click.echo(f"weights of {name}: missing")
        except DamagedWeights as error:
            click.echo(f"weights of {name}: damaged")
            torn.append(str(error))
    if torn:
        fail("; ".join(torn))
    if bad:
        fail(f"not usable: {', '.join(bad)}; delete what is torn under {datasets.where()}, then {_way(bad)}")


def _way(names: list[str]) -> str:
    """How to get these data sets."""
    fetched = [name for name in names if name in ("mnist", "cifar10")]
    others = [name for name in names if name not in fetched]
    ways = [f"run `advbook data fetch {name}`" for name in fetched]
    return "; ".join([*ways, *[f"put {name} there again (see *Running the book*)" for name in others]])
