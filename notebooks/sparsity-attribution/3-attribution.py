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
# A heat map says which pixels a prediction rests on. Schwartz, Alparslan and Kim {cite}`schwartz2020` ask how much such a map changes when something changes that should not matter: the size of the patch that hides a part of the image, or a blur that hardly anybody sees. They find that networks with penalties on their weights have
# the more stable maps (Table 2). This page measures it again, image by image, and asks three questions that the paper does not: does the answer depend on how maps are scaled, is the difference larger than chance, and is a stable map worth anything?
#
# **Time to learn**: 20 minutes. **You need** the page [on sparsity](1-sparsity).

# %% tags=["parameters"]
profile: str = "quick"  # quick: photographs, a narrow network | standard: CIFAR-10, an hour or two on 2 cores | paper: full networks, a GPU
replay: str = "auto"  # auto: measure what is not recorded | never: measure again | only: recorded numbers or an error
seeds: int | None = None  # number of seeds; None: the profile's own
networks: list | None = None  # of resnet50, mobilenet, vgg16, resnet-small, mobilenet-small, vgg-small, resnet-tiny
images: int | None = None  # test images

# %%
import matplotlib.pyplot as plt
import numpy as np
from scipy import stats

from advutils import attribution
from advutils.book.page import Page, mean_sd
from advutils.chapters import sparsity_attribution as chapter

page = Page("sparsity-attribution", "3-attribution", globals(), settings={
    "quick": dict(data="photographs", networks=["resnet-tiny"], seeds=1, epochs=6, train_size=900, factor=1e-4, images=20, steps=16),
    "standard": dict(data="cifar10", networks=["resnet-small", "vgg-small"], seeds=3, epochs=20, train_size=5000, factor=1e-4, images=1000, steps=16),
    "paper": dict(data="cifar10", networks=["resnet50", "mobilenet", "vgg16"], seeds=3, epochs=40, train_size=0, factor=1e-4, images=1000, steps=32),
})
settings = page.settings

# %% [markdown]
# ## What the paper claims
#
# | id | in short |
# | --- | --- |
# | `sa-t2-sliding` | penalties lower the change of the sliding patch's map, l1 most |
# | `sa-t2-cam` | penalties lower the change of Grad-CAM under a blur, the elastic net most |
# | `sa-stable-worth` | ours: maps are more stable with l1, and worth no less |
# | `sa-blind`, `sa-untrained` | ours: does a network that always gives one answer, or an untrained one, have the more stable maps? |
# | `sa-rival-maps` | ours: is adversarial training the better way to stable maps? |
#
# ## Threat model
#
# None: nobody attacks here. The changes (another patch, a blur of .5 pixels) are not chosen against the network.
#
# ## Two maps
#
# **Sliding patch** {cite}`zeiler2014`. A grey square moves over the image; where hiding makes the probability of the network's answer fall, the image mattered. With $S_{uv}$ the pixels of the square at $(u, v)$, and $x^{uv}$ the image with this square grey,
#
# $$m_{ij}=\frac{1}{|\{(u,v): (i,j)\in S_{uv}\}|}\sum_{(u,v):(i,j)\in S_{uv}} \big(p_c(x)-p_c(x^{uv})\big).$$
#
# Here $p_c(x)$ is the probability of the network's answer $c$. Painting the fall on all pixels of a square, as here, gives maps of one size for any patch. The paper does not say how it compared the 15 x 15 positions of a patch of 4 with the 16 x 16 of a patch of 2.
#
# **Grad-CAM** {cite}`selvaraju2017`. The channels $A^k$ of the last maps (after their rectifier) are added with weights $\alpha_k$, the gradients of the answer's logit $z_c$ in the mean over the $Z$ places of a map; what is negative is cut off, and the result is scaled up to the image:
#
# $$\alpha_k=\frac1Z\sum_{ij}\frac{\partial z_c}{\partial A^k_{ij}},\qquad m=\Big(\sum_k\alpha_k A^k\Big)_+ .$$
#
# What stands behind this formula is the size of the last maps. ResNet-50 and MobileNet as they come with Keras shrink an image of 32 pixels to a single one; then $m$ is the same everywhere, and scaling it to $[0, 1]$ divides nothing by nothing. If the network of the paper's Table 2, which it does not name, was one of these, its Grad-CAM row could not mean anything.
# The networks here keep 2 x 2 pixels or more, and a map without differences counts as 0. But 2 x 2 is little: such a map is **four numbers**, scaled up, and scaling them to $[0, 1]$ fixes two. What is said of Grad-CAM below is said of four numbers an image, except for the full-sized ResNet-50 (4 x 4).
#
# Both agree with captum's {cite}`kokhlikyan2020` (a test checks that).

# %% tags=["hide-input"]
page.source(attribution.occlusion)
page.source(attribution.grad_cam)
page.source(attribution.normalised)
page.source(attribution.change)

# %% [markdown]
# ## Measuring
#
# The networks are trained as the example code does from which the paper's numbers seem to come: with Adam at a rate of .001, in batches of 128, on 5,000 images of CIFAR-10; but for 20 epochs instead of 10. The factor of the penalties is .0001, and once more the paper's .01. Everything else is left alone: a network that has lost what it could learn stays in the tables, with the share of its most frequent answer beside it.
#
# The rival is one-step adversarial training: in place of a penalty, each step minimises the loss of $x+\tfrac{8}{255}\operatorname{sign}\nabla_x L$, clipped to $[0, 1]$. An untrained network is beside them: its maps cannot mean anything.

# %%
common = dict(data=settings.data, epochs=settings.epochs, train_size=settings.train_size, images=settings.images, steps=settings.steps)
KINDS = {"base": ("base", 0.0), "l1": ("l1", settings.factor), "l2": ("l2", settings.factor), "elastic net": ("elastic net", settings.factor), "adversarial training": ("adversarial", 0.0), "l1 of .01": ("l1", 0.01), "l2 of .01": ("l2", 0.01), "elastic net of .01": ("elastic net", 0.01), "untrained": ("base", 0.0)}
found = {(network, kind): [page.measure(chapter.maps, network=network, regularizer=penalty, factor=factor, seed=seed, **common | ({"epochs": 0} if kind == "untrained" else {})) for seed in range(settings.seeds)]
         for network in settings.networks for kind, (penalty, factor) in KINDS.items()}

# %% [markdown]
# ## What maps look like

# %% tags=["hide-input"]
first = settings.networks[0]
drawn = {kind: page.measure(chapter.pictures, network="resnet-tiny", regularizer=penalty, factor=factor, epochs=6, train_size=900, seed=0, images=3) for kind, (penalty, factor) in KINDS.items() if kind in ("base", "l1", "l2", "elastic net")}
TITLES = ["image", "patch of 4", "patch of 2", "blurred", "Grad-CAM", "Grad-CAM, blurred", "saliency"]
for kind, record in drawn.items():
    fig, axes = plt.subplots(3, len(TITLES), figsize=(1.35 * len(TITLES), 4.4), layout="constrained")
    for row, image in zip(axes, range(3), strict=True):
        for axis, title in zip(row, TITLES, strict=True):
            heat = record.arrays[title][image]
            axis.imshow(heat.transpose(1, 2, 0) if heat.ndim == 3 else heat, cmap="viridis")
            axis.set(xticks=[], yticks=[])
            if image == 0:
                axis.set_title(title, fontsize=8)
        row[0].set_ylabel(f"Δ {record['sliding'][image]:.0f}, {record['cam'][image]:.0f}", fontsize=8)
    page.figure(fig, caption=f"Three crops of photographs, those with the most contrast in the test crops of three photographs, and their maps by resnet-tiny, trained on such crops ({kind}), each map scaled by itself. Δ: sum of squared differences between the two sliding patches, and between Grad-CAM of the image and of its blur. Saliency, the largest absolute gradient of a pixel, is for comparison.",
                alt="Three rows of an image, two blocky heat maps, the blurred image, two smooth heat maps and a speckled one.")

# %% [markdown]
# ## Table 2

# %% tags=["hide-input"]
printed = {"base": ("26.31 ± 27.19", "24.53 ± 34.19"), "l1": ("18.51 ± 15.28", "15.13 ± 24.95"), "l2": ("18.62 ± 13.48", "15.12 ± 20.92"), "elastic net": ("20.92 ± 17.83", "13.96 ± 22.51")}


def both(records, name):
    return f"{np.mean([r['mean'][name] for r in records]):.2f} ± {np.mean([r['sd'][name] for r in records]):.2f}"


page.table(["network", "trained with", "clean accuracy", "sliding patch: paper", "ours", "Grad-CAM: paper", "ours"],
           [[network, kind, mean_sd([r["clean"] for r in records]), printed.get(kind, ("", ""))[0], both(records, "sliding_range"), printed.get(kind, ("", ""))[1], both(records, "cam_range")] for (network, kind), records in found.items()],
           caption=f"Sum of squared differences of two maps, each scaled to [0, 1]: mean ± standard deviation over {settings.images} images, both averaged over {settings.seeds} seed(s)")
for network in settings.networks:
    order = sorted(KINDS, key=lambda kind, network=network: np.mean([r["mean"]["sliding_range"] for r in found[network, kind]]))
    stable = found[network, order[0]]
    page.say(f"How to read it: on {network} the smallest change of the sliding patch's map belongs to: {order[0]} (most frequent answer on {100 * np.mean([r['largest'] for r in stable]):.0f} % of the images, maps without differences for {100 * np.mean([r['empty']['sliding'] for r in stable]):.0f} %), the largest to: {order[-1]}.")
page.say(f"What the paper prints can be judged from itself, as if its four columns of 1,000 images were independent: the l1 network's change is {(26.31 - 18.51) / ((27.19**2 + 15.28**2) / 1000) ** 0.5:.1f} standard errors below that without a penalty, but l2's only {(18.62 - 18.51) / ((13.48**2 + 15.28**2) / 1000) ** 0.5:.1f} above l1's, and for Grad-CAM l1's {(15.13 - 13.96) / ((24.95**2 + 22.51**2) / 1000) ** 0.5:.1f} above the elastic net's. Which of the three is best it cannot say.")

# %% [markdown]
# ### Does it depend on the scaling?

# %% tags=["hide-input"]
fig, axes = plt.subplots(2, len(settings.networks), figsize=(3.4 * len(settings.networks) + 1, 5.6), layout="constrained", sharex=True, squeeze=False)
for row, kind_of_map in zip(axes, ("sliding", "cam"), strict=True):
    for axis, network in zip(row, settings.networks, strict=True):
        for number, how in enumerate(attribution.NORMALISATIONS):
            base = np.mean([r["mean"][f"{kind_of_map}_{how}"] for r in found[network, "base"]])
            ratios = [np.mean([r["mean"][f"{kind_of_map}_{how}"] for r in found[network, kind]]) / base if base else np.nan for kind in KINDS]
            axis.plot(np.arange(len(KINDS)), ratios, "o-", ms=3, lw=0.8, color=f"C{number}", label=how)
        axis.axhline(1, color="k", lw=0.6, ls=":")
        axis.set(title=f"{network}, {'sliding patch' if kind_of_map == 'sliding' else 'Grad-CAM'}", xticks=np.arange(len(KINDS)))
        axis.set_xticklabels(KINDS, rotation=40, ha="right", fontsize=7)
for axis in axes[:, 0]:
    axis.set_ylabel("change, over base")
axes[0, 0].legend(fontsize=7, title="maps scaled by")
page.figure(fig, caption="Mean change of the maps over that of the network without a penalty, for four ways to scale a map before two are compared: not at all, to [0, 1], by its largest value, by its length. Where curves part, the scaling decides which network looks more stable.",
            alt="Panels with four curves each, one for each scaling, over the ways of training.")

# %% [markdown]
# ### Is it more than chance?
#
# The paper's standard deviations are as large as its means, but its comparison is paired: each image has a map under each network. The right question is whether the *differences* on the same images are centred at zero. A Wilcoxon signed-rank test {cite}`wilcoxon1945` asks that of one pair of networks; what it cannot know is what another training would have given. So the table has the
# differences' spread over **seeds** beside it. That all of three seeds agree happens by chance once in four, so the column of seeds is no test by itself: the rules below take Welch's interval over seeds.

# %% tags=["hide-input"]
def blind(network, kind):
    """Whether the networks of a kind give (nearly) one answer to everything, all seeds together."""
    return np.mean([r["largest"] for r in found[network, kind]]) > 0.99


rows = []
for network in settings.networks:
    for kind, against in [*((kind, "base") for kind in KINDS if kind not in ("base", "untrained")), ("l2", "l1"), ("elastic net", "l1")]:
        for kind_of_map in ("sliding", "cam") if not blind(network, kind) and not blind(network, against) else ():
            pairs = [(base.arrays[f"{kind_of_map}_range"], other.arrays[f"{kind_of_map}_range"]) for base, other in zip(found[network, against], found[network, kind], strict=True)]
            worst = max((stats.wilcoxon(b, o, zero_method="zsplit").pvalue for b, o in pairs))
            rows.append([network, f"{kind} - {against}", "sliding patch" if kind_of_map == "sliding" else "Grad-CAM", mean_sd([np.mean(o - b) for b, o in pairs], unit="", scale=1), f"{sum(np.median(o - b) < 0 for b, o in pairs)} of {len(pairs)}", f"{worst:.1g}" if worst > 1e-99 else "below 1e-99"])
page.table(["network", "difference", "map", "mean", "seeds with a lower median", "largest p over seeds"], rows, caption="Paired differences of the change, maps scaled to [0, 1]; negative: the first is more stable than the second. Without pairs with networks that give one answer to (nearly) everything")
page.say("One answer in every seed, and so not compared: " + ("; ".join(f"{network}, {kind}" for network, kind in found if kind != "untrained" and blind(network, kind)) or "none") + ".")

# %% [markdown]
# ## Beyond the paper: is a stable map worth anything?
#
# A map that is the same for every image, or grey all over, is as stable as can be. Three numbers beside stability say whether a map knows something:
#
# * **deletion** and **insertion** {cite}`petsiuk2018`: pixels go to grey (or come back from it) in the order of the map; the mean probability of the answer on the way. The **worth** of a map is the difference of the two, over the probability of the whole image (a confident network has larger differences with no better maps). A random order has a worth of about 0. Deletion goes to the same grey that the sliding patch hides with, which favours that map over Grad-CAM;
# * **class sensitivity** of Grad-CAM: how far the map for the network's answer is from the one for its second choice, both scaled to length 1, over the images for which neither map is empty. A map that does not look at the class has 0. (For the sliding patch it would say little: where two classes share the probability, what one loses the other gains.)

# %% tags=["hide-input"]
page.table(["network", "trained with", "most frequent answer", "worth: sliding patch", "Grad-CAM", "random order", "class sensitivity: Grad-CAM", "maps without differences: sliding patch, Grad-CAM"],
           [[network, kind, mean_sd([r["largest"] for r in records]), *(mean_sd([r["worth"][which] for r in records], unit="", scale=1) for which in ("sliding", "cam", "random")), mean_sd([r["other"] for r in records if r["other"] is not None], unit="", scale=1) if any(r["other"] is not None for r in records) else "none", ", ".join(mean_sd([r["empty"][which] for r in records]) for which in ("sliding", "cam"))]
            for (network, kind), records in found.items()], caption=f"Worth of the maps; seeds: {settings.seeds}")
for network in settings.networks:
    best = max(KINDS, key=lambda kind, network=network: np.mean([r["worth"]["sliding"] for r in found[network, kind]]))
    page.say(f"How to read it: on {network} the sliding patch's maps are worth most with: {best} ({np.mean([r['worth']['sliding'] for r in found[network, best]]):.2f}; without a penalty {np.mean([r['worth']['sliding'] for r in found[network, 'base']]):.2f}, untrained {np.mean([r['worth']['sliding'] for r in found[network, 'untrained']]):.2f}).")
fig, axes = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
for axis, which, title in zip(axes, ("sliding", "cam"), ("sliding patch", "Grad-CAM"), strict=True):
    for number, kind in enumerate(KINDS):
        for network, marker in zip(settings.networks, "osD^", strict=False):
            records = found[network, kind]
            axis.plot([np.mean([r["mean"][f"{which}_range"] for r in records])], [np.mean([r["worth"][which] for r in records])], marker, color=f"C{number % 7}", fillstyle="none" if number > 6 else "full", label=kind if network == first else None)
    axis.axhline(0, color="k", lw=0.6, ls=":")
    axis.set(xlabel="change (left is stable)", ylabel="worth (up is informative)", title=title)
axes[0].legend(fontsize=7)
page.figure(fig, caption=f"Worth against change, means over seeds; one marker shape for each network ({', '.join(settings.networks)}). A network whose answer never moves lies at the origin.", alt="Two scatter plots of worth against change, one colour for each way of training.")

# %% [markdown]
# ## Where we had to choose
#
# * Which network gave the paper's Table 2 is not said; two are shown. Its 1,000 images are random; ours are the first 1,000 test images. Maps are for the network's own answer, probabilities for the patch, logits for Grad-CAM.
# * The grey of the patch is .5. The blur is a Gaussian of .5 pixels, cut off at two, edges repeated.
# * The scale of the paper's numbers fits maps that are scaled to [0, 1], so that stands in the table; the figure has the others.
#
# ## What the paper got wrong

# %% tags=["hide-input"]
page.errata("sa-e-ssd", "sa-e-elastic-most")

# %% [markdown]
# ## Verdicts

# %% tags=["hide-input"]
page.claims("sa-t2-sliding", "sa-t2-cam", "sa-stable-worth", "sa-rival-maps", "sa-blind", "sa-untrained")

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
# An image with half of its pixels is still recognisable. How soon the probability rises says how much the network needs; a network that is robust against noise has an earlier rise, which is why differences to the random order compare better across networks than the scores themselves.
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
# PGD on the change of the map, with a second derivative: the map contains a gradient, so the network must be differentiated twice (`create_graph=True`), and rectifiers give zero second derivatives almost everywhere except through the channels $A^k$, which change with the image at first order. That part needs no second derivative; for the part through $\alpha_k$ replace rectifiers with softplus during the attack, as Dombrowski et al. 2019 do.
# ````
#
# ## Run it yourself

# %% tags=["hide-input"]
page.provenance()
