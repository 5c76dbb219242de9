"""The bundled mini as the host's own MODEL, CLIP and VAE, built from its diffusers folder.

It has Wan 2.2's architecture (the reference as clean first latent frame), Wan 2.1's VAE and latent statistics at small
width, and a two-layer UMT5 that reads camera language. The host detects none of these sizes from weights, so they
are taken from the folder's settings.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import comfy.latent_formats
import comfy.model_management
import comfy.sd
import comfy.supported_models
import comfy.utils
import torch
from torch import Tensor

from ..threedimo_core.backbones.base import BackboneError
from .holding import patcher_kind
from .mini_text import text_target
from .wan_keys import host_transformer_keys, host_vae_keys

_WEIGHTS = "diffusion_pytorch_model.safetensors"
# In a VAE's settings: what the host assumes of every VAE with Wan 2.1's keys.
_VAE_LAYOUT = {"z_dim": 16, "dim_mult": [1, 2, 4, 4], "num_res_blocks": 2, "is_residual": False}


class MiniLatents(comfy.latent_formats.Wan21):
    """Wan 2.1's statistics; its preview colours would be wrong, as this VAE was trained apart."""

    latent_rgb_factors = None
    latent_rgb_factors_bias = None
    taesd_decoder_name = None


class MiniWan(comfy.supported_models.WAN22_T2V):
    """Wan 2.2 TI2V on 16 latent channels."""

    latent_format = MiniLatents


def load_mini(folder: Path) -> tuple[Any, Any, Any]:
    """MODEL, CLIP and VAE; BackboneError names what is missing or does not fit."""
    return load_model(folder), load_clip(folder), load_vae(folder)


def load_model(folder: Path) -> Any:
    """The transformer in float32: it is small, and gives the same on every device."""
    settings = read_settings(folder / "transformer" / "config.json")
    shift = float(read_settings(folder / "scheduler" / "scheduler_config.json").get("shift", 1.0))
    config = MiniWan(_host_settings(settings))
    config.sampling_settings = {"shift": shift}
    config.set_inference_dtype(torch.float32, None)
    base = config.get_model({}, "", device=comfy.model_management.unet_offload_device())
    weights = host_transformer_keys(read_weights(folder / "transformer" / _WEIGHTS))
    require_same_names(weights, base.diffusion_model.state_dict(), folder / "transformer")
    base.load_model_weights({name: value.float() for name, value in weights.items()}, "")
    return patcher_kind()(
        base,
        load_device=comfy.model_management.get_torch_device(),
        offload_device=comfy.model_management.unet_offload_device(),
    )


def load_clip(folder: Path) -> Any:
    weights = read_weights(folder / "text_encoder" / "model.safetensors")
    weights.pop("encoder.embed_tokens.weight", None)  # the same as `shared`
    target = text_target(read_settings(folder / "text_encoder" / "config.json"), folder / "tokenizer")
    clip = comfy.sd.CLIP(target, model_options={"dtype": torch.float32})
    encoder = clip.cond_stage_model.encoder_of_text()
    require_same_names(weights, encoder.state_dict(), folder / "text_encoder")
    clip.load_sd({name: value.float() for name, value in weights.items()})
    return clip


def load_vae(folder: Path) -> Any:
    settings = read_settings(folder / "vae" / "config.json")
    odd = {name: settings.get(name) for name, wanted in _VAE_LAYOUT.items() if settings.get(name, wanted) != wanted}
    if odd:
        raise BackboneError(f"{folder / 'vae'}: the host builds Wan 2.1's VAE only; this one has {odd}")
    weights = host_vae_keys(read_weights(folder / "vae" / _WEIGHTS))
    vae = comfy.sd.VAE(sd={name: value.float() for name, value in weights.items()}, dtype=torch.float32)
    require_same_names(weights, vae.first_stage_model.state_dict(), folder / "vae")
    return vae


def _host_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """diffusers' settings of a Wan transformer in the host's words."""
    return {
        "image_model": "wan2.1",
        "model_type": "t2v",
        "dim": settings["num_attention_heads"] * settings["attention_head_dim"],
        "ffn_dim": settings["ffn_dim"],
        "freq_dim": settings["freq_dim"],
        "in_dim": settings["in_channels"],
        "out_dim": settings["out_channels"],
        "num_heads": settings["num_attention_heads"],
        "num_layers": settings["num_layers"],
        "patch_size": tuple(settings["patch_size"]),
        "text_dim": settings["text_dim"],
        "cross_attn_norm": settings["cross_attn_norm"],
        "eps": settings["eps"],
    }


def read_settings(path: Path) -> dict[str, Any]:
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BackboneError(f"{path}: missing or damaged ({error}); install the pack again") from error
    if not isinstance(settings, dict):
        raise BackboneError(f"{path}: damaged (not a table); install the pack again")
    return settings


def read_weights(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise BackboneError(f"{path}: missing; install the pack again")
    return dict(comfy.utils.load_torch_file(str(path), safe_load=True))


def require_same_names(given: dict[str, Tensor], wanted: dict[str, Tensor], folder: Path) -> None:
    """The host would only log what is missing, and go on with random weights."""
    missing, odd = sorted(set(wanted) - set(given)), sorted(set(given) - set(wanted))
    if missing or odd:
        raise BackboneError(
            f"{folder}: {len(missing)} weights are missing (such as {missing[:1]}) and {len(odd)} are not known to "
            f"the host (such as {odd[:1]}): this pack and its mini are of different versions; install the pack again"
        )
