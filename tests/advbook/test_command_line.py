"""What the command prints: JSON where that is asked for, one line for a mistake."""

import json

import pytest
from click.testing import CliRunner

from advbook import cli, ledger


def advbook(*words):
    return CliRunner().invoke(cli.main, list(words))


def test_claims_status_and_data_speak_json():
    claims = json.loads(advbook("claims", "--json").stdout)
    assert claims and all({"id", "chapter", "verdict"} <= set(claim) for claim in claims)
    one = json.loads(advbook("claims", "smooth-adversarial", "--json").stdout)
    assert one == [claim for claim in claims if claim["chapter"] == "smooth-adversarial"] != claims
    status = json.loads(advbook("status", "--json").stdout)
    assert len(status) == len(ledger.records()) and all(row["state"] for row in status)
    where = json.loads(advbook("data", "where", "--json").stdout)
    assert where["data"]["digits"] == "ok" and set(where["data"]) == {
        "digits",
        "mnist",
        "cifar10",
        "nips2017",
        "thesis-figures",
    }


@pytest.mark.parametrize(
    "words, message",
    [
        (("run", "nowhere"), "no notebook 'nowhere'"),
        (("run", "-p", "oops"), "NAME=VALUE"),
        (("data", "fetch", "imagenet"), "must be one of"),
        (("data", "verify", "imagenet"), "no data set"),
        (("claims", "nowhere"), "no claims of 'nowhere'"),
    ],
)
def test_mistakes_get_one_line_and_a_failing_exit_code(words, message):
    done = advbook(*words)
    assert done.exit_code != 0 and message in done.stderr and "Traceback" not in done.stderr
