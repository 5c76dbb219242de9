"""A motion: local joint rotations, root and time. The one form every source of movement ends in.

Design decisions:
- Rotations are matrices relative to the parent and to SMPL's T-pose, in SMPL-X joint order (21 body
  joints, then 15 + 15 finger joints: index, middle, pinky, ring, thumb), so they *are* the training labels.
- The root is apart: `global_orient` and `transl` never reach the geometric loss (the paper excludes it).
- World: right-handed, metres, y up, floor at y = 0; at identity the person faces +z and their left is +x.
- `transl` is the pelvis position of a person 1.70 m tall (pelvis 0.93 m above the floor when standing). For
  another body multiply it by (that body's leg length / this one's): strides and jumps scale with the legs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

NUM_BODY_JOINTS = 21
NUM_HAND_JOINTS = 15
NUM_POSE_JOINTS = NUM_BODY_JOINTS + 2 * NUM_HAND_JOINTS

_FIELD_SHAPES = {
    "body_pose": (NUM_BODY_JOINTS, 3, 3),
    "left_hand_pose": (NUM_HAND_JOINTS, 3, 3),
    "right_hand_pose": (NUM_HAND_JOINTS, 3, 3),
    "global_orient": (3, 3),
    "transl": (3,),
}

# (left, right) indices into body_pose, that is SMPL-X joint number minus one.
_BODY_SWAP = ((0, 1), (3, 4), (6, 7), (9, 10), (12, 13), (15, 16), (17, 18), (19, 20))


def _mirror_permutation() -> list[int]:
    order = list(range(NUM_BODY_JOINTS))
    for left, right in _BODY_SWAP:
        order[left], order[right] = right, left
    return order


def mirror_pose(pose: Tensor) -> Tensor:
    """Rotations [..., 51, 3, 3] of the mirrored person: sides exchanged, reflected at the x axis."""
    first, count = NUM_BODY_JOINTS, NUM_HAND_JOINTS
    order = [*_mirror_permutation(), *range(first + count, first + 2 * count), *range(first, first + count)]
    flip = torch.tensor([-1.0, 1.0, 1.0]).to(pose)
    return pose[..., order, :, :] * flip[:, None] * flip


@dataclass(frozen=True)
class Motion:
    """T frames of one person at `fps` frames per second.

    body_pose [T, 21, 3, 3], left_hand_pose and right_hand_pose [T, 15, 3, 3], global_orient [T, 3, 3],
    transl [T, 3] in metres; all float32. Raises ValueError when a shape or the frame rate is wrong.
    """

    body_pose: Tensor
    left_hand_pose: Tensor
    right_hand_pose: Tensor
    global_orient: Tensor
    transl: Tensor
    fps: float
    name: str

    def __post_init__(self) -> None:
        if not (np.isfinite(self.fps) and self.fps > 0):
            raise ValueError(f"motion {self.name!r}: fps is {self.fps}, expected a number above 0")
        frames = self.transl.shape[0]
        if frames < 1:
            raise ValueError(f"motion {self.name!r} has no frames, expected at least one")
        for field, tail in _FIELD_SHAPES.items():
            shape = tuple(getattr(self, field).shape)
            if shape != (frames, *tail):
                raise ValueError(f"motion {self.name!r}: {field} has shape {list(shape)}, expected {[frames, *tail]}")

    @property
    def num_frames(self) -> int:
        return self.transl.shape[0]

    @property
    def duration(self) -> float:
        """Seconds between the first and the last frame."""
        return (self.num_frames - 1) / self.fps

    @property
    def pose(self) -> Tensor:
        """[T, 51, 3, 3] in the order body, left hand, right hand: the label of the geometric decoder."""
        return torch.cat([self.body_pose, self.left_hand_pose, self.right_hand_pose], dim=1)

    @property
    def heading(self) -> Tensor:
        """[T] degrees about the vertical: 0 faces +z, +90 faces +x. Unwrapped, so a full turn ends at 360."""
        forward = self.global_orient[:, :, 2].double().numpy()
        angle = np.unwrap(np.arctan2(forward[:, 0], forward[:, 2]))
        return torch.from_numpy(np.degrees(angle)).float()

    def window(self, start: int, length: int) -> Motion:
        """Frames start .. start + length - 1. ValueError when the motion is too short."""
        if start < 0 or length < 1 or start + length > self.num_frames:
            raise ValueError(
                f"motion {self.name!r}: frames {start}..{start + length - 1} asked, but it has frames "
                f"0..{self.num_frames - 1}; choose a smaller start or length"
            )
        return self._each(lambda x: x[start : start + length])

    def resample(self, fps: float) -> Motion:
        """The same movement at another frame rate: rotations by slerp, the root by linear interpolation."""
        if not (np.isfinite(fps) and fps > 0):
            raise ValueError(f"motion {self.name!r}: fps is {fps}, expected a number above 0")
        if fps == self.fps:
            return self
        return self._at_rate(step=self.fps / fps, fps=fps)

    def retimed(self, speed: float) -> Motion:
        """The movement played `speed` times as fast, at the same frame rate."""
        if not (np.isfinite(speed) and speed > 0):
            raise ValueError(f"motion {self.name!r}: speed is {speed}, expected a number above 0")
        return self._at_rate(step=speed, fps=self.fps)

    def mirrored(self) -> Motion:
        """The movement in a mirror (left and right change places, x becomes -x)."""
        flip = torch.tensor([-1.0, 1.0, 1.0])
        whole = mirror_pose(torch.cat([self.body_pose, self.left_hand_pose, self.right_hand_pose], dim=1))
        body, left, right = whole.split((NUM_BODY_JOINTS, NUM_HAND_JOINTS, NUM_HAND_JOINTS), dim=1)
        return replace(
            self,
            body_pose=body,
            left_hand_pose=left,
            right_hand_pose=right,
            global_orient=self.global_orient * flip[:, None] * flip,
            transl=self.transl * flip,
            name=f"{self.name}/mirrored",
        )

    def turned(self, degrees: float) -> Motion:
        """The whole movement turned about the world's vertical axis (heading grows by `degrees`)."""
        turn = torch.from_numpy(Rotation.from_euler("y", degrees, degrees=True).as_matrix()).float()
        return replace(self, global_orient=turn @ self.global_orient, transl=self.transl @ turn.T)

    def moved_to(self, x: float, z: float) -> Motion:
        """The whole movement shifted on the floor so that its first frame stands at (x, z)."""
        shift = torch.tensor([x, 0.0, z]) - self.transl[0] * torch.tensor([1.0, 0.0, 1.0])
        return replace(self, transl=self.transl + shift)

    def _each(self, change: Callable[[Tensor], Tensor]) -> Motion:
        changed: dict[str, Any] = {field: change(getattr(self, field)) for field in _FIELD_SHAPES}
        return replace(self, **changed)

    def _at_rate(self, step: float, fps: float) -> Motion:
        """Read the motion every `step` old frames."""
        # The tolerance keeps the last frame when T - 1 is a whole number of steps up to rounding.
        count = int(np.floor((self.num_frames - 1) / step + 1e-6)) + 1
        position = np.minimum(np.arange(count) * step, self.num_frames - 1)
        low = np.minimum(np.floor(position).astype(int), max(self.num_frames - 2, 0))
        high = np.minimum(low + 1, self.num_frames - 1)
        part = position - low

        def between(values: Tensor) -> Tensor:
            array = values.double().numpy()
            if array.ndim == 2:
                out = array[low] * (1 - part)[:, None] + array[high] * part[:, None]
            else:
                out = slerp_matrices(array[low], array[high], part)
            return torch.from_numpy(out).float()

        return replace(self._each(between), fps=float(fps))


def slerp_matrices(first: np.ndarray, second: np.ndarray, part: np.ndarray) -> np.ndarray:
    """Rotations [T, ..., 3, 3] on the shortest way from `first` to `second`, at `part` [T] in 0..1."""
    shape = first.shape
    start = Rotation.from_matrix(first.reshape(-1, 3, 3))
    way = (start.inv() * Rotation.from_matrix(second.reshape(-1, 3, 3))).as_rotvec()
    weight = np.broadcast_to(part.reshape(-1, *[1] * (len(shape) - 3)), shape[:-2]).reshape(-1, 1)
    return (start * Rotation.from_rotvec(way * weight)).as_matrix().reshape(shape)
