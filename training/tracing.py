"""What a piece of a model keeps and what it needs at its peak, traced with fake tensors: shapes, but no memory.

A fake tensor goes through the real code, forward and backward, with autocast and gradient checkpointing, and allocates
nothing. `LiveBytes` counts what would be alive: a storage from the operation that makes it until nothing holds it.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


@dataclass(frozen=True)
class Traced:
    """`kept`: bytes that wait for the backward pass, the output included. `peak`: the most alive at a time."""

    kept: int
    peak: int


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of storages that operations inside this context make, as long as they live.

    known: tensors that are counted elsewhere (weights, gradients, inputs).
    """

    def __init__(self, known: Iterable[Tensor]) -> None:
        super().__init__()
        self.live = self.peak = 0
        self._storages = weakref.WeakSet[Any]()
        for tensor in known:
            self._storages.add(tensor.untyped_storage())

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self._count(leaf.untyped_storage())
        return result

    def _count(self, storage: Any) -> None:
        if storage in self._storages:
            return
        self._storages.add(storage)
        size = storage.nbytes()
        self.live += size
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._free, size)

    def _free(self, size: int) -> None:
        self.live -= size


def trace(run: Callable[[], Any], known: Iterable[Tensor], autocast: AbstractContextManager[Any]) -> Traced:
    """Forward and backward of `run`, which returns tensors (or tuples of them).

    The parameters' gradients must be there already, for they are counted elsewhere: pass them as `known`.
    """
    with LiveBytes(known) as counter:
        with autocast:
            outputs = [leaf for leaf in tree_leaves(run()) if isinstance(leaf, Tensor) and leaf.requires_grad]
            kept = counter.live
        torch.autograd.backward(outputs, [torch.empty_like(output) for output in outputs])
        del outputs
    return Traced(kept, counter.peak)


def faked(module: nn.Module, mode: FakeTensorMode) -> nn.Module:
    """The module, made on the meta device, with fake weights on the CPU and gradients for those that train."""
    with mode:
        module.to_empty(device="cpu")
        for parameter in module.parameters():
            if parameter.requires_grad:
                parameter.grad = torch.empty_like(parameter)
    return module


def weights_and_gradients(*modules: nn.Module) -> list[Tensor]:
    found: list[Tensor] = [b for module in modules for b in module.buffers()]
    for module in modules:
        for parameter in module.parameters():
            found += [parameter] if parameter.grad is None else [parameter, parameter.grad]
    return found
