"""2D-pose control: the skeleton of the driving view as a picture, read by a small convolutional net.

The joints are exact, those that a perfect 2D tracker would find; limbs behind the body are drawn too. The picture is
not augmented: it holds no appearance, and its place in the frame is what steers.
"""

from __future__ import annotations

import colorsys
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import torch
from einops import rearrange
from torch import Tensor, nn

from threedimo_core.motion_encoder import MotionTokens

from ..data.skeleton import PARENTS

_BODY, _SHIFT = 22, 4
_FIRST_FINGER = 25  # SMPL-X counts jaw and eyes between the body and the hands


def _limbs() -> list[tuple[int, int, tuple[int, int, int]]]:
    """(joint, parent, colour) for every bone, in SMPL-X's numbers; each has a colour of its own, as in OpenPose."""
    limbs = []
    for joint, parent in enumerate(PARENTS):
        if parent < 0:
            continue
        red, green, blue = colorsys.hsv_to_rgb(joint / len(PARENTS), 1.0, 1.0)
        ends = (n if n < _BODY else n + _FIRST_FINGER - _BODY for n in (joint, parent))
        limbs.append((*ends, (int(255 * red), int(255 * green), int(255 * blue))))
    return limbs  # type: ignore[return-value]


_LIMBS = _limbs()


def draw_skeletons(joints: Tensor, height: int, width: int, size: int, mirrored: bool = False) -> Tensor:
    """joints [T, 55, 2] in pixels of a view of height × width → uint8 [T, 3, size, size], stretched to the square."""
    scaled = joints.float().numpy() * np.array([size / width, size / height])
    if mirrored:
        scaled[..., 0] = size - scaled[..., 0]
    # Pixels have their middle at a half in the labels, at whole numbers in OpenCV.
    points = np.nan_to_num((np.clip(scaled, -size, 2 * size) - 0.5) * 2**_SHIFT).round().astype(int)
    pictures = np.zeros((len(points), size, size, 3), np.uint8)
    thick = max(1, size // 48)
    for picture, frame in zip(pictures, points, strict=True):
        for joint, parent, colour in _LIMBS:
            body = joint < _BODY
            ends = tuple(frame[joint].tolist()), tuple(frame[parent].tolist())
            cv2.line(picture, *ends, colour, thick if body else 1, cv2.LINE_AA, _SHIFT)
    return rearrange(torch.from_numpy(pictures), "t h w c -> t c h w")


class PosePictureTokens(nn.Module):
    """Pose pictures [B, T, 3, S, S] → a map of (S / 16)² tokens a frame, in rows."""

    def __init__(self, size: int, token_dim: int, channels: tuple[int, ...] = (16, 32, 64)) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        widths = [3, *channels, token_dim]
        for before, after in pairwise(widths):
            layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.SiLU()]
        self.net = nn.Sequential(*layers[:-1])
        self.size, self.cells = size, size // 2 ** (len(widths) - 1)

    def forward(self, batch: dict[str, Any]) -> MotionTokens:
        pictures = batch["pose_picture"]
        flat = rearrange(pictures, "b t c h w -> (b t) c h w").to(self.net[0].weight.dtype) / 255
        tokens = rearrange(self.net(flat), "(b t) d h w -> b t (h w) d", b=len(pictures))
        return MotionTokens(tokens, tokens[:, :, :0])
