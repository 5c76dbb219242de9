"""Geometric decoder D_g: motion tokens of one frame → their pose (paper, "Geometric supervision").

A lightweight MLP that supervises the motion encoder early in training and previews a motion as a skeleton.
Design decisions:
- Body joints come from body tokens alone, each hand's joints from its own tokens alone: the loss cannot teach
  the body tokens to carry fingers, and a motion can take its hands from another clip.
- Both hands share one MLP; the left hand's output is mirrored, so one code means one gesture on either hand.
- The output is a raw 6D rotation per joint that starts at the T-pose. Global root orientation is not decoded:
  an encoder that had to tell it would have to keep the viewpoint.

Pose order: 21 body joints (SMPL-X 1..21), 15 left-hand and 15 right-hand joints (index, middle, pinky, ring,
thumb, three each), all parent-relative rotations.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from types import ModuleType
from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn

from .rotations import geodesic_distance, matrix_to_rotation_6d, rotation_6d_to_matrix

NUM_BODY_JOINTS = 21
NUM_HAND_JOINTS = 15
NUM_JOINTS = NUM_BODY_JOINTS + 2 * NUM_HAND_JOINTS
BODY_JOINTS = slice(0, NUM_BODY_JOINTS)
LEFT_HAND_JOINTS = slice(NUM_BODY_JOINTS, NUM_BODY_JOINTS + NUM_HAND_JOINTS)
RIGHT_HAND_JOINTS = slice(NUM_BODY_JOINTS + NUM_HAND_JOINTS, NUM_JOINTS)

IDENTITY_6D = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
# Mirroring the person (x → -x) is R → S R S with S = diag(-1, 1, 1); on the two columns of the 6D form:
MIRROR_6D = (1.0, -1.0, -1.0, -1.0, 1.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class GeometricDecoderConfig:
    """Sizes of D_g.

    token_dim: width of one motion token.
    body_tokens: K_b, body tokens a frame.
    hand_tokens: K_h, tokens a hand; 0 where the encoder has no hand branch.
    hidden_dim, depth: width of the MLPs and their number of linear layers (1 = linear).
    """

    token_dim: int
    body_tokens: int = 5
    hand_tokens: int = 2
    hidden_dim: int = 512
    depth: int = 3

    def __post_init__(self) -> None:
        for name, least in (
            ("token_dim", 1),
            ("body_tokens", 1),
            ("hand_tokens", 0),
            ("hidden_dim", 1),
            ("depth", 1),
        ):
            value = getattr(self, name)
            if value < least:
                raise ValueError(f"GeometricDecoderConfig.{name} is {value}; it must be at least {least}")


def _mlp(config: GeometricDecoderConfig, tokens: int, joints: int, operations: Any, **factory: Any) -> nn.Sequential:
    widths = [tokens * config.token_dim] + [config.hidden_dim] * (config.depth - 1)
    layers: list[nn.Module] = []
    for width_in, width_out in pairwise(widths):
        layers += [operations.Linear(width_in, width_out, **factory), nn.GELU()]
    last = operations.Linear(widths[-1], joints * 6, **factory)
    with torch.no_grad():
        # Start at the T-pose; small rather than zero weights let the gradient reach the encoder at once.
        nn.init.normal_(last.weight, std=0.02)
        last.bias.copy_(torch.tensor(IDENTITY_6D).repeat(joints))
    return nn.Sequential(*layers, last)


class GeometricDecoder(nn.Module):
    """D_g. `operations` is the namespace layers come from (torch.nn, or the host's casting layers)."""

    def __init__(
        self,
        config: GeometricDecoderConfig,
        operations: ModuleType | Any = nn,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        factory = {"device": device, "dtype": dtype}
        self.body = _mlp(config, config.body_tokens, NUM_BODY_JOINTS, operations, **factory)
        self.hand = (
            _mlp(config, config.hand_tokens, NUM_HAND_JOINTS, operations, **factory) if config.hand_tokens else None
        )

    def forward(self, body_tokens: Tensor, hand_tokens: Tensor | None = None) -> Tensor:
        """Pose in raw 6D, [..., 51, 6]; hands at the T-pose where there are no hand tokens.

        body_tokens: [..., K_b, D]. hand_tokens: [..., 2 * K_h, D], left hand first, or None.
        """
        self._check("body_tokens", body_tokens, self.config.body_tokens)
        body = rearrange(self.body(rearrange(body_tokens, "... k d -> ... (k d)")), "... (j c) -> ... j c", c=6)
        return torch.cat([body, self._hands(body, hand_tokens)], dim=-2)

    def _hands(self, body: Tensor, hand_tokens: Tensor | None) -> Tensor:
        if self.hand is None or hand_tokens is None or hand_tokens.shape[-2] == 0:
            return body.new_tensor(IDENTITY_6D).expand(*body.shape[:-2], 2 * NUM_HAND_JOINTS, 6)
        self._check("hand_tokens", hand_tokens, 2 * self.config.hand_tokens)
        hands = self.hand(rearrange(hand_tokens, "... (side k) d -> ... side (k d)", side=2))
        hands = rearrange(hands, "... side (j c) -> ... side j c", c=6)
        signs = hands.new_tensor([MIRROR_6D, (1.0,) * 6])
        return rearrange(hands * signs[:, None, :], "... side j c -> ... (side j) c")

    def _check(self, name: str, tokens: Tensor, count: int) -> None:
        if tokens.ndim < 2 or tokens.shape[-2:] != (count, self.config.token_dim):
            raise ValueError(
                f"{name} has shape {tuple(tokens.shape)}; this geometric decoder reads [..., {count}, "
                f"{self.config.token_dim}]: use tokens of the encoder it was trained with"
            )


def pose_to_matrices(pose_6d: Tensor) -> Tensor:
    """D_g's output [..., J, 6] → rotation matrices [..., J, 3, 3], in float32 or wider."""
    return rotation_6d_to_matrix(pose_6d if pose_6d.dtype == torch.float64 else pose_6d.float())


def pose_loss(predicted_6d: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean squared error on the 6D form over the joints that have a label (paper, "Geometric supervision").

    On the raw output, without Gram-Schmidt: the network also learns to give unit, orthogonal columns, and the
    gradient has no singularity. Near the target it grows with the square of the geodesic angle.

    predicted_6d: [..., J, 6]; target: rotation matrices [..., J, 3, 3]; mask: True where a joint has a label,
    any shape that broadcasts to [..., J]. Returns a scalar, 0 where nothing has a label.
    """
    wanted = matrix_to_rotation_6d(target.float())
    if predicted_6d.shape != wanted.shape:
        raise ValueError(
            f"predicted pose has shape {tuple(predicted_6d.shape)}, target {tuple(target.shape)}; expected "
            "[..., J, 6] against [..., J, 3, 3] with the same leading dimensions"
        )
    predicted_6d = predicted_6d.float()
    if mask is not None:
        # Before the subtraction: an unlabelled joint may hold NaN, whose gradient survives any later masking.
        wanted = torch.where(mask.bool().expand(wanted.shape[:-1]).unsqueeze(-1), wanted, predicted_6d.detach())
    return _masked_mean((predicted_6d - wanted).square().mean(-1), mask)


@torch.no_grad()
def pose_error_degrees(predicted_6d: Tensor, target: Tensor, mask: Tensor | None = None) -> dict[str, Tensor]:
    """Mean geodesic error in degrees of body, left hand and right hand; same arguments as `pose_loss`."""
    error = torch.rad2deg(geodesic_distance(pose_to_matrices(predicted_6d), target.float()))
    valid = torch.ones_like(error, dtype=torch.bool) if mask is None else mask.expand_as(error)
    parts = {"body": BODY_JOINTS, "left_hand": LEFT_HAND_JOINTS, "right_hand": RIGHT_HAND_JOINTS}
    return {name: _masked_mean(error[..., joints], valid[..., joints]) for name, joints in parts.items()}


def _masked_mean(error: Tensor, mask: Tensor | None) -> Tensor:
    if mask is None:
        return error.mean()
    # where, not a product: an unlabelled joint may hold NaN, and NaN * 0 is NaN.
    mask = mask.bool().expand_as(error)
    return torch.where(mask, error, torch.zeros_like(error)).sum() / mask.sum().clamp(min=1)
