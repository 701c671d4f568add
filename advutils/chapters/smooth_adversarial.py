"""Measurements of the chapter on Zhang, Avrithis, Furon and Amsaleg 2019: networks on MNIST, attacks with smoothing."""
from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from advutils import attacks, data, files, models, runtime, training
from advutils.codehash import code_hash

ADAM = training.Schedule(lr=1e-3, lr_divisor=1.0)
TRAINING_EPS = 0.3  # of the fast gradient sign method in adversarial training
SMOOTHED_LABELS = 1 / 9  # targets of .9 and .1 / 9, as in the authors' code


def natural_loss(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Cross-entropy with targets .9 for the class and .1 / 9 for each other one."""
    return F.cross_entropy(model(x), y, label_smoothing=SMOOTHED_LABELS)


def adversarial_loss(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """The mean of the loss on images and on their fast gradient sign attack, which ascends on the predicted class."""
    z = model(x)
    moved = attacks.fgsm(model, x, z.argmax(1), eps=TRAINING_EPS)
    both = F.cross_entropy(torch.cat([z, model(moved)]), torch.cat([y, y]), label_smoothing=SMOOTHED_LABELS)
    return both


def classifier(*, data: str, adversarial: bool, epochs: int, seed: int) -> nn.Sequential:
    """C4, trained naturally or adversarially; kept in the cache folder, so that a second call only loads it."""
    spec = dict(locals())
    images, labels = loaded(data, "train")
    with runtime.seeded(seed):
        model = models.c4().to(images.device)
    objective = adversarial_loss if adversarial else natural_loss
    code = [code_hash(part) for part in (training.train, models.c4, objective)]
    name = files.sha256(repr([sorted(spec.items()), code, torch.get_num_threads()]).encode())[:16]
    training.train(model, images, labels, objective=objective, epochs=epochs, seed=seed, schedule=ADAM,
                   optimizer="adam", batch_size=128, checkpoint=runtime.cache_root() / "checkpoints" / f"c4-{name}.pt")
    return model.eval()


def loaded(name: str, split: str) -> tuple[Tensor, Tensor]:
    """Images and labels on the device of the measurements."""
    images, labels = data.load(name, split=split)
    return images.to(runtime.device()), labels.to(runtime.device())
