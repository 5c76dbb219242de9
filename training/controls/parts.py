"""Encoder and injection of each control, and how an injection is hung into a backbone."""

from __future__ import annotations

from typing import Any

from torch import nn

from threedimo_core.backbones import Backbone
from threedimo_core.injection import AttachedInjection, MotionInjection
from threedimo_core.motion_encoder import MotionEncoder

from ..recipe import Recipe
from .channels import AttachedChannels, ChannelInjection
from .pose_picture import PosePictureTokens
from .smpl import SmplTokens


def build_encoder(recipe: Recipe) -> nn.Module:
    """The encoder that a recipe's control reads its motion with."""
    if recipe.control == "smpl":
        return SmplTokens(recipe.encoder.num_body_tokens, recipe.encoder.token_dim)
    if recipe.control == "pose_2d":
        return PosePictureTokens(recipe.encoder.body.image_size, recipe.encoder.token_dim)
    return MotionEncoder(recipe.encoder)


def build_injection(recipe: Recipe, backbone: Backbone, encoder: nn.Module) -> nn.Module:
    """Cross-attention in every block, or channels in front of the first."""
    config = backbone.injection_config(
        recipe.encoder.token_dim,
        num_tokens_of(recipe, encoder),
        inner_dim=recipe.injection.inner_dim,
        head_dim=recipe.injection.head_dim,
        window=recipe.injection.window,
    )
    if recipe.control in ("channels", "pose_2d"):
        return ChannelInjection(config, encoder.cells if isinstance(encoder, PosePictureTokens) else None)
    return MotionInjection(config)


def num_tokens_of(recipe: Recipe, encoder: nn.Module) -> int:
    """Tokens of a frame."""
    if isinstance(encoder, SmplTokens):
        return encoder.num_tokens
    return encoder.cells**2 if isinstance(encoder, PosePictureTokens) else recipe.encoder.num_tokens


def attach(backbone: Backbone, injection: Any) -> AttachedInjection | AttachedChannels:
    """The injection's live hooks."""
    if isinstance(injection, ChannelInjection):
        return AttachedChannels(backbone, injection)
    return AttachedInjection(backbone.blocks, injection, backbone.port)
