"""Memory layouts in a training step."""

import pytest
import torch
from torch import nn

from advutils import training
from advutils.training import constraints


def test_a_gradient_in_another_layout_is_copied():
    """The trap itself: a fused optimizer reads weight and gradient as raw memory."""
    weight = nn.Parameter(torch.randn(4, 3, 5, 5))
    gradient = torch.randn(4, 3, 5, 5).contiguous(memory_format=torch.channels_last)
    copied = training.laid_out_like(weight, gradient)
    assert copied.stride() == weight.stride() and torch.equal(copied, gradient)
    assert training.laid_out_like(weight, copied) is copied


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_max_norm_in_every_layout(layout):
    layer = nn.Conv2d(3, 4, 5).to(memory_format=layout)
    long = 10 * layer.weight.detach().clone()
    with torch.no_grad():
        layer.weight.copy_(long)
    constraints.limit(constraints.limits(layer, 1.0))
    torch.testing.assert_close(layer.weight.detach(), torch.renorm(long, 2, 0, 1.0), rtol=1e-5, atol=1e-7)
