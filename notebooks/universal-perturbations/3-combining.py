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
# # One perturbation for several networks
#
# Kühne and Tödtli {cite}`kuhne2020` ask for a perturbation that fools two networks, and a third that it has never seen. They try three ways: every network looks at every image (Algorithm 1), the networks take turns (Algorithm 2), or two finished perturbations are mixed. This page repeats
# their Table 2 with equal numbers of visits, several splits, and the last pass for all. It then goes where their last sentence points, to many networks, and asks what one would use today.
#
# **Time to learn**: 20 minutes. **You need** the [page on transfer](2-transfer).

# %% tags=["parameters"]
profile: str = "quick"  # quick: crops of photographs, any CPU | standard: NIPS 2017 images, hours on 2 cores | paper: longer runs, a GPU
replay: str = "auto"  # auto: measure what is not recorded | never: measure again | only: recorded numbers or an error
splits: int | None = None  # number of random splits; None: the profile's own

# %%
import matplotlib.pyplot as plt
import numpy as np

from advutils.book.page import Page, mean_sd
from advutils.chapters import universal_perturbations as chapter

_names = ["squeezenet1_1", "mobilenet_v1", "mobilenet_v2", "inception_v1"]
page = Page("universal-perturbations", "3-combining", globals(), settings={
    "quick": dict(data="photographs", networks=["photographs-0", "photographs-1", "photographs-2"], splits=1, fewer=1, training=60, passes=2, num_classes=4, many_classes=6, short=1, tuned=1, ascent=4, shares=[0.0, 0.5, 1.0], beyond=False),
    "standard": dict(data="nips2017", networks=_names, splits=3, fewer=2, training=600, passes=8, num_classes=10, many_classes=50, short=3, tuned=1, ascent=20, shares=[round(0.05 * k, 2) for k in range(21)], beyond=True),
    "paper": dict(data="nips2017", networks=_names, splits=5, fewer=5, training=600, passes=100, num_classes=10, many_classes=50, short=100, tuned=5, ascent=400, shares=[round(0.05 * k, 2) for k in range(21)], beyond=True),
})
settings = page.settings
f, g, third, *_ = settings.networks

# %% [markdown]
# ## What the paper claims
#
# | id | in short |
# | --- | --- |
# | `up-alg2-best` | Algorithm 2 is the best in the mean of two networks and a third |
# | `up-alg1-no-better` | Algorithm 1 is no better than the better single perturbation |
# | `up-alg2-third`, `up-alg2-own`, `up-alg2-gives-up` | Algorithm 2 gains on the third network and on the tougher one of the two, and loses on the more fragile one |
# | `up-interpolation` | no mixture of two perturbations is as good as each on its own network |
# | `up-num-classes` | more candidate classes fool more |
# | `up-many` | more networks fool networks that had no part |
# | `up-best-pass`, `up-ascent` | ours: what choosing the best pass does; does plain gradient ascent do better? |
#
# ## Threat model

# %% tags=["hide-input"]
page.threat_model(norm="l-infinity", budget="10/255 for all images alike", pixels="[0, 1]; the paper's are 0 to 255", clamp="none: x + v may leave the range, as in the authors' code", goal="untargeted: any other class",
                  label="the network's own prediction without the perturbation")

# %%
common = dict(data=settings.data, training=settings.training, augment=True, p="inf")


def made(networks, split, *, method="deepfool", **changes):
    """The record of one perturbation."""
    own = dict(num_classes=settings.num_classes) if method == "deepfool" else {}
    return page.measure(chapter.fooling, **common, **dict(method=method, networks=networks, split=split, targets=settings.networks, passes=settings.passes) | own | changes)


runs = {
    f"{f} alone": lambda split: made([f], split),
    f"{g} alone": lambda split: made([g], split),
    "Algorithm 1": lambda split: made([f, g], split, schedule="each", passes=settings.passes // 2),  # each pass is two visits of an image
    "Algorithm 2": lambda split: made([f, g], split, schedule="cyclic"),
}
rows = {name: [run(split) for split in range(settings.splits)] for name, run in runs.items()}

# %% [markdown]
# ## Table 2
#
# All four have been shown equally many images: a pass of Algorithm 1 shows each image to both networks, so it makes half as many.

# %% tags=["hide-input"]
def table2(rows, caption):
    page.table(["made by", *settings.networks, f"mean of {f}, {g}, {third}", "updates"],
               [[name, *(mean_sd([r["rates"][k] for r in records]) for k in range(len(settings.networks))), mean_sd([np.mean(r["rates"][:3]) for r in records]),
                 f"{np.mean([sum(c.get('updates', 0) for c in r['history']) for r in records]):.0f}"] for name, records in rows.items()], caption=caption)


table2(rows, f"Fooling rates on held-out images after the last pass; splits: {settings.splits}")
means = {name: 100 * np.mean([np.mean(r["rates"][:3]) for r in records]) for name, records in rows.items()}
page.say("How to read it: in the mean of the last column but one the best is " + max(means, key=means.get) + f", with {max(means.values()):.1f} %; Algorithm 2 has {means['Algorithm 2']:.1f} %, Algorithm 1 {means['Algorithm 1']:.1f} %.")
page.table(["made by", "Inception", "VGG-16", "ResNet-152", "mean"], [["Inception alone", 82, 16, 16, 38], ["VGG-16 alone", 60, 59, 38, 52], ["Algorithm 1", 63, 55, 36, 51], ["Algorithm 2, best pass", 67, 61, 41, 56]], caption="The paper's Table 2, in %")

# %% tags=["hide-input"]
fig, axes = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained", sharey=True)
for number, (name, records) in enumerate(rows.items()):
    for record in records:
        updates = np.cumsum([counts["updates"] for counts in record["history"]])
        for k, axis in enumerate(axes):
            position = {f: 0, g: 1}[settings.networks[k]] if len(record["history"][0]["held out"]) == 2 else 0 if record.parameters["networks"] == [settings.networks[k]] else None
            if position is not None:
                axis.plot(updates, [100 * counts["held out"][position] for counts in record["history"]], color=f"C{number}", lw=1.2, label=name if record is records[0] else None)
for k, axis in enumerate(axes):
    axis.set(xlabel="updates of v", title=f"on {settings.networks[k]}")
    axis.legend(fontsize=8)
axes[0].set_ylabel("held-out images fooled, %")
page.figure(fig, caption="Fooling rates of the two networks after each pass, one line for each split.", alt="Two panels of rising curves against the number of updates: the network's own perturbation and those of the two algorithms.")
best, last = ([r[which] for r in rows["Algorithm 2"]] for which in ("best", "last"))
rise = 100 * np.mean([np.diff([np.mean(counts["held out"]) for counts in r["history"]])[-1] for r in rows["Algorithm 2"]])
page.say(f"How to read it: what counts is how high a curve is after equally many updates. The last pass of Algorithm 2 added {rise:.1f} points in the mean of its two networks, so more passes would give more.")
page.say("The paper reports Algorithm 2 at its best pass and the others at their last. Here its best pass is at " + mean_sd(best) + " in the mean of its two networks, its last at " + mean_sd(last) + ".")

# %% [markdown]
# ## Mixing two perturbations
#
# $$v(\lambda) = \lambda v_f + (1-\lambda) v_g \tag{1}$$
#
# A mixture is smaller than its parts where they disagree in sign. The authors left it so. The right panel scales it until its largest entry is at the bound again, which helps only if no entry is there in both parts with one sign.

# %%
spec = dict(**common, method="deepfool", passes=settings.passes, num_classes=settings.num_classes)
mixed = {rescaled: [page.measure(chapter.interpolated, first=dict(**spec, networks=[f], split=split), second=dict(**spec, networks=[g], split=split), shares=settings.shares, targets=settings.networks[:3], rescaled=rescaled)
                    for split in range(settings.fewer)] for rescaled in (False, True)}

# %% tags=["hide-input"]
fig, axes = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained", sharey=True)
for axis, (rescaled, records) in zip(axes, mixed.items(), strict=True):
    found = 100 * np.array([r["rates"] for r in records])
    for k, name in enumerate(settings.networks[:3]):
        axis.plot(settings.shares, found[:, :, k].mean(0), "o-", ms=3, color=f"C{k}", label=name)
        if len(records) > 1:
            axis.fill_between(settings.shares, found[:, :, k].min(0), found[:, :, k].max(0), color=f"C{k}", alpha=0.2)
    axis.set(xlabel="$\\lambda$", title="scaled to the bound" if rescaled else "as it is")
axes[0].set_ylabel("held-out images fooled, %")
axes[1].legend(fontsize=8)
page.figure(fig, caption=f"Mixtures of the perturbations of {f} ($\\lambda = 1$) and {g} ($\\lambda = 0$); lines are means over {settings.fewer} splits, bands from the lowest to the highest.",
            alt="Curves against lambda: one network's rate rises to the right, the other's falls; in between both sag.")
rates = {rescaled: np.array([r["rates"] for r in records]) for rescaled, records in mixed.items()}
least = 100 * np.mean(rates[False], 0)[:, :2].min(1)
gains = [r["gain"] for r in mixed[False]]
page.say(f"How to read it: the best mixture for the worse-off of the two networks is that of $\\lambda$ = {settings.shares[int(least.argmax())]:g}. The best mixture strictly between the ends falls short of one of the two networks' own perturbations by " + mean_sd([-gain for gain in gains], unit="points")
         + f". Scaling to the bound changes rates by at most {100 * np.abs(rates[True] - rates[False]).max():.1f} points.")

# %% [markdown]
# ## Beyond the paper
#
# **More networks.** Perturbations by Algorithm 2 of one, two and three networks, judged on a network that has no part in any. **Fine-tuning**, a way that the thesis has and the paper dropped: half of the passes on one network, then half on the other. **More candidate classes** in DeepFool.
# And **gradient ascent** on the sum of the losses, which is how universal perturbations are made today {cite}`shafahi2020`: one gradient an image, no DeepFool.

# %%
spec = dict(**{**spec, "passes": settings.passes // 2}, networks=[f])
more = {
    "three networks": (settings.tuned, lambda split: made(settings.networks[:3], split, schedule="cyclic")),
    "fine-tuning": (settings.tuned, lambda split: made([g], split, passes=settings.passes // 2, after=spec | dict(split=split))),
}
beyond = {f"{name} ({splits})": [run(split) for split in range(splits)] for name, (splits, run) in more.items()} if settings.beyond else {}
ascended = {name: [made(networks, split, method="ascent", passes=settings.ascent) for split in range(settings.fewer)]
            for name, networks in ((f"{f} alone, ascent", [f]), ("two networks, ascent", [f, g]))}
many = [made([f], split, num_classes=settings.many_classes, passes=settings.short) for split in range(settings.fewer)]

# %% tags=["hide-input"]
table2({**rows, **beyond, **{f"{name} ({settings.fewer})": records for name, records in ascended.items()}}, f"All ways, on held-out images; splits: {settings.splits}, or the number in brackets")


def gradients(records, passes=None):
    """How many gradients a perturbation of ``f`` cost, in the mean."""
    return np.mean([sum(counts.get("steps", 0) * (r.parameters.get("num_classes", 1) - 1) + counts.get("gradients", 0) for counts in r["history"][:passes]) for r in records])


alone, ascent = rows[f"{f} alone"], ascended[f"{f} alone, ascent"]
page.say(f"How to read it: with DeepFool {f}'s own perturbation costs {gradients(alone):,.0f} gradients, with ascent {gradients(ascent):,.0f}.")
page.table(["candidate classes", f"fools {f}", "gradients"],
           [[number, mean_sd([r["history"][settings.short - 1]["held out"][0] for r in records]), f"{gradients(records, settings.short):,.0f}"]
            for number, records in ((settings.num_classes, alone[:settings.fewer]), (settings.many_classes, many))], caption=f"Held-out images, after {settings.short} passes; splits: {settings.fewer}")

# %% [markdown]
# ## Where we had to choose
#
# * Equal numbers of visits; the paper gives both algorithms 20 passes, so that Algorithm 1 had twice as many.
# * Networks and images as on the [page on transfer](2-transfer). All samples are splits of the same 1,000 images. In the standard profile there are three; mixtures, ascent and fifty classes have two, fine-tuning and three networks one. The third split of Algorithms 1 and 2 was planned, left out for want of time, and added when the other two were known.
#
# ## What the paper got wrong

# %% tags=["hide-input"]
page.errata("up-e-lambda", "up-e-best-pass", "up-e-line10", "up-e-candidates")

# %% [markdown]
# ## Verdicts

# %% tags=["hide-input"]
page.claims("up-alg2-best", "up-alg1-no-better", "up-alg2-third", "up-alg2-own", "up-alg2-gives-up", "up-interpolation", "up-num-classes", "up-best-pass", "up-many", "up-ascent")

# %% [markdown]
# ## Exercises
#
# ```{exercise} Two halves (easy)
# :label: combining-1
#
# Two perturbations have all their entries at the bound, and agree in sign in half of the pixels. What are the largest entry and the mean absolute value of their mean, and what are they for the mixture with $\lambda = .05$?
# ```
#
# ````{solution} combining-1
# :class: dropdown
#
# At $\lambda = 1/2$ entries are $\pm\xi$ or 0: the largest is $\xi$, the mean $\xi/2$. At .05 they are $\xi$ or $.9\xi$: the mean is $.95\xi$. So scaling the largest entry to the bound does nothing here; a mixture is weaker however it is scaled.
# ````
#
# ```{exercise} The order of networks (middle)
# :label: combining-2
#
# Algorithm 1 lets the second network see the $v$ of the first. Does it matter which is first? Compare `networks=[f, g]` with `[g, f]` in the quick profile over five splits.
# ```
#
# ````{solution} combining-2
# :class: dropdown
#
# Call `chapter.fooling` twice for each split and compare the differences with their standard error. With projections after every update the network that comes last in a round has the last word, but the next round begins at once: the effect should be small.
# ````
#
# ```{exercise} A defence (hard)
# :label: combining-3
#
# Subtract a known universal perturbation from every image before classifying. What does it cost on clean images, and what does an attacker do who knows it?
# ```
#
# ````{solution} combining-3
# :class: dropdown
#
# The defended network is $k(x - v)$: a network like any other, with a universal perturbation of its own, which `universal_perturbation` finds. Measure it with a module that subtracts.
# ````
#
# ## Further reading
#
# Shafahi et al. {cite}`shafahi2020` make universal perturbations by ascent, and train against them; Chaubey et al. {cite}`chaubey2020` is a survey.
#
# ## Run it yourself

# %% tags=["hide-input"]
page.provenance()
