"""What a MODEL of the host is to us: its family, its sizes and the places where motion enters its blocks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import comfy.ldm.hunyuan_video.model
import comfy.ldm.wan.model
import comfy.model_base
from torch import Tensor, nn

from ..threedimo_core.backbones.base import BackboneDims
from ..threedimo_core.checkpoint import Adapter, AdapterError
from ..threedimo_core.motion_attention import VideoLayout

FRAMES_PER_LATENT = 4  # of every video VAE these families use


@dataclass(frozen=True)
class HostBackbone:
    """family, dims: as in an adapter file. blocks, norm: names of the list of blocks and, in a block, of the norm that
    reads the residual right after self-attention."""

    family: str
    dims: BackboneDims
    blocks: str
    norm: str

    def norms(self, diffusion_model: nn.Module) -> list[nn.Module]:
        return [getattr(block, self.norm) for block in getattr(diffusion_model, self.blocks)]

    def layout(self, latents: Tensor) -> VideoLayout:
        """Latents [B, C, L, h, w] as the transformer sees them; it pads odd sides."""
        frames, height, width = (math.ceil(n / p) for n, p in zip(latents.shape[2:], self.dims.patch_size, strict=True))
        return VideoLayout(frames, height * width)

    def tokens_before(self, diffusion_model: Any, conditions: dict[str, Any]) -> int:
        """Tokens of a reference picture that stand before the clip's own, where a conditioning brings one."""
        name = "reference_latent" if self.family == "wan" else "ref_latent"
        reference = conditions.get(name)
        if reference is None or getattr(diffusion_model, "ref_conv", True) is None:
            return 0
        height, width = (math.ceil(n / p) for n, p in zip(reference.shape[-2:], self.dims.patch_size[1:], strict=True))
        return height * width * (reference.shape[2] if reference.ndim == 5 else 1)


def identify(model: Any) -> HostBackbone | None:
    """The backbone of a host's MODEL, None where 3DiMo does not know it.

    Models of the same classes that lay their tokens out in another way (VACE, Animate, S2V, ...) are not known.
    """
    base, transformer = model.model, model.get_model_object("diffusion_model")
    kinds = (type(base), type(transformer))
    wan, hunyuan = comfy.ldm.wan.model.WanModel, comfy.ldm.hunyuan_video.model.HunyuanVideo
    if kinds in ((comfy.model_base.WAN21, wan), (comfy.model_base.WAN22, wan)):
        dims = _dims(transformer.dim, len(transformer.blocks), transformer.out_dim, transformer.patch_size)
        return HostBackbone("wan", dims, "blocks", "norm3")
    if kinds == (comfy.model_base.HunyuanVideo15, hunyuan):
        blocks = len(transformer.double_blocks)
        dims = _dims(transformer.hidden_size, blocks, transformer.out_channels, transformer.patch_size)
        return HostBackbone("hunyuan_video15", dims, "double_blocks", "img_norm2")
    return None


def require_fit(model: Any, adapter: Adapter, name: str) -> HostBackbone:
    """The backbone of a MODEL that the adapter was trained for; AdapterError names both sides otherwise."""
    backbone = identify(model)
    if backbone is None:
        raise AdapterError(
            f"this MODEL is a {describe(model)}, the 3DiMo model '{name}' was trained for {adapter.family} "
            f"({adapter.dims}). 3DiMo works with Wan 2.1 and 2.2 (T2V, I2V, TI2V-5B) and HunyuanVideo-1.5: load one of "
            "them, with the 3DiMo model that was trained for it"
        )
    adapter.check_dims(backbone.family, backbone.dims)
    return backbone


def describe(model: Any) -> str:
    """The host's own names for a MODEL: "SDXL (UNetModel)"."""
    return f"{type(model.model).__name__} ({type(model.get_model_object('diffusion_model')).__name__})"


def _dims(width: int, blocks: int, channels: int, patch: Any) -> BackboneDims:
    patch_size = (int(patch[0]), int(patch[1]), int(patch[2]))
    return BackboneDims(
        hidden_dim=width,
        num_blocks=blocks,
        latent_channels=channels,
        patch_size=patch_size,
        frames_per_latent=FRAMES_PER_LATENT,
    )
