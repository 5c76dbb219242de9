"""Where a vertex is on a body: along the arm, along the leg, up the torso, on the head. Clothes are cut by these.

All are measured in the rest (A-) pose and scaled by the body's own joints, so one pattern fits every body.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .body import Body

_ARM_BONES = ("shoulder", "upperarm_twist", "elbow", "forearm_twist", "wrist")
_FINGER_BONES = ("index", "middle", "pinky", "ring", "thumb")


@dataclass(frozen=True)
class Measures:
    """Per-vertex coordinates [V] of a body.

    arm: 0 shoulder, 1 elbow, 2 wrist, 3 finger tips (-1 off the arm). arm_share: skinning weight on arm bones.
    leg: 0 hip, 1 knee, 2 ankle (negative above the hip). torso: 0 pelvis, 1 neck. head: [V, 3] metres from the
    middle between the eyes, divided by the distance of the eyes. side: +1 left, -1 right.
    """

    arm: np.ndarray
    arm_share: np.ndarray
    leg: np.ndarray
    torso: np.ndarray
    head: np.ndarray
    side: np.ndarray


def measure(body: Body) -> Measures:
    """Coordinates of every vertex of every layer."""
    rest, points = body.rest_vertices, body.points
    side = np.where(rest[:, 0] >= 0, 1.0, -1.0).astype(np.float32)
    mirrored = rest * np.stack([side, np.ones_like(side), np.ones_like(side)], axis=1)
    chain = [points[f"left_{name}"] for name in ("shoulder", "elbow", "wrist", "middle_tip")]
    share = arm_share(body)
    arm = np.where(share > 0.02, _along(mirrored, chain), -1.0)
    heights = [points[f"left_{name}"][1] for name in ("ankle", "knee", "hip")]
    above = heights[2] + (heights[2] - heights[1])
    leg = np.interp(rest[:, 1], [heights[0] - 0.1, *heights, above], [2.25, 2.0, 1.0, 0.0, -1.0])
    low, high = points["pelvis"][1], points["neck"][1]
    torso = (rest[:, 1] - low) / (high - low)
    eyes = 0.5 * (points["left_eye"] + points["right_eye"])
    distance = np.linalg.norm(points["left_eye"] - points["right_eye"])
    return Measures(arm, share, leg, torso, (rest - eyes) / distance, side)


def arm_share(body: Body) -> np.ndarray:
    """[V] how much of a vertex's skinning weight lies on arm, hand and finger bones."""
    names = body.asset.bone_names
    is_arm = np.array([name.split("_", 1)[-1].rstrip("123") in _ARM_BONES + _FINGER_BONES for name in names])
    return (body.asset.skin_weights * is_arm[body.asset.skin_bones]).sum(axis=1)


def _along(points: np.ndarray, chain: list[np.ndarray]) -> np.ndarray:
    """Position along a chain of joints: the integer part counts joints, the nearest bone decides."""
    best = np.full(len(points), np.inf)
    place = np.zeros(len(points))
    last = len(chain) - 2
    for k, (start, end) in enumerate(pairwise(chain)):
        bone = end - start
        t = (points - start) @ bone / (bone @ bone)
        clipped = np.clip(t, 0.0, 1.0)
        distance = np.linalg.norm(points - start - clipped[:, None] * bone, axis=1)
        # beyond the ends of the chain the coordinate runs on, so that cuts near them stay smooth
        value = np.where((k == 0) & (t < 0), t, np.where((k == last) & (t > 1), t, clipped))
        better = distance < best
        best[better] = distance[better]
        place[better] = (k + value)[better]
    return place
