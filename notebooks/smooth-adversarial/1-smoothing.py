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
# # Smoothing guided by an image
#
# Zhang, Avrithis, Furon and Amsaleg {cite}`zhang2019` want perturbations that are smooth where the image is smooth.
# Elsewhere they may be free: sharp at the image's edges, noisy in its textures. Their tool is Laplacian smoothing on a
# graph of pixels. This page shows what it does to a single pixel, builds it from nothing, solves its equations and
# derives its gradient.
#
# **Time to learn**: 25 minutes. **You need** linear algebra (eigenvalues, quadratic forms) and gradients.

# %% tags=["parameters"]
profile: str = "quick"  # quick: a smaller crop | standard: a photograph, seconds | paper: as standard
replay: str = "auto"  # auto: measure what is not recorded | never: measure again | only: records or an error

# %%
import matplotlib.pyplot as plt
import numpy as np

from advbook.chapters.smooth_adversarial import pictures as visual
from advbook.page import Page
from advbook.settings import profiles
from advutils.filters import smoothing

_spots = {"in the flat cup": [90, 110], "at the rim": [40, 95], "in the wood": [35, 35]}
_half = {"in the flat cup": [45, 52], "at the rim": [8, 38], "in the wood": [10, 10]}
page = Page("smooth-adversarial", "1-smoothing", globals(), settings=profiles(
    profile    = ["quick",        "standard",                                       "paper"],
    photograph = ["coffee",       "coffee",                                         "coffee"],
    window     = [[40, 170, 60],  [0, 120, 128],                                    ...],
    spots      = [_half,          _spots,                                           _spots],
    iterations = [[1, 5, 20, 50], [1, 2, 5, 10, 20, 30, 40, 50, 75, 100, 150, 200], ...],
))  # fmt: skip
settings = page.settings

# %% [markdown]
# ## What it does to one pixel
#
# An **impulse** is a perturbation of one pixel, here in the green channel. The figure shows what smoothing makes of it
# at a flat place, at an edge and in a texture. Each column is one graph: a kernel, its bandwidth $b$ and the strength
# $\alpha$ (defined below). Large bandwidths look hard at the image; an $\alpha$ near 1 smooths far.

# %% tags=["hide-input"]
graphs = {
    "Gaussian, 300, 0.997": dict(kernel="gaussian", bandwidth=300.0, alpha=0.997),
    "Gaussian, 10, 0.95": dict(kernel="gaussian", bandwidth=10.0, alpha=0.95),
    "Laplacian, 10, 0.95": dict(kernel="laplacian", bandwidth=10.0, alpha=0.95),
}
impulses = page.measure(
    visual.impulse_responses,
    photograph=settings.photograph,
    window=settings.window,
    spots=settings.spots,
    graphs=[dict(**graph, method="exact") for graph in graphs.values()],
    channel=1,
)

# %% tags=["hide-input"]
fig, axes = plt.subplots(len(settings.spots), 1 + len(graphs), figsize=(9, 7), layout="constrained")
for row, (name, (top, left)) in enumerate(settings.spots.items()):
    axes[row, 0].imshow(impulses.arrays["picture"])
    axes[row, 0].plot(left, top, "x", color="cyan", ms=9, mew=2)
    axes[row, 0].set_ylabel(name)
    for column, label in enumerate(graphs):
        response = impulses.arrays["responses"][row, column]
        axes[row, column + 1].imshow(np.sqrt(response / response.max()), cmap="magma", vmin=0, vmax=1)
        axes[row, column + 1].set_xlabel(f"radius {impulses['radius'][name][column]:.1f} px", fontsize=8)
        if row == 0:
            axes[row, column + 1].set_title(label, fontsize=9)
for axis in axes.flat:
    axis.set(xticks=[], yticks=[])
page.figure(
    fig,
    caption="Left: a photograph of scikit-image and the pixel of the impulse (cross). Right: the square root of the "
    "smoothed impulse, each divided by its largest value, for three graphs; below each its root mean square distance "
    "from the pixel.",
    alt="With bandwidth 300 the smoothed impulse spreads wide, is cut off at the edge of the cup and follows the "
    "grain of the wood. The other two graphs give round spots of a few pixels; only the Laplacian one is bent a "
    "little by the rim.",
)
radii = {name: impulses["radius"][name] for name in settings.spots}
page.say(
    "How to read it: the graph (300, 0.997) looks at the image. It stops at the rim and where the cup ends, and "
    "follows the grain of the wood. The impulse spreads over "
    + ", ".join(f"{found[0]:.1f} pixels {name}" for name, found in radii.items())
    + ". With (10, 0.95) and the Gaussian kernel it spreads over "
    + ", ".join(f"{found[1]:.1f}" for found in radii.values())
    + " pixels, in round spots that hardly look at the image."
)
page.say(
    f"Why: two grey levels that differ by 0.1 still have the weight {np.exp(-10 * 0.01):.2f} (Gaussian) or "
    f"{np.exp(-1):.2f} (Laplacian) at bandwidth 10, but {np.exp(-3):.2f} at bandwidth 300 (Gaussian). Ratios of "
    "weights count: an edge cuts only where a pixel has better neighbours."
)

# %% [markdown]
# These are the graphs of the paper and its code. The text has a Laplacian kernel. The authors' code for ImageNet builds
# one graph **per colour channel** with a **Gaussian** kernel, bandwidth 300 and $\alpha = 0.997$. Their MNIST
# experiments use a Laplacian kernel, bandwidth 10 and $\alpha = 0.95$. A later version has the Gaussian one with the
# same numbers.
#
# ## A graph of pixels
#
# Take an image $x$ of $n$ pixels (one channel, for now). Each pixel is a vertex, joined to its four neighbours. The
# edge between pixels $i$ and $j$ has the weight
#
# $$w_{ij} = k(x_i, x_j),\qquad k(u, v) = e^{-b\,(u-v)^2}\ \text{ (Gaussian)}\quad\text{or}\quad e^{-b\,|u-v|}\ \text{ (Laplacian)}, \tag{5}$$
#
# with the bandwidth $b$. It is close to 1 where the image hardly changes, and tiny across an edge. The degree of a
# pixel is $d_i = \sum_j w_{ij}$, and $D$ is the diagonal matrix of degrees. The matrix $\mathcal W = D^{-1/2}WD^{-1/2}$
# has eigenvalues in $[-1, 1]$.
#
# A signal $r$ on the graph (a perturbation, say) is **smooth like the image** if it changes little along heavy edges.
# Given any signal $z$, the paper asks for the $r$ that is close to $z$ and smooth like $x$:
#
# $$\phi_\alpha(r, z) = \frac{\alpha}{2}\sum_{i,j}w_{ij}\Big(\frac{r_i}{\sqrt{d_i}} - \frac{r_j}{\sqrt{d_j}}\Big)^2 + (1-\alpha)\lVert r - z\rVert^2. \tag{6}$$
#
# **From (6) to (8).** Expand the square. Each edge occurs twice in the sum, and $\sum_j w_{ij} = d_i$, so the first
# part is $\alpha(r^\top r - r^\top\mathcal W r)$. Together
#
# $$\phi_\alpha(r, z) = r^\top(I - \alpha\mathcal W)r - 2(1-\alpha)z^\top r + (1-\alpha)z^\top z, \tag{7}$$
#
# which is $(1-\alpha)$ times the paper's form with $\mathcal L_\alpha = (I - \alpha\mathcal W)/(1-\alpha)$. For $\alpha
# < 1$ the matrix $I - \alpha\mathcal W$ has eigenvalues in $[1-\alpha, 1+\alpha]$. So it is positive definite, and the
# minimum is where the gradient vanishes:
#
# $$s_\alpha(z) = \mathcal L_\alpha^{-1}z = (1-\alpha)(I - \alpha\mathcal W)^{-1}z. \tag{8}$$
#
# `tests/advutils/test_smoothing.py` checks both steps with numbers, and the solution against a sparse solver.
#
# **Normalisation.** $s_\alpha$ does not keep constants: at a pixel with few or weak edges it returns less. So the paper
# divides by what it makes of the constant 1,
#
# $$\hat s_\alpha(z) = \frac{s_\alpha(z)}{s_\alpha(\mathbf 1)}\quad\text{(pixel by pixel)}, \tag{9}$$
#
# and the factor $1-\alpha$ cancels. Each row of $\hat s_\alpha$ has non-negative entries that sum to one: every pixel
# becomes a weighted mean of all pixels.

# %% tags=["hide-cell"]
page.source(smoothing.ImageSmoother)

# %% [markdown]
# ## Solving the system
#
# A small image's matrix can be inverted or factorised. For others the paper runs **conjugate gradients**. The method
# solves a system with a positive definite matrix step by step, and needs only products with the matrix. The authors'
# code makes exactly 50 iterations, starting from $z$ itself.
#
# The **condition number** $q$ of the matrix is the ratio of its largest to its smallest eigenvalue, here at most
# $(1+\alpha)/(1-\alpha)$. After $k$ iterations the error is at most $2\big(\frac{\sqrt q - 1}{\sqrt q + 1}\big)^k$
# times the first, in the norm of the matrix.

# %% tags=["hide-input"]
pairs = {"(10, 0.95)": graphs["Gaussian, 10, 0.95"], "(300, 0.997)": graphs["Gaussian, 300, 0.997"]}
solver = page.measure(
    visual.convergence,
    photograph=settings.photograph,
    window=settings.window,
    graphs=list(pairs.values()),
    iterations=settings.iterations,
    seed=0,
)

# %% tags=["hide-input"]
fig, axis = plt.subplots()
for number, name in enumerate(pairs):
    axis.semilogy(settings.iterations, solver["error"][number], "o-", color=f"C{number}", label=f"{name}: error")
    axis.semilogy(
        settings.iterations,
        solver["bound"][number],
        "--",
        color=f"C{number}",
        label=f"{name}: bound, $q$ = {solver['condition'][number]:.0f}",
    )
axis.axvline(50, color="0.5", lw=0.8)
axis.set(xlabel="iterations", ylabel="relative error in the norm of $I - \\alpha\\mathcal{W}$", ylim=(1e-13, 3))
axis.legend(loc="lower left")
page.figure(
    fig,
    caption="Conjugate gradients on the photograph above with a random right-hand side. The grey line is where the "
    "authors' code stops.",
    alt="The graph (10, 0.95) reaches an error of 1e-6 well before 50 iterations; the graph (300, 0.997) is still "
    "above 1e-2 there. Both stay below their dashed bounds until rounding takes over.",
)
at = settings.iterations.index(50)
page.say(
    f"How to read it: after 50 iterations the error is {solver['error'][0][at]:.0e} for (10, 0.95), and "
    f"{solver['error'][1][at]:.0e} for (300, 0.997). So at $\\alpha = 0.997$ the fifty iterations are **part of the "
    "operator's definition**: the attacks on ImageNet use what fifty steps towards the minimum of "
    'Eq. (6) reach, not the minimum itself. `method="cg"` is that operator, `method="exact"` the minimum.'
)

# %% [markdown]
# ## The derivative
#
# An attack knows the gradient of its loss in $r = \hat s_\alpha(z)$ and needs it in $z$. The exact operator is linear,
# $r = \operatorname{diag}(s(\mathbf 1))^{-1}\mathcal L_\alpha^{-1}z$, so that
#
# $$\nabla_zL = \big(\operatorname{diag}(s(\mathbf 1))^{-1}\mathcal L_\alpha^{-1}\big)^\top\nabla_rL = \mathcal L_\alpha^{-1}\Big(\frac{\nabla_rL}{s(\mathbf 1)}\Big). \tag{19}$$
#
# The transpose (the **adjoint** of the operator) *divides first and smooths afterwards*. The text says that the
# gradient "is obtained [...] by smoothing, much like how $r$ is obtained from $z$", which invites the opposite order.
# The two differ, since $s(\mathbf 1)$ is far from constant.
#
# The authors' code differentiates through the unrolled iterations. That gets the order right, but stores them all. Ours
# solves one more system and stores nothing. The paper says that "these options have the same complexity"; that holds
# for the number of products. The timings below say what becomes of time and memory.

# %% tags=["hide-cell"]
page.source(smoothing.ImageSmoother.adjoint)
page.source(smoothing.ImageSmoother._conjugate_gradients)
page.source(smoothing._add_neighbours)

# %% [markdown]
# The matrix is never formed: four multiplications by shifted copies of the image are one product with it. The weights
# are stored as planes with a column or row of zeros at the end. So a shift by one pixel or by one row runs through
# memory in one go. On a CPU a few planes at a time are solved, so that they stay in the cache.

# %% tags=["hide-input"]
from advbook import ledger

costs = [
    record
    for record in ledger.records("standard", "smooth-adversarial")
    if record.name in ("smoothing_cost", "search_cost")
]
page.records += costs
for record in costs:
    if record.name == "smoothing_cost":
        page.say(
            f"Recorded on one thread, {record.parameters['batch']} images of 3 x {record.parameters['size']} x "
            f"{record.parameters['size']}: forward and adjoint take {record['ours']:.3f} s. Automatic differentiation "
            f"through the unrolled iterations takes {record['unrolled']:.3f} s "
            f"({record['unrolled'] / record['ours']:.1f} times), with "
            f"{record['memory_unrolled'] / max(record['memory_ours'], 1e-9):.0f} times the memory."
        )
    else:
        page.say(
            "The attack of Carlini and Wagner with this smoothing inside (sC&W, next page) takes "
            f"{record['ratio']:.2f} times as long an iteration as without, on {record.parameters['network']}, "
            f"{record.parameters['batch']} images at a time."
        )
if not costs:
    page.say("*No recorded timing in this checkout; `python -m benchmarks --standard` makes it.*")

# %% [markdown]
# ## Is it a constraint?
#
# **No: as printed it excludes nothing.** The text arrives at the smooth attack sC&W by letting the weight of
# $\phi_\alpha(r, z)$ go to infinity. What is left is "a hard constraint imposing a globally smooth solution", $r = \hat
# s_\alpha(z)$ (17). It finds it "surprising" that an attack with an additional constraint needs less distortion. But
# $z$ is free, and $\hat s_\alpha$ is **invertible**: for any $r$ whatever,
#
# $$z = \mathcal L_\alpha\big(s(\mathbf 1)\,r\big)\quad\text{gives}\quad \hat s_\alpha(z) = \frac{\mathcal L_\alpha^{-1}\mathcal L_\alpha(s(\mathbf 1)\,r)}{s(\mathbf 1)} = r .$$
#
# So (18) has the same minima as the objective of Carlini and Wagner without smoothing. Nor is there a "'smooth like
# $x_o$' manifold" of which flat stripes would be "reducing the dimensionality", as Figure 4(c) has it. Every $r$ is
# reached. (This is about Eqs. (8) and (9). The authors' code for MNIST keeps 300 of 784 eigenvectors, which does
# exclude perturbations. For fifty steps of conjugate gradients it is not shown.)
#
# **What changes is the way there.** The eigenvalues of $\mathcal L_\alpha^{-1}$ lie in $[(1-\alpha)/(1+\alpha), 1]$. A
# step of $z$ that is smooth like the image passes as it is; the roughest one is damped by 666 at $\alpha = 0.997$.
# Smoothing is a **preconditioner**: a change of variables that keeps the minima and changes how fast an optimiser moves
# in which direction. From $z = 0$ and with few steps it leads to smooth perturbations first.
#
# Does it also lead to shorter ones? A comparison of sC&W with C&W cannot tell, since sC&W gives up C&W's $\tanh$ as
# well. The [page on MNIST](2-mnist) asks each thing alone. The [page on magnification](4-magnification) measures how
# smooth the perturbations are in the end.
#
# ## Where we had to choose
#
# * One graph per channel, as in the code; `per_channel=False` has one for all, as Eq. (5) reads.
# * Weights are computed in float64 and then normalised: $e^{-300}$ is zero in float32, and only ratios of weights
#   matter.
# * A pixel whose weights all vanish keeps its value.
#
# ## What the paper got wrong

# %% tags=["hide-input"]
page.errata("sm-e-transpose", "sm-e-kernel", "sm-e-cg-definition", "sm-e-no-constraint", "sm-e-alpha-twice")

# %% [markdown]
# ## Exercises
#
# ```{exercise} Two pixels (easy)
# :label: smoothing-1
#
# For two pixels joined by one edge of weight $w$ write down $\mathcal W$, its eigenvalues and $\hat s_\alpha$. What happens for $\alpha \to 1$, and what for $w \to 0$?
# ```
#
# ````{solution} smoothing-1
# :class: dropdown
#
# $d_1 = d_2 = w$, so $\mathcal W$ exchanges the pixels whatever $w$ is: its eigenvalues are 1 and -1. $\hat s_\alpha(z) = (z_1 + \alpha z_2, z_2 + \alpha z_1)/(1+\alpha)$, which tends to the mean for $\alpha\to1$. The weight
# cancels: only **ratios** of a pixel's weights matter, and an edge that is the only one counts in full however faint it is.
#
# ```python
# import torch
# from advutils.filters.smoothing import ImageSmoother
#
# z = torch.tensor([[[[1.0, 0.0]]]], dtype=torch.float64)
# for step in (0.0, 0.5):  # a flat pair, and an edge of half the range
#     image = torch.tensor([[[[0.2, 0.2 + step]]]], dtype=torch.float64)
#     r = ImageSmoother(image, alpha=0.9, method="dense")(z)
#     print(r.flatten().tolist())
#     assert torch.allclose(r.flatten(), torch.tensor([1.0, 0.9], dtype=torch.float64) / 1.9)
# ```
# ````
#
# ```{exercise} The wrong transpose (middle)
# :label: smoothing-2
#
# Take a crop of a photograph, and compute the gradient of $\lVert\hat s(z) - t\rVert^2$ in $z$. Do it by
# `smoother.adjoint`, by smoothing the gradient forwards, and by finite differences in one pixel. Which two agree?
# ```
#
# ````{solution} smoothing-2
# :class: dropdown
#
# ```python
# import torch
# from advbook.chapters.smooth_adversarial.pictures import crop
# from advutils.filters.smoothing import ImageSmoother
#
# x = crop("coffee", [0, 120, 24])
# smoother = ImageSmoother(x, method="exact", tolerance=1e-12)
# z, t = (torch.randn(x.shape, dtype=x.dtype, generator=torch.Generator().manual_seed(k)) for k in (0, 1))
# residual = 2 * (smoother(z) - t)
# right, wrong = smoother.adjoint(residual), smoother(residual)
# step = torch.zeros_like(z)
# step[0, 1, 12, 12] = 1e-6
# loss = lambda z: (smoother(z) - t).square().sum()
# slope = ((loss(z + step) - loss(z - step)) / 2e-6).item()
# print(slope, right[0, 1, 12, 12].item(), wrong[0, 1, 12, 12].item())
# assert abs(slope - right[0, 1, 12, 12]) < 1e-4 * abs(slope) and abs(slope - wrong[0, 1, 12, 12]) > 0.01 * abs(slope)
# ```
# ````
#
# ```{exercise} Fewer iterations (hard)
# :label: smoothing-3
#
# Show that the result of $k$ conjugate gradient steps from $z$ is not linear in $z$. What does this mean for the
# gradient of an attack that uses `method="cg"` with $\alpha = 0.997$? Measure how far `adjoint` is from the derivative
# of the fifty steps.
# ```
#
# ````{solution} smoothing-3
# :class: dropdown
#
# The step lengths are quotients of quadratic forms in $z$, so the result is homogeneous of degree 1 but not additive.
# It is linear only once converged. The method `adjoint` is the derivative of the exact solution, computed with the same
# fifty steps. It differs from the derivative of the fifty steps by the order of the solver's error.
#
# ```python
# import torch
# from advbook.chapters.smooth_adversarial.pictures import crop
# from advutils.filters.smoothing import ImageSmoother
#
# x = crop("coffee", [0, 120, 48])
# smoother = ImageSmoother(x, method="cg", iterations=50)
# a, b = (torch.randn(x.shape, dtype=x.dtype, generator=torch.Generator().manual_seed(k)) for k in (0, 1))
# gap = (smoother(a + b) - smoother(a) - smoother(b)).norm() / smoother(a + b).norm()
# scaled = (smoother(3 * a) - 3 * smoother(a)).norm()
# print(gap.item(), scaled.item())
# assert 1e-8 < gap < 0.1 and scaled < 1e-9
# h = 1e-4  # the derivative of the fifty steps in direction b, against the adjoint
# t = torch.randn(x.shape, dtype=x.dtype, generator=torch.Generator().manual_seed(2))
# slope = ((smoother(a + h * b) - smoother(a - h * b)) * t).sum() / (2 * h)
# print((slope / (smoother.adjoint(t) * b).sum() - 1).item())
# ```
# ````
#
# ## Further reading
#
# The regularisation (6) comes from Zhou et al. {cite}`zhou2003`. Shuman et al. {cite}`shuman2013` introduce signal
# processing on graphs. Nocedal and Wright {cite}`nocedal2006` prove the bound of conjugate gradients.
#
# ## Run it yourself

# %% tags=["hide-input"]
page.provenance()
