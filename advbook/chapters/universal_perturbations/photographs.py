"""A recorded universal perturbation on photographs that may be shown: what a network answers before and after."""

from __future__ import annotations

import torch
from torch import Tensor

from advbook import ledger, paths
from advbook.chapters.answers import answers, squares, stored
from advbook.chapters.universal_perturbations import fooling
from advutils.core import runtime


def pattern(place: str) -> Tensor:
    """The perturbation (3, S, S), in units of [0, 1], of a record of :func:`fooling.fooling`; it has 8 bits an entry.

    ``place``: where the record lies, as ``<profile>/<chapter>/fooling/<key>.json`` in the ledger's folder.
    """
    record = ledger.read(paths.results() / place)
    entries = torch.from_numpy(record.arrays["perturbation"]).double() / 127.5 - 1
    return (entries * (record["l2"] / 255 / entries.norm())).float()


def versions(*, perturbation: str, photographs: list[str], seed: int) -> dict[str, Tensor]:
    """Photographs (N, 3, S, S), all in 8 bits: ``before``, ``after``, and with random ``signs`` in its place.

    ``perturbation``: as in :func:`pattern`. ``signs`` is as long (l2) as the perturbation, ``bound`` has every entry at
    the perturbation's largest; both have the same signs.
    """
    v = pattern(perturbation)
    signs = torch.rand(v.shape, generator=runtime.generator(seed)).sub(0.5).sign()
    added = {"before": 0 * v, "after": v, "signs": signs * v.square().mean().sqrt(), "bound": signs * v.abs().max()}
    x = squares(photographs, v.shape[-1])
    return {name: stored(x + each.to(x)) for name, each in added.items()}


def on_photographs(*, network: str, **what) -> dict:
    """What ``network`` answers on the pictures of :func:`versions` (its arguments).

    Values, by version, ``[name, probability]`` for each photograph; also ``l2`` and ``largest`` of the perturbation, in
    units of 1/255, and ``content``, the hash of the recorded arrays it was read from.
    """
    model, v = fooling.network(network), pattern(what["perturbation"])
    found = {name: answers(model, images) for name, images in versions(**what).items()}
    content = ledger.read(paths.results() / what["perturbation"]).arrays_sha256
    return found | {"l2": 255 * v.norm().item(), "largest": 255 * v.abs().max().item(), "content": content}


def changed(record, version: str) -> int:
    """On how many photographs of a record of :func:`on_photographs` the answer is another than before."""
    return sum(then[0] != before[0] for before, then in zip(record["before"], record[version], strict=True))
