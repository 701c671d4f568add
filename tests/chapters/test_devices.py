"""Every measurement of the notebooks runs on a device that is not the CPU and changes no flag of the process."""

import ast
import importlib

import pytest
import torch
from smallest import (
    ASCENT,
    CALLS,
    COLOUR,
    CONV,
    COUNTER,
    DENSE,
    OTHER,
    PLACES,
    PLAIN,
    ROOM,
    SEARCHES,
    SOFT,
    SPARSE,
    STRUCTURES,
    SURE,
    TAUGHT,
    UNIVERSAL,
)

from advbook import paths
from advbook.ledger import canonical
from advutils.datasets import photographs

CASES = {
    "attacks.comparison": {
        "paths": [dict(start=[0.33, 0.42], eps=0.2, step=0.05, steps=2)],
        "search_cost": [
            dict(
                network="lenet",
                data="digits",
                epochs=1,
                seed=0,
                images=4,
                first=0,
                steps=20,
                search_steps=[1, 2],
                train_size=200,
            )
        ],
    },
    "attacks.sure": {
        "sure_share": [dict(loader=loader, spec=spec, images=3, eps=0.1, steps=2) for loader, spec in SURE]
    },
    "gradient_regularization.dense": {
        "dense_network": [
            DENSE
            | dict(
                network=network,
                penalty=penalty,
                p=2,
                sigma=0.5,
                seed=0,
                noise=[0.1],
                draws=1,
                attack_images=5,
                attack_l2=[0.5],
                attack_linf=[0.05],
            )
            for network, penalty in (("sigmoid-mlp", "perturbation"), ("maxout-mlp", "penalty"))
        ]
    },
    "gradient_regularization.convolutional": {
        "convolutional_network": [spec | dict(noise=[0.1], draws=1) for spec in (CONV, COLOUR)],
        "attacked": [
            dict(
                spec=spec,
                images=4,
                eps_l2=[0.5],
                eps_linf=[0.05],
                steps=2,
                search_steps=1,
                search_iterations=3,
                search_images=2,
            )
            for spec in (CONV, PLAIN)
        ],
        "transferred": [dict(source=CONV, target=PLAIN, images=4, eps=0.5, steps=2)],
        "along": [dict(spec=CONV, images=4, lengths=[0.1], seed=0)],
        "one_step": [dict(spec=CONV, images=4, lengths=[0.1], seed=0)],
        "fitted": [dict(spec=CONV, images=4)],
    },
    "gradient_regularization.cost": {
        "training_cost": [dict(data="digits", network="sigmoid-mlp", images=100, rounds=1, seed=0)]
    },
    "gradient_regularization.decay": {
        "decay_fit": [dict(data="digits", coefficient=0.01, max_iter=3)],
        "decay_noise": [dict(data="digits", coefficient=0.01, max_iter=3, noise=[0.1], draws=1, seed=0)],
        "descent_path": [
            dict(data="digits", coefficient=0.01, lr=0.1, batch_size=50, epochs=[1, 2], seed=0, train_size=100)
        ],
    },
    "gradient_regularization.noise": {
        "union_bound": [dict(pixels=784)],
        "printed_tables": [{}],
        "softmax_fit": [dict(data="digits", convention="half", lam=0.01, max_iter=3)],
        "softmax_noise": [dict(data="digits", convention="half", lam=0.01, max_iter=3, noise=[0.1], draws=1, seed=0)],
    },
    "gradient_regularization.theory": {
        "family_identities": [dict(powers=[1, 1.5, 2, "inf"], sigma=1.0, dimension=20, draws=5, seed=0)],
        "first_order": [PLAIN | dict(powers=[1, 1.5, 2, "inf"], sigmas=[0.1], images=5)],
        "second_order": [PLAIN | dict(sigmas=[0.1], images=3)],
        "second_order_family": [PLAIN | dict(powers=[1, 2, "inf"], images=3)],
        "second_order_means": [PLAIN | dict(probes=2, images=3)],
        "convexity": [dict(sigma=1.0, segments={"norm": [[1.0, -0.2], [1.1, 0.2]]}, points=10, seed=0)],
    },
    "gradient_regularization.pictures": {
        "erase_inject": [PLAIN | dict(sigmas=[1.0], images=30)],
        "transfer": [TAUGHT | dict(sigmas=[1.0], images=30, target_seed=1)],
        "pictures": [PLAIN | dict(sigmas=[1.0, 10.0])],
    },
    "representation.counting": {
        "counting_network": [dict(spec=COUNTER, images=6, others={"circles": {"kinds": ["circle"]}})],
        "saliency_shares": [dict(spec=COUNTER, images=3)],
        "detection": [
            dict(spec=COUNTER, method=method, images=2)
            for method in ("the thesis' number", "by hand", "Otsu's threshold")
        ],
        "first_rounds": [dict(spec=COUNTER, rounds=1, images=3)],
    },
    "representation.counting_ceiling": {
        "ceiling": [dict(size=64, scales=[7, 12], one_scale=True, limit=2, plan="small", images=3, seed=0)]
    },
    "representation.counting_published": {
        "published_maps": [dict(data="generated", image="image1", tops=[20, 100], window=[0, 0, 40])]
    },
    "representation.counting_rival": {
        "pattern_line": [dict(size=64, scales=[7, 12], one_scale=True, limit=2, images=6, seed=0, others={})]
    },
    "representation.defences": {
        "as_printed": [dict(spec=spec, against=OTHER, budgets=[0.1], images=20) for spec in STRUCTURES],
        "judged": [
            dict(
                spec=STRUCTURES[0],
                against=OTHER,
                budgets=[0.1],
                images=4,
                steps=2,
                restarts=1,
                queries=2,
                query_images=2,
            )
        ],
    },
    "representation.defences_masking": {
        "masked": [dict(spec=spec, eps=0.1, images=20) for spec in STRUCTURES],
        "surface": [dict(spec=STRUCTURES[2], images=4, drawn=1, reaches=[0.1], points=3, seed=0)],
        "neighbours": [dict(spec=STRUCTURES[0], eps=0.1, images=6)],
    },
    "representation.defences_theory": {
        "penalty_units": [dict(spec=OTHER, images=5)],
        "pixel_pairs": [dict(data="digits", images=5)],
        "sensitivity": [dict(data="digits", sides=[2, 4], images=5, units=4, eps=0.1, seed=0)],
        "linear_accuracy": [dict(data="digits", side=7)],
    },
    "representation.digits": {
        "one_digit": [dict(spec=STRUCTURES[0], index=0, budgets=[0.0, 0.1], steps=2, restarts=1)]
    },
    "smooth_adversarial.attacks": {
        "mnist_attack": [
            dict(data="digits", adversarial=adversarial, epochs=1, seed=0, images=4, eps=[], **call)
            for adversarial in (False, True)
            for call in CALLS
        ],
        "worst_cases": [dict(data="digits", adversarial=False, epochs=1, seed=0, index=[0, 1], calls=CALLS)],
        "natural_attack": [
            dict(data="photographs", network="resnet8", first=0, images=3, every_run=False, eps=[], **call)
            for call in CALLS
        ],
        "correlation": [dict(data="photographs", network="resnet8", images=3, smoothing=SOFT)],
        "storage_floor": [dict(data="photographs", images=3)],
    },
    "smooth_adversarial.control": {
        "paired": [
            place | dict(calls={"one": SEARCHES[0], "two": SEARCHES[1]}, rates=[0.1], pairs=[["two", "one"]])
            for place in PLACES
        ],
        "floor_at": [dict(data="photographs", images=3, size=48)],
    },
    "smooth_adversarial.detection": {"reach": [dict(data="photographs", images=8, size=48, lengths=[2.0], seed=0)]},
    "smooth_adversarial.transfer": {
        "transfer": [dict(data="photographs", network="resnet8", first=0, images=3, others=[], **CALLS[1])]
    },
    "smooth_adversarial.photographs": {
        "in_spots": [
            dict(
                photograph="chelsea",
                window=[60, 330, 48],
                network="resnet8",
                calls=CALLS[1:4],
                graph=SOFT,
                spots={"there": [8, 8]},
                side=8,
            )
        ]
    },
    "smooth_adversarial.pictures": {
        "impulse_responses": [
            dict(photograph="coffee", window=[40, 170, 16], spots={"there": [4, 5]}, graphs=[SOFT], channel=1)
        ],
        "convergence": [dict(photograph="coffee", window=[40, 170, 16], graphs=[SOFT], iterations=[1, 2], seed=0)],
        "magnified": [dict(photograph="chelsea", window=[60, 330, 48], network="resnet8", calls=CALLS, graph=SOFT)],
    },
    "sparsity_attribution.photographs": {
        "under_budgets": [
            dict(photograph="chelsea", network="resnet-tiny", budgets=[0.0, 0.1])
            | dict(data="photographs", regularizer="base", factor=0.0, epochs=1, train_size=64, seed=0)
        ]
    },
    "sparsity_attribution.pipeline": {
        "single_layer": [dict(data="photographs", activation_l1=1e-4, weight_l1=1e-4, epochs=1, train_size=64, seed=0)],
        "pipeline": [
            SPARSE | dict(regularizer="elastic net", factor=0.01, attack=attack, steps=2, deepfool_steps=2, test_size=8)
            for attack in ("fgsm", "pgd", "deepfool")
        ],
        "answers": [SPARSE | dict(regularizer="l1", factor=0.01, images=8, lr=1e-3)],
        "judged": [
            SPARSE | dict(regularizer=regularizer, factor=1e-4, images=8, budgets=[0.01], steps=2)
            for regularizer in ("base", "adversarial")
        ],
        "maps": [SPARSE | dict(regularizer="base", factor=1e-4, images=3, steps=2)],
        "pictures": [
            {name: value for name, value in SPARSE.items() if name != "data"}
            | dict(regularizer="base", factor=1e-4, images=2)
        ],
    },
    "universal_perturbations.fooling": {
        "fooling": [spec | dict(targets=["photographs-0"]) for spec in (UNIVERSAL, ASCENT)],
        "noise": [ROOM | dict(targets=["photographs-0"], eps=0.04, draws=1)],
        "interpolated": [
            dict(
                first=UNIVERSAL,
                second=UNIVERSAL | dict(networks=["photographs-1"]),
                shares=[0.5],
                targets=["photographs-0", "photographs-1"],
                rescaled=True,
            )
        ],
    },
    "universal_perturbations.photographs": {
        "on_photographs": [
            dict(
                network="photographs-0",
                perturbation="standard/universal-perturbations/fooling/b64b6272f34da978.json",
                photographs=["coffee"],
                seed=0,
            )
        ]
    },
    "universal_perturbations.theory": {
        "spectrum": [
            ROOM
            | dict(network="photographs-0", images=10, num_classes=2, dimensions=[1, 2], draws=1, length=3.0, seed=0)
        ]
    },
}
SLOW = ("gradient_regularization.theory.second_order-0", "representation.counting.detection-1")


def cases():
    for module, functions in CASES.items():
        for function, calls in functions.items():
            for number, parameters in enumerate(calls):
                name = f"{module}.{function}-{number}"
                marks = [pytest.mark.slow] if name in SLOW else []
                yield pytest.param(module, function, parameters, id=name, marks=marks)


def measured() -> set[tuple[str, str]]:
    """(module, function) of every ``page.measure(module.function, ...)`` in the notebooks."""
    found, rooms = set(), "advbook.chapters."
    for notebook in (paths.root() / "notebooks").glob("*/*.py"):
        nodes = list(ast.walk(ast.parse(notebook.read_text())))
        modules = {
            alias.asname or alias.name: f"{node.module.removeprefix(rooms)}.{alias.name}"
            for node in nodes
            if isinstance(node, ast.ImportFrom) and node.module.startswith(rooms)
            for alias in node.names
        }
        found |= {
            (modules[node.args[0].value.id], node.args[0].attr)
            for node in nodes
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "page.measure"
        }
    return found


def test_every_measurement_of_the_notebooks_is_run_here():
    assert measured() == {(module, function) for module, functions in CASES.items() for function in functions}


def flags():
    return (
        torch.get_float32_matmul_precision(),
        torch.backends.cudnn.conv.fp32_precision,
        torch.get_default_dtype(),
        torch.get_num_threads(),
        torch.is_grad_enabled(),
        torch.are_deterministic_algorithms_enabled(),
    )


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    return tmp_path_factory.mktemp("networks")


@pytest.mark.parametrize("module, function, parameters", list(cases()))
def test_a_measurement_runs_elsewhere_and_changes_no_flag(module, function, parameters, device, networks, monkeypatch):
    monkeypatch.setenv("ADVUTILS_CACHE", str(networks / device.type))
    chapter = importlib.import_module(f"advbook.chapters.{module}")
    if device.type == "standin" and function == "judged" and module == "representation.defences":
        monkeypatch.setattr(chapter, "square", lambda model, x, y, **_: x)  # a library's, which knows no such device
    crops = photographs.crops
    monkeypatch.setattr(photographs, "crops", lambda **options: tuple(part[::8] for part in crops(**options)))
    before = flags()
    result = getattr(chapter, function)(**parameters)
    assert flags() == before
    canonical(result[0] if isinstance(result, tuple) else result)
