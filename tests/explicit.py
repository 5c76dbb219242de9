"""The method written out a second time, plainly: a block with the motion layer inside, attention by a dense mask."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from threedimo_core.config import InjectionConfig
from threedimo_core.motion_attention import MotionAttention


def explicit_delta(
    layer: MotionAttention,
    hidden: Tensor,
    tokens: Tensor,
    config: InjectionConfig,
    latent_frames: int,
    reference_frames: int = 0,
    strength: float = 1.0,
) -> Tensor:
    """δ for hidden [B, N, C] and tokens [B, T, K, D] of driving frames 0 … T-1, one query at a time in spirit:
    every query sees every token through a mask, and the reference frames get zeros."""
    batch, total, _ = hidden.shape
    per_frame = total // (latent_frames + reference_frames)
    clip = hidden[:, reference_frames * per_frame :]
    frames, count = tokens.shape[1:3]
    heads, width = config.inner_dim // config.head_dim, config.head_dim

    query = _heads(layer.to_q(F.layer_norm(clip, clip.shape[-1:], eps=1e-6)), heads)
    flat = layer.token_norm(tokens).reshape(batch, frames * count, -1)
    key, value = _heads(layer.to_k(flat), heads), _heads(layer.to_v(flat), heads)
    query, key = _rms(query, layer.norm_q.weight), _rms(key, layer.norm_k.weight)

    query_frame = torch.arange(latent_frames).repeat_interleave(per_frame)
    token_frame = torch.arange(frames).repeat_interleave(count)
    query = _turn(query, query_frame.float(), config.rope_theta)
    key = _turn(key, token_frame.float() / config.frames_per_latent, config.rope_theta)

    scores = query @ key.transpose(-1, -2) / math.sqrt(width)
    if config.window is not None:
        owner = torch.tensor([math.ceil(f / config.frames_per_latent) for f in token_frame.tolist()])
        seen = (owner[None] - query_frame[:, None]).abs() <= config.window
        scores = scores.masked_fill(~seen, float("-inf"))
    out = (scores.softmax(-1) @ value).transpose(1, 2).reshape(batch, clip.shape[1], -1)
    delta = strength * layer.to_out(out)
    return torch.cat([hidden.new_zeros(batch, total - clip.shape[1], delta.shape[-1]), delta], dim=1)


def _heads(x: Tensor, heads: int) -> Tensor:
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def _rms(x: Tensor, weight: Tensor) -> Tensor:
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6) * weight


def _turn(x: Tensor, time: Tensor, theta: float) -> Tensor:
    """Rotary embedding by complex numbers: component i is paired with component i + half."""
    half = x.shape[-1] // 2
    angle = time[:, None] * torch.tensor([theta ** (-i / half) for i in range(half)])
    turned = torch.complex(x[..., :half], x[..., half:]) * torch.polar(torch.ones_like(angle), angle)
    return torch.cat([turned.real, turned.imag], dim=-1)


def explicit_wan_block(block: nn.Module, delta_of, hidden: Tensor, text: Tensor, temb: Tensor, rotary) -> Tensor:
    """diffusers' WanTransformerBlock, with the motion residual right after the self-attention residual."""
    table = block.scale_shift_table.unsqueeze(0) if temb.ndim == 4 else block.scale_shift_table
    parts = (table + temb).chunk(6, dim=2 if temb.ndim == 4 else 1)
    shift, scale, gate, ff_shift, ff_scale, ff_gate = (p.squeeze(2) if temb.ndim == 4 else p for p in parts)
    hidden = hidden + gate * block.attn1(block.norm1(hidden) * (1 + scale) + shift, None, None, rotary)
    hidden = hidden + delta_of(hidden)
    hidden = hidden + block.attn2(block.norm2(hidden), text, None, None)
    return hidden + ff_gate * block.ffn(block.norm3(hidden) * (1 + ff_scale) + ff_shift)


def explicit_hunyuan_block(block: nn.Module, delta_of, hidden: Tensor, text: Tensor, temb: Tensor, mask, rotary):
    """diffusers' HunyuanVideo15TransformerBlock, with the motion residual on the video rows."""
    norm, gate, ff_shift, ff_scale, ff_gate = block.norm1(hidden, emb=temb)
    text_norm, text_gate, text_shift, text_scale, text_ff_gate = block.norm1_context(text, emb=temb)
    video_out, text_out = block.attn(norm, text_norm, attention_mask=mask, image_rotary_emb=rotary)
    hidden = hidden + gate[:, None] * video_out
    text = text + text_gate[:, None] * text_out
    hidden = hidden + delta_of(hidden)
    hidden = hidden + ff_gate[:, None] * block.ff(block.norm2(hidden) * (1 + ff_scale[:, None]) + ff_shift[:, None])
    normed_text = block.norm2_context(text) * (1 + text_scale[:, None]) + text_shift[:, None]
    return hidden, text + text_ff_gate[:, None] * block.ff_context(normed_text)
