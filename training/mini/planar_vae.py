"""The Wan VAE computed in one sweep over time with 2D convolutions, for training on a CPU.

diffusers runs the VAE frame group by frame group through caches, which a compiler cannot follow, with 3×3×3
convolutions, which CPUs run in bf16 by a reference loop hundreds of times slower than their matrix units. Both are
equal to something plainer: a causal 3D convolution is one 2D convolution over neighbouring frames stacked as
channels, and the caches are zero padding at the start of the clip. Results agree with the original to rounding.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKLWan
from diffusers.models.autoencoders.autoencoder_kl_wan import (
    WanAttentionBlock,
    WanCausalConv3d,
    WanResample,
    WanResidualBlock,
)
from einops import rearrange
from torch import Tensor, nn


def _planar_conv(conv: WanCausalConv3d, x: Tensor, cache_x: None = None) -> Tensor:
    taps, stride = conv.kernel_size[0], conv.stride[0]
    left, _, top, _, past, _ = conv._padding
    if past and x.shape[2] == 1:  # one frame with nothing before it: every other tap meets zeros
        stacked, out_frames = [x], 1
        weight = conv.weight[:, :, -1]
    else:
        x = F.pad(x, (0, 0, 0, 0, past, 0)) if past else x
        out_frames = (x.shape[2] - taps) // stride + 1
        span = stride * (out_frames - 1) + 1
        stacked = [x[:, :, i : i + span : stride] for i in range(taps)]
        weight = rearrange(conv.weight, "o c t h w -> o (t c) h w")
    planes = torch.cat([rearrange(s, "b c t h w -> (b t) c h w") for s in stacked], dim=1)
    planes = planes.contiguous(memory_format=torch.channels_last)
    y = F.conv2d(planes, weight, conv.bias, stride=conv.stride[1:], padding=(top, left))
    return rearrange(y, "(b t) c h w -> b c t h w", t=out_frames)


def _sweep_resample(module: WanResample, x: Tensor, feat_cache: None = None, feat_idx: None = None) -> Tensor:
    """The first frame never passes the temporal convolution; upsampling starts the others from zero padding."""
    if module.mode == "upsample3d" and x.shape[2] > 1:
        doubled = rearrange(module.time_conv(x[:, :, 1:]), "b (two c) t h w -> b c (t two) h w", two=2)
        x = torch.cat([x[:, :, :1], doubled], dim=2)
    frames = x.shape[2]
    x = rearrange(module.resample(rearrange(x, "b c t h w -> (b t) c h w")), "(b t) c h w -> b c t h w", t=frames)
    if module.mode == "downsample3d" and frames > 1:
        x = torch.cat([x[:, :, :1], module.time_conv(x)], dim=2)
    return x


def _shortcut(module: WanResidualBlock, x: Tensor, feat_cache: None = None, feat_idx: None = None) -> Tensor:
    return module.conv_shortcut(x)


def _nothing(module: WanAttentionBlock, x: Tensor) -> Tensor:
    return x


@contextmanager
def planar(vae: nn.Module, skeleton: bool = False) -> Iterator[None]:
    """Within this context `encode_moments` and `decode_planar` may be called on `vae`; its own `encode` may not.

    skeleton: without the residual branches, which is what `close_branches` makes of them, at a fraction of the cost.
    """
    swapped: list[tuple[Any, Any]] = [(m, _planar_conv) for m in vae.modules() if isinstance(m, WanCausalConv3d)]
    swapped += [(m, _sweep_resample) for m in vae.modules() if isinstance(m, WanResample)]
    if skeleton:
        swapped += [(m, _shortcut) for m in vae.modules() if isinstance(m, WanResidualBlock)]
        swapped += [(m, _nothing) for m in vae.modules() if isinstance(m, WanAttentionBlock)]
    for module, forward in swapped:
        module.forward = forward.__get__(module)
    try:
        yield
    finally:
        for module, _ in swapped:
            del module.forward


@torch.no_grad()
def close_branches(vae: nn.Module) -> None:
    """Every residual branch adds nothing at first, and upsampling over time repeats frames.

    What is left is nearly linear and learns the colours and shapes of pictures in a tenth of the time; the branches
    then start from something that works.
    """
    for module in vae.modules():
        last = getattr(module, "conv2", None) if isinstance(module, WanResidualBlock) else None
        last = module.proj if isinstance(module, WanAttentionBlock) else last
        if last is not None:
            last.weight.zero_()
            last.bias.zero_()
        if isinstance(module, WanResample) and module.mode == "upsample3d":
            module.time_conv.weight.zero_()
            module.time_conv.bias.zero_()
            module.time_conv.weight[:, :, -1, 0, 0] = torch.eye(module.dim).repeat(2, 1)


def encode_moments(vae: AutoencoderKLWan, video: Tensor) -> Tensor:
    """[B, 3, T, H, W] in [-1, 1] → mean and log-variance [B, 2·z, L, h, w]; call it inside `planar`."""
    return vae.quant_conv(vae.encoder(video))


def decode_planar(vae: AutoencoderKLWan, latents: Tensor) -> Tensor:
    """Raw latents [B, z, L, h, w] → video [B, 3, T, H, W], not clamped; call it inside `planar`."""
    return vae.decoder(vae.post_quant_conv(latents))
