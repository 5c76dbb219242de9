"""The parts of a recipe put together: encoder, motion layers, D_g and the backbone, ready to train."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from threedimo_core.backbones import Backbone
from threedimo_core.backbones.loading import load_backbone
from threedimo_core.checkpoint import load_adapter
from threedimo_core.geometric_decoder import GeometricDecoder, GeometricDecoderConfig
from threedimo_core.motion_encoder import FrameTokenizer, MotionEncoder

from .controls.parts import build_encoder, build_injection
from .landmarks import LandmarkHead
from .recipe import Lora, Recipe, RecipeError
from .trainee import Trainee

LORA_NAME = "threedimo"
_LORA_TARGETS = ("to_q", "to_k", "to_v", "to_out.0")
# Embeds the timestep; diffusers keeps its weights in float32, and autocast must not undo that.
_PRECISE = ("condition_embedder.time_embedder", "time_embed")


def build_trainee(recipe: Recipe, backbone: Backbone) -> Trainee:
    """All parts of a recipe, freshly initialised from its seed, on the device the default is.

    What no stage trains is frozen. Low-rank updates go into the transformer before the motion layers are hung into
    its blocks, whose linear layers must not get any.
    """
    torch.manual_seed(recipe.seed + 1)
    encoder = build_encoder(recipe)
    injection = build_injection(recipe, backbone, encoder)
    decoder = GeometricDecoderConfig(
        token_dim=recipe.encoder.token_dim,
        body_tokens=recipe.encoder.num_body_tokens,
        hand_tokens=recipe.encoder.num_hand_tokens // 2,
        hidden_dim=recipe.geometric.hidden_dim,
        depth=recipe.geometric.depth,
    )
    geometric = GeometricDecoder(decoder) if recipe.geometric.start and isinstance(encoder, MotionEncoder) else None
    if "lora" in recipe.dit:
        add_lora(backbone.transformer, recipe.lora)
    trains_text = recipe.backbone == "mini" and "full" in recipe.dit
    guided = encoder if recipe.geometric.landmarks > 0 and isinstance(encoder, MotionEncoder) else None
    trainee = Trainee(
        backbone,
        encoder,
        injection,
        geometric,
        recipe.flow.person_weight,
        trains_text,
        recipe.geometric.follow,
        LandmarkHead(guided.body) if guided is not None else None,
    )
    _freeze(trainee, recipe)
    if recipe.precision != "no" and recipe.backbone != "mini":
        _keep_precise(backbone.transformer)
    if recipe.gradient_checkpointing:
        checkpoint_blocks(trainee)
    return trainee


# --- what trains ------------------------------------------------------------------------------------------


def part_of(name: str) -> str:
    """encoder, motion, lora or dit: which switch of `Trains` a parameter of the trainee belongs to."""
    top = name.split(".", 1)[0]
    if top == "transformer":
        return "lora" if ".lora_" in name else "dit"
    return {"injection": "motion", "text_encoder": "dit"}.get(top, "encoder")


def trained_parts(stage: Any) -> set[str]:
    """The parts that a stage trains, in the words of `part_of`."""
    dit = {"full": {"dit"}, "lora": {"lora"}, "frozen": set()}[stage.train.dit]
    own = {name for name, on in (("encoder", stage.train.encoder), ("motion", stage.train.motion)) if on}
    return own | dit


def _freeze(trainee: Trainee, recipe: Recipe) -> None:
    trained = set().union(*(trained_parts(stage) for stage in recipe.stages))
    for name, parameter in trainee.named_parameters():
        parameter.requires_grad_(part_of(name) in trained)


def add_lora(transformer: nn.Module, lora: Lora) -> None:
    """Low-rank updates, in float32, of the linear layers of the blocks whose names end like `lora.targets`."""
    from peft import LoraConfig

    ends = "|".join(re.escape(target) for target in lora.targets or _LORA_TARGETS)
    config = LoraConfig(
        r=lora.rank, lora_alpha=lora.alpha or lora.rank, target_modules=rf"(transformer_)?blocks\.\d+\.(.*\.)?({ends})"
    )
    try:
        transformer.add_adapter(config, adapter_name=LORA_NAME)  # type: ignore[operator]
    except ValueError as error:
        raise RecipeError(f"lora.targets {list(lora.targets)} match no layer of this backbone: {error}") from error
    for name, parameter in transformer.named_parameters():
        if ".lora_" in name:
            parameter.data = parameter.data.float()


# --- how it runs ------------------------------------------------------------------------------------------


def _keep_precise(transformer: nn.Module) -> None:
    for name in _PRECISE:
        parent, _, child = name.rpartition(".")
        owner = transformer.get_submodule(parent) if not parent or hasattr(transformer, parent) else None
        module = getattr(owner, child, None)
        if module is not None:
            module.forward = partial(_without_autocast, module.forward)


def _without_autocast(forward: Any, value: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
    with torch.autocast(value.device.type, enabled=False):
        return forward(value.float(), *args, **kwargs)


def checkpoint_blocks(trainee: Trainee) -> None:
    """Keep only what enters the blocks of DiT and encoder; the backward pass runs them again.

    Never the reentrant kind: it loses the gradients of what blocks read beside their arguments, the motion tokens.
    """
    trainee.transformer.enable_gradient_checkpointing()
    trainee.transformer.train()
    checkpoint_tokenizers(trainee.encoder)


def checkpoint_tokenizers(encoder: nn.Module) -> None:
    """The same for the blocks and stems of an encoder."""
    for tokenizer in encoder.children():
        if isinstance(tokenizer, FrameTokenizer):
            for part in (tokenizer.stem, *tokenizer.blocks):
                part.forward = partial(checkpoint, part.forward, use_reentrant=False)


# --- where it starts --------------------------------------------------------------------------------------


def load_weights(trainee: Trainee, folder: Path, whole: bool) -> None:
    """Start from an exported model: its adapter, and for the mini (`whole`) its generator as well."""
    adapter = load_adapter(folder / "adapter.safetensors")
    for part, module in adapter.modules().items():
        own = getattr(trainee, part)
        if own is not None:
            own.load_state_dict(module.state_dict())
    if whole:
        source = load_backbone(folder, torch.float32)
        with trainee.detached():
            trainee.transformer.load_state_dict(source.transformer.state_dict())
        if trainee.text_encoder is not None:
            trainee.text_encoder.load_state_dict(source.text_encoder.state_dict())
