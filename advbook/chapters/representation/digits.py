"""One digit under attack by one network: what it looks like at each budget, and what the network answers."""

from __future__ import annotations

import copy

import torch

from advbook.chapters.representation import defences
from advutils import attacks
from advutils.core import runtime


def one_digit(*, spec: dict, index: int, budgets: list[float], steps: int, restarts: int) -> tuple[dict, dict]:
    """A test image under margin PGD (l-infinity) against the network of ``spec``, at each of ``budgets``.

    ``spec``: arguments of :func:`defences.trained` without ``weights`` (the best are taken); ``index``: the number of
    the image. The attack is that of :func:`defences.judged`: double precision, ``steps`` steps of 2.5 eps / steps,
    ``restarts`` starts. Values: ``label``, and ``answers``, the digits that the network says. Array: ``pictures``
    (budgets, side, side) in 8 bits. A budget of 0 is the digit itself.
    """
    model, _ = defences.trained(**spec, weights="best")
    x, y = (part[index : index + 1] for part in defences.loaded(spec["data"], "test", spec["side"]))
    sharp, exact = copy.deepcopy(model).double(), x.double()
    shown = []
    for eps in budgets:
        walk = dict(eps=eps, step=2.5 * eps / steps, steps=steps, restarts=restarts)
        generator = runtime.generator(spec["seed"])
        shown.append(attacks.margin_pgd(sharp, exact, y, **walk, generator=generator) if eps else exact)
    pictures = torch.cat(shown)
    with torch.no_grad():
        answers = sharp(pictures).argmax(1).tolist()
    return {"label": y.item(), "answers": answers}, {"pictures": (pictures[:, 0] * 255).round().byte().cpu().numpy()}
