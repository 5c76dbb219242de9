"""HunyuanVideo-1.5 480p image-to-video: joint attention over video and text, the reference by channels.

- The transformer reads 65 channels: 32 noisy latents, 32 of the condition (the reference's latent in frame 0, zeros
  after it) and a mask that is 1 in frame 0; the same picture comes again as SigLIP tokens beside the text.
- Text is read by Qwen2.5-VL behind a fixed instruction, and what stands in quotes by ByT5 (glyphs).
- Two departures from diffusers that leave the results alone: a key-only attention mask (`KeyMaskProcessor`), and the
  time embedding in float32, since bfloat16 rounds timestep 998 to 1000.
"""

from __future__ import annotations

import re
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from torch import Tensor, nn

from ..injection import Port
from ..motion_attention import VideoLayout
from .base import Backbone, BackboneDims, BackboneError
from .hunyuan_attention import KeyMaskProcessor

# The instruction the model was trained behind; its spaces and the tokens cut off belong to it.
_SYSTEM = (
    "You are a helpful assistant. Describe the video by detailing the following aspects:         "
    "1. The main content and theme of the video.         "
    "2. The color, shape, size, texture, quantity, text, and spatial relationships of the objects.         "
    "3. Actions, events, behaviors temporal relationships, physical movement changes of the objects.         "
    "4. background environment, light, style and atmosphere.         "
    "5. camera angles, movements, and transitions used in the video."
)
_INSTRUCTION_TOKENS = 108
_MAX_TEXT_TOKENS = 1000
_MAX_GLYPH_TOKENS = 256
_TEXT_LAYER = -3
_QUOTED = re.compile(r'"(.*?)"|“(.*?)”')


class HunyuanVideo15Backbone(Backbone):
    """Adapter of diffusers' `HunyuanVideo15Transformer3DModel` and the encoders in its folder."""

    family = "hunyuan_video15"
    # The block joins its residual at its own output; the video stream comes first in it.
    port = Port(norm="norm2", join=None)
    module_names = ("text_encoder", "text_encoder_2", "image_encoder", "vae", "transformer")

    def __init__(
        self,
        transformer: Any,
        vae: Any,
        text_encoder: Any,
        tokenizer: Any,
        text_encoder_2: Any,
        tokenizer_2: Any,
        image_encoder: Any,
        feature_extractor: Any,
        scheduler: Any,
    ) -> None:
        """Installs the key-only mask and the float32 time embedding on the transformer.

        Raises BackboneError for the text-to-video and the step-distilled models, which have no reference or another
        kind of timestep.
        """
        _require_image_to_video(transformer)
        self.transformer = transformer
        self.vae = vae
        self.text_encoder = text_encoder
        self.tokenizer = tokenizer
        self.text_encoder_2 = text_encoder_2
        self.tokenizer_2 = tokenizer_2
        self.image_encoder = image_encoder
        self.feature_extractor = feature_extractor
        self.scheduler = scheduler
        self._attention = KeyMaskProcessor()
        for block in transformer.transformer_blocks:
            block.attn.set_processor(self._attention)
        transformer.time_embed.float().register_forward_hook(self._time_embedding_type)

    def _time_embedding_type(self, module: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor:
        return output.to(self.dtype)

    @property
    def blocks(self) -> nn.ModuleList:
        return self.transformer.transformer_blocks

    @property
    def hidden_dim(self) -> int:
        config = self.transformer.config
        return config.num_attention_heads * config.attention_head_dim

    @property
    def dims(self) -> BackboneDims:
        config = self.transformer.config
        return BackboneDims(
            hidden_dim=self.hidden_dim,
            num_blocks=len(self.blocks),
            latent_channels=self.vae.config.latent_channels,
            patch_size=(config.patch_size_t, config.patch_size, config.patch_size),
            frames_per_latent=self.frames_per_latent,
        )

    @property
    def dtype(self) -> torch.dtype:
        return self.transformer.x_embedder.proj.weight.dtype

    @property
    def spatial_stride(self) -> int:
        return self.vae.config.spatial_compression_ratio

    @property
    def size_multiple(self) -> int:
        return self.spatial_stride * self.transformer.config.patch_size

    @property
    def frames_per_latent(self) -> int:
        return self.vae.config.temporal_compression_ratio

    def latent_shape(self, num_frames: int, height: int, width: int) -> tuple[int, int, int, int]:
        stride = self.spatial_stride
        latents = (num_frames - 1) // self.frames_per_latent + 1
        return self.vae.config.latent_channels, latents, height // stride, width // stride

    def layout(self, latents: Tensor) -> VideoLayout:
        config = self.transformer.config
        frames, height, width = latents.shape[2:]
        return VideoLayout(frames // config.patch_size_t, (height // config.patch_size) * (width // config.patch_size))

    # --- text -------------------------------------------------------------------------------------------------

    def encode_text(self, prompts: list[str]) -> dict[str, Tensor]:
        """`prompt_embeds` [B, 1000, D] and `glyph_embeds` [B, 256, D'], each with a mask of what is not padding."""
        embeds, mask = self._encode_prompt(prompts)
        glyphs, glyph_mask = self._encode_glyphs(prompts)
        return {"prompt_embeds": embeds, "prompt_mask": mask, "glyph_embeds": glyphs, "glyph_mask": glyph_mask}

    def _encode_prompt(self, prompts: list[str]) -> tuple[Tensor, Tensor]:
        chats = [
            [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": prompt or " "}] for prompt in prompts
        ]
        encoder = self.ready("text_encoder")
        batch = self.tokenizer.apply_chat_template(
            chats,
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            padding="max_length",
            max_length=_MAX_TEXT_TOKENS + _INSTRUCTION_TOKENS,
            truncation=True,
            return_tensors="pt",
        ).to(encoder.device)
        output = encoder(
            input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], output_hidden_states=True
        )
        cut = slice(_INSTRUCTION_TOKENS, None)
        return output.hidden_states[_TEXT_LAYER][:, cut], batch["attention_mask"][:, cut].bool()

    def _encode_glyphs(self, prompts: list[str]) -> tuple[Tensor, Tensor]:
        """What the prompt wants to see written; nothing at all for a prompt without quotes."""
        encoder = self.ready("text_encoder_2")
        width, like = encoder.config.d_model, next(encoder.parameters())
        embeds = like.new_zeros(len(prompts), _MAX_GLYPH_TOKENS, width)
        mask = torch.zeros(len(prompts), _MAX_GLYPH_TOKENS, dtype=torch.bool, device=like.device)
        for row, text in enumerate(map(_glyph_text, prompts)):
            if text:
                batch = self.tokenizer_2(
                    text, padding="max_length", max_length=_MAX_GLYPH_TOKENS, truncation=True, return_tensors="pt"
                ).to(like.device)
                hidden = encoder(input_ids=batch.input_ids, attention_mask=batch.attention_mask.float())[0]
                embeds[row], mask[row] = hidden[0], batch.attention_mask[0].bool()
        return embeds, mask

    # --- pictures ---------------------------------------------------------------------------------------------

    def encode_video(self, frames: Tensor) -> Tensor:
        vae = self.ready("vae")
        video = rearrange(frames, "b t c h w -> b c t h w") * 2 - 1
        latents = vae.encode(video.to(vae.device, vae.dtype)).latent_dist.mode()
        return latents.float() * vae.config.scaling_factor

    def encode_reference(self, images: Tensor, num_frames: int) -> dict[str, Tensor]:
        """`image_latent` [B, C, 1, h, w] and `image_embeds` [B, tokens, D] of SigLIP."""
        latent = self.encode_video(images[:, None])
        encoder = self.ready("image_encoder")
        pixels = siglip_pixels(images, self.feature_extractor).to(next(encoder.parameters()))
        return {"image_latent": latent, "image_embeds": encoder(pixel_values=pixels).last_hidden_state}

    def decode(self, latents: Tensor) -> Tensor:
        vae = self.ready("vae")
        latents = (latents.float() / vae.config.scaling_factor).to(vae.device, vae.dtype)
        video = vae.decode(latents, return_dict=False)[0].float()
        return rearrange((video.clamp(-1, 1) + 1) / 2, "b c t h w -> b t c h w")

    def generated(self, latents: Tensor) -> Tensor:
        """Everything: the reference stands beside the latents, not in them."""
        return torch.ones_like(latents[:1, :1])

    def pin_reference(self, latents: Tensor, reference: dict[str, Tensor]) -> Tensor:
        return latents

    # --- the transformer --------------------------------------------------------------------------------------

    def velocity(self, latents: Tensor, sigma: Tensor, text: dict[str, Tensor], reference: dict[str, Tensor]) -> Tensor:
        transformer, device, dtype = self.ready("transformer"), self.device, self.dtype
        embeds, mask = _without_padding(text["prompt_embeds"], text["prompt_mask"])
        glyphs, glyph_mask = _without_padding(text["glyph_embeds"], text["glyph_mask"])
        # A recomputed forward (gradient checkpointing) would meet the next one's setting: then always with the mask.
        complete = bool(mask.all()) and bool(glyph_mask.all())
        self._attention.masked = torch.is_grad_enabled() or not complete
        return transformer(
            hidden_states=_with_condition(latents, reference["image_latent"]).to(device, dtype),
            timestep=(sigma * 1000).to(device, torch.float32),
            encoder_hidden_states=embeds.to(device, dtype),
            encoder_attention_mask=mask.to(device),
            encoder_hidden_states_2=glyphs.to(device, dtype),
            encoder_attention_mask_2=glyph_mask.to(device),
            image_embeds=reference["image_embeds"].to(device, dtype),
            return_dict=False,
        )[0].float()


def siglip_pixels(images: Tensor, settings: Any) -> Tensor:
    """Images [B, 3, H, W] in [0, 1] → what SigLIP reads, by the settings of its image processor.

    Written with torch, as the processor itself wants torchvision or Pillow depending on transformers' version.
    """
    size = (settings.size["height"], settings.size["width"])
    pixels = F.interpolate(images.float(), size, mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)
    mean, std = (torch.tensor(v).to(pixels) for v in (settings.image_mean, settings.image_std))
    return (pixels - rearrange(mean, "c -> c 1 1")) / rearrange(std, "c -> c 1 1")


def _with_condition(latents: Tensor, image_latent: Tensor) -> Tensor:
    """Latents, the reference's latent in frame 0 and zeros after it, and the mask of frame 0, along the channels."""
    batch, frames = latents.shape[0], latents.shape[2]
    image = image_latent.to(latents).expand(batch, -1, -1, -1, -1)
    condition = F.pad(image, (0, 0, 0, 0, 0, frames - 1))
    mask = latents.new_zeros(frames)
    mask[0] = 1
    height, width = latents.shape[3:]
    return torch.cat([latents, condition, repeat(mask, "f -> b 1 f h w", b=batch, h=height, w=width)], dim=1)


def _without_padding(embeds: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Leave out columns that are padding in every row: the transformer gives them no weight, only time."""
    used = mask.any(dim=0)
    return embeds[:, used], mask[:, used]


def _glyph_text(prompt: str) -> str:
    texts = dict.fromkeys(plain or curly for plain, curly in _QUOTED.findall(prompt))
    return "".join(f'Text "{text}". ' for text in texts)


def _require_image_to_video(transformer: Any) -> None:
    config = transformer.config
    if config.task_type != "i2v":
        raise BackboneError(
            f"this HunyuanVideo-1.5 transformer is for {config.task_type!r} and takes no reference image; "
            "use the 480p image-to-video one"
        )
    if config.use_meanflow:
        raise BackboneError(
            "this HunyuanVideo-1.5 transformer is step-distilled (MeanFlow), with a second timestep the motion "
            "adapter was not trained with; use the 480p image-to-video one"
        )
