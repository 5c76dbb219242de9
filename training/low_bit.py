"""Optimiser states in 8 bits, to and from the plain float tensors of a checkpoint.

torchao keeps a state as blocks of codes (positions in a table of 256 values) with a scale each. Blocks are cut where
a process's shard begins, so they cannot be kept when the number of processes changes; floats can.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor


def plain_state(value: Tensor) -> Tensor:
    """The state as floats, sharded like itself; an unquantised state is given as it is."""
    local: Any = value.to_local() if isinstance(value, DTensor) else value
    if not hasattr(local, "codes"):
        return value
    floats: Tensor = local.dequantize()
    if not isinstance(value, DTensor):
        return floats
    return DTensor.from_local(
        floats, value.device_mesh, value.placements, run_check=False, shape=value.shape, stride=value.stride()
    )


def restore_state(value: Tensor, floats: Tensor) -> None:
    """Put floats that `plain_state` gave back into the state."""
    local: Any = value.to_local() if isinstance(value, DTensor) else value
    source = floats.to_local() if isinstance(floats, DTensor) else floats
    if hasattr(local, "codes"):
        _requantise(local, source)
    else:
        local.copy_(source)


def _requantise(state: Any, values: Tensor) -> None:
    """The codes these values came from, where blocks lie as they did; the nearest ones elsewhere.

    The table ends at 1, but a little short of -1. The largest value of a block was rounded to one of the ends, which
    tells the scale: where no value stands at 1, that was the lower end.
    """
    blocks = values.reshape(-1, state.block_size)
    high, low = blocks.amax(1), -blocks.amin(1)
    scale = torch.where(low >= high, low / state.qmap[0].abs().clamp(min=1e-12), high).clamp(min=1e-12)
    middles = (state.qmap[1:] + state.qmap[:-1]) / 2
    codes = torch.bucketize(blocks / scale[:, None], middles)
    state.codes.copy_(codes.reshape(state.codes.shape).to(torch.uint8))
    state.scale.copy_(scale)
