"""Backbones from a diffusers folder on disk, and back. Nothing is ever fetched from a hub.

A folder is looked over first (sub-folders, settings, every weight shard), so that all that is missing is told at
once, with its name and where to get it, before gigabytes are read. Only safetensors weights are read.
"""

from __future__ import annotations

import copy
import importlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..mini_tokenizer import save_tokenizer
from ..paths import atomic_path
from ..safe_file import TensorFileError, read_header
from .base import Backbone, BackboneError
from .families import FAMILIES, SCHEDULER, TOKENIZER, Family, Piece
from .hunyuan_video15 import HunyuanVideo15Backbone
from .wan import WanBackbone

_BUILDERS: dict[str, Callable[..., Backbone]] = {
    "wan": WanBackbone,
    "hunyuan_video15": HunyuanVideo15Backbone,
}


def load_backbone(
    folder: str | os.PathLike[str],
    dtype: torch.dtype = torch.bfloat16,
    device: torch.device | str = "cpu",
    offload: bool = False,
) -> Backbone:
    """The backbone in a diffusers folder, in eval mode, on `device`.

    offload: keep the networks in main memory and bring each to `device` when its turn comes; the VAE then also works
    in tiles, which for long clips saves more than the networks weigh.

    Raises BackboneError naming every missing or damaged piece and where to get it.
    """
    folder = Path(folder)
    family = inspect_folder(folder)
    parts = {name: _load_piece(folder / name, name, piece, family, dtype) for name, piece in family.pieces.items()}
    _require_known_words(folder, family, parts)
    backbone = _BUILDERS[family.name](**parts)
    backbone.place(device, offload)
    if offload:
        backbone.vae.enable_tiling()
    return backbone


def inspect_folder(folder: str | os.PathLike[str]) -> Family:
    """The family of a complete diffusers folder, told without reading weights.

    Raises BackboneError naming every missing or damaged piece and where to get it.
    """
    family = _identify(Path(folder))
    _require_complete(Path(folder), family)
    return family


def save_backbone(backbone: Backbone, folder: str | os.PathLike[str], dtype: torch.dtype | None = None) -> Path:
    """Write a real diffusers folder (sub-folders, then model_index.json last); returns its path.

    dtype: type to store the networks in; None keeps theirs.
    """
    folder = Path(folder)
    family = next(f for f in FAMILIES.values() if f.name == backbone.family)
    if any(hasattr(block, "motion") for block in backbone.blocks):
        raise BackboneError("this backbone carries a motion injection: detach it before saving the base model")
    index: dict[str, Any] = {"_class_name": family.pipeline, **dict(family.settings)}
    for name, piece in family.pieces.items():
        part = getattr(backbone, name)
        if dtype is not None and isinstance(part, nn.Module):
            part = copy.deepcopy(part).to(dtype)
        index[name] = [piece.library, _save_piece(part, piece, folder / name)]
    with atomic_path(folder / "model_index.json") as draft:
        draft.write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
    return folder


def _forget_origin(path: Path) -> None:
    """Libraries note the folder that a piece was loaded from, a path of somebody's machine: leave it out."""
    if path.is_file():
        settings = json.loads(path.read_text(encoding="utf-8"))
        if settings.pop("_name_or_path", None) is not None:
            path.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def _save_piece(part: Any, piece: Piece, folder: Path) -> str:
    """Save one piece; returns the class name for model_index.json."""
    if type(part).__name__ == "TokenizersBackend":  # what transformers 5 calls a plain fast tokenizer
        save_tokenizer(part, folder)
        return "PreTrainedTokenizerFast"
    part.save_pretrained(folder)
    _forget_origin(folder / piece.config)
    return type(part).__name__ if piece in (TOKENIZER, SCHEDULER) else piece.classes[0]


# --- looking the folder over ------------------------------------------------------------------------------


def _identify(folder: Path) -> Family:
    if not folder.is_dir():
        found = "this is a single file" if folder.is_file() else "there is no such folder"
        raise BackboneError(
            f"{folder}: {found}; give a diffusers folder, one with a model_index.json, such as a "
            f"download of {_sources()}"
        )
    index = _read_json(folder / "model_index.json", f"a diffusers folder has one; get {_sources()}")
    config = _read_json(folder / "transformer" / "config.json", f"get the whole folder of {_sources()}")
    family = FAMILIES.get(str(config.get("_class_name")))
    if family is None:
        raise BackboneError(
            f"{folder}: its transformer is a {config.get('_class_name')}; 3DiMo works with {', '.join(FAMILIES)}"
        )
    for name, wanted in family.settings:
        if index.get(name) != wanted:
            raise BackboneError(
                f"{folder}: its model_index.json says {name} = {index.get(name)!r}, {family.title} has {wanted!r}: "
                f"this is another model of the same class. {family.others}; get {family.source}"
            )
    return family


def _require_complete(folder: Path, family: Family) -> None:
    faults = [fault for name, piece in family.pieces.items() for fault in _piece_faults(folder / name, name, piece)]
    if faults:
        listed = "\n".join(f"  - {fault}" for fault in faults)
        raise BackboneError(
            f"{folder}: this {family.title} folder is not complete:\n{listed}\n"
            f"Get the missing files from {family.source}"
        )


def _piece_faults(folder: Path, name: str, piece: Piece) -> list[str]:
    if not folder.is_dir():
        return [f"{name}/ is missing ({' or '.join(piece.classes)})"]
    if not (folder / piece.config).is_file():
        return [f"{name}/{piece.config} is missing"]
    return _weight_faults(folder, name, piece.weights) if piece.weights else []


def _weight_faults(folder: Path, name: str, stem: str) -> list[str]:
    """Missing or damaged weight files, told from their headers alone."""
    single, index = folder / f"{stem}.safetensors", folder / f"{stem}.safetensors.index.json"
    if not single.is_file() and not index.is_file():
        return [f"{name}/{single.name} (or {index.name} with its parts) is missing"]
    if single.is_file():
        shards = [single]
    else:
        table = _read_json(index, "fetch it again").get("weight_map")
        if not isinstance(table, dict) or not all(isinstance(shard, str) for shard in table.values()):
            return [f"{name}/{index.name} is damaged"]
        # Names only: an index must not lead out of its folder.
        shards = [folder / Path(shard).name for shard in sorted(set(table.values()))]
    return [fault for shard in shards for fault in _shard_fault(shard, name)]


def _shard_fault(shard: Path, name: str) -> list[str]:
    if not shard.is_file():
        return [f"{name}/{shard.name} is missing"]
    try:
        read_header(shard)
    except TensorFileError as error:
        return [f"{name}/{shard.name} is damaged: {str(error).removeprefix(f'{shard}: ')}"]
    return []


def _read_json(path: Path, remedy: str) -> dict[str, Any]:
    if not path.is_file():
        raise BackboneError(f"{path} is missing: {remedy}")
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError, OSError) as error:
        raise BackboneError(f"{path} is damaged ({error}): fetch it again") from error
    if not isinstance(table, dict):
        raise BackboneError(f"{path} is damaged (not a table): fetch it again")
    return table


def _sources() -> str:
    return " or ".join(family.source for family in FAMILIES.values())


# --- loading the pieces -----------------------------------------------------------------------------------


def _load_piece(folder: Path, name: str, piece: Piece, family: Family, dtype: torch.dtype) -> Any:
    try:
        loader = _loader(piece.library, _class_name(folder, piece))
        if piece.weights is None:
            return loader.from_pretrained(folder, local_files_only=True)
        part, report = loader.from_pretrained(
            folder,
            torch_dtype=torch.float32 if name in family.full_precision else dtype,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError) as error:
        raise BackboneError(
            f"{folder}: could not be loaded as {' or '.join(piece.classes)}: {error}\n"
            f"Fetch it again from {family.source}"
        ) from error
    missing = sorted(report["missing_keys"])
    if missing:
        # diffusers and transformers would only warn and leave random weights there.
        raise BackboneError(
            f"{folder}: its weight files lack {len(missing)} tensors, such as {missing[0]}: they belong to another "
            f"model or version; get {family.source}"
        )
    return part.requires_grad_(False).eval()


def _require_known_words(folder: Path, family: Family, parts: dict[str, Any]) -> None:
    for tokenizer, encoder in (("tokenizer", "text_encoder"), ("tokenizer_2", "text_encoder_2")):
        if tokenizer not in parts:
            continue
        words, known = len(parts[tokenizer]), parts[encoder].get_input_embeddings().num_embeddings
        if words > known:
            raise BackboneError(
                f"{folder}: {tokenizer}/ has {words} words, {encoder}/ knows {known}: they belong to different models; "
                f"get both from {family.source}"
            )


def _loader(library: str, name: str) -> Any:
    module = importlib.import_module(library)
    # transformers 5 warns about torchvision unless an image processor is asked for in its Pillow form.
    return getattr(module, f"{name}Pil", None) or getattr(module, name)


def _class_name(folder: Path, piece: Piece) -> str:
    if len(piece.classes) == 1:
        return piece.classes[0]
    name = _read_json(folder / piece.config, "fetch it again").get("_class_name")
    if name not in piece.classes:
        raise ValueError(f"{piece.config} names the class {name}; expected {' or '.join(piece.classes)}")
    return str(name)
