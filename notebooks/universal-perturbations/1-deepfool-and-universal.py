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
# # DeepFool and universal perturbations
#
# A minimal perturbation changes the class of one image. Moosavi-Dezfooli et al. {cite}`moosavi2017` found that the sum
# of many of them, kept small, changes the class of most images: a **universal** perturbation.
# Kühne and Tödtli {cite}`kuhne2020` rebuild it, and ask how to make one for several networks at once. This page derives
# the step, shows the algorithm, and looks for the reason that it can work at all.
#
# **Time to learn**: 25 minutes. **You need** gradients, norms, and what singular values are.

# %% tags=["parameters"]
profile: str = "quick"  # quick: photographs | standard: NIPS 2017, minutes on 2 cores | paper: more images, a GPU
replay: str = "auto"  # auto: measure what is not recorded | never: measure again | only: records or an error
network: str = None  # the network whose minimal perturbations are compared; one name; None: the profile's

# %%
from importlib import import_module

import matplotlib.pyplot as plt
import numpy as np
import torch

from advbook import ledger
from advbook.chapters.universal_perturbations import theory
from advbook.page import Page
from advbook.settings import profiles
from advutils.attacks import universal
from advutils.core import norms

page = Page("universal-perturbations", "1-deepfool-and-universal", globals(), settings=profiles(
    profile     = ["quick",         "standard",            "paper"],
    data        = ["photographs",   "nips2017",            "nips2017"],
    network     = ["photographs-0", "squeezenet1_1",       "inception_v3"],
    training    = [300,             600,                   600],
    images      = [60,              300,                   600],
    num_classes = [6,               10,                    50],
    dimensions  = [[1, 5, 20],      [1, 10, 50, 100, 200], [1, 10, 50, 100, 200, 500]],
    draws       = [3,               10,                    20],
    length      = [3.0,             2000 / 255,            2000 / 255],
))  # fmt: skip
settings = page.settings
deepfool_module = import_module("advutils.attacks.deepfool")

# %% tags=["hide-input"]
found = page.measure(
    theory.spectrum,
    data=settings.data,
    network=settings.network,
    split=0,
    training=settings.training,
    images=settings.images,
    num_classes=settings.num_classes,
    dimensions=settings.dimensions,
    draws=settings.draws,
    length=settings.length,
    seed=0,
)

# %% tags=["hide-input"]
alone, noise = (100 * np.mean(found[name]) for name in ("single_rates", "noise_rates"))
page.say(
    f"**In one sentence:** on {settings.network} the minimal perturbation of a *single* image, made "
    f"{settings.length / found['lengths']:.0f} times as long, fools {alone:.0f} % of other images; noise of that "
    f"length fools {noise:.0f} %. (*Fooled*: the prediction changes, right or wrong.)"
)

# %% [markdown]
# ## The shortest way to a plane
#
# Let $f(x) = w^\top x + b$ decide between two classes by its sign. The boundary $f = 0$ is a plane. Which shortest $v$,
# in the $p$-norm, leads to it? By Hölder's inequality
#
# $$|f(x)| = |w^\top v| \le \lVert w\rVert_q\,\lVert v\rVert_p,\qquad \tfrac1p + \tfrac1q = 1,$$
#
# so no $v$ shorter than $|f(x)|/\lVert w\rVert_q$ arrives. The one for which Hölder's inequality is an equality does:
#
# $$v = -f(x)\,\frac{\operatorname{sign}(w)\,|w|^{q-1}}{\lVert w\rVert_q^q},\qquad \lVert v\rVert_p = \frac{|f(x)|}{\lVert w\rVert_q}.$$
#
# The paper prints $v = -f(x)\,w/\lVert w\rVert_p^2$. For $p = 2$ this is the same. For any other $p$ it misses the
# plane, unless $w$ has a single entry that is not 0. (For $p = 1$ the formula is meant as its limit: all on the largest
# $|w_i|$.)

# %% tags=["hide-input"]
w, f = torch.tensor([[2.0, 1.0]], dtype=torch.float64), 1.0
steps = {}
for p in (1.0, 1.5, 2.0, 4.0, norms.INF):
    right = -f / norms.norm(w, norms.dual(p)) * norms.steepest(w, p)
    printed = -f * w / norms.norm(w, p) ** 2
    steps[p] = (right[0], printed[0])

# %% tags=["hide-input"]
fig, axis = plt.subplots(figsize=(5, 4.2))
grid = np.linspace(-0.75, 0.15, 50)
axis.plot(grid, -(f + 2 * grid), color="0.6", label="the boundary")
for number, (p, (right, printed)) in enumerate(steps.items()):
    name = "∞" if p == norms.INF else f"{p:g}"
    axis.annotate("", xy=right, xytext=(0, 0), arrowprops=dict(color=f"C{number}", width=1.5, headwidth=7))
    axis.plot([], [], color=f"C{number}", label=f"$p$ = {name}")
    axis.plot(*printed, "x", color=f"C{number}", ms=9, mew=2)
axis.set(xlim=(-0.75, 0.15), ylim=(-0.75, 0.15), aspect="equal")
axis.legend(loc="lower left", fontsize=8)
page.figure(
    fig,
    caption="Arrows: the shortest step from the origin to the boundary in five norms. Crosses: where the printed "
    "formula ends. For p = 2 both coincide; the other crosses miss the boundary.",
    alt="All five arrows from the origin end on the boundary; of the crosses of the printed formula only that of p = "
    "2 does. The arrow of p = 1 runs along the first axis, that of p = infinity along the diagonal.",
)
page.say("How to read it: the right step arrives in every norm, the printed one only for $p = 2$.")
page.table(
    ["$p$", "norm of the right step", "$f$ after it", "norm of the printed step", "$f$ after it "],
    [
        [
            "∞" if p == norms.INF else f"{p:g}",
            f"{norms.norm(right[None], p).item():.3f}",
            f"{f + (w @ right).item():.3f}",
            f"{norms.norm(printed[None], p).item():.3f}",
            f"{f + (w @ printed).item():.3f}",
        ]
        for p, (right, printed) in steps.items()
    ],
    caption="$f = 1$ at the start; a step that arrives has $f = 0$ after it",
)
short = [p for p, (_, printed) in steps.items() if f + (w @ printed).item() > 1e-6]
page.say(
    f"How to read it: the printed step stops before the boundary for p = {', '.join(f'{p:g}' for p in short)}. "
    "For $p > 2$ it goes too far."
)

# %% [markdown]
# ## Curved boundaries, many classes
#
# A network has a logit $z_k$ for each class. **DeepFool** {cite}`moosavi2016` replaces every $f_k = z_k - z_{\hat k}$
# by its tangent, where $\hat k$ is the predicted class. It goes to the nearest of the planes and starts again from
# there, until the class has changed.
#
# Only the `num_classes` largest logits are looked at. That number includes the predicted class, so ten classes are nine
# boundaries. The sum of the steps is made longer by 2 % (`overshoot`), to come out on the other side.

# %% tags=["hide-cell"]
page.source(deepfool_module.descend)
page.source(deepfool_module._look)

# %% [markdown]
# ## Adding up
#
# The universal algorithm goes through the images one at a time. If $v$ does not change what the network says of $x$,
# DeepFool walks from $x + v$ to the nearest boundary. Its increment is added to $v$. A $v$ that has become too
# large is projected back onto the ball $\lVert v\rVert_p \le \xi$.
#
# For several networks, either every network looks at every image (Algorithm 1), or they take turns (Algorithm 2).

# %% tags=["hide-cell"]
page.source(universal.universal_perturbation)
page.source(universal._add_increments)
page.source(universal._in_passes)

# %% [markdown]
# Three things differ from the paper's text. All are in the code of the algorithm's first authors, on which the paper's
# is built.
#
# * An increment counts only if DeepFool arrived in fewer than `max_iter` − 1 steps.
# * $x + v$ is not clipped to the range of pixels.
# * $v$ is projected. The text has $v \leftarrow \sqrt\xi\,v/\lVert v\rVert_p$, which would give **every** $v$ the norm
#   $\sqrt{10} = 3.2$ (in grey levels of 0 to 255), also a smaller one. The authors' published perturbations reach 10
#   exactly.

# %% tags=["hide-input"]
fooled = [
    record
    for record in ledger.records("standard", "universal-perturbations")
    if record.name == "fooling" and record.parameters["method"] == "deepfool"
]
page.records += fooled
if fooled:
    walks, skipped = (
        sum(counts[name] for record in fooled for counts in record["history"]) for name in ("calls", "skipped")
    )
    page.say(
        f"The first of them {'never mattered' if skipped == 0 else 'mattered'} in our records: of {walks:,} walks, "
        f"for {len(fooled)} perturbations, {skipped or 'none'} took more than eight steps. "
        + (
            "So no result of this chapter rests on it. "
            if skipped == 0
            else "So results of this chapter may rest on it. "
        )
        + "Tests with walks of exactly eight and nine steps check the code."
    )

# %% [markdown]
# ### What it costs
#
# The algorithm is sequential: each walk starts from the $v$ that the last one left. It needs one forward pass to look
# at an image. Every step of a walk takes one forward and $C - 1$ backward passes, with $C$ candidate classes.
#
# `batch_size` is a variant of ours: so many images walk at once from the same $v$. Then they add their increments one after another, each after another look. It is faster, but the last column shows what it may cost.

# %% tags=["hide-input"]
costs = [record for record in ledger.records("standard", "universal-perturbations") if record.name == "universal_cost"]
page.records += costs
if costs:
    page.table(
        ["network", "how", "seconds", "times its forward and backward passes alone", "fools"],
        [
            [
                f"{r.parameters['network']}, {r.parameters['data']}",
                name,
                f"{r[key]['seconds']:.1f}",
                f"{r[key]['ratio']:.2f}" if "ratio" in r[key] else "",
                f"{100 * r[key]['rate']:.0f} %",
            ]
            for r in costs
            for key, name in (
                ("exact", "one image at a time"),
                ("batched", f"{r.parameters['batch']} at once"),
                ("art", "Adversarial Robustness Toolbox"),
            )
            if key in r.values
        ],
        caption=f"{costs[0]['images']} images, {costs[0].parameters['passes']} rounds over them, one thread of an "
        "idle machine; fooling rates on the same images",
    )
    page.say(
        "How to read it: "
        + "; ".join(
            f"{r.parameters['batch']} images at once on {r.parameters['network']} take "
            f"{r['batched']['seconds'] / r['exact']['seconds']:.2f} times the time of one at a time, and change the "
            f"fooling rate by {100 * (r['batched']['rate'] - r['exact']['rate']):+.0f} points"
            for r in costs
            if {"exact", "batched"} <= set(r.values)
        )
        + "."
    )
else:
    page.say("*No recorded timing in this checkout; `python -m benchmarks --standard` makes it.*")

# %% [markdown]
# ## Why should one perturbation fit all?
#
# Each increment is made for one image. Why does their sum work for images it has never seen? Moosavi-Dezfooli et al.
# {cite}`moosavi2017` have an explanation. Near different images the normals of the decision boundaries lie close to a
# subspace of few dimensions.
#
# The test has two parts.
#
# * **Singular values.** Take the minimal perturbations of many images, each scaled to length 1, as the rows of a
#   matrix. Compare its singular values with those of as many random directions. Equal curves mean that the
#   perturbations share no more than random directions do. A difference alone proves no subspace, since pixels differ in
#   how much they vary.
# * **Fooling.** Take random vectors from the span of the first singular vectors, and see how many images they fool.
#   There are two controls: the span of the **last** singular vectors, and the perturbation of a **single** image. If a
#   few common directions mattered, neither should fool as many.

# %% tags=["hide-input"]
fig, axes = plt.subplots(1, 2, figsize=(9.5, 3.8), layout="constrained")
for name, style, label in (("found", "-", "minimal perturbations"), ("random", "--", "random directions")):
    axes[0].plot(np.arange(1, 1 + len(found.arrays[name])), found.arrays[name], style, label=label)
axes[0].set(xlabel="number", ylabel="singular value", ylim=(0, None))
axes[0].legend()
rates = 100 * np.array([*found["rates"], found["last_rates"], found["single_rates"], found["noise_rates"]])
labels = [*(f"first {k}" for k in settings.dimensions), f"last {found['last']}", "single", "all space"]
axes[1].errorbar(labels, rates.mean(1), rates.std(1, ddof=1), fmt="o", capsize=4)
axes[1].tick_params(axis="x", rotation=60)
axes[1].set(ylabel="held-out images fooled, %", ylim=(0, None))
page.figure(
    fig,
    caption=f"Left: singular values of {len(found.arrays['found'])} minimal perturbations of images on "
    f"{settings.network}, each scaled to length 1, and of as many random directions. Right: share of other images "
    f"fooled by vectors of l2 norm {settings.length:.2f}: random ones in the span of the first or of the last right "
    "singular vectors, perturbations of single images, and random ones of all space; bars are standard deviations "
    f"over {settings.draws} vectors.",
    alt="Left: the singular values of the minimal perturbations start above those of random directions and end below. "
    "Right: vectors from the first or last singular vectors, and single perturbations, fool more images than noise "
    "from all of space.",
)
mean = dict(zip(labels, rates.mean(1), strict=True))
page.say(
    f"How to read it, left: the first singular value is {found.arrays['found'][0]:.2f}, against "
    f"{found.arrays['random'][0]:.2f} for random directions and 1 for directions at right angles. Right: random "
    f"vectors of the first {settings.dimensions[1]} directions fool {mean[labels[1]]:.0f} % of images that had no "
    f"part in them, those of the last {found['last']} {mean[labels[-3]]:.0f} %. The perturbation of a single image "
    f"fools {mean['single']:.0f} %, noise of all of space {mean['all space']:.0f} %. DeepFool's own perturbations "
    f"have a mean l2 norm of {found['lengths']:.2f}, after {found['steps']:.1f} steps; the vectors here are "
    f"{settings.length / found['lengths']:.0f} times as long."
)

# %% [markdown]
# So the recorded network (standard profile) speaks against the subspace, as far as its images go. Their minimal
# perturbations are nearly at right angles to each other, and the **last** singular vectors fool nearly as many images
# as the first.
#
# The right panel shows something else: minimal perturbations, made long, fool more images than noise of their length,
# whichever of them are mixed. The experiment does not say why. Nor does it exclude that common directions show among
# tens of thousands of images, as in the work of Moosavi-Dezfooli et al.

# %% [markdown]
# ## Where we had to choose
#
# * DeepFool is that of the attacks page: it adds $10^{-4}$ to each distance, as a later version of its authors' code does.
# * Images are cut to the centre of a frame of 256 pixels here; for training, random windows of that frame are taken.
#
# ## What the paper got wrong

# %% tags=["hide-input"]
page.errata("up-e-dual", "up-e-line10", "up-e-gate", "up-e-candidates", "up-e-sign")

# %% [markdown]
# ## Exercises
#
# ```{exercise} Which norm moves most pixels? (easy)
# :label: universal-1
#
# For the plane above give the shortest steps for $p = 1$ and $p = \infty$ without a formula, from the shapes of the balls.
# ```
#
# ````{solution} universal-1
# :class: dropdown
#
# A ball of $p = 1$ is a diamond: growing, it meets the plane with a corner, so only the coordinate with the largest $|w_i|$ moves: $(-1/2, 0)$. A ball of $p = \infty$ is a square, which meets it with a corner too: all coordinates
# move equally far: $(-1/3, -1/3)$.
# ````
#
# ```{exercise} Order matters (middle)
# :label: universal-2
#
# The paper notes that "adding up the perturbations is not a commutative operation, since projections take place". Is it commutative without projections?
# ```
#
# ````{solution} universal-2
# :class: dropdown
#
# No: the second increment starts from $x_2 + v$, and whether it is made at all depends on $v$. For two images and a linear network without projections:
#
# ```python
# import torch
# from advutils.attacks.universal import universal_perturbation
#
# net = torch.nn.Linear(2, 2, bias=False).double()
# with torch.no_grad():
#     net.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
# x = torch.tensor([[0.7, 0.3], [0.9, 0.3]], dtype=torch.float64)  # the second is farther from the boundary
# ends = [universal_perturbation([net], x[order], eps=1.0, passes=1, num_classes=2, generator=torch.Generator().manual_seed(s)).history[0]["updates"]
#         for order in ([0, 1], [1, 0]) for s in range(3)]
# print(ends)
# assert set(ends) == {1, 2}  # the far image first: one update fools both
# ```
# ````
#
# ```{exercise} A universal direction from gradients alone (hard)
# :label: universal-3
#
# Take the first right singular vector of the matrix of loss gradients (not of minimal perturbations) of 300 images. How many images does it fool at the same length, with either sign? Where does the sign come from in DeepFool's version?
# ```
#
# ````{solution} universal-3
# :class: dropdown
#
# A start: `advbook.chapters.universal_perturbations.theory._singular(rows)` takes any rows. A gradient's sign is that
# of growing loss, so stacked gradients have a common orientation, as minimal perturbations do. A singular vector has
# none: try both.
# ````
#
# ## Further reading
#
# Moosavi-Dezfooli et al. {cite}`moosavi2017` on the geometry; Chaubey et al. {cite}`chaubey2020` survey what came after.
#
# ## Run it yourself

# %% tags=["hide-input"]
page.provenance()
