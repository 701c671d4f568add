"""What notebooks rely on: parameters, settings, records, figures with text."""

import dataclasses
import json
from types import SimpleNamespace

import pytest

from advbook import claims, ledger, paths
from advbook.page import BADGES, Page, at_hand, badge, mean_sd
from advbook.record_list import MIME

SETTINGS = {
    "quick": {"data": "digits", "epochs": 2, "eps": [0.1]},
    "standard": {"data": "mnist", "epochs": 60, "eps": []},
}


def namespace(**extra):
    return {
        "__annotations__": {"profile": str, "replay": str, "epochs": int},
        "profile": "quick",
        "replay": "auto",
        "epochs": None,
        **extra,
    }


@pytest.fixture(autouse=True)
def no_display(monkeypatch, tmp_path):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda thing: shown.append(thing))
    monkeypatch.setenv("ADVUTILS_RESULTS", str(tmp_path / "results"))
    return shown


def test_profile_values_and_overrides():
    assert Page("c", "n", namespace(), settings=SETTINGS).settings.epochs == 2
    page = Page("c", "n", namespace(epochs=7), settings=SETTINGS)
    assert page.settings.epochs == 7 and "-p epochs 7" in page.command


@pytest.mark.parametrize(
    "extra, word",
    [
        ({"In": ["", "# Parameters\nepoch = 3\n"]}, "unknown parameter epoch"),
        ({"profile": "fast"}, "profile"),
        ({"replay": "maybe"}, "replay"),
        ({"epochs": "many"}, "epochs"),
    ],
)
def test_a_bad_parameter_is_an_error_that_names_it(extra, word):
    with pytest.raises(ValueError, match=word):
        Page("c", "n", namespace(**extra), settings=SETTINGS)


CELL = 'profile: str = "quick"\nreplay: str = "auto"\nepochs: int = None'


def test_the_cell_of_a_page_can_be_run_again_after_any_other_and_still_refuses_what_is_no_parameter():
    kernel = namespace(In=["", "width = 3\nshown: int = 4", CELL], width=3, shown=4)  # a cell of the reader's above
    kernel["__annotations__"]["shown"] = int
    Page("c", "n", kernel, settings=SETTINGS)
    kernel |= {"rows": [1], "common": {}, "label": "x"}  # the notebook's own variables
    assert Page("c", "n", kernel, settings=SETTINGS).settings.epochs == 2
    assert Page("c", "n", kernel, settings={"quick": SETTINGS["quick"] | {"eps": [9]}}).settings.eps == [9]
    kernel["epochs"] = 9  # the parameters cell is edited and run again
    assert Page("c", "n", kernel, settings=SETTINGS).settings.epochs == 9
    for wrong, message in ((f"{CELL}\nepoch: int = 3", "epoch is no setting"), (f"{CELL}\nepoch = 3", "unknown")):
        kernel["In"].append(wrong)
        kernel["epoch"] = 3
        with pytest.raises(ValueError, match=message):
            Page("c", "n", kernel, settings=SETTINGS)
        kernel["In"].append(CELL)  # mended
        assert Page("c", "n", kernel, settings=SETTINGS).settings.epochs == 9
    misspelt = namespace(In=["", CELL, "# Parameters\nepoch = 3\n"], epoch=3)
    for _ in range(2):  # running the cell again does not make it right
        with pytest.raises(ValueError, match="unknown parameter epoch"):
            Page("c", "n", misspelt, settings=SETTINGS)


def counted(*, seed: int):
    return {"seed": seed}


def test_measure_records_and_tells(monkeypatch, tmp_path):
    monkeypatch.setenv("ADVBOOK_PROGRESS", str(tmp_path / "progress"))
    page = Page("c", "n", namespace(), settings=SETTINGS)
    assert page.measure(counted, seed=3)["seed"] == 3 and page.measure(counted, seed=3).replayed
    events = [json.loads(line) for line in (tmp_path / "progress").read_text().splitlines()]
    assert [event.get("replayed") for event in events if "done" in event] == [False, True]


def test_replay_only_names_the_command():
    from advbook.ledger import MissingRecord

    page = Page("c", "n", namespace(replay="only"), settings=SETTINGS)
    with pytest.raises(MissingRecord, match="papermill notebooks/c/n.ipynb"):
        page.measure(counted, seed=1)


def test_what_is_not_recorded_is_left_out_on_a_page_that_measures_nothing(monkeypatch):
    page = Page("c", "n", namespace(replay="only"), settings=SETTINGS)
    assert at_hand(lambda: page.measure(counted, seed=1)) is None
    assert at_hand(lambda: [page.measure(counted, seed=s) for s in (1, 2)], []) == []
    page = Page("c", "n", namespace(), settings=SETTINGS)
    assert at_hand(lambda: page.measure(counted, seed=1))["seed"] == 1
    with pytest.raises(ZeroDivisionError):
        at_hand(lambda: 1 / 0)


def judged(*, images: int, spec: dict):
    return {"images": images}


def test_the_list_of_records_counts_by_measurement_and_says_which_command_makes_timings(no_display):
    page = Page("c", "n", namespace(), settings=SETTINGS)
    for seed in (4, 5):
        page.measure(judged, images=5, spec={"width": 3, "seed": seed})
    page.provenance()
    told, listed = no_display[-2].data, no_display[-1]
    table = listed.html()
    assert "The 2 records behind this page" in table and "<td>2</td><td>4, 5</td>" in table and "judged" in table
    kept = listed._repr_mimebundle_()[MIME]
    assert [each["parameters"]["spec"]["seed"] for each in kept] == [4, 5] and kept[0]["values"] == {"images": 5}
    assert "papermill notebooks/c/n.ipynb" in told and "benchmarks" not in told
    made = ledger.measure(judged, {"images": 6, "spec": {}}, profile="quick", chapter="c")
    page.records.append(dataclasses.replace(made, provenance=made.provenance | {"function": "benchmarks.x.judged"}))
    page.provenance()
    assert "but for the timings (`judged`), which `python -m benchmarks --standard` makes" in no_display[-2].data


def test_a_figure_without_text_is_refused(no_display):
    import matplotlib.pyplot as plt

    page = Page("c", "n", namespace(), settings=SETTINGS)
    fig, axis = plt.subplots()
    axis.plot([0, 1])
    for caption, alt in (("", "a line"), ("A line.", " ")):
        with pytest.raises(ValueError, match="caption"):
            page.figure(fig, caption=caption, alt=alt)
    page.figure(fig, caption="A line, x < 1.", alt='A "straight" line')
    shown = no_display[-1].html()
    assert "A line, x &lt; 1." in shown and "&quot;straight&quot;" in shown


def test_a_page_says_how_many_of_its_records_are_older_than_their_code(no_display, monkeypatch, tmp_path):
    monkeypatch.setenv("ADVBOOK_PROGRESS", str(tmp_path / "progress"))
    page = Page("c", "n", namespace(), settings=SETTINGS)
    page.measure(counted, seed=3)
    page.provenance()
    assert not any("older than" in getattr(thing, "data", "") for thing in no_display)
    monkeypatch.setattr(ledger, "stale", lambda record: record.parameters["seed"] == 4)
    page.measure(counted, seed=4)
    page.provenance()
    assert any(
        "1 of the 2 records behind this page are older than their code" in getattr(thing, "data", "")
        for thing in no_display
    )
    events = [json.loads(line) for line in (tmp_path / "progress").read_text().splitlines()]
    assert [event["older"] for event in events if "done" in event] == [False, True]


def test_every_verdict_has_its_colour_and_its_words():
    style = (paths.root() / "book" / "_static" / "book.css").read_text()
    words = (paths.root() / "book" / "intro.md").read_text()
    for verdict in claims.VERDICTS:
        assert f".verdict.{BADGES[verdict]} " in style and badge(verdict) in words


def test_mean_sd():
    assert mean_sd([0.01, 0.02]) == "1.50 ± 0.71 %" and mean_sd([0.01]) == "1.00 %"


def test_where_one_network_learnt_nothing_its_number_is_shown_and_no_mean():
    assert mean_sd([0.0194, 0.8865, 0.0515]) == "1.94, 88.65, 5.15 %"
    assert mean_sd([0.0, 0.0, 0.001]) == "0.03 ± 0.06 %"  # mostly 0 is no divergence


@pytest.mark.parametrize("profile", ["quick", "standard"])
def test_a_run_too_small_for_a_rule_has_no_numbers_but_one_that_is_judged_says_what_is_wrong(profile, monkeypatch):
    def refuse(*_, **__):
        raise ValueError("claim x: page c has no setting $networks.1")

    monkeypatch.setattr("advbook.claims.verdict_of", refuse)
    page = Page.__new__(Page)
    page.profile, page.settings = profile, SimpleNamespace()
    if profile == "quick":
        assert page._numbers({"id": "x"}, []) == ""
    else:
        with pytest.raises(ValueError, match="no setting"):
            page._numbers({"id": "x"}, [])
