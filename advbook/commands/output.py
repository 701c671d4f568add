"""How commands speak: errors in one line, tables, bars of progress."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Sequence

import click

from advbook import claims as claims_module
from advbook import ledger, runner


def fail(message) -> None:
    """Say what is wrong on standard error and end with 1."""
    click.echo(f"advbook: {message}", err=True)
    sys.exit(1)


def fail_if_damaged(damaged: list[ledger.DamagedRecord]) -> None:
    """Name the records that cannot be read and end with 1, whatever was shown."""
    if damaged:
        fail("\nadvbook: ".join(map(str, damaged)))


def table(columns: list[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table without a frame."""
    from rich.console import Console
    from rich.table import Table

    shown = Table(box=None, pad_edge=False)
    for column in columns:
        shown.add_column(column, overflow="fold")
    for row in rows:
        shown.add_row(*map(str, row))
    Console().print(shown)


def closing_table(results: list[runner.Result]) -> None:
    """What `make book` ends with; exits with 1 if a notebook failed."""
    verdicts = Counter((c["chapter"], c["verdict"]) for c in claims_module.evaluate())
    rows = []
    for result in results:
        done = "up to date" if result.skipped else f"{result.seconds:.1f}"
        state = "failed" if result.error else "withdrawn" if result.withdrawn else done
        rows.append([result.notebook, state, result.made, result.replayed, result.older])
    table(["notebook", "seconds", "measured", "replayed", "of them older than their code"], rows)
    for chapter in dict.fromkeys(result.notebook.split("/")[0] for result in results):
        counts = ", ".join(f"{verdicts[chapter, v]} {v}" for v in claims_module.VERDICTS if verdicts[chapter, v])
        if counts:
            click.echo(f"claims of {chapter}, from recorded runs: {counts}")
    for result in results:
        if result.withdrawn:
            click.echo(f"{result.notebook} is published without its numbers, which are withdrawn: {result.withdrawn}")
    failed = [result for result in results if result.error]
    for result in failed:
        click.echo(f"advbook: {result.notebook}: {result.error}", err=True)
    if failed:
        sys.exit(1)


class Progress:
    """A bar a notebook: which measurement it makes, and how long still (a guess from what is done)."""

    def __enter__(self):
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        self._bars: dict = {}
        self._said: dict = {}
        self._console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(20),
            TextColumn("{task.fields[now]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._progress.start()
        return self

    def __exit__(self, *_):
        self._progress.stop()

    def __call__(self, states: list[dict], seconds: float) -> None:
        for state in states:
            name = state["notebook"]
            if name not in self._bars:
                self._bars[name] = self._progress.add_task(name, total=state["expected"], now="")
            now = (
                "done"
                if state["finished"]
                else f"{state['measuring']} ({state['done'] + 1})"
                if state["measuring"]
                else "working"
                if state["done"]
                else "starting"
                if state["running"]
                else "waiting"
            )
            total = state["done"] if state["finished"] else state["expected"]
            self._progress.update(self._bars[name], completed=state["done"], total=total, now=now)
            if not self._console.is_terminal and self._said.get(name) != now:  # a log file gets one line a change
                self._said[name] = now
                click.echo(f"{seconds:6.1f} s  {name}: {now}", err=True)
