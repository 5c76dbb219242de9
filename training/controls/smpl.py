"""SMPL control: body pose θ → MLP → tokens for the same cross-attention (the paper's ablation).

Here θ is the exact pose of the rendered body, not an estimate from pixels: an upper bound of what such control can do.
Like the paper's D_g it leaves out the root's orientation. Hands have no part in it.
"""

from __future__ import annotations

from typing import Any

import torch
from einops import rearrange
from torch import nn

from threedimo_core.config import NUM_BODY_JOINTS
from threedimo_core.motion_encoder import MotionTokens
from threedimo_core.rotations import matrix_to_rotation_6d


class SmplTokens(nn.Module):
    """θ_body [B, T, 21 rotations] → `num_tokens` tokens a frame."""

    def __init__(self, num_tokens: int, token_dim: int, hidden_dim: int = 512) -> None:
        super().__init__()
        self.num_tokens = num_tokens
        self.mlp = nn.Sequential(
            nn.Linear(NUM_BODY_JOINTS * 6, hidden_dim),
            nn.GELU(),
            nn.Linear(hidden_dim, hidden_dim),
            nn.GELU(),
            nn.Linear(hidden_dim, num_tokens * token_dim),
        )
        self.norm = nn.LayerNorm(token_dim)
        self.unknown = nn.Parameter(torch.randn(num_tokens, token_dim) * 0.02)

    def forward(self, batch: dict[str, Any]) -> MotionTokens:
        """Reads pose [B, T, 51, 3, 3] and pose_mask [B, T, 51]; frames without a whole label get learned tokens."""
        pose = batch["pose"][:, :, :NUM_BODY_JOINTS]
        known = batch["pose_mask"][:, :, :NUM_BODY_JOINTS].all(-1)
        values = matrix_to_rotation_6d(torch.where(known[..., None, None, None], pose, torch.eye(3).to(pose)))
        tokens = self.mlp(rearrange(values, "b t j c -> b t (j c)").to(self.unknown.dtype))
        tokens = self.norm(rearrange(tokens, "b t (k d) -> b t k d", k=self.num_tokens))
        tokens = torch.where(known[..., None, None], tokens, self.unknown.to(tokens))
        return MotionTokens(tokens, tokens[:, :, :0])
