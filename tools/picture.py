"""Draw the picture of the README from the committed standard records: `python tools/picture.py`."""

import matplotlib.pyplot as plt
import numpy as np

from advbook import ledger, paths
from advbook.page import style

style()
fig, axis = plt.subplots(figsize=(6.4, 3.4))
records = ledger.records("standard", "gradient-regularization", "dense_network")
for network, line in (("sigmoid-mlp", ":"), ("maxout-mlp", "-")):
    for colour, (label, wanted) in enumerate(
        {"plain": {"penalty": "none"}, "trained on perturbations, p = 2": {"p": 2, "sigma": 1.0}}.items()
    ):
        same = [
            r
            for r in records
            if r.parameters["network"] == network
            and set(r.parameters)
            <= {
                *wanted,
                "network",
                "penalty",
                "seed",
                "data",
                "noise",
                "draws",
                "epochs",
                "matmul",
                "attack_images",
                "attack_l2",
                "attack_linf",
            }
            and all(r.parameters.get(k) == v for k, v in wanted.items())
        ]
        errors = 100 * np.mean([[r["error"], *r["pgd_l2"]] for r in same], axis=0)
        axis.plot(
            [0, *same[0].parameters["attack_l2"]],
            errors,
            line,
            marker="o",
            markersize=3,
            color=f"C{colour}",
            label=f"{network.split('-')[0]}, {label} ({len(same)} seeds)",
        )
axis.set(xlabel="budget of the attack (PGD, l2, 40 steps)", ylabel="error on MNIST (%)")
axis.legend(fontsize=8, loc="lower right")
fig.savefig(paths.root() / "book" / "_static" / "picture.png", dpi=130, bbox_inches="tight")
