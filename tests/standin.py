"""A device that is not there: real values that live elsewhere, so that a mistake of placement fails on any machine.

A tensor on :data:`DEVICE` keeps its values in a tensor on the CPU, reports another device, and goes through torch's own
dispatcher and autograd. As on a GPU an operation that mixes it with a tensor of the CPU raises ``RuntimeError``, unless
the latter has no dimension, is copied, or is an index; so does a draw on the device from a generator of the CPU; numpy
wants ``.cpu()``. What it does not see: kernels that a GPU lacks, streams, other rounding, and generators on the device,
which it refuses. It rests on an interface that torch calls experimental.
"""

from __future__ import annotations

from contextlib import nullcontext

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten
from torch.utils.backend_registration import _DummyBackendModule, _setup_privateuseone_for_python_backend

aten = torch.ops.aten


class _Backend(_DummyBackendModule):
    """What torch asks of ``torch.standin``; draws on the device are the CPU's."""

    device = nullcontext

    def get_rng_state(self, device=None) -> Tensor:
        return torch.get_rng_state()

    def set_rng_state(self, state: Tensor, device=None) -> None:
        torch.set_rng_state(state)

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16]


_setup_privateuseone_for_python_backend("standin", backend_module=_Backend())
DEVICE = torch.device("standin", 0)
COPIES = {aten.copy_.default, aten._to_copy.default}
INDEXED = {
    aten.index.Tensor,
    aten.index_put.default,
    aten.index_put_.default,
    aten._index_put_impl_.default,
    aten._unsafe_index.Tensor,
}


class Elsewhere(Tensor):
    """A tensor on :data:`DEVICE`; ``values`` is what it holds."""

    @staticmethod
    def __new__(cls, values: Tensor):
        out = torch.Tensor._make_wrapper_subclass(
            cls,
            values.size(),
            strides=values.stride(),
            storage_offset=values.storage_offset(),
            dtype=values.dtype,
            device=DEVICE,
        )
        out.values = values
        return out

    __torch_function__ = torch._C._disabled_torch_function_impl

    def __repr__(self):
        return f"Elsewhere({self.values})"

    def tolist(self):
        return self.values.tolist()

    def __tensor_flatten__(self):  # by these two nn.Module knows that it must swap parameters whole
        return ["values"], None

    @staticmethod
    def __tensor_unflatten__(inner, context, size, stride):
        return Elsewhere(inner["values"])

    def __reduce_ex__(self, protocol):  # for files
        return Elsewhere, (self.values,)

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        return _run(function, args, kwargs or {})


def _run(function, args, kwargs):
    leaves, form = tree_flatten((args, kwargs))
    _refuse(function, args, leaves)
    wanted = kwargs.get("device")
    homes = {id(leaf.values): leaf for leaf in leaves if isinstance(leaf, Elsewhere)}
    args, kwargs = tree_unflatten([_on_the_cpu(leaf) for leaf in leaves], form)
    found = function(*args, **kwargs)

    def placed(out):
        if not isinstance(out, Tensor) or (wanted is not None and torch.device(wanted).type == "cpu"):
            return out
        home = homes.get(id(out))
        if home is None:
            return out if function is aten.copy_.default else Elsewhere(out)
        if home.shape != out.shape or home.stride() != out.stride():
            home.data = Elsewhere(out)  # takes over the shape
        return home

    return tree_map(placed, found)


def _on_the_cpu(leaf):
    if isinstance(leaf, torch.device) and leaf.type == DEVICE.type:
        return torch.device("cpu")
    return leaf.values if isinstance(leaf, Elsewhere) else leaf


def _refuse(function, args, leaves) -> None:
    for leaf in leaves:
        if isinstance(leaf, torch.Generator):
            raise RuntimeError(f"Expected a '{DEVICE.type}' device type for generator but found '{leaf.device.type}'")
    if function in COPIES:
        return
    if function in INDEXED:
        if not isinstance(args[0], Elsewhere):
            raise RuntimeError("indices should be either on cpu or on the same device as the indexed tensor (cpu)")
        leaves = [args[0], *args[2:3]]
    here = [leaf for leaf in leaves if isinstance(leaf, Tensor) and not isinstance(leaf, Elsewhere) and leaf.dim()]
    if here:
        raise RuntimeError(
            f"Expected all tensors to be on the same device, but found at least two devices, {DEVICE} "
            f"and cpu! ({function})"
        )


_rest, _copies = torch.library.Library("_", "IMPL"), torch.library.Library("aten", "IMPL")
_rest.fallback(lambda function, *args, **kwargs: _run(function, args, kwargs), "PrivateUse1")
_copies.impl("copy_", lambda *args, **kwargs: _run(aten.copy_.default, args, kwargs), "PrivateUse1")
torch.serialization.add_safe_globals([Elsewhere])
_torch_load = torch.load


def load(*args, map_location=None, **kwargs):
    """``torch.load``, which cannot put what it reads on :data:`DEVICE`."""
    found = _torch_load(*args, **kwargs)
    return tree_map(lambda leaf: leaf.to(map_location) if isinstance(leaf, Tensor) and map_location else leaf, found)
