"""The smallest parameters of each kind of measurement."""

SOFT = dict(kernel="gaussian", bandwidth=10.0, alpha=0.9)
DENSE = dict(data="digits", network="sigmoid-mlp", width=10, batch_size=50, epochs=1, train_size=100)
PLAIN = DENSE | dict(penalty="none", seed=0)
TAUGHT = PLAIN | dict(width=30, epochs=8, train_size=0)
CONV = dict(
    data="digits",
    penalty="perturbation",
    p=2,
    sigma=0.5,
    epochs=2,
    seed=0,
    train_size=40,
    width=0.1,
    batch_size=20,
    optimizer="adam",
    lr=0.001,
)
COLOUR = CONV | dict(data="photographs", penalty="none", epochs=1, mask="fresh", width=0.05)
SHAPES = dict(size=64, scales=[7, 12], one_scale=True, limit=2, images=40, epochs=1)
COUNTER = SHAPES | dict(
    plan="small",
    width=0.5,
    batch_size=20,
    lr=1e-3,
    precision="float32",
    activation="softplus",
    renormalised=True,
    seed=0,
)
KIND = dict(data="digits", side=7, epochs=1, train_size=60)
STRUCTURES = [
    KIND | dict(kind=kind, seed=0) for kind in ("RS", "A", "GMRES", "PD", "PGD training", "GMR x 10, curvature")
]
OTHER = KIND | dict(kind="S", seed=1000)
SPARSE = dict(data="photographs", network="resnet-tiny", epochs=1, train_size=64, seed=0)
ROOM = dict(data="photographs", split=0, training=12)
ASCENT = ROOM | dict(method="ascent", networks=["photographs-0"], augment=False, p="inf", passes=1, batch_size=5)
UNIVERSAL = ROOM | dict(method="deepfool", networks=["photographs-0"], augment=True, p="inf", passes=1, num_classes=2)
WALKS = [
    ("fgsm", dict(p="inf", eps=0.1), {}),
    ("pgd", dict(p=2, eps=1.0, step=0.5, steps=2, sphere=True), {}),
    ("carlini_wagner", dict(steps=3, search_steps=1), {}),
    ("smooth_pgd", dict(eps=1.0, step=0.5, steps=2, smooth="gradient"), SOFT),
    ("smooth_carlini_wagner", dict(steps=3, search_steps=1), SOFT),
]
CALLS = [dict(attack=attack, options=options, smoothing=smoothing) for attack, options, smoothing in WALKS]
SURE = [
    ("attacks.network", dict(network="lenet", data="digits", epochs=1, seed=0, train_size=200)),
    ("smooth_adversarial.classifier", dict(data="digits", adversarial=False, epochs=1, seed=0)),
    ("smooth_adversarial.natural", dict(data="photographs", network="resnet8")),
    ("sparsity_attribution.trained", SPARSE | dict(regularizer="base", factor=0.0)),
    ("gradient_regularization_convolutional.named", PLAIN),
    ("representation_defences.trained", KIND | dict(kind="S", seed=0, weights="last")),
]
PLACES = [
    dict(data="digits", network="c4", adversarial=False, epochs=1, seed=0, first=0, images=4),
    dict(data="photographs", network="resnet8", first=0, images=3),
]
SEARCHES = [
    dict(attack="carlini_wagner", options=dict(steps=3, search_steps=1, variable="clip"), smoothing={}),
    dict(attack="smooth_carlini_wagner", options=dict(steps=3, search_steps=1), smoothing=SOFT),
]
