"""Floating-point operations of a video DiT with and without motion injection, counted on the meta device.

The real diffusers classes run in their published sizes; no weights are made. One block is counted and multiplied by
the number of blocks: what stands around the blocks (patches, text refiner, output) is left out of the base, so the
share printed for the injection is slightly too high rather than too low.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from diffusers.models.transformers.transformer_hunyuan_video15 import (
    HunyuanVideo15RotaryPosEmbed,
    HunyuanVideo15TransformerBlock,
)
from diffusers.models.transformers.transformer_wan import WanRotaryPosEmbed, WanTransformerBlock
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from threedimo_core.backbones import WanBackbone
from threedimo_core.backbones.hunyuan_video15 import HunyuanVideo15Backbone
from threedimo_core.config import InjectionConfig, MotionEncoderConfig
from threedimo_core.injection import AttachedInjection, MotionInjection, Port
from threedimo_core.motion_attention import MotionContext, VideoLayout, motion_context
from threedimo_core.motion_encoder import MotionEncoder

META = torch.device("meta")


@dataclass(frozen=True)
class PublishedDiT:
    """Sizes of a published video DiT, from its `transformer/config.json` and its VAE's strides."""

    name: str
    family: str
    heads: int
    head_dim: int
    ffn_dim: int
    num_blocks: int
    latent_channels: int
    spatial_stride: int
    patch: int
    text_tokens: int
    port: Port

    @property
    def hidden_dim(self) -> int:
        return self.heads * self.head_dim

    def latent_size(self, frames: int, height: int, width: int) -> tuple[int, int, int]:
        """Latent frames, rows and columns; raises where the picture is off the backbone's grid."""
        step = self.spatial_stride * self.patch
        if frames % 4 != 1 or height % step or width % step:
            raise ValueError(
                f"{self.name} takes 4n + 1 frames and sizes in multiples of {step}, "
                f"got {frames} frames of {height} × {width}"
            )
        return (frames - 1) // 4 + 1, height // self.spatial_stride, width // self.spatial_stride


WAN22_TI2V_5B = PublishedDiT(
    name="Wan2.2-TI2V-5B",
    family="wan",
    heads=24,
    head_dim=128,
    ffn_dim=14336,
    num_blocks=30,
    latent_channels=48,
    spatial_stride=16,
    patch=2,
    text_tokens=512,
    port=WanBackbone.port,
)
HUNYUAN_VIDEO15 = PublishedDiT(
    name="HunyuanVideo-1.5",
    family="hunyuan_video15",
    heads=16,
    head_dim=128,
    ffn_dim=8192,
    num_blocks=54,
    latent_channels=65,
    spatial_stride=16,
    patch=1,
    text_tokens=1000 + 256 + 729,  # Qwen2.5-VL, ByT5 and picture tokens, padding included
    port=HunyuanVideo15Backbone.port,
)


@dataclass(frozen=True)
class InjectionCost:
    """FLOPs of one forward of all blocks for one clip, and parameters of the injection."""

    model: str
    frames: int
    height: int
    width: int
    inner_dim: int
    video_tokens: int
    base_flops: int
    injection_flops: int
    injection_parameters: int

    @property
    def share(self) -> float:
        """Injection as a share of the blocks without it."""
        return self.injection_flops / self.base_flops


def _wan_block(model: PublishedDiT, latent: tuple[int, int, int]) -> tuple[nn.Module, dict[str, Any]]:
    dim, (frames, rows, columns) = model.hidden_dim, latent
    tokens = frames * (rows // model.patch) * (columns // model.patch)
    block = WanTransformerBlock(dim, model.ffn_dim, model.heads, "rms_norm_across_heads", cross_attn_norm=True)
    rope = WanRotaryPosEmbed(model.head_dim, (1, model.patch, model.patch), 1024)
    inputs = {
        "hidden_states": torch.empty(1, tokens, dim),
        "encoder_hidden_states": torch.empty(1, model.text_tokens, dim),
        "temb": torch.empty(1, tokens, 6, dim),  # a timestep per token: the clean reference frame has t = 0
        "rotary_emb": rope(torch.empty(1, model.latent_channels, *latent)),
    }
    return block, inputs


def _hunyuan_block(model: PublishedDiT, latent: tuple[int, int, int]) -> tuple[nn.Module, dict[str, Any]]:
    dim, (frames, rows, columns) = model.hidden_dim, latent
    block = HunyuanVideo15TransformerBlock(model.heads, model.head_dim, mlp_ratio=model.ffn_dim / dim)
    rope = HunyuanVideo15RotaryPosEmbed(model.patch, 1, [16, 56, 56])
    inputs = {
        "hidden_states": torch.empty(1, frames * rows * columns, dim),
        "encoder_hidden_states": torch.empty(1, model.text_tokens, dim),
        "temb": torch.empty(1, dim),
        "attention_mask": torch.empty(1, model.text_tokens, dtype=torch.bool),
        "freqs_cis": rope(torch.empty(1, model.latent_channels, *latent)),
    }
    return block, inputs


def _on_meta(context: MotionContext) -> MotionContext:
    tensors: dict[str, Any] = {
        name: value.to(META) for name, value in vars(context).items() if isinstance(value, Tensor)
    }
    return replace(context, **tensors)


def _flops(run: Any) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        run()
    return int(counter.get_total_flops())


def injection_cost(
    model: PublishedDiT,
    frames: int,
    height: int,
    width: int,
    encoder: MotionEncoderConfig,
    inner_dim: int = 1024,
) -> InjectionCost:
    """Count one clip of `frames` × `height` × `width` through all blocks, with and without injection."""
    latent = model.latent_size(frames, height, width)
    build = _wan_block if model.family == "wan" else _hunyuan_block
    with META:
        block, inputs = build(model, latent)
    tokens = inputs["hidden_states"].shape[1]
    config = InjectionConfig(
        hidden_dim=model.hidden_dim,
        num_blocks=1,
        token_dim=encoder.token_dim,
        num_tokens=encoder.num_tokens,
        inner_dim=inner_dim,
    )
    motion = torch.zeros(1, frames, encoder.num_tokens, encoder.token_dim)
    context = motion_context(motion, VideoLayout(latent[0], tokens // latent[0]), config)
    forward = partial(block, **inputs)
    base = _flops(forward)
    with META:
        injection = MotionInjection(config)
    attached = AttachedInjection(nn.ModuleList([block]), injection, model.port)
    with attached.motion(_on_meta(context)):
        injected = _flops(forward)
    parameters = sum(p.numel() for p in injection.layers.parameters())
    return InjectionCost(
        model=model.name,
        frames=frames,
        height=height,
        width=width,
        inner_dim=inner_dim,
        video_tokens=tokens,
        base_flops=base * model.num_blocks,
        injection_flops=(injected - base) * model.num_blocks,
        injection_parameters=parameters * model.num_blocks,
    )


def encoder_flops(config: MotionEncoderConfig, frames: int) -> int:
    """FLOPs of encoding one clip, both hands in every frame; paid once a clip, not once a step."""
    with META:
        encoder = MotionEncoder(config)
        images = torch.empty(1, frames, 3, config.body.image_size, config.body.image_size)
        size = config.hand.image_size if config.hand else 1
        hands = torch.empty(1, frames, 2, 3, size, size) if config.hand else None
    return _flops(partial(encoder, images, hands))
