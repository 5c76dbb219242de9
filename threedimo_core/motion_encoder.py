"""Motion encoder: each driving frame becomes a few view-agnostic tokens (paper, section 3.1).

A TiTok-style 1D tokenizer: patches and K learnable latent tokens pass through self-attention together, and only the
latents are kept, so the 2D layout of the picture is gone. Frames are encoded one by one: a token belongs to a frame,
and motions can be cut, joined and retimed afterwards. Body and hands have a tokenizer each.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from torch import Tensor, nn

from .attention import attention
from .config import MotionEncoderConfig, TokenizerConfig


@dataclass(frozen=True)
class MotionTokens:
    """Tokens of a batch of clips. `body` [B, T, K_body, D]; `hands` [B, T, 2·K_hand, D], left hand first."""

    body: Tensor
    hands: Tensor

    def joined(self) -> Tensor:
        """[B, T, K_body + 2·K_hand, D]"""
        return torch.cat([self.body, self.hands], dim=2)


def letterbox(frames: Tensor, size: int) -> Tensor:
    """Resize frames [..., 3, H, W] in [0, 1] to [..., 3, size, size], aspect kept, padded with mid grey."""
    *lead, channels, height, width = frames.shape
    if (height, width) == (size, size):
        return frames
    scale = size / max(height, width)
    new_h, new_w = max(1, round(height * scale)), max(1, round(width * scale))
    flat = frames.reshape(-1, channels, height, width)
    # In float32: antialiasing has no half-precision kernel on a CPU.
    flat = F.interpolate(flat.float(), (new_h, new_w), mode="bilinear", antialias=True, align_corners=False)
    top, left = (size - new_h) // 2, (size - new_w) // 2
    flat = F.pad(flat, (left, size - new_w - left, top, size - new_h - top), value=0.5)
    return flat.to(frames.dtype).reshape(*lead, channels, size, size)


class SelfAttention(nn.Module):
    def __init__(self, width: int, heads: int, ops: Any) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = ops.Linear(width, 3 * width, bias=False)
        self.q_norm = ops.RMSNorm(width // heads, eps=1e-6)
        self.k_norm = ops.RMSNorm(width // heads, eps=1e-6)
        self.out = ops.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = rearrange(self.qkv(x), "n s (three h d) -> three n h s d", three=3, h=self.heads)
        y = attention(self.q_norm(q), self.k_norm(k), v)
        return self.out(rearrange(y, "n h s d -> n s (h d)"))


class EncoderBlock(nn.Module):
    """Pre-norm transformer block."""

    def __init__(self, width: int, heads: int, ops: Any) -> None:
        super().__init__()
        self.norm1 = ops.LayerNorm(width)
        self.attn = SelfAttention(width, heads, ops)
        self.norm2 = ops.LayerNorm(width)
        self.mlp = nn.Sequential(
            ops.Linear(width, 4 * width), nn.GELU(approximate="tanh"), ops.Linear(4 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


def _conv_stem(config: TokenizerConfig, ops: Any) -> nn.Sequential:
    layers: list[nn.Module] = []
    previous = 3
    for channels in config.stem_channels:
        layers += [
            ops.Conv2d(previous, channels, 3, stride=2, padding=1),
            ops.GroupNorm(8, channels),
            nn.SiLU(),
        ]
        previous = channels
    return nn.Sequential(*layers, ops.Conv2d(previous, config.width, 1))


class FrameTokenizer(nn.Module):
    """One picture → K tokens. Input [N, 3, S, S] in [0, 1]; output [N, K, token_dim]."""

    def __init__(self, config: TokenizerConfig, token_dim: int, ops: Any = nn) -> None:
        super().__init__()
        self.config = config
        if config.stem == "conv":
            self.stem: nn.Module = _conv_stem(config, ops)
        else:
            self.stem = ops.Conv2d(3, config.width, config.patch_size, stride=config.patch_size)
        self.position = nn.Parameter(torch.randn(config.num_patches, config.width) * 0.02)
        self.latents = nn.Parameter(torch.randn(config.num_tokens, config.width) * config.width**-0.5)
        self.blocks = nn.ModuleList(EncoderBlock(config.width, config.heads, ops) for _ in range(config.depth))
        self.norm = ops.LayerNorm(config.width)
        self.out = ops.Linear(config.width, token_dim)
        self.out_norm = ops.LayerNorm(token_dim)

    def forward(self, images: Tensor, side: Tensor | None = None) -> Tensor:
        """`side` [N, width]: an embedding added to the latents (which hand this is)."""
        x = rearrange(self.stem(images * 2 - 1), "n c h w -> n (h w) c")
        x = x + self.position.to(x)
        latents = repeat(self.latents.to(x), "k c -> n k c", n=x.shape[0])
        if side is not None:
            latents = latents + side.to(x)[:, None]
        x = torch.cat([latents, x], dim=1)
        for block in self.blocks:
            x = block(x)
        return self.out_norm(self.out(self.norm(x[:, : self.config.num_tokens])))


class MotionEncoder(nn.Module):
    """E_b and E_h of the paper: driving frames and hand crops → motion tokens.

    Args:
        config: sizes; see `MotionEncoderConfig.preset`.
        operations: namespace the layers come from (`torch.nn`, or the host's own for casting and offloading).
    """

    def __init__(self, config: MotionEncoderConfig, operations: ModuleType | Any = nn) -> None:
        super().__init__()
        self.config = config
        self.body = FrameTokenizer(config.body, config.token_dim, operations)
        if config.hand:
            self.hand = FrameTokenizer(config.hand, config.token_dim, operations)
            self.side = nn.Parameter(torch.randn(2, config.hand.width) * 0.02)
            self.absent = nn.Parameter(torch.randn(2, config.hand.num_tokens, config.token_dim) * 0.02)

    def forward(self, frames: Tensor, hands: Tensor | None = None, hand_present: Tensor | None = None) -> MotionTokens:
        """Encode clips.

        Args:
            frames: [B, T, 3, H, W] in [0, 1], any T ≥ 1 and any size (letterboxed to the encoder's own).
            hands: [B, T, 2, 3, h, w] in [0, 1], left then right; None when no hands were looked for.
            hand_present: [B, T, 2] bool; False gives the learned "absent" tokens. Default: all present.
        """
        if frames.ndim != 5 or frames.shape[2] != 3 or 0 in frames.shape:
            raise ValueError(f"driving frames must be [batch, frames, 3, height, width], got {list(frames.shape)}")
        batch = frames.shape[0]
        images = letterbox(rearrange(frames, "b t c h w -> (b t) c h w"), self.config.body.image_size)
        body = rearrange(self.body(images), "(b t) k d -> b t k d", b=batch)
        return MotionTokens(body, self._encode_hands(body, hands, hand_present))

    def _encode_hands(self, body: Tensor, hands: Tensor | None, present: Tensor | None) -> Tensor:
        batch, time = body.shape[:2]
        if not self.config.hand:
            return body.new_zeros(batch, time, 0, self.config.token_dim)
        absent = rearrange(self.absent, "side k d -> (side k) d").to(body).expand(batch, time, -1, -1)
        if hands is None:
            return absent
        if hands.shape[:3] != (batch, time, 2):
            raise ValueError(f"hand crops must be [{batch}, {time}, 2, 3, h, w], got {list(hands.shape)}")
        crops = letterbox(rearrange(hands, "b t s c h w -> (b t s) c h w"), self.config.hand.image_size)
        tokens = self.hand(crops, side=repeat(self.side, "s c -> (n s) c", n=batch * time))
        tokens = rearrange(tokens, "(b t s) k d -> b t (s k) d", b=batch, t=time)
        if present is None:
            return tokens
        keep = repeat(present, "b t s -> b t (s k) 1", k=self.config.hand.num_tokens)
        return torch.where(keep, tokens, absent)


def encoder_id(encoder: MotionEncoder) -> str:
    """Sixteen hex digits that name these weights, so that tokens and a generator that do not fit are refused."""
    return weights_id(encoder.config, encoder.state_dict())


def weights_id(config: MotionEncoderConfig, weights: Mapping[str, Tensor]) -> str:
    """`encoder_id` of an encoder that would hold these weights."""
    digest = hashlib.sha256(repr(sorted(config.to_dict().items())).encode())
    for name, value in sorted(weights.items()):
        digest.update(name.encode())
        digest.update(value.detach().to("cpu", torch.float32).contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
