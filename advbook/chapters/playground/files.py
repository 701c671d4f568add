"""The playground's files, from its records: each network's script, and contents.js with digits and perturbation."""

from __future__ import annotations

import base64
import inspect
import json
from pathlib import Path

import numpy as np

from advbook import ledger, networks, paths, web_export
from advbook.chapters.playground import rounding as playground
from advbook.chapters.playground.networks import COMMON, DIGITS, NETWORKS, member
from advutils.core import files

CHAPTER = "playground"


def folder() -> Path:
    """Where the site's own files of the playground lie."""
    return paths.root() / "book" / "_static" / "playground"


def measured(function, parameters: dict, replay: str = "auto") -> ledger.Record:
    """The ``standard`` record of a measurement of the playground."""
    return ledger.measure(
        function, parameters, profile="standard", chapter=CHAPTER, replay=replay, command="advbook export-web"
    )


def export(name: str) -> Path:
    """Measure a network of the playground, or find its record, and write its script.

    Raises ``ValueError`` for an unknown name, and where the weights in the cache folder are not those of the record:
    other processors train others, and a file must not come without its record.
    """
    record = measured(playground.rounding, member(name))
    model = playground.network(**member(name))
    if networks.digest(model.state_dict()) != record["weights"]:
        raise ValueError(
            f"the weights of {name} that are kept here are not those of its record {record.path.name}; "
            "remove the record to measure them"
        )
    path = folder() / "networks" / f"{name}.js"
    facts = {part: record[part] for part in ("weights", "rounded", "error", "error_int8", "trials")}
    web_export.write(
        path,
        model,
        name=name,
        title=NETWORKS[name]["title"],
        answer=NETWORKS[name]["answer"],
        origin=facts | {"record": _place(record), "networks": record.provenance["networks"]},
    )
    return path


def contents(replay: str = "auto") -> str:
    """The text of contents.js: the networks with their errors, the twenty digits, the common perturbation."""
    members = {name: member(name) for name in NETWORKS}
    digits = measured(playground.shown_digits, DIGITS | {"members": members}, replay)
    common = measured(playground.common_perturbation, COMMON | {"members": members}, replay)
    rows = []
    for name, entry in NETWORKS.items():
        record = measured(playground.rounding, member(name), replay)
        rows.append(
            {
                "name": name,
                "title": entry["title"],
                "error": record["error"],
                "error_int8": record["error_int8"],
                "fooled": common["clipped"][name],
                "record": _place(record),
            }
        )
    shown = [
        digit | {"pixels": _base64(image)}
        for digit, image in zip(digits["digits"], digits.arrays["images"], strict=True)
    ]
    document = {
        "networks": rows,
        "digits": shown,
        "chosen": _place(digits),
        "common": {"steps": _base64(common.arrays["perturbation"]), "eps": COMMON["eps"], "record": _place(common)},
    }
    return f"advbookContents = {json.dumps(document, allow_nan=False)};\n"


def export_all() -> list[Path]:
    """Write every network's script, then contents.js; returns the paths."""
    found = [export(name) for name in NETWORKS]
    files.write_atomic(folder() / "contents.js", contents().encode())
    return [*found, folder() / "contents.js"]


def export_record(path: Path, target: Path, *, answer: str) -> None:
    """Write the script of the network whose record (``results/.../train_.../KEY.json``) is ``path``.

    Raises ``ValueError`` for a record that is of no network, or of one that the page cannot run.
    """
    record = ledger.read(path)
    train = ledger.function_of(record)
    if not ledger.is_network(record) or train is None:
        raise ValueError(f"{path} is not the record of a trained network")
    how = {"restore": True} if "restore" in inspect.signature(train).parameters else {}
    model, _ = networks.kept(train, record.parameters["spec"], **how)
    web_export.write(
        target, model, name=target.stem, title=target.stem, answer=answer, origin={"record": _place(record)}
    )


def _place(record: ledger.Record) -> str:
    """Where a record is in the repository, and in the site."""
    return "/".join(("results", *record.path.parts[-4:]))


def _base64(values: np.ndarray) -> str:
    return base64.b64encode(values.tobytes()).decode()
