"""The average skeleton: SMPL-X's joint tree with the offsets of a 1.70 m adult, and forward kinematics.

Previews and exports show a pose on these bones; tokens know rotations, not a body's measures. The offsets are rounded
anthropometric averages in SMPL's T-pose (y up, facing +z, the person's left is +x), metres.

Joint order ("52 joints"): pelvis, the 21 body joints, 15 left-hand and 15 right-hand joints; that is SMPL-X's order
without jaw and eyes. Poses [..., 51, 3, 3] leave the pelvis out, as everywhere in this project.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

BODY_JOINTS = (
    "pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2", "left_ankle",
    "right_ankle", "spine3", "left_foot", "right_foot", "neck", "left_collar", "right_collar", "head",
    "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
)  # fmt: skip
FINGERS = ("index", "middle", "pinky", "ring", "thumb")
HAND_JOINTS = tuple(f"{finger}{n}" for finger in FINGERS for n in (1, 2, 3))
JOINTS = (
    BODY_JOINTS + tuple(f"left_{joint}" for joint in HAND_JOINTS) + tuple(f"right_{joint}" for joint in HAND_JOINTS)
)
JOINT = {name: index for index, name in enumerate(JOINTS)}

_BODY_PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19)


def _hand_parents(wrist: int, first: int) -> tuple[int, ...]:
    return tuple(wrist if n % 3 == 0 else first + n - 1 for n in range(15))


PARENTS = _BODY_PARENTS + _hand_parents(JOINT["left_wrist"], 22) + _hand_parents(JOINT["right_wrist"], 37)

# Offsets from the parent: the middle line and the person's left side; the right side mirrors it.
_OFFSETS = {
    "spine1": (0.0, 0.110, -0.030),
    "spine2": (0.0, 0.130, 0.020),
    "spine3": (0.0, 0.055, 0.000),
    "neck": (0.0, 0.205, -0.030),
    "head": (0.0, 0.085, 0.045),
    "left_hip": (0.065, -0.080, -0.015),
    "left_knee": (0.040, -0.370, 0.000),
    "left_ankle": (-0.015, -0.400, -0.035),
    "left_foot": (0.035, -0.058, 0.122),
    "left_collar": (0.075, 0.110, -0.015),
    "left_shoulder": (0.110, 0.040, -0.012),
    "left_elbow": (0.255, -0.012, -0.022),
    "left_wrist": (0.250, 0.010, -0.006),
    "left_index1": (0.095, -0.005, 0.022),
    "left_index2": (0.033, 0.000, 0.003),
    "left_index3": (0.023, 0.000, 0.002),
    "left_middle1": (0.098, 0.000, 0.000),
    "left_middle2": (0.034, 0.000, 0.000),
    "left_middle3": (0.024, 0.000, 0.000),
    "left_pinky1": (0.080, -0.008, -0.040),
    "left_pinky2": (0.024, 0.000, -0.005),
    "left_pinky3": (0.017, 0.000, -0.004),
    "left_ring1": (0.090, -0.003, -0.021),
    "left_ring2": (0.032, 0.000, -0.003),
    "left_ring3": (0.023, 0.000, -0.002),
    "left_thumb1": (0.025, -0.012, 0.028),
    "left_thumb2": (0.023, -0.008, 0.024),
    "left_thumb3": (0.021, -0.006, 0.021),
}
# Where the last bones of the tree end, from their joint.
_ENDS = {
    "head": (0.0, 0.140, 0.010),
    "left_foot": (0.010, -0.010, 0.075),
    "left_index3": (0.022, 0.0, 0.002),
    "left_middle3": (0.023, 0.0, 0.0),
    "left_pinky3": (0.017, 0.0, -0.004),
    "left_ring3": (0.022, 0.0, -0.002),
    "left_thumb3": (0.018, -0.005, 0.018),
}


def _both_sides(left: dict[str, tuple[float, float, float]]) -> dict[str, Array]:
    table = {name: np.array(offset) for name, offset in left.items()}
    mirrored = {name.replace("left_", "right_"): value * (-1, 1, 1) for name, value in table.items() if "left_" in name}
    return table | mirrored


def _table(offsets: dict[str, Array]) -> Array:
    table = np.zeros((len(JOINTS), 3))
    for name, offset in offsets.items():
        table[JOINT[name]] = offset
    table.setflags(write=False)
    return table


OFFSETS = _table(_both_sides(_OFFSETS))
ENDS = {JOINT[name]: offset for name, offset in _both_sides(_ENDS).items()}

SOLE_DEPTH = 0.080  # the sole under the ankle
# Points that may carry the body: (joint, offset from it, radius of the flesh around it).
_CARRYING = (
    ("left_ankle", (0.0, -SOLE_DEPTH, -0.055), 0.0),
    ("left_foot", (0.0, -0.022, 0.0), 0.0),
    ("left_foot", (0.010, -0.022, 0.070), 0.0),
    ("left_knee", (0.0, 0.0, 0.0), 0.055),
    ("left_wrist", (0.0, 0.0, 0.0), 0.035),
    ("left_elbow", (0.0, 0.0, 0.0), 0.045),
    ("left_middle3", (0.0, 0.0, 0.0), 0.020),
    ("pelvis", (0.0, 0.0, 0.0), 0.110),
    ("head", (0.0, 0.0, 0.0), 0.100),
)


def forward_kinematics(pose: Array, root: Array | None = None) -> tuple[Array, Array]:
    """Positions [T, 52, 3] and rotations [T, 52, 3, 3] of all joints, about the pelvis.

    pose: [T, 51, 3, 3] relative to the parent; root: [T, 3, 3] rotation of the pelvis (None: upright, facing +z).
    """
    if pose.ndim != 4 or pose.shape[1:] != (len(JOINTS) - 1, 3, 3):
        raise ValueError(f"pose has shape {list(pose.shape)}; expected [frames, {len(JOINTS) - 1}, 3, 3]")
    positions = np.zeros((len(pose), len(JOINTS), 3))
    rotations = np.empty((len(pose), len(JOINTS), 3, 3))
    rotations[:, 0] = np.eye(3) if root is None else root
    for joint in range(1, len(JOINTS)):
        parent = PARENTS[joint]
        positions[:, joint] = positions[:, parent] + rotations[:, parent] @ OFFSETS[joint]
        rotations[:, joint] = rotations[:, parent] @ pose[:, joint - 1]
    return positions, rotations


def height_above_lowest(positions: Array, rotations: Array) -> Array:
    """How high the pelvis stands above the lowest point of the body, [T]: soles, knees, seat, hands or head."""
    lowest = np.full(len(positions), np.inf)
    for name, left_offset, radius in _CARRYING:
        for side, sign in (("left", 1), ("right", -1)):
            joint = JOINT[name.replace("left", side)]
            points = positions[:, joint] + rotations[:, joint] @ (np.array(left_offset) * (sign, 1, 1))
            lowest = np.minimum(lowest, points[:, 1] - radius)
    return positions[:, 0, 1] - lowest
