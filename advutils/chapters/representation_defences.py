"""Measurements of the chapter on Cutilli 2021, Section 3: networks whose structure should resist attacks."""
from __future__ import annotations

import io
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from advutils import attacks, evaluation, files, layers, models, regularizers, runtime, training
from advutils import data as datasets
from advutils.codehash import code_hash

# Table 3.1, and what Section 3.3.3 wishes for (after the bar in each page). "penalty": "gradient" is Section 3.2.1's.
KINDS = {
    "S": dict(lr=0.002), "RS": dict(lr=0.002, renormalised=True),
    "A": dict(lr=0.0002, renormalised=True, neurons="angular", activation="none"),
    "GMR": dict(lr=0.0009, penalty="gradient"),
    "GMRES": dict(lr=0.002, penalty="gradient", activation="elastic"),
    "PD": dict(lr=0.002, renormalised=True, neurons="pairs"),
    "PD, two weights": dict(lr=0.002, renormalised=True, neurons="weighted pairs"),
    "mean": dict(lr=0.0002, renormalised=True, neurons="mean", activation="none"),
    "GMR, each image": dict(lr=0.0009, penalty="each"),
    "GMR, in [0, 1]": dict(lr=0.0009, penalty="unit"),
    "GMR and curvature": dict(lr=0.0009, penalty="curvature"),
    "FGSM training": dict(lr=0.002, penalty="adversarial"),
}
PENALTY = 0.5  # of the gradient's length, Section 3.3.1
REACH = 1.0  # l2 length in [0, 1] over which "curvature" compares gradients
MOMENTUM = 0.85
BATCH = 20
STATISTICS = 200  # images that the thesis attacks and judges together
VALIDATION = 0.07


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
    options = {name: value for name, value in KINDS[kind].items() if name not in ("lr", "penalty")}
    with runtime.seeded(seed):
        return models.structural(pixels=side * side, **options).to(runtime.device())


def squared(kind: str, logits: Tensor, y: Tensor) -> Tensor:
    """||c - o||^2 of each example (Section 3.3.1): c one-hot; o the sigmoid of the logits, where the kind has one."""
    answers = logits if KINDS[kind].get("activation") == "none" else logits.sigmoid()
    return (F.one_hot(y, logits.shape[1]) - answers).square().sum(1)


def objective(kind: str) -> training.Objective:
    """The mean squared loss and, for some kinds, a penalty on its gradient in pixels of 0 to 255."""
    penalty = KINDS[kind].get("penalty")

    def plain(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        return squared(kind, model(x), y).mean()

    def penalised(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        x = x.detach().requires_grad_()
        losses = squared(kind, model(x), y)
        size = regularizers.gradient_magnitude(losses, x, per_example=penalty == "each")
        return losses.mean() + PENALTY * size * (1 if penalty == "unit" else 1 / 255)

    def curved(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        x = x.detach().requires_grad_()
        losses = squared(kind, model(x), y)
        here, = torch.autograd.grad(losses.sum(), x, create_graph=True)
        away = here.detach().flatten(1)
        away = REACH * (away / torch.linalg.vector_norm(away, dim=1, keepdim=True).clamp(min=1e-30)).view_as(x)
        there, = torch.autograd.grad(squared(kind, model(x + away), y).sum(), x, create_graph=True)
        sizes = torch.linalg.vector_norm(here) + torch.linalg.vector_norm(there - here) / REACH
        return losses.mean() + PENALTY * sizes / len(x) / 255

    def adversarial(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        x = x.detach().requires_grad_()
        gradient, = torch.autograd.grad(squared(kind, model(x), y).sum(), x)
        return plain(model, (x + 77 / 255 * gradient.sign()).clamp(0, 1).detach(), y)

    return {None: plain, "gradient": penalised, "each": penalised, "unit": penalised, "curvature": curved,
            "adversarial": adversarial}[penalty]


def trained(
    *, data: str, kind: str, side: int, epochs: int, seed: int, train_size: int, weights: str,
) -> tuple[nn.Module, training.History]:
    """A network of a kind after ``epochs`` epochs; kept in the cache folder.

    ``weights``: "last", those of the last epoch, which the thesis' code keeps, or "best", those of the epoch with the
    fewest errors on a random 7 % of the images, which are not trained on (what its text says; nothing stops early).
    ``train_size`` 0 means all images. ``history.monitor`` is that error after each epoch, in evaluation mode.
    """
    if weights not in ("last", "best"):
        raise ValueError(f"weights must be 'last' or 'best', got {weights!r}")
    spec = {name: value for name, value in locals().items() if name != "weights"}
    images, labels = loaded(data, "train", side)
    order = torch.randperm(len(labels), generator=runtime.generator(seed)).to(labels.device)
    held, kept = order.split([round(VALIDATION * len(labels)), len(labels) - round(VALIDATION * len(labels))])
    kept = kept[:train_size or None]
    model = network(kind, side=side, seed=seed)
    loosen = layers.Loosening(model, start=0.01, wait=20 * -(-len(kept) // BATCH))
    loss = objective(kind)

    def step(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        found = loss(model, x, y)
        loosen(found.item())
        return found

    path = _checkpoint(spec)

    def monitor(model: nn.Module) -> float:  # also keeps the last weights: training gives back the best ones
        stream = io.BytesIO()
        torch.save(model.state_dict(), stream)
        files.write_sealed(path.with_suffix(".last.pt"), stream.getvalue())
        return evaluation.error_rate(model, images[held], labels[held])

    history = training.train(
        model, images[kept], labels[kept], objective=step if loosen.layers else loss, epochs=epochs, seed=seed,
        batch_size=BATCH, schedule=training.Schedule(KINDS[kind]["lr"], 1.0, momentum=(MOMENTUM, MOMENTUM)),
        monitor=monitor, patience=epochs, checkpoint=path)
    if weights == "last":
        state = torch.load(io.BytesIO(files.read_sealed(path.with_suffix(".last.pt"))), weights_only=True,
                           map_location=images.device)
        model.load_state_dict(state)
    return model.eval(), history


def _checkpoint(spec: dict):
    text = repr([sorted(spec.items()), code_hash(trained), torch.get_num_threads()])
    return runtime.cache_root() / "checkpoints" / f"defence-{files.sha256(text.encode())[:16]}.pt"


# -- Tables 3.2 and 3.3 as the thesis made them --------------------------------------------------------------------


def sign_attack(kind: str, model: nn.Module, x: Tensor, y: Tensor, *, eps: float) -> Tensor:
    """x + eps sign(gradient), clipped: the thesis' attack, on its squared loss and in the mode that the model is in.

    In training mode the gradient goes through the statistics of the minibatch, so images depend on their neighbours.
    """
    leaf = x.detach().requires_grad_()
    gradient, = torch.autograd.grad(squared(kind, model(leaf), y).sum(), leaf)
    return (x + eps * gradient.sign()).clamp(0, 1)


def as_printed(*, spec: dict, against: dict, budgets: list[float], images: int) -> dict:
    """One network as the thesis judges it: last weights, training mode, minibatches of 200, true labels.

    ``spec``: arguments of :func:`trained` without ``weights``; ``against``: those of the network that the black-box
    examples come from. Values: ``clean``, and by budget (in [0, 1]) ``white`` and ``black``, accuracies on the first
    ``images`` test images (0: all); ``untouched``: share of pixels whose gradient is exactly 0, by budget alike;
    ``trials``; ``epochs`` and ``best_epoch``.
    """
    model, history = trained(**spec, weights="last")
    other, _ = trained(**against, weights="last")
    x, y = loaded(spec["data"], "test", spec["side"])
    x, y = x[:images or None], y[:images or None]
    values = {"clean": _in_training(model, x, y), "white": [], "black": [], "untouched": 0.0, "trials": len(y),
              "epochs": len(history.loss), "best_epoch": history.best_epoch}
    for eps in budgets:
        for name, kind, source in (("white", spec["kind"], model), ("black", against["kind"], other)):
            source.train()
            moved = torch.cat([sign_attack(kind, source, *part, eps=eps) for part in _parts(x, y)])
            values[name].append(_in_training(model, moved, y))
            if name == "white":
                inside = (x >= eps) & (x <= 1 - eps)  # where clipping cannot hide a step
                values["untouched"] = ((moved == x) & inside).sum().item() / max(inside.sum().item(), 1)
    return values


def _parts(x: Tensor, y: Tensor):
    return zip(x.split(STATISTICS), y.split(STATISTICS), strict=True)


@torch.no_grad()
def _in_training(model: nn.Module, x: Tensor, y: Tensor) -> float:
    """Accuracy in training mode, a minibatch at a time; the model's running averages are put back."""
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.train()
    right = sum((model(images).argmax(1) == labels).sum().item() for images, labels in _parts(x, y))
    model.load_state_dict(before)
    model.eval()
    return right / len(y)


# -- as one should -------------------------------------------------------------------------------------------------


def judged(
    *, spec: dict, against: dict, budgets: list[float], images: int, steps: int, restarts: int, queries: int,
    query_images: int,
) -> dict:
    """One network, best weights, evaluation mode, under attacks of growing strength, l-infinity.

    Values, accuracies on the first ``images`` test images by budget: ``fgsm`` and ``pgd`` (cross-entropy of the
    logits; ``steps`` steps of 2.5 eps / steps), ``margin`` (:func:`attacks.margin_pgd`, ``restarts`` starts),
    ``transfer`` (PGD examples of another network, ``against``), ``worst``: right under all of these. ``square``: the
    gradient-free attack, ``queries`` queries, on the first ``query_images``, and ``margin_same``, ``margin`` on the same
    images. ``clean`` on those and ``clean_all`` on all test images, ``trials``, ``best_epoch``.
    """
    model, history = trained(**spec, weights="best")
    other, _ = trained(**against, weights="best")
    images_, labels_ = loaded(spec["data"], "test", spec["side"])
    x, y = images_[:images], labels_[:images]
    right = ~evaluation.wrong(model, x, y)
    values: dict = {"clean": right.double().mean().item(), "trials": len(y), "best_epoch": history.best_epoch,
                    "clean_all": 1 - evaluation.error_rate(model, images_, labels_),
                    "square": [], "margin_same": [], "worst": []}
    for eps in budgets:
        walk = dict(eps=eps, step=2.5 * eps / steps, steps=steps)
        found = {
            "fgsm": attacks.fgsm(model, x, y, eps=eps), "pgd": attacks.pgd(model, x, y, **walk),
            "margin": attacks.margin_pgd(model, x, y, **walk, restarts=restarts, generator=generator_for(x, spec)),
            "transfer": attacks.pgd(other, x, y, **walk),
        }
        stands = right.clone()
        for name, moved in found.items():
            survived = ~evaluation.wrong(model, moved, y)
            stands &= survived
            values.setdefault(name, []).append(survived.double().mean().item())
        values["worst"].append(stands.double().mean().item())
        few, truth = x[:query_images], y[:query_images]
        moved = square(model, few, truth, eps=eps, queries=queries, seed=spec["seed"])
        values["square"].append(1 - evaluation.error_rate(model, moved, truth))
        values["margin_same"].append(1 - evaluation.error_rate(model, found["margin"][:query_images], truth))
    return values


def generator_for(x: Tensor, spec: dict) -> torch.Generator:
    """The generator of random starts, on the images' device."""
    return runtime.generator(1000 + spec["seed"], x.device)


def square(model: nn.Module, x: Tensor, y: Tensor, *, eps: float, queries: int, seed: int) -> Tensor:
    """The Square attack (Andriushchenko et al. 2020), l-infinity, of the Adversarial Robustness Toolbox."""
    import numpy as np
    from art.attacks.evasion import SquareAttack
    from art.estimators.classification import PyTorchClassifier

    wrapped = PyTorchClassifier(model, nn.CrossEntropyLoss(), tuple(x.shape[1:]), 10, clip_values=(0.0, 1.0),
                                device_type="gpu" if x.is_cuda else "cpu")
    attack = SquareAttack(wrapped, eps=eps, max_iter=queries, nb_restarts=1, batch_size=len(x), verbose=False)
    before = np.random.get_state()
    np.random.seed(seed)  # it draws from numpy's global state
    try:
        moved = attack.generate(x.cpu().numpy(), F.one_hot(y, 10).cpu().numpy())
    finally:
        np.random.set_state(before)
    return torch.from_numpy(moved).to(x)


def masked(*, spec: dict, eps: float, images: int) -> dict:
    """Is a white-box number gradient masking? The thesis' attack in evaluation mode, best weights, four ways.

    Values, accuracies on the first ``images`` test images: ``squared`` (loss of the thesis, float32), ``squared64`` (the
    same network in float64), ``cross`` (cross-entropy of the logits, float32) and ``cross64``. ``zero_images``: share
    of images whose float32 gradient of the squared loss is 0 in every pixel, ``zero_pixels``: share of such pixels,
    ``zero64``: share of pixels in float64; ``saturated``: share of hidden sigmoids below .001 or above .999.
    """
    model, _ = trained(**spec, weights="best")
    x, y = loaded(spec["data"], "test", spec["side"])
    x, y = x[:images], y[:images]
    values: dict = {}
    for name, dtype in (("", torch.float32), ("64", torch.float64)):
        same, pixels = model.to(dtype), x.to(dtype)
        leaf = pixels.clone().requires_grad_()
        gradient, = torch.autograd.grad(squared(spec["kind"], same(leaf), y).sum(), leaf)
        none = gradient == 0
        values[f"zero{name}"] = none.double().mean().item()
        values[f"zero_images{name}"] = none.flatten(1).all(1).double().mean().item()
        moved = sign_attack(spec["kind"], same, pixels, y, eps=eps)
        values[f"squared{name}"] = 1 - evaluation.error_rate(same, moved, y)
        moved = attacks.fgsm(same, pixels, y, eps=eps)
        values[f"cross{name}"] = 1 - evaluation.error_rate(same, moved, y)
    model.float()
    values["saturated"] = saturation(model, x)
    return values


@torch.no_grad()
def saturation(model: nn.Module, x: Tensor) -> float:
    """Share of the hidden sigmoids that are below .001 or above .999; 0 where there are none."""
    flat, total = 0, 0
    for layer in model:
        x = layer(x)
        if isinstance(layer, nn.Sigmoid | layers.ElasticSigmoid):
            flat, total = flat + ((x < 1e-3) | (x > 1 - 1e-3)).sum().item(), total + x.numel()
    return flat / total if total else 0.0


def surface(*, spec: dict, images: int, reach: float, points: int, seed: int) -> tuple[dict, dict]:
    """The squared loss on a square around test images, spanned by sign(gradient) and a random sign pattern.

    Arrays: ``loss`` (images, points, points), rows along the gradient, and ``shares`` (the steps, in [-reach, reach],
    pixels in [0, 1]; nothing is clipped). The pattern has half of its signs in common with the gradient's.
    Values: ``rise``, mean over images of the largest loss along the gradient minus that at the image, and ``rise_random``.
    """
    model, _ = trained(**spec, weights="best")
    x, y = loaded(spec["data"], "test", spec["side"])
    x, y = x[:images], y[:images]
    leaf = x.clone().requires_grad_()
    gradient, = torch.autograd.grad(squared(spec["kind"], model(leaf), y).sum(), leaf)
    first = gradient.sign()
    half = torch.rand(x.flatten(1).shape, generator=runtime.generator(seed)).to(x).argsort(1) % 2 * 2 - 1
    second = torch.where(first == 0, torch.ones_like(first), first) * half.view_as(x)
    shares = torch.linspace(-reach, reach, points).to(x)
    with torch.no_grad():
        loss = torch.stack([torch.stack([squared(spec["kind"], model(x + a * first + b * second), y) for b in shares], 1)
                            for a in shares], 1)
    middle = points // 2
    here = loss[:, middle, middle]
    values = {"rise": (loss[:, middle:, middle].amax(1) - here).mean().item(),
              "rise_random": (loss[:, middle].amax(1) - here).mean().item()}
    return values, {"loss": loss.cpu().numpy(), "shares": shares.cpu().numpy()}


# -- Section 3.2 ---------------------------------------------------------------------------------------------------


def pixel_pairs(*, data: str, images: int) -> dict:
    """How the pixels of an image compare: shares of pairs of two zeros, of equal pixels, of differences below 10 of 255.

    ``slope``: mean over ordered pairs of sigmoid'(v_a - v_b), pixels 0 to 255; ``length``: mean l2 length of an image.
    """
    x, _ = loaded(data, "test", 28)
    x = (255 * x[:images]).round().flatten(1)
    n = x.shape[1]
    zero, equal, close, slope = 0.0, 0.0, 0.0, 0.0
    for image in x.double():
        apart = (image[:, None] - image[None]).abs()
        other = ~torch.eye(n, dtype=torch.bool, device=x.device)
        blank = image == 0
        zero += ((blank[:, None] & blank[None]) & other).double().sum().item()
        equal += ((apart == 0) & other).sum().item()
        close += ((apart < 10) & other).sum().item()
        slope += (torch.sigmoid(apart) * torch.sigmoid(-apart))[other].sum().item()
    total = len(x) * n * (n - 1)
    return {"zero": zero / total, "equal": equal / total, "close": close / total, "slope": slope / total,
            "nonzero": (x > 0).double().mean().item(), "length": torch.linalg.vector_norm(x, dim=1).mean().item()}


def penalty_units(*, spec: dict, images: int) -> dict:
    """The penalty of Section 3.2.1 on minibatches of 20 of a trained network: one norm a minibatch and one an image.

    Values: ``batch`` and ``each``, means over minibatches, in loss per unit of 255; ``ratio`` of the two means.
    """
    model, _ = trained(**spec, weights="best")
    x, y = loaded(spec["data"], "test", spec["side"])
    sums = {"batch": 0.0, "each": 0.0}
    parts = list(zip(x[:images].split(BATCH), y[:images].split(BATCH), strict=True))
    for part, truth in parts:
        leaf = part.clone().requires_grad_()
        losses = squared(spec["kind"], model(leaf), truth)
        for name in sums:
            size = regularizers.gradient_magnitude(losses, leaf, per_example=name == "each")
            sums[name] += size.item() / 255 / len(parts)
    return sums | {"ratio": sums["each"] / sums["batch"], "bound": BATCH ** 0.5}


# -- Section 3.3.3 -------------------------------------------------------------------------------------------------


def neighbours(*, spec: dict, eps: float, images: int) -> dict:
    """Does it matter whose statistics the attacker and the judge use? Last weights, the thesis' attack.

    Values: ``clean`` and ``attacked``, each {"training", "evaluation"}: accuracy where network, attack and judge are in
    that mode; ``crossed``: images attacked in training mode, judged in evaluation mode; ``alone``: one image a
    minibatch attacked in training mode, its 199 neighbours clean (the change of its own answer is what counts).
    """
    model, _ = trained(**spec, weights="last")
    x, y = loaded(spec["data"], "test", spec["side"])
    x, y = x[:images], y[:images]
    attack = partial(sign_attack, spec["kind"], model, eps=eps)
    settled = attack(x, y)
    values: dict = {"clean": {"evaluation": 1 - evaluation.error_rate(model, x, y), "training": _in_training(model, x, y)}}
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.train()
    together = torch.cat([attack(*part) for part in _parts(x, y)])
    right = 0
    with torch.no_grad():
        for (part, truth), moved in zip(_parts(x, y), together.split(STATISTICS), strict=True):
            for number in range(len(truth)):
                mixed = part.clone()
                mixed[number] = moved[number]
                right += (model(mixed)[number].argmax() == truth[number]).item()
    model.load_state_dict(before)
    model.eval()
    return values | {
        "attacked": {"evaluation": 1 - evaluation.error_rate(model, settled, y),
                     "training": _in_training(model, together, y)},
        "crossed": 1 - evaluation.error_rate(model, together, y), "alone": right / len(y)}
