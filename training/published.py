"""The published backbones by name: what their folders say about sizes, so that a plan needs no download."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class PublishedBackbone:
    """`transformer` and `vae`: settings of the diffusers classes that differ from the classes' own defaults.

    source: where people get the folder.
    """

    name: str
    family: str
    transformer_class: str
    vae_class: str
    source: str
    transformer: Mapping[str, Any] = field(default_factory=dict)
    vae: Mapping[str, Any] = field(default_factory=dict)


WAN22_TI2V_5B = PublishedBackbone(
    name="wan22-ti2v-5b",
    family="wan",
    transformer_class="WanTransformer3DModel",
    vae_class="AutoencoderKLWan",
    source="Wan-AI/Wan2.2-TI2V-5B-Diffusers on huggingface.co",
    transformer={
        "num_attention_heads": 24,
        "attention_head_dim": 128,
        "in_channels": 48,
        "out_channels": 48,
        "ffn_dim": 14336,
        "num_layers": 30,
        "cross_attn_norm": True,
    },
    vae={
        "base_dim": 160,
        "decoder_base_dim": 256,
        "z_dim": 48,
        "is_residual": True,
        "in_channels": 12,
        "out_channels": 12,
        "patch_size": 2,
        "scale_factor_spatial": 16,
        "latents_mean": [0.0] * 48,
        "latents_std": [1.0] * 48,
    },
)
HUNYUAN_VIDEO15_480P_I2V = PublishedBackbone(
    name="hunyuan-video-1.5-480p-i2v",
    family="hunyuan_video15",
    transformer_class="HunyuanVideo15Transformer3DModel",
    vae_class="AutoencoderKLHunyuanVideo15",
    source="hunyuanvideo-community/HunyuanVideo-1.5-480p_i2v on huggingface.co",
)

PUBLISHED = {backbone.name: backbone for backbone in (WAN22_TI2V_5B, HUNYUAN_VIDEO15_480P_I2V)}
