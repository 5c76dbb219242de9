"""Models for the commands: the bundled mini by default, or an adapter with the backbone it was trained for."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import diffusers
import torch
import transformers

from ..backbones.base import Backbone
from ..backbones.loading import inspect_folder, load_backbone
from ..backbones.lora import merge_lora
from ..bundled import ADAPTER_FILE, MINI_FOLDER, mini_adapter
from ..checkpoint import Adapter, load_adapter
from ..pipeline import Pipeline
from .telling import say

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def choose_device(name: str) -> torch.device:
    """The device of that name; "auto" is a GPU where there is one. ValueError where this machine lacks it."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).cpu()  # "meta" has no values to give back
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).strip().split("\n")[0]
        raise ValueError(f"--device {name} cannot be used here: {reason}. --device cpu always works") from error
    return device


def adapter_path(arguments: Namespace) -> Path:
    """--model names an adapter file, or a folder with a backbone and `adapter.safetensors`, as the mini's is."""
    if arguments.model is None:
        if getattr(arguments, "backbone", None) is not None:
            raise ValueError(
                "--backbone needs --model, an adapter trained for that backbone; the bundled adapter fits only the "
                "bundled mini model (how to train one: `python -m training train --help`)"
            )
        return mini_adapter()
    return arguments.model / ADAPTER_FILE if arguments.model.is_dir() else arguments.model


def open_adapter(arguments: Namespace, device: torch.device) -> Adapter:
    """The adapter in float32 on `device`; TensorFileError names what is wrong with the file."""
    return load_adapter(adapter_path(arguments), device=device)


def inspect_backbone(arguments: Namespace, adapter: Adapter) -> None:
    """BackboneError where the backbone's folder misses a piece: looking takes no time, loading minutes."""
    inspect_folder(_backbone_folder(arguments, adapter))


def open_pipeline(arguments: Namespace, adapter: Adapter, device: torch.device) -> Pipeline:
    """The adapter with its backbone, updated by --lora; AdapterError or BackboneError where they do not fit."""
    dtype = _DTYPES.get(arguments.dtype) or _default_dtype(device, bundled=arguments.model is None)
    backbone = load_quietly(_backbone_folder(arguments, adapter), dtype, device, arguments.offload)
    if arguments.lora is not None:
        count = merge_lora(backbone.transformer, arguments.lora, arguments.lora_strength)
        say(f"{arguments.lora.name}: {count} layers of the backbone updated")
    return Pipeline(backbone, adapter)


def load_quietly(
    folder: Path, dtype: torch.dtype, device: torch.device | str = "cpu", offload: bool = False
) -> Backbone:
    """`load_backbone` without the libraries' bars, which flood logs and files."""
    transformers.utils.logging.disable_progress_bar()
    diffusers.utils.logging.disable_progress_bar()
    return load_backbone(folder, dtype, device, offload)


def _backbone_folder(arguments: Namespace, adapter: Adapter) -> Path:
    folder: Path = arguments.backbone or (MINI_FOLDER if arguments.model is None else arguments.model)
    if not folder.is_dir() and arguments.backbone is None:
        raise ValueError(
            f"{arguments.model} was trained for the backbone {adapter.family} ({adapter.dims}): name its diffusers "
            "folder with --backbone"
        )
    return folder


def _default_dtype(device: torch.device, bundled: bool) -> torch.dtype:
    # The mini is small enough for float32 everywhere; bfloat16 on a CPU is slow without special units.
    return torch.float32 if bundled or device.type == "cpu" else torch.bfloat16
