"""What a network sees in a photograph of scikit-image when every pixel moves one step against it.

``python -m advbook.chapters.front_page.photograph`` makes the record that the front page shows.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from advbook import ledger
from advutils import models
from advutils.core import runtime
from advutils.core._torchvision import torchvision
from advutils.datasets import photographs

BUDGETS = [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 1.5, 2, 3, 4, 6, 8, 12, 16]  # in 255ths, as pictures are stored
PARAMETERS = {"photograph": "coffee", "network": "inception_v1", "budgets": BUDGETS}
PLACE = {"profile": "standard", "chapter": "front-page"}


def square(image: Tensor, size: int) -> Tensor:
    """The middle of an image (3, H, W) in [0, 1] as (1, 3, size, size), in steps of 1/255."""
    side = min(image.shape[1:])
    top, left = (image.shape[1] - side) // 2, (image.shape[2] - side) // 2
    middle = image[None, :, top : top + side, left : left + side]
    small = F.interpolate(middle, size=size, mode="bilinear", antialias=True, align_corners=False)
    return (small.clamp(0, 1) * 255).round() / 255


def class_names() -> list[str]:
    """The first name of each of ImageNet's 1,000 classes."""
    torchvision()  # timm imports it
    from timm.data import ImageNetInfo

    info = ImageNetInfo()
    return [info.index_to_description(number).split(",")[0] for number in range(1000)]


def record(replay: str = "only") -> ledger.Record:
    """The record that the front page shows; :class:`advbook.ledger.MissingRecord` says how to make it."""
    command = "python -m advbook.chapters.front_page.photograph"
    return ledger.measure(one_step, PARAMETERS, **PLACE, replay=replay, command=command)


def one_step(*, photograph: str, network: str, budgets: list[float]) -> tuple[dict, dict]:
    """FGSM (Goodfellow et al. 2015) on one photograph, along one gradient, at each budget (in 255ths).

    The label is the network's own answer. Values: ``answers``, for each budget the three most probable classes as
    ``[name, probability]``; ``first_wrong``, the smallest budget with another answer (null: none). Arrays: ``image``
    (3, S, S) uint8 and ``step`` (3, S, S) int8, the sign of the gradient.
    """
    model = models.pretrained(network).to(runtime.device())
    names = class_names()
    image = square(photographs.photograph(photograph), models.input_size(network)).to(runtime.device())
    image.requires_grad_()
    logits = model(image)
    (gradient,) = torch.autograd.grad(F.cross_entropy(logits, logits.argmax(1)), image)
    step, answers = gradient.sign(), []
    for budget in budgets:
        with torch.no_grad():
            found = model((image + budget / 255 * step).clamp(0, 1)).softmax(1)[0].topk(3)
        answers.append([[names[k], p] for p, k in zip(found.values.tolist(), found.indices.tolist(), strict=True)])
    wrong = [budget for budget, each in zip(budgets, answers, strict=True) if each[0][0] != answers[0][0][0]]
    values = {"answers": answers, "first_wrong": min(wrong, default=None)}
    pixels = (image.detach()[0] * 255).round().to(torch.uint8).cpu().numpy()
    return values, {"image": pixels, "step": step[0].to(torch.int8).cpu().numpy()}


if __name__ == "__main__":
    from advbook.chapters.front_page import photograph  # so that the record knows the function by its module's name

    print(photograph.record("auto").path)
