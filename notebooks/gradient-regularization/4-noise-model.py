# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Why noise does not find adversarial examples
#
# Section V of Lyu, Huang and Liang {cite}`lyu2015` asks why adversarial examples, which exist next to nearly every image,
# so rarely occur by themselves. Its answer is a small probability model: an image is misclassified under Gaussian noise
# if the noise reaches far enough in **one** direction, and how far that is follows from the distances to the nearest
# wrong answer. The paper tests the model on softmax regression. This page re-derives it, runs it on MNIST, and finds
# where it is right, where it is wrong, and which of its approximations is to blame.
#
# **Time to learn**: 25 minutes. **You need** the normal distribution and softmax regression.

# %% tags=["parameters"]
profile: str = "quick"  # quick: digits, any CPU | standard: MNIST, minutes on 2 cores | paper: MNIST, more noise draws
replay: str = "auto"  # auto: measure what is not recorded | never: measure again | only: records or an error
seeds: int = None  # number of seeds of the noise; 1 to 100; None: the profile's
max_iter: int = None  # largest number of L-BFGS iterations; 1 to 1,000,000; None: the profile's

# %%
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np

from advbook.chapters.gradient_regularization import decay
from advbook.chapters.gradient_regularization import noise as chapter
from advbook.page import Page, at_hand, mean_sd
from advutils.attacks import linesearch

page = Page(
    "gradient-regularization",
    "4-noise-model",
    globals(),
    settings={
        "quick": dict(data="digits", seeds=2, draws=2, max_iter=200, noise=[0.01, 0.1, 0.3], path=[1, 2, 5]),
        "standard": dict(
            data="mnist",
            seeds=3,
            draws=5,
            max_iter=3000,
            noise=[0.01, 0.1, 0.3],
            path=[1, 2, 5, 10, 20, 40, 80, 160, 320],
        ),
        "paper": dict(
            data="mnist",
            seeds=5,
            draws=20,
            max_iter=3000,
            noise=[0.01, 0.1, 0.3],
            path=[1, 2, 5, 10, 20, 40, 80, 160, 320],
        ),
    },
)
settings = page.settings

# %% [markdown]
# ## What the paper claims
#
# | id | in short |
# | --- | --- |
# | `gr-noise-grows` | stronger regularisation, larger minimum perturbation (Table VI) |
# | `gr-noise-half` | its standard deviation is roughly half of its mean |
# | `gr-noise-fit-01`, `gr-noise-fit-03` | Eq. (33) "fits well" the actual error under noise .1 and .3 (Tables VII, VIII); by our rules the paper's own tables do not |
# | `gr-noise-test-data` | the distances are similar on test images |
# | `gr-noise-rare` | noise .01 raises the error by less than one image in a thousand (Table IX) |
# | ...`-mean` | the same in models that have the paper's mean distances (see below) |
# | `gr-noise-table8` | Table VIII follows from Table VI by Eq. (33) |
# | `gr-noise-bound` | the union bound (29) makes adversarial noise as long as the perturbation astronomically unlikely |

# %% tags=["hide-input"]
page.threat_model(
    norm="l2, and random noise instead of an adversary in most of the page",
    budget="none: the smallest distance along the loss gradient that changes the prediction",
    pixels="[0, 1], 784 of them",
    clamp="none: neither the line search nor the noise is clipped",
    goal="any wrong class",
    label="the true label; distances are taken over the images that are classified correctly",
)

# %% [markdown]
# ## The model
#
# Let $\eta \sim N(0, s^2 I_d)$ be noise added to an image $x$, and suppose that $x$ becomes misclassified exactly if
# $\eta$ reaches beyond $\|a\|$ in the direction $e = a/\|a\|$, where $a$ is its minimum perturbation: the shortest change along
# the loss gradient that makes the prediction wrong. The projection of isotropic noise on **any** unit vector is
# a one-dimensional Gaussian,
#
# $$\eta_0 = \eta^\top e \sim N(0, s^2), \qquad P(\eta_0 \ge \|a\|) = \Phi(-\|a\|/s), \tag{28}$$
#
# so the dimension $d$ does not enter: the length of the whole noise vector is about $s\sqrt d$, but its share in one
# direction stays $s$. With $n$ directions $a_1, \dots, a_n$ the probabilities add up to an **upper** bound (which the paper calls
# a lower bound),
#
# $$P(A) \le \sum_{i=1}^n \Phi(-\|a_i\|/s). \tag{27}$$
#
# If the noise is as long as the perturbation, $s^2 = \|a\|^2/d$, each term is $\Phi(-\sqrt d)$, the paper's (29):

# %%
bound = page.measure(chapter.union_bound, pixels=784)

# %% tags=["hide-input"]
page.say(
    f"For MNIST that is {bound['deviations']:.0f} standard deviations, a probability of $10^{{{bound['log10']:.0f}}}$. No number "
    "of directions that a network could have makes up for it: at equal length, noise essentially never takes the direction that "
    "a search finds at once. Longer noise is another matter; see the tables of errors below."
)

# %% [markdown]
# Distances differ between images. The paper takes them as Gaussian, $\|a\| \sim N(\mu_a, \sigma_a^2)$, and independent
# of the noise. Then $\delta = \eta_0 - \|a\|$, which is positive when the image breaks, has mean $-\mu_a$ and variance
# $s^2 + \sigma_a^2$. Write $P(\text{miss})$ for the error without noise. With one direction ($n = 1$) and no misclassification
# repaired by noise,
#
# $$P(\text{wrong}) = P(\text{miss}) + (1 - P(\text{miss}))\;\Phi\!\left(\frac{-\mu_a}{\sqrt{s^2 + \sigma_a^2}}\right). \tag{33}$$

# %% tags=["hide-input"]
page.source(chapter.eq_33)

# %% [markdown]
# ### The paper's own numbers
#
# First a check that needs no network: does the paper's Table VIII follow from its Table VI?

# %%
printed = page.measure(chapter.printed_tables)

# %% tags=["hide-input"]
page.table(
    ["λ", "miss, %", "at .1: printed", "recomputed", "at .3: printed", "recomputed", "Eq. (33) at 0"],
    [
        [
            lam,
            chapter.PAPER_VII[lam][0],
            chapter.PAPER_VIII[lam][1],
            f"{100 * chapter.eq_33(chapter.PAPER_VII[lam][0] / 100, mean, sd, 0.1):.2f}",
            chapter.PAPER_VIII[lam][2],
            f"{100 * chapter.eq_33(chapter.PAPER_VII[lam][0] / 100, mean, sd, 0.3):.2f}",
            f"{zero:.2f}",
        ]
        for (lam, (mean, sd)), zero in zip(chapter.PAPER_VI.items(), printed["column_0"], strict=True)
    ],
    caption="The paper's Table VIII, printed and recomputed from its Table VI (in %)",
)
page.say(
    f"It does, within {printed['worst']:.3f} points. Two things come out on the way. The column at noise 0 is **not** "
    "Eq. (33), which would give the last column here: the table prints the measured error instead. The paper's text knows the difference; "
    "Eq. (33) predicts "
    + ", ".join(f"{100 * share:.1f} %" for share in printed["without_noise"])
    + " of errors where there is no noise at all, because a Gaussian distance can be negative. And the third row of Table VII, "
    "labelled $\\lambda$ = 1e-4, must be $\\lambda$ = 1: its 8.93 % is the one that Table VIII uses there."
)

# %% [markdown]
# ## Softmax regression, and what λ means
#
# The objective is convex, so a converged fit has no seed; we minimise it with L-BFGS. But the paper does not say what its
# $\lambda$ multiplies, and its three values only make sense under some conventions. We try four, written as the coefficient
# $c$ in mean cross-entropy $+\, c\,\|W\|^2$: *half*, $c = \lambda/2$, the usual weight decay; *szegedy*, $\lambda/10$, per unit
# of the output layer as in the paper that Section V follows; *batch*, $\lambda/200$, a weight decay beside the sum over a
# minibatch of 100; *dataset*, $\lambda/(2\cdot 60{,}000)$, beside the sum over the training set. We pick by a rule fixed
# beforehand: the smallest sum, over the three $\lambda$, of the relative deviations of training error and mean distance from
# Tables VI and VII.
#
# The distance is an exact line search: along a ray the logits of a linear model are straight lines, so the first crossing is
# a minimum over nine quotients.

# %% tags=["hide-input"]
page.source(linesearch.ray_distance)

# %%
fits = {
    (convention, lam): page.measure(
        chapter.softmax_fit, data=settings.data, convention=convention, lam=lam, max_iter=settings.max_iter
    )
    for convention in chapter.CONVENTIONS
    for lam in chapter.LAMBDAS
}


def deviation(convention):
    """Summed relative deviation from the paper's training errors and mean distances."""
    return sum(
        abs(100 * fits[convention, lam]["train_error"] / chapter.PAPER_VII[lam][0] - 1)
        + abs(fits[convention, lam]["minimum_mean"] / chapter.PAPER_VI[lam][0] - 1)
        for lam in chapter.LAMBDAS
    )


chosen = min(chapter.CONVENTIONS, key=deviation)

# %% tags=["hide-input"]
page.table(
    ["convention", "λ", "c", "training error, %", "paper", "test error, %", "mean distance", "paper", "iterations"],
    [
        [
            convention,
            lam,
            f"{fit['coefficient']:.1e}",
            f"{100 * fit['train_error']:.2f}",
            chapter.PAPER_VII[lam][0],
            f"{100 * fit['test_error']:.2f}",
            f"{fit['minimum_mean']:.4f}",
            chapter.PAPER_VI[lam][0],
            f"{fit['iterations']}{' (stopped)' if fit['iterations'] >= settings.max_iter else ''}",
        ]
        for (convention, lam), fit in fits.items()
    ],
    caption=f"Calibration of λ on {settings.data}",
)
stopped = [(c, lam) for (c, lam), fit in fits.items() if fit["iterations"] >= settings.max_iter]
page.say(
    f"Fits stopped at the limit of {settings.max_iter} iterations, short of convergence: "
    + (", ".join(f"{c} at λ = {lam:g}" for c, lam in stopped) or "none")
    + ". Early stopping is a regularisation of its own, so "
    "the numbers of such a fit depend on the limit."
)
page.say(
    "Summed relative deviations: "
    + ", ".join(f"{name} {deviation(name):.2f}" for name in chapter.CONVENTIONS)
    + f". The rule picks **{chosen}**. The paper's errors of 6.02, 6.29 and 8.93 % are to be compared with the training "
    "column: it gathers its statistics on the training set and does not say so for Table VII. Since the convention was "
    "chosen to fit Tables VI and VII, agreement with the absolute numbers there is weak evidence."
)
weakest, intended = chapter.LAMBDAS[0], chapter.PAPER_VI[chapter.LAMBDAS[0]][0]
own = fits[chosen, weakest]["minimum_mean"]
pairs = [(fits[chosen, lam]["minimum_mean"], chapter.PAPER_VI[lam][0]) for lam in chapter.LAMBDAS]
steps = [[after / before for before, after in zip(*step, strict=True)] for step in pairwise(pairs)]
page.say(
    f"One model does not fit under this convention: for λ = {weakest:g} the mean distance is {own:.3f}, {own / intended:.2f} times the paper's {intended}. "
    f"Each λ is a hundred times the one before. From the second to the third our mean rises {steps[1][0]:.1f} times, the paper's {steps[1][1]:.1f} times; from the first to the second "
    f"ours rises {steps[0][0]:.1f} times, the paper's only {steps[0][1]:.1f} times. Most simply read, the paper's weakest model was not trained to rest. So for that λ a fit at rest is "
    "a model that the paper did not have."
)

# %% [markdown]
# ### Models with the paper's mean distances
#
# So each $\lambda$ has a second model here: at rest too, but with the weight decay $c$ that gives the paper's mean distance. It is chosen among numbers of one
# significant digit, by the mean distance on the training images alone. The table shows the choice beside its neighbours. Nothing else
# of the paper is fitted: not its errors, not its standard deviations, and nothing under noise.


# %%
def at_rest(c):
    """The model with the weight decay c."""
    return page.measure(decay.decay_fit, data=settings.data, coefficient=c, max_iter=settings.max_iter)


near_by = {c: fit for found in decay.NEIGHBOURS.values() for c in found if (fit := at_hand(lambda c=c: at_rest(c)))}
path = at_hand(
    lambda: page.measure(
        decay.descent_path,
        data=settings.data,
        coefficient=chapter.LAMBDAS[0] / 200,
        lr=0.1,
        batch_size=100,
        epochs=settings.path,
        seed=0,
    )
)


# %% tags=["hide-input"]
def mean_distance(c):
    return f"{near_by[c]['minimum_mean']:.4f}" if c in near_by else "not measured yet"


page.table(
    ["λ", "paper: mean", *("lower c", "mean", "chosen c", "mean", "higher c", "mean")],
    [
        [lam, chapter.PAPER_VI[lam][0], *(cell for c in found for cell in (f"{c:.0e}", mean_distance(c)))]
        for lam, found in decay.NEIGHBOURS.items()
    ],
    caption="The weight decay that gives the paper's mean distance",
)
closest = {
    lam: min(found, key=lambda c: abs(near_by[c]["minimum_mean"] - chapter.PAPER_VI[lam][0]))
    for lam, found in decay.NEIGHBOURS.items()
    if set(found) <= set(near_by)
}
if len(closest) < len(decay.NEIGHBOURS):
    page.say(
        "*Not measured yet: some of these fits. Claims that read one of them wait: `gr-noise-test-data` and those whose names end in `-mean`.*"
    )
else:
    page.say(
        "On these images the chosen ones are "
        + ("the closest of their three." if closest == decay.MATCHED else "not the closest; they were chosen on MNIST.")
    )
page.say(
    f"Each λ of the paper is a hundred times the one before, but from the first chosen c to the second there is a factor of {decay.MATCHED[1e-2] / decay.MATCHED[1e-4]:.0f}, "
    f"from the second to the third one of {decay.MATCHED[1.0] / decay.MATCHED[1e-2]:.0f}."
)
fig, axis = plt.subplots(figsize=(6.4, 3.8))
rest = sorted([*fits.values(), *near_by.values()], key=lambda fit: fit["minimum_mean"])
axis.plot(
    [fit["minimum_mean"] for fit in rest],
    [100 * fit["train_error"] for fit in rest],
    ".-",
    label="at rest, along the weight decay",
)
if path:
    axis.plot(path["minimum_mean"], 100 * np.array(path["train_error"]), "x--", label="plain descent, along the epochs")
    for epoch, mean, error in zip(settings.path, path["minimum_mean"], path["train_error"], strict=True):
        axis.annotate(f"{epoch}", (mean, 100 * error), textcoords="offset points", xytext=(4, -10), fontsize=7)
axis.plot(
    [mean for mean, _ in chapter.PAPER_VI.values()],
    [errors[0] for errors in chapter.PAPER_VII.values()],
    "o",
    label="the paper's three models",
)
axis.set(xlabel="mean minimum perturbation (l2)", ylabel="error on training images (%)", xlim=(0, 1.6), ylim=(5, 14))
axis.legend()
page.figure(
    fig,
    caption="Training error and mean distance of softmax models: fits at rest by their weight decay (of both tables above, as far as they lie in this frame) and the paper's three models."
    + (
        f" Crosses: plain minibatch descent (rate .1, minibatches of 100, c = {chapter.LAMBDAS[0] / 200:.0e}) after the number of epochs beside each."
        if path
        else ""
    ),
    alt="A rising curve of training error against mean distance for fits at rest, and three points for the paper's models."
    + (" A second curve, of descent, comes from the right." if path else ""),
)
page.say(
    f"Plain descent comes down this path from long distances: after {settings.path[0]} epoch the mean is {path['minimum_mean'][0]:.2f}, after {settings.path[-1]} epochs {path['minimum_mean'][-1]:.2f}; "
    f"at rest it would be {fits['batch', chapter.LAMBDAS[0]]['minimum_mean']:.2f}. Wherever somebody stops, the distance tells of the length of training as much as of λ."
    if path
    else "*Not measured yet: the path of plain descent, which comes down from long distances.*"
)

# %% [markdown]
# ## Table VI and Figures 5 and 7: the distances

# %% tags=["hide-input"]
best = {lam: fits[chosen, lam] for lam in chapter.LAMBDAS}
matched = {lam: near_by[c] for lam, c in decay.MATCHED.items() if c in near_by}
page.table(
    ["λ", "model", "paper: mean", "ours", "paper: sd", "ours", "sd / mean: paper", "ours"],
    [
        [
            lam,
            kind,
            *[
                cell
                for k, name in enumerate(("minimum_mean", "minimum_sd"))
                for cell in (chapter.PAPER_VI[lam][k], f"{fit[name]:.4f}")
            ],
            f"{chapter.PAPER_VI[lam][1] / chapter.PAPER_VI[lam][0]:.2f}",
            f"{fit['minimum_sd'] / fit['minimum_mean']:.2f}",
        ]
        for kind, found in ((f"λ as {chosen}", best), ("the paper's mean", matched))
        for lam, fit in found.items()
    ],
    caption=f"Table VI. Minimum perturbation along the gradient, correctly classified training images, {settings.data}",
)

page.table(
    ["λ", "mean: training images", "test images", "sd: training images", "test images"],
    [
        [lam, *(f"{fit[name]:.4f}" for name in ("minimum_mean", "test_minimum_mean", "minimum_sd", "test_minimum_sd"))]
        for lam, fit in matched.items()
    ]
    or [["not measured yet", "", "", "", ""]],
    caption='"Similar ... if the test data were used" (Section V-A): the models with the paper\'s mean',
)

fig, axes = plt.subplots(1, 2, figsize=(8, 3))
for lam, fit in best.items():
    edges, counts = fit.arrays["edges"], fit.arrays["counts"]
    axes[0].stairs(counts / counts.sum() / np.diff(edges), edges, label=f"λ = {lam:g}")
weak = best[chapter.LAMBDAS[0]]
axes[1].stairs(weak.arrays["small"], weak.arrays["small_edges"], fill=True)
axes[0].set(xlabel="minimum perturbation (l2)", ylabel="density", title="Figure 5: all distances")
axes[1].set(xlabel="minimum perturbation (l2)", ylabel="images", title="Figure 7: below .1, weakest λ")
axes[0].legend()
first, last = (np.mean(weak.arrays["small"][part]) for part in (slice(4), slice(-4, None)))
page.figure(
    fig,
    caption="Left: the distances grow with the regularisation and lean towards small values; they are no "
    "Gaussians, and none is negative. Right: does the density grow in proportion to the distance, as the paper's "
    f"p(a) = k a says? Then it would start at 0; the first bins hold {first:.0f} images each, the last ones {last:.0f}.",
    alt="Left, three skewed histograms of distances, wider for larger regularisation. Right, a bar histogram of the "
    "distances below one tenth.",
)

# %% [markdown]
# ## Tables VII and VIII: errors under noise

# %%
noisy = {
    lam: [
        page.measure(
            chapter.softmax_noise,
            data=settings.data,
            convention=chosen,
            lam=lam,
            max_iter=settings.max_iter,
            noise=settings.noise,
            draws=settings.draws,
            seed=seed,
        )
        for seed in range(settings.seeds)
    ]
    for lam in chapter.LAMBDAS
}


def under_noise(c):
    """Its errors under noise, one record for each seed."""
    model = dict(data=settings.data, coefficient=c, max_iter=settings.max_iter)
    noise = dict(noise=settings.noise, draws=settings.draws)
    return [page.measure(decay.decay_noise, **model, **noise, seed=seed) for seed in range(settings.seeds)]


decayed = {lam: at_hand(lambda c=c: under_noise(c), []) for lam, c in decay.MATCHED.items()}
decayed = {lam: records for lam, records in decayed.items() if records}  # all seeds or none
shown = [
    (lam, kind, records)
    for kind, found in ((f"λ as {chosen}", noisy), ("the paper's mean", decayed))
    for lam, records in found.items()
]

# %% tags=["hide-input"]
table = []
for lam, kind, records in shown:
    for k, std in enumerate((0.1, 0.3), start=1):
        table.append(
            [
                lam,
                kind,
                std,
                chapter.PAPER_VII[lam][k],
                mean_sd(np.concatenate([r["actual"][k] for r in records])),
                chapter.PAPER_VIII[lam][k],
                f"{100 * records[0]['eq_33'][k]:.2f} %",
            ]
        )
page.table(
    ["λ", "model", "noise", "actual: paper, %", "ours", "Eq. (33): paper, %", "ours"],
    table,
    caption="Tables VII and VIII. Error on the training images under noise, measured (± over single draws of noise, on one fit) and predicted",
)


def largest_gap(found):
    """Between Eq. (33) and the measured error, in points."""
    return 100 * max(
        abs(np.mean([r["actual"][k] for r in records]) - records[0]["eq_33"][k])
        for records in found.values()
        for k in (1, 2)
    )


page.say(
    f"Our largest gap between Eq. (33) and the measured error is {largest_gap(noisy):.1f} points"
    + (f", and {largest_gap(decayed):.1f} in the models with the paper's mean" if decayed else "")
    + "; the paper's own is "
    f'{chapter.PAPER_VII[1e-4][2] - chapter.PAPER_VIII[1e-4][2]:.1f} points (λ = 1e-4 at noise .3), where it says that the formula "fits well". '
    + ("" if len(decayed) == len(noisy) else "*Not measured yet: noise on some models with the paper's mean.* ")
    + f"Noise of standard deviation .1 has a length of {0.1 * 784**0.5:.1f}, which is "
    + ", ".join(f"{0.1 * 784**0.5 / best[lam]['minimum_mean']:.0f}" for lam in noisy)
    + " times the mean distance, and breaks "
    + ", ".join(f"{100 * np.mean([r['broken'][1] for r in records]):.1f}" for records in noisy.values())
    + " % of the images: to be longer than the distance is not enough."
)

# %% [markdown]
# ## Which approximation is to blame?
#
# Eq. (33) makes four: the distances are Gaussian, the gradient leads to the nearest boundary, only one of the nine
# boundaries counts, and noise repairs nothing. On a linear model the first three can be undone, one after the other. The boundary between the true class $y$ and class
# $k$ is a plane at distance $a_k = (z_y - z_k)/\|w_k - w_y\|_2$, and noise crosses it with probability exactly
# $\Phi(-a_k/s)$. Averaging over images:
#
# * *distances*: $\Phi(-a_i/s)$ with each image's own distance along the gradient, instead of a Gaussian for all;
# * *nearest*: the same with the nearest plane;
# * *union*: the sum over all nine planes, at most 1, an upper bound for each image.

# %% tags=["hide-input"]
models = {"eq_33": "Eq. (33)", "distances": "distances", "nearest": "nearest", "union": "union"}
table = []
for lam, kind, records in shown:
    for k, std in enumerate((0.1, 0.3), start=1):
        table.append(
            [lam, kind, std, mean_sd(np.concatenate([r["actual"][k] for r in records]))]
            + [f"{100 * records[0][name][k]:.2f} %" for name in models]
        )
page.table(
    ["λ", "model", "noise", "actual", *models.values()], table, caption="Four predictions of the error under noise"
)


def miss_by(name, k):
    """Largest distance of a prediction from the measured error, in points."""
    return 100 * max(abs(np.mean(records[0]["actual"][k]) - records[0][name][k]) for records in noisy.values())


page.say(
    "Largest distance from the measured error at noise .1 and .3, in points: "
    + "; ".join(f"{label} {miss_by(name, 1):.2f} and {miss_by(name, 2):.2f}" for name, label in models.items())
    + ". Where *distances* beats Eq. (33) the Gaussian shape was at fault; where *nearest* falls short of the measured error, "
    "several boundaries share the work; *union* counts all of them, and overshoots where they overlap."
)


def points(values):
    """Mean over draws and seeds, in points."""
    return f"{100 * np.mean(values):.2f}"


page.table(
    ["λ", "noise", "broken", "repaired", "broken: distances", "broken: nearest", "broken: union"],
    [
        [
            lam,
            std,
            points([r["broken"][k] for r in records]),
            points([r["repaired"][k] for r in records]),
            *(points(records[0][name][k] - records[0]["miss"]) for name in ("distances", "nearest", "union")),
        ]
        for lam, records in noisy.items()
        for k, std in enumerate(settings.noise)
    ],
    caption="Broken and repaired by noise, in % of all images: measured, and what the three predictions say will break",
)
weakest = noisy[chapter.LAMBDAS[0]]
worst, breaks = weakest[0], [np.mean(r["broken"][2]) for r in weakest]
page.say(
    "The table separates what the error mixes. Noise **repairs** images as well as breaking them, and no prediction knows of it. "
    f"For the weakest regularisation at noise .3 it breaks {points(breaks)} % of the images and "
    f"the predictions say {points(worst['eq_33'][2] - worst['miss'])} (Eq. 33), {points(worst['distances'][2] - worst['miss'])}, "
    f"{points(worst['nearest'][2] - worst['miss'])} and {points(worst['union'][2] - worst['miss'])} %. "
    + (
        "There one boundary, even the nearest, cannot stand for nine."
        if np.mean(breaks) > 1.2 * (worst["nearest"][2] - worst["miss"])
        else "The nearest boundary alone accounts for most of it."
    )
)

# %% [markdown]
# ## Table IX: the error that noise of .01 adds
#
# For small noise only small distances matter, and the paper reads a density $p(a) = k a$ near zero off its Figure 7. With $Q = 1 - \Phi$,
#
# $$\int_0^\infty k a\, Q(a/s)\, da = k s^2 \int_0^\infty x\, Q(x)\, dx = \frac{k s^2}{4},$$
#
# the last step by parts: $\int x Q\,dx = \tfrac12\int x^2 \varphi(x)\,dx = \tfrac14$. So the added error is
# $(1 - P(\text{miss}))\,k s^2/4$. We read $k$ off the share of distances below .05, which is $k \cdot .05^2/2$.

# %% tags=["hide-input"]
page.source(chapter.linear_density)
page.table(
    [
        "λ",
        "model",
        "k",
        "actual, net: paper, %",
        "ours, mean ± sd",
        "broken",
        "predicted: paper, %",
        "ours",
        "distances",
    ],
    [
        [
            lam,
            kind,
            f"{records[0]['slope']:.1f}",
            chapter.PAPER_IX[lam][0],
            mean_sd(np.concatenate([r["additional"][0] for r in records]), unit=""),
            f"{100 * np.mean([r['broken'][0] for r in records]):.3f}",
            chapter.PAPER_IX[lam][1],
            f"{100 * records[0]['linear_density'][0]:.3f}",
            f"{100 * (records[0]['distances'][0] - records[0]['miss']):.3f}",
        ]
        for lam, kind, records in shown
    ],
    caption="Table IX. Additional error in % at noise .01 (± over single draws of noise, on one fit), what of it breaks, and two predictions of what breaks",
)
exponents = {
    lam: np.log(fit["share_below"]["0.05"] / fit["share_below"]["0.02"]) / np.log(2.5)
    for lam, fit in best.items()
    if fit["share_below"]["0.02"]
}
page.say(
    "Is the density linear near zero? If it were, the share of distances below $h$ would grow as $h^2$; a constant density "
    "makes it grow as $h$. From $h = .02$ to $.05$ our exponents are "
    + ", ".join(
        f"{exponents[lam]:.2f} (λ = {lam:g})" if lam in exponents else f"undefined (λ = {lam:g}, no image that near)"
        for lam in best
    )
    + ". The further below 2, the more images lie arbitrarily close to the boundary, against the premise of the paper's Table IX; the "
    "column *distances*, which takes each image's own distance, predicts other numbers than the linear density. The measured column "
    "is a **net** number: at noise .01 "
    + ", ".join(
        f"{points([r['broken'][0] for r in records])} % of the images break and "
        f"{points([r['repaired'][0] for r in records])} % are repaired (λ = {lam:g})"
        for lam, records in noisy.items()
    )
    + ". The predictions are of what breaks, and so are natural adversarial examples, of which the paper speaks here; where the linear density agrees with the net number that is by accident."
)

fig, axes = plt.subplots(2, 8, figsize=(8, 2.2))
for column in range(8):
    for row, name in enumerate(("clean", "noisy")):
        axes[row, column].imshow(noisy[1.0][0].arrays[name][column].astype(float), vmin=0, vmax=1)
        axes[row, column].set_axis_off()
page.figure(
    fig,
    caption="Figure 6. Top: training images. Bottom: the same with Gaussian noise of standard deviation .01, "
    "invisible to the eye.",
    alt="Two rows of eight handwritten digits that look the same.",
)

# %% [markdown]
# ## Verdicts

# %% tags=["hide-input"]
page.claims(
    "gr-noise-grows",
    "gr-noise-half",
    "gr-noise-half-mean",
    "gr-noise-test-data",
    "gr-noise-fit-01",
    "gr-noise-fit-01-mean",
    "gr-noise-fit-03",
    "gr-noise-fit-03-mean",
    "gr-noise-rare",
    "gr-noise-rare-mean",
    "gr-noise-table8",
    "gr-noise-bound",
)

# %% [markdown]
# ## Where we had to choose
#
# The convention of $\lambda$ (calibrated above, on the paper's own numbers, before the rules of the first two claims were
# written); the optimiser (L-BFGS until it converges or reaches the limit in the table of profiles, where the paper has minibatch
# descent of unknown length; hence the second model for each $\lambda$); an exact line search where the paper steps (the gaps in its
# Figure 7 are those steps); biases are not regularised; a few draws of noise per seed (see the settings) where the paper does not say.
#
# ## What the paper got wrong

# %% tags=["hide-input"]
page.errata("gr-e-eq27", "gr-e-distortion", "gr-e-table7-label", "gr-e-table8-column0", "gr-e-train-errors")

# %% [markdown]
# ## Exercises
#
# ```{exercise} The dimension that does not matter
# :label: gr-noise-1
#
# *Easy.* Draw noise in 10, 100 and 1000 dimensions. How do its length and its projection on a fixed unit vector grow?
# ```
#
# ````{solution} gr-noise-1
# :class: dropdown
#
# The length grows like $\sqrt d$, the projection does not grow.
#
# ```python
# import torch
#
# for d in (10, 100, 1000):
#     noise = torch.randn(5000, d, generator=torch.Generator().manual_seed(0))
#     length, projection = noise.norm(dim=1).mean(), noise[:, 0].std()
#     print(d, length.item(), projection.item())
#     assert abs(projection - 1) < 0.05 and abs(length / d**0.5 - 1) < 0.03
# ```
# ````
#
# ```{exercise} One quarter
# :label: gr-noise-2
#
# *Middle.* Check $\int_0^\infty x\,Q(x)\,dx = 1/4$ numerically, and find what a **constant** density $p(a) = c$ near zero would
# give instead of $k s^2/4$.
# ```
#
# ````{solution} gr-noise-2
# :class: dropdown
#
# A constant density gives $c s \int Q\,dx = c s/\sqrt{2\pi}$: linear in the noise, so far more natural adversarial examples.
#
# ```python
# import math
# from scipy.integrate import quad
# from scipy.stats import norm
#
# linear = quad(lambda x: x * norm.sf(x), 0, math.inf)[0]
# constant = quad(norm.sf, 0, math.inf)[0]
# assert abs(linear - 1 / 4) < 1e-8 and abs(constant - 1 / math.sqrt(2 * math.pi)) < 1e-8
# ```
# ````
#
# ## Further reading
#
# Fawzi et al. {cite}`fawzi2018` make the relation between adversarial and random noise precise: for linear classifiers the
# ratio of the two is $\sqrt d$. That training with noise penalises curvature goes back to Bishop {cite}`bishop1995`.
#
# ## Run it yourself

# %% tags=["hide-input"]
page.provenance()
