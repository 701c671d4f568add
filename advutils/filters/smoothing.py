"""Smoothing guided by an image: the graph Laplacian operator of Zhang, Avrithis, Furon and Amsaleg 2019, Section 3."""

from __future__ import annotations

from copy import copy
from typing import Any

import torch
from torch import Tensor

from advutils.core import checks

KERNELS = ("gaussian", "laplacian")
METHODS = ("cg", "exact", "dense")
DENSE_PIXELS = 4096  # a dense operator holds pixels^2 numbers an image and channel
IN_CACHE = 65536  # pixels: seven vectors of so many floats fit in two megabytes
LONGEST = 5000  # conjugate gradient iterations of "exact" before it gives up


class ImageSmoother:
    """The operator s^ of Eq. (9) for a batch of images: ``smoother(z)`` is z made as smooth as the image.

    The graph joins each pixel to its four neighbours with weights k(x_i, x_j), Eq. (5): exp(-b Delta^2) ("gaussian") or
    exp(-b |Delta|) ("laplacian"), b = ``bandwidth``, Delta the difference of one channel in [0, 1]
    (``per_channel``, as the authors' code has it) or the Euclidean length of the difference of all channels (as Eq. (5)
    reads). With S = D^-1/2 W D^-1/2 and A = I - alpha S, s^(z) = A^-1 z / A^-1 1 (Eqs. (8) and (9); 1 - alpha cancels).

    ``method``: "cg" makes exactly ``iterations`` steps of conjugate gradients from z itself, which at alpha = .997 is
    part of the operator's definition and no converged solve; "exact" goes on to a relative residual of ``tolerance``;
    "dense" factorises A, for images of up to 4096 pixels.

    The backward pass is the adjoint, divide by A^-1 1 and then apply A^-1, with the same method: its memory does not
    grow with the number of iterations. (For "cg" short of convergence it is the adjoint up to the solver's error.)

    ``images`` (N, C, H, W) in [0, 1]; z of the same shape. Raises ``ValueError`` naming the argument.

    >>> import torch
    >>> from advutils.filters import ImageSmoother
    >>> smoother = ImageSmoother(torch.full((1, 1, 4, 4), 0.5))
    >>> bool(torch.allclose(smoother(torch.ones(1, 1, 4, 4)), torch.ones(1, 1, 4, 4)))  # what is constant stays
    True
    """

    def __init__(
        self,
        images: Tensor,
        *,
        kernel: str = "gaussian",
        bandwidth: float = 300.0,
        alpha: float = 0.997,
        per_channel: bool = True,
        method: str = "cg",
        iterations: int = 50,
        tolerance: float = 1e-6,
    ):
        checks.images(images, name="images")
        if images.dim() != 4:
            raise ValueError(f"images must have shape (N, C, H, W), got {tuple(images.shape)}")
        if kernel not in KERNELS:
            raise ValueError(f"kernel must be one of {', '.join(KERNELS)}, got {kernel!r}")
        if method not in METHODS:
            raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
        if not bandwidth >= 0:
            raise ValueError(f"bandwidth must be >= 0, got {bandwidth!r}")
        if not 0 <= alpha < 1:
            raise ValueError(f"alpha must be in [0, 1), got {alpha!r}")
        if iterations < 1 or not tolerance > 0:
            raise ValueError(f"iterations must be >= 1 and tolerance > 0, got {iterations!r} and {tolerance!r}")
        if method == "dense" and images.shape[2] * images.shape[3] > DENSE_PIXELS:
            raise ValueError(f"method 'dense' takes up to {DENSE_PIXELS} pixels, got {images.shape[2:].numel()}")
        self.alpha, self.method, self.iterations, self.tolerance = alpha, method, iterations, tolerance
        self.across, self.down = _edges(images.detach(), kernel, bandwidth, per_channel)
        self._factors = self._factorise() if method == "dense" else None
        self.ones = self.solve(torch.ones_like(images))  # the divisor s(1) of Eq. (9), once an image

    def __call__(self, z: Tensor) -> Tensor:
        """s^(z), the same shape as the images; differentiable in z."""
        if z.shape != self.shape:
            raise ValueError(f"z must have the shape of the images, {tuple(self.shape)}, got {tuple(z.shape)}")
        return _Smooth.apply(z, self)  # type: ignore[no-untyped-call]

    @property
    def shape(self) -> torch.Size:
        """That of the images."""
        return self.across.shape

    def adjoint(self, r: Tensor) -> Tensor:
        """The transpose of s^, the Jacobian's in Eq. (19): divide by s(1), then apply A^-1."""
        return self.solve(r / self.ones)

    def __getitem__(self, rows: Tensor) -> ImageSmoother:
        """The smoother of some of the images, chosen by a mask or by numbers."""
        part = copy(self)
        part.across, part.down, part.ones = self.across[rows], self.down[rows], self.ones[rows]
        if self._factors is not None:
            part._factors = self._factors[rows]
        return part

    def neighbours(self, v: Tensor) -> Tensor:
        """S v: each pixel's sum over its four neighbours, weighted by the normalised weights."""
        flat = v.flatten(2).flatten(0, 1)
        out = torch.zeros_like(flat)
        _add_neighbours(_views(out, flat, *self._planes(), v.shape[3]), 1)
        return out.reshape(v.shape)

    def solve(self, z: Tensor) -> Tensor:
        """A^-1 z by the chosen method, image by image and channel by channel."""
        planes = z.flatten(2).flatten(0, 1)
        if self._factors is not None:
            factors = self._factors.flatten(0, 1)
            return torch.cat(
                [
                    torch.cholesky_solve(plane[:, None], factor)[:, 0]
                    for plane, factor in zip(planes, factors, strict=True)
                ]
            ).reshape(z.shape)
        # a few planes at a time stay in a processor's cache, which is five times as fast as all of them at once
        size = max(1, IN_CACHE // planes.shape[1]) if z.device.type == "cpu" else len(planes)
        parts = zip(planes.split(size), *(weights.split(size) for weights in self._planes()), strict=True)
        return torch.cat([self._conjugate_gradients(*part) for part in parts]).reshape(z.shape)

    def _planes(self) -> tuple[Tensor, Tensor]:
        return self.across.flatten(2).flatten(0, 1), self.down.flatten(2).flatten(0, 1)

    def _conjugate_gradients(self, z: Tensor, across: Tensor, down: Tensor) -> Tensor:
        """For planes (B, P) and their weights."""
        width, exact = self.shape[3], self.method == "exact"
        x, residual, image = z.clone(), torch.zeros_like(z), torch.empty_like(z)
        _add_neighbours(_views(residual, z, across, down, width), self.alpha)  # z - A z
        direction, size, goal = residual.clone(), _dot(residual, residual), self.tolerance**2 * _dot(z, z)
        views = _views(image, direction, across, down, width)  # made once: both tensors only change in place
        for _ in range(LONGEST if exact else self.iterations):
            if exact and (size <= goal).all():
                return x
            image.copy_(direction)
            _add_neighbours(views, -self.alpha)  # image = A direction
            step = _ratio(size, _dot(direction, image))
            x.addcmul_(step, direction)
            residual.addcmul_(step, image, value=-1)
            before, size = size, _dot(residual, residual)
            torch.addcmul(residual, _ratio(size, before), direction, out=direction)
        if exact and not (size <= goal).all():
            raise ArithmeticError(
                f"method 'exact' did not reach tolerance {self.tolerance} in {LONGEST} iterations; "
                "use a larger tolerance or float64"
            )
        return x

    def _factorise(self) -> Tensor:
        """Cholesky factors of A (N, C, P, P), one by one: batched inversion of such stacks fails in some MKL builds."""
        batch, channels, height, width = self.across.shape
        pixel = torch.arange(height * width, device=self.across.device).reshape(height, width)
        pairs = ((pixel[:, :-1], pixel[:, 1:], self.across[..., :-1]), (pixel[:-1], pixel[1:], self.down[..., :-1, :]))
        factors = self.across.new_empty(batch, channels, height * width, height * width)
        for n in range(batch):
            for c in range(channels):
                matrix = torch.eye(height * width, dtype=self.across.dtype, device=self.across.device)
                for first, second, weights in pairs:
                    value = -self.alpha * weights[n, c].flatten()
                    matrix[first.flatten(), second.flatten()] = value
                    matrix[second.flatten(), first.flatten()] = value
                factors[n, c] = torch.linalg.cholesky(matrix)
        return factors


def _edges(images: Tensor, kernel: str, bandwidth: float, per_channel: bool) -> tuple[Tensor, Tensor]:
    """The entries of S = D^-1/2 W D^-1/2 to each pixel's right and below, (N, C, H, W); 0 where the image ends."""
    x = images.double()  # weights go down to exp(-300), which float32 rounds to 0; their ratios matter

    def weight(a: Tensor, b: Tensor) -> Tensor:
        square = (a - b).square()
        if not per_channel:
            square = square.sum(1, keepdim=True)
        return torch.exp(-bandwidth * (square if kernel == "gaussian" else square.sqrt()))

    across, down = weight(x[..., 1:], x[..., :-1]), weight(x[..., 1:, :], x[..., :-1, :])
    degree = torch.zeros_like(x[:, : across.shape[1]])
    degree[..., :-1] += across
    degree[..., 1:] += across
    degree[..., :-1, :] += down
    degree[..., 1:, :] += down
    scale = torch.where(degree > 0, degree, 1).rsqrt()  # a pixel without neighbours keeps its value
    across = torch.nn.functional.pad(across * scale[..., 1:] * scale[..., :-1], (0, 1))
    down = torch.nn.functional.pad(down * scale[..., 1:, :] * scale[..., :-1, :], (0, 0, 0, 1))
    return tuple(part.to(images.dtype).expand_as(images).contiguous() for part in (across, down))  # type: ignore[return-value]


def _views(out: Tensor, v: Tensor, across: Tensor, down: Tensor, width: int) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Of planes (B, P): pixels, the weights of their edges and their neighbours, in each of the four directions.

    The weights are 0 where the image ends, so that rows need no care.
    """
    return [
        (out[:, :-1], across[:, :-1], v[:, 1:]),
        (out[:, 1:], across[:, :-1], v[:, :-1]),
        (out[:, :-width], down[:, :-width], v[:, width:]),
        (out[:, width:], down[:, :-width], v[:, :-width]),
    ]


def _add_neighbours(views: list[tuple[Tensor, Tensor, Tensor]], factor: float) -> None:
    """out + factor S v, in place."""
    for out, weights, neighbours in views:
        out.addcmul_(weights, neighbours, value=factor)


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """Inner products of planes: (B, 1)."""
    return torch.linalg.vecdot(a, b)[:, None]


def _ratio(a: Tensor, b: Tensor) -> Tensor:
    """a / b for b >= 0, and 0 where both are 0."""
    return a / (b + torch.finfo(b.dtype).tiny)


class _Smooth(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor, smoother: ImageSmoother) -> Tensor:
        ctx.smoother = smoother
        return smoother.solve(z) / smoother.ones

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return ctx.smoother.adjoint(gradient), None
