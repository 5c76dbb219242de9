"""Backbones for training: only the pieces that a command needs are read, the others are there for their sizes alone.

Training needs the transformer, `precompute` the encoders: neither pays for the other's gigabytes, and `plan` reads no
weight at all.
"""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import diffusers
import torch

from threedimo_core.backbones import Backbone, WanBackbone
from threedimo_core.backbones.families import Family, Piece
from threedimo_core.backbones.hunyuan_video15 import HunyuanVideo15Backbone
from threedimo_core.backbones.loading import inspect_folder
from threedimo_core.mini_tokenizer import build_tokenizer

from .mini.backbone import build_backbone, build_text_encoder, build_transformer
from .published import PUBLISHED, PublishedBackbone
from .recipe import Recipe, RecipeError

_ADAPTERS: dict[str, Any] = {"wan": WanBackbone, "hunyuan_video15": HunyuanVideo15Backbone}
ENCODERS = {
    "wan": ("vae", "text_encoder"),
    "hunyuan_video15": ("vae", "text_encoder", "text_encoder_2", "image_encoder"),
}
_SAMPLED_BLOCKS, _BLOCK_BYTES = 64, 1 << 16


def backbone_folder(recipe: Recipe, folder: Path | None) -> Path:
    """The diffusers folder that a recipe trains: the one given, or the one it names itself."""
    if folder is not None:
        return folder
    if recipe.backbone in PUBLISHED:
        raise RecipeError(
            f"this recipe trains {recipe.backbone}: get {PUBLISHED[recipe.backbone].source} and name its folder "
            "with --backbone"
        )
    return Path(recipe.backbone)


def open_pieces(folder: Path, wanted: Collection[str], dtype: torch.dtype) -> Backbone:
    """The backbone in a diffusers folder with only the networks of `wanted` read, frozen, in eval mode.

    Transformer and VAE are otherwise built without memory (on the meta device) for their settings; the other pieces
    are None, but for the scheduler. BackboneError when the folder is not complete.
    """
    family = inspect_folder(folder)
    parts = {name: _piece(folder / name, name, piece, family, wanted, dtype) for name, piece in family.pieces.items()}
    backbone: Backbone = _ADAPTERS[family.name](**parts)
    return backbone


def _piece(folder: Path, name: str, piece: Piece, family: Family, wanted: Collection[str], dtype: torch.dtype) -> Any:
    if piece.weights is None:
        # Tokenizers and picture settings serve an encoder; without one of them they are not needed.
        serves = name == "scheduler" or any(part in wanted for part in ENCODERS[family.name])
        return _class(piece, folder).from_pretrained(folder, local_files_only=True) if serves else None
    if name in wanted:
        precise = torch.float32 if name in family.full_precision else dtype
        network = _class(piece, folder).from_pretrained(
            folder, torch_dtype=precise, use_safetensors=True, local_files_only=True
        )
        return network.requires_grad_(False).eval()
    if name in ("transformer", "vae"):
        loader = _class(piece, folder)
        with torch.device("meta"):
            return loader.from_config(loader.load_config(folder)).requires_grad_(False).eval()
    return None


def _class(piece: Piece, folder: Path) -> Any:
    name = piece.classes[0]
    if len(piece.classes) > 1:
        found = str(json.loads((folder / piece.config).read_text()).get("_class_name"))
        name = found if found in piece.classes else name
    library = importlib.import_module(piece.library)
    # transformers 5 has image processors in two forms; this one needs no torchvision.
    return getattr(library, f"{name}Pil", None) or getattr(library, name)


def open_for_training(recipe: Recipe, vae: Path | None, folder: Path | None) -> Backbone:
    """A fresh mini around its VAE, or the transformer of a pretrained folder.

    A transformer that trains whole is held in float32, one that stays as it is in the recipe's compute type.
    """
    if recipe.backbone == "mini":
        if vae is None:
            raise ValueError("the mini backbone needs --vae, the folder that `python -m training mini-vae` wrote")
        return build_backbone(vae, recipe.seed)
    return open_pieces(backbone_folder(recipe, folder), ("transformer",), dit_dtype(recipe))


def dit_dtype(recipe: Recipe) -> torch.dtype:
    return torch.float32 if "full" in recipe.dit or recipe.precision == "no" else torch.bfloat16


def open_on_meta(recipe: Recipe, folder: Path | None = None) -> Backbone:
    """The backbone's shapes without a single weight: from a folder's settings, or from the published ones."""
    if recipe.backbone == "mini":
        with torch.device("meta"):
            vae = diffusers.AutoencoderKLWan(base_dim=16, z_dim=16).requires_grad_(False)
            return WanBackbone(build_transformer(), vae, build_text_encoder(len(build_tokenizer())), None, None)
    if folder is None and recipe.backbone in PUBLISHED:
        return _published_on_meta(PUBLISHED[recipe.backbone], dit_dtype(recipe))
    backbone = open_pieces(backbone_folder(recipe, folder), (), torch.float32)
    return _in_dtype(backbone, dit_dtype(recipe))


def _published_on_meta(published: PublishedBackbone, dtype: torch.dtype) -> Backbone:
    with torch.device("meta"):
        transformer = getattr(diffusers, published.transformer_class)(**published.transformer)
        vae = getattr(diffusers, published.vae_class)(**published.vae)
    adapter = _ADAPTERS[published.family]
    if published.family == "wan":
        backbone = adapter(transformer, vae, None, None, None)
    else:
        backbone = adapter(transformer, vae, None, None, None, None, None, None, None)
    transformer.requires_grad_(False)
    return _in_dtype(backbone, dtype)


def _in_dtype(backbone: Backbone, dtype: torch.dtype) -> Backbone:
    """In the type it would be loaded in; what diffusers keeps in float32 stays so."""
    precise = tuple(backbone.transformer._keep_in_fp32_modules or ()) + ("time_embed.",)
    for name, parameter in backbone.transformer.named_parameters():
        if not any(part in name for part in precise):
            parameter.data = parameter.data.to(dtype)
    return backbone


def folder_id(folder: Path, pieces: Collection[str]) -> str:
    """Twelve hex digits that name the weights of these pieces of a diffusers folder, read in a blink.

    Files are told by their size, their first block (the header of a safetensors file) and a sample of blocks spread
    over the rest, so that embeddings and latents of other weights are not mixed in.
    """
    digest = hashlib.sha256()
    for piece in sorted(pieces):
        for path in sorted((folder / piece).glob("*")):
            if path.suffix in (".safetensors", ".json"):
                digest.update(f"{piece}/{path.name}/{path.stat().st_size}".encode())
                _sample(path, digest)
    return digest.hexdigest()[:12]


def _sample(path: Path, digest: Any) -> None:
    size = path.stat().st_size
    step = max(_BLOCK_BYTES, size // _SAMPLED_BLOCKS)
    with open(path, "rb") as file:
        for start in range(0, size, step):
            file.seek(start)
            digest.update(file.read(_BLOCK_BYTES))
