"""Batch renormalisation (Ioffe 2017), with the schedule of Cutilli 2021."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class BatchRenorm(nn.Module):
    """Batch normalisation that trains with what it will have at test time, (N, C, ...) -> the same shape.

    In training x^ = (x - mean) / sd * r + d with the minibatch's mean and sd, r = sd / running_sd and
    d = (mean - running_mean) / running_sd, both clipped and treated as constants; r = 1, d = 0 is batch normalisation,
    and without clipping x^ = (x - running_mean) / running_sd, as in evaluation. The limits ``r_max`` and ``d_max`` are
    part of the state; a schedule may change them (:class:`Loosening`). ``decay`` is the share of the running values
    that a minibatch leaves; variances are biased in the pass and unbiased in the running value, as in Chainer.
    While ``track_running_stats`` is False a pass in training mode is the same but moves no running value, as in torch.

    >>> import torch
    >>> from advutils.layers import BatchRenorm
    >>> BatchRenorm(1)(torch.tensor([[1.0], [3.0]])).detach().flatten()  # at first it is batch normalisation
    tensor([-1.0000,  1.0000])
    """

    def __init__(self, features: int, *, decay: float = 0.95, eps: float = 2e-5):
        super().__init__()
        self.decay, self.eps = decay, eps
        self.track_running_stats = True
        self.weight = nn.Parameter(torch.ones(features))
        self.bias = nn.Parameter(torch.zeros(features))
        self.register_buffer("running_mean", torch.zeros(features))
        self.register_buffer("running_var", torch.ones(features))
        self.register_buffer("r_max", torch.tensor(1.0))
        self.register_buffer("d_max", torch.tensor(0.0))
        self.register_buffer("waited", torch.tensor(0))  # minibatches since the limits were changed

    def forward(self, x: Tensor) -> Tensor:
        shape = (1, -1, *[1] * (x.dim() - 2))
        over = (0, *range(2, x.dim()))
        if self.training:
            mean, var = x.mean(over), x.var(over, unbiased=False)
            sd = (var + self.eps).sqrt()
            with torch.no_grad():
                known = (self.running_var + self.eps).sqrt()  # type: ignore[operator, union-attr]
                r = torch.minimum(torch.maximum(sd / known, 1 / self.r_max), self.r_max)  # type: ignore[arg-type, operator]
                d = ((mean - self.running_mean) / known).clamp(-self.d_max, self.d_max)  # type: ignore[arg-type, operator]
                if self.track_running_stats:
                    count = x.numel() / x.shape[1]
                    self.running_mean.lerp_(mean, 1 - self.decay)  # type: ignore[operator]
                    self.running_var.lerp_(var * count / max(count - 1, 1), 1 - self.decay)  # type: ignore[operator]
            scale, shift = r / sd, d - mean * r / sd
        else:
            scale = (self.running_var + self.eps).rsqrt()  # type: ignore[operator, union-attr]
            shift = -self.running_mean * scale  # type: ignore[operator]
        return (x * scale.view(shape) + shift.view(shape)) * self.weight.view(shape) + self.bias.view(shape)


class Loosening:
    """The thesis' schedule: no correction until a minibatch's loss falls below ``start``, then limits of 1.1, and after
    every ``wait`` minibatches ten times as much: 10, 100, 1000. Call it with each loss; its state is the network's.

    >>> from advutils.layers import BatchRenorm, Loosening
    >>> layer = BatchRenorm(1)
    >>> schedule = Loosening(layer, start=1.0, wait=100)
    >>> schedule(0.5)  # the loss of a minibatch, below the start
    >>> layer.r_max
    tensor(1.1000)
    """

    def __init__(self, network: nn.Module, *, start: float, wait: int):
        self.layers = [module for module in network.modules() if isinstance(module, BatchRenorm)]
        self.start, self.wait = start, wait

    def __call__(self, loss: float) -> None:
        if not self.layers:
            return
        now, waited = self.layers[0].r_max.item(), self.layers[0].waited.item() + 1  # type: ignore[operator]
        wanted = now
        if now == 1.0 and loss < self.start:
            wanted = 1.1
        elif 1.0 < now < 1000 and waited >= self.wait:
            wanted = 10.0 if now < 10 else 10 * now
        for layer in self.layers:
            layer.waited.fill_(0 if wanted != now else waited)  # type: ignore[operator]
            if wanted != now:
                layer.r_max.fill_(wanted)  # type: ignore[operator]
                layer.d_max.fill_(wanted)  # type: ignore[operator]
