"""What a notebook calls: parameters and profiles, measurements, tables, figures, claims, provenance."""

from __future__ import annotations

import inspect
import json
import os
import re
import statistics
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import TypeVar

from advbook import claims, judgement, knobs, ledger, needs, parameters, paths, record_list
from advbook.codehash import remember_loaded
from advbook.picture import Picture, style
from advbook.record_list import RecordList

needs("matplotlib")

T = TypeVar("T")

BADGES = {
    "reproduced": "reproduced",
    "reproduced in trend": "trend",
    "not reproduced": "not",
    "inconclusive": "inconclusive",
    "yes": "reproduced",
    "partly": "trend",
    "no": "not",
    "open": "inconclusive",
    "does not arise": "not-attempted",
    "records damaged": "damaged",
    "withdrawn": "withdrawn",
    "not attempted": "not-attempted",
}
# of tqdm, which torch imports, where the notebook extension for progress bars is not installed
warnings.filterwarnings("ignore", message="IProgress not found")


def _without_asides(source: str) -> str:
    """Source as a reader wants it: without what is said to the type checker."""
    return re.sub(r"  # type: ignore\[[^]]*\]", "", source.rstrip())


def at_hand(measurement: Callable[[], T], otherwise: T | None = None) -> T | None:
    """What ``measurement()`` gives; ``otherwise`` on a page that measures nothing, where a record for it is missing."""
    try:
        return measurement()
    except ledger.MissingRecord:
        return otherwise


def mean_sd(numbers: list[float], *, unit: str = "%", scale: float = 100) -> str:
    """'1.02 ± 0.05 %': mean and standard deviation over seeds; one number stands alone.

    Where a mean would describe none of them (:func:`advbook.claims.diverged`): '1.94, 88.65, 5.15 %'.
    """
    scaled = [scale * number for number in numbers]
    tail = f" {unit}" if unit else ""
    if claims.diverged(scaled):
        return ", ".join(f"{number:.2f}" for number in scaled) + tail
    if len(scaled) == 1:
        return f"{scaled[0]:.2f}{tail}"
    return f"{statistics.mean(scaled):.2f} ± {statistics.stdev(scaled):.2f}{tail}"


def badge(verdict: str) -> str:
    """A verdict as a coloured word."""
    return f'<span class="verdict {BADGES[verdict]}">{verdict}</span>'


class Page:
    """One notebook of a chapter under one profile.

    ``namespace`` is the notebook's ``globals()``: its parameters are the annotated names of the parameters cell. One
    that is unknown or out of its range is refused (:mod:`advbook.parameters`, :mod:`advbook.knobs`). The cell that
    makes the page may be run again, after others, with other parameters or other settings. A parameter named like a
    setting overrides the profile's value unless it is None.
    """

    def __init__(self, chapter: str, notebook: str, namespace: dict, *, settings: dict[str, dict]):
        self.chapter, self.notebook = chapter, notebook
        given = parameters.given(namespace)
        self.profile, self.replay = given.pop("profile"), given.pop("replay")
        if self.profile not in settings:
            raise ValueError(f"profile must be one of {', '.join(settings)}, got {self.profile!r}")
        if self.replay not in ledger.REPLAY:
            raise ValueError(f"replay must be one of {', '.join(ledger.REPLAY)}, got {self.replay!r}")
        self._settings = {name: dict(values) for name, values in settings.items()}
        self.overrides = knobs.read(f"{chapter}/{notebook}", given, settings[self.profile])
        self.settings = SimpleNamespace(**{**settings[self.profile], **self.overrides})
        self.records: list[ledger.Record] = []
        if self.replay != "only":
            remember_loaded()  # what was imported until now is what runs, whatever is edited from now on
        style()
        self._show_settings()

    # -- measuring ---------------------------------------------------------------------------------------------

    @property
    def command(self) -> str:
        """The command that makes this page's records."""
        extra = parameters.papermill_options(self.overrides)
        return f"papermill notebooks/{self.chapter}/{self.notebook}.ipynb out.ipynb -p profile {self.profile}{extra}"

    def measure(self, function, **parameters) -> ledger.Record:
        """The record of ``function(**parameters)`` under this page's profile, replayed or made now."""
        self._tell(measuring=function.__name__, parameters=parameters)
        try:
            record = ledger.measure(
                function,
                parameters,
                profile=self.profile,
                chapter=self.chapter,
                replay=self.replay,
                command=self.command,
            )
        except ledger.Withdrawn as error:
            self._tell(withdrawn=error.reason)
            raise
        self.records.append(record)
        self._tell(done=function.__name__, replayed=record.replayed, older=ledger.stale(record) is not False)
        return record

    def _tell(self, **event) -> None:
        """Tell the runner, if there is one, what is going on (one JSON line an event)."""
        target = os.environ.get("ADVBOOK_PROGRESS")
        if target:
            with open(target, "a") as stream:
                stream.write(json.dumps(event) + "\n")

    # -- showing -----------------------------------------------------------------------------------------------

    def say(self, text: str) -> None:
        """Show Markdown; the place for sentences that contain measured numbers."""
        from IPython.display import Markdown, display

        display(Markdown(text))

    def table(self, columns: list[str], rows: list[list], *, caption: str) -> None:
        """Show a table; floats get four significant digits."""

        def cell(value) -> str:
            text = f"{value:.4g}" if isinstance(value, float) else str(value)
            text = text.replace(" ± ", "\u00a0±\u00a0").replace(" %", "\u00a0%")  # a mean stays with its deviation
            return text.replace("|", "\\|") if "$" not in text else text

        lines = ["| " + " | ".join(cell(c) for c in row) + " |" for row in [columns, ["---"] * len(columns), *rows]]
        self.say(f"*{caption}*\n\n" + "\n".join(lines))

    def figure(self, fig, *, caption: str, alt: str) -> None:
        """Show a matplotlib figure with its caption (Markdown-free text; $math$ works) and alternative text."""
        import matplotlib.pyplot as plt
        from IPython.display import display

        shown = Picture.of(fig, caption=caption, alt=alt)
        plt.close(fig)
        display(shown)

    def source(self, function) -> None:
        """Show the shipped source of a function."""
        name = f"{function.__module__}.{function.__qualname__}"
        path = Path(inspect.getsourcefile(inspect.unwrap(function))).resolve().relative_to(paths.code())  # type: ignore[arg-type]
        self.say(f"`{name}` (file `{path}`):\n\n```python\n{_without_asides(inspect.getsource(function))}\n```")

    def threat_model(self, *, norm: str, budget: str, pixels: str, clamp: str, goal: str, label: str) -> None:
        """The threat-model card: what the adversary may do, in which units."""
        rows = {
            "norm": norm,
            "budget": budget,
            "pixel range": pixels,
            "clamp": clamp,
            "goal": goal,
            "whose label": label,
        }
        self.say("**Threat model**\n\n| | |\n| --- | --- |\n" + "\n".join(f"| {k} | {v} |" for k, v in rows.items()))

    def _show_settings(self) -> None:
        names = list(dict.fromkeys(name for values in self._settings.values() for name in values))
        head = [f"**{name}** (this page)" if name == self.profile else name for name in self._settings]

        def cell(profile: str, name: str) -> str:
            value = self._settings[profile].get(name, "")
            if profile == self.profile and name in self.overrides:
                return f"{self.overrides[name]} (set by hand)"
            return "none" if value == {} else _plain(value)

        rows = [[f"`{name}`", *(cell(profile, name) for profile in self._settings)] for name in names]
        self.table(["setting", *head], rows, caption="Profiles of this notebook")

    # -- judging -----------------------------------------------------------------------------------------------

    def claims(self, *ids: str) -> None:
        """The claims with the paper's numbers, the recorded ones, this run's and the verdict on the recorded ones."""
        recorded = {claim["id"]: claim for claim in claims.evaluate()}
        unknown = set(ids) - set(recorded)
        if unknown:
            raise ValueError(f"no claim {', '.join(sorted(unknown))} in notebooks/{self.chapter}/claims.yml")
        rows = []
        for name in ids:
            claim = recorded[name]
            once = list({record.path: record for record in self.records}.values())  # a record may be shown twice
            mine = self._numbers(claim, once)
            paper = "; ".join(f"{k} {v}" for k, v in claim["paper"].items()) or "no number"
            here = "the same" if mine == claim["recorded"] else mine or "none"
            told = f"[`{name}`](#{name}) {claim['claim']} ({claim['where']})"
            ours = "; ".join(filter(None, [claim["recorded"] or "none", judgement.told(claim["findings"])]))
            rows.append([told, paper, ours, here, badge(claim["verdict"]) + SCOPE[claim["scope"]]])
        columns, told = ["claim", "paper", "recorded", f"this run ({self.profile})", "verdict"], ""
        if all(row[3] == "the same" for row in rows):
            columns, rows = _without(columns, 3), [_without(row, 3) for row in rows]
            told = f". This run ({self.profile}) has the same numbers"
        self.table(
            columns,
            rows,
            caption=f"Verdicts follow from the rules in notebooks/{self.chapter}/claims.yml and from recorded "
            "standard or paper runs only; the scoreboard's cards have the rules, and say where one was "
            "written or changed when results were known" + told,
        )

    def _numbers(self, claim: dict, records: list) -> str:
        """This run's numbers of a claim; none where a run that is never judged has not all that the rule reads."""
        try:
            judged = claims.verdict_of({k: v for k, v in claim.items() if k != "why"}, records, own=vars(self.settings))
        except ValueError:
            if self.profile in claims.JUDGED:
                raise
            return ""
        return judged["recorded"]

    def errata(self, *ids: str) -> None:
        """Errors of the paper: what is printed, what is right, how we know, and the test that checks it."""
        known = {entry["id"]: entry for entry in claims.load("errata", self.chapter)}
        rows = [
            [known[i]["where"], known[i]["printed"], known[i]["right"], known[i]["evidence"], f"`{known[i]['test']}`"]
            for i in ids
        ]
        self.table(["where", "printed", "right", "evidence", "checked by"], rows, caption="Errata found on the way")

    def provenance(self) -> None:
        """The last cell: how to run this page again, and what stands behind each of its numbers."""
        from IPython.display import display

        records = list({record.path: record for record in self.records}.values())
        told = [record_list.told(record) for record in records]
        if older := sum(each["code"] != "as then" for each in told):
            self.say(
                f"**{older} of the {len(records)} records behind this page are older than their code.** The list "
                "says which; `advbook again` compares one with what is measured now."
            )
        extra = parameters.run_options(self.overrides)
        timings = sorted({r.name for r in records if r.provenance["function"].startswith("benchmarks.")})
        self.say(
            f"```sh\n{self.command} -p replay never\n"
            f"advbook run {self.chapter}/{self.notebook} --profile {self.profile} --replay never{extra}\n```\n\n"
            "Either line measures the page again"
            + (
                f", but for the timings ({', '.join(f'`{name}`' for name in timings)}), which "
                "`python -m benchmarks --standard` makes"
                if timings
                else ""
            )
            + "; without `replay never` what is recorded is only read. One "
            "record alone, compared with what is measured now:\n\n"
            + (f"```sh\nadvbook again {told[0]['record']}\n```" if records else "(this page has none)")
        )
        display(RecordList(told))


def _without(row: list, place: int) -> list:
    return [*row[:place], *row[place + 1 :]]


SCOPE = {"paper": "", "identity": " (an identity)", "ours": " (our question)"}


def _plain(value) -> str:
    """A setting in words: lists and dicts without brackets."""
    if isinstance(value, dict):
        return ", ".join(f"{k} {_plain(v)}" for k, v in value.items()) or "as in the paper"
    if isinstance(value, list):
        return ", ".join(_plain(v) for v in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)
