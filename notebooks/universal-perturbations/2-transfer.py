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
# # Do universal perturbations transfer?
#
# If a perturbation that is made on one network fools others too, it threatens systems whose network nobody
# knows. This page makes perturbations of several networks and measures each on all of them, on images that had no part
# in making it. It repeats Table 1 of Kühne and Tödtli {cite}`kuhne2020`, with error bars over random splits.
#
# **Time to learn**: 15 minutes. **You need** the [page on the algorithm](1-deepfool-and-universal).

# %% tags=["parameters"]
profile: str = "quick"  # quick: photographs | standard: NIPS 2017, hours on 2 cores | paper: larger networks, a GPU
replay: str = "auto"  # auto: measure what is not recorded | never: measure again | only: records or an error
passes: int = None  # passes over the training images; 1 to 10,000; None: the profile's
sources: list[str] = None  # where perturbations are made, also torchvision's; a,b for several; None: the profile's
data: str = None  # a folder with train and val in it, as ImageNet's; or photographs, nips2017; None: the profile's
training: int = None  # images that perturbations are made on; 1 to all there are; None: the profile's
splits: int = None  # random splits; 1 to 100; None: the profile's

# %%
import matplotlib.pyplot as plt
import numpy as np

from advbook.chapters.universal_perturbations import fooling as chapter
from advbook.page import Page, at_hand, mean_sd

page = Page(
    "universal-perturbations",
    "2-transfer",
    globals(),
    settings={
        "quick": dict(
            data="photographs",
            sources=["photographs-0", "photographs-1"],
            splits=1,
            fewer={},
            shorter={},
            training=70,
            passes=2,
            long=2,
            rest=0,
            num_classes=6,
            batch=10,
            noise=[4, 10],
            draws=2,
            checks=0,
        ),
        "standard": dict(
            data="nips2017",
            sources=["squeezenet1_1", "mobilenet_v1", "mobilenet_v2", "inception_v1"],
            splits=3,
            fewer={"mobilenet_v2": 1, "inception_v1": 1},
            shorter={"inception_v1": 4},
            training=600,
            passes=8,
            long=24,
            rest=48,
            num_classes=10,
            batch=10,
            noise=[4, 10],
            draws=3,
            checks=1,
        ),
        "paper": dict(
            data="nips2017",
            sources=["squeezenet1_1", "mobilenet_v1", "mobilenet_v2", "inception_v1", "resnetv2_50"],
            splits=5,
            fewer={},
            shorter={},
            training=600,
            passes=100,
            long=400,
            rest=0,
            num_classes=10,
            batch=10,
            noise=[4, 10],
            draws=10,
            checks=3,
        ),
    },
)
settings = page.settings

# %% tags=["hide-input"]
common = dict(
    method="deepfool",
    data=settings.data,
    training=settings.training,
    passes=settings.passes,
    num_classes=settings.num_classes,
    targets=settings.sources,
)


def made(source, split, **changes):
    """The record of a perturbation of one network from one split."""
    return page.measure(
        chapter.fooling, **{**common, "networks": [source], "split": split, "augment": True, "p": "inf", **changes}
    )


single = {
    source: [
        made(source, split, passes=settings.shorter.get(source, settings.passes))
        for split in range(min(settings.splits, settings.fewer.get(source, settings.splits)))
    ]
    for source in settings.sources
}
noise = {
    bound: [
        page.measure(
            chapter.noise,
            data=settings.data,
            split=split,
            training=settings.training,
            targets=settings.sources,
            eps=bound / 255,
            draws=settings.draws,
        )
        for split in range(settings.splits)
    ]
    for bound in settings.noise
}

# %% tags=["hide-input"]
first = single[settings.sources[0]]
pixels = first[0].arrays["perturbation"].size
mine = {source: 100 * np.mean([r["rates"] for r in records], axis=0) for source, records in single.items()}
signs = {bound: 100 * np.mean([r["mean"] for r in records], axis=0) for bound, records in noise.items()}
grid = np.array([*mine.values(), *signs.values()])
fig, axis = plt.subplots(figsize=(6.4, 4.2), layout="constrained")
axis.imshow(grid, cmap="Blues", vmin=0, vmax=100, aspect="auto")
for (row, column), rate in np.ndenumerate(grid):
    axis.text(column, row, f"{rate:.0f}", ha="center", va="center", color="white" if rate > 55 else "black")
axis.set_xticks(range(len(mine)), mine, fontsize=8)
axis.set_yticks(range(len(grid)), [*mine, *(f"random signs of {bound}/255" for bound in signs)], fontsize=8)
axis.set(xlabel="judged on", ylabel="made on")
axis.grid(False)
own = [rates[k] for k, rates in enumerate(mine.values())]
across = [rate for k, rates in enumerate(mine.values()) for j, rate in enumerate(rates) if j != k]
page.figure(
    fig,
    caption="Held-out images fooled, in %: the share whose prediction changes. A row is a perturbation (l-infinity, 10/255), a column the "
    "network that it is judged on. Last rows: random signs at every pixel and channel.",
    alt=f"A heat map. On its own network each perturbation fools {min(own):.0f} to {max(own):.0f} % of the images, on other networks "
    f"{min(across):.0f} to {max(across):.0f} %; random signs of {settings.noise[0]}/255 fool {min(signs[settings.noise[0]]):.0f} to "
    f"{max(signs[settings.noise[0]]):.0f} %.",
)
page.say(
    f"How to read it: a perturbation fools its own network on {min(own):.0f} to {max(own):.0f} % of the images (the diagonal), other networks on "
    f"{min(across):.0f} to {max(across):.0f} %. Random signs of {settings.noise[0]}/255, {settings.noise[0] * pixels**0.5:.0f} long (l2, of 255), fool "
    f"{min(signs[settings.noise[0]]):.0f} to {max(signs[settings.noise[0]]):.0f} %."
)
beaten = {
    source: (signs[settings.noise[-1]][k], own[k])
    for k, source in enumerate(single)
    if signs[settings.noise[-1]][k] >= own[k]
}
if beaten:
    page.say(
        "**But** random signs at the bound fool "
        + ", ".join(
            f"{noisy:.0f} % on {source}, its own perturbation {rate:.0f} %" for source, (noisy, rate) in beaten.items()
        )
        + f". The algorithm leaves an image alone as soon as it is fooled. After {settings.passes} passes of {settings.training} images most "
        "entries of the perturbation are still far from the bound; the paper makes 20 passes of 10,000. So these are short perturbations: who may use "
        "the whole bound there does better with noise."
    )

# %% [markdown]
# ## Table 1
#
# The table has the same numbers, with their spread over splits, and the paper's beside them.

# %% tags=["hide-input"]
table = [
    [
        f"**{source}** ({len(records)}"
        + (f", {settings.shorter[source]} passes)" if source in settings.shorter else ")"),
        *(mean_sd([record["rates"][k] for record in records]) for k in range(len(settings.sources))),
    ]
    for source, records in single.items()
]
table = [[*row, f"{np.mean([r['l2'] for r in single[source]]):.0f}"] for row, source in zip(table, single, strict=True)]
table += [
    [
        f"random signs of {bound}/255 ({len(records)})",
        *(mean_sd([record["mean"][k] for record in records]) for k in range(len(settings.sources))),
        f"{bound * pixels**0.5:.0f}",
    ]
    for bound, records in noise.items()
]
page.table(
    ["made on (splits)", *settings.sources, "l2, of 255"],
    table,
    caption="Fooling rate on held-out images, after the last pass; rows: made on, columns: judged on; mean ± standard deviation over splits",
)
page.say(
    "How to read it: spreads over splits are at most "
    f"{100 * max(np.std([r['rates'][k] for r in records], ddof=1) for records in single.values() if len(records) > 1 for k in range(len(single))):.1f} points."
    if settings.splits > 1
    else "How to read it: this profile has one split, so the table has no spread."
)
page.table(
    ["made on", "VGG-F", "Inception", "VGG-16", "VGG-19", "ResNet-152"],
    [
        ["VGG-F", 90, 56, 32, 32, 24],
        ["Inception", "42 (25)", 82, 16, 16, 16],
        ["VGG-16", 46, 60, 59, 52, 38],
        ["VGG-19", 45, 58, 51, 54, 33],
        ["ResNet-152", 42, 55, 31, "33 (30)", 73],
    ],
    caption="The paper's Table 1, in %; in brackets what two of its entries should be",
)
page.say(
    "How to read it: the paper's networks are others than ours but for an Inception. In its table a perturbation fools its own network most, after many more visits than ours; of the other networks Inception is fooled most."
)

# %% [markdown]
# ## What they look like

# %% tags=["hide-input"]
fig, axes = plt.subplots(1, len(single), figsize=(2.4 * len(single), 2.7), layout="constrained")
for axis, (source, records) in zip(axes, single.items(), strict=True):
    axis.imshow(records[0].arrays["perturbation"].transpose(1, 2, 0))
    axis.set(xticks=[], yticks=[])
    axis.set_title(source, fontsize=9)
page.figure(
    fig,
    caption="Perturbations of the first split; grey is 0, black and white are the bounds (the paper's Figure 1).",
    alt="Each network's perturbation has a texture of its own, of fine coloured strokes and spots; no object can be recognised.",
)
page.say(
    "How to read it: each network has a texture of its own, of strokes and whirls that repeat all over the picture. Where a picture is grey, "
    "little was added."
)
page.table(
    ["made on", "at the bound", "mean absolute value", "l2"],
    [
        [
            source,
            mean_sd([r["saturated"] for r in records]),
            mean_sd([r["mean"] for r in records], unit="", scale=1),
            mean_sd([r["l2"] for r in records], unit="", scale=1),
        ]
        for source, records in single.items()
    ],
    caption="In units of 0 to 255. The five perturbations that the authors published: 1.4 to 7.8 % at the bound, mean 6.5 to 8.4, l2 2806 to 3348",
)
page.say(
    "How to read it: ours are shorter than the published ones; the longest has "
    f"{max(np.mean([r['l2'] for r in records]) for records in single.values()):.0f}."
)

# %% [markdown]
# ## Do the runs still gain?

# %% tags=["hide-input"]
fig, axes = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained", sharey=True)
for number, (source, records) in enumerate(single.items()):
    for record in records:
        updates = np.cumsum([counts["updates"] for counts in record["history"]])
        for axis, name in zip(axes, ("training", "held out"), strict=True):
            axis.plot(
                updates,
                [100 * counts[name][0] for counts in record["history"]],
                color=f"C{number}",
                lw=1.2,
                label=source if record is records[0] else None,
            )
for axis, name in zip(axes, ("training images", "held-out images"), strict=True):
    axis.set(xlabel="updates of v", title=name)
axes[0].set_ylabel("own network fooled, %")
axes[1].legend(fontsize=8)
page.figure(
    fig,
    caption="Fooling rate after each pass against the number of updates, one line for each split.",
    alt="All curves still rise where they end, on training images and, a little lower, on held-out images; one colour for each network.",
)
page.say(
    f"How to read it: a curve that still rises would go on with more passes. At the end the perturbations of {settings.sources[0]} fool "
    + mean_sd([r["history"][-1]["training"][0] for r in first])
    + " of their training images and "
    + mean_sd([r["history"][-1]["held out"][0] for r in first])
    + " of the held-out ones."
)

# %% [markdown]
# ## When is a run at rest?
#
# Held-out rates are counted on 400 images, a quarter of a point each, and go up and down from pass to pass. We call a
# run **at rest** when over its last eight passes one pass adds less than half a point in the mean. The figure shows the
# longest run on the first network.


# %% tags=["hide-input"]
def long_run(passes):
    """The record of a long run on the first network."""
    return made(settings.sources[0], 0, passes=passes)


runs = [
    record
    for passes in (settings.long, settings.rest)
    if passes and (record := at_hand(lambda passes=passes: long_run(passes)))
]

# %% tags=["hide-input"]
longest = runs[-1]
held = [100 * counts["held out"][0] for counts in longest["history"]]
window = min(8, len(held) - 1)
adds = (held[-1] - held[-1 - window]) / window
fig, axis = plt.subplots(figsize=(6.2, 3.6), layout="constrained")
for name in ("training", "held out"):
    axis.plot(
        range(1, 1 + len(held)),
        [100 * counts[name][0] for counts in longest["history"]],
        "o-",
        ms=3,
        label=f"{name} images",
    )
axis.axhline(
    100 * np.mean([record["mean"][0] for record in noise[settings.noise[-1]]]),
    ls="--",
    color="0.4",
    label="random signs at the bound",
)
axis.set(xlabel="passes", ylabel=f"{settings.sources[0]} fooled, %", ylim=(0, 100))
axis.legend(fontsize=8)
page.figure(
    fig,
    caption=f"Fooling rate of {settings.sources[0]} by its own perturbation after each of {len(held)} passes over {settings.training} images (one split).",
    alt=f"Fooling rates rise steeply in the first passes and more slowly afterwards, to {held[-1]:.0f} % of held-out images; a dashed line "
    "shows random signs at the bound.",
)
page.say(
    f"How to read it: over the last {window} passes a pass added {adds:.2f} points, so by our measure the run of {len(held)} passes is {'at rest' if adds < 0.5 else 'not at rest'}. It had {held[min(settings.passes, len(held)) - 1]:.1f} % after {min(settings.passes, len(held))} passes and ends at {held[-1]:.1f} %, with an l2 length of {longest['l2']:.0f}. "
    + "On the other networks it fools "
    + ", ".join(
        f"{100 * rate:.0f} % of {name}" for name, rate in list(zip(settings.sources, longest["rates"], strict=True))[1:]
    )
    + "."
    + (
        f" *A run of {settings.rest} passes is not recorded yet.*"
        if settings.rest and len(held) < settings.rest
        else ""
    )
)

# %% [markdown]
# ## How much do the choices matter?
#
# Four checks on the first network: more passes; fixed centre windows; several images that walk at once (a variant of
# ours); and the l2 ball of the first author's thesis.

# %% tags=["hide-input"]
variants = {
    "as above": {},
    f"{settings.long} passes": dict(passes=settings.long),
    "fixed windows": dict(augment=False),
    f"{settings.batch} images at once": dict(batch_size=settings.batch),
    "l2, 2000/255": dict(p=2, eps=2000 / 255),
}
checked = (
    {
        name: [made(settings.sources[0], split, **changes) for split in range(settings.checks)]
        for name, changes in variants.items()
    }
    if settings.checks
    else {}
)

# %% tags=["hide-input"]
if checked:
    page.table(
        ["variant", "training images", *settings.sources, "updates"],
        [
            [
                name,
                mean_sd([r["history"][-1]["training"][0] for r in records]),
                *(mean_sd([r["rates"][k] for r in records]) for k in range(len(settings.sources))),
                f"{np.mean([sum(c['updates'] for c in r['history']) for r in records]):.0f}",
            ]
            for name, records in checked.items()
        ],
        caption=f"Fooling rates of perturbations made on {settings.sources[0]}; splits: {settings.checks}",
    )
    page.say(
        "How to read it: a row changes one choice of the first row; the sentences under the figure say by how much."
    )
    fig, axis = plt.subplots(figsize=(6.2, 3.8), layout="constrained")
    for number, (name, records) in enumerate(checked.items()):
        for record in records:
            axis.plot(
                np.cumsum([counts["updates"] for counts in record["history"]]),
                [100 * counts["held out"][0] for counts in record["history"]],
                "o-",
                ms=3,
                lw=1.2,
                color=f"C{number}",
                label=name if record is records[0] else None,
            )
    axis.set(xlabel="updates of v", ylabel="held-out images fooled, %")
    axis.legend(fontsize=8)
    page.figure(
        fig,
        caption=f'Fooling rate of {settings.sources[0]} on held-out images after each pass of each variant; the first passes of the long run are those of "as above".',
        alt="Fixed windows stay far below the other variants, whose curves still rise where they end; the long run goes on from there.",
    )
    held = {name: np.mean([100 * r["rates"][0] for r in records]) for name, records in checked.items()}
    seen = {
        name: np.mean([100 * r["history"][-1]["training"][0] for r in records]) for name, records in checked.items()
    }
    plain, together = held["as above"], held[f"{settings.batch} images at once"]
    page.say(
        f"How to read it: {settings.long} passes give {held[f'{settings.long} passes'] - plain:+.0f} points. With fixed windows the perturbation fools {seen['fixed windows']:.0f} % of its training images and {held['fixed windows']:.0f} % of the others: it learns {settings.training} images by heart. "
        f"{settings.batch} images at once come out {together - plain:+.1f} points from the exact loop ({settings.checks} split(s)). The l2 ball of 2000/255 gives {held['l2, 2000/255'] - plain:+.0f} points; the perturbation ends at a length of {np.mean([r['l2'] for r in checked['l2, 2000/255']]):.0f}"
        + (
            ", so that the ball is never reached and nothing is cut off."
            if max(r["l2"] for r in checked["l2, 2000/255"]) < 1999
            else "."
        )
    )
else:
    page.say("*This profile does not check the choices; the standard profile does.*")

# %% [markdown]
# ## Images and splits
#
# The paper makes its perturbations on 10,000 training images of ImageNet and judges them on 50,000 others. Here there
# are 1,000 images in all. In the standard profile a random **split** takes 600 for making and 400 for judging. If you
# have ImageNet, pass its folder as `data`, with `training=10000` and `sources=[vgg16, ...]`.
#
# 600 images are few. So each visit of an image cuts a random window of 224 pixels out of a frame of 256, and mirrors it
# or not. A check above shows what fixed windows do. Rates are those of the centre windows. Each **pass** visits all
# images once.
#
# A step of DeepFool takes several times as long on inception_v1 as on squeezenet1_1. So inception_v1 has fewer splits
# and passes (settings `fewer` and `shorter`).
#
# ## Threat model

# %% tags=["hide-input"]
page.threat_model(
    norm="l-infinity (the step is DeepFool's for l2)",
    budget="10/255 for all images alike; once l2, 2000/255",
    pixels="[0, 1]; the paper's are 0 to 255",
    clamp="none: x + v may leave the range, as in the authors' code",
    goal="untargeted: any other class",
    label="the network's own prediction without the perturbation",
)

# %% [markdown]
# ## Where we had to choose
#
# * Networks, data and windows (above).
# * DeepFool has ten candidate classes, the value of the first author's thesis for its Table 1; the paper gives none.
# * It makes at most eight steps (ten, less the authors' gate) and overshoots by 2 %, as the authors' code does.
# * The paper stops after 20 passes of 10,000 images. What counts is the number of updates, so curves are drawn against it.
#
# ## What the paper got wrong

# %% tags=["hide-input"]
page.errata("up-e-table1", "up-e-line10", "up-e-grid")

# %% [markdown]
# ## Verdicts
#
# | id | in short |
# | --- | --- |
# | `up-diagonal` | a perturbation fools its own network most (judged on two networks) |
# | `up-transfer` | it fools others to a significant degree: more than random signs of about its length |
# | `up-transfer-signs` | ours: more than random signs under the same bound? |
# | `up-inception-fooled-most` | Inception is fooled most by perturbations of others |
# | `up-gap` | images that had a part in it and others are fooled alike |
# | `up-saturation` | ours: are these perturbations like the published ones? |
#
# In the standard profile all of these are claims on **beginnings**: 8 passes of 600 images are 4,800 visits of an
# image, where the paper makes 200,000. `up-saturation` asks how perturbations *end*, so it is judged only if the curves
# no longer rise. Perturbations near rest, made in another way, are on the [next page](3-combining)
# (`up-transfer-rest`).
#
# In the claims s is squeezenet1_1, m mobilenet_v1, v mobilenet_v2 and i inception_v1. `s_on_m` is the share of m's
# images that the perturbation made on s fools, from 0 to 1.
#
# * `up-diagonal` looks at s and m alone. In our table the perturbation of i fools s more than i itself, on one split
#   and with fewer passes. In the paper's table those of VGG-16 and VGG-19 fool Inception more than their own networks.
# * `up-transfer` compares with random signs of 4/255, whose length (l2) lies between those of the two perturbations.
# * `up-transfer-signs` compares with signs at the bound, which are more than twice as long.

# %% tags=["hide-input"]
page.claims("up-diagonal", "up-transfer", "up-transfer-signs", "up-inception-fooled-most", "up-gap", "up-saturation")

# %% [markdown]
# ## Exercises
#
# ```{exercise} A rate without labels (easy)
# :label: transfer-1
#
# A network gets 55 % of the images right. A perturbation changes 40 % of its predictions. Between which bounds is its accuracy under the perturbation?
# ```
#
# ````{solution} transfer-1
# :class: dropdown
#
# At worst all changed predictions were right: 15 %. At best all of them were wrong and become right: 95 %. A fooling rate says nothing about accuracy; that it counts changes only is why it needs no labels.
# ````
#
# ```{exercise} One perturbation, two channel orders (middle)
# :label: transfer-2
#
# Some networks take red first, others blue. What happens to a perturbation that is made on one kind and judged on the other without exchanging the channels? Measure it.
# ```
#
# ````{solution} transfer-2
# :class: dropdown
#
# `chapter.perturbation(...)` gives the perturbation; `v.flip(0)` exchanges its channels. The authors used networks of both kinds and do not say what they did.
# ````
#
# ## Further reading
#
# Moosavi-Dezfooli et al. {cite}`moosavi2017`, Table 2, has higher rates for the same networks as the paper's, but for Inception; nobody has settled why.
#
# ## Run it yourself

# %% tags=["hide-input"]
page.provenance()
