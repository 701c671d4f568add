"""The proof by which records outlive a change of the code behind them.

The old code and the new run side by side on this machine, at a small size, once for each measurement function and kind
of call (which network, attack, penalty ...). Where they agree to the last bit, the records of that kind get the new
code hash, and their provenance says why. (To compare with the recorded numbers would fail on another processor.) A
change that acts only at full size, or only under a condition that the small runs do not meet, needs another proof.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from advbook import codehash, ledger, paths, provenance, sides, to_measure

PROFILES = ("standard", "paper")
REASON = "the old code and the new, run side by side at a small size, give the same bits"
# How small a run is: the most that a number of this name may be, at any depth of the parameters and in lists
CAPS = {
    "epochs": 2,
    "train_size": 100,
    "test_size": 16,
    "training": 4,
    "images": 10,
    "held_out": 20,
    "attack_images": 8,
    "search_images": 4,
    "query_images": 4,
    "first": 2,
    "index": 20,
    "steps": 4,
    "search_steps": 2,
    "search_iterations": 5,
    "iterations": 10,
    "deepfool_steps": 3,
    "max_iter": 5,
    "passes": 1,
    "restarts": 2,
    "queries": 5,
    "rounds": 1,
    "draws": 2,
    "probes": 2,
    "drawn": 1,
    "points": 5,
    "batch": 4,
    "units": 10,
    "dimensions": 4,
    "tops": 10,
}
ALL = ("train_size", "images")  # 0 of these means all there are
# Of lists of this name the first entry, the middle one and the last are enough
ENDS = (
    "attack_l2",
    "attack_linf",
    "budgets",
    "dimensions",
    "eps",
    "eps_l2",
    "eps_linf",
    "iterations",
    "lengths",
    "noise",
    "powers",
    "search_steps",
    "shares",
    "sides",
    "sigmas",
)
PLACES = ("first", "index", "seed", "split", "target_seed", *ALL)  # numbers of which 0 is like any other
SWITCHES = ("p",)  # numbers that choose between branches, like words
# These measure time: what they return is never the same twice
TIMED = ("benchmarks.", "advbook.chapters.gradient_regularization.cost.training_cost")


@dataclass
class Pair:
    """A measurement function and a kind of call, the records of that kind, and what became of the proof."""

    function: str
    small: dict
    records: list[ledger.Record] = field(default_factory=list)
    verdict: str = ""  # "proved", "differs" or "not proved"
    why: str = ""

    @property
    def label(self) -> str:
        """The function and the words among its parameters."""
        words = dict.fromkeys(str(text) for _, text in ledger.leaves(self.small) if isinstance(text, str | bool))
        return f"{self.function.rpartition('.')[2]}({', '.join(words)})"


def small(value, name: str = ""):
    """Parameters of a run that takes about a second, of the same kind: numbers cut to ``CAPS``, lists to ``ENDS``."""
    if isinstance(value, dict):
        return {key: small(part, key) for key, part in value.items()}
    if isinstance(value, list):
        kept = [value[0], value[len(value) // 2], value[-1]] if name in ENDS and len(value) > 3 else value
        return [small(part, name) for part in kept]
    if name not in CAPS or isinstance(value, bool | str) or value is None:
        return value
    return CAPS[name] if value == 0 and name in ALL else min(value, CAPS[name])


def kind(value, name: str = ""):
    """What tells one kind of call from another: names, words, truth values, and whether a number is 0."""
    if isinstance(value, dict):
        return {key: kind(part, key) for key, part in sorted(value.items())}
    if isinstance(value, list):
        words = any(isinstance(part, dict | str) for part in value)
        return [kind(part, name) for part in value] if words else ["numbers"][: len(value)]
    if isinstance(value, str | bool) or value is None or name in SWITCHES:
        return value
    return "number" if value or name in PLACES else "zero"


def pairs(records: list[ledger.Record]) -> list[Pair]:
    """The records by function and kind of call; the first of each, made small, stands for them."""
    found: dict[str, Pair] = {}
    for record in records:
        function = record.provenance["function"]
        key = json.dumps([function, kind(record.parameters)], sort_keys=True)
        found.setdefault(key, Pair(function, small(record.parameters))).records.append(record)
    return list(found.values())


def changed(only: tuple[Path, ...] = ()) -> list[ledger.Record]:
    """The records, under the paths in ``only`` if there are any, whose code has changed since they were made.

    Not those of trained networks, of whose parameters the code is one: other code makes another network beside it.
    """
    wanted = [path.resolve() for path in only]
    return [
        record
        for profile in PROFILES
        for record in ledger.records(profile)
        if not wanted or any(record.path.resolve().is_relative_to(path) for path in wanted)
        if not ledger.is_network(record) and ledger.stale(record)
    ]


def restamp(
    commit: str,
    *,
    only: tuple[Path, ...] = (),
    unless: tuple[str, ...] = (),
    dry_run: bool = False,
    limit: int = 60,
    report: Callable[[str], None] = print,
) -> list[Pair]:
    """Try to prove that records of the code of ``commit`` are records of the present code; returns what was tried.

    In scope are the changed records under ``only`` (default: all) whose code is that of ``commit``. Those of proved
    pairs get the new hash at the end, one by one; all other changed records are written to the list of
    :mod:`advbook.to_measure`. A pair whose small run takes more than ``limit`` seconds (of a processor) is not
    proved, nor is one that calls a function of ``unless`` (module.name): those whose change acts at another size, or
    under a condition, than these runs have. Raises ``ValueError`` for a commit that does not exist, and for code that
    is not committed unless ``dry_run``, which writes nothing.
    """
    old, new = sides.git("rev-parse", "--verify", f"{commit}^{{commit}}"), sides.git("rev-parse", "HEAD")
    if not dry_run and sides.git("status", "--porcelain", "--", *(f":/{name}*" for name in codehash.OURS)):
        raise ValueError("the code differs from the last commit, so nobody could repeat the proof: commit it first")
    records = changed(only)
    with sides.checkout(old) as before:
        jobs = [sides.job(record.provenance["function"], record.parameters) for record in records]
        # as that code hashed itself, or as it is hashed today
        codes = [sides.hashes(before, jobs, by) for by in {sides.definition(before), sides.TODAY}]
        those = [record for record, *code in zip(records, *codes, strict=True) if record.provenance["code"] in code]
        found = pairs(those)
        report(
            f"{len(records)} changed records, {len(those)} of them made by the code of {old[:12]}: {len(found)} "
            "pairs of function and kind"
        )
        for pair in found:
            if pair.function.startswith(TIMED):
                pair.verdict, pair.why = "not proved", "it measures time"
        run = [pair for pair in found if not pair.verdict]
        jobs = [sides.job(pair.function, pair.small) for pair in run]
        with ThreadPoolExecutor(2) as pool:
            run_side = partial(sides.results, jobs=jobs, limit=limit, unless=unless)
            both = list(pool.map(run_side, (before, paths.root())))
    for pair, *results in zip(run, *both, strict=True):
        pair.verdict, pair.why = compare(*results)
    if not dry_run:
        for pair in found:
            for record in pair.records if pair.verdict == "proved" else ():
                stamp(record, _reason(record, pair.small, old, new, unless))
        relist(found, f"not made by the code of {old[:12]}")
    return found


def compare(old: dict | None, new: dict | None) -> tuple[str, str]:
    """The verdict on what the two sides say of a pair (None: a side ended before it), and the reason."""
    for side, told in (("old", old), ("new", new)):
        if told is None:
            return "not proved", f"the {side} side ended before it"
        if "error" in told:
            return "not proved", f"the {side} code: {told['error']}"
        if told["called"]:
            return "not proved", f"it calls {', '.join(told['called'])}, of which small runs prove nothing"
    assert old is not None and new is not None
    for place in dict.fromkeys([*old["values"], *new["values"]]):
        one, two = old["values"].get(place, "nothing"), new["values"].get(place, "nothing")
        if one != two:
            return "differs", f"{place}: {one[:60]}, now {two[:60]}"
    for name in old["watched"].keys() & new["watched"].keys():
        if old["watched"][name] != new["watched"][name]:
            return "differs", f"what {name} returns"
    return "proved", ""


def _reason(record: ledger.Record, parameters: dict, old: str, new: str, unless: tuple[str, ...]) -> dict:
    """All that it takes to repeat the proof."""
    return {
        "reason": REASON,
        "commits": [old, new],
        "code": record.provenance["code"],
        "parameters": parameters,
        "images": sides.CUT,
        "unless": list(unless),
        "machine": provenance.machine() | {"threads": 1},
        "date": provenance.now(),
    }


def stamp(record: ledger.Record, reason: dict) -> None:
    """Give a record the present code hash, and the reason."""
    document = json.loads(record.path.read_bytes())
    origin = document["provenance"]
    origin["code"] = ledger.code_of(record)
    origin["restamped"] = [*origin.get("restamped", []), reason]
    del document["sha256"]
    ledger.seal(record.path, document)


def relist(found: list[Pair], otherwise: str) -> None:
    """Write down what is still to be measured: with this run's reason, the one before, or ``otherwise``."""
    reasons = {row["record"]: row["reason"] for row in to_measure.listed()}
    reasons |= {to_measure.name_of(record): f"{pair.verdict}: {pair.why}" for pair in found for record in pair.records}
    to_measure.write([(record, reasons.get(to_measure.name_of(record), otherwise)) for record in changed()])
