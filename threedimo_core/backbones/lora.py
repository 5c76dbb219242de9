"""Low-rank updates merged into a backbone's transformer: W ← W + strength · (alpha / rank) · B A.

Merged, not hung beside the layers: nothing is slower, offloading moves what it always moved, and the motion layers
find the linear layers that they expect. Files are those that the trainer exports, in diffusers' names.
"""

from __future__ import annotations

import os
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn

from ..safe_file import read_header
from .base import BackboneError

_PREFIX, _DOWN, _UP, _ALPHA = "transformer.", ".lora_A.weight", ".lora_B.weight", ".alpha"


@torch.no_grad()
def merge_lora(transformer: nn.Module, path: str | os.PathLike[str], strength: float = 1.0) -> int:
    """Add the updates in a safetensors file to the weights they are for, in place; returns how many layers.

    Raises TensorFileError for a damaged or foreign file, BackboneError for updates of another transformer: nothing
    is changed then.
    """
    header = read_header(path)
    layers = sorted({name.rsplit(end, 1)[0] for name in header.tensors for end in (_DOWN, _UP) if name.endswith(end)})
    strange = sorted(n for n in header.tensors if not n.startswith(_PREFIX) or not n.endswith((_DOWN, _UP, _ALPHA)))
    if strange or not layers:
        raise BackboneError(
            f"{header.path}: not a LoRA in diffusers' names ({strange[0] if strange else 'it has no lora_A'}; expected "
            f"{_PREFIX}….lora_A.weight); the trainer writes pytorch_lora_weights.safetensors beside its adapter"
        )
    with safe_open(header.path, framework="pt") as file:
        known = set(header.tensors)
        updates = [_update(transformer, layer, known, file, str(header.path)) for layer in layers]
    for weight, up, down in updates:  # one product at a time: those of a 5 B model are gigabytes
        weight.add_((strength * (up.to(weight.device) @ down.to(weight.device))).to(weight.dtype))
    return len(updates)


def _update(transformer: nn.Module, layer: str, known: set[str], file: Any, path: str) -> tuple[Tensor, Tensor, Tensor]:
    """The weight of a layer and the two matrices of its update in float32, the scale in the second."""
    if not {layer + _DOWN, layer + _UP} <= known:
        raise BackboneError(f"{path}: {layer} has only one of its two matrices; the file is incomplete")
    down, up = (file.get_tensor(layer + end).float() for end in (_DOWN, _UP))
    try:
        weight = transformer.get_parameter(layer.removeprefix(_PREFIX) + ".weight")
    except AttributeError:
        raise BackboneError(f"{path}: this backbone has no layer {layer}: the LoRA is for another model") from None
    if (
        down.ndim != 2
        or up.ndim != 2
        or (up.shape[0], down.shape[1]) != tuple(weight.shape)
        or len(down) != up.shape[1]
    ):
        raise BackboneError(
            f"{path}: the update of {layer} is {list(up.shape)} × {list(down.shape)}, its weight {list(weight.shape)}: "
            "the LoRA is for a model of another size"
        )
    scale = float(file.get_tensor(layer + _ALPHA)) / len(down) if layer + _ALPHA in known else 1.0
    down = scale * down
    if not bool(up.isfinite().all() and down.isfinite().all()):
        raise BackboneError(f"{path}: the update of {layer} holds NaN or infinity: the file is damaged")
    return weight.data, up, down
