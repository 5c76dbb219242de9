"""A motion as joint rotations, as the geometric decoder reads it: for previews and exports, never for generation.

What the tokens leave out stays out: where the person stands and which way the pelvis faces (the paper excludes the
global root). The pelvis is upright, faces the front and stays over one spot; only its height follows, so that the
lowest point of the body touches the floor. A jump therefore does not leave it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from torch import Tensor

from .geometric_decoder import LEFT_HAND_JOINTS, NUM_HAND_JOINTS, RIGHT_HAND_JOINTS, GeometricDecoder, pose_to_matrices
from .motion_clip import MotionClip
from .rotations import axis_angle_to_matrix, rotation_6d_to_matrix
from .skeleton import Array, forward_kinematics, height_above_lowest

MAX_SMOOTHING = 2.0
_RELAXED = math.radians(18)


@dataclass(frozen=True, eq=False)
class DecodedPose:
    """T frames of one person.

    rotations: [T, 51, 3, 3] relative to the parent: body, left hand, right hand. root_height: [T] metres of the pelvis
    above the floor. hand_present: [T, 2] bool, left then right; hands that were not seen are relaxed.
    """

    rotations: Array
    root_height: Array
    hand_present: NDArray[np.bool_]
    fps: float

    @property
    def num_frames(self) -> int:
        return len(self.rotations)

    @property
    def root(self) -> Array:
        """[T, 3] metres: where the pelvis stands."""
        return np.stack([np.zeros_like(self.root_height), self.root_height, np.zeros_like(self.root_height)], axis=1)

    def joints(self) -> tuple[Array, Array]:
        """Positions [T, 52, 3] in the world, floor at y = 0, and rotations [T, 52, 3, 3] of all joints."""
        positions, rotations = forward_kinematics(self.rotations)
        return positions + self.root[:, None], rotations


@torch.no_grad()
def decode_pose(decoder: GeometricDecoder, clip: MotionClip, smoothing: float = 0.0) -> DecodedPose:
    """The poses of a motion, with the decoder of the adapter whose encoder made it, on the decoder's device.

    smoothing: seconds (standard deviation) over which rotations are averaged; tokens are decoded frame by frame, and
    what is left of noise shows as jitter. Raises ValueError where tokens do not fit the decoder.
    """
    if not 0 <= smoothing <= MAX_SMOOTHING:
        raise ValueError(f"smoothing is {smoothing!r} seconds; expected 0 to {MAX_SMOOTHING:g}, such as 0.05")
    like = next(decoder.parameters())
    pose_6d = decoder(clip.body.to(like), clip.hands.to(like)).float().cpu()
    rotations = pose_to_matrices(_smooth(pose_6d, smoothing * clip.fps))
    rotations = _relax_absent(rotations, clip.hand_present.cpu())
    pose = rotations.double().numpy()
    return DecodedPose(
        rotations=pose,
        root_height=height_above_lowest(*forward_kinematics(pose)),
        hand_present=clip.hand_present.cpu().numpy(),
        fps=clip.fps,
    )


def _smooth(pose_6d: Tensor, sigma: float) -> Tensor:
    """Gaussian mean over time of [T, 51, 6], sigma in frames; the ends are mirrored."""
    if sigma < 0.05 or len(pose_6d) < 2:
        return pose_6d
    # Columns of true rotations are averaged: raw outputs of unlike length would weigh unlike.
    matrices = rotation_6d_to_matrix(pose_6d)
    values = rearrange(matrices[..., :2], "t j row column -> t (j column row)")
    reach = min(math.ceil(3 * sigma), len(values) - 1)
    weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma) ** 2)
    padded = torch.cat([values[1 : reach + 1].flip(0), values, values[-reach - 1 : -1].flip(0)])
    mean = (padded.unfold(0, 2 * reach + 1, 1) * (weights / weights.sum())).sum(-1)
    return rearrange(mean, "t (j c) -> t j c", c=6)


def _relax_absent(rotations: Tensor, present: Tensor) -> Tensor:
    """Hands that no one saw get slightly bent fingers instead of what "absent" tokens happen to decode to."""
    rotations = rotations.clone()
    for side, joints in enumerate((LEFT_HAND_JOINTS, RIGHT_HAND_JOINTS)):
        rotations[:, joints] = torch.where(
            present[:, side, None, None, None], rotations[:, joints], relaxed_hand(left=side == 0)
        )
    return rotations


def relaxed_hand(left: bool) -> Tensor:
    """[15, 3, 3]: fingers a little bent towards the palm, which faces down in the T-pose."""
    bend = torch.zeros(NUM_HAND_JOINTS, 3)
    bend[:12, 2] = -_RELAXED if left else _RELAXED  # the thumb, last in the order, stays as it is
    return axis_angle_to_matrix(bend)
