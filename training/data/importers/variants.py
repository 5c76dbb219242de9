"""More motion out of imported motion: mirrored, faster and slower, with other fingers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from ..motion import Motion
from ..procedural.curves import Clock, mirror
from ..procedural.fingers import draw_fingers, finger_rotations

SPEEDS = (0.8, 1.25)


def variants(motion: Motion, speeds: tuple[float, ...] = SPEEDS) -> list[Motion]:
    """The motion, its mirror image, and both at every speed of `speeds` (2 + 2 len(speeds) motions)."""
    both = [motion, motion.mirrored()]
    retimed = [replace(one.retimed(speed), name=f"{one.name}/x{speed:g}") for speed in speeds for one in both]
    return both + retimed


def with_drawn_fingers(motion: Motion, rng: np.random.Generator, split: str = "train") -> Motion:
    """The motion with fingers of the procedural library, for files that have none."""
    clock = Clock(motion.num_frames, motion.fps)
    left, right = (finger_rotations(draw_fingers(rng, clock, split)) for _ in range(2))
    return replace(
        motion,
        left_hand_pose=torch.from_numpy(left).float(),
        right_hand_pose=torch.from_numpy(np.ascontiguousarray(mirror(right))).float(),
    )
