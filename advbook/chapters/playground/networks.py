"""Which networks the playground has: those of the chapters, with the parameters of the chapters' records.

Only maxout (15 epochs for 40), A (30 for 100) and the network trained on FGSM images (40 for 100) are trained more
briefly than there, to save time.
"""

from __future__ import annotations

LYU = dict(data="mnist", matmul="medium", seed=0)
CUTILLI = dict(data="mnist", side=28, epochs=100, seed=0, train_size=0)
# name in files and links: the network's title in the page, how its logits become answers, and what it is
NETWORKS = {
    "sigmoid": dict(
        title="Sigmoid network, plain",
        answer="softmax",
        family="dense",
        spec=LYU | dict(network="sigmoid-mlp", penalty="none", epochs=60),
    ),
    "sigmoid-p2": dict(
        title="Sigmoid network, p = 2 regularised",
        answer="softmax",
        family="dense",
        spec=LYU | dict(network="sigmoid-mlp", penalty="perturbation", p=2, sigma=1.0, epochs=60),
    ),
    "maxout": dict(
        title="Maxout network with dropout",
        answer="softmax",
        family="dense",
        spec=LYU | dict(network="maxout-mlp", penalty="none", epochs=15),
    ),
    "thesis-S": dict(title="Thesis S: plain", answer="sigmoid", family="structural", spec=CUTILLI | dict(kind="S")),
    "thesis-A": dict(
        title="Thesis A: angular neurons", answer="none", family="structural", spec=CUTILLI | dict(kind="A", epochs=30)
    ),
    "fgsm-trained": dict(
        title="S trained on FGSM images",
        answer="sigmoid",
        family="structural",
        spec=CUTILLI | dict(kind="FGSM training", epochs=40),
    ),
}
DIGITS = dict(data="mnist", chooser="sigmoid-p2")  # the network that chooses the doubtful ones
COMMON = dict(data="mnist", images=600, passes=5, eps=0.3, seed=0)  # of the universal perturbation


def member(name: str) -> dict:
    """What the measurements take of a network: its family and spec. ``ValueError`` for an unknown name."""
    if name not in NETWORKS:
        raise ValueError(f"no network {name!r} in the playground; there are {', '.join(NETWORKS)}")
    return {part: NETWORKS[name][part] for part in ("family", "spec")}
