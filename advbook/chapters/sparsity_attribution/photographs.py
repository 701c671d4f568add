"""How much a budget changes a photograph: one step of the fast gradient sign method at several sizes."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from advbook.chapters.answers import answers, squares, stored
from advbook.chapters.sparsity_attribution.pipeline import trained
from advutils import attacks, models
from advutils.core import runtime
from advutils.models.pretrained import FILES

SMALL = 32  # pixels a side, of the crops that the chapter's own networks are trained on


def under_budgets(*, photograph: str, network: str, budgets: list[float], **spec) -> tuple[dict, dict]:
    """FGSM (Goodfellow et al. 2015) on one photograph at each of ``budgets`` (in [0, 1]); label: the network's answer.

    ``network`` is a pretrained one, or one of the chapter's with the ``spec`` of its training on photographs.

    Values: ``answers``, ``[name, probability]`` by budget, of the picture in 8 bits that :func:`picture` shows. Array:
    ``step`` (3, S, S) int8, the sign of the gradient.
    """
    known = network in FILES
    model: nn.Module = models.pretrained(network).to(runtime.device()) if known else trained(network=network, **spec)[0]
    x = squares([photograph], models.input_size(network) if known else SMALL)
    with torch.no_grad():
        y = model(x).argmax(1)
    with runtime.evaluating(model):
        step = attacks.ascent_direction(model, x, y).sign()
    found = [answers(model, moved(x, step, budget))[0] for budget in budgets]
    return {"answers": found}, {"step": step[0].to(torch.int8).cpu().numpy()}


def moved(x: Tensor, step: Tensor, budget: float) -> Tensor:
    """``x`` one step away, in 8 bits."""
    return stored(x + budget * step)


def picture(record, budget: float) -> np.ndarray:
    """What the network saw at a budget, (S, S, 3) in 8 bits, from a record of :func:`under_budgets`."""
    step = torch.from_numpy(record.arrays["step"]).float()
    image = moved(squares([record.parameters["photograph"]], step.shape[-1]).cpu(), step, budget)
    return (image[0].permute(1, 2, 0) * 255).round().byte().numpy()
