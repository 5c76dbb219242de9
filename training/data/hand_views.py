"""Zoomed views of the hands: what the hand encoder sees, since a hand is five pixels wide in a 64 px frame.

A hand view is the view's own camera turned towards the hand and zoomed in until a square of a few hand lengths
fills the picture, so it shows what a crop of the driving video would show, at the hand encoder's resolution.
Hand detectors are never exact: each clip and side gets its own size and offset (constant, as a tracker's bias)
and a little wander over time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from .cameras import Camera

LEFT_WRIST, RIGHT_WRIST = 20, 21
LEFT_FINGERS, RIGHT_FINGERS = slice(25, 40), slice(40, 55)
_MIDDLE_KNUCKLE = 3  # within the 15 finger joints: index 0-2, middle 3-5, ...
_SIDE_IN_PALMS = 2.7  # wrist to middle knuckle is near 0.09 m; a box of 0.25 m holds an open hand
_NEAREST = 0.05  # metres; nearer than this a hand is behind or inside the camera


@dataclass(frozen=True)
class HandView:
    """One hand in one view.

    camera: the zoomed camera; box [T, 4] x0, y0, x1, y1 in pixels of the view; in_frame [T] bool (the centre of
    the hand is inside the view and in front of its camera).
    """

    camera: Camera
    box: Tensor
    in_frame: Tensor


def hand_view(camera: Camera, joints: Tensor, side: int, height: int, width: int, rng: np.random.Generator) -> HandView:
    """The zoomed camera of hand `side` (0 left, 1 right) for a view of height x width pixels.

    joints [T, 55, 3] in the world, SMPL-X order.
    """
    centre, size = _hand_square(joints, side)
    size = size * rng.uniform(0.9, 1.3)
    shaken = centre + _wander(rng, len(centre), size)
    in_camera = _to_camera(camera.world_to_camera, shaken)
    depth = in_camera[:, 2].clamp(min=_NEAREST)
    zoomed = replace(
        camera,
        world_to_camera=turned_towards(camera.world_to_camera, in_camera),
        focal=torch.linalg.norm(in_camera, dim=-1).clamp(min=_NEAREST) / size,
    )
    pixel_focal = camera.focal * height
    middle = torch.stack(
        [width / 2 + pixel_focal * in_camera[:, 0] / depth, height / 2 + pixel_focal * in_camera[:, 1] / depth], dim=-1
    )
    half = (pixel_focal * size / depth / 2)[:, None]
    inside = (middle >= 0).all(-1) & (middle[:, 0] < width) & (middle[:, 1] < height)
    return HandView(zoomed, torch.cat([middle - half, middle + half], dim=-1), inside & (in_camera[:, 2] > _NEAREST))


def _hand_square(joints: Tensor, side: int) -> tuple[Tensor, float]:
    """Centre [T, 3] and side (metres) of the square around a hand: between the wrist and the finger joints.

    The size comes from bones, which keep their length, so the zoom does not pump as a fist closes.
    """
    wrist = joints[:, (LEFT_WRIST, RIGHT_WRIST)[side]]
    fingers = joints[:, (LEFT_FINGERS, RIGHT_FINGERS)[side]]
    palm = torch.linalg.norm(fingers[:, _MIDDLE_KNUCKLE] - wrist, dim=-1).mean()
    return 0.3 * wrist + 0.7 * fingers.mean(dim=1), float(palm) * _SIDE_IN_PALMS


def _wander(rng: np.random.Generator, frames: int, size: float) -> Tensor:
    """Offset [T, 3] of the tracked centre: a constant bias of up to 8 % of the box and a slow drift of 2 %."""
    bias = rng.uniform(-0.08, 0.08, 3)
    phase, rate = rng.uniform(0, 2 * np.pi, 3), rng.uniform(0.02, 0.12, 3)
    drift = 0.02 * np.sin(phase + 2 * np.pi * rate * np.arange(frames)[:, None])
    return torch.from_numpy((bias + drift) * size).float()


def _to_camera(world_to_camera: Tensor, points: Tensor) -> Tensor:
    """Points [T, 3] of the world in the axes of the camera of their frame."""
    return torch.einsum("tij,tj->ti", world_to_camera[:, :3, :3], points) + world_to_camera[:, :3, 3]


def turned_towards(world_to_camera: Tensor, in_camera: Tensor) -> Tensor:
    """Extrinsics [T, 4, 4] of a camera turned the shortest way so that in_camera [T, 3] is on its axis.

    The shortest turn keeps the picture upright as a crop of the view is.
    """
    axis = torch.tensor([0.0, 0.0, 1.0]).expand_as(in_camera)
    way = torch.nn.functional.normalize(in_camera, dim=-1)
    cross = torch.linalg.cross(way, axis)
    cosine = (way * axis).sum(-1).clamp(min=-0.999)  # straight behind has no shortest turn; it is absent anyway
    skew = torch.zeros(len(way), 3, 3)
    skew[:, 0, 1], skew[:, 0, 2], skew[:, 1, 2] = -cross[:, 2], cross[:, 1], -cross[:, 0]
    skew = skew - skew.transpose(1, 2)
    turn = torch.eye(4).repeat(len(way), 1, 1)
    turn[:, :3, :3] = torch.eye(3) + skew + skew @ skew / (1 + cosine)[:, None, None]
    return turn @ world_to_camera
