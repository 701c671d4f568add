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
# # Stable explanations, and whether they explain
#
# A heat map says which pixels a prediction rests on. Schwartz, Alparslan and Kim {cite}`schwartz2020` ask how much such
# a map changes when something changes that should not matter. That is the size of the patch that hides a part of the
# image, or a blur that hardly anybody sees. They find that penalties on the weights make maps more stable (Table 2).
#
# This page measures it again, image by image, and asks three more questions. Does the answer depend on how maps are
# scaled? Is the difference larger than chance? Is a stable map worth anything?
#
# **Time to learn**: 20 minutes. **You need** the page [on sparsity](1-sparsity).

# %% tags=["parameters"]
profile: str = "quick"  # quick: photographs | standard: CIFAR-10, hours on 2 cores | paper: full networks, a GPU
replay: str = "auto"  # auto: measure what is not recorded | never: measure again | only: records or an error
seeds: int = None  # number of seeds; 1 to 100; None: the profile's
networks: list[str] = None  # networks that are trained; a,b for several; None: the profile's
images: int = None  # test images; 1 to all there are; None: the profile's

# %%
import functools

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from scipy import stats

from advbook.chapters.sparsity_attribution import learning
from advbook.chapters.sparsity_attribution import pipeline as chapter
from advbook.page import Page, mean_sd
from advbook.settings import profiles
from advutils.explanation import attribution

page = Page("sparsity-attribution", "3-attribution", globals(), settings=profiles(
    profile    = ["quick",         "standard",                    "paper"],
    data       = ["photographs",   "cifar10",                     "cifar10"],
    networks   = [["resnet-tiny"], ["resnet-small", "vgg-small"], ["resnet50", "mobilenet", "vgg16"]],
    seeds      = [1,               3,                             3],
    epochs     = [4,               20,                            40],
    train_size = [600,             5000,                          0],
    factor     = [1e-4,            1e-4,                          1e-4],
    images     = [8,               1000,                          1000],
    steps      = [8,               16,                            32],
))  # fmt: skip
settings = page.settings

# %% tags=["hide-input"]
common = dict(
    data=settings.data,
    epochs=settings.epochs,
    train_size=settings.train_size,
    images=settings.images,
    steps=settings.steps,
)
KINDS = {
    "base": ("base", 0.0),
    "l1": ("l1", settings.factor),
    "l2": ("l2", settings.factor),
    "elastic net": ("elastic net", settings.factor),
    "adversarial training": ("adversarial", 0.0),
    "l1 of 0.01": ("l1", 0.01),
    "l2 of 0.01": ("l2", 0.01),
    "elastic net of 0.01": ("elastic net", 0.01),
    "untrained": ("base", 0.0),
}
page.say(
    f"Trained on {settings.train_size or 'all'} images of {settings.data} for {settings.epochs} epochs; maps of the "
    f"first {settings.images:,} test images."
)
found = {
    (network, kind): [
        page.measure(
            chapter.maps,
            network=network,
            regularizer=penalty,
            factor=factor,
            seed=seed,
            **common | ({"epochs": 0} if kind == "untrained" else {}),
        )
        for seed in range(settings.seeds)
    ]
    for network in settings.networks
    for kind, (penalty, factor) in KINDS.items()
}


# %% tags=["hide-input"]
def seen(network, kind, *path):
    """Mean over seeds of what lies along a path in the records."""
    return np.mean([functools.reduce(lambda value, key: value[key], path, r) for r in found[network, kind]])


page.say(
    "**Stable is not the same as informative.** *Change* is the sum of squared differences between the maps of two "
    "patches; *worth*, from 0 for a random order, says how much the map knows of what the network needs.\n"
    "\n"
    + "\n".join(
        f"* **{network}**: l1 of 0.01 brings the change from {seen(network, 'base', 'mean', 'sliding_range'):.1f} to "
        f"{seen(network, 'l1 of 0.01', 'mean', 'sliding_range'):.1f}, and the accuracy from "
        f"{100 * seen(network, 'base', 'clean'):.0f} to {100 * seen(network, 'l1 of 0.01', 'clean'):.0f} %. An "
        f"*untrained* network has a change of {seen(network, 'untrained', 'mean', 'sliding_range'):.1f}, with a worth "
        f"of {seen(network, 'untrained', 'worth', 'sliding'):.2f} against "
        f"{seen(network, 'base', 'worth', 'sliding'):.2f} for the trained one."
        for network in settings.networks
    )
)

# %% [markdown]
# ## What maps look like

# %% tags=["hide-input"]
first = settings.networks[0]
# Networks of such crops: those of above where there are some, which are kept
crops = dict(epochs=6, train_size=900)
if settings.data == "photographs":
    crops = dict(epochs=settings.epochs, train_size=settings.train_size)
drawn = {
    kind: page.measure(
        chapter.pictures, network="resnet-tiny", regularizer=penalty, factor=factor, seed=0, images=3, **crops
    )
    for kind, (penalty, factor) in KINDS.items()
    if kind in ("base", "l1", "l2", "elastic net")
}
TITLES = ["image", "patch of 4", "patch of 2", "blurred", "Grad-CAM", "Grad-CAM, blurred", "saliency"]
fig, axes = plt.subplots(len(drawn), len(TITLES), figsize=(1.35 * len(TITLES), 5.8), layout="constrained")
for row, (kind, record) in zip(axes, drawn.items(), strict=True):
    for axis, title in zip(row, TITLES, strict=True):
        heat = record.arrays[title][0]
        axis.imshow(heat.transpose(1, 2, 0) if heat.ndim == 3 else heat, cmap="viridis")
        axis.set(xticks=[], yticks=[])
        if kind == "base":
            axis.set_title(title, fontsize=8)
    row[0].set_ylabel(f"{kind}\nΔ {record['sliding'][0]:.0f}, {record['cam'][0]:.0f}", fontsize=8)
page.figure(
    fig,
    caption="One crop of a photograph and its maps by resnet-tiny (an eighth as wide as ResNet-50, with four blocks), "
    f"trained on such crops without a penalty and with three of {settings.factor:g}, a hundredth of the paper's "
    "factor, one a row; each map is scaled by itself. Δ: sum of squared differences between the two sliding patches, "
    "and between Grad-CAM of the image and of its blur. Saliency, the largest absolute gradient of a pixel, is for "
    "comparison.",
    alt="One image and its maps, a row for each penalty. The sliding patches' maps share coarse spots and differ in "
    "speckles; Grad-CAM's maps are a few smooth values that a blur hardly changes; saliency is speckled.",
)
page.say(
    "How to read it: where two maps of one row differ, the explanation depends on the patch, or on a blur that hardly "
    "shows. On three such crops the mean Δ of the patches is "
    + ", ".join(f"{np.mean(record['sliding']):.0f} ({kind})" for kind, record in drawn.items())
    + ": too few to compare networks by eye."
)


# %% [markdown]
# ## Two maps
#
# **Sliding patch** {cite}`zeiler2014`. A grey square moves over the image; where hiding lowers the probability of the
# network's answer, the image mattered. With $S_{uv}$ the pixels of the square at $(u, v)$, and $x^{uv}$ the image with
# this square grey,
#
# $$m_{ij}=\frac{1}{|\{(u,v): (i,j)\in S_{uv}\}|}\sum_{(u,v):(i,j)\in S_{uv}} \big(p_c(x)-p_c(x^{uv})\big).$$
#
# Here $p_c(x)$ is the probability of the network's answer $c$, and $(i, j)$ a pixel of the image. Falls below $10^{-6}$
# are rounding and count as 0. The fall is painted on all pixels of a square, so maps have one size for any patch. A
# patch of 4 has 15 x 15 positions, one of 2 has 16 x 16. The paper does not say how it compared them.
#
# **Grad-CAM** {cite}`selvaraju2017`. The channels $A^k$ of the last maps (after their rectifier) are added with weights
# $\alpha_k$. Each is the mean gradient of the answer's logit $z_c$ over the $Z$ places $(u, v)$ of a map. What is
# negative is cut off, and the result is scaled up to the image:
#
# $$\alpha_k=\frac1Z\sum_{uv}\frac{\partial z_c}{\partial A^k_{uv}},\qquad m=\Big(\sum_k\alpha_k A^k\Big)_+ .$$
#
# Much depends on the size of the last maps. ResNet-50 and MobileNet as they come with Keras shrink an image of 32
# pixels to a single one. Then $m$ is the same everywhere, and scaling it to $[0, 1]$ divides nothing by nothing. The
# paper does not name the network of its Table 2. If it was one of these, its maps were scaled otherwise or taken from
# an earlier layer.
#
# The networks here keep 2 x 2 pixels or more, and a map without differences counts as 0. But 2 x 2 is little: such a
# map is **four numbers**, and scaling them to $[0, 1]$ fixes two. (The full-sized ResNet-50 has 4 x 4.)
#
# All networks here end in a mean (VGG: a maximum) over the places of each map and one linear layer. Then $\alpha_k$ is
# that layer's weight $w_{ck}$ over $Z$, whatever the image, and Grad-CAM is the older class activation map
# {cite}`zhou2016`.
#
# **What they cost.** The paper's Section 3.3 says that Grad-CAM is orders of magnitude cheaper, and it is: by two
# orders here. On 32 pixels, in steps of 2, the patch of 4 pixels takes $15\times15=225$ passes through the network and
# one without a patch. That of 2 pixels takes $16\times16=256$ and one. Grad-CAM takes one pass forward and one back (a
# test counts them).
#
# Both maps agree with captum's {cite}`kokhlikyan2020` (a test checks that).

# %% tags=["hide-cell"]
page.source(attribution.occlusion)
page.source(attribution.grad_cam)
page.source(attribution.normalised)
page.source(attribution.change)

# %% [markdown]
# ### How small can the change be?
#
# Even the most consistent network has a change between two patches. Let the falls simply add: that of a square of 4
# pixels is the sum of those of its four squares of 2. Then the map of the larger patch is that of the smaller one,
# smoothed, and the change says how **rough** the map is. Here are two cases, with falls that are normal random numbers,
# independent or smoothed over three squares:

# %% tags=["hide-input"]
generator = torch.Generator().manual_seed(0)
falls = torch.randn(2000, 1, 16, 16, generator=generator)  # of the squares of 2 pixels
weights = torch.tensor([1.0, 2.0, 1.0]) / 4
smooth = F.conv2d(F.pad(falls, (1, 1, 1, 1), mode="replicate"), (weights[:, None] * weights)[None, None])


def added(falls):
    """Change between the maps of both patches, scaled to [0, 1], if falls add."""
    over, ones = 4 * F.avg_pool2d(falls, 2, stride=1), torch.ones(1, 1, 2, 2)  # of the 15 x 15 squares of 4 pixels
    painted = F.conv_transpose2d(over, ones) / F.conv_transpose2d(torch.ones_like(over), ones)
    large, small = (F.interpolate(maps, scale_factor=2)[:, 0] for maps in (painted, falls))
    return attribution.change(large, small, how="range")


null = {name: added(values) for name, values in (("independent", falls), ("smooth", smooth))}
page.say(
    f"If falls add, the change is {null['independent'].mean():.1f} ± {null['independent'].std():.1f} for independent "
    f"ones and {null['smooth'].mean():.1f} ± {null['smooth'].std():.1f} for smooth ones (mean and standard deviation "
    f"over {len(falls):,} maps). So a lower change first of all means a smoother map, and changes near the first "
    "number are those of noise."
)

# %% [markdown]
# ## How the networks are trained
#
# As in the [example code](2-robustness) that Table 1 seems to come from: Adam at a rate of 0.001, in batches of 128.
# But they are trained once and on clean images only. (The paper does not say whether its maps are of networks that were
# retrained on adversarial images.) Penalties have the paper's factor, 0.01, and a hundredth of it, at which more
# networks learn. A network that has learnt nothing stays in the tables, with a mark: its maps may be stable, but have
# nothing to show.
#
# Two controls are measured beside them.
#
# * **One-step adversarial training**: in place of a penalty, each step minimises the loss of
#   $x+\tfrac{8}{255}\operatorname{sign}\nabla_x L$, clipped to $[0, 1]$. How robust that is, the [page
#   before](2-robustness) says.
# * **An untrained network**: its maps cannot mean anything.

# %% [markdown]
# ## Table 2

# %% tags=["hide-input"]
printed = {
    "base": ("26.31 ± 27.19", "24.53 ± 34.19"),
    "l1 of 0.01": ("18.51 ± 15.28", "15.13 ± 24.95"),
    "l2 of 0.01": ("18.62 ± 13.48", "15.12 ± 20.92"),
    "elastic net of 0.01": ("20.92 ± 17.83", "13.96 ± 22.51"),
}


def both(records, name):
    return f"{np.mean([r['mean'][name] for r in records]):.2f} ± {np.mean([r['sd'][name] for r in records]):.2f}"


page.table(
    ["network", "trained with", "clean accuracy", "sliding patch: paper", "ours", "Grad-CAM: paper", "ours"],
    [
        [
            network,
            kind + learning.mark(records),
            mean_sd([r["clean"] for r in records]),
            printed.get(kind, ("", ""))[0],
            both(records, "sliding_range"),
            printed.get(kind, ("", ""))[1],
            both(records, "cam_range"),
        ]
        for (network, kind), records in found.items()
    ],
    caption="Sum of squared differences of two maps, each scaled to [0, 1]: mean ± standard deviation over "
    f"{settings.images} images, both averaged over {settings.seeds} seed(s). {learning.FOOTNOTE}",
)
for network in settings.networks:
    mean = functools.partial(seen, network)
    sighted = [kind for kind in KINDS if not learning.mark(found[network, kind])]
    order = sorted(sighted, key=lambda kind: mean(kind, "mean", "sliding_range")) or ["none"]
    page.say(
        f"How to read it: among the trainings of {network} in which every seed has learnt, the sliding patch's map "
        f"changes least with: {order[0]}, most with: {order[-1]}. The paper's factor, as a ratio to no penalty: "
        + "; ".join(
            f"{kind} {mean(kind, 'mean', 'sliding_range') / mean('base', 'mean', 'sliding_range'):.2f} (sliding "
            f"patch) and {mean(kind, 'mean', 'cam_range') / mean('base', 'mean', 'cam_range'):.2f} (Grad-CAM), at "
            f"{100 * mean(kind, 'clean'):.0f} % accuracy against {100 * mean('base', 'clean'):.0f} %"
            for kind in ("l1 of 0.01", "l2 of 0.01", "elastic net of 0.01")
        )
        + "."
    )


def apart(a, b):
    """How many standard errors apart two printed means (mean, sd of 1,000 images) are, if independent."""
    return (a[0] - b[0]) / ((a[1] ** 2 + b[1] ** 2) / 1000) ** 0.5


page.say(
    "**The paper's numbers by themselves**, as if its columns of 1,000 images were independent. For the sliding patch "
    f"l1 is {apart((26.31, 27.19), (18.51, 15.28)):.1f} standard errors below no penalty. l2 is "
    f"{apart((18.62, 13.48), (18.51, 15.28)):.1f} above l1, and the elastic net "
    f"{apart((20.92, 17.83), (18.51, 15.28)):.1f} above l1: it is not the best there. For Grad-CAM l1 is "
    f"{apart((15.13, 24.95), (13.96, 22.51)):.1f} above the elastic net: the three cannot be told apart. If all "
    "networks saw the same images, a paired test could say more. No test on one network of each kind knows what "
    "another training would have given."
)

# %% [markdown]
# ### Does it depend on the scaling?

# %% tags=["hide-input"]
fig, axes = plt.subplots(
    2,
    len(settings.networks),
    figsize=(3.4 * len(settings.networks) + 1, 5.6),
    layout="constrained",
    sharex="col",
    squeeze=False,
)
for row, kind_of_map in zip(axes, ("sliding", "cam"), strict=True):
    for axis, network in zip(row, settings.networks, strict=True):
        for number, how in enumerate(attribution.NORMALISATIONS):
            base = np.mean([r["mean"][f"{kind_of_map}_{how}"] for r in found[network, "base"]])
            ratios = [
                np.mean([r["mean"][f"{kind_of_map}_{how}"] for r in found[network, kind]]) / base if base else np.nan
                for kind in KINDS
            ]
            axis.plot(np.arange(len(KINDS)), ratios, "osD^"[number], ms=4, color=f"C{number}", label=how)
        axis.axhline(1, color="k", lw=0.6, ls=":")
        axis.set(
            title=f"{network}, {'sliding patch' if kind_of_map == 'sliding' else 'Grad-CAM'}",
            xticks=np.arange(len(KINDS)),
        )
        axis.set_xticklabels(
            [kind + learning.mark(found[network, kind]) for kind in KINDS], rotation=40, ha="right", fontsize=7
        )
for axis in axes[:, 0]:
    axis.set_ylabel("change, over base")
axes[0, 0].legend(fontsize=7, title="maps scaled by")
page.figure(
    fig,
    caption="Mean change of the maps over that of the network without a penalty, for four ways to scale a map before "
    "two are compared: not at all, to [0, 1], by its largest value, by its length. Dotted: no difference. Under the "
    f"axis: {learning.FOOTNOTE}.",
    alt="Change of the maps over that without a penalty, four marks for each way of training, one for each scaling. "
    "Where the marks of a column lie on both sides of 1, the scaling decides.",
)
sides = {
    (network, kind): [
        np.mean([r["mean"][f"sliding_{how}"] for r in found[network, kind]])
        < np.mean([r["mean"][f"sliding_{how}"] for r in found[network, "base"]])
        for how in attribution.NORMALISATIONS
    ]
    for network, kind in found
    if kind != "base"
}
page.say(
    "How to read it: for the sliding patch the scaling decides in "
    f"{sum(len(set(each)) > 1 for each in sides.values())} of {len(sides)} columns whether a network looks more "
    "stable than the one without a penalty."
)

# %% [markdown]
# ### Is it more than chance?
#
# The paper's standard deviations are as large as its means. But each image has a map under each network, so the
# comparison is paired: how do the *differences* on the same images lie? A Wilcoxon signed-rank test
# {cite}`wilcoxon1945` asks, for one pair of trained networks, whether they lie symmetrically about zero.
#
# It cannot know what another training would have given. So the table has it for each seed, with the median difference.
# A tiny p with another sign in the next seed says that trainings differ, not penalties. Nothing is corrected for the
# number of tests.

# %% tags=["hide-input"]
rows, left_out = [], []
for network in settings.networks:
    for kind, against in [
        *((kind, "base") for kind in KINDS if kind not in ("base", "untrained")),
        ("l2 of 0.01", "l1 of 0.01"),
        ("elastic net of 0.01", "l1 of 0.01"),
    ]:
        records = [
            two
            for two in zip(found[network, against], found[network, kind], strict=True)
            if len(learning.learnt(two)) == 2
        ]
        if len(records) < settings.seeds:
            left_out.append(
                f"{network}, {kind} - {against} ({settings.seeds - len(records)} of {settings.seeds} seeds)"
            )
        for kind_of_map in ("sliding", "cam") if records else ():
            pairs = [
                other.arrays[f"{kind_of_map}_range"] - base.arrays[f"{kind_of_map}_range"] for base, other in records
            ]
            tests = [stats.wilcoxon(pair, zero_method="zsplit").pvalue for pair in pairs]
            rows.append(
                [
                    network,
                    f"{kind} - {against}",
                    "sliding patch" if kind_of_map == "sliding" else "Grad-CAM",
                    mean_sd([np.mean(pair) for pair in pairs], unit="", scale=1),
                    "; ".join(
                        f"{np.median(pair):+.2f} ({f'{p:.1g}' if p > 1e-99 else 'below 1e-99'})"
                        for pair, p in zip(pairs, tests, strict=True)
                    ),
                ]
            )
page.table(
    ["network", "difference", "map", "mean, over seeds", "median (p), seed by seed"],
    rows,
    caption="Paired differences of the change, maps scaled to [0, 1]; negative: the first is more stable than the "
    "second",
)
page.say(
    "How to read it: a penalty makes maps more stable where the differences are negative in every seed; medians of "
    "both signs in one row say that trainings differ."
)
page.say("Left out, because one of the two networks has learnt nothing: " + ("; ".join(left_out) or "none") + ".")

# %% [markdown]
# ## Is a stable map worth anything?
#
# A map that is the same for every image, or grey all over, is as stable as can be. Three numbers beside stability say
# whether a map knows something.
#
# * **Deletion** and **insertion** {cite}`petsiuk2018`: pixels go to grey, or come back from it, in the order of the
#   map. The mean probability of the answer on the way is what counts.
# * The **worth** of a map is insertion less deletion, over the probability of the whole image. A random order has a
#   worth of about 0. Deletion goes to the same grey that the sliding patch hides with, which favours that map over
#   Grad-CAM.
# * **Class sensitivity** of Grad-CAM compares the maps for the network's answer and for its second choice. It is their
#   squared distance (0 to 2), both scaled to length 1. 0 means that the map does not look at the class. A large value
#   means nothing by itself: it compares two rows of the last layer, and those of an untrained network are unrelated.
#
# Worth compares maps of one network. Across networks it also contains how easily a few grey pixels change the answer.
# It is that of the patch of 4 pixels, and of Grad-CAM without the blur.

# %% tags=["hide-input"]
page.table(
    [
        "network",
        "trained with",
        "most frequent answer",
        "worth: sliding patch",
        "Grad-CAM",
        "random order",
        "class sensitivity: Grad-CAM",
        "maps without differences: sliding patch, Grad-CAM",
    ],
    [
        [
            network,
            kind + learning.mark(records),
            mean_sd([r["largest"] for r in records]),
            *(
                mean_sd([r["worth"][which] for r in records], unit="", scale=1)
                for which in ("sliding", "cam", "random")
            ),
            mean_sd([r["other"] for r in records if r["other"] is not None], unit="", scale=1)
            if any(r["other"] is not None for r in records)
            else "none",
            ", ".join(mean_sd([r["empty"][which] for r in records]) for which in ("sliding", "cam")),
        ]
        for (network, kind), records in found.items()
    ],
    caption=f"Worth of the maps; seeds: {settings.seeds}. {learning.FOOTNOTE}",
)
for network in settings.networks:
    best = max(
        [kind for kind in KINDS if not learning.mark(found[network, kind])] or KINDS,
        key=lambda kind, network=network: np.mean([r["worth"]["sliding"] for r in found[network, kind]]),
    )
    page.say(
        f"How to read it: on {network}, among trainings in which every seed has learnt, the sliding patch's maps are "
        f"worth most with: {best} ({np.mean([r['worth']['sliding'] for r in found[network, best]]):.2f}; without a "
        f"penalty {np.mean([r['worth']['sliding'] for r in found[network, 'base']]):.2f}, untrained "
        f"{np.mean([r['worth']['sliding'] for r in found[network, 'untrained']]):.2f})."
    )
fig, axes = plt.subplots(2, 1, figsize=(4.4, 7), layout="constrained")
for axis, which, title in zip(axes, ("sliding", "cam"), ("sliding patch", "Grad-CAM"), strict=True):
    for number, kind in enumerate(KINDS):
        for network, marker in zip(settings.networks, "osD^", strict=False):
            records = found[network, kind]
            axis.plot(
                [np.mean([r["mean"][f"{which}_range"] for r in records])],
                [np.mean([r["worth"][which] for r in records])],
                marker,
                color=f"C{number % 7}",
                fillstyle="none" if number > 6 else "full",
                label=kind if network == first else None,
            )
            axis.annotate(
                learning.mark(records).strip(),
                axis.lines[-1].get_xydata()[0],
                fontsize=7,
                xytext=(3, 3),
                textcoords="offset points",
            )
    axis.axhline(0, color="k", lw=0.6, ls=":")
    if which == "sliding":
        axis.axvline(float(null["independent"].mean()), color="grey", lw=0.8, ls="--")
    axis.set(xlabel="change (left is stable)", ylabel="worth (up is informative)", title=title)
axes[0].legend(fontsize=7)
page.figure(
    fig,
    caption="Worth against change, means over seeds; one marker shape for each network "
    f"({', '.join(settings.networks)}). A network whose answer never moves has maps without differences, and lies at "
    f"the origin by convention. Dashed: independent falls that add. At points: {learning.FOOTNOTE}.",
    alt="Worth of maps against their change, one colour for each way of training: the most stable maps (left) are not "
    "those of most worth (top), and untrained networks lie low.",
)
page.say(
    "How to read it: a good explanation lies at the upper left, stable and informative. Maps at the lower left are "
    "stable and know nothing."
)

# %% [markdown]
# ## Threat model
#
# None: nobody attacks here. The changes (another patch, a blur of 0.5 pixels) are not chosen against the network.
#
# ## Where we had to choose
#
# * The paper does not say which network gave its Table 2. Its 1,000 images are random; ours are the first test images.
# * Maps are for the network's own answer: probabilities for the patch, logits for Grad-CAM. The map of the blurred
#   image is for the answer to the unblurred one.
# * The grey of the patch is 0.5. The blur is a Gaussian of 0.5 pixels, cut off at two pixels, edges repeated.
# * Maps are of 32 x 32 pixels and scaled to [0, 1] in the table, since this gives numbers of the paper's size. The
#   figure has the other scalings.
#
# ## What the paper got wrong

# %% tags=["hide-input"]
page.errata("sa-e-ssd", "sa-e-elastic-most")

# %% [markdown]
# ## Verdicts
#
# | id | in short |
# | --- | --- |
# | `sa-t2-sliding` | penalties of 0.01 lower the change of the sliding patch's map, l1 most |
# | `sa-t2-cam` | penalties of 0.01 lower the change of Grad-CAM under a blur, the elastic net most |
# | `sa-t2-sliding-weak`, `sa-t2-cam-weak` | our question: the same at a hundredth of the factor, with which networks learn |
# | `sa-l2-maps`, `sa-stable-worth` | our question: are the maps more stable with l2 of 0.01, or with l1 of 0.0001, and worth no less? |
# | `sa-blind` | our question: why are the maps of a network that always gives one answer so stable? |
# | `sa-untrained`, `sa-untrained-vgg` | our question: does an untrained network have the more stable maps? |
# | `sa-rival-maps` | our question: is adversarial training the better way to stable maps? |

# %% tags=["hide-input"]
page.claims(
    "sa-t2-sliding",
    "sa-t2-cam",
    "sa-t2-sliding-weak",
    "sa-t2-cam-weak",
    "sa-l2-maps",
    "sa-stable-worth",
    "sa-rival-maps",
    "sa-blind",
    "sa-untrained",
    "sa-untrained-vgg",
)

# %% [markdown]
# ## Exercises
#
# ```{exercise} Fifteen and sixteen (easy)
# :label: attribution-1
#
# How many positions has a patch of 4, and one of 2, in steps of 2 on 32 pixels? Which pixels are covered by how many patches of 4?
# ```
#
# ````{solution} attribution-1
# :class: dropdown
#
# 15 and 16 in each direction. Two pixels at each border are covered once in that direction, all others twice: `attribution.occlusion` divides by that number.
# ````
#
# ```{exercise} A fair null (middle)
# :label: attribution-2
#
# The insertion curve of a random order is above the one of a very bad map. Why is it not flat, and what does its shape say about the network?
# ```
#
# ````{solution} attribution-2
# :class: dropdown
#
# An image with half of its pixels is still recognisable. How soon the probability rises says how much the network
# needs. A network that is robust against noise has an earlier rise. So differences to the random order compare better
# across networks than the scores themselves.
# ````
#
# ```{exercise} Attack the explanation (hard)
# :label: attribution-3
#
# Find a perturbation within 2/255 that leaves the answer alone and changes the Grad-CAM map as much as possible. Do penalties help against that?
# ```
#
# ````{solution} attribution-3
# :class: dropdown
#
# PGD on the change of the map. On the networks of this page $\alpha_k$ is a constant. So the map depends on the image
# through the channels $A^k$ alone, and one derivative suffices. A network with more layers after its last maps needs
# second derivatives (`create_graph=True`), and those of rectifiers are zero almost everywhere. Replace rectifiers with
# softplus during the attack {cite}`dombrowski2019`.
# ````
#
# ## Run it yourself

# %% tags=["hide-input"]
page.provenance()
