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
# # Adversarial magnification
#
# *Given a single image, can the effect of a perturbation be magnified to the extent that it becomes visible?* Zhang et al. {cite}`zhang2019` answer with a local normalisation (their Appendix A and Figure 1): every
# attack they try becomes visible, except their own smooth one. This page puts the formula right, shows both readings of its parameters, and measures what the figure shows.
#
# **Time to learn**: 15 minutes. **You need** the [page on smoothing](1-smoothing).

# %% tags=["parameters"]
profile: str = "quick"  # quick: a smaller crop | standard: a photograph, a minute | paper: as standard
replay: str = "auto"  # auto: measure what is not recorded | never: measure again | only: records or an error

# %%
import matplotlib.pyplot as plt

from advbook.chapters.smooth_adversarial import pictures as visual
from advbook.page import Page, at_hand
from advutils.filters import bilateral as bilateral_module

page = Page(
    "smooth-adversarial",
    "4-magnification",
    globals(),
    settings={
        "quick": dict(
            photograph="chelsea",
            window=[60, 330, 48],
            network="resnet8",
            l2=1.0,
            linf=0.03,
            search=dict(steps=20, search_steps=2),
        ),
        "standard": dict(
            photograph="chelsea",
            window=[30, 180, 224],
            network="squeezenet1_1",
            l2=2.5,
            linf=8 / 255,
            search=dict(steps=100, search_steps=3),
        ),
        "paper": dict(
            photograph="chelsea",
            window=[30, 180, 224],
            network="squeezenet1_1",
            l2=2.5,
            linf=8 / 255,
            search=dict(steps=100, search_steps=9),
        ),
    },
)
settings = page.settings

# %% [markdown]
# ## What the paper claims
#
# "Our smooth adversarial example is invisible even when magnified", and popular attacks are not. It is shown on one image, and a human is the judge; there is no number to reproduce. We show the same on a photograph
# that may be shown. One attack is added: C&W over $r$ with clipping, Eq. (13), the step between C&W and sC&W. For each picture we give the distance between its magnification and that of the original.
#
# ## The formula
#
# $$\operatorname{mag}(x) = \frac{x - \mu_x(x)}{\beta\,\sigma_x(x) + (1-\beta)\,\sigma_\Omega(x)} \tag{22}$$
#
# $\mu_x = b(x)$ is the bilateral filter of the image: a mean over the neighbourhood, weighted by distance in the plane and by likeness of colour (of all channels together). $\sigma_x$ is the local standard deviation,
#
# $$\sigma_x(x) = b_x\big((x - \mu_x(x))^2\big)^{+1/2},$$
#
# where $b_x$ filters the square with the weights of $x$. The text has the exponent $-1/2$, which would multiply by the deviation where it should divide. $\sigma_\Omega$ is the deviation over the whole channel, $\beta = .8$.
#
# The text also says that "the standard deviation of both the domain and range Gaussian kernels is 5". In the authors' code the two fives are the *spatial* deviations of the two filters, and the range deviation is .2. On pixels
# in $[0, 1]$ a range deviation of 5 compares nothing, and the bilateral filter becomes a Gaussian blur. The second and third column below show what a difference it makes.

# %% tags=["hide-cell"]
page.source(bilateral_module.bilateral)
page.source(bilateral_module.magnification)

# %% [markdown]
# ## Threat model

# %% tags=["hide-input"]
page.threat_model(
    norm="l2, or l-infinity for FGSM and I-FGSM",
    budget=f"l2 {settings.l2:g}, l-infinity {255 * settings.linf:.1f}/255; C&W and sC&W as little as possible",
    pixels="[0, 1]",
    clamp="to [0, 1]",
    goal="untargeted",
    label="the network's own prediction: the photograph has no label",
)

# %%
sharp = dict(kernel="gaussian", bandwidth=300.0, alpha=0.997, method="cg", iterations=50)
search = dict(**settings.search, lr=0.1, initial_const=100.0, confidence=0.0, abort_early=False)
calls = {
    "FGSM": dict(attack="fgsm", options=dict(eps=settings.linf, p="inf"), smoothing={}),
    "I-FGSM": dict(
        attack="pgd", options=dict(eps=settings.linf, p="inf", step=settings.linf / 4, steps=10), smoothing={}
    ),
    "PGD_2": dict(
        attack="pgd", options=dict(eps=settings.l2, p=2, step=settings.l2 / 2, steps=10, sphere=True), smoothing={}
    ),
    "C&W": dict(attack="carlini_wagner", options=search, smoothing={}),
    "C&W over r": dict(attack="carlini_wagner", options={**search, "variable": "clip"}, smoothing={}),
    "sPGD_2, text": dict(
        attack="smooth_pgd",
        options=dict(eps=settings.l2, step=settings.l2 / 2, steps=10, smooth="gradient"),
        smoothing=sharp,
    ),
    "sC&W, text": dict(attack="smooth_carlini_wagner", options=dict(**search, penalty="squared"), smoothing=sharp),
    "sC&W, code": dict(
        attack="smooth_carlini_wagner", options={**search, "penalty": "norm", "initial_const": 1.0}, smoothing=sharp
    ),
}


def pictures():
    """The record of all attacks in ``calls``."""
    place = dict(photograph=settings.photograph, window=settings.window, network=settings.network, graph=sharp)
    return page.measure(visual.magnified, calls=list(calls.values()), **place)


figure1 = at_hand(pictures)
if not figure1:  # before the attack that was added last is recorded
    del calls["C&W over r"]
    figure1 = pictures()
    page.say("*Not measured yet: C&W over r, which is missing from the figures and tables below.*")

# %% tags=["hide-input"]
fig, axes = plt.subplots(1 + len(calls), 3, figsize=(7.5, 2.4 * (1 + len(calls))), layout="constrained")
for row, name in enumerate(["original", *calls]):
    for column, field in enumerate(("images", "magnified", "magnified_5")):
        axes[row, column].imshow(figure1.arrays[field][row])
        axes[row, column].set(xticks=[], yticks=[])
    axes[row, 0].set_ylabel(
        name
        if row == 0
        else f"{name}\nl2 {figure1['length'][row - 1]:.2f}" + ("" if figure1["fooled"][row - 1] else ", fails")
    )
for column, title in enumerate(("image", "range deviation .2 (code)", "range deviation 5 (text)")):
    axes[0, column].set_title(title, fontsize=10)
page.figure(
    fig,
    caption=f"A photograph of scikit-image under these attacks on {settings.network}, and its magnification, all scaled together (the paper's Figure 1; its universal perturbation is the subject of another chapter).",
    alt="Rows: the original photograph of a cat and its attacked versions, which look alike. Magnified, the large attacks show a noise pattern over the flat background; those with small distortions look like the original.",
)

# %% tags=["hide-input"]
page.table(
    [
        "attack",
        "l2 distortion",
        "fooled",
        "distance of the magnifications (.2)",
        "per unit of distortion",
        "distance (5)",
        "per unit ",
    ],
    [
        [
            name,
            f"{length:.3f}",
            "yes" if fooled else "no",
            f"{near:.1f}",
            f"{near / max(length, 1e-9):.1f}",
            f"{far:.1f}",
            f"{far / max(length, 1e-9):.1f}",
        ]
        for name, length, fooled, near, far in zip(
            calls, figure1["length"], figure1["fooled"], figure1["magnified"], figure1["magnified_5"], strict=True
        )
    ],
    caption="What magnification shows: the l2 distance between the magnified attacked image and the magnified original",
)
ratio = {
    name: near / max(length, 1e-9)
    for name, length, near in zip(calls, figure1["length"], figure1["magnified"], strict=True)
}
page.say(
    "How to read it: per unit of distortion, magnification shows "
    + ", ".join(f"{ratio[name]:.0f} of {name}".replace("_2", "$_2$") for name in calls)
    + ". The number falls with the length too, since noise raises the scale that magnification divides by: compare attacks of like length, as PGD$_2$ and sPGD$_2$ are, or C&W and sC&W. "
    "Where only the distance is lower, a perturbation is hard to see because it is short. "
    + f"By this measure magnification shows most, per unit, of {max(ratio, key=ratio.get).replace('_2', '$_2$')}, and of sC&W as printed {ratio['sC&W, text'] / ratio['C&W']:.1f} times what it shows of C&W; "
    f"the paper's \"invisible even when magnified\" is about one image and a human's eye, and sC&W's distance is {'smaller' if figure1['magnified'][list(calls).index('sC&W, text')] < figure1['magnified'][list(calls).index('C&W')] else 'larger'} than C&W's."
)

# %% [markdown]
# ## The perturbation itself
#
# The paper's Figure 4 shows perturbations with each colour channel scaled to $[0, 1]$ by itself, and speaks of the "phantom" of the original that appears in a smooth one.

# %% tags=["hide-input"]
fig, axes = plt.subplots(1, 1 + len(calls), figsize=(9.5, 1.9), layout="constrained")
for axis, picture, name in zip(
    axes, [figure1.arrays["images"][0], *figure1.arrays["perturbations"]], ["original", *calls], strict=True
):
    axis.imshow(picture)
    axis.set(xticks=[], yticks=[])
    axis.set_title(name, fontsize=9)
page.figure(
    fig,
    caption="The perturbations of the attacks, each channel scaled to its own range (the paper's Figure 4 has three images of the competition's set).",
    alt="The photograph and the perturbations. Those of FGSM and I-FGSM are noise, those of PGD and C&W single specks on a flat ground; sPGD shows soft patches with outlines of the cat's face, sC&W as printed a fine grain, and sC&W as coded soft patches of colour in which the eye can be made out.",
)
page.table(
    ["attack", "roughness", "l2 distortion"],
    [
        [name, f"{rough:.3f}", f"{length:.3f}"]
        for name, rough, length in zip(calls, figure1["roughness"], figure1["length"], strict=True)
    ],
    caption=f"Roughness $r^\\top(I - \\mathcal W)\\,r / r^\\top r$ on the graph of the photograph: 0 is as smooth as the image, white noise has {figure1['noise']:.3f}",
)

# %% tags=["hide-input"]
rough = dict(zip(calls, figure1["roughness"], strict=True))
page.say(
    f"How to read it: smoothing the gradient gives a smooth perturbation (sPGD$_2$ {rough['sPGD_2, text']:.3f}, PGD$_2$ {rough['PGD_2']:.3f}). That of sC&W has a roughness of {rough['sC&W, text']:.3f} with the printed objective and {rough['sC&W, code']:.3f} with the coded one; "
    f"that of C&W {rough['C&W']:.3f}."
)

# %% [markdown]
# sC&W **can** be rougher than sPGD$_2$, because Eq. (17) is no constraint: the exact $\hat s_\alpha$ is invertible, so that every $r$ is $\hat s_\alpha(z)$ for some $z$ (see the [page on smoothing](1-smoothing)). A rough $r$ only needs a large $z$, and an optimiser that moves every entry of $z$ by
# up to .1 in each of a hundred iterations can get there.
#
# ## What the paper got wrong

# %% tags=["hide-input"]
page.errata("sm-e-sigma-exponent", "sm-e-sigma-range", "sm-e-no-constraint")

# %% [markdown]
# ## Exercises
#
# ```{exercise} Contrast (easy)
# :label: magnification-1
#
# Show that with the right exponent and $\beta = 1$ the magnification of $a x + b$ equals that of $x$ if the weights of the bilateral filter stay the same, and that with the printed exponent it grows with $a^2$.
# ```
#
# ````{solution} magnification-1
# :class: dropdown
#
# The filter is a weighted mean: $b(ax + b_0) = a\,b(x) + b_0$, so $x - \mu$ is multiplied by $a$ and $b_x((x-\mu)^2)$ by $a^2$. With the exponent $+1/2$ the quotient is unchanged; with $-1/2$ the denominator is divided by $a$, and the quotient multiplied by $a^2$.
# ````
#
# ```{exercise} Noise you can see (middle)
# :label: magnification-2
#
# Add noise of standard deviation 1/255 to a photograph and magnify it. Where does it show, and where not? What does that say about where an attack should hide?
# ```
#
# ````{solution} magnification-2
# :class: dropdown
#
# In flat places, where the local deviation is small; in textured ones it drowns.
#
# ```python
# import torch
# from advutils.filters.bilateral import magnification
# from advbook.chapters.smooth_adversarial.pictures import crop
#
# x = crop("coffee", [0, 120, 96])
# noisy = (x + torch.randn(x.shape, dtype=x.dtype, generator=torch.Generator().manual_seed(0)) / 255).clamp(0, 1)
# shown = (magnification(noisy) - magnification(x)).abs().mean(1)[0]
# print("cup", shown[70:96, 84:96].mean().item(), "wood", shown[10:40, 10:40].mean().item())
# assert shown[70:96, 84:96].mean() > shown[10:40, 10:40].mean()
# ```
# ````
#
# ## Run it yourself

# %% tags=["hide-input"]
page.provenance()
