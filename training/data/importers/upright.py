"""Which way is up, and how a file's trunk, head and feet are turned when the person stands upright.

Zero poses differ from file to file: some are a T-pose, some have all bones in a line. When the zero pose looks
like someone standing (any arms), it is taken as upright; otherwise the most upright frames of the motion are.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .frames import nearest_rotation, unit
from .source import SourceMotion

_LEAST_COSINE = 0.8  # of legs against the trunk's line in a zero pose that counts as standing


def to_y_up(positions: np.ndarray, joints: Mapping[str, int]) -> np.ndarray:
    """Rotation [3, 3] that brings the file's up axis, found from heads being above ankles, to +y."""
    top = positions[:, joints.get("head", joints.get("neck", 0))]
    ankles = (positions[:, joints["left_ankle"]] + positions[:, joints["right_ankle"]]) / 2
    mean = unit(top - ankles).mean(axis=0)
    axis = int(np.argmax(np.abs(mean)))
    up = np.zeros(3)
    up[axis] = np.sign(mean[axis])
    if axis == 1 and up[1] > 0:
        return np.eye(3)
    # x stays x when z is up (the usual case); otherwise any right-handed choice will do.
    right = np.array([1.0, 0, 0]) if axis != 0 else np.array([0, 1.0, 0])
    return np.stack([right, up, np.cross(right, up)])


def standing_zero_pose(source: SourceMotion, joints: Mapping[str, int]) -> np.ndarray | None:
    """Axes [3, 3] (columns: the person's left, up, forward, in file axes) of a zero pose that stands, else None."""
    rest = source.rest_positions

    def way(start: str, end: str) -> np.ndarray:
        return unit(rest[joints[end]] - rest[joints[start]])

    top = rest[joints.get("neck", joints.get("head", 0))]
    up = unit(top - (rest[joints["left_hip"]] + rest[joints["right_hip"]]) / 2)
    left = way("right_hip", "left_hip")
    legs = [
        way(f"{side}_{a}", f"{side}_{b}") for side in ("left", "right") for a, b in (("hip", "knee"), ("knee", "ankle"))
    ]
    if abs(left @ up) > 0.35 or min(-leg @ up for leg in legs) < _LEAST_COSINE:
        return None
    axes = np.stack([left, up, np.cross(left, up)], axis=1)
    if "left_toe" in joints and way("left_ankle", "left_toe") @ axes[:, 2] < 0.3:
        return None
    snapped = np.round(axes)
    is_rotation = np.allclose(snapped @ snapped.T, np.eye(3))
    # Skeletons are drawn along the axes of the file; the small rest is the shape of their backs and hips.
    return snapped if is_rotation else nearest_rotation(axes)


def upright_frames(positions: np.ndarray, joints: Mapping[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """Weights [T] of the most upright frames and the person's axes [T, 3, 3] in them (y-up positions)."""

    def way(start: str, end: str) -> np.ndarray:
        return unit(positions[:, joints[end]] - positions[:, joints[start]])

    neck = "neck" if "neck" in joints else "head"
    hips = (positions[:, joints["left_hip"]] + positions[:, joints["right_hip"]]) / 2
    score = 2 * unit(positions[:, joints[neck]] - hips)[:, 1]
    for side in ("left", "right"):
        score = score - way(f"{side}_hip", f"{side}_knee")[:, 1] - way(f"{side}_knee", f"{side}_ankle")[:, 1]
    left = way("right_hip", "left_hip") + way("right_shoulder", "left_shoulder")
    score = score + 0.5 * np.linalg.norm(left, axis=1)
    left[:, 1] = 0
    left = unit(left)
    up = np.broadcast_to([0.0, 1.0, 0.0], left.shape)
    weight = (score >= score.max() - 0.06).astype(float)
    return weight, np.stack([left, up, np.cross(left, up)], axis=-1)


def flat_feet(ankle: np.ndarray, toe: np.ndarray, fps: float) -> np.ndarray:
    """Frames [T] bool in which a foot rests flat: ankle and toe low and slow (metres, y up)."""
    flat = np.ones(len(ankle), dtype=bool)
    for point in (ankle, toe):
        speed = np.linalg.norm(np.gradient(point, axis=0), axis=1) * fps if len(point) > 1 else np.zeros(1)
        flat &= (point[:, 1] < np.percentile(point[:, 1], 10) + 0.03) & (speed < 0.25)
    return flat


def foot_axes(toe_way: np.ndarray, rest_way: np.ndarray) -> np.ndarray:
    """Rotations [T, 3, 3] of a level foot that points along `toe_way` [T, 3]; `rest_way` [3] is the T-pose's."""
    yaw = np.arctan2(toe_way[:, 0], toe_way[:, 2]) - np.arctan2(rest_way[0], rest_way[2])
    cos, sin, zero, one = np.cos(yaw), np.sin(yaw), np.zeros_like(yaw), np.ones_like(yaw)
    return np.stack([cos, zero, sin, zero, one, zero, -sin, zero, cos], axis=-1).reshape(-1, 3, 3)
