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
# # What a penalty makes sparse
#
# Schwartz, Alparslan and Kim {cite}`schwartz2020` ask whether sparse networks resist attacks better and have more
# stable explanations. First they show that a network can be sparse at no cost (Figure 1). This page repeats that figure
# from several seeds, and separates two things that the paper calls by one name: few **active units**, and few
# **weights**.
#
# **Time to learn**: 15 minutes. **You need** gradient descent and a convolution; the [notation](../../book/notation).

# %% tags=["parameters"]
profile: str = "quick"  # quick: photographs | standard: CIFAR-10, an hour on 2 cores | paper: more epochs, a GPU
replay: str = "auto"  # auto: measure what is not recorded | never: measure again | only: records or an error
seeds: int = None  # number of seeds; 1 to 100; None: the profile's
epochs: int = None  # passes over the training images; 1 to 10,000; None: the profile's

# %%
import matplotlib.pyplot as plt
import numpy as np

from advbook.chapters.sparsity_attribution import learning
from advbook.chapters.sparsity_attribution import pipeline as chapter
from advbook.page import Page, mean_sd
from advbook.settings import profiles
from advutils.training import sparsity

page = Page("sparsity-attribution", "1-sparsity", globals(), settings=profiles(
    profile    = ["quick",                       "standard",                    "paper"],
    data       = ["photographs",                 "cifar10",                     "cifar10"],
    seeds      = [1,                             5,                             5],
    epochs     = [2,                             10,                            50],
    train_size = [600,                           20000,                         0],
    activation = [[0.0, 1e-7, 1e-5, 1e-4, 1e-3], [0.0, 1e-7, 1e-6, 1e-5, 1e-4], ...],
    weight     = [[1e-4],                        [1e-5, 1e-4, 1e-3],            ...],
))  # fmt: skip
settings = page.settings

# %% tags=["hide-input"]
common = dict(data=settings.data, epochs=settings.epochs, train_size=settings.train_size)
on_activations = {
    lam: [
        page.measure(chapter.single_layer, activation_l1=lam, weight_l1=0.0, seed=seed, **common)
        for seed in range(settings.seeds)
    ]
    for lam in settings.activation
}
on_weights = {
    lam: [
        page.measure(chapter.single_layer, activation_l1=0.0, weight_l1=lam, seed=seed, **common)
        for seed in range(settings.seeds)
    ]
    for lam in settings.weight
}

# %% tags=["hide-input"]
first, last = (on_activations[lam] for lam in (settings.activation[0], settings.activation[-1]))
page.say(
    f"**As in the paper's figure**, the strongest penalty on activations (λ = {settings.activation[-1]:g}) brings the "
    f"active units from {mean_sd([r['density'] for r in first])} to {mean_sd([r['density'] for r in last])}. Test "
    f"accuracy goes from {mean_sd([r['accuracy'] for r in first])} to {mean_sd([r['accuracy'] for r in last])}."
    if np.mean([r["density"] for r in last]) < np.mean([r["density"] for r in first])
    else "On these images the penalty does not lower the share of active units."
)

# %% [markdown]
# ## Figure 1
#
# A unit is **active** for an image if its activation $a_j$ is not 0. The paper's Eq. (5) adds the activations to the
# cross-entropy (here of ten classes, where the paper prints it for two):
#
# $$L = -\frac1m\sum_i \log p_{y_i}(x_i) + \lambda\,\frac1m\sum_i\sum_j |a_j(x_i)| , \tag{5}$$
#
# with $m$ the images of a minibatch.

# %% tags=["hide-input"]
fig, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
places = np.arange(len(settings.activation))
for axis, field, label in ((axes[0], "density", "active units"), (axes[1], "accuracy", "accuracy, test images")):
    values = 100 * np.array([[r[field] for r in records] for records in on_activations.values()])
    axis.errorbar(
        places,
        values.mean(1),
        yerr=values.std(1, ddof=1) if settings.seeds > 1 else None,
        fmt="o-",
        capsize=3,
        label=label,
    )
    axis.set(
        xlabel="λ of Eq. (5)",
        ylabel=f"{label}, %",
        xticks=places,
        xticklabels=[f"{lam:g}" for lam in settings.activation],
    )
trained = 100 * np.array([[r["train_accuracy"] for r in records] for records in on_activations.values()])
axes[1].plot(places, trained.mean(1), "s--", ms=4, label="accuracy, training images")
axes[1].legend(fontsize=8)
page.figure(
    fig,
    caption=f"Figure 1 on {settings.data}: share of the 39,200 units that are active for an image, and accuracy, "
    f"against the penalty on activations; mean and standard deviation over {settings.seeds} seed(s).",
    alt=f"Left: the share of active units goes from {100 * np.mean([r['density'] for r in first]):.0f} to "
    f"{100 * np.mean([r['density'] for r in last]):.0f} % as the penalty grows. Right: the accuracy on test images "
    f"stays near {100 * np.mean([r['accuracy'] for r in last]):.0f} %, below that on training images.",
)
fewer = ", ".join(
    f"{sum(r['density'] < b['density'] for r, b in zip(records, first, strict=True))} of {settings.seeds} with λ = "
    f"{lam:g}"
    for lam, records in on_activations.items()
    if lam
)
page.say(
    "How to read it: the share of active units falls only at the strongest penalties. The accuracy on training "
    f"images, of which the paper speaks, goes from {mean_sd([r['train_accuracy'] for r in first])} to "
    f"{mean_sd([r['train_accuracy'] for r in last])}. The distance between the two curves at the right shows how much "
    "better the network does on images that it has seen."
)
page.say(
    f"Seed by seed, fewer units are active than without a penalty in {fewer}. The paper calls an activity ratio in "
    f"[0, 0.5] sparse; by that the network {'is' if np.mean([r['density'] for r in first]) <= 0.5 else 'is not'} "
    "sparse without any penalty."
)

# %% [markdown]
# The paper gives one clue to its network: 39,200 hidden units. $28\times28\times50$ is what 50 filters of 5x5 leave of
# an image of 32 pixels. (It is also what they leave of MNIST's 28 with a padded border; the data set is a guess.) Here
# one such layer, a rectifier, and a linear layer are trained with Adam {cite}`kingma2015` in batches of 128.
#
# As printed, the penalty has neither the sum over examples nor $1/m$; the text says that it is taken "for each
# example".
#
# ## One weight
#
# The paper's other experiments penalise the weights of all convolutions and linear layers. Such a penalty pulls every
# weight towards zero. Suppose that without it the loss of one weight would be $\tfrac12(w-w_0)^2$. The sum of this loss
# and a penalty then has its minimum at the values below. They are for l1, for l2, and for both together, which is what
# the paper seems to have trained. With $(t)_+ = \max(t, 0)$,
#
# $$\begin{aligned}
# \lambda|w|: &\quad w=\operatorname{sign}(w_0)\,(|w_0|-\lambda)_+,\\
# \lambda w^2: &\quad w=\frac{w_0}{1+2\lambda},\\
# \lambda(|w|+w^2): &\quad w=\frac{\operatorname{sign}(w_0)\,(|w_0|-\lambda)_+}{1+2\lambda}.
# \end{aligned}$$
#
# The first sets whatever is smaller than $\lambda$ to zero; the second only shrinks; the third does both.

# %% tags=["hide-input"]
w0, lam = np.linspace(-2, 2, 401), 0.5
soft = np.sign(w0) * np.maximum(np.abs(w0) - lam, 0)
fig, axis = plt.subplots(figsize=(4.8, 3.6), layout="constrained")
for label, w in (
    ("no penalty", w0),
    ("l1", soft),
    ("l2", w0 / (1 + 2 * lam)),
    ("elastic net (sum)", soft / (1 + 2 * lam)),
):
    axis.plot(w0, w, label=label)
axis.set(xlabel="best weight without penalty, $w_0$", ylabel="best weight with penalty")
axis.legend(fontsize=8)
page.figure(
    fig,
    caption="What a penalty of λ = 0.5 makes of one weight.",
    alt="l1 and the elastic net set every weight between -0.5 and 0.5 to zero; l2 only makes the straight line "
    "through the origin flatter.",
)
page.say("How to read it: only the penalties with an l1 part have a flat piece at zero.")

# %% tags=["hide-input"]
grid = np.linspace(-3, 3, 60001)  # the three formulas, against a search over a grid
for value in (-1.7, -0.3, 0.2, 0.9):
    for penalty, formula in (
        (np.abs(grid), np.sign(value) * max(abs(value) - lam, 0)),
        (grid**2, value / (1 + 2 * lam)),
        (np.abs(grid) + grid**2, np.sign(value) * max(abs(value) - lam, 0) / (1 + 2 * lam)),
    ):
        assert abs(grid[np.argmin((grid - value) ** 2 / 2 + lam * penalty)] - formula) < 2e-4

# %% [markdown]
# That is the minimum, and gradient descent need not get there. The gradient of $|w|$ has one size however small $w$ is,
# so a step of fixed size jumps back and forth across zero. Weights should end *near* zero, not at it.
#
# So "how many weights are zero" needs a threshold on their absolute values. The table below counts weights above 0.001,
# the length of one of Adam's steps here, and above 0.01. Both are arbitrary: how near to zero a useless weight stays
# depends on the noise of its minibatch gradients too. The better question is what a network loses when all smaller
# weights are set to zero (**pruning**).

# %% tags=["hide-cell"]
page.source(sparsity.activation_penalty)
page.source(sparsity.weight_penalty)
page.source(sparsity.average_density)

# %% [markdown]
# ## Two kinds of sparse
#
# The same network with a penalty on its weights instead.

# %% tags=["hide-input"]
rows = [["activations", lam, records] for lam, records in on_activations.items()] + [
    ["weights", lam, records] for lam, records in on_weights.items()
]
page.table(
    [
        "penalty on",
        "λ",
        "active units",
        "test accuracy",
        *(f"weights above {t:g}" for t in chapter.THRESHOLDS[1:]),
        "weights exactly 0",
    ],
    [
        [
            kind,
            f"{lam:g}{learning.mark(records)}",
            *(mean_sd([r[field] for r in records]) for field in ("density", "accuracy")),
            *(mean_sd([r["weight_density"][k] for r in records]) for k in (1, 2)),
            mean_sd([r["exact_zeros"] for r in records]),
        ]
        for kind, lam, records in rows
    ],
    caption=f"What each penalty makes sparse; seeds: {settings.seeds}. With a mark at λ: fewer test images right than "
    "twice chance",
)
page.say(
    "How to read it: a penalty on activations empties units and leaves the weights; one on weights empties both. At "
    f"most {100 * max(r['exact_zeros'] for *_, records in rows for r in records):.2f} % of the weights are exactly "
    "zero."
)
page.table(
    ["penalty on", "λ", "unpruned", *(f"only weights above {t:g}" for t in chapter.THRESHOLDS[1:])],
    [
        [
            kind,
            f"{lam:g}",
            mean_sd([r["accuracy"] for r in records]),
            *(mean_sd([r["pruned"][k] for r in records]) for k in (1, 2)),
        ]
        for kind, lam, records in rows
    ],
    caption=f"Test accuracy when smaller weights are set to zero; seeds: {settings.seeds}",
)
lost = max(100 * np.mean([r["accuracy"] - r["pruned"][2] for r in records]) for *_, records in rows)
page.say(
    f"How to read it: without the weights below {chapter.THRESHOLDS[2]:g} no row loses more than {max(lost, 0):.1f} "
    "points in the mean."
)
poor = [f"{lam:g} on {kind}" for kind, lam, records in rows if learning.mark(records)]
page.say(
    "Networks that have learnt nothing (fewer test images right than twice chance): "
    + (", ".join(poor) or "none")
    + f". The least accurate one has {100 * min(r['accuracy'] for *_, records in rows for r in records):.1f} % right."
)
base, heavy, quiet = (
    on_activations[settings.activation[0]],
    on_weights[settings.weight[-1]],
    on_activations[settings.activation[-1]],
)


def mean(records, field, k=None):
    """Mean over seeds in %."""
    return 100 * np.mean([r[field] if k is None else r[field][k] for r in records])


page.say(
    f"**Penalty on weights.** The strongest leaves {mean(heavy, 'weight_density', 1):.0f} % of the weights above "
    f"0.001 (without: {mean(base, 'weight_density', 1):.0f} %) and {mean(heavy, 'density'):.0f} % of the units active "
    f"(without: {mean(base, 'density'):.0f} %); the test accuracy goes from {mean(base, 'accuracy'):.1f} to "
    f"{mean(heavy, 'accuracy'):.1f} %."
)
page.say(
    f"**Pruned.** With the weights above 0.01 alone, {mean(heavy, 'weight_density', 2):.0f} % of all, that network "
    f"has {mean(heavy, 'pruned', 2):.1f} % accuracy; the one without a penalty, with its "
    f"{mean(base, 'weight_density', 2):.0f} %, {mean(base, 'pruned', 2):.1f} %."
)
page.say(
    f"**Penalty on activations.** The strongest leaves {mean(quiet, 'density'):.0f} % of the units active and "
    f"{mean(quiet, 'weight_density', 1):.0f} % of the weights above 0.001."
)

# %% [markdown]
# So "sparse" must say of what. Nearly all weights (39,200 x 10) belong to the linear layer; which units are active
# depends on the 50 x 75 of the convolution alone. The paper's Figure 1 has one kind, its Table 1 the other.
#
# ## Threat model
#
# None: nothing is attacked on this page. The attacks are on the [page on robustness](2-robustness).
#
# ## Where we had to choose
#
# * The network of Figure 1 is guessed from the number of its units; data, epochs and optimiser are not in the paper.
#   The standard profile trains on the first 20,000 images of CIFAR-10.
# * The paper speaks of training accuracy, so the verdict takes that; accuracy on test images is beside it.
# * Eq. (5) sums activations over units and, we assume, averages over examples.
#
# ## What the paper got wrong

# %% tags=["hide-input"]
page.errata("sa-e-binary", "sa-e-norm", "sa-e-activations")

# %% [markdown]
# ## Verdicts
#
# | id | in short |
# | --- | --- |
# | `sa-l1-zero` | our question: the l1 norm drives some coefficients exactly to zero; does training get there? |
# | `sa-f1-density` | the stronger the penalty on activations, the fewer units are active |
# | `sa-f1-accuracy` | the sparser networks are as accurate, if not better |
# | `sa-f1-avr` | our question: does the penalty bring the activity ratio below one half? |

# %% tags=["hide-input"]
page.claims("sa-l1-zero", "sa-f1-density", "sa-f1-accuracy", "sa-f1-avr")

# %% [markdown]
# ## Exercises
#
# ```{exercise} Two conventions (easy)
# :label: sparsity-1
#
# The paper's Section 2 has $\lambda\,(\alpha\lVert w\rVert_1 + (1-\alpha)\lVert w\rVert_2^2)$; its Section 4.2, as we read it, $0.01\,\lVert w\rVert_1 + 0.01\,\lVert w\rVert_2^2$. Which $\lambda$ and $\alpha$ is that?
# ```
#
# ````{solution} sparsity-1
# :class: dropdown
#
# $\alpha = 1/2$ and $\lambda = 0.02$: the paper's elastic net has its lasso's whole penalty and its ridge's on top. For
# weights of about 0.03 the square adds 3 %, so it is nearly the lasso alone. Whatever sets it apart comes from few
# large weights or from chance.
# ````
#
# ```{exercise} Exactly zero (middle)
# :label: sparsity-2
#
# Replace the gradient step for the penalty by the first formula above. This is a proximal step: subtract the learning
# rate times $\lambda$ from $|w|$, and stop at 0. How many weights are exactly zero now?
# ```
#
# ````{solution} sparsity-2
# :class: dropdown
#
# After each step of the plain loss: `w.copy_(w.sign() * (w.abs() - rate * lam).clamp(min=0))`. With plain gradient
# descent the minimum is the same as with the penalty in the loss. The weights that hovered around zero are exactly
# zero. With Adam, whose steps have another size for every weight, it is another penalty.
# ````
#
# ```{exercise} A cheaper way to few active units (hard)
# :label: sparsity-3
#
# Make the biases of the convolution very negative. What becomes of density and accuracy? What does Eq. (5) do beyond that?
# ```
#
# ````{solution} sparsity-3
# :class: dropdown
#
# Density falls at once, since a unit is active where the filter's answer exceeds minus the bias. The accuracy falls
# once the linear layer has too little to read. To see how much of what Eq. (5) does is just that, return the biases
# from `chapter.single_layer` and compare them with and without the penalty.
# ````
#
# ## Run it yourself

# %% tags=["hide-input"]
page.provenance()
