"""Which networks of the chapter on Schwartz, Alparslan and Kim 2020 have learnt nothing, and when the others had.

All of it is computed from records. Accuracy under an attack says nothing of a network that has learnt nothing: what one
answer scores, it scores under any attack.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from advbook.ledger import Record
from advutils.datasets import photographs

CLASSES = {"cifar10": 10, "photographs": len(photographs.NAMES)}
ONE_ANSWER = 0.99  # more of the images than this are answered alike
HALF = 0.5  # no network that has learnt answers more than half of ten classes' images alike
TIMES = 2  # what has been learnt shows in accuracies beyond this many times chance
MARKS = {"one answer": "†", "not learnt": "‡"}
FOOTNOTE = (
    "† gives one answer (to more than 99 % of the images), ‡ has not learnt either (fewer right without an attack than "
    "twice chance, or more than half of the answers alike), in so many of its seeds: accuracy under an attack and "
    "stable maps are no merit there"
)


def state(record: Record, when: str | None = None) -> str:
    """ "one answer", "not learnt", or "" for a network that has learnt, by its answers to images that nobody attacked.

    ``when`` says which network of a record of ``pipeline`` is meant, "first" or "retrained"; ``ValueError`` without.
    Records of ``single_layer`` have no answers counted: their accuracy decides.
    """
    values = record.values
    clean, largest = values.get("clean", values.get("accuracy")), values.get("largest", 0.0)
    if isinstance(clean, list):
        if when not in ("first", "retrained"):
            raise ValueError(f"when must be 'first' or 'retrained' for {record.name}, got {when!r}")
        clean, largest = clean[("first", "retrained").index(when)], largest[when][0]
    if largest > ONE_ANSWER:
        return "one answer"
    return "not learnt" if clean < TIMES / CLASSES[record.parameters["data"]] or largest > HALF else ""


def learnt(records: Sequence[Record], when: str | None = None) -> list[Record]:
    """Those of the records whose network has learnt."""
    return [record for record in records if not state(record, when)]


def mark(records: Sequence[Record], when: str | None = None) -> str:
    """What a table or figure sets behind a network's name: "" or, of three seeds, " † 1/3", " ‡ 2/3", " † 1/3 ‡ 2/3".

    :data:`FOOTNOTE` says what it means.
    """
    states = [state(record, when) for record in records]
    return "".join(f" {sign} {states.count(word)}/{len(states)}" for word, sign in MARKS.items() if word in states)


def lowest(curve: Sequence[float]) -> int:
    """The epoch, from 1, after which a curve (by epoch) is lowest. ``ValueError`` for an empty one."""
    if not len(curve):
        raise ValueError("curve is empty: the network was not trained")
    return int(np.argmin(curve)) + 1
