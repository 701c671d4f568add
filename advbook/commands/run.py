"""``advbook run`` and ``advbook site``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click

from advbook import ledger, parameters, paths, runner
from advbook.commands.output import Progress, closing_table, fail
from advutils.core import files


@click.command()
@click.argument("target", required=False)
@click.option("--profile", type=click.Choice(paths.PROFILES), default="quick", show_default=True)
@click.option("--seeds", type=int, help="number of seeds, instead of the profile's own")
@click.option("--jobs", type=click.IntRange(0), default=0, help="notebooks at a time; 0: one for each GPU, or core")
@click.option("--replay", type=click.Choice(ledger.REPLAY), default="auto", show_default=True)
@click.option("-p", "pairs", multiple=True, metavar="KNOB=VALUE", help="a knob, for those of the pages that have it")
def run(target, profile, seeds, jobs, replay, pairs) -> None:
    """Execute notebooks: all, CHAPTER, or CHAPTER/NOTEBOOK. A killed run resumes where it was cut.

    KNOB=VALUE is checked before anything runs; a list is written KNOB=a,b.
    """
    try:
        wanted = runner.find(target)
        values = parameters.given_pairs(pairs) | ({"seeds": seeds} if seeds is not None else {})
        sources = [path.with_suffix(".py") for path in wanted]
        shares = parameters.shared_out(values, sources, profile) if values else dict.fromkeys(sources, {})
        for name in values:
            having = [runner.name_of(source) for source, own in shares.items() if name in own]
            click.echo(f"{name}={parameters.text(values[name])} for {', '.join(having)}", err=True)
        if replay != "only":
            paths.must_be_writable(paths.results(), paths.build())
        with _alone(wanted), Progress() as progress:
            results: dict = {}
            common: dict = dict(profile=profile, replay=replay, jobs=jobs, report=progress)
            for own in _distinct(list(shares.values())):  # pages with the same knobs share the cores
                some = [path for path, source in zip(wanted, sources, strict=True) if shares[source] == own]
                results |= dict(zip(some, runner.run(some, parameters=own, **common), strict=True))
    except (ValueError, OSError) as error:
        fail(error)
    closing_table([results[path] for path in wanted])


def _distinct(shares: list[dict]) -> list[dict]:
    return [share for number, share in enumerate(shares) if share not in shares[:number]]


@contextmanager
def _alone(wanted: list[Path]) -> Iterator[None]:
    """Let no other `advbook run` execute these pages meanwhile: it waits, and finds them done."""
    with ExitStack() as stack:
        for path in sorted(wanted):  # in one order, so that two that wait never wait for each other
            stack.enter_context(files.locked(paths.build() / "locks" / f"run-{path.parent.name}-{path.stem}"))
        yield


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

    try:
        paths.must_be_writable(paths.build())
        with files.locked(paths.build() / "locks" / "site"):
            _site(edition, build_site)
    except (RuntimeError, OSError) as error:
        fail(error)


def _site(edition: str, build_site) -> None:
    if edition == "published":
        with Progress() as progress:
            results = runner.publish(report=progress)
        closing_table(results)
    executed = {runner.name_of(path): runner.executed_path(path, edition) for path in runner.find()}
    missing = [name for name, path in executed.items() if not path.exists()]
    if missing:
        fail(f"not executed yet: {', '.join(missing)}; run `advbook run`")
    click.echo(f"open {build_site(executed) / 'index.html'}")
