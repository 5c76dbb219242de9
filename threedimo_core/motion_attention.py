"""Motion cross-attention: video tokens read the motion tokens of the driving frames near them in time (section 3.2).

Time is measured in latent frames. A causal video VAE maps frame 0 to latent frame 0 and frames 4i-3 … 4i to latent
frame i, so driving frame f sits at time f / 4 and belongs to latent frame ceil(f / 4). Queries and keys carry their
time by rotary embedding; text tokens take no part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from .attention import attention
from .config import InjectionConfig


@dataclass(frozen=True)
class VideoLayout:
    """How a DiT lays out its video tokens: `latent_frames` × `tokens_per_frame`, time outermost.

    `reference_frames` leading latent frames belong to a reference picture outside the clip: they attend to nothing,
    and the clip's own latent frame 0 follows them.
    """

    latent_frames: int
    tokens_per_frame: int
    reference_frames: int = 0


@dataclass(frozen=True)
class MotionContext:
    """What the motion layers read during one forward of the DiT.

    `tokens` [B, T, K, D]; `frame_index` [B, L, M] long: for each latent frame, the M driving frames in its window;
    `frame_valid` [B, L, M] bool; `frame_time` [B, T] and `latent_time` [B, L] in latent frames; `strength` [B].
    """

    tokens: Tensor
    frame_index: Tensor
    frame_valid: Tensor
    frame_time: Tensor
    latent_time: Tensor
    strength: Tensor
    layout: VideoLayout


def motion_context(
    tokens: Tensor,
    layout: VideoLayout,
    config: InjectionConfig,
    *,
    strength: float | Tensor = 1.0,
    frame_numbers: Tensor | None = None,
    first_latent: int = 0,
) -> MotionContext:
    """Line motion tokens up with the latent frames of a clip.

    Args:
        tokens: [B, T, K, D], one row of K tokens per driving frame.
        frame_numbers: [B, T] or [T], the number of each driving frame in the clip; default 0 … T-1.
        first_latent: number, in the clip, of the first latent frame of this forward (windows of a long video).

    Raises:
        ValueError: K or D are not the injection's, or a latent frame would see no driving frame at all.
    """
    if tokens.ndim != 4 or tokens.shape[2:] != (config.num_tokens, config.token_dim):
        raise ValueError(
            f"motion tokens must be [batch, frames, {config.num_tokens}, {config.token_dim}] for this adapter, "
            f"got {list(tokens.shape)}: encode the motion with the encoder that came with it"
        )
    batch, time, device = tokens.shape[0], tokens.shape[1], tokens.device
    numbers = torch.arange(time, device=device) if frame_numbers is None else frame_numbers.to(device)
    numbers = numbers.expand(batch, time)
    latent = torch.arange(layout.latent_frames, device=device) + first_latent
    index, valid = _windows(numbers, latent, config)
    if not bool(valid.any(-1).all()):
        missing = sorted(set(latent[~valid.any(-1).all(0)].tolist()))
        raise ValueError(
            f"latent frames {missing} have no driving frame within the attention window: the motion has {time} "
            f"frames, {(layout.latent_frames + first_latent - 1) * config.frames_per_latent + 1} are needed"
        )
    return MotionContext(
        tokens=tokens,
        frame_index=index,
        frame_valid=valid,
        frame_time=numbers.float() / config.frames_per_latent,
        latent_time=latent.float().expand(batch, -1),
        strength=torch.as_tensor(strength, device=device, dtype=torch.float32).expand(batch),
        layout=layout,
    )


def _windows(numbers: Tensor, latent: Tensor, config: InjectionConfig) -> tuple[Tensor, Tensor]:
    """Driving frames in the window of each latent frame, packed to the left: index and valid [B, L, M]."""
    batch, time = numbers.shape
    if config.window is None:
        index = torch.arange(time, device=numbers.device).expand(batch, len(latent), time)
        return index, torch.ones_like(index, dtype=torch.bool)
    owner = torch.div(numbers + config.frames_per_latent - 1, config.frames_per_latent, rounding_mode="floor")
    inside = (owner[:, None, :] - latent[None, :, None]).abs() <= config.window
    width = max(1, int(inside.sum(-1).max()))
    order = torch.argsort(inside.to(torch.int8), dim=-1, descending=True, stable=True)[..., :width]
    return order, inside.gather(-1, order)


def rotate_time(x: Tensor, time: Tensor, theta: float) -> Tensor:
    """Rotary embedding along one axis. x [B, S, H, D] at times [B, S] (any real numbers)."""
    half = x.shape[-1] // 2
    frequency = theta ** (-torch.arange(half, device=x.device, dtype=torch.float32) / half)
    angle = time[..., None, None] * frequency
    cos, sin = angle.cos(), angle.sin()
    a, b = x.float().chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1).to(x.dtype)


class MotionAttention(nn.Module):
    """Cross-attention from video tokens to motion tokens; returns the residual δ, zero at initialisation."""

    def __init__(self, config: InjectionConfig, operations: Any = nn) -> None:
        super().__init__()
        self.config = config
        ops, dim, inner = operations, config.hidden_dim, config.inner_dim
        self.norm = ops.LayerNorm(dim, elementwise_affine=False, eps=1e-6)
        self.token_norm = ops.LayerNorm(config.token_dim, eps=1e-6)
        self.to_q = ops.Linear(dim, inner)
        self.to_k = ops.Linear(config.token_dim, inner)
        self.to_v = ops.Linear(config.token_dim, inner)
        self.norm_q = ops.RMSNorm(config.head_dim, eps=1e-6)
        self.norm_k = ops.RMSNorm(config.head_dim, eps=1e-6)
        self.to_out = ops.Linear(inner, dim)
        # A fresh injection must leave the pretrained model exactly as it was.
        nn.init.zeros_(self.to_out.weight)
        nn.init.zeros_(self.to_out.bias)

    def forward(self, hidden_states: Tensor, context: MotionContext) -> Tensor:
        """[B, N, C] video tokens right after self-attention → δ [B, N, C], rows of reference frames zero."""
        layout = context.layout
        skipped = layout.reference_frames * layout.tokens_per_frame
        clip = hidden_states[:, skipped:]
        expected = layout.latent_frames * layout.tokens_per_frame
        if clip.shape[1] != expected:
            raise ValueError(
                f"the transformer runs {hidden_states.shape[1]} video tokens, the motion was prepared for "
                f"{skipped} + {layout.latent_frames} × {layout.tokens_per_frame}"
            )
        keys, values = self._keys_values(context, clip.dtype)
        delta = self._attend(clip, keys, values, context)
        delta = delta * context.strength[:, None, None].to(delta)
        return F.pad(delta, (0, 0, skipped, 0)) if skipped else delta

    def _keys_values(self, context: MotionContext, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Keys (rotated) and values of every driving frame: [B, T, K, H, D] each."""
        tokens = self.token_norm(context.tokens.to(dtype))
        split = "b t k (h d) -> b t k h d"
        keys = self.norm_k(rearrange(self.to_k(tokens), split, d=self.config.head_dim))
        values = rearrange(self.to_v(tokens), split, d=self.config.head_dim)
        count = keys.shape[2]
        time = context.frame_time[:, :, None].expand(-1, -1, count)
        keys = rotate_time(
            rearrange(keys, "b t k h d -> b (t k) h d"), time.flatten(1), self.config.rope_theta
        ).unflatten(1, (-1, count))
        return keys, values

    def _attend(self, clip: Tensor, keys: Tensor, values: Tensor, context: MotionContext) -> Tensor:
        batch, latents = clip.shape[0], context.layout.latent_frames
        query = rearrange(self.to_q(self.norm(clip)), "b n (h d) -> b n h d", d=self.config.head_dim)
        time = context.latent_time.repeat_interleave(context.layout.tokens_per_frame, dim=1)
        query = rotate_time(self.norm_q(query), time, self.config.rope_theta)
        query = rearrange(query, "b (l s) h d -> (b l) h s d", l=latents)
        rows = torch.arange(batch, device=clip.device)[:, None, None]
        window = (
            rows,
            context.frame_index,
        )  # each latent frame's own few driving frames: no dense N × TK mask
        gather = "b l m k h d -> (b l) h (m k) d"
        keys, values = rearrange(keys[window], gather), rearrange(values[window], gather)
        valid = context.frame_valid.repeat_interleave(self.config.num_tokens, dim=-1)
        mask = rearrange(valid, "b l m -> (b l) 1 1 m")
        out = attention(query, keys, values, mask)
        return self.to_out(rearrange(out, "(b l) h s d -> b (l s) (h d)", b=batch))
