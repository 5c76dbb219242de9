"""Tiny models of the host's real classes, with the same weights as tiny models of diffusers' classes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import comfy.model_management
import comfy.supported_models
import torch
from diffusers import AutoencoderKLWan, FlowMatchEulerDiscreteScheduler
from hunyuan_keys import host_hunyuan_keys
from threedimo_pack.nodes.holding import LoadedModel, hold_adapter, patcher_kind
from threedimo_pack.nodes.mini_pipeline import MiniWan, _host_settings
from threedimo_pack.nodes.wan_keys import host_transformer_keys
from tiny_models import RECORD, adapter_for, hunyuan_transformer, random_motion, wan_transformer
from transformers import UMT5Config, UMT5EncoderModel

from threedimo_core.backbones import WanBackbone
from threedimo_core.backbones.base import Backbone
from threedimo_core.backbones.hunyuan_video15 import HunyuanVideo15Backbone
from threedimo_core.backbones.loading import save_backbone
from threedimo_core.checkpoint import Adapter, save_adapter
from threedimo_core.mini_tokenizer import build_tokenizer

MINI_RECORD = replace(RECORD, text_grammar="camera_language", fps=12.0, height=64, width=64, num_frames=17)
SHIFT = 2.0


def mini_vae() -> AutoencoderKLWan:
    """Wan 2.1's layout at the least width, so that the host builds the same."""
    torch.manual_seed(1)
    return AutoencoderKLWan(base_dim=8, z_dim=16).eval()


def mini_backbone(**settings: Any) -> WanBackbone:
    """The mini's architecture at tiny size."""
    tokenizer = build_tokenizer()
    torch.manual_seed(2)
    text = UMT5EncoderModel(
        UMT5Config(vocab_size=len(tokenizer), d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2)
    )
    sizes = {"in_channels": 16, "out_channels": 16, "text_dim": 16, "dim": 32, **settings}
    return WanBackbone(
        wan_transformer(**sizes), mini_vae(), text.eval(), tokenizer, FlowMatchEulerDiscreteScheduler(shift=SHIFT)
    )


def write_mini(folder: Path, backbone: WanBackbone | None = None) -> Path:
    """A folder as the mini ships in, with its adapter."""
    backbone = backbone or mini_backbone()
    save_backbone(backbone, folder, torch.float16)
    save_adapter(folder / "adapter.safetensors", adapter_for(backbone, record=MINI_RECORD), torch.float16)
    return folder


def hold(adapter: Adapter, folder: Path) -> LoadedModel:
    """The adapter as Load 3DiMo would give it."""
    return hold_adapter(save_adapter(folder / "adapter.safetensors", adapter), "tiny")


def patcher(base: Any) -> Any:
    return patcher_kind()(
        base,
        load_device=comfy.model_management.get_torch_device(),
        offload_device=comfy.model_management.unet_offload_device(),
    )


def host_wan(transformer: Any, kind: type = MiniWan, dtype: torch.dtype = torch.float32) -> Any:
    """A MODEL with the weights of a diffusers WanTransformer3DModel."""
    config = kind(_host_settings(dict(transformer.config)))
    config.sampling_settings = {"shift": SHIFT}
    config.set_inference_dtype(dtype, torch.float32 if dtype != torch.float32 else None)
    base = config.get_model({}, "", device=torch.device("cpu"))
    weights = host_transformer_keys(transformer.state_dict())
    assert set(weights) == set(base.diffusion_model.state_dict())
    base.load_model_weights({name: value.clone() for name, value in weights.items()}, "")
    return patcher(base)


class TinyHunyuan:
    """The parts of a HunyuanVideo15Backbone that a forward needs."""

    def __new__(cls, dim: int = 32, blocks: int = 2) -> HunyuanVideo15Backbone:
        transformer = hunyuan_transformer(
            dim, blocks, in_channels=65, out_channels=32, text_embed_2_dim=1472, num_refiner_layers=2, mlp_ratio=4.0
        )
        vae = type("NoVae", (), {"config": type("Config", (), {
            "latent_channels": 32, "spatial_compression_ratio": 16, "temporal_compression_ratio": 4})()})()  # fmt: skip
        parts: dict[str, Any] = dict.fromkeys(
            ("text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2", "image_encoder", "feature_extractor")
        )
        return HunyuanVideo15Backbone(
            transformer=transformer, vae=vae, scheduler=FlowMatchEulerDiscreteScheduler(shift=5.0), **parts
        )


def host_hunyuan(transformer: Any) -> Any:
    """A MODEL with the weights of a diffusers HunyuanVideo15Transformer3DModel."""
    settings = transformer.config
    config = comfy.supported_models.HunyuanVideo15(
        {
            "image_model": "hunyuan_video",
            "in_channels": settings.in_channels,
            "out_channels": settings.out_channels,
            "vec_in_dim": None,
            "context_in_dim": settings.text_embed_dim,
            "hidden_size": settings.num_attention_heads * settings.attention_head_dim,
            "mlp_ratio": settings.mlp_ratio,
            "num_heads": settings.num_attention_heads,
            "depth": settings.num_layers,
            "depth_single_blocks": 0,
            "axes_dim": list(settings.rope_axes_dim),
            "theta": 256,
            "patch_size": [1, 1, 1],
            "qkv_bias": True,
            "guidance_embed": False,
            "byt5": True,
            "meanflow": False,
            "use_cond_type_embedding": True,
            "vision_in_dim": settings.image_embed_dim,
            "meanflow_sum": False,
        }
    )
    config.sampling_settings = {"shift": 5.0}
    config.set_inference_dtype(torch.float32, None)
    base = config.get_model({}, "", device=torch.device("cpu"))
    own = base.diffusion_model.state_dict()
    weights = host_hunyuan_keys(transformer.state_dict(), own)
    assert set(weights) == set(own), set(weights) ^ set(own)
    base.load_model_weights({k: v.clone() for k, v in weights.items()}, "")
    return patcher(base)


def motion_of(adapter: Adapter, frames: int = 17, seed: int = 0) -> Any:
    """A motion as the pack's own class: the pack runs under a name of its own, and so do its classes."""
    from threedimo_pack.threedimo_core.motion_clip import MotionClip

    clip = random_motion(adapter, frames, seed)
    names = ("body", "hands", "hand_present", "fps", "encoder_id", "source_size")
    return MotionClip(**{name: getattr(clip, name) for name in names})


def conditioning(tokens: int = 8, width: int = 16, seed: int = 0, **options: Any) -> list[Any]:
    generator = torch.Generator().manual_seed(100 + seed)
    return [[torch.randn(1, tokens, width, generator=generator), dict(options)]]


BACKBONES: dict[str, Any] = {"wan": mini_backbone, "hunyuan_video15": TinyHunyuan}


def host_model(backbone: Backbone) -> Any:
    return host_wan(backbone.transformer) if backbone.family == "wan" else host_hunyuan(backbone.transformer)
