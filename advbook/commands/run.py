"""``advbook run`` and ``advbook site``."""

from __future__ import annotations

import click

from advbook import ledger, paths, runner
from advbook.commands.output import Progress, closing_table, fail


def pairs_of(pairs: tuple[str, ...]) -> dict:
    import yaml

    parsed = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            fail(f"-p wants NAME=VALUE, got {pair!r}")
        parsed[name] = yaml.safe_load(value)
    return parsed


@click.command()
@click.argument("target", required=False)
@click.option("--profile", type=click.Choice(paths.PROFILES), default="quick", show_default=True)
@click.option("--seeds", type=int, help="number of seeds, instead of the profile's own")
@click.option("--jobs", type=int, default=0, help="notebooks at a time; 0: one for each GPU, or core")
@click.option("--replay", type=click.Choice(ledger.REPLAY), default="auto", show_default=True)
@click.option("-p", "pairs", multiple=True, metavar="NAME=VALUE", help="a parameter of the notebook")
def run(target, profile, seeds, jobs, replay, pairs) -> None:
    """Execute notebooks: all, CHAPTER, or CHAPTER/NOTEBOOK. A killed run resumes where it was cut."""
    parameters = pairs_of(pairs) | ({"seeds": seeds} if seeds is not None else {})
    try:
        with Progress() as progress:
            results = runner.run(
                target, profile=profile, replay=replay, jobs=jobs, parameters=parameters, report=progress
            )
    except (ValueError, FileNotFoundError) as error:
        fail(error)
    closing_table(results)


@click.command()
@click.option(
    "--edition",
    type=click.Choice(["published", "run"]),
    default="published",
    show_default=True,
    help="published: committed records alone; run: the notebooks that `advbook run` executed here",
)
def site(edition) -> None:
    """Render the book to _build/site."""
    from advbook.site import build_site

    if edition == "published":
        with Progress() as progress:
            results = runner.publish(report=progress)
        closing_table(results)
    executed = {runner.name_of(path): runner.executed_path(path, edition) for path in runner.find()}
    missing = [name for name, path in executed.items() if not path.exists()]
    if missing:
        fail(f"not executed yet: {', '.join(missing)}; run `advbook run`")
    try:
        folder = build_site(executed)
    except RuntimeError as error:
        fail(error)
    click.echo(f"open {folder / 'index.html'}")
