"""``advbook status``, ``again``, ``withdraw`` and ``restamp``: what becomes of records."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

import click

from advbook import compare as comparison
from advbook import ledger, paths, provenance, to_measure, withdrawn
from advbook.commands.output import fail, fail_if_damaged, table


@click.command()
@click.argument("why", metavar="REASON")
@click.argument("records", nargs=-1, required=True, type=click.Path(dir_okay=False, path_type=Path))
def withdraw(why, records) -> None:
    """Take RECORDS back (results/….json): their values and the REASON go to results/withdrawn.csv, the files go."""
    gone = {row.record for row in withdrawn.load()}
    files = [path.resolve() for path in records]
    there = [path for path in files if path.exists()]
    if absent := [path for path in files if path not in there and "/".join(path.parts[-4:]) not in gone]:
        fail(f"no record {', '.join(map(str, absent))}")
    try:
        rows = withdrawn.withdraw([ledger.read(path) for path in there], why, on=provenance.now()[:10])
    except ValueError as error:
        fail(error)
    click.echo(f"{len(rows)} records withdrawn, {len(files) - len(rows)} were before")


@click.command()
@click.option("--json", "as_json", is_flag=True)
def status(as_json) -> None:
    """The records: how many, how old, and which are damaged or were made by code that has changed since."""
    whole, damaged = ledger.survey()
    rows = [
        {
            "record": str(error.path.relative_to(paths.results())),
            "profile": error.path.parts[-4],
            "name": error.path.parent.name,
            "seconds": None,
            "date": None,
            "commit": None,
            "state": "damaged",
        }
        for error in damaged
    ]
    for record in whole:
        stale = ledger.stale(record)
        rows.append(
            {
                "record": str(record.path.relative_to(paths.results())),
                "profile": ledger.profile_of(record),
                "name": record.name,
                "seconds": record.provenance["seconds"],
                "date": record.provenance["date"],
                "commit": record.provenance["commit"],
                "state": "function gone" if stale is None else "code changed" if stale else "current",
            }
        )
    if as_json:
        click.echo(json.dumps(rows, indent=1))
    else:
        counts = Counter((row["profile"], row["name"], row["state"]) for row in rows)
        table(["profile", "measurement", "state", "records"], [[*key, str(n)] for key, n in sorted(counts.items())])
        for row in rows:
            if row["state"] != "current":
                click.echo(f"{row['state']}: {row['record']}")
        if wanted := to_measure.by_chapter({row["record"] for row in rows if row["state"] != "current"}):  # type: ignore[misc]
            click.echo("\nto be measured again (results/to-measure.csv says why):")
            table(
                ["chapter", "records", "core-hours of the calls"],
                [[chapter, str(n), f"{hours:.1f}"] for chapter, (n, hours) in wanted.items()],
            )
    fail_if_damaged(damaged)


@click.command()
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def again(path) -> None:
    """Make one record's measurement again, e.g. results/standard/….json, and compare. Nothing is stored."""
    import torch

    try:
        record = ledger.read(path.resolve())
        origin = record.provenance
        torch.set_num_threads(origin["machine"]["threads"])  # other numbers of threads round differently
        click.echo(
            f"{origin['function']}({', '.join(f'{k}={v!r}' for k, v in record.parameters.items())})\n"
            f"took {origin['seconds']:.0f} s on {origin['machine']['processor'] or origin['machine']['device']}"
        )
        found = ledger.again(record)
    except (ledger.DamagedRecord, LookupError, FileNotFoundError) as error:
        fail(error)
    different = [row for row in found if row[1] != row[2]]
    if different:
        table(["value", "recorded", "now"], different)
    click.echo(f"{len(found) - len(different)} of {len(found)} values are equal to the last digit")


@click.command()
@click.argument("commit")
@click.argument("only", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--dry-run", is_flag=True, help="prove, and write nothing")
@click.option("--limit", default=60, show_default=True, help="seconds of a processor that one small run may take")
@click.option(
    "--unless",
    multiple=True,
    metavar="MODULE.NAME",
    help="no proof for what calls this function, whose change small runs do not show",
)
def restamp(commit, only, dry_run, limit, unless) -> None:
    """Prove that changed records (under the paths ONLY) of the code of COMMIT still hold, and say so in them.

    The old code and the new run side by side at a small size, once for each function and kind of call. Records whose
    pair gives the same bits get the new code hash; what stays unproved is listed in results/to-measure.csv.
    """
    from advbook import restamp as proof

    try:
        found = proof.restamp(commit, only=only, unless=unless, dry_run=dry_run, limit=limit, report=click.echo)
    except (ValueError, RuntimeError) as error:
        fail(error)
    table(
        ["pair", "records", "verdict", "why"],
        [[pair.label, str(len(pair.records)), pair.verdict, pair.why] for pair in found],
    )
    click.echo(", ".join(f"{n} {verdict}" for verdict, n in Counter(pair.verdict for pair in found).items()))
    if any(pair.verdict != "proved" for pair in found):
        sys.exit(1)


@click.command("spot-check")
@click.argument("only", nargs=-1, type=click.Path(exists=True, path_type=Path))
def spot_check(only) -> None:
    """Prove that a change of rounding leaves changed records (under the paths ONLY) as they are.

    A tenth of each function and kind of call, at least one, is made again at full size. Where all have the recorded
    numbers (rates within one image, other numbers to 1e-4), and no network was surer than float32 can tell, the records
    of that kind get the new code hash. Takes hours, and goes on where it was cut.
    """
    from advbook import spot_check as proof

    try:
        done = list(proof.check(tuple(only), report=click.echo))
    except ledger.DamagedRecord as error:
        fail(error)
    proved = [kind for kind in done if not kind.why]
    click.echo(
        f"{len(proved)} of {len(done)} kinds hold, with {sum(len(kind.records) for kind in proved)} of "
        f"{sum(len(kind.records) for kind in done)} records"
    )
    if len(proved) < len(done):
        sys.exit(1)


@click.command()
@click.argument("first", metavar="A", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("second", metavar="B", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--all", "everything", is_flag=True, help="every number, and not only those that differ")
def compare(first, second, everything) -> None:
    """Compare two folders of records, number by number: `advbook compare results mine`.

    What shares a seed, split or group of images is paired. Make records of your own, beside the book's, with
    ADVUTILS_RESULTS=mine advbook run CHAPTER/NOTEBOOK --profile standard.
    """
    try:
        rows, damaged = comparison.rows(first, second)
    except ValueError as error:
        fail(error)
    shown = [row for row in rows if everything or row.verdict == comparison.DIFFERS]
    if shown:
        table(
            ["measurement", "setting", "value", "A", "B", "n", "A - B, 95 %", "verdict"],
            [
                [
                    row.measurement,
                    ", ".join(f"{name}={value}" for name, value in row.setting.items()),
                    row.value,
                    f"{row.first:.4g}",
                    f"{row.second:.4g}",
                    row.n,
                    f"{row.low:.2g} to {row.high:.2g}",
                    row.verdict,
                ]
                for row in shown
            ],
        )
    counts = Counter(row.verdict for row in rows)
    for verdict, words in comparison.VERDICTS.items():
        click.echo(f"{counts[verdict]:6} {verdict}: {words}")
    judged = counts[comparison.AGREES] + counts[comparison.DIFFERS]
    click.echo(f"Of {judged} numbers with an interval about {0.05 * judged:.0f} would differ by chance alone.")
    fail_if_damaged(damaged)
