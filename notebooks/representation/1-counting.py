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
# # Networks that count
#
# Can a network learn to count shapes at a glance (to *subitise*, as psychologists say)? Does it learn what a shape is
# on the way? Chapter 2 of Cutilli's thesis {cite}`cutilli2021` trains convolutional networks on generated pictures,
# looks at where the gradient of the count lies, and prints no number. This page rebuilds pictures and networks, and
# puts numbers beside what the thesis says.
#
# **Time to learn**: 40 minutes. **You need** a convolution and a gradient; the [notation](../../book/notation).

# %% tags=["parameters"]
profile: str = "quick"  # quick: 64 pixels, a minute | standard: 128 pixels, hours | paper: 1,000 pixels, a GPU
replay: str = "auto"  # auto: measure what is not recorded | never: measure again | only: records or an error
seeds: int = None  # number of seeds; 1 to 100; None: the profile's
epochs: int = None  # passes over as many fresh pictures as `images`; 1 to 10,000; None: the profile's

# %%
from functools import reduce
from operator import getitem

import matplotlib.pyplot as plt
import numpy as np

from advbook.chapters.representation import counting as chapter
from advbook.chapters.representation import counting_published as published
from advbook.chapters.representation import counting_rival as rival
from advbook.page import Page, mean_sd
from advutils import datasets, layers, models
from advutils.datasets import figures, shapes

page = Page(
    "representation",
    "1-counting",
    globals(),
    settings={
        "quick": dict(
            size=64,
            scales=[7, 12],
            fixed=[9, 9],
            larger=[13, 16],
            smaller=[4, 5],
            limit=4,
            plan="small",
            width=1.0,
            images=500,
            epochs=4,
            batch_size=20,
            lr=2e-3,
            precision="float32",
            seeds=1,
            more_sigmoids=0,
            judged=50,
            looked_at=10,
            figures="generated",
            windows={"image1": [0, 0, 128]},
        ),
        "standard": dict(
            size=128,
            scales=[10, 20],
            fixed=[14, 14],
            larger=[22, 26],
            smaller=[5, 7],
            limit=8,
            plan="small",
            width=2.0,
            images=2000,
            epochs=40,
            batch_size=20,
            lr=3e-3,
            precision="bfloat16",
            seeds=3,
            more_sigmoids=2,
            judged=2000,
            looked_at=200,
            figures="thesis-figures",
            windows={"image1": [490, 560, 280], "image2": [150, 310, 280]},
        ),
        "paper": dict(
            size=1000,
            scales=[80, 130],
            fixed=[110, 110],
            larger=[135, 145],
            smaller=[40, 55],
            limit=17,
            plan="large",
            width=1.0,
            images=20000,
            epochs=100,
            batch_size=20,
            lr=1e-3,
            precision="float32",
            seeds=3,
            more_sigmoids=0,
            judged=500,
            looked_at=500,
            figures="thesis-figures",
            windows={"image1": [490, 560, 280], "image2": [150, 310, 280]},
        ),
    },
)
settings = page.settings

# %% tags=["hide-input"]
common = dict(
    size=settings.size,
    limit=settings.limit,
    plan=settings.plan,
    width=settings.width,
    images=settings.images,
    epochs=settings.epochs,
    batch_size=settings.batch_size,
    precision=settings.precision,
)
KINDS = {
    "rectifiers": dict(activation="relu", renormalised=False, lr=settings.lr),
    "softplus": dict(activation="softplus", renormalised=False, lr=settings.lr / 3),
    "sigmoids, renormalised": dict(activation="sigmoid", renormalised=True, lr=settings.lr, epochs=2 * settings.epochs),
}
SEEDS = {
    kind: settings.seeds + options["renormalised"] * settings.more_sigmoids for kind, options in KINDS.items()
}  # slopes of sigmoids vary most
SIZES = {
    "one fixed size": dict(scales=settings.fixed, one_scale=False),
    "sizes by shape": dict(scales=settings.scales, one_scale=False),
    "one size a picture": dict(scales=settings.scales, one_scale=True),
}
specs = {
    (kind, sizes): [common | options | drawing | dict(seed=seed) for seed in range(SEEDS[kind])]
    for kind, options in KINDS.items()
    for sizes, drawing in SIZES.items()
    if kind == "rectifiers" or sizes != "one fixed size"
}
others = {
    "larger": {"scales": settings.larger},
    "smaller": {"scales": settings.smaller},
    "circles": {"kinds": ["circle"]},
}
counted = {
    key: [page.measure(chapter.counting_network, spec=spec, images=settings.judged, others=others) for spec in of_seeds]
    for key, of_seeds in specs.items()
}

# %% tags=["hide-input"]
seeds_of_kinds = ", ".join(f"{kind} {n}" for kind, n in SEEDS.items())
bare = dict(unit="", scale=1)


def over_seeds(records, *path, share=False):
    """Mean and standard deviation over seeds of a value, in % if it is a share."""
    values = [reduce(getitem, path, record.values) for record in records]
    return mean_sd(values) if share else mean_sd(values, **bare)


def mean_of(kind, sizes, *path):
    """Mean over seeds of a value of one kind of network."""
    return np.mean([reduce(getitem, path, record.values) for record in counted[kind, sizes]])


def relative(sizes, field):
    """Slope on larger shapes over that on pictures of training, rectifiers."""
    return np.mean([r["larger"][field] / r["same"][field] for r in counted["rectifiers", sizes]])


VARYING = ("one size a picture", "sizes by shape")
page.say(
    "**They count, to some extent.** Networks of rectifiers have both numbers right on "
    + ", ".join(f"{100 * mean_of('rectifiers', sizes, 'same', 'exact'):.0f} % ({sizes})" for sizes in SIZES)
    + f" of new pictures with up to {settings.limit} shapes. On larger shapes than in training they have "
    + ", ".join(f"{100 * mean_of('rectifiers', sizes, 'larger', 'exact'):.0f} % ({sizes})" for sizes in SIZES)
    + "."
)

# %% [markdown]
# ## The pictures
#
# Blue squares and right isosceles triangles lie on black, turned, scaled and placed at random so that none touch. The
# numbers of triangles and squares are uniform over all pairs up to a limit. Sizes are drawn in one of two ways.
#
# * **For every shape.** Then the blue area of a picture follows the count, and a network could count pixels.
# * **One for all shapes of a picture.** Then the area follows the count less closely.

# %% tags=["hide-input"]
rng = np.random.default_rng(1)
fig, axes = plt.subplots(1, 4, figsize=(9, 2.5), layout="constrained")
for axis, one_scale in zip(axes, (False, False, True, True), strict=True):
    drawn = shapes.draw(
        np.array([[settings.limit // 2, settings.limit - settings.limit // 2]]),
        size=settings.size,
        scales=tuple(settings.scales),
        one_scale=one_scale,
        rng=rng,
    )
    axis.imshow(drawn.images[0].permute(1, 2, 0))
    for polygon in drawn.polygons[0]:
        axis.plot(*np.vstack([polygon, polygon[:1]]).T, color="C1", lw=0.8)
    axis.set(xticks=[], yticks=[], title="one size" if one_scale else "sizes by shape")
page.figure(
    fig,
    caption="Four pictures with their outlines: sizes drawn for every shape (left) and one for all shapes of a picture (right).",
    alt="Four black pictures with blue triangles and squares, outlined in orange: at the left their sizes differ within a picture, at the right they do not.",
)
page.say("How to read it: with one size a picture (right) few large shapes can have as much blue as many small ones.")

# %% tags=["hide-cell"]
page.source(shapes.draw)

# %% [markdown]
# ## How well they count

# %% tags=["hide-input"]
page.table(
    ["network", "pictures", "error: triangles", "squares", "total", "total, by area", "both exact"],
    [
        [
            kind,
            sizes,
            *(over_seeds(records, "same", "mae", k) for k in range(2)),
            over_seeds(records, "same", "total_mae"),
            over_seeds(records, "same", "area_mae"),
            over_seeds(records, "same", "exact", share=True),
        ]
        for (kind, sizes), records in counted.items()
    ],
    caption=f"Counting up to {settings.limit} shapes on {settings.judged} new pictures: mean absolute errors in shapes, beside that of a straight line in the number of blue pixels, and the share of pictures with both numbers right; seeds: {seeds_of_kinds}",
)
pairs = (settings.limit + 1) * (settings.limit + 2) // 2
totals = np.arange(settings.limit + 1)
spread = ((totals + 1) / pairs * np.abs(totals - 2 * settings.limit / 3)).sum()
page.say(
    f"How to read it: compare with two blind answers. Always the same pair is exact on {100 / pairs:.0f} % of the pictures; always the mean total is wrong by {spread:.2f} shapes. "
    "A network that hardly counts can teach little by what it looks at."
)

# %% tags=["hide-input"]
fig, axes = plt.subplots(1, 2, figsize=(9, 4.6), layout="constrained")
for number, ((kind, sizes), records) in enumerate(counted.items()):
    exact = 100 * np.mean([[np.nan if v is None else v for v in r["by_total"]["exact"]] for r in records], axis=0)
    axes[0].plot(np.arange(len(exact)), exact, "o-", ms=3, color=f"C{number % 10}", label=f"{kind}, {sizes}")
axes[0].axvline(4, color="k", lw=0.8, ls=":")
axes[0].set(xlabel="true number of shapes", ylabel="both numbers exact, %")
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8)
shown = counted["rectifiers", "one size a picture"][0]
jitter = np.random.default_rng(0).uniform(-0.15, 0.15, len(shown.arrays["truth"]))
axes[1].plot(shown.arrays["truth"] + jitter, shown.arrays["estimate"], ".", ms=2, alpha=0.4)
axes[1].plot([0, settings.limit], [0, settings.limit], "k:", lw=0.8)
axes[1].set(xlabel="true number of shapes", ylabel="counted", title="rectifiers, one size a picture")
page.figure(
    fig,
    caption="Left: share of pictures with both numbers right, by the true total; the dotted line is the four that people are said to see at a glance. Right: counted against true totals of one network (points are spread sideways). All pictures of no shapes are alike, so at 0 a network has all or none of them right.",
    alt="Left: the more shapes, the fewer pictures are exactly right; rectifiers fall slowly and without a step at four, softplus lies lowest. Right: counted "
    "totals scatter about the diagonal.",
)
few, many = (
    100 * np.mean([r["by_total"]["exact"][total] for r in counted["rectifiers", "one size a picture"]])
    for total in (settings.limit // 2, settings.limit)
)
page.say(
    f"How to read it: rectifiers with one size a picture have {few:.0f} % of the pictures of {settings.limit // 2} shapes right and {many:.0f} % of those of {settings.limit}. A limit to what is seen at a glance would show as a step."
)


# %% tags=["hide-input"]
def drawn_again(record):
    """The pictures on which a network was judged; its record has all that they follow from."""
    spec = record.parameters["spec"]
    same = {name: spec[name] for name in ("size", "scales", "one_scale", "limit", "seed")}
    return chapter.pictures(images=record.parameters["images"], **same)


def right_and_wrong(record):
    """Two pictures that are counted well, and the two worst."""
    drawn, true, counts = drawn_again(record), record.arrays["truth"], record.arrays["estimate"]
    assert (drawn.counts.sum(1).numpy() == true).all()
    well = [np.where(true == n, abs(counts - true), np.inf).argmin() for n in (settings.limit // 2, settings.limit)]
    fig, axes = plt.subplots(1, 4, figsize=(9, 2.6), layout="constrained")
    for axis, n in zip(axes, (*well, (counts - true).argmin(), (counts - true).argmax()), strict=True):
        axis.imshow(drawn.images[n].permute(1, 2, 0))
        axis.set(xticks=[], yticks=[], title=f"{true[n]:.0f}, counted {counts[n]:.1f}")
    return fig


page.figure(
    right_and_wrong(shown),
    caption="Right and wrong, by the network of the right-hand plot: the pictures of half of the limit and of the limit that it counts best, the one where it misses most shapes, and the one where it counts most too many.",
    alt="Four black pictures of blue shapes, each with its true and its counted number; in the last two these differ.",
)
page.say(
    "How to read it: of {} pictures the worst are wrong by {:.1f} shapes too few and {:.1f} too many; half are wrong by less than {:.2f}.".format(
        len(shown.arrays["truth"]),
        *abs(np.quantile(shown.arrays["estimate"] - shown.arrays["truth"], [0, 1])),
        np.median(abs(shown.arrays["estimate"] - shown.arrays["truth"])),
    )
)

# %% [markdown]
# ## The networks
#
# The thesis has two, of three and of ten convolutions, made for pictures of 1,000 pixels. For smaller pictures the
# strides are lowered until the last map is at least as large as at 1,000 pixels. So a shape covers as much of it.
# Kernels stay as they are, so each unit sees more of a picture.
#
# * At 128 pixels a unit of the last map sees 27 a side, nearly two shapes. The last five rows and columns are missed:
#   saliency is 0 there, and a shape is seen in part.
# * At 1,000 pixels it sees 87, less than one shape, and units are 125 apart. So the thesis' smaller network sees half
#   of the pixels.
#
# A linear layer and a rectifier give the two counts; the loss is the squared error. Three activations are tried:
# rectifiers, softplus, and sigmoids behind **batch renormalisation** {cite}`ioffe2017`, which the thesis needed to
# train them. It brings each unit's input to mean 0 and variance 1: at first by the minibatch's own statistics, later
# more and more by running means of them. Training pictures are drawn on the way and never seen twice; the pairs of
# numbers that they show are drawn once.

# %% tags=["hide-cell"]
page.source(models.counter)
page.source(layers.BatchRenorm)

# %% [markdown]
# ### Other sizes, other shapes
#
# Do they count, or do they add up blue pixels? On larger shapes and on circles the two answers come apart. Beside each
# network stands what **area alone** would say: a straight line in the number of blue pixels, fitted on the pictures
# that the network was trained for. The **slope** is that of the counted on the true total: 1 is right, and 2 means that
# each shape counts for two.

# %% tags=["hide-input"]
fig, axes = plt.subplots(1, len(SIZES), figsize=(9, 3), sharey=True, layout="constrained")
tests = ("smaller", "same", "larger", "circles")
for axis, sizes in zip(axes, SIZES, strict=True):
    for place, name in enumerate(tests):
        records = counted["rectifiers", sizes]
        axis.plot(
            [place] * len(records),
            [r[name]["slope"] for r in records],
            "o",
            ms=4,
            color="C0",
            label="network, each training" if place == 0 else None,
        )
        axis.plot(
            place,
            np.mean([r[name]["area_slope"] for r in records]),
            "_",
            ms=22,
            mew=2,
            color="C1",
            label="area alone" if place == 0 else None,
        )
    axis.axhline(1, color="k", lw=0.8, ls=":")
    axis.set(title=sizes, xticks=range(len(tests)), xticklabels=tests)
axes[0].set(ylabel="slope of counted on true")
axes[0].legend(fontsize=8)
page.figure(
    fig,
    caption="The slopes of the rectifiers from the second table below, beside those of a straight line in the number of blue pixels; 1, the dotted line, is right. Where the two agree, the network may be adding up area; where it stays near 1 and area does not, it is not. (With one size a picture the line in the area is flat, so that it comes near 1 on larger shapes by accident.)",
    alt="On larger shapes the slope of networks trained on one fixed size is near that of area, about 2; networks trained on sizes "
    "that vary stay nearer to 1.",
)
page.say("How to read it: blue dots near the dotted line count; blue dots near the orange dash may be adding up area.")

# %% tags=["hide-input"]
page.table(
    ["network", "pictures", "both exact: smaller", "same", "larger"],
    [
        [kind, sizes, *(over_seeds(records, name, "exact", share=True) for name in ("smaller", "same", "larger"))]
        for (kind, sizes), records in counted.items()
    ],
    caption=f"Shapes of {settings.smaller[0]} to {settings.smaller[1]}, as in training, and of {settings.larger[0]} to {settings.larger[1]} pixels",
)
page.table(
    ["network", "pictures", "slope: smaller", "by area", "same", "by area", "larger", "by area"],
    [
        [
            kind,
            sizes,
            *(
                over_seeds(records, name, field)
                for name in ("smaller", "same", "larger")
                for field in ("slope", "area_slope")
            ),
        ]
        for (kind, sizes), records in counted.items()
    ],
    caption="Slope of the counted on the true total, and that of area alone",
)
page.table(
    ["network", "pictures", "error: smaller", "by area", "larger", "by area"],
    [
        [
            kind,
            sizes,
            *(
                over_seeds(records, name, field)
                for name in ("smaller", "larger")
                for field in ("total_mae", "area_mae")
            ),
        ]
        for (kind, sizes), records in counted.items()
    ],
    caption="Mean absolute error of the total, in shapes",
)
page.table(
    ["network", "pictures", "slope on circles", "error of the total", "by area"],
    [
        [kind, sizes, *(over_seeds(records, "circles", field) for field in ("slope", "total_mae", "area_mae"))]
        for (kind, sizes), records in counted.items()
    ],
    caption="Circles, which no network has seen: the two numbers are added up",
)


page.say(
    "How to read them: a straight line in the area is flat where area says little, so compare slopes on larger shapes with those on pictures of training. A ratio "
    "like that of area is adding up area; a ratio near 1 is not. For rectifiers:\n\n"
    + "\n".join(
        f"* with {sizes} the ratio is {relative(sizes, 'slope'):.2f} (area: {relative(sizes, 'area_slope'):.2f}), and the error {mean_of('rectifiers', sizes, 'larger', 'total_mae'):.2f} shapes (area: {mean_of('rectifiers', sizes, 'larger', 'area_mae'):.2f})"
        for sizes in VARYING
    )
)
page.say(
    "**One fixed size.** The thesis suspected this network of adding up area. On larger shapes its slope is "
    + f"{mean_of('rectifiers', 'one fixed size', 'larger', 'slope'):.2f} (area: {mean_of('rectifiers', 'one fixed size', 'larger', 'area_slope'):.2f}), and on circles its error is {mean_of('rectifiers', 'one fixed size', 'circles', 'total_mae'):.2f} (area: {mean_of('rectifiers', 'one fixed size', 'circles', 'area_mae'):.2f}). "
    f"On its own pictures it errs by {mean_of('rectifiers', 'one fixed size', 'same', 'total_mae'):.2f} shapes (area: {mean_of('rectifiers', 'one fixed size', 'same', 'area_mae'):.2f}). A sum of areas with one weight could hardly do better than that line."
)
page.say(
    "**Much smaller shapes**, of which the thesis expects some success: with one size a picture the count rises by "
    + f"{mean_of('rectifiers', 'one size a picture', 'smaller', 'slope'):.2f} a shape (area: {mean_of('rectifiers', 'one size a picture', 'smaller', 'area_slope'):.2f})."
)
page.say(
    "**Circles**: the trainings with one size a picture err by "
    + ", ".join(f"{r['circles']['total_mae']:.2f}" for r in counted["rectifiers", "one size a picture"])
    + f" shapes (area: {mean_of('rectifiers', 'one size a picture', 'circles', 'area_mae'):.2f}), those with sizes by shape by "
    + ", ".join(f"{r['circles']['total_mae']:.2f}" for r in counted["rectifiers", "sizes by shape"])
    + f" (area: {mean_of('rectifiers', 'sizes by shape', 'circles', 'area_mae'):.2f}). The thesis speaks of few circles; ours are up to {settings.limit}."
)

# %% [markdown]
# ### A rival that knows no shapes
#
# Area is not all that can be added up. Windows of $2 \times 2$ pixels see corners and edges. Count in each picture
# those with one blue pixel, with three, with two on a diagonal, with two side by side and with four. Then fit a
# straight line in these five numbers to the total.
#
# One combination needs no fit. An outline turns by a quarter of a full turn at a window with one pixel, and back by as
# much at one with three. Round any simple outline the turns add up to one full turn, so that
#
# $$\tfrac14\,(n_1 - n_3 - 2\,n_\text{diagonal}) = \text{number of components less number of holes,}$$
#
# whatever the shapes {cite}`gray1971`. Adding up what small filters see can count.

# %% tags=["hide-input"]
rivals = {
    sizes: [
        page.measure(
            rival.pattern_line,
            size=settings.size,
            limit=settings.limit,
            images=settings.judged,
            seed=seed,
            others=others,
            **drawing,
        )
        for seed in range(settings.seeds)
    ]
    for sizes, drawing in SIZES.items()
}

# %% tags=["hide-cell"]
page.source(rival.patterns)

# %% tags=["hide-input"]
page.table(
    [
        "pictures",
        "shapes",
        "error: the line",
        "rectifiers",
        "slope: the line",
        "rectifiers",
        "error: best by area",
        "turns exact",
    ],
    [
        [
            sizes,
            name,
            over_seeds(records, name, "total_mae"),
            over_seeds(counted["rectifiers", sizes], name, "total_mae"),
            over_seeds(records, name, "slope"),
            over_seeds(counted["rectifiers", sizes], name, "slope"),
            over_seeds(records, name, "area_mae"),
            over_seeds(records, name, "topology", share=True),
        ]
        for sizes, records in rivals.items()
        for name in ("same", *others)
    ],
    caption=f"Mean absolute error of the total, in shapes, and slope: a straight line in the numbers of five patterns of 2 x 2 pixels, beside the networks of rectifiers; best by area: the median total of the {rival.NEAREST} nearest pictures by area; turns exact: share of pictures whose total is the number of turns of their outlines",
)
better = [
    f"{sizes}, {name}"
    for sizes, records in rivals.items()
    for name in ("same", *others)
    if np.mean([r[name]["total_mae"] for r in records]) <= mean_of("rectifiers", sizes, name, "total_mae")
]
page.say(
    f"How to read it: the line errs no more than the networks in {len(better)} of {len(rivals) * (1 + len(others))} rows"
    + (f" ({'; '.join(better)})" if better else "")
    + ". There these errors cannot tell counting from adding up local patterns. The number of turns misses where pixels of two shapes touch."
)

# %% [markdown]
# ## Where they look
#
# The **saliency** of a pixel is the absolute gradient of the **total** count, largest over its channels
# {cite}`simonyan2014`. The outlines are known. So each pixel is near a corner (3 pixels), else near an edge (1.5), else
# inside, or empty. Both bands lie on either side of the outline, so the background beside a shape counts as edge or
# corner.

# %% tags=["hide-cell"]
page.source(chapter.saliency_shares)

# %% tags=["hide-input"]
looked = {
    key: [page.measure(chapter.saliency_shares, spec=spec, images=settings.looked_at) for spec in of_seeds]
    for key, of_seeds in specs.items()
}


# %% tags=["hide-input"]
def shares(records, field):
    return [
        mean_sd([r[field][region] for r in records if r[field]]) if any(r[field] for r in records) else "none"
        for region in chapter.REGIONS
    ]


for field, caption in (
    ("share", f"Share of each region in the saliency of {settings.looked_at} pictures"),
    ("top", "Share of each region in the hundred most salient pixels"),
):
    page.table(
        ["network", "pictures", *chapter.REGIONS],
        [
            *(
                [
                    "(share of the pixels)",
                    sizes,
                    *(f"{100 * looked['rectifiers', sizes][0]['area'][region]:.1f} %" for region in chapter.REGIONS),
                ]
                for sizes in SIZES
            ),
            *([kind, sizes, *shares(records, field)] for (kind, sizes), records in looked.items()),
        ],
        caption=f"{caption}; seeds: {seeds_of_kinds}",
    )
fig, axes = plt.subplots(3, len(looked), figsize=(1.35 * len(looked), 4.4), layout="constrained")
for column, ((kind, sizes), records) in zip(axes.T, looked.items(), strict=True):
    root = records[0].arrays["saliency"][1] / 255
    for axis, picture, what in zip(
        column,
        (records[0].arrays["picture"][1], root, root**10),
        ("picture", "saliency,\ntenth root", "saliency"),
        strict=True,
    ):
        axis.imshow(picture, cmap="gray", vmin=0)
        axis.grid(False)
        axis.set(xticks=[], yticks=[], ylabel=what if column is axes.T[0] else "")
    column[0].set_title(kind.replace(", ", ",\n") + f"\n{sizes}", fontsize=6)
page.figure(
    fig,
    caption="A test picture of each network and its saliency, as the thesis shows it (the tenth root, Figures 2.3, 2.5 to 2.7) and as it is.",
    alt="A column for each network: its picture, the tenth root of its saliency, bright all over, and the saliency itself, nearly dark but for a few pixels.",
)


def top(kind, sizes, *names):
    """Share in % of regions in the hundred most salient pixels, mean over seeds."""
    return 100 * np.mean([sum(r["top"][name] for name in names) for r in looked[kind, sizes] if r["top"]])


chance = {sizes: looked["rectifiers", sizes][0]["area"] for sizes in SIZES}
page.say(
    "How to read it: with one size a picture, edges and corners are "
    + f"{100 * (chance[VARYING[0]]['edge'] + chance[VARYING[0]]['corner']):.0f} % of the pixels. Of the hundred most salient ones they have "
    + "; ".join(f"{top(kind, VARYING[0], 'edge', 'corner'):.0f} % ({kind})" for kind in KINDS)
    + ". A share below that of the pixels means that the network looks elsewhere."
)
page.say(
    "Networks of sigmoids have "
    + " and ".join(
        f"{top('sigmoids, renormalised', sizes, 'empty'):.1f} % of these pixels in empty space with {sizes} (of all pixels {100 * chance[sizes]['empty']:.1f} %)"
        for sizes in VARYING[::-1]
    )
    + ". In the thesis one size for all shapes of a picture brings them back to the shapes."
)
page.say(
    f"**How far this goes**: these are the smaller of the thesis' networks, on pictures of {settings.size} pixels. A network that counts poorly may look elsewhere once "
    "it is better trained. So may the larger one, which, by the pixels that it leaves unseen, made the published maps."
)


def shared(record):
    """How many of the hundred most salient pixels two pictures have in common."""
    first, second = (set(heat.argsort(kind="stable")[-100:]) for heat in record.arrays["saliency"].reshape(2, -1))
    return len(first & second)


same = {
    kind: [shared(record) for (one, _), records in looked.items() if one == kind for record in records]
    for kind in KINDS
}
page.say(
    "Is it one map for all pictures? Of the hundred most salient pixels of two pictures (in the 8 bits of the arrays, where many are level) these are the same: "
    + "; ".join(f"{kind} {', '.join(map(str, found))}" for kind, found in same.items())
    + ". Where most are the same, the map does not follow the picture."
)
page.say(
    "The tenth root makes everything that is not zero look alike: a millionth of the largest saliency has a quarter of its brightness. So read the table and the last row."
)

# %% [markdown]
# ### The maps that the author publishes
#
# The thesis' repository has the two pictures of its Figure 2.3, at 1,000 pixels a side. Their saliency is there as the
# tenth root in 8 bits. Outlines are found in the pictures again, and the tenth power undoes the root. Everything is
# measured
# as above, with bands in proportion (11.7 and 23.4 pixels).

# %% tags=["hide-input"]
try:
    author = {
        image: page.measure(
            published.published_maps, data=settings.figures, image=image, tops=[100, 1000], window=window
        )
        for image, window in settings.windows.items()
    }
except datasets.MissingData as error:
    author = {}
    page.say(f"{error} (MIT licence). There is no record of them here either.")

# %% tags=["hide-cell"]
page.source(published.published_maps)

# %% tags=["hide-input"]
if settings.figures == "generated":
    page.say(
        "Under this profile a drawn picture with an invented map stands in for them: it shows that the code runs, and nothing else."
    )
if author:
    fig, axes = plt.subplots(
        1, 2 * len(author), figsize=(2.4 * 2 * len(author), 2.6), layout="constrained", squeeze=False
    )
    for pair, (image, record) in zip(axes.reshape(-1, 2), author.items(), strict=True):
        for axis, name in zip(pair, ("picture", "saliency"), strict=True):
            axis.imshow(record.arrays[name], cmap="gray", vmin=0)
            axis.grid(False)
            axis.set(xticks=[], yticks=[], title=f"{image}: {name}")
    page.figure(
        fig,
        caption=f"A detail of each published picture and of its saliency (tenth root). {figures.CREDIT}, {figures.SOURCE}"
        if settings.figures == figures.NAME
        else "A detail of the drawn picture and its invented map.",
        alt="Details of two published pictures, each beside its saliency map: the map is bright along the outlines of the shapes and darker inside them.",
    )
    page.table(
        ["picture", "of", *chapter.REGIONS],
        [
            [image, what, *(f"{100 * part[region]:.1f} %" for region in chapter.REGIONS)]
            for image, record in author.items()
            for what, part in (
                ("all pixels", record["area"]),
                ("the saliency", record["share"]),
                *((f"the {count} most salient pixels", shares_of) for count, shares_of in record["top"].items()),
            )
        ],
        caption="The published maps: share of each region in the pixels, in the saliency as a whole, and in the most salient pixels",
    )

    def on_shapes(*path):
        """Share in % of edges and corners, for each published map."""
        parts = [reduce(getitem, path, record.values) for record in author.values()]
        return " and ".join(f"{100 * (part['edge'] + part['corner']):.0f} %" for part in parts)

    page.say(
        ""
        if settings.figures != figures.NAME
        else "How to read it: of the hundred most salient pixels of the published maps "
        + on_shapes("top", "100")
        + " lie on edges or corners, of the thousand most salient "
        + on_shapes("top", "1000")
        + ": what the thesis says of its figure is true of it (`rc-edges-published`). Of the saliency as a whole it is "
        + on_shapes("share")
        + ", more than their share of the pixels ("
        + on_shapes("area")
        + "), and most of it lies in empty space.\n\nIn both maps the last "
        + " and ".join(str(record["size"] - record["extent"][0]) for record in author.values())
        + " rows have none: the larger of the thesis' networks leaves so many pixels unseen, the smaller one far more. So our networks, smaller and on smaller pictures, are not those of the figure. `rc-edges` and `rc-repaired` do not contradict it."
    )

# %% [markdown]
# ## Where we had to choose
#
# * The thesis' settings (sizes, limit, learning rate, epochs, activation of the shown networks) are lost. Pictures of
#   128 pixels and sizes of 10 to 20 keep the proportion of its published figures (1,000 and about 100).
# * Adam in place of plain SGD, the code's default. Its learning rates in the standard profile (0.003, softplus 0.001)
#   are those at which the training loss of one network fell fastest in short trials. The last rectifier was still in
#   the loss there. In them softplus did not learn at
#   0.003, nor sigmoids at 0.001 or 0.01.
# * Networks of sigmoids have twice the epochs. A first set of three with 40, one size a picture, was judged (slopes of
#   0.76, 0.86 and 0.88;
#   11, 16 and 39 % exact). Its loss was far from settled, so it is replaced. Two of the new ones lay so far apart (0.87
#   and 0.79) that five
#   were trained instead of three. Networks of softplus have 40 epochs; no verdict rests on them.
# * Pixels are in [0, 1], not 0 to 255. The standard profile has the smaller of the thesis' two networks for all
#   pictures, with twice its
#   channels (`width`). The thesis went on to the larger one when sizes varied.
# * At 1,000 pixels the count is judged on 500 pictures: 5,000 would take 60 GB of memory.
# * Not tried: training on smaller shapes, with which the thesis had no luck, and smaller minibatches, which it says
#   help.
# * In the standard profile convolutions multiply in bfloat16 while training (`convolved`), about half the time of a
#   step on this processor. Everything else, and all judging, is in float32.
# * The thesis loosens batch renormalisation when the loss falls below 3. For up to 17 shapes, as in one of its figures,
#   that is a sixth of the variance of a count. Here it is a sixth of the variance too. (At 3, a trial with up to 8
#   shapes stopped learning.)
# * The loss is taken before the last rectifier, which gives no gradient where it is 0. In trials with it the network of
#   sigmoids stopped
#   learning when batch renormalisation was loosened. The bias of the last layer starts where an empty picture gives the
#   mean count.
#
# ## Threat model
#
# None: nobody attacks a picture here.
#
# ## What the thesis got wrong

# %% tags=["hide-input"]
page.errata("rc-e-output")

# %% [markdown]
# ## Verdicts
#
# | id | in short |
# | --- | --- |
# | `rc-beyond-four` | ours, after the thesis' question: can networks count more than four shapes at a glance? |
# | `rc-fixed-exact`, `rc-vary-worse` | with shapes of one size they are extremely accurate; with sizes that vary worse, but not bad |
# | `rc-other-sizes`, `rc-other-kinds` | Guan and Loew say that other sizes and other kinds of shape break the count; the thesis doubts it for much smaller shapes and for few of another kind |
# | `rc-pixels` | ours: is a network counting pixels when sizes are drawn for every shape? |
# | `rc-edges`, `rc-edges-published` | saliency lies on edges and corners: asked of our networks, and of the two maps that the author publishes |
# | `rc-blank`, `rc-repaired` | with sigmoids and batch renormalisation it lies in blank space, until all shapes of a picture have one size |
#
# A rule counts as met only if it holds beyond the spread over seeds. With three seeds a mean may lie on the right side
# and the verdict be "in trend" or open. Two rules were changed with all results known.
#
# * `rc-pixels` asked for a slope of 1.9, which adding up area by the best straight line does not reach (1.6). It now
#   asks how near the network's slope comes to area's, each over its own on pictures of training.
# * `rc-other-kinds` compared the networks with a straight line in the area. It now compares them with the best function
#   of the area that we tried.
#
# With these results neither change makes a claim hold that did not.

# %% tags=["hide-input"]
page.claims(
    "rc-beyond-four",
    "rc-fixed-exact",
    "rc-vary-worse",
    "rc-other-sizes",
    "rc-other-kinds",
    "rc-pixels",
    "rc-edges",
    "rc-edges-published",
    "rc-blank",
    "rc-repaired",
)

# %% [markdown]
# ## Exercises
#
# ```{exercise} Count pixels (easy)
# :label: counting-1
#
# Regress the total on the number of blue pixels alone. How well does that do on the three kinds of pictures?
# ```
#
# ````{solution} counting-1
# :class: dropdown
#
# `np.polyfit(pictures.images.sum((1, 2, 3)), pictures.counts.sum(1), 1)`. With a fixed size the only error comes from triangles being half a square; with sizes by shape errors average out in proportion as shapes become many, though not in number; with one size a picture the area says less, though not nothing.
# ````
#
# ```{exercise} Uniform pairs (middle)
# :label: counting-2
#
# Numbers of triangles and squares are uniform over all pairs with a sum of at most $n$. What is the distribution of the total, and what would a network gain by always answering the largest one?
# ```
#
# ````{solution} counting-2
# :class: dropdown
#
# $P(t) = 2(t+1)/((n+1)(n+2))$: the largest total is the most likely, for $n = 8$ with 20 %.
# ````
#
# ```{exercise} A network that cannot count pixels (hard)
# :label: counting-3
#
# Draw outlines instead of filled shapes. What can the network still add up instead of counting, and how would you take that away too?
# ```
#
# ````{solution} counting-3
# :class: dropdown
#
# The length of the outlines, the number of corners (three or four a shape), and the turns: round every simple outline exterior angles add up to one full turn, for a square in four quarters, for a circle evenly, and each is seen by a small filter. Circles take away corners and sizes that vary take away lengths, but the turns count shapes by adding. To take that away too, mix discs and rings: sums of local terms give components less holes, never components alone.
# ````
#
# ## Run it yourself

# %% tags=["hide-input"]
page.provenance()
