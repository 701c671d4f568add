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
# # Four structures that should resist
#
# Chapter 3 of Cutilli's thesis {cite}`cutilli2021` looks for robustness in the structure of a network:
#
# * a **penalty on the gradient**, so that small steps change the loss little;
# * an **Elastic Sigmoid** $\sigma(sd)$, which can stretch;
# * **Pairwise Difference**: neurons that weigh comparisons $\sigma(v_a - v_b)$ of pixels;
# * **angular** neurons, $\cos(a, w)$ in place of $w^\top a$.
#
# This page derives each one again, corrects three derivatives, and asks what its argument is worth before anything is
# trained. How the trained networks fare is on the [next page](4-evaluation).
#
# **Time to learn**: 35 minutes. **You need** the chain rule and norms; the [fast gradient sign
# method](../attacks/1-attacks).

# %% tags=["parameters"]
profile: str = "quick"  # quick: digits, a few epochs | standard: MNIST, 100 epochs | paper: the same, more images
replay: str = "auto"  # auto: measure what is not recorded | never: measure again | only: records or an error
seeds: int = None  # number of seeds; 1 to 100; None: the profile's

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch

from advbook import ledger
from advbook.chapters.representation import defences_theory as chapter
from advbook.chapters.representation import digits
from advbook.page import Page, at_hand, mean_sd
from advbook.panels import panels
from advbook.settings import profiles
from advutils import layers
from advutils.training import regularizers

page = Page("representation", "3-defences", globals(), settings=profiles(
    profile     = ["quick",       "standard",        "paper"],
    data        = ["digits",      "mnist",           "mnist"],
    images      = [50,            1000,              5000],
    pair_images = [50,            1000,              10000],
    sides       = [[2, 4, 7, 14], [2, 4, 7, 14, 28], ...],
    units       = [10,            100,               100],
    moved       = [50,            300,               1000],
    seeds       = [1,             3,                 5],
    side        = [14,            28,                28],
    epochs      = [8,             100,               100],
    shown       = [8,             3,                 3],
))  # fmt: skip
settings = page.settings

# %% tags=["hide-input"]
moved = [
    page.measure(
        chapter.sensitivity,
        data=settings.data,
        sides=settings.sides,
        images=settings.moved,
        units=settings.units,
        eps=0.1,
        seed=seed,
    )
    for seed in range(settings.seeds)
]
pairs = page.measure(chapter.pixel_pairs, data=settings.data, images=settings.pair_images)
linear = page.measure(chapter.linear_accuracy, data=settings.data, side=settings.side)
names = [name for name in moved[0].values if name != "raw"]
reach = {name: np.mean([found[name][-1] for found in moved]) for name in names}
page.say(
    f"* **Angles**: in units of its spread over images, with {settings.sides[-1] ** 2} inputs a step of 0.1 moves a "
    f"cosine by {reach['cosine']:.1f}, a dot product by {reach['dot product']:.1f}, and pairwise difference by "
    f"{reach['pairwise difference']:.1f}.\n"
    f"* **Pairs**: {100 * pairs['zero']:.0f} % of all pairs of pixels compare two zeros, where the sigmoid is "
    "steepest.\n"
    f"* **A network of angles** is nearly linear: least squares gets {100 * linear['accuracy']:.2f} % of test images "
    "right, the thesis' angular network 85.40 %.\n"
    "* **A sigmoid that stretches** can do nothing that other weights could not do."
)

# %% [markdown]
# ## Do many small changes add up?
#
# The case for angles is about the number of inputs. So average the same digits to fewer and fewer pixels, and give
# neurons random weights. Each makes a step of 0.1 along the sign of its own gradient. The next layer sees the change in
# units of the neuron's ordinary **spread over images**. Batch renormalisation divides by that spread. Even without it
# the next weights are learnt on that scale.
#
# For comparison there is the weighted mean $w^\top a/\lVert w\rVert_1$: a change of every input by at most $\epsilon$
# changes it by at most $\epsilon$.

# %% tags=["hide-input"]
fig, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
for name, mark in zip(names, "os^D", strict=True):
    numbers, seen = (np.mean([found[name] for found in where], axis=0) for where in ([r["raw"] for r in moved], moved))
    axes[0].loglog([side**2 for side in settings.sides], numbers / numbers[0], mark + "-", label=name)
    axes[1].loglog([side**2 for side in settings.sides], seen, mark + "-")
axes[0].set(xlabel="number of inputs", ylabel="change, first point = 1", title="the change itself")
axes[1].set(xlabel="number of inputs", ylabel="change / spread over images", title="as the next layer sees it")
axes[0].legend(fontsize=8)
page.figure(
    fig,
    caption="How far a step of 0.1 moves a neuron with random weights, by its number of inputs. Left: the change, "
    "relative to that with the fewest inputs. Right: over the neuron's standard deviation over images.",
    alt="How a neuron's change grows with its number of inputs. Left: the change itself, with a different slope for "
    "each kind of neuron. Right: over the spread over images, where dot product and cosine are close to each other.",
)
page.table(
    ["neuron", *(f"{side * side} inputs" for side in settings.sides)],
    [
        [name, *(mean_sd([r[name][k] for r in moved], unit="", scale=1) for k in range(len(settings.sides)))]
        for name in names
    ],
    caption=f"Change over spread, mean over neurons and images; seeds of the weights: {settings.seeds}",
)
grown = {
    name: [
        np.mean([found[name][-1] / found[name][0] for found in where]) for where in ([r["raw"] for r in moved], moved)
    ]
    for name in names
}
page.say(
    "How to read them: from the fewest inputs to the most, the change itself grows "
    + ", ".join(f"{raw:.1f}-fold ({name})" for name, (raw, _) in grown.items())
    + ". In units of the neuron's spread over images it grows "
    + ", ".join(f"{seen:.1f}-fold ({name})" for name, (_, seen) in grown.items())
    + "."
)
page.say(
    "Why: signal and perturbation are both sums of so many terms, and what divides a neuron's answer divides "
    "**both**. So two neurons that differ by a division only agree at the right, as far as images have one length. "
    "The attacker gives all terms one sign, so even the right-hand curves may rise."
)

# %% [markdown]
# ## One digit under attack
#
# Whether the structures resist is the [next page's](4-evaluation) question. Here is what an attack on each looks like.
# It is margin PGD with three budgets, on the first test image and on a network of each kind.

# %% tags=["hide-input"]
KINDS = {
    "S": "standard",
    "RS": "renormal-\nised",
    "A": "angular",
    "GMR": "gradient\npenalty",
    "GMRES": "penalty,\nelastic",
}
BUDGETS = [0.0, 0.05, 0.1, 0.3]


def digit(kind):
    """The record of the first test image under attack by one kind of network."""
    spec = dict(data=settings.data, kind=kind, side=settings.side, epochs=settings.shown, seed=0, train_size=0)
    return page.measure(digits.one_digit, spec=spec, index=0, budgets=BUDGETS, steps=40, restarts=2)


shown = {kind: found for kind in KINDS if (found := at_hand(lambda kind=kind: digit(kind)))}

# %% tags=["hide-input"]
if shown:
    label = next(iter(shown.values()))["label"]
    right = {kind: [answer == label for answer in record["answers"]] for kind, record in shown.items()}
    page.figure(
        panels(
            [list(record.arrays["pictures"]) for record in shown.values()],
            [
                [f"{answer}" if answer == label else f"{answer}, wrong" for answer in record["answers"]]
                for record in shown.values()
            ],
            side=0.95,
            titles=["unchanged", *(f"{budget:g}" for budget in BUDGETS[1:])],
            rows=[KINDS[kind] for kind in shown],
        ),
        caption=f"The digit {label} as each network sees it under attack, by budget (l-infinity, of [0, 1]), and what "
        f"it answers. Right of {len(shown)} networks: "
        + ", ".join(f"{sum(each[k] for each in right.values())} at {budget:g}" for k, budget in enumerate(BUDGETS))
        + ".",
        alt=f"A digit {label}, one row for each network and one column for each budget. Answers: "
        + "; ".join(f"{kind} " + ", ".join(map(str, record["answers"])) for kind, record in shown.items())
        + ".",
    )
    page.say(
        "How to read it: a reader still sees the digit, so a wrong answer is the network's mistake. These networks "
        f"were trained for {settings.shown} epochs, to show a picture; those of the next page for more. One digit is "
        "an illustration, not a rate."
    )
if waiting := [kind for kind in KINDS if kind not in shown]:
    page.say(f"*Not measured yet: the digit under attack by {', '.join(waiting)}.*")

# %% [markdown]
# ## 1. Penalise the gradient
#
# To first order, a step $\epsilon$ raises the loss by $g^\top\epsilon$, at most $\lVert\epsilon\rVert_\infty\lVert
# g\rVert_1$. So make $g = \nabla_x L$ short. The thesis adds half of its Euclidean length to the loss and
# differentiates again (*Gradient Magnitude Reduction*, GMR). That is Eq. (4) of the [first
# chapter](../gradient-regularization/1-theory) with $p = 2$; the thesis found it on its own. The text is silent on
# three points.
#
# * **Units.** Pixels run from 0 to 255, so $\lVert\partial L/\partial(255x)\rVert$ is 255 times smaller than in $[0,
#   1]$: a weight of 0.5 is one of 0.002.
# * **One length a minibatch.** It is that of the gradient of the **mean** loss over $N = 20$ images,
#   $\frac1N\sqrt{\sum_i\lVert g_i\rVert^2}$, and not the mean of $\lVert g_i\rVert$. The first inequality below is
#   $\lVert\cdot\rVert_2\le\lVert\cdot\rVert_1$, the second Cauchy's and Schwarz's:
#
# $$\frac1N\sqrt{\textstyle\sum_i\lVert g_i\rVert^2} \;\le\; \frac1N\sum_i\lVert g_i\rVert \;\le\; \sqrt N\cdot\frac1N\sqrt{\textstyle\sum_i\lVert g_i\rVert^2};$$
#
# * **The root.** It has no derivative at 0, so a penalty of $\lVert g\rVert$ needs a convention there (torch takes 0).
#   With one root a minibatch that matters only if the gradients of all its images vanish.

# %% tags=["hide-input"]
spec = dict(data=settings.data, kind="S", side=settings.side, epochs=settings.epochs, seed=0, train_size=0)
units = page.measure(chapter.penalty_units, spec=spec, images=settings.images)
page.say(
    f"On a plain network of this chapter the images' own lengths have a mean of {units['each']:.2e}, in loss per grey "
    f"level. The length that is penalised is {units['batch']:.2e}. The ratio is **{units['ratio']:.2f}**, of at most "
    f"{units['bound']:.2f}."
)

# %% tags=["hide-cell"]
page.source(regularizers.gradient_magnitude)

# %% [markdown]
# The penalty bends the gradient **at the training images**. It says nothing about the gradient one step away, as the
# thesis notes. And a network can make the gradient of its loss short by being sure, since the squared error of a
# saturated sigmoid has slope 0. Whether that is robustness only an attack can tell.
#
# ## 2. A sigmoid that stretches
#
# Since weights alone "cannot" change the shape of a sigmoid, the thesis gives each layer one scalar $s$ to learn,
# $\sigma(sd)$ with $\sigma(d) = 1/(1 + e^{-d})$:
#
# $$\frac{\partial\sigma(sd)}{\partial d} = s\,\frac{e^{-sd}}{(1 + e^{-sd})^2} = s\,\sigma(sd)\big(1 - \sigma(sd)\big) \;\le\; \frac{|s|}4 .$$
#
# There are two ways to a short gradient. $s \to 0$ makes the layer flat everywhere; $|s| \to \infty$ makes it a step,
# flat everywhere **but** at 0. In the last layer the second hides gradients without moving the boundary; in a hidden
# layer it moves that too.
#
# But weights can do what $s$ does: with $d = w^\top a + b$ we have
# $\sigma(s(w^\top a + b)) = \sigma((sw)^\top a + sb)$. What changes is the path of gradient descent, because $s$ pulls
# on all weights of a layer at once. (Checked by `test_elastic_sigmoid_is_a_sigmoid_with_other_weights`.)

# %% tags=["hide-input"]
d = torch.linspace(-6, 6, 400)
fig, axes = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
for s in (0.25, 1.0, 4.0):
    value = torch.sigmoid(s * d)
    axes[0].plot(d, value, label=f"s = {s:g}")
    axes[1].plot(d, s * value * (1 - value))
axes[0].set(xlabel="potential d", ylabel="sigmoid(s d)")
axes[1].set(xlabel="potential d", ylabel="slope")
axes[0].legend(fontsize=8)
page.figure(
    fig,
    caption="The Elastic Sigmoid for three values of s: a flat one, the usual one, and a steep one whose slope is "
    "large near 0 and gone elsewhere.",
    alt="Left: three sigmoids; the larger s, the steeper. Right: their slopes; the steepest has a high narrow peak at "
    "zero and is flat elsewhere.",
)
page.say("How to read it: a small s makes all slopes small; a large one makes them small everywhere but near 0.")

# %% tags=["hide-cell"]
page.source(layers.ElasticSigmoid)

# %% [markdown]
# ## 3. Compare pixels in pairs
#
# A neuron of *Pairwise Difference* sees how pixels compare instead of what they are. For an image $v$ of $m$ pixels,
#
# $$n(v) = \sum_{a}\sum_{b} w_{ab}\,\sigma(v_a - v_b),$$
#
# with pixels from 0 to 255. Most differences are then on the flat parts of $\sigma$, and noise should not matter.

# %% tags=["hide-input"]
rng = np.random.default_rng(0)
fig, axis = plt.subplots(figsize=(6.4, 3.2), layout="constrained")
level = {"pixels": 0, "pairs": 1, "neuron": 2}
left, wide = np.linspace(0.2, 0.8, 4), np.linspace(0, 1, 12)
order = [(a, b) for a in range(4) for b in range(4) if a != b]
for position, (a, b) in zip(wide, order, strict=True):
    axis.plot([left[a], position], [0, 1], color="C0", lw=1)
    axis.plot([left[b], position], [0, 1], color="C1", lw=1, ls="--")
    axis.plot([position, 0.5], [1, 2], color="0.6", lw=0.8)
    axis.text(position, 1.07, f"{a + 1}−{b + 1}", fontsize=7, ha="center")
axis.scatter(left, 0 * left, s=120, color="0.85", edgecolor="k", zorder=3)
axis.scatter(wide, 0 * wide + 1, s=60, color="0.6", edgecolor="k", zorder=3)
axis.scatter([0.5], [2], s=160, color="0.2", zorder=3)
for name, height in level.items():
    axis.text(
        -0.17,
        height,
        {"pixels": "pixels", "pairs": "sigmoid of\ndifference", "neuron": "neuron"}[name],
        va="center",
        fontsize=9,
    )
axis.set(xlim=(-0.2, 1.05), ylim=(-0.2, 2.2))
axis.axis("off")
page.figure(
    fig,
    caption="The thesis' Figure 3.4, drawn again for four pixels: each ordered pair is compared (full lines: the "
    "pixel, dashed lines: what is taken from it), and a neuron weighs all comparisons.",
    alt="Four pixels at the bottom, twelve comparisons in the middle, each joined to two pixels, and one neuron at "
    "the top joined to all comparisons.",
)
page.say(
    "How to read it: four pixels already make twelve ordered comparisons; their number grows with the square of the "
    "number of pixels."
)

# %% [markdown]
# ### Half of it is a constant
#
# The thesis keeps all ordered pairs: with the upper triangle alone there would be "no weight for the second permutation
# of the operands". None is needed, because $\sigma(-d) = 1 - \sigma(d)$. Take both orders of a pair together and write
# $\sigma(d) = \tfrac12 + \tfrac12\tanh(d/2)$:
#
# $$w_{ab}\,\sigma(d) + w_{ba}\,\sigma(-d) = \tfrac12(w_{ab} + w_{ba}) + \tfrac12(w_{ab} - w_{ba})\tanh\frac d2, \qquad d = v_a - v_b .$$
#
# $$\boxed{\;n(v) = \tfrac12\sum_{a<b}(w_{ab} - w_{ba})\tanh\frac{v_a - v_b}2 \;+\; \tfrac12\sum_{a,b}w_{ab}\;}$$
#
# The second sum does not depend on the image; batch renormalisation, which follows the layer, subtracts it. So
# $m(m-1)/2$ weights do all that $m^2$ do.
#
# Training is the same too. $(w_{ab} - w_{ba})/\sqrt2$ and $(w_{ab} + w_{ba})/\sqrt2$ are the pair $(w_{ab}, w_{ba})$ in
# rotated coordinates, and gradient descent does not notice a rotation. Keeping the first of the two gives the **same
# training**, step by step, at the same learning rate
# (`test_gradient_descent_takes_the_same_steps_as_on_ordered_pairs`).
#
# The derivative, with the indices put right (the thesis differentiates by $w_{rs}$ and is left with $a, b$), is
#
# $$\frac{\partial n}{\partial w_{rs}} = \sigma(v_r - v_s), \qquad
# \frac{\partial n}{\partial v_r} = \tfrac14\sum_{b}(w_{rb} - w_{br})\Big(1 - \tanh^2\frac{v_r - v_b}2\Big). \tag{3.2}$$
#
# ### And its memory is not needed
#
# All pairs of a minibatch need not exist at once. Order pairs by their cyclic distance $k$: those of one distance
# compare the image with itself, moved by $k$ pixels. So a block of distances is a window that slides. Forward, a
# block's comparisons are multiplied by their weights and forgotten; backward, they are made again. Nothing larger than
# a block is ever held.

# %% tags=["hide-input"]
costs = [record for record in ledger.records("standard", "representation") if record.name == "pairwise_cost"]
costs.sort(key=lambda record: (record.parameters["batch"], record.parameters["n"]))
page.records += costs
if costs:
    page.table(
        [
            "pixels",
            "images",
            "neurons",
            "ordered: seconds",
            "blocked: seconds",
            "times faster",
            "ordered: MiB",
            "blocked: MiB",
            "times smaller",
            "largest difference",
        ],
        [
            [
                r.parameters["n"],
                r.parameters["batch"],
                r.parameters["out"],
                f"{r['ordered']['seconds']:.3f}",
                f"{r['blocked']['seconds']:.3f}",
                f"{r['times_faster']:.1f}",
                f"{r['ordered']['memory']:.1f}",
                f"{r['blocked']['memory']:.1f}",
                f"{r['times_smaller']:.0f}" if r["blocked"]["memory"] > 0.01 else "too little to measure",
                f"{r['gap']:.0e}",
            ]
            for r in costs
            if r.parameters["seed"] == 0
        ],
        caption="One forward and backward pass, and the memory it takes beyond weights and gradients, beside the "
        "layer with all ordered pairs; an idle machine, two threads, first seed (the verdicts below use three)",
    )
    first, last = (
        next(r for r in costs if (r.parameters["n"], r.parameters["batch"], r.parameters["seed"]) == (*size, 0))
        for size in ((196, 20), (784, 20))
    )
    page.say(
        f"How to read it: on {last.parameters['n']} pixels the blocked layer is {last['times_faster']:.1f} times as "
        f"fast. From 196 to 784 pixels there are {784 * 783 / (196 * 195):.0f} times as many pairs. The blocked "
        f"layer's memory grows {last['blocked']['memory'] / max(first['blocked']['memory'], 0.01):.1f}-fold, the "
        f"ordered one's {last['ordered']['memory'] / first['ordered']['memory']:.0f}-fold: a block has a fixed number "
        "of pairs an image. The blocked layer's time grows "
        f"{last['blocked']['seconds'] / first['blocked']['seconds']:.0f}-fold."
    )
else:
    page.say("*No recorded timing in this checkout; `python -m benchmarks --standard` makes it.*")

# %% tags=["hide-cell"]
page.source(layers.PairwiseDifference)
page.source(layers.pairwise._Pairs)
page.source(layers.pairwise._squashed)

# %% [markdown]
# ### Where the comparison is steepest
#
# The layer is safe where differences are large. On images of digits they are not:

# %% tags=["hide-input"]
page.say(
    f"Of all pairs of pixels of {settings.pair_images:,} test images, **{100 * pairs['zero']:.0f} %** compare two "
    f"zeros, {100 * pairs['equal']:.0f} % two equal pixels, and {100 * pairs['close']:.0f} % differ by less than 10 "
    "of 255. At equal pixels the slope of the sigmoid is at its largest, 1/4; its mean over all pairs is "
    f"{pairs['slope']:.3f}."
)
page.say(
    "The thesis names this as the most likely reason why the layer did not help. Raise one blank pixel by ten grey "
    "levels: all of its comparisons with other blank pixels go from a half to almost 1."
)

# %% [markdown]
# ## 4. Measure an angle
#
# A dot product of many terms can be moved far by many small changes, say Goodfellow et al. {cite}`goodfellow2014`. An
# angular neuron divides it by both lengths, $\cos(a, w) = w^\top a/(\lVert w\rVert\lVert a\rVert)$. By the quotient
# rule
#
# $$\frac{\partial}{\partial a}\cos(a, w) = \frac{w}{\lVert w\rVert\lVert a\rVert} - \frac{(w^\top a)\,a}{\lVert w\rVert\lVert a\rVert^3}
# = \frac1{\lVert a\rVert}\Big(\hat w - \cos(a, w)\,\hat a\Big), \tag{3.3}$$
#
# with unit vectors $\hat w, \hat a$. (The thesis loses the minus sign in its third line.) The derivative is what is
# left of $\hat w$ when its part along $a$ is taken away: **orthogonal to $a$**, of length $\sqrt{1 - \cos^2}/\lVert
# a\rVert$.
#
# The sign decides which case is the worst. The thesis takes $\cos = 1$ and finds $\hat w/\lVert a\rVert + a/\lVert
# a\rVert^2$ (3.4). With the right sign that case is the best one: $w$ and $a$ are aligned and the derivative is
# **zero**. The worst is $\cos = 0$.
#
# With a constant $c > 0$ in the denominator, which keeps the ratio finite on a blank image:
#
# $$\frac{\partial}{\partial a}\,\frac{w^\top a}{\lVert w\rVert\lVert a\rVert + c} = \frac{w}{\lVert w\rVert\lVert a\rVert + c} - \frac{(w^\top a)\lVert w\rVert\,\hat a}{(\lVert w\rVert\lVert a\rVert + c)^2}
# \;\xrightarrow{\;\lVert a\rVert \to 0\;}\; \frac wc .$$
#
# The thesis drops $c$ in the first numerator, has a factor 2 in the second, and arrives at $w/c^2$. With its $c = 0.2$
# the limit is $5w$, not $25w$.

# %% tags=["hide-input"]
row = (784 / 3) ** 0.5  # expected length of 784 numbers that are uniform in +-1
page.say(
    f"The constant matters little to the thesis' networks. A test image has a mean length of {pairs['length']:.0f} in "
    f"their units, a row of $w$ one of about {row:.0f} at the start. So $c$ changes the first layer by "
    f"{1e6 * 0.2 / (row * pairs['length']):.0f} parts in a million."
)
w = torch.tensor([1.0, 0.5], dtype=torch.float64)
angle = torch.linspace(-np.pi, np.pi, 361, dtype=torch.float64)
a = (2 * torch.stack([angle.cos(), angle.sin()], 1) * 1.0).requires_grad_()
cosine = (a @ w) / (a.norm(dim=1) * w.norm())
(true,) = torch.autograd.grad(cosine.sum(), a)
a = a.detach()
first, second = (
    w / (w.norm() * a.norm(dim=1, keepdim=True)),
    (a @ w)[:, None] * a / (w.norm() * a.norm(dim=1, keepdim=True) ** 3),
)
between = torch.rad2deg(angle - torch.atan2(w[1], w[0]))
fig, axis = plt.subplots(figsize=(6, 3.2), layout="constrained")
axis.plot(between, true.norm(dim=1), lw=4, color="0.75", label="automatic differentiation")
axis.plot(between, (first - second).norm(dim=1), "--", label="(3.3) with a minus")
axis.plot(between, (first + second).norm(dim=1), label="(3.3) as printed")
axis.set(xlabel="angle between a and w, degrees", ylabel="length of the derivative", xlim=(-180, 180))
axis.legend(fontsize=8)
page.figure(
    fig,
    caption="Length of the derivative of the cosine in a, for a of length 2, against the angle. The printed formula "
    "is largest where the true derivative vanishes, and twice as large there as the true one ever is.",
    alt="The true derivative and the formula with a minus coincide and are zero at 0 and 180 degrees; the printed "
    "formula is largest exactly there.",
)
page.say(
    "How to read it: the formula with a minus lies on the true derivative; the printed one is largest where that "
    "vanishes."
)

# %% tags=["hide-cell"]
page.source(layers.Angular)

# %% [markdown]
# ### A network of angles is nearly linear
#
# The thesis puts no activation behind its angular layers, because the cosine has "curvature". How much? With $c$ left
# out, the first layer is $W a/\lVert a\rVert$, rows of $W$ at length 1, and a bias. Batch renormalisation, in
# evaluation mode, is an affine map. So $h$, what enters the second layer, is an **affine map of the image at length
# 1**. The second layer makes $W'h/\lVert h\rVert$ of it, and what follows is affine again. Multiplying all logits by
# $\lVert h\rVert$ does not change which is the largest:
#
# $$\text{classes are ranked by}\quad U h + u\,\lVert h\rVert ,$$
#
# with a matrix $U$ and a vector $u$, one row and one entry a class. All that is not affine is one number, $\lVert
# h\rVert$. So such a network should be about as accurate as least squares from images at length 1 to one-hot labels:

# %% tags=["hide-input"]
angular = [
    record["thesis"]["clean"]
    for record in ledger.records("standard", "representation", "as_printed")
    if record.parameters["spec"]["kind"] == "A" and record.parameters["spec"]["data"] == "mnist"
]
page.say(
    f"Least squares gets **{100 * linear['accuracy']:.2f} %** of {linear['trials']:,} test images right. The thesis' "
    "angular network has 85.40 % on MNIST"
    + (f"; ours, over {len(angular)} seeds, {mean_sd(angular)}." if angular else ". Ours is not recorded yet.")
)

# %% [markdown]
# ## Threat model

# %% tags=["hide-input"]
page.threat_model(
    norm="l-infinity, of the whole image",
    budget="77 of 255 in the thesis' tables, 10 of 255 in its text; on this page 0.1 of [0, 1]",
    pixels="0 to 255 in the thesis; [0, 1] here, multiplied by 255 inside the network",
    clamp="in the thesis to the range of pixels; on this page none",
    goal="in the thesis untargeted; on this page to move one neuron",
    label="in the thesis the true label; none here",
)

# %% [markdown]
# ## Where we had to choose
#
# * Neurons of the figure above have starting weights, not trained ones. Those of angular ones and weighted means are
#   uniform in ±1 as in the thesis' code. Those of pairs are differences of two such numbers over $\sqrt2$. The dot
#   product has torch's, uniform in $\pm1/\sqrt m$. The left panel depends on these scales (with ±1 the dot product's
#   change would grow with the number of inputs, not with its root). The right one does not.
# * Our Pairwise Difference has half of the weights and a bias of its own, which batch renormalisation makes idle.
#
# ## What the thesis got wrong

# %% tags=["hide-input"]
page.errata(
    "rd-e-sign",
    "rd-e-aligned",
    "rd-e-constant",
    "rd-e-affine",
    "rd-e-indices",
    "rd-e-triangle",
    "rd-e-elastic",
    "rd-e-root",
    "rd-e-penalty",
)

# %% [markdown]
# ## Verdicts
#
# | id | in short |
# | --- | --- |
# | `rd-angle-inputs`, `rd-angle-seen` | measuring angles keeps many inputs from adding up to a large change; our question: does the next layer see that? |
# | `rd-angular-linear` | our question: a network of angles is nearly a linear classifier |
# | `rd-pairs-blank` | most pairs of pixels of MNIST compare two zeros, where the sigmoid is steepest |
# | `rd-half-the-pairs` | ours, against the thesis: half of the pairs are enough |
# | `rd-memory`, `rd-speed` | the layer can be had without the memory of its pairs; our question: and faster |
#
# `rd-angle-inputs` rests on the scale of the dot product's starting weights (see the choices); `rd-angle-seen` does not.

# %% tags=["hide-input"]
page.claims(
    "rd-angle-inputs",
    "rd-angle-seen",
    "rd-angular-linear",
    "rd-pairs-blank",
    "rd-half-the-pairs",
    "rd-memory",
    "rd-speed",
)

# %% [markdown]
# ## Exercises
#
# ```{exercise} Scale of an image (easy)
# :label: defences-1
#
# What does a cosine neuron answer if all pixels of an image are halved? Use (3.3) and Euler's theorem on homogeneous functions.
# ```
#
# ````{solution} defences-1
# :class: dropdown
#
# The same: the cosine is homogeneous of degree 0, so $a^\top\partial\cos/\partial a = 0$, which is the orthogonality of (3.3).
# ````
#
# ```{exercise} One weight for a pair (easy)
# :label: defences-2
#
# Check numerically that a layer with weights $w_{ab}$ and one with $w_{ab} - w_{ba}$ for $a < b$ and 0 elsewhere differ by a constant.
# ```
#
# ````{solution} defences-2
# :class: dropdown
#
# ```python
# import torch
#
# w, v = torch.randn(5, 5, dtype=torch.float64), 3 * torch.randn(8, 5, dtype=torch.float64)
# compared = torch.sigmoid(v[:, :, None] - v[:, None, :])
# gap = ((w - (w - w.T).triu(1)) * compared).sum((1, 2))
# assert gap.std() < 1e-12
# ```
# ````
#
# ```{exercise} A neuron that cannot be moved far (hard)
# :label: defences-3
#
# Take a network whose neurons are all weighted means, with activations of slope at most 1 in between. It moves each
# logit by at most $\epsilon$ when each pixel moves by at most $\epsilon$. Which robustness can be read off its logits
# for a given image, and why is batch renormalisation behind each layer the end of it?
# ```
#
# ````{solution} defences-3
# :class: dropdown
#
# If the largest logit exceeds the second by $m$, no perturbation below $m/2$ changes the answer. Batch renormalisation
# multiplies each neuron by $\gamma/\mathrm{sd}$. The spread of a mean of many pixels is small, so the factor is large,
# and the bound is multiplied by it in every layer.
# ````
#
# ## Further reading
#
# Networks that are robust by construction bound the Lipschitz constant of each layer: Cisse et al. {cite}`cisse2017`. What became of defences that rest on short gradients: Athalye et al. {cite}`athalye2018`.
#
# ## Run it yourself

# %% tags=["hide-input"]
page.provenance()
