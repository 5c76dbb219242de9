"""How the host holds a 3DiMo model: our modules behind its model patchers, so that it loads and unloads them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import comfy.model_management
import comfy.model_patcher
import comfy.ops
from torch import nn

from ..threedimo_core.checkpoint import Adapter, load_adapter


@dataclass(frozen=True)
class LoadedModel:
    """A 3DiMo model in the host: what travels between our nodes as THREEDIMO_MODEL.

    name: as in the list of the load node. encoder, injection, decoder: the host's patchers of the adapter's modules
    (decoder None where the file has none). The motion layers keep the type of the file and compute in the type of the
    video model; encoder and decoder are float32, as small differences in tokens add up over a clip.
    """

    name: str
    adapter: Adapter
    encoder: Any
    injection: Any
    decoder: Any | None


def hold_adapter(path: Path, name: str) -> LoadedModel:
    """Read an adapter file into modules of the host's own layers; TensorFileError names what is wrong with it."""
    adapter = load_adapter(path, dtype=None, operations=comfy.ops.manual_cast)
    adapter.encoder.float()
    decoder = patcher(adapter.decoder.float()) if adapter.decoder is not None else None
    return LoadedModel(name, adapter, patcher(adapter.encoder), patcher(adapter.injection), decoder)


def patcher_kind() -> Any:
    """The host's class of patchers. Looked up at call time: the host puts its dynamic kind there after start."""
    return vars(comfy.model_patcher).get("CoreModelPatcher", comfy.model_patcher.ModelPatcher)  # not in 0.8.0


def patcher(module: nn.Module) -> Any:
    """The host's patcher of a module that waits in main memory and runs on the host's device."""
    return patcher_kind()(
        module,
        load_device=comfy.model_management.get_torch_device(),
        offload_device=comfy.model_management.unet_offload_device(),
    )


def bring(*patchers: Any) -> None:
    """Have the host load these for use now, making room if need be."""
    comfy.model_management.load_models_gpu([p for p in patchers if p is not None])
