"""The command ``advbook``: thin words over the functions of this package."""

from __future__ import annotations

import click

from advbook.commands import data, judging, playground, records, run, sources


@click.group()
@click.version_option(package_name="advutils")
def main() -> None:
    """Run, judge and render the book. Start with `make book`."""


for command in (
    run.run,
    run.site,
    judging.claims_command,
    judging.power,
    records.status,
    records.again,
    records.compare,
    records.withdraw,
    records.restamp,
    records.spot_check,
    data.data,
    sources.pair,
    sources.fork,
    sources.pack,
    sources.new_chapter,
    sources.figures_command,
    playground.export_web,
):
    main.add_command(command)

if __name__ == "__main__":
    main()
