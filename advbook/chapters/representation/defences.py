"""Measurements of the chapter on Cutilli 2021, Section 3: networks whose structure should resist attacks."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from advbook import networks
from advutils import attacks, datasets, evaluation, layers, models, training
from advutils.core import norms, runtime
from advutils.training import regularizers

# Table 3.1; then what Sections 3.3.2 and 3.3.3 wonder about, with controls; then the rival. "times" multiplies PENALTY.
KINDS = {
    "S": dict(lr=0.002),
    "RS": dict(lr=0.002, renormalised=True),
    "A": dict(lr=0.0002, renormalised=True, neurons="angular", activation="none"),
    "GMR": dict(lr=0.0009, penalty="gradient"),
    "GMRES": dict(lr=0.002, penalty="gradient", activation="elastic"),
    "PD": dict(lr=0.002, renormalised=True, neurons="pairs"),
    "PD, two weights": dict(lr=0.002, renormalised=True, neurons="weighted pairs"),
    "S, rate of GMR": dict(lr=0.0009),
    "GMR, each image": dict(lr=0.0009, penalty="each"),
    "GMR x 10": dict(lr=0.0009, penalty="gradient", times=10),
    "GMR x 30": dict(lr=0.0009, penalty="gradient", times=30),
    "GMR x 255": dict(lr=0.0009, penalty="gradient", times=255),
    "GMR x 10, curvature": dict(lr=0.0009, penalty="curvature", times=10),
    "S, elastic": dict(lr=0.002, activation="elastic"),
    "A, sigmoids": dict(lr=0.002, renormalised=True, neurons="angular"),
    "shares, sigmoids": dict(lr=0.002, renormalised=True, neurons="share"),
    "means, sigmoids": dict(lr=0.002, neurons="mean"),  # renormalised, it would lose the bound on its gradient
    "FGSM training": dict(lr=0.002, penalty="adversarial", eps=0.1, steps=1),
    "PGD training": dict(lr=0.002, penalty="adversarial", eps=0.1, steps=7),
}
TRAINING = ("lr", "penalty", "times", "eps", "steps")  # entries of KINDS that are not about the network's structure
PENALTY = 0.5  # of the gradient's length, Section 3.3.1
REACH = 1.0  # l2 length in [0, 1] over which "curvature" compares gradients
MOMENTUM = 0.85
BATCH = 20
STATISTICS = 200  # images that the thesis attacks and judges together
VALIDATION = 0.07
# Chainer computes a sigmoid by tanh, on a CPU in the type of its argument, on a GPU in double precision. Where slopes
# are rounded to 0 decides what the thesis' attack can do.
ARITHMETIC = {
    "chainer cpu": layers.TanhSigmoid(),
    "chainer gpu": layers.TanhSigmoid(double=True),
    "torch": nn.Sigmoid(),
}
FEW = 100  # images that Pairwise Difference is attacked on, and so all kinds for its sake


def loaded(name: str, split: str, side: int) -> tuple[Tensor, Tensor]:
    """Images of ``side`` pixels (28, or fewer by averaging squares of pixels) and labels, on the device."""
    images, labels = datasets.load(name, split=split)
    if images.shape[-1] % side:
        raise ValueError(f"side must divide {images.shape[-1]}, got {side}")
    return F.avg_pool2d(images, images.shape[-1] // side).to(runtime.device()), labels.to(runtime.device())


def network(kind: str, *, side: int, seed: int) -> nn.Sequential:
    """An untrained network of a kind."""
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    options = {name: value for name, value in KINDS[kind].items() if name not in TRAINING}  # type: ignore[attr-defined]
    with runtime.seeded(seed):
        return models.structural(pixels=side * side, **options).to(runtime.device())


def squared(kind: str, logits: Tensor, y: Tensor, *, sigmoid: Callable[[Tensor], Tensor] = torch.sigmoid) -> Tensor:
    """||c - o||^2 of each example (Section 3.3.1): c one-hot; o the sigmoid of the logits, where the kind has one."""
    answers = logits if KINDS[kind].get("activation") == "none" else sigmoid(logits)  # type: ignore[attr-defined]
    return (F.one_hot(y, logits.shape[1]) - answers).square().sum(1)


def objective(kind: str) -> training.Objective:
    """The mean squared loss and, for some kinds, PENALTY (times a factor) times a length of its gradient.

    "gradient": as in the thesis' code, one length a minibatch, pixels of 0 to 255 (255 times as much is one with pixels
    of [0, 1]); "each": the mean over images; "curvature": "gradient" and the change of the gradient over a step of l2
    length ``REACH`` along it, over ``REACH`` (finite differences in place of third derivatives; Moosavi-Dezfooli et al.
    2019). "adversarial": no penalty, the loss of images that were moved by projected gradient ascent on it, or by one
    step of eps (the thesis' attack) where ``steps`` is 1.
    """
    penalty, weight = KINDS[kind].get("penalty"), PENALTY * KINDS[kind].get("times", 1) / 255  # type: ignore[attr-defined]

    def plain(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        return squared(kind, model(x), y).mean()

    def penalised(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        x = x.detach().requires_grad_()
        losses = squared(kind, model(x), y)
        return losses.mean() + weight * regularizers.gradient_magnitude(losses, x, per_example=penalty == "each")

    def curved(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        x = x.detach().requires_grad_()
        losses = squared(kind, model(x), y)
        (here,) = torch.autograd.grad(losses.sum(), x, create_graph=True)
        away = REACH * norms.steepest(here.detach(), 2)  # of a sure image, a gradient as small as 1e-21
        (there,) = torch.autograd.grad(squared(kind, model(x + away), y).sum(), x, create_graph=True)
        sizes = torch.linalg.vector_norm(here) + torch.linalg.vector_norm(there - here) / REACH
        return losses.mean() + weight * sizes / len(x)

    def adversarial(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        eps, steps, moved = KINDS[kind]["eps"], KINDS[kind]["steps"], x  # type: ignore[index]
        for _ in range(steps):
            moved = sign_attack(kind, model, moved, y, eps=min(eps, 2.5 * eps / steps))
            moved = torch.minimum(torch.maximum(moved, x - eps), x + eps)
        return plain(model, moved, y)

    return {None: plain, "gradient": penalised, "each": penalised, "curvature": curved, "adversarial": adversarial}[
        penalty
    ]


def trained(*, weights: str, **spec) -> tuple[nn.Module, training.History]:
    """The network of :func:`train_defence` and its history; kept, so that a second call only loads it.

    ``weights``: "last", those of the last epoch, which the thesis' code keeps, or "best", those of the epoch with the
    fewest errors on held-out images (what its text says). The parameters want no gradients, which attacks have no use
    for.
    """
    if weights not in ("last", "best"):
        raise ValueError(f"weights must be 'last' or 'best', got {weights!r}")
    model, history = networks.kept(train_defence, spec, restore=weights == "best")
    return model.eval().requires_grad_(False), history


def train_defence(
    *, checkpoint: Path, restore: bool, data: str, kind: str, side: int, epochs: int, seed: int, train_size: int
) -> tuple[nn.Module, training.History]:
    """Train a network of a kind for ``epochs`` epochs (nothing stops early); the best weights, or with ``restore``
    False the last ones.

    A random 7 % of the images are not trained on; ``history.monitor`` is the error on these after each epoch, in
    evaluation mode, and the best weights are those where it is smallest. ``train_size`` 0 means all other images.
    """
    images, labels = loaded(data, "train", side)
    order = torch.randperm(len(labels), generator=runtime.generator(seed)).to(labels.device)
    held, kept = order.split([round(VALIDATION * len(labels)), len(labels) - round(VALIDATION * len(labels))])
    kept = kept[: train_size or None]
    model = network(kind, side=side, seed=seed)
    loosen = layers.Loosening(model, start=0.01, wait=20)  # the thesis' code looks at the last minibatch of each epoch
    loss, latest = objective(kind), []

    def step(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        latest[:] = [loss(model, x, y)]
        return latest[0]

    def monitor(model: nn.Module) -> float:
        loosen(latest[0].item())
        return evaluation.error_rate(model, images[held], labels[held])

    return model, training.train(
        model,
        images[kept],
        labels[kept],
        objective=step,
        epochs=epochs,
        seed=seed,
        batch_size=BATCH,
        schedule=training.Schedule(KINDS[kind]["lr"], 1.0, momentum=(MOMENTUM, MOMENTUM)),  # type: ignore[index]
        monitor=monitor,
        patience=epochs,
        checkpoint=checkpoint,
        restore=restore,
    )


# -- Tables 3.2 and 3.3 --------------------------------------------------------------------------------------------


def as_printed(
    *, spec: dict, against: dict, budgets: list[float], images: int, arithmetic: str = "chainer cpu"
) -> tuple[dict, dict]:
    """Tables 3.2 and 3.3: one network under the thesis' attack, as the thesis judges it and as one should.

    ``spec``: arguments of :func:`trained` without ``weights``; ``against``: those of the network that the black-box
    examples come from. The first ``images`` test images (0: all), true labels. Values under "thesis" (last weights,
    training mode, minibatches of 200, sigmoids in ``arithmetic``, an entry of :data:`ARITHMETIC`: the thesis' testbench
    asks for a GPU, so its own is "chainer gpu") and under "settled" (best weights, evaluation mode, torch's sigmoids):
    ``clean``, and by budget (in [0, 1]) ``white`` and ``black``, accuracies, ``zero``, the share of pixels in
    which the gradient is exactly 0, and ``scales``, the factors that Elastic Sigmoids have learnt, by layer (empty
    where there are none; under "thesis" that of the last layer alone). Also ``trials``,
    ``best_epoch``. Arrays by epoch: ``loss`` and ``validation`` (error on the held-out images).
    """
    x, y = loaded(spec["data"], "test", spec["side"])
    x, y = x[: images or None], y[: images or None]
    values: dict = {"trials": len(y)}
    for name, weights, mode, sigmoid in (
        ("thesis", "last", batch_statistics, sigmoid_in(arithmetic)),
        ("settled", "best", runtime.evaluating, torch.sigmoid),
    ):
        model, history = trained(**spec, weights=weights)
        other, _ = trained(**against, weights=weights)
        if name == "thesis":
            model, other = with_sigmoid(model, sigmoid), with_sigmoid(other, sigmoid)
        found = values[name] = {"scales": [layer.scale.item() for layer in model if isinstance(layer, layers.Elastic)]}  # type: ignore[attr-defined]
        with mode(model), mode(other):
            found["clean"] = accuracy(model, x, y)
            for who, kind, source in (("white", spec["kind"], model), ("black", against["kind"], other)):
                signs = torch.cat([gradient(kind, source, *part, sigmoid=sigmoid).sign() for part in parts(x, y)])
                found[who] = [accuracy(model, (x + eps * signs).clamp(0, 1), y) for eps in budgets]
                if who == "white":
                    found["zero"] = share(signs == 0)
    return values | {"best_epoch": history.best_epoch}, {"loss": history.loss, "validation": history.monitor}


def parts(x: Tensor, y: Tensor):
    """Images and labels, as many at a time as the thesis judges together."""
    return zip(x.split(STATISTICS), y.split(STATISTICS), strict=True)


@torch.no_grad()
def accuracy(model: nn.Module, x: Tensor, y: Tensor) -> float:
    """Share of right answers in the mode that the model is in, :data:`STATISTICS` images at a time."""
    return sum((model(images).argmax(1) == labels).sum().item() for images, labels in parts(x, y)) / len(y)


def sigmoid_in(arithmetic: str) -> nn.Module:
    """The sigmoid as one of :data:`ARITHMETIC` computes it; ``ValueError`` for another name."""
    if arithmetic not in ARITHMETIC:
        raise ValueError(f"arithmetic must be one of {', '.join(ARITHMETIC)}, got {arithmetic!r}")
    return ARITHMETIC[arithmetic]


def with_sigmoid(model: nn.Sequential, sigmoid: nn.Module) -> nn.Sequential:
    """A copy of a network whose sigmoids are computed by ``sigmoid``, a layer without parameters."""
    found = copy.deepcopy(model)
    for place, layer in enumerate(found):
        if isinstance(layer, layers.ElasticSigmoid):
            stretched = layers.Elastic()
            stretched.scale = layer.scale
            found[place] = nn.Sequential(stretched, sigmoid)
        elif isinstance(layer, nn.Sigmoid):
            found[place] = sigmoid
    return found


def gradient(
    kind: str, model: nn.Module, x: Tensor, y: Tensor, *, sigmoid: Callable[[Tensor], Tensor] = torch.sigmoid
) -> Tensor:
    """The gradient of the thesis' loss, summed over the images, in the mode that the model is in.

    In training mode it goes through the statistics of the minibatch, so that an image's depends on its neighbours.
    """
    leaf = x.detach().requires_grad_()
    return torch.autograd.grad(squared(kind, model(leaf), y, sigmoid=sigmoid).sum(), leaf)[0]


def sign_attack(
    kind: str,
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    eps: float,
    sigmoid: Callable[[Tensor], Tensor] = torch.sigmoid,
) -> Tensor:
    """x + eps sign(:func:`gradient`), clipped: the thesis' attack."""
    return (x + eps * gradient(kind, model, x, y, sigmoid=sigmoid).sign()).clamp(0, 1).detach()


@contextmanager
def batch_statistics(model: nn.Module):
    """Put ``model`` in training mode for a block, as the thesis tests, and give it back in evaluation mode, unchanged.

    The limits of batch renormalisation are not stored by the thesis' code: it tests as batch normalisation.
    """
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.train()
    for layer in model.modules():
        if isinstance(layer, layers.BatchRenorm):
            layer.r_max.fill_(1)
            layer.d_max.fill_(0)
    try:
        yield model
    finally:
        model.load_state_dict(before)
        model.eval()


# -- as one should -------------------------------------------------------------------------------------------------


def judged(
    *,
    spec: dict,
    against: dict,
    budgets: list[float],
    images: int,
    steps: int,
    restarts: int,
    queries: int,
    query_images: int,
) -> dict:
    """One network, best weights, evaluation mode, under attacks of growing strength, l-infinity.

    Values, accuracies on the first ``images`` test images by budget: ``fgsm`` and ``pgd`` (cross-entropy of the
    logits; ``steps`` steps of 2.5 eps / steps), ``margin`` (:func:`attacks.margin_pgd`, ``restarts`` starts), ``wide``
    (the same, two starts, along the gradients of :func:`widened`), all in double precision, so that fewer gradients are
    rounded to 0; ``transfer`` and ``transfer_wide``: examples of another network, ``against``, by the second and fourth
    of these; ``worst``: right without an attack and under all of these. On the first ``query_images``:
    ``before_square``, the same; ``square``, right without an attack and under the one without gradients, with
    ``queries`` queries; ``all``, both; ``few``, the last on the first :data:`FEW`.
    ``clean`` on the images, ``clean_same`` on the first ``query_images``, and ``clean_all`` on all test images,
    ``trials``, ``best_epoch``.
    """
    model, history = trained(**spec, weights="best")
    other, _ = trained(**against, weights="best")
    everything = loaded(spec["data"], "test", spec["side"])
    x, y = (part[:images] for part in everything)
    right, few = ~evaluation.wrong(model, x, y), slice(query_images)
    values: dict = {
        "clean": share(right),
        "clean_same": share(right[few]),
        "trials": len(y),
        "best_epoch": history.best_epoch,
        "clean_all": 1 - evaluation.error_rate(model, *everything),
    }
    sharp, blunt, exact = copy.deepcopy(model).double(), other.double(), x.double()
    soft, other_soft = widened(sharp, exact), widened(blunt, exact)
    for eps in budgets:
        walk = dict(eps=eps, step=2.5 * eps / steps, steps=steps)
        starts = [runtime.generator(base + spec["seed"]) for base in (1000, 2000, 3000)]
        moved = {
            "fgsm": attacks.fgsm(sharp, exact, y, eps=eps),
            "pgd": attacks.pgd(sharp, exact, y, **walk),
            "margin": attacks.margin_pgd(sharp, exact, y, **walk, restarts=restarts, generator=starts[0]),
            "wide": attacks.margin_pgd(soft, exact, y, **walk, restarts=min(restarts, 2), generator=starts[1]),
            "transfer": attacks.pgd(blunt, exact, y, **walk),
            "transfer_wide": attacks.margin_pgd(other_soft, exact, y, **walk, restarts=1, generator=starts[2]),
        }
        found = {name: ~evaluation.wrong(sharp, images, y) for name, images in moved.items()}
        found["worst"] = torch.stack([right, *found.values()]).all(0)
        found["before_square"], found["square"] = found["worst"][few], right[few].clone()
        left = found["square"].nonzero().flatten()
        if len(left):
            blind = square(model, x[left], y[left], eps=eps, queries=queries, seed=spec["seed"])
            found["square"][left] = ~evaluation.wrong(model, blind, y[left])
        found["all"] = found["before_square"] & found["square"]
        found["few"] = found["all"][:FEW]
        for name, survived in found.items():
            values.setdefault(name, []).append(share(survived))
    return values


class Wide(nn.Module):
    """A sigmoid's own answers, with the slopes of one that is ``width`` times as wide: a saturated one still has a
    direction (backward pass differentiable approximation, Athalye et al. 2018)."""

    def __init__(self, sigmoid: nn.Sigmoid | layers.ElasticSigmoid, width: float):
        super().__init__()
        self.sigmoid, self.width = sigmoid, width

    def forward(self, x: Tensor) -> Tensor:
        soft = torch.sigmoid(_potential(self.sigmoid, x) / self.width)
        return soft + (self.sigmoid(x) - soft).detach()


def _potential(sigmoid: nn.Sigmoid | layers.ElasticSigmoid, x: Tensor) -> Tensor:
    return sigmoid.scale * x if isinstance(sigmoid, layers.ElasticSigmoid) else x


@torch.no_grad()
def widened(model: nn.Sequential, x: Tensor) -> nn.Sequential:
    """A copy of ``model`` with the same answers, whose hidden sigmoids have the slopes of :class:`Wide`.

    A sigmoid's width is the standard deviation of what it sees of the images ``x``, at least 1.
    """
    found = copy.deepcopy(model)
    for place, layer in enumerate(found):
        if isinstance(layer, nn.Sigmoid | layers.ElasticSigmoid):
            found[place] = Wide(layer, max(_potential(layer, x).std().item(), 1.0))
        x = found[place](x)
    return found


def share(which: Tensor) -> float:
    """Share of what is true."""
    return which.double().mean().item()


def square(model: nn.Module, x: Tensor, y: Tensor, *, eps: float, queries: int, seed: int) -> Tensor:
    """The Square attack (Andriushchenko et al. 2020), l-infinity, of the Adversarial Robustness Toolbox."""
    import numpy as np

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of progress bars that nobody will see
        from art.attacks.evasion import SquareAttack
        from art.estimators.classification import PyTorchClassifier

    wrapped = PyTorchClassifier(
        model,
        nn.CrossEntropyLoss(),
        tuple(x.shape[1:]),
        10,
        clip_values=(0.0, 1.0),
        device_type="gpu" if x.is_cuda else "cpu",
    )
    attack = SquareAttack(wrapped, eps=eps, max_iter=queries, nb_restarts=1, batch_size=len(x), verbose=False)
    before = np.random.get_state()
    np.random.seed(seed)  # it draws from numpy's global state
    try:
        moved = attack.generate(x.cpu().numpy(), F.one_hot(y, 10).cpu().numpy())
    finally:
        np.random.set_state(before)
    return torch.from_numpy(moved).to(x)
