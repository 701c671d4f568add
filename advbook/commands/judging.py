"""``advbook claims`` and ``advbook power``."""

from __future__ import annotations

import json
from collections import Counter

import click

from advbook import claims as claims_module
from advbook import ledger, paths
from advbook.commands.output import fail, fail_if_damaged, table


@click.command("claims")
@click.argument("chapter", required=False)
@click.option("--json", "as_json", is_flag=True, help="a list of objects with id, chapter, verdict and more")
def claims_command(chapter, as_json) -> None:
    """The verdict on every claim (of CHAPTER), from recorded standard and paper runs."""
    from advbook import judgement

    if chapter is not None and chapter not in paths.chapters():
        fail(f"no claims of {chapter!r}; chapters with claims: {', '.join(paths.chapters())}")
    try:
        judged = [claim for claim in claims_module.evaluate() if chapter in (None, claim["chapter"])]
    except ValueError as error:  # in one line: the file, the claim and what is wrong with it
        fail(error)
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
        rows = [{name: claim.get(name) for name in fields} | {"effects": judgement.rows(claim)} for claim in judged]
        click.echo(json.dumps(rows, indent=1))
    else:
        table(
            ["claim", "where", "recorded", "verdict"],
            [
                [c["id"], c["where"], c["recorded"], c["verdict"] + (f" ({c['why']})" if c["why"] else "")]
                for c in judged
            ],
        )
        click.echo(", ".join(f"{n} {verdict}" for verdict, n in Counter(c["verdict"] for c in judged).items()))
    fail_if_damaged(ledger.survey(chapter=chapter or "*")[1])


@click.command()
@click.argument("chapter", required=False)
@click.option("--json", "as_json", is_flag=True, help="a list of objects, one for each claim")
def power(chapter, as_json) -> None:
    """What would decide the claims (of CHAPTER) that are open: how many more units, and their processor time.

    At today's means and spreads, which more units would move; so it is where to look first, and no promise.
    """
    from advbook import power as outlook

    if chapter is not None and chapter not in paths.chapters():
        fail(f"no claims of {chapter!r}; chapters with claims: {', '.join(paths.chapters())}")
    try:
        rows, unknown = outlook.rows(chapter)
    except ValueError as error:
        fail(error)
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    table(
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
