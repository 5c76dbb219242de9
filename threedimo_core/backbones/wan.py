"""Wan 2.2 TI2V: a clean reference latent as first latent frame, with a timestep of its own per token (t = 0 there).

The 5B model and the bundled mini are the same classes of diffusers at different sizes, and load the same way.
"""

from __future__ import annotations

from typing import Any

import torch
from einops import rearrange, repeat
from torch import Tensor, nn

from ..injection import Port
from ..motion_attention import VideoLayout
from .base import Backbone, BackboneDims

MAX_TEXT_TOKENS = 512


class WanBackbone(Backbone):
    """Adapter of diffusers' `WanTransformer3DModel`, `AutoencoderKLWan` and a UMT5 text encoder."""

    family = "wan"
    port = Port(norm="norm2", join="attn2")
    module_names = ("text_encoder", "vae", "transformer")

    def __init__(
        self,
        transformer: Any,
        vae: Any,
        text_encoder: Any,
        tokenizer: Any,
        scheduler: Any,
    ) -> None:
        self.transformer = transformer
        self.vae = vae
        self.text_encoder = text_encoder
        self.tokenizer = tokenizer
        self.scheduler = scheduler

    @property
    def blocks(self) -> nn.ModuleList:
        return self.transformer.blocks

    @property
    def hidden_dim(self) -> int:
        config = self.transformer.config
        return config.num_attention_heads * config.attention_head_dim

    @property
    def dims(self) -> BackboneDims:
        return BackboneDims(
            hidden_dim=self.hidden_dim,
            num_blocks=len(self.blocks),
            latent_channels=self.vae.config.z_dim,
            patch_size=self.transformer.config.patch_size,
            frames_per_latent=self.frames_per_latent,
        )

    @property
    def dtype(self) -> torch.dtype:
        # Not the first parameter: diffusers keeps tables, norms and the time embedding in float32.
        return self.transformer.patch_embedding.weight.dtype

    @property
    def spatial_stride(self) -> int:
        return self.vae.config.scale_factor_spatial

    @property
    def size_multiple(self) -> int:
        return self.spatial_stride * self.transformer.config.patch_size[1]

    @property
    def frames_per_latent(self) -> int:
        return self.vae.config.scale_factor_temporal

    def latent_shape(self, num_frames: int, height: int, width: int) -> tuple[int, int, int, int]:
        stride = self.spatial_stride
        latents = (num_frames - 1) // self.frames_per_latent + 1
        limit, multiple = self.transformer.config.rope_max_seq_len, self.size_multiple
        if max(latents, height // multiple, width // multiple) > limit:
            raise ValueError(
                f"{num_frames} frames of {height} × {width} px are more than this backbone has positions for: at most "
                f"{(limit - 1) * self.frames_per_latent + 1} frames and {limit * multiple} px a side"
            )
        return self.vae.config.z_dim, latents, height // stride, width // stride

    def layout(self, latents: Tensor) -> VideoLayout:
        patch_t, patch_h, patch_w = self.transformer.config.patch_size
        frames, height, width = latents.shape[2:]
        return VideoLayout(frames // patch_t, (height // patch_h) * (width // patch_w))

    def encode_text(self, prompts: list[str]) -> dict[str, Tensor]:
        """Padded with zeros to a fixed length, as Wan was trained."""
        encoder = self.ready("text_encoder")
        length = min(MAX_TEXT_TOKENS, self.tokenizer.model_max_length)
        batch = self.tokenizer(
            prompts, padding="max_length", max_length=length, truncation=True, return_tensors="pt"
        ).to(encoder.device)
        hidden = encoder(batch.input_ids, batch.attention_mask).last_hidden_state
        return {"prompt_embeds": hidden * batch.attention_mask[..., None].to(hidden)}

    def _latent_statistics(self, like: Tensor) -> tuple[Tensor, Tensor]:
        config = self.vae.config
        mean, std = (torch.tensor(v).to(like) for v in (config.latents_mean, config.latents_std))
        return rearrange(mean, "c -> 1 c 1 1 1"), rearrange(std, "c -> 1 c 1 1 1")

    def encode_video(self, frames: Tensor) -> Tensor:
        video = rearrange(frames, "b t c h w -> b c t h w") * 2 - 1
        vae = self.ready("vae")
        latents = vae.encode(video.to(vae.device, vae.dtype)).latent_dist.mode().float()
        mean, std = self._latent_statistics(latents)
        return (latents - mean) / std

    def encode_reference(self, images: Tensor, num_frames: int) -> dict[str, Tensor]:
        return {"first_latent": self.encode_video(images[:, None])}

    def decode(self, latents: Tensor) -> Tensor:
        vae = self.ready("vae")
        mean, std = self._latent_statistics(latents.float())
        latents = (latents.float() * std + mean).to(vae.device, vae.dtype)
        video = vae.decode(latents, return_dict=False)[0].float()
        return rearrange((video.clamp(-1, 1) + 1) / 2, "b c t h w -> b t c h w")

    def generated(self, latents: Tensor) -> Tensor:
        mask = torch.ones_like(latents[:1, :1])
        mask[:, :, 0] = 0
        return mask

    def pin_reference(self, latents: Tensor, reference: dict[str, Tensor]) -> Tensor:
        return torch.cat([reference["first_latent"].to(latents), latents[:, :, 1:]], dim=2)

    def velocity(self, latents: Tensor, sigma: Tensor, text: dict[str, Tensor], reference: dict[str, Tensor]) -> Tensor:
        layout = self.layout(latents)
        latents = self.pin_reference(latents, reference)
        timestep = repeat(sigma * 1000, "b -> b n", n=layout.latent_frames * layout.tokens_per_frame).clone()
        timestep[:, : layout.tokens_per_frame] = 0
        transformer, device, dtype = self.ready("transformer"), self.device, self.dtype
        return transformer(
            hidden_states=latents.to(device, dtype),
            timestep=timestep.to(device),
            encoder_hidden_states=text["prompt_embeds"].to(device, dtype),
            return_dict=False,
        )[0].float()
