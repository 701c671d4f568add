"""Renaming is a migration: records follow the code behind them to its new name, with the same values and parameters.

``python -m advbook.migration`` rewrites what the records of the ledger's folder say of their functions and keeps the
old names beside (``formerly`` in the provenance). Records that have the new names already stay as they are, so records
that come from an older checkout can be brought in at any time.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from advbook import ledger, paths

MODULES = {  # the first edition's name: today's
    "advutils.chapters.attacks": "advbook.chapters.attacks.comparison",
    "advutils.chapters.attacks_sure": "advbook.chapters.attacks.sure",
    "advutils.chapters.gradient_regularization": "advbook.chapters.gradient_regularization.dense",
    "advutils.chapters.gradient_regularization_convolutional": "advbook.chapters.gradient_regularization.convolutional",
    "advutils.chapters.gradient_regularization_cost": "advbook.chapters.gradient_regularization.cost",
    "advutils.chapters.gradient_regularization_decay": "advbook.chapters.gradient_regularization.decay",
    "advutils.chapters.gradient_regularization_noise": "advbook.chapters.gradient_regularization.noise",
    "advutils.chapters.gradient_regularization_theory": "advbook.chapters.gradient_regularization.theory",
    "advutils.chapters.gradient_regularization_visual": "advbook.chapters.gradient_regularization.pictures",
    "advutils.chapters.playground": "advbook.chapters.playground.rounding",
    "advutils.chapters.representation_counting": "advbook.chapters.representation.counting",
    "advutils.chapters.representation_counting_ceiling": "advbook.chapters.representation.counting_ceiling",
    "advutils.chapters.representation_counting_published": "advbook.chapters.representation.counting_published",
    "advutils.chapters.representation_counting_rival": "advbook.chapters.representation.counting_rival",
    "advutils.chapters.representation_defences": "advbook.chapters.representation.defences",
    "advutils.chapters.representation_defences_masking": "advbook.chapters.representation.defences_masking",
    "advutils.chapters.representation_defences_theory": "advbook.chapters.representation.defences_theory",
    "advutils.chapters.smooth_adversarial": "advbook.chapters.smooth_adversarial.attacks",
    "advutils.chapters.smooth_adversarial_control": "advbook.chapters.smooth_adversarial.control",
    "advutils.chapters.smooth_adversarial_detection": "advbook.chapters.smooth_adversarial.detection",
    "advutils.chapters.smooth_adversarial_transfer": "advbook.chapters.smooth_adversarial.transfer",
    "advutils.chapters.smooth_adversarial_visual": "advbook.chapters.smooth_adversarial.pictures",
    "advutils.chapters.sparsity_attribution": "advbook.chapters.sparsity_attribution.pipeline",
    "advutils.chapters.sparsity_attribution_learning": "advbook.chapters.sparsity_attribution.learning",
    "advutils.chapters.universal_perturbations": "advbook.chapters.universal_perturbations.fooling",
    "advutils.chapters.universal_perturbations_theory": "advbook.chapters.universal_perturbations.theory",
}


def today(function: str) -> str:
    """Today's dotted name of a function."""
    module, _, name = function.rpartition(".")
    return f"{MODULES.get(module, module)}.{name}"


def names(function: str) -> list[str]:
    """A function's dotted names: today's, then those that it had before."""
    module, _, name = function.rpartition(".")
    return [function, *(f"{before}.{name}" for before, now in MODULES.items() if now == module)]


def migrated(document: dict) -> dict:
    """A record's document, without its seal, with today's names; itself where it has them already."""
    origin = document["provenance"]
    networks = [network | {"function": today(network["function"])} for network in origin.get("networks", [])]
    new = origin | {"function": today(origin["function"])} | ({"networks": networks} if networks else {})
    if new == origin:
        return document
    return document | {"provenance": new | {"formerly": {"function": origin["function"]}}}


def migrate(folder: Path) -> int:
    """Rewrite the records below ``folder`` that have old names; how many these were.

    Raises :class:`advbook.ledger.DamagedRecord`, before anything is written, if one does not match its checksum.
    """
    records = sorted(path for path in folder.glob("*/*/*/*.json"))
    for path in records:
        ledger.read(path)
    changed = 0
    for path in records:
        document = json.loads(path.read_bytes())
        del document["sha256"]
        new = migrated(document)
        if new is not document:
            changed += 1
            ledger.seal(path, new)
    return changed


if __name__ == "__main__":
    sys.exit(print(f"{migrate(paths.results())} records have new names"))
