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
# # Smooth attacks on natural images
#
# The second half of the tables of Zhang et al. {cite}`zhang2019`: the same attacks on the 1,000 images of the NIPS 2017 competition. Their
# networks, InceptionV3 and ResNetV2-50, are too large for this book's recorded run; smaller networks trained on the same classes stand in for
# them, so that no number of a table can be compared to the digit, and claims are judged by ratios. The page ends with a question that
# the paper leaves open: can an algorithm detect what magnification does not show to a human?
#
# **Time to learn**: 25 minutes. **You need** the [page on MNIST](2-mnist).

# %% tags=["parameters"]
profile: str = "quick"  # quick: crops of photographs, any CPU | standard: NIPS 2017 images, hours on 2 cores | paper: all of them, 9 x 100, a GPU
replay: str = "auto"  # auto: measure what is not recorded | never: measure again | only: recorded numbers or an error
networks: list | None = None  # networks that are attacked; None: the profile's own

# %%
import matplotlib.pyplot as plt
import numpy as np

from advutils import bilateral, detection, distortion, models
from advutils.book.page import Page, mean_sd
from advutils.chapters import smooth_adversarial as chapter
from advutils.chapters import smooth_adversarial_transfer as variants

_l2 = [0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.5, 4.0, 8.0]
_linf = [0.5 / 255, 1 / 255, 2 / 255, 4 / 255, 8 / 255, 16 / 255]
page = Page("smooth-adversarial", "3-imagenet", globals(), settings={
    "quick": dict(data="photographs", networks=["resnet8"], groups=1, group=12, search_groups=1, search_group=10, l2=[0.5, 2.0], linf=[16 / 255],
                  search=dict(steps=20, search_steps=2), transfer_groups=0, others=[], correlation=20, floor=20),
    "standard": dict(data="nips2017", networks=["squeezenet1_1", "mobilenet_v1", "mobilenet_v2", "inception_v1"], groups=4, group=50, search_groups=4,
                     search_group=20, l2=_l2, linf=_linf, search=dict(steps=100, search_steps=3), transfer_groups=4, others=["mobilenet_v1", "mobilenet_v2"],
                     correlation=200, floor=1000),
    "paper": dict(data="nips2017", networks=["squeezenet1_1", "mobilenet_v1", "mobilenet_v2", "inception_v1", "inception_v3", "resnetv2_50"], groups=20, group=50,
                  search_groups=50, search_group=20, l2=_l2, linf=_linf, search=dict(steps=100, search_steps=9), transfer_groups=20,
                  others=["mobilenet_v1", "mobilenet_v2"], correlation=1000, floor=1000),
})
settings = page.settings

# %% [markdown]
# The **quick** profile attacks a small network that tells six of scikit-image's photographs apart by crops of 48 x 48 pixels. **standard** is the recorded one: the
# first 200 images of the set (4 groups of 50) for the attacks with a budget, 80 (4 groups of 20) for C&W and sC&W, which get 3 search steps of
# 100 iterations instead of 9. **paper** has all 1,000 images and 9 steps. Images are resized from 299 to 224 pixels, the size that these networks take,
# and attacked there. An l2 distortion of 1 on 224 x 224 pixels is as visible, pixel by pixel, as 1.33 on 299 x 299.
#
# ## What the paper claims
#
# | id | in short |
# | --- | --- |
# | `sm-in-scw-closer-...` | sC&W needs .61 times the distortion of C&W at the same success |
# | `sm-in-spgd2-spoiled-...` | smoothing raises PGD$_2$'s distortion only a little |
# | `sm-in-pgd2-beats-cw` | PGD$_2$ beats C&W by a vast margin |
# | `sm-weak-correlation` | because smoothed gradients are weakly correlated with gradients on flat images |
# | `sm-truncation-floor` | ours: how much of a small distortion is the way the images were stored |
#
# ## Threat model

# %% tags=["hide-input"]
page.threat_model(
    norm="l-infinity (FGSM, I-FGSM) or l2; every distortion is l2 on all pixels and channels",
    budget="l2: " + ", ".join(f"{v:g}" for v in settings.l2) + "; l-infinity: " + ", ".join(f"{255 * v:g}/255" for v in settings.linf) + "; C&W, sC&W: as little as possible",
    pixels="[0, 1] at the network's input size; the authors attack in [-1, 1], where a budget of 5 is 2.5 here",
    clamp="to [0, 1]",
    goal="untargeted",
    label="the label of the data set; only images that the network gets right are attacked",
)

# %% [markdown]
# ## The attacks
#
# As on the page on MNIST, with the authors' settings for ImageNet: steps of 3 in $[-1, 1]$ (1.5 here), C&W with a first $c = 100$ and $m = 0$. Their sC&W uses the
# graph with bandwidth 300 and $\alpha = .997$ and fifty iterations of conjugate gradients; their sPGD$_2$ the graph (10, .95), which the text does not say.
# Both graphs have Gaussian kernels, where the text says Laplacian. An image that has been fooled is spared larger budgets.

# %%
sharp = dict(kernel="gaussian", bandwidth=300.0, alpha=0.997, method="cg", iterations=50)
mild = dict(kernel="gaussian", bandwidth=10.0, alpha=0.95, method="cg", iterations=50)
ascent = dict(step=1.5, steps=10)
search = dict(**settings.search, lr=0.1, initial_const=100.0, confidence=0.0, abort_early=False)
TEXT, CODE = "sC&W, squared norm (text)", "sC&W, norm (code)"
calls = {
    "FGSM": dict(attack="fgsm", options=dict(p="inf"), eps=settings.linf, smoothing={}),
    "I-FGSM": dict(attack="pgd", options=dict(p="inf", step=0.04, steps=10), eps=settings.linf, smoothing={}),
    "PGD_2": dict(attack="pgd", options=dict(p=2, **ascent, sphere=True), eps=settings.l2, smoothing={}),
    "sPGD_2, gradient (text)": dict(attack="smooth_pgd", options=dict(**ascent, smooth="gradient"), eps=settings.l2, smoothing=sharp),
    "sPGD_2, perturbation (code)": dict(attack="smooth_pgd", options=dict(**ascent, smooth="perturbation"), eps=settings.l2, smoothing=mild),
    "C&W": dict(attack="carlini_wagner", options=search, eps=[], smoothing={}),
    TEXT: dict(attack="smooth_carlini_wagner", options=dict(**search, penalty="squared"), eps=[], smoothing=sharp),
    CODE: dict(attack="smooth_carlini_wagner", options=dict(**search, penalty="norm"), eps=[], smoothing=sharp),
}


# %%
def measured(name, network):
    """The records of one attack on one network, one per group of images."""
    groups, size = (settings.search_groups, settings.search_group) if "C&W" in name else (settings.groups, settings.group)
    return [page.measure(chapter.natural_attack, data=settings.data, network=network, first=number * size, images=size, every_run=False, **calls[name])
            for number in range(groups)]


searched = settings.networks[:2]  # C&W and sC&W on the first two
rows = {(name, network): measured(name, network) for network in settings.networks for name in calls if "C&W" not in name or network in searched}
