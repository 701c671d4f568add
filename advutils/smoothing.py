"""Smoothing guided by an image: the graph Laplacian operator of Zhang, Avrithis, Furon and Amsaleg 2019, Section 3."""
from __future__ import annotations

import torch
from torch import Tensor

from advutils import checks

KERNELS = ("gaussian", "laplacian")
METHODS = ("cg", "exact", "dense")
DENSE_PIXELS = 4096  # a dense operator holds pixels^2 numbers an image and channel
LONGEST = 5000  # conjugate gradient iterations of "exact" before it gives up


class ImageSmoother:
    """The operator s^ of Eq. (9) for a batch of images: ``smoother(z)`` is z made as smooth as the image.

    The graph joins each pixel to its four neighbours with weights k(x_i, x_j) (Eq. 5): exp(-b Delta^2) ("gaussian") or
    exp(-b |Delta|) ("laplacian"), b = ``bandwidth``, Delta the difference of one channel in [0, 1]
    (``per_channel``, as the authors' code has it) or the Euclidean length of the difference of all channels (as Eq. 5
    reads). With S = D^-1/2 W D^-1/2 and A = I - alpha S, s^(z) = A^-1 z / A^-1 1 (Eqs. 8 and 9; 1 - alpha cancels).

    ``method``: "cg" makes exactly ``iterations`` steps of conjugate gradients from z itself, which at alpha = .997 is
    part of the operator's definition and no converged solve; "exact" goes on to a relative residual of ``tolerance``;
    "dense" factorises A, for images of up to 4096 pixels.

    The backward pass is the adjoint, divide by A^-1 1 and then apply A^-1, with the same method: its memory does not
    grow with the number of iterations. (For "cg" short of convergence it is the adjoint up to the solver's error.)

    ``images`` (N, C, H, W) in [0, 1]; z of the same shape. Raises ``ValueError`` naming the argument.
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
        self.shape = images.shape
        self.across, self.down = _edges(images.detach(), kernel, bandwidth, per_channel)
        self._factors = self._factorise() if method == "dense" else None
        self.ones = self.solve(torch.ones_like(images))  # the divisor s(1) of Eq. (9), once an image

    def __call__(self, z: Tensor) -> Tensor:
        """s^(z), the same shape as the images; differentiable in z."""
        if z.shape != self.shape:
            raise ValueError(f"z must have the shape of the images, {tuple(self.shape)}, got {tuple(z.shape)}")
        return _Smooth.apply(z, self)

    def neighbours(self, v: Tensor) -> Tensor:
        """S v: each pixel's sum over its four neighbours, weighted by the normalised weights."""
        out = torch.zeros_like(v)
        out[..., :, :-1] += self.across * v[..., :, 1:]
        out[..., :, 1:] += self.across * v[..., :, :-1]
        out[..., :-1, :] += self.down * v[..., 1:, :]
        out[..., 1:, :] += self.down * v[..., :-1, :]
        return out

    def solve(self, z: Tensor) -> Tensor:
        """A^-1 z by the chosen method, image by image and channel by channel."""
        if self._factors is None:
            return self._conjugate_gradients(z)
        flat = z.flatten(0, 1).flatten(1)
        parts = [torch.cholesky_solve(column[:, None], factor)[:, 0]
                 for column, factor in zip(flat, self._factors, strict=True)]
        return torch.stack(parts).reshape(z.shape)

    def _conjugate_gradients(self, z: Tensor) -> Tensor:
        x = z.clone()
        residual = self.alpha * self.neighbours(z)  # z - A z
        direction, size = residual.clone(), _dot(residual, residual)
        goal = self.tolerance**2 * _dot(z, z)
        exact = self.method == "exact"
        for _ in range(LONGEST if exact else self.iterations):
            if (size <= (goal if exact else 0)).all():
                return x
            image = direction - self.alpha * self.neighbours(direction)
            curvature = _dot(direction, image)
            step = torch.where(curvature > 0, size / torch.where(curvature > 0, curvature, 1), 0)
            x += step * direction
            residual -= step * image
            before, size = size, _dot(residual, residual)
            direction = residual + torch.where(before > 0, size / torch.where(before > 0, before, 1), 0) * direction
        if exact:
            raise ArithmeticError(f"method 'exact' did not reach tolerance {self.tolerance} in {LONGEST} iterations; "
                                  "use a larger tolerance or float64")
        return x

    def _factorise(self) -> list[Tensor]:
        """Cholesky factors of A, matrix by matrix: batched inversion of such stacks fails in some builds of MKL."""
        batch, channels, height, width = self.shape
        pixel = torch.arange(height * width, device=self.across.device).reshape(height, width)
        pairs = ((pixel[:, :-1], pixel[:, 1:], self.across), (pixel[:-1], pixel[1:], self.down))
        factors = []
        for n in range(batch):
            for c in range(channels):
                matrix = torch.eye(height * width, dtype=self.across.dtype, device=self.across.device)
                for first, second, weights in pairs:
                    value = -self.alpha * weights[n, min(c, weights.shape[1] - 1)].flatten()
                    matrix[first.flatten(), second.flatten()] = value
                    matrix[second.flatten(), first.flatten()] = value
                factors.append(torch.linalg.cholesky(matrix))
        return factors


def _edges(images: Tensor, kernel: str, bandwidth: float, per_channel: bool) -> tuple[Tensor, Tensor]:
    """The entries of S = D^-1/2 W D^-1/2 to the right (N, C or 1, H, W - 1) and downwards (N, C or 1, H - 1, W)."""
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
    return ((across * scale[..., 1:] * scale[..., :-1]).to(images.dtype),
            (down * scale[..., 1:, :] * scale[..., :-1, :]).to(images.dtype))


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """Inner products of images, channel by channel: (N, C, 1, 1)."""
    return (a * b).sum(dim=(-2, -1), keepdim=True)


class _Smooth(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z: Tensor, smoother: ImageSmoother) -> Tensor:
        ctx.smoother = smoother
        return smoother.solve(z) / smoother.ones

    @staticmethod
    def backward(ctx, gradient: Tensor):
        return ctx.smoother.solve(gradient / ctx.smoother.ones), None
