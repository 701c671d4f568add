"""``advbook export-web``."""

from __future__ import annotations

from pathlib import Path

import click

from advbook.commands.output import fail


@click.command("export-web")
@click.argument("network", required=False)
@click.option("--to", type=click.Path(dir_okay=False, path_type=Path), help="the file, for a network by its record")
@click.option(
    "--answer",
    type=click.Choice(["softmax", "sigmoid", "none"]),
    default="softmax",
    show_default=True,
    help="how its logits become answers, for a network by its record",
)
def export_web(network, to, answer) -> None:
    """Write NETWORK for the playground: one of its own by name (without a name: all, and the page's digits), or any
    trained network by its record, results/…/train_…/KEY.json."""
    from advbook.chapters.playground import files as playground_files

    try:
        if network is None:
            written = playground_files.export_all()
        elif network.endswith(".json"):
            written = [to or Path(f"{Path(network).stem}.js")]
            playground_files.export_record(Path(network).resolve(), written[0], answer=answer)
        else:
            written = [playground_files.export(network)]
    except (ValueError, OSError, LookupError) as error:
        fail(error)
    for path in written:
        click.echo(f"{path.stat().st_size / 1e6:.2f} MB  {path}")
