"""For the tests of formulas: random numbers in double precision."""

import torch


def random(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
