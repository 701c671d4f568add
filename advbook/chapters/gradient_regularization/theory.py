"""Measurements of the theory page of the chapter on Lyu, Huang and Liang 2015: Section II, Eqs. (1)-(21).

The networks are judged in float64: the loss of a confident network is too small for differences in float32.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from advbook.chapters.gradient_regularization.dense import trained
from advutils import datasets
from advutils.core import norms, runtime
from advutils.training import regularizers


def family_identities(
    *, powers: list[float | str], sigma: float, dimension: int, draws: int, seed: int
) -> tuple[dict, dict]:
    """Eq. (3) on a random gradient: is epsilon feasible, does it reach Hoelder's bound, does any random point beat it?

    Values, one an entry of ``powers``: ``norm`` (||eps||_p / sigma) and ``reached`` (g.eps / (sigma ||g||_p*)), both 1
    if (3) is right, and ``random``, the largest g.e / (sigma ||g||_p*) among ``draws`` random points of the sphere;
    ``worst_gap``, the largest deviation of the first two from 1, and ``best_random``, the largest of the third.
    Arrays: ``to_sign`` and ``to_one_hot``, the largest entry of |eps / sigma - limit| along ``large`` (p -> inf,
    Eq. (8)) and ``small`` (p - 1 -> 0, Eq. (11) corrected); their last entries are also values.
    """
    generator = runtime.generator(seed)
    g = torch.randn(1, dimension, dtype=torch.float64, generator=generator)
    points = torch.randn(draws, dimension, dtype=torch.float64, generator=generator)
    values: dict = {"norm": [], "reached": [], "random": []}
    for power in powers:
        eps, bound = regularizers.worst_perturbation(g, sigma=sigma, p=power), norms.norm(g, norms.dual(power))
        sphere = sigma * points / norms.norm(points, power)[:, None]
        values["norm"].append((norms.norm(eps, power) / sigma).item())
        values["reached"].append(((g * eps).sum() / (sigma * bound)).item())
        values["random"].append(((sphere @ g[0]).max() / (sigma * bound)).item())
    values["worst_gap"] = max(abs(v - 1) for v in values["norm"] + values["reached"])
    values["best_random"] = max(values["random"])
    large, small = np.logspace(0.5, 6, 23), np.logspace(0, -4, 17)
    to_sign = [(norms.steepest(g, power) - norms.steepest(g, "inf")).abs().max().item() for power in large]
    to_one_hot = [(norms.steepest(g, 1 + excess) - norms.steepest(g, 1)).abs().max().item() for excess in small]
    values |= {"sign_distance": to_sign[-1], "one_hot_distance": to_one_hot[-1]}
    return values, {"large": large, "to_sign": to_sign, "small": small, "to_one_hot": to_one_hot}


def linear_objectives(theta: Tensor, *, sigma: float) -> dict[str, Tensor]:
    """Objectives of linear models with two weights theta (..., 2) and one training pair (Section II-E), p = 2.

    * ``squared``: x = (1, 0), target 1, loss 1/2 (1 - theta.x)^2, and Eq. (4) on it: L + sigma ||grad_x L||;
      ``squared_exact``: its Eq. (1), 1/2 (|1 - theta.x| + sigma ||theta||)^2.
    * ``norm``: one input x = 1, targets (1, 0), loss ||t - theta x|| as printed in Eq. (21), and Eq. (4) on it;
      ``norm_exact``: its Eq. (1), the larger of the two ends x = 1 - sigma and x = 1 + sigma.
    """
    residual, size = (1 - theta[..., 0]).abs(), theta.norm(dim=-1)
    target = torch.tensor([1.0, 0.0], dtype=theta.dtype)
    loss = (target - theta).norm(dim=-1)
    slope = (theta * (target - theta)).sum(-1).abs() / torch.where(loss > 0, loss, 1)
    ends = [(target - theta * (1 + sign * sigma)).norm(dim=-1) for sign in (-1, 1)]
    return {
        "squared": residual**2 / 2 + sigma * residual * size,
        "squared_exact": (residual + sigma * size) ** 2 / 2,
        "norm": loss + sigma * slope,
        "norm_exact": torch.maximum(*ends),
    }


def convexity(*, sigma: float, segments: dict[str, list[list[float]]], points: int, seed: int) -> tuple[dict, dict]:
    """Certificates against convexity: F(middle) - (F(a) + F(b)) / 2 > 0 on one segment a, b proves F not convex.

    ``segments`` names objectives of :func:`linear_objectives` and their [a, b]. Values per objective: ``violation``,
    ``exact_there`` (the exact objective on the same segment) and ``exact_worst``, the largest such value of the exact
    objective over all pairs of ``points`` random points of [-2, 3]^2. Arrays: the surfaces on ``grid`` x ``grid``.
    """
    values: dict = {"violation": {}, "exact_there": {}, "exact_worst": {}}
    axis = torch.linspace(-2, 3, 101, dtype=torch.float64)
    mesh = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=-1)
    cloud = 5 * torch.rand(points, 2, dtype=torch.float64, generator=runtime.generator(seed)) - 2
    for name, ends in segments.items():
        a, b = torch.tensor(ends, dtype=torch.float64)
        on = linear_objectives(torch.stack([a, (a + b) / 2, b]), sigma=sigma)
        single = linear_objectives(cloud, sigma=sigma)[f"{name}_exact"]
        middle = linear_objectives((cloud[:, None] + cloud[None]) / 2, sigma=sigma)[f"{name}_exact"]
        values["violation"][name] = (on[name] @ torch.tensor([-0.5, 1, -0.5]).double()).item()
        values["exact_there"][name] = (on[f"{name}_exact"] @ torch.tensor([-0.5, 1, -0.5]).double()).item()
        values["exact_worst"][name] = (middle - (single[:, None] + single[None]) / 2).max().item()
    surfaces = linear_objectives(mesh, sigma=sigma)
    return values, {"grid": axis.numpy()} | {name: z.numpy().astype(np.float32) for name, z in surfaces.items()}


def leads(logits: Tensor, y: Tensor) -> Tensor:
    """Log-odds of each true class, m = log(p_y / (1 - p_y)) = o_y - logsumexp_{k != y} o_k: (N, K), (N,) -> (N,)."""
    rows = torch.arange(len(y), device=y.device)
    others = torch.ones_like(logits, dtype=torch.bool)
    others[rows, y] = False
    gaps = (logits - logits[rows, y][:, None])[others].reshape(len(y), -1)
    return -gaps.logsumexp(dim=1)


def stable_losses(logits: Tensor, y: Tensor) -> Tensor:
    """Cross-entropy of each example, (N, K) and (N,) -> (N,), as log(1 + exp(-m)) with m the log-odds.

    Unlike logsumexp(o) - o_y it keeps its relative precision when the loss is far smaller than the logits.
    """
    return F.softplus(-leads(logits, y))


def gradient(model: nn.Module, x: Tensor, y: Tensor, *, graph: bool = False) -> tuple[Tensor, Tensor, Tensor]:
    """Leaf x, losses (N,) and grad_x of each example's cross-entropy (N, ...); ``graph`` to differentiate again."""
    leaf = x.detach().requires_grad_()
    losses = stable_losses(model(leaf), y)
    return leaf, losses, torch.autograd.grad(losses.sum(), leaf, create_graph=graph)[0]


def logit_jacobian(model: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (N, K) and their Jacobian J_o (N, K, D) with D pixels, one backward pass a class."""
    leaf = x.detach().requires_grad_()
    logits = model(leaf)
    rows = [torch.autograd.grad(column.sum(), leaf, retain_graph=True)[0].flatten(1) for column in logits.unbind(1)]
    return logits.detach(), torch.stack(rows, dim=1)


def first_order(*, powers: list[float | str], sigmas: list[float], images: int, **spec) -> dict:
    """(L(x + eps) - L(x)) / (sigma ||g||_p*) on the first ``images`` test images: 1 where Eq. (4) is exact.

    Values: ``median``, ``low`` and ``high`` (quartiles), each a list per power p of a list per sigma; ``sum``: the
    ratio of the sums over images, which is what training minimises; ``lead``: the median of (m(x) - m(x + eps)) /
    (sigma ||grad m||_p*), the same for the log-odds m of the true class, whose gradient is parallel to g.
    """
    model, x, y = judged(images, **spec)
    _, before, g = gradient(model, x, y)
    with torch.no_grad():
        lead = leads(model(x), y)
    doubt = torch.sigmoid(-lead)  # 1 - p_y; grad L = -(1 - p_y) grad m
    values: dict = {"median": [], "low": [], "high": [], "sum": [], "lead": []}
    for power in powers:
        steepest, slope = norms.steepest(g, power), norms.norm(g, norms.dual(power))
        with torch.no_grad():
            moved = torch.stack([leads(model(x + s * steepest), y) for s in sigmas])
            length = torch.tensor(sigmas, dtype=x.dtype, device=x.device)[:, None]
            rises = (F.softplus(-moved) - before) / length
            falls = (lead - moved) / length
        quarters = torch.tensor([0.25, 0.5, 0.75], dtype=x.dtype, device=x.device)
        low, median, high = (rises / slope).quantile(quarters, dim=1)
        for name, row in (
            ("median", median),
            ("low", low),
            ("high", high),
            ("sum", rises.sum(1) / slope.sum()),
            ("lead", (falls / (slope / doubt)).median(dim=1).values),
        ):
            values[name].append(row.tolist())
    return values


def second_order(*, images: int, sigmas: list[float], **spec) -> tuple[dict, dict]:
    """The second-order terms of Eqs. (13)-(20) for p = 2 on the first ``images`` test images.

    With u = g / ||g||: the true curvature u.Hu, the paper's ||g||^2 (15)-(18), the true trace Tr H of (20) and the
    Gauss-Newton (Fisher) trace sum_k p_k ||J_o^T (e_k - p)||^2. Values: ``curvature_ratio`` and ``trace_ratio`` are
    medians of u.Hu / ||g||^2 and Tr H / ||g||^2; ``mean_*`` are means over images; ``expectation_gap`` is the largest
    relative gap between E_{t ~ p} ||g_t||^2 and the Fisher trace; ``rise`` the mean of L(x + sigma u) - L per sigma,
    ``rise_first``, ``rise_paper``, ``rise_hessian`` its expansions. Arrays: per image ``confidence`` (p_y) and terms.
    """
    model, x, y = judged(images, **spec)
    leaf, before, g = gradient(model, x, y, graph=True)
    pixels = g.flatten(1)
    slope = pixels.norm(dim=1).detach()
    u = (pixels.detach() / slope[:, None]).reshape(x.shape)
    curvature = (torch.autograd.grad((g * u).sum(), leaf, retain_graph=True)[0] * u).flatten(1).sum(1)
    trace = sum(  # pixel by pixel: the diagonal of each image's Hessian
        torch.autograd.grad(column.sum(), leaf, retain_graph=True)[0].flatten(1)[:, i]
        for i, column in enumerate(pixels.unbind(1))
    )
    logits, jacobian = logit_jacobian(model, x)
    probability = logits.softmax(1)
    centred = jacobian - (probability[..., None] * jacobian).sum(1, keepdim=True)
    fisher = (probability * centred.square().sum(2)).sum(1)
    signal = torch.eye(logits.shape[1], dtype=x.dtype, device=x.device)
    squares = torch.stack([torch.einsum("nk,nkd->nd", probability - t, jacobian).square().sum(1) for t in signal], 1)
    expected = (probability * squares).sum(1)
    with torch.no_grad():
        rises = [(stable_losses(model(x + s * u), y) - before).mean().item() for s in sigmas]
    squared = slope.square()
    values = {
        "curvature_ratio": (curvature / squared).median().item(),
        "trace_ratio": (trace / squared).median().item(),
        "mean_squared_gradient": squared.mean().item(),
        "mean_curvature": curvature.mean().item(),
        "mean_trace": trace.mean().item(),  # type: ignore[union-attr]
        "mean_fisher_trace": fisher.mean().item(),
        "expectation_gap": ((expected - fisher).abs() / fisher).max().item(),
        "rise": rises,
        "rise_first": [s * slope.mean().item() for s in sigmas],
        "rise_paper": [(s * slope + s * s / 2 * squared).mean().item() for s in sigmas],
        "rise_hessian": [(s * slope + s * s / 2 * curvature).mean().item() for s in sigmas],
    }
    confidence = probability[torch.arange(len(y)), y]
    terms = {"confidence": confidence, "squared": squared, "curvature": curvature, "trace": trace, "fisher": fisher}
    return values, {name: term.cpu().numpy() for name, term in terms.items()}


def second_order_family(*, powers: list[float | str], images: int, **spec) -> tuple[dict, dict]:
    """Remark 2: the second-order term of Eq. (13) for every p, on the first ``images`` test images.

    With eps = sigma v the worst perturbation for the power p (Eq. (3)), the true term is sigma^2 / 2 v.Hv, the remark's
    sigma^2 / 2 ||g||_p*^2. Values, one an entry of ``powers``: ``curvature``, the mean of v.Hv over images,
    ``squared``, the mean of ||g||_p*^2, and ``ratio``, the first over the second, 1 where the remark is right.
    Arrays: both by image, (powers, N).
    """
    model, x, y = judged(images, **spec)
    leaf, _, g = gradient(model, x, y, graph=True)
    curved, squared = [], []
    for power in powers:
        v = norms.steepest(g.detach(), power)
        turned = torch.autograd.grad((g * v).sum(), leaf, retain_graph=True)[0]
        curved.append((turned * v).flatten(1).sum(1))
        squared.append(norms.norm(g.detach(), norms.dual(power)).square())
    curved, squared = torch.stack(curved), torch.stack(squared)  # type: ignore[assignment]
    values = {
        "curvature": curved.mean(1).tolist(),  # type: ignore[attr-defined]
        "squared": squared.mean(1).tolist(),  # type: ignore[attr-defined]
        "ratio": (curved.mean(1) / squared.mean(1)).tolist(),  # type: ignore[attr-defined]
    }
    return values, {"curvature": curved.cpu().numpy(), "squared": squared.cpu().numpy()}  # type: ignore[attr-defined]


def second_order_means(*, images: int, probes: int, **spec) -> tuple[dict, dict]:
    """The means of Eqs. (13)-(20) for p = 2 over many test images: a mean over few hangs on those that are wrong.

    As :func:`second_order`, but the trace is estimated: for random z of entries +1 and -1, E z.Hz = Tr H (Hutchinson).
    Values: means over images of the true ``curvature`` u.Hu, of the ``trace`` and of ``squared``, the paper's ||g||^2;
    ``trace_error``, the standard error of the trace over ``probes``; ``largest``, the share of the sum of ||g||^2 that
    the hundredth of the images with the largest has. Arrays: all three by image, (N,).
    """
    model, x, y = judged(images, **spec)
    leaf, _, g = gradient(model, x, y, graph=True)

    def bend(v: Tensor) -> Tensor:
        """v.Hv by image."""
        return (torch.autograd.grad((g * v).sum(), leaf, retain_graph=True)[0] * v).flatten(1).sum(1)

    pixels = g.detach().flatten(1)
    slope = pixels.norm(dim=1)
    curvature, squared = bend((pixels / slope[:, None]).reshape(x.shape)), slope.square()
    generator = runtime.generator(0)
    signs = (torch.randint(0, 2, x.shape, generator=generator).to(x) * 2 - 1 for _ in range(probes))
    bends = torch.stack([bend(z) for z in signs])
    values = {
        "curvature": curvature.mean().item(),
        "trace": bends.mean().item(),
        "trace_error": (bends.mean(1).std() / probes**0.5).item(),
        "squared": squared.mean().item(),
        "largest": (squared.sort(descending=True).values[: max(len(x) // 100, 1)].sum() / squared.sum()).item(),
    }
    terms = {"curvature": curvature, "trace": bends.mean(0), "squared": squared}
    return values, {name: term.cpu().numpy() for name, term in terms.items()}


def judged(images: int, **spec) -> tuple[nn.Module, Tensor, Tensor]:
    """The trained network in float64 and the first ``images`` test images (0: all), ready to be measured."""
    model, _ = trained(**spec)
    x, y = datasets.load(spec["data"], split="test")
    if images:
        x, y = x[:images], y[:images]
    return model.double().eval(), x.to(runtime.device()).double(), y.to(runtime.device())
