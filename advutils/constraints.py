"""What pylearn2's layers ask of a training step: limits on the norms of filters, and learning rates of their own."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from advutils.training import limit_row_norms


@contextmanager
def constrained(model: nn.Module) -> Iterator[nn.Module]:
    """For a block, make every optimizer's step on ``model`` keep to what its layers carry.

    A layer's ``lr_scale`` multiplies the gradients of its parameters before a step: with momentum SGD that is a
    learning rate so many times the others'. Its ``max_norm`` limits the Euclidean norm of the incoming weights of every
    unit (a filter, or one of its pieces) after a step.
    """
    scaled = [(parameter, module.lr_scale) for module in model.modules() if hasattr(module, "lr_scale")
              for parameter in module.parameters()]
    limited = [(module.weight, module.max_norm) for module in model.modules() if hasattr(module, "max_norm")]

    def before(optimizer, args, kwargs) -> None:
        for parameter, scale in scaled:
            if parameter.grad is not None:
                parameter.grad.mul_(scale)

    def after(optimizer, args, kwargs) -> None:
        with torch.no_grad():
            for weight, limit in limited:
                limit_row_norms(weight, limit)

    handles = [register_optimizer_step_pre_hook(before), register_optimizer_step_post_hook(after)]
    try:
        yield model
    finally:
        for handle in handles:
            handle.remove()
