"""Channel concatenation: motion enters with the noisy latents, in front of the first block, instead of every block.

A convolution over concatenated channels is the sum of one over each part, so the second part's product is added to
the patch embedding: the generator keeps its own weights, and zero-initialised weights leave it as it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from threedimo_core.backbones import Backbone
from threedimo_core.config import InjectionConfig
from threedimo_core.motion_attention import MotionContext

from ..recipe import RecipeError


class ChannelInjection(nn.Module):
    """Tokens of a latent frame → what is added to its embedded patches.

    cells: the tokens are a square map of this many cells a side (pose pictures), laid over the picture; None: they
    have no place (motion tokens) and every patch of the frame gets the same.
    """

    def __init__(self, config: InjectionConfig, cells: int | None = None) -> None:
        super().__init__()
        self.config, self.cells = config, cells
        width = config.token_dim if cells else config.token_dim * config.num_tokens
        self.null_tokens = nn.Parameter(torch.randn(config.num_tokens, config.token_dim) * 0.02)
        self.norm = nn.LayerNorm(config.token_dim)
        self.hidden = nn.Linear(width, config.inner_dim)
        self.out = nn.Linear(config.inner_dim, config.hidden_dim)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def drop(self, tokens: Tensor, dropped: Tensor) -> Tensor:
        """Replace the tokens [B, T, K, D] of clips where `dropped` [B] is True by the null tokens."""
        return torch.where(dropped[:, None, None, None], self.null_tokens.to(tokens), tokens)

    def forward(self, context: MotionContext, size: tuple[int, int]) -> Tensor:
        """[B, C, L, h, w] for patches of h × w a latent frame."""
        tokens = self.norm(_at_latent_times(context))
        if self.cells is None:
            added = self.out(F.silu(self.hidden(tokens.flatten(2))))
            return rearrange(added, "b l c -> b c l 1 1").expand(-1, -1, -1, *size)
        added = self.out(F.silu(self.hidden(tokens)))
        maps = rearrange(added, "b l (h w) c -> (b l) c h w", h=self.cells)
        maps = F.interpolate(maps.float(), size, mode="bilinear", align_corners=False).to(added.dtype)
        return rearrange(maps, "(b l) c h w -> b c l h w", l=added.shape[1])


def _at_latent_times(context: MotionContext) -> Tensor:
    """Tokens [B, L, K, D] at the time of each latent frame, between its neighbours among the driving frames."""
    rows = torch.arange(context.tokens.shape[0], device=context.tokens.device)[:, None, None]
    times = context.frame_time[rows, context.frame_index]
    near = (1 - (times - context.latent_time[..., None]).abs()).clamp(min=0) + 1e-4
    weight = near * context.frame_valid
    weight = (weight / weight.sum(-1, keepdim=True)).to(context.tokens)
    return torch.einsum("b l m, b l m k d -> b l k d", weight, context.tokens[rows, context.frame_index])


class AttachedChannels:
    """Live hook of a `ChannelInjection` on a transformer; the counterpart of `AttachedInjection`."""

    def __init__(self, backbone: Backbone, injection: ChannelInjection) -> None:
        embedding = getattr(backbone.transformer, "patch_embedding", None)
        if embedding is None:
            raise RecipeError(f"control by channels is made for the mini and Wan, not for {backbone.family}")
        self.context: MotionContext | None = None

        def add(module: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor | None:
            if self.context is None:
                return None
            height, width = output.shape[-2:]
            return output + injection(self.context, (height, width)).to(output.dtype)

        self._handle = embedding.register_forward_hook(add)

    @contextmanager
    def motion(self, context: MotionContext | None) -> Iterator[None]:
        """Within this context the transformer hears the motion."""
        previous, self.context = self.context, context
        try:
            yield
        finally:
            self.context = previous

    def detach(self) -> None:
        self._handle.remove()
