"""Rotations from directions: frames of two vectors, shortest swings, constant corrections found by averaging."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

_TINY = 1e-9
_ARC_CURVATURE = 6e-5  # variance of the arc's bulge over its chord: a joint that moves through some 25 degrees


def unit(vectors: np.ndarray) -> np.ndarray:
    """Unit vectors [..., 3]; a zero vector stays zero."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), _TINY)


def frame(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Rotations [..., 3, 3] whose first column is along `first`, the second as near to `second` as can be."""
    x = unit(first)
    z = unit(np.cross(x, second))
    return np.stack([x, np.cross(z, x), z], axis=-1)


def turn_between(first0: np.ndarray, second0: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Rotations [T, 3, 3] that take the rest vectors `first0`, `second0` [3] to `first`, `second` [T, 3]."""
    return frame(first, second) @ frame(first0, second0).T


def swing(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Shortest rotations [..., 3, 3] from directions `start` to `end` (the identity where one of them is zero)."""
    start, end = np.broadcast_arrays(unit(start), unit(end))
    cross = np.cross(start, end)
    cosine = np.sum(start * end, axis=-1)
    angle = np.arctan2(np.linalg.norm(cross, axis=-1), cosine)
    length = np.linalg.norm(start, axis=-1) * np.linalg.norm(end, axis=-1)
    # Opposite directions have no shortest way: any axis across will do.
    across = np.cross(start, np.where(np.abs(start[..., :1]) < 0.9, [1.0, 0, 0], [0, 1.0, 0]))
    axis = unit(np.where(np.linalg.norm(cross, axis=-1, keepdims=True) > 1e-7, cross, across))
    vectors = axis * np.where(length > 0.5, angle, 0.0)[..., None]
    return Rotation.from_rotvec(vectors.reshape(-1, 3)).as_matrix().reshape(*start.shape[:-1], 3, 3)


def part_of(rotation: np.ndarray, part: float) -> np.ndarray:
    """The rotation [T, 3, 3] done to `part` (0..1) of its angle."""
    return Rotation.from_rotvec(Rotation.from_matrix(rotation).as_rotvec() * part).as_matrix()


def transposed(rotation: np.ndarray) -> np.ndarray:
    return np.swapaxes(rotation, -1, -2)


def constant_offset(source: np.ndarray, wanted: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The constant C [3, 3] with source C nearest to `wanted` ([T, 3, 3] both), frames weighted by [T]."""
    return nearest_rotation(np.einsum("t,tji,tjk->ik", weight, source, wanted))


def nearest_rotation(matrix: np.ndarray) -> np.ndarray:
    """The rotation nearest to a sum of rotations [3, 3]."""
    u, _, v = np.linalg.svd(matrix)
    return u @ np.diag([1.0, 1.0, np.linalg.det(u @ v)]) @ v


def hinge_axis(upper: np.ndarray, upper_way: np.ndarray, lower_way: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """World axis [T, 3] that a knee or elbow bends about, and how far to believe it in each frame [T].

    upper [T, 3, 3] is the file's rotation of the upper bone, the ways [T, 3] are the bones' directions. Seen from
    the upper bone the lower one draws an arc of a circle about the hinge, so the axis is what the arc's plane
    stands on, even when the bones are not in line at rest. When the joint bends too little to show an arc, the
    axis is the one across both bones, believed as far as they are bent.
    """
    across = np.cross(unit(upper_way), unit(lower_way))
    seen = np.sum(across**2, axis=1)
    arc = (transposed(upper) @ unit(lower_way)[..., None])[..., 0]
    sizes, axes = np.linalg.eigh(np.cov(arc.T)) if len(arc) > 3 else (np.zeros(3), np.eye(3))
    if sizes[1] < _ARC_CURVATURE or sizes[1] < 8 * sizes[0]:
        return across, seen
    axis = (upper @ axes[:, 0][:, None])[..., 0]
    axis *= np.sign(np.sum(axis * across)) or 1.0
    return axis, np.ones(len(axis))


def twist_angle(rotation: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """Angle [T] (radians, -pi..pi) of the part of `rotation` [T, 3, 3] that turns about the unit `axis` [3]."""
    quaternion = Rotation.from_matrix(rotation).as_quat()
    angle = 2 * np.arctan2(quaternion[:, :3] @ axis, quaternion[:, 3])
    return (angle + np.pi) % (2 * np.pi) - np.pi
