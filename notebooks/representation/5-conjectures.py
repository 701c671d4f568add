# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # What the author suspected
#
# None of the four defences of Cutilli's thesis {cite}`cutilli2021` helped. Section 3.3.3 suggests five reasons; this
# page tests four:
#
# * pixels should be compared with weights of their own;
# * second derivatives should be penalised too;
# * the partial derivatives of a neuron should add up to the same, however many inputs it has;
# * a network that is tested with batch statistics may be an easier target.
#
# The fifth, that the constants may be wrong, is not tried again here. On [page 3](3-defences), that of the angles is a
# few millionths of what it is added to in the first layer. In the second it is a few thousandths.
#
# The thesis tries none of them. This page does, one conjecture at a time, beside the obvious rival: training on
# attacked images.
#
# **Time to learn**: 15 minutes. **You need** the [evaluation](4-evaluation).

# %% tags=["parameters"]
profile: str = "quick"  # quick: digits, seconds of training | standard: MNIST, hours on 2 cores | paper: MNIST, a GPU
replay: str = "auto"  # auto: measure what is not recorded | never: measure again | only: records or an error
seeds: int = None  # number of seeds; 1 to 100; None: the profile's
epochs: int = None  # epochs of training; 1 to 10,000; None: the profile's

# %%
import matplotlib.pyplot as plt

from advbook.chapters.representation import defences as chapter
from advbook.chapters.representation import defences_masking as masking
from advbook.page import Page, mean_sd
from advbook.settings import profiles
from advutils import layers

page = Page("representation", "5-conjectures", globals(), settings=profiles(
    profile          = ["quick",          "standard",                     "paper"],
    data             = ["digits",         "mnist",                        "mnist"],
    side             = [14,               28,                             28],
    kinds            = [["S", "A, sigmoids"],
                        ["S", "S, rate of GMR", "GMR", "GMR, each image", "GMR x 10", "GMR x 30", "GMR x 255",
                         "GMR x 10, curvature", "S, elastic", "A", "A, sigmoids", "shares, sigmoids",
                         "means, sigmoids", "FGSM training", "PGD training"],
                        ...],
    small_kinds      = [["PD"],           ["S", "PD", "PD, two weights"], ...],
    seeds            = [1,                3,                              5],
    more_seeds       = [{},               {"FGSM training": 5},           {}],
    epochs           = [6,                100,                            100],
    pair_seeds       = [1,                3,                              3],
    small_epochs     = [2,                20,                             100],
    pair_images      = [20,               100,                            1000],
    budgets          = [[0.02, 0.1, 0.3], [0.02, 0.05, 0.1, 0.2, 0.3],    ...],
    images           = [40,               1000,                           10000],
    steps            = [5,                40,                             100],
    restarts         = [1,                5,                              20],
    queries          = [20,               1000,                           5000],
    query_images     = [20,               500,                            1000],
    statistics_seeds = [1,                5,                              5],
    together         = [60,               2000,                           10000],
))  # fmt: skip
settings = page.settings

# %% [markdown]
# ## What the thesis conjectures
#
# | id | in short |
# | --- | --- |
# | `rd-two-weights` | comparisons with two weights (and a bias) repair Pairwise Difference |
# | `rd-weight` | the weight of the penalty on the gradient was wrong |
# | `rd-curvature` | penalising second derivatives as well helps |
# | `rd-shares`, `rd-mean` | our question: is dividing by the sum of the inputs better than by their Euclidean length? And a neuron whose gradient is bounded? |
# | `rd-angular-accuracy` | were the angular network as accurate as the plain one, its black-box advantage would disappear |
# | `rd-statistics`, `rd-statistics-pairs` | our question: do batch statistics help the attacker, or the defender? |
# | `rd-rival`, `rd-rival-one-step` | our question: how far is the best of these from training on attacked images? |
#
# ## Threat model

# %% tags=["hide-input"]
page.threat_model(
    norm="l-infinity",
    budget=".02 to .3 of [0, 1]; for batch statistics 77 and 10 of 255",
    pixels="0 to 255 inside the network, [0, 1] at its border",
    clamp="to the range of pixels",
    goal="untargeted; under the strongest attack images that are wrong already count as wrong",
    label="the true label",
)

# %% [markdown]
# ## The variants
#
# | conjecture | what is tried |
# | --- | --- |
# | "treating each comparison as a miniature neuron with two weights (or even a bias)" | $\sigma(s_{ab}v_a - t_{ab}v_b + c_{ab})$ for every ordered pair, learnt; at the start $s = t = 1$, $c = 0$. It holds all pairs, so 14 x 14 pixels (*PD, two weights*) |
# | "the wrong weight in the loss term" | 10, 30 and 255 times the weight (255: as if pixels were in $[0, 1]$); the mean of the images' own gradient lengths (*each image*); beside them a plain network at the same learning rate (*S, rate of GMR*) |
# | "penalize even the second derivative" | also the change of the gradient over a step of length 1 along it, at 10 times the weight (*curvature*; Moosavi-Dezfooli et al. {cite}`moosavi2019` penalise its square) |
# | "something similar to" $a/\lVert a\rVert_1$, integrated | nothing has that gradient (below); a neuron with that denominator is $w^\top a/(\lVert a\rVert_1 + c)$, *shares* of the image's sum, with sigmoids. Its gradient is another one |
# | a normalisation whose gradient is bounded | $w^\top a/\lVert w\rVert_1$, whose partial derivatives add up to 1 in absolute value, however many inputs there are (*means*), in the first layer, with sigmoids and without batch renormalisation, which would undo it: it divides by what these neurons spread over |
# | "if we were to actually get the angular network's accuracy up enough" | [without activations it is nearly linear](3-defences), so: sigmoids behind its angles (*A, sigmoids*) |
# | our question: which part of GMRES does what? | Elastic Sigmoids without the penalty on the gradient (*S, elastic*) |
# | the rival | every minibatch is attacked first, with a budget of .1, in one step (*FGSM training*) or in seven (*PGD training*, as Madry et al. {cite}`madry2018`, but from the image itself, without their random start); no other loss |
#
# **Why the fourth cannot be had as it is.** A field of vectors $F(a)$ is the gradient of some function only if its Jacobian is symmetric. For $F = a/\lVert a\rVert_1$, off the diagonal,
#
# $$\frac{\partial F_i}{\partial a_j} = -\frac{a_i\operatorname{sign}(a_j)}{\lVert a\rVert_1^2}, \qquad \text{symmetric only where all } |a_i| \text{ are equal.}$$

# %% tags=["hide-input"]
page.source(layers.WeightedPairs)
page.source(layers.Share)
page.source(layers.WeightedMean)
page.source(chapter.objective)

# %%
base = dict(data=settings.data, epochs=settings.epochs, train_size=0)
fair = dict(
    budgets=settings.budgets,
    images=settings.images,
    steps=settings.steps,
    restarts=settings.restarts,
    queries=settings.queries,
    query_images=settings.query_images,
)
specs = {
    kind: [
        dict(base, kind=kind, side=settings.side, seed=seed)
        for seed in range(settings.more_seeds.get(kind, settings.seeds))
    ]
    for kind in settings.kinds
}
small = {
    kind: [
        dict(base, kind=kind, side=14, seed=seed, epochs=settings.small_epochs) for seed in range(settings.pair_seeds)
    ]
    for kind in settings.small_kinds
}
little = fair | dict(images=2 * settings.pair_images, query_images=2 * settings.pair_images)
everything = [*specs.items(), *((f"{kind}, 14 x 14", of_kind) for kind, of_kind in small.items())]
judged = {
    kind: [
        page.measure(
            chapter.judged,
            spec=spec,
            against=dict(spec, kind="S", seed=1000 + spec["seed"]),
            **(little if kind.endswith("14 x 14") else fair),
        )
        for spec in of_kind
    ]
    for kind, of_kind in everything
}
printed = {
    kind: [
        page.measure(
            chapter.as_printed,
            spec=spec,
            against=dict(spec, kind="S", seed=1000 + spec["seed"]),
            budgets=[77 / 255, 10 / 255],
            images=0,
        )
        for spec in of_kind
    ]
    for kind, of_kind in everything
}

# %% tags=["hide-input"]
page.table(
    [
        "network",
        "best epoch",
        "clean",
        *(f"within {eps:g}" for eps in settings.budgets),
        "as the thesis: clean",
        "white box, 77",
        "black box, 77",
        "in evaluation mode: black box, 77",
    ],
    [
        [
            kind,
            " ".join(str(r["best_epoch"]) for r in records),
            mean_sd([r["clean"] for r in records], unit=""),
            *(mean_sd([r["worst"][k] for r in records], unit="") for k in range(len(settings.budgets))),
            *(
                mean_sd([f(r) for r in printed[kind]], unit="")
                for f in (
                    lambda r: r["thesis"]["clean"],
                    lambda r: r["thesis"]["white"][0],
                    lambda r: r["thesis"]["black"][0],
                    lambda r: r["settled"]["black"][0],
                )
            ),
        ]
        for kind, records in judged.items()
    ],
    caption="Accuracy in %: within a budget, under the strongest of six attacks (evaluation mode, best weights, "
    f"{settings.images} images, at 14 x 14 {little['images']}), and under one step of 77 as the thesis measures "
    "(training mode, last weights, all test images); mean ± sd over seeds. Last column: the same in evaluation mode, "
    "with the best weights and in PyTorch's arithmetic",
)
page.table(
    [
        "network",
        "clean",
        *(f"{words}, {eps:g}" for eps in settings.budgets[:3] for words in ("all but Square", "Square alone", "all")),
    ],
    [
        [
            kind,
            mean_sd([r["clean_same"] for r in records], unit=""),
            *(
                mean_sd([r[how][k] for r in records], unit="")
                for k in range(min(3, len(settings.budgets)))
                for how in ("before_square", "square", "all")
            ),
        ]
        for kind, records in judged.items()
    ],
    caption=f"Accuracy in % on the first {settings.query_images} images (at 14 x 14 {little['query_images']}): under "
    f"any attack along gradients, under the attack without them ({settings.queries} queries), and under all. A fall "
    "of more than two points from the first to the last: gradients are hidden, or the attacks along them are weak. "
    "The verdicts take the last, in the mean over these budgets",
)
rivals = [kind for kind in judged if kind.endswith("training")]
order = sorted(
    (kind for kind in judged if kind not in rivals),
    key=lambda kind: -sum(sum(r["all"][:3]) for r in judged[kind]) / len(judged[kind]),
)


def left(kind):
    """What all seven attacks leave of a kind, mean over the first three budgets."""
    return mean_sd([sum(r["all"][:3]) / 3 for r in judged[kind]])


lost = {
    kind: f"{kind} {mean_sd([r['thesis']['clean'] for r in records])}"
    for kind, records in printed.items()
    if sum(r["thesis"]["clean"] + 0.1 < r["settled"]["clean"] for r in records) > 0
}
fallen = {
    kind: max(
        sum(r["before_square"][k] - r["all"][k] for r in records) / len(records)
        for k in range(min(3, len(settings.budgets)))
    )
    for kind, records in judged.items()
}
page.say(
    "How to read them.\n"
    "\n"
    "* **What keeps more than the plain network?** In the mean over the first three budgets all seven attacks leave S "
    f"{left('S')}. Of those that are not trained on attacked images most is left to {order[0]} ({left(order[0])}) and "
    f"{order[1]} ({left(order[1])}). "
    + ("; ".join(f"{kind}: {left(kind)}" for kind in rivals) + "." if rivals else "")
    + "\n"
    + (
        "* **What does one divide by?** By the Euclidean length "
        + left("A, sigmoids")
        + ", the sum of the inputs "
        + left("shares, sigmoids")
        + ", the sum of the weights "
        + left("means, sigmoids")
        + ".\n"
        if "means, sigmoids" in judged
        else ""
    )
    + (
        "* **Who did not keep what it had learnt?** With the last weights these have, without an attack, at least ten "
        "points less in some seed than with the best ones, which are those of the epochs above: "
        + "; ".join(lost.values())
        + ". The thesis' columns say nothing of them.\n"
        if lost
        else ""
    )
    + "* **Whose gradients lead astray?** Square takes more than two points at one of the budgets from "
    + (", ".join(f"{kind} ({100 * points:.1f} points)" for kind, points in fallen.items() if points > 0.02) or "none")
    + ". What is left of such a network is more of an upper bound than with the others."
    + (
        "\n* **Angles and another network's examples.** As the thesis measures "
        + mean_sd([r["thesis"]["black"][0] for r in printed["A, sigmoids"]])
        + " are left to the angular network with sigmoids and "
        + mean_sd([r["thesis"]["black"][0] for r in printed["S"]])
        + " to S; in evaluation mode, "
        + mean_sd([r["settled"]["black"][0] for r in printed["A, sigmoids"]])
        + " and "
        + mean_sd([r["settled"]["black"][0] for r in printed["S"]])
        + "."
        if "A, sigmoids" in printed
        else ""
    )
)
panels = {
    "penalties and factors": [kind for kind in specs if kind.startswith(("S, ", "GMR"))],
    "other neurons": [kind for kind in specs if kind == "A" or "sigmoids" in kind],
    "training on attacked images": rivals,
    "14 x 14 pixels": [kind for kind in judged if kind.endswith("14 x 14")],
}
fig, axes = plt.subplots(2, 2, figsize=(9, 7), layout="constrained", sharex=True, sharey=True)
for axis, (title, kinds) in zip(axes.flat, panels.items(), strict=True):
    for number, kind in enumerate(kinds if title.startswith("14") else ["S", *kinds]):
        heights = [
            100 * sum(r["clean"] for r in judged[kind]) / len(judged[kind]),
            *(100 * sum(r["worst"][k] for r in judged[kind]) / len(judged[kind]) for k in range(len(settings.budgets))),
        ]
        axis.plot([0, *settings.budgets], heights, ["o-", "s--"][number // 7], color=f"C{number % 7}", ms=3, label=kind)
    axis.set_title(title)
    axis.legend(fontsize=7)
for axis in axes[1]:
    axis.set_xlabel("budget, l-infinity")
for axis in axes[:, 0]:
    axis.set_ylabel("accuracy, %")
page.figure(
    fig,
    caption="Accuracy under the strongest of six attacks, by budget; mean over seeds. The plain network S is in all "
    "panels but the last, which has its own. Where curves coincide the last one covers the others (PD lies under PD, "
    "two weights).",
    alt="Four panels of curves of accuracy against the budget: penalties and factors, other neurons, training on "
    "attacked images, and 14 x 14 pixels.",
)

# %% [markdown]
# ## Batch statistics
#
# In training mode the attacked image of a renormalised network is judged with the mean and variance of its neighbours,
# which are attacked too. Who gains? Five situations:
#
# * attack and judge in **evaluation** mode;
# * both in **training** mode (the thesis);
# * images made in training mode and judged in evaluation mode (**crossed**);
# * the reverse (**crossed back**);
# * and, in training mode, one image attacked by the gradient of its own loss among 199 clean ones (**alone**).
#
#

# %% tags=["hide-input"]
page.source(masking.neighbours)
judges = {
    "RS": [dict(base, kind="RS", side=settings.side, seed=seed) for seed in range(settings.statistics_seeds)],
    "PD, 14 x 14": small["PD"],
}
for kind, of_kind in judges.items():
    met = {
        level: [
            page.measure(
                masking.neighbours,
                spec=spec,
                eps=level / 255,
                images=settings.together if kind == "RS" else little["images"],
            )
            for spec in of_kind
        ]
        for level in (10, 77)
    }
    page.table(
        ["", "clean", *(f"one step of {level}" for level in met)],
        [
            *(
                [
                    mode,
                    mean_sd([r["clean"][mode] for r in met[10]]),
                    *(mean_sd([r["attacked"][mode] for r in records]) for records in met.values()),
                ]
                for mode in ("evaluation", "training")
            ),
            *(
                [name, "", *(mean_sd([r[field] for r in records]) for records in met.values())]
                for name, field in (("crossed", "crossed"), ("crossed back", "crossed_back"), ("alone", "alone"))
            ),
        ],
        caption=f"{kind}, accuracy in % on {met[10][0].parameters['images']} test images, last weights, one step on "
        f"the squared loss; mean ± sd over {len(of_kind)} seeds. The verdicts take the step of 10, since nothing may "
        "be left of 77",
    )
    page.say(
        "How to read it. "
        + " ".join(
            f"Of a step of {level} {kind} has {mean_sd([r['attacked']['evaluation'] for r in records])} left in "
            f"evaluation mode and {mean_sd([r['attacked']['training'] for r in records])} in training mode. Judged in "
            "training mode too, but attacked in evaluation mode (crossed back), "
            f"{mean_sd([r['crossed_back'] for r in records])}; attacked among clean neighbours, "
            f"{mean_sd([r['alone'] for r in records])}."
            for level, records in met.items()
        )
        + " Where these two are far below the training mode's own number, the network does not resist: the gradient "
        "through the statistics of 200 images is a bad guide for each of them."
    )

# %% [markdown]
# ## Where we had to choose
#
# * A conjecture in one sentence leaves much open. Each is tried in the plainest form that we could find, at the
#   learning rate of the network that it repairs. But angles with sigmoids, shares and means have 0.002, the rate of S
#   and RS (A alone has 0.0002).
# * *PD, two weights* holds all ordered pairs and is trained more briefly than the networks of 14 x 14 pixels on the
#   [page before](4-evaluation). PD and S beside it are trained as briefly.
# * Curvature is a finite difference along the gradient, not the whole matrix of second derivatives, which would need a third backward pass.
# * Three weights of the penalty are tried, at one learning rate; the best of them is not a result of tuning. First
#   there were 30, 255 and 1,000. There were trials of 15 epochs before any record (one seed, no attacks). Networks with
#   30 times the weight learnt, and then lost what they had learnt. They had 11.7 % test errors at best and 22.7 % at
#   the end. With 100 times and more they hardly learnt at all. So 10 replaced 1,000, and curvature went with it. 255
#   stayed: it is what a reader would try who has pixels in $[0, 1]$.
#
# ## What it comes to

# %% tags=["hide-input"]
if page.profile != "standard" or page.overrides:
    page.say("*The published page says here what its own records show; those of this run are others.*")
else:
    page.say(
        "* None of the conjectures that we could try makes a better network than the plain one. Angles, shares and "
        "means are alike, with less than half of what the plain network keeps; larger penalties and Elastic Sigmoids "
        "make training collapse, and what ten times the penalty gains over a plain network at its learning rate "
        "(hence the trend in a verdict) is less than that rate has cost, and is paid for without an attack; two "
        "weights leave Pairwise Difference where it was.\n"
        "* Batch statistics at test time hinder this attacker. What RS keeps under the thesis' step it owes nearly "
        "all to an attack that goes through the statistics of 200 images, and these guide it badly; of what it keeps "
        "under a step of 10, a part.\n"
        "* What helps, at budgets about the one trained for (.1), is training on images attacked in one step; at .3 "
        "nothing is left of these networks either. With seven steps they learn badly, at this rate, and lose most of "
        "it again."
    )

# %% [markdown]
# ## What the thesis got wrong

# %% tags=["hide-input"]
page.errata("rd-e-integral", "rd-e-affine")

# %% [markdown]
# ## Verdicts

# %% tags=["hide-input"]
page.claims(
    "rd-two-weights",
    "rd-weight",
    "rd-curvature",
    "rd-shares",
    "rd-mean",
    "rd-angular-accuracy",
    "rd-statistics",
    "rd-statistics-pairs",
    "rd-rival",
    "rd-rival-one-step",
)

# %% [markdown]
# ## Exercises
#
# ```{exercise} An honest comparison (easy)
# :label: conjectures-1
#
# A variant has 5 points more under attack and 4 points less without. What would you plot before you call it a defence?
# ```
#
# ````{solution} conjectures-1
# :class: dropdown
#
# Accuracy under attack against clean accuracy, for networks of both kinds at several strengths of training. Does its
# curve lie above that of the plain network, or is it the same curve at another point?
# ````
#
# ```{exercise} Two weights are enough (hard)
# :label: conjectures-2
#
# Show that with $t_{ab} = 0$ a comparison is an ordinary sigmoid of one pixel. What does the layer become if all $t$ are 0, and what does that say about the conjecture?
# ```
#
# ````{solution} conjectures-2
# :class: dropdown
#
# $\sum_a\sum_b w_{ab}\,\sigma(s_{ab}v_a + c_{ab})$: for each pixel its own smooth function, a sum of up to $n$ sigmoids, and the sum of these over pixels: an additive model. The layer contains it, and with it functions that react to single pixels as steeply as any linear layer.
# ````
#
# ## Run it yourself

# %% tags=["hide-input"]
page.provenance()
