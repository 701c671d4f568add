import contextlib
import os
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")  # parallel test runs on two cores do not fight

import pytest
import torch
from playground_page import playground, playground_address, playground_browser  # noqa: F401
from torch import nn

from advutils.core import runtime

torch.set_num_threads(1)
with contextlib.suppress(ImportError):  # this torch cannot have one
    import standin  # autograd counts the devices at its first backward pass: before any test makes one


@pytest.fixture
def net():
    """A small network with dropout and batch normalisation, in training mode, as a caller may hand it over."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Flatten(), nn.Linear(16, 12), nn.BatchNorm1d(12), nn.Tanh(), nn.Dropout(0.5), nn.Linear(12, 4)
    )
    with torch.no_grad():  # statistics that are not the defaults
        model(torch.rand(64, 1, 4, 4))
    return model


@pytest.fixture
def batch():
    """Twenty images (N, 1, 4, 4) in [0, 1] and labels in 0..3."""
    generator = torch.Generator().manual_seed(1)
    return torch.rand(20, 1, 4, 4, generator=generator), torch.randint(0, 4, (20,), generator=generator)


@pytest.fixture(params=["standin"] + ["cuda"] * torch.cuda.is_available())
def device(request, monkeypatch):
    """A device other than the CPU for the measurements: one that is not there, and a GPU where there is one."""
    if request.param == "standin":
        pytest.importorskip("standin", exc_type=ImportError)
        monkeypatch.setattr(torch, "load", standin.load)
        monkeypatch.setattr(torch.cuda, "get_rng_state", torch.standin.get_rng_state)
        monkeypatch.setattr(torch.cuda, "set_rng_state", torch.standin.set_rng_state)
    monkeypatch.setenv("ADVUTILS_DEVICE", request.param)
    for module in [module for name, module in sys.modules.items() if name.startswith(("advutils", "advbook"))]:
        for kept in vars(module).values():
            if hasattr(kept, "cache_clear"):
                kept.cache_clear()  # tensors on another device
    return runtime.device()
