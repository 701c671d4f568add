"""The command ``advbook``: thin words over the functions of this package."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from advbook import claims as claims_module
from advbook import ledger, paths, provenance, runner, to_measure, withdrawn


@click.group()
@click.version_option(package_name="advutils")
def main() -> None:
    """Run, judge and render the book. Start with `make book`."""


def _fail(message) -> None:
    click.echo(f"advbook: {message}", err=True)
    sys.exit(1)


def _parse(pairs: tuple[str, ...]) -> dict:
    import yaml

    parsed = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            _fail(f"-p wants NAME=VALUE, got {pair!r}")
        parsed[name] = yaml.safe_load(value)
    return parsed


@main.command()
@click.argument("target", required=False)
@click.option("--profile", type=click.Choice(paths.PROFILES), default="quick", show_default=True)
@click.option("--seeds", type=int, help="number of seeds, instead of the profile's own")
@click.option("--jobs", type=int, default=0, help="notebooks at a time; 0: one for each GPU, or core")
@click.option("--replay", type=click.Choice(ledger.REPLAY), default="auto", show_default=True)
@click.option("-p", "pairs", multiple=True, metavar="NAME=VALUE", help="a parameter of the notebook")
def run(target, profile, seeds, jobs, replay, pairs) -> None:
    """Execute notebooks: all, CHAPTER, or CHAPTER/NOTEBOOK. A killed run resumes where it was cut."""
    parameters = _parse(pairs) | ({"seeds": seeds} if seeds is not None else {})
    try:
        with _Progress() as progress:
            results = runner.run(
                target, profile=profile, replay=replay, jobs=jobs, parameters=parameters, report=progress
            )
    except (ValueError, FileNotFoundError) as error:
        _fail(error)
    _closing_table(results)


@main.command()
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
        with _Progress() as progress:
            results = runner.publish(report=progress)
        _closing_table(results)
    executed = {runner.name_of(path): runner.executed_path(path, edition) for path in runner.find()}
    missing = [name for name, path in executed.items() if not path.exists()]
    if missing:
        _fail(f"not executed yet: {', '.join(missing)}; run `advbook run`")
    try:
        folder = build_site(executed)
    except RuntimeError as error:
        _fail(error)
    click.echo(f"open {folder / 'index.html'}")


@main.command("claims")
@click.argument("chapter", required=False)
@click.option("--json", "as_json", is_flag=True, help="a list of objects with id, chapter, verdict and more")
def claims_command(chapter, as_json) -> None:
    """The verdict on every claim (of CHAPTER), from recorded standard and paper runs."""
    from advbook import judgement

    if chapter is not None and chapter not in paths.chapters():
        _fail(f"no claims of {chapter!r}; chapters with claims: {', '.join(paths.chapters())}")
    try:
        judged = [claim for claim in claims_module.evaluate() if chapter in (None, claim["chapter"])]
    except ValueError as error:  # in one line: the file, the claim and what is wrong with it
        _fail(error)
    if as_json:
        fields = (
            "id",
            "chapter",
            "scope",
            "where",
            "claim",
            "paper",
            "recorded",
            "verdict",
            "why",
            "profile",
            "n",
            "reproduced",
            "trend",
            "rule",
            "tolerance",
        )
        rows = [{name: claim.get(name) for name in fields} | {"effects": judgement.shown(claim)} for claim in judged]
        click.echo(json.dumps(rows, indent=1))
    else:
        _table(
            ["claim", "where", "recorded", "verdict"],
            [
                [c["id"], c["where"], c["recorded"], c["verdict"] + (f" ({c['why']})" if c["why"] else "")]
                for c in judged
            ],
        )
        click.echo(", ".join(f"{n} {verdict}" for verdict, n in Counter(c["verdict"] for c in judged).items()))
    _fail_if_damaged(ledger.survey(chapter=chapter or "*")[1])


@main.command()
@click.argument("chapter", required=False)
@click.option("--json", "as_json", is_flag=True, help="a list of objects, one for each claim")
def power(chapter, as_json) -> None:
    """What would decide the claims (of CHAPTER) that are open: how many more units, and their processor time.

    At today's means and spreads, which more units would move; so it is where to look first, and no promise.
    """
    from advbook import power as outlook

    if chapter is not None and chapter not in paths.chapters():
        _fail(f"no claims of {chapter!r}; chapters with claims: {', '.join(paths.chapters())}")
    try:
        rows, unknown = outlook.rows(chapter)
    except ValueError as error:
        _fail(error)
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    _table(
        ["claim", "open", "n", "further units", "it would read", "core-minutes"],
        [
            [
                row["id"],
                row["why"],
                row["n"],
                *([row["further_units"], row["then"], row["core_minutes"]] if row["then"] else ["not known", "–", "–"]),
            ]
            for row in rows
        ],
    )
    if unknown:
        click.echo(f"open, with rules that are expressions, of which this is not known: {', '.join(unknown)}")


def _fail_if_damaged(damaged: list[ledger.DamagedRecord]) -> None:
    """Name the records that cannot be read and end with 1, whatever was shown."""
    if damaged:
        _fail("\nadvbook: ".join(map(str, damaged)))


@main.command()
@click.argument("why", metavar="REASON")
@click.argument("records", nargs=-1, required=True, type=click.Path(dir_okay=False, path_type=Path))
def withdraw(why, records) -> None:
    """Take RECORDS back (results/….json): their values and the REASON go to results/withdrawn.csv, the files go."""
    gone = {row.record for row in withdrawn.load()}
    files = [path.resolve() for path in records]
    there = [path for path in files if path.exists()]
    if absent := [path for path in files if path not in there and "/".join(path.parts[-4:]) not in gone]:
        _fail(f"no record {', '.join(map(str, absent))}")
    try:
        rows = withdrawn.withdraw([ledger.read(path) for path in there], why, on=provenance.now()[:10])
    except ValueError as error:
        _fail(error)
    click.echo(f"{len(rows)} records withdrawn, {len(files) - len(rows)} were before")


@main.command()
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
        _table(["profile", "measurement", "state", "records"], [[*key, str(n)] for key, n in sorted(counts.items())])
        for row in rows:
            if row["state"] != "current":
                click.echo(f"{row['state']}: {row['record']}")
        if wanted := to_measure.by_chapter({row["record"] for row in rows if row["state"] != "current"}):  # type: ignore[misc]
            click.echo("\nto be measured again (results/to-measure.csv says why):")
            _table(
                ["chapter", "records", "core-hours of the calls"],
                [[chapter, str(n), f"{hours:.1f}"] for chapter, (n, hours) in wanted.items()],
            )
    _fail_if_damaged(damaged)


@main.command()
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
        _fail(error)
    different = [row for row in found if row[1] != row[2]]
    if different:
        _table(["value", "recorded", "now"], different)
    click.echo(f"{len(found) - len(different)} of {len(found)} values are equal to the last digit")


@main.command()
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
        _fail(error)
    _table(
        ["pair", "records", "verdict", "why"],
        [[pair.label, str(len(pair.records)), pair.verdict, pair.why] for pair in found],
    )
    click.echo(", ".join(f"{n} {verdict}" for verdict, n in Counter(pair.verdict for pair in found).items()))
    if any(pair.verdict != "proved" for pair in found):
        sys.exit(1)


@main.command("export-web")
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
        _fail(error)
    for path in written:
        click.echo(f"{path.stat().st_size / 1e6:.2f} MB  {path}")


@main.group()
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
    _table(["data set", "state"], list(map(list, states.items())))


@data.command()
@click.argument("name")
def fetch(name) -> None:
    """Download a data set with torchvision and verify it."""
    from advutils import datasets

    try:
        click.echo(f"{name} is under {datasets.fetch(name)}")
    except (ValueError, OSError) as error:
        _fail(" ".join(str(error).split()))  # torchvision reports every mirror on lines of its own


@data.command()
@click.argument("names", nargs=-1)
def verify(names) -> None:
    """Check data sets, and all weights, against their checksums; fails if one that is there is damaged."""
    from advutils import datasets
    from advutils.datasets import figures
    from advutils.models.pretrained import FILES, DamagedWeights, MissingWeights, checksum

    bad, torn = [], []
    known = (*datasets.NAMES, figures.NAME)
    for name in names or known:
        if name not in known:
            _fail(f"no data set {name!r}; there are {', '.join(known)}")
        state = figures.state() if name == figures.NAME else datasets.state(name)
        click.echo(f"{name}: {state}")
        if state == "damaged" and name == figures.NAME:
            for file in figures.damaged():
                click.echo(f"  {file}: not the file that was measured")
        elif state == "damaged":
            for split in datasets.splits(name):
                try:
                    there = f"SHA-256 {datasets.checksum_there(name, split)}"
                except Exception:  # a torn archive fails in as many ways as there are formats
                    there = "cannot be read"
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
        _fail("; ".join(torn))
    if bad:
        _fail(f"not usable: {', '.join(bad)}; run `advbook data fetch NAME`")


@main.command()
@click.option("--check", is_flag=True, help="change nothing; fail if an .ipynb is not what its .py generates")
def pair(check) -> None:
    """Generate every .ipynb from its .py."""
    from advbook import pairs

    found = pairs.differing() if check else pairs.write()
    for path in found:
        click.echo(f"{'differs' if check else 'written'}: {path.with_suffix('.ipynb').relative_to(paths.root())}")
    if check and found:
        _fail("run `advbook pair`")


def _table(columns: list[str], rows: Iterable[Sequence[object]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(str, row))
    Console().print(table)


def _closing_table(results: list[runner.Result]) -> None:
    """What `make book` ends with; exits with 1 if a notebook failed."""
    verdicts = Counter((c["chapter"], c["verdict"]) for c in claims_module.evaluate())
    rows = []
    for result in results:
        done = "up to date" if result.skipped else f"{result.seconds:.1f}"
        state = "failed" if result.error else "withdrawn" if result.withdrawn else done
        rows.append([result.notebook, state, result.made, result.replayed, result.older])
    _table(["notebook", "seconds", "measured", "replayed", "of them older than their code"], rows)
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


class _Progress:
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


if __name__ == "__main__":
    main()
