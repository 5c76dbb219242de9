"""What a run is for: its averaged weights as files that the pipeline, ComfyUI and other people can load.

- the mini model: `OUT/mini`, an ordinary diffusers folder with the adapter beside it;
- a pretrained backbone: `OUT/export/adapter.safetensors`, and what became of the DiT: `lora/` (as diffusers loads it,
  and for Wan a copy as ComfyUI does) or `transformer/` (a diffusers sub-folder that takes the place of the backbone's).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from threedimo_core.backbones import Backbone
from threedimo_core.checkpoint import Adapter, TrainingRecord, save_adapter
from threedimo_core.geometric_decoder import GeometricDecoder
from threedimo_core.injection import MotionInjection
from threedimo_core.motion_encoder import MotionEncoder

from .building import LORA_NAME, build_trainee, part_of
from .ema import trainable
from .mini.backbone import build_backbone
from .mini.export import export_mini
from .parallel import whole
from .trainee import Trainee
from .trainer import Trainer

MINI_FOLDER, FOLDER = "mini", "export"
LORA_FILE = "pytorch_lora_weights.safetensors"
COMFYUI_LORA_FILE = "comfyui_lora_weights.safetensors"
_COMFYUI_WAN_NAMES = {
    "transformer.blocks.": "diffusion_model.blocks.",
    ".attn1.": ".self_attn.",
    ".attn2.": ".cross_attn.",
    ".to_out.0.": ".o.",
    ".to_": ".",
    ".ffn.net.0.proj.": ".ffn.0.",
    ".ffn.net.2.": ".ffn.2.",
}


def exported_weights(trainer: Trainer) -> dict[str, Tensor]:
    """The averaged (or, without an average, the live) trained weights, whole, in float32, on the CPU.

    Every process calls it, for shards have to be gathered; only the first gets the weights.
    """
    found = trainer.ema.values or {name: p.detach() for name, p in trainable(trainer.trainee).items()}
    weights = {}
    for name, value in found.items():
        full = whole(value)
        if trainer.engine.is_main:
            weights[name] = full.to("cpu", torch.float32, copy=True)
    return weights


def export(trainer: Trainer, record: TrainingRecord) -> Path:
    """Write the export of a run, whole or not at all; every process calls it, the first one writes."""
    weights = exported_weights(trainer)
    folder = trainer.out / (MINI_FOLDER if trainer.recipe.backbone == "mini" else FOLDER)
    if trainer.engine.is_main:
        if trainer.recipe.backbone == "mini":
            _export_mini(trainer, weights, record, folder)
        else:
            _export_adapter(trainer.trainee, weights, record, folder)
    return folder


def _export_mini(trainer: Trainer, weights: Mapping[str, Tensor], record: TrainingRecord, folder: Path) -> None:
    """A fresh copy takes the weights: the one that trains may be sharded, compiled, or both."""
    recipe, source = trainer.recipe, trainer.trainee.backbone
    backbone = build_backbone(source.vae, recipe.seed)
    # What is frozen in every stage is in the copy already: both are made from the recipe's seed.
    copy = build_trainee(recipe, backbone)
    with torch.no_grad():
        for name, value in weights.items():
            copy.get_parameter(name).copy_(value)
    export_mini(copy, backbone, record, folder)


def _export_adapter(trainee: Trainee, weights: Mapping[str, Tensor], record: TrainingRecord, folder: Path) -> None:
    with _folder_written_beside(folder) as beside:
        _write_export(trainee, weights, record, beside)


@contextmanager
def _folder_written_beside(folder: Path) -> Iterator[Path]:
    """A folder that takes `folder`'s place when the block ends; nothing is left of it when that fails."""
    beside = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    try:
        yield beside
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(beside, folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _write_export(trainee: Trainee, weights: Mapping[str, Tensor], record: TrainingRecord, beside: Path) -> None:
    save_adapter(beside / "adapter.safetensors", _adapter(trainee, weights, record), torch.bfloat16)
    changed = {name: value for name, value in weights.items() if name.startswith("transformer.")}
    if any(part_of(name) == "lora" for name in changed):
        config = trainee.transformer.peft_config[LORA_NAME]
        _save_lora(changed, config.lora_alpha / config.r, trainee.backbone.family, beside / "lora" / LORA_FILE)
    if any(part_of(name) == "dit" for name in changed):
        _save_transformer(trainee.backbone, changed, beside / "transformer")


def _adapter(trainee: Trainee, weights: Mapping[str, Tensor], record: TrainingRecord) -> Adapter:
    encoder = MotionEncoder(trainee.encoder.config)
    injection = MotionInjection(trainee.injection.config)
    decoder = GeometricDecoder(trainee.decoder.config) if trainee.decoder is not None else None
    for part, module in (("encoder", encoder), ("injection", injection), ("decoder", decoder)):
        if module is not None:
            own = {n.removeprefix(f"{part}."): v for n, v in weights.items() if n.startswith(f"{part}.")}
            module.load_state_dict(own, strict=bool(own))
    backbone = trainee.backbone
    return Adapter(
        encoder=encoder,
        injection=injection,
        decoder=decoder,
        family=backbone.family,
        dims=backbone.dims,
        record=record,
    )


def _save_lora(weights: Mapping[str, Tensor], scale: float, family: str, path: Path) -> None:
    """In diffusers' own names (`transformer.load_lora_adapter`, `pipeline.load_lora_weights`), the scale multiplied
    in: a reader that knows nothing of it gets it right.
    """
    named = {}
    for name, value in weights.items():
        if part_of(name) == "lora":
            scaled = value * scale if ".lora_B." in name else value
            named[name.replace(f".{LORA_NAME}.", ".")] = scaled.bfloat16().contiguous()
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(named, path, {"format": "pt"})
    if family == "wan":
        save_file({_comfyui_name(name): v for name, v in named.items()}, path.with_name(COMFYUI_LORA_FILE))


def _comfyui_name(name: str) -> str:
    """What ComfyUI, which keeps Wan's original names, calls a layer of diffusers' Wan."""
    for theirs, ours in _COMFYUI_WAN_NAMES.items():
        name = name.replace(theirs, ours)
    return name


def _save_transformer(backbone: Backbone, weights: Mapping[str, Tensor], folder: Path) -> None:
    """The whole DiT as a sub-folder of a diffusers folder, in bfloat16."""
    source = backbone.transformer
    with torch.device("meta"):
        plain = type(source).from_config(source.config)
    named = {
        name.removeprefix("transformer.").replace(".base_layer.", "."): value.bfloat16()
        for name, value in weights.items()
        if part_of(name) == "dit"
    }
    plain.load_state_dict(named, strict=True, assign=True)
    plain.save_pretrained(folder)
