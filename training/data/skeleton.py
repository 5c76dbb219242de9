"""The average skeleton: SMPL-X joint tree, rest offsets of a 1.70 m adult, forward kinematics in numpy.

The offsets are rounded anthropometric averages in SMPL's T-pose. They place feet on the floor and serve
retargeting; the pictures come from a real body (`body.py`) with its own offsets.

Joint order here ("52 joints"): pelvis, the 21 body joints, 15 left-hand, 15 right-hand joints; that is
SMPL-X's order without jaw and eyes (SMPL-X index = i for i < 22, else i + 3).
"""

from __future__ import annotations

import numpy as np

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

# Offsets from the parent in metres: the middle line and the person's left side (+x); the right side mirrors it.
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


def _rest_offsets() -> np.ndarray:
    offsets = np.zeros((len(JOINTS), 3))
    for name, offset in _OFFSETS.items():
        offsets[JOINT[name]] = offset
        if name.startswith("left_"):
            offsets[JOINT[name.replace("left_", "right_")]] = np.array(offset) * (-1, 1, 1)
    return offsets


OFFSETS = _rest_offsets()
OFFSETS.setflags(write=False)

# Depth of the sole under the ankle, and the points of a foot that may touch the floor, per side:
# (joint whose frame the point lives in, offset from that joint).
SOLE_DEPTH = 0.080
STANDING_HEIGHT = 0.930  # pelvis above the floor, legs straight
LEG_LENGTH = float(np.linalg.norm(OFFSETS[JOINT["left_knee"]]) + np.linalg.norm(OFFSETS[JOINT["left_ankle"]]))

_LEFT_CONTACTS = (
    ("left_ankle", (0.000, -SOLE_DEPTH, -0.055)),
    ("left_foot", (0.000, -0.022, 0.000)),
    ("left_foot", (0.010, -0.022, 0.070)),
)


def sole_points(positions: np.ndarray, rotations: np.ndarray) -> np.ndarray:
    """World positions [T, 2, 3, 3] (side left/right, heel/ball/toe, xyz) from `forward_kinematics` results."""
    sides = []
    for side, sign in (("left", 1), ("right", -1)):
        points = []
        for joint, offset in _LEFT_CONTACTS:
            index = JOINT[joint.replace("left", side)]
            points.append(positions[:, index] + rotations[:, index] @ (np.array(offset) * (sign, 1, 1)))
        sides.append(np.stack(points, axis=1))
    return np.stack(sides, axis=1)


# Other parts that may meet the floor (kneeling, sitting, hands down): joint and radius of its flesh in metres.
_OTHER_CONTACTS = (
    ("left_knee", 0.055), ("right_knee", 0.055), ("pelvis", 0.110),
    ("left_wrist", 0.035), ("right_wrist", 0.035), ("left_elbow", 0.045), ("right_elbow", 0.045),
    ("left_middle3", 0.020), ("right_middle3", 0.020), ("head", 0.100),
)  # fmt: skip


def lowest_point(positions: np.ndarray, rotations: np.ndarray) -> np.ndarray:
    """Height [T] of the lowest point of the person: soles, knees, seat, hands, head."""
    lowest = sole_points(positions, rotations)[..., 1].min(axis=(1, 2))
    for joint, radius in _OTHER_CONTACTS:
        lowest = np.minimum(lowest, positions[:, JOINT[joint], 1] - radius)
    return lowest


def forward_kinematics(
    root: np.ndarray,
    transl: np.ndarray,
    pose: np.ndarray,
    joints: int = len(JOINTS),
    offsets: np.ndarray = OFFSETS,
) -> tuple[np.ndarray, np.ndarray]:
    """World positions [T, joints, 3] and rotations [T, joints, 3, 3] of the first `joints` joints.

    root [T, 3, 3] is the pelvis rotation, transl [T, 3] its position, pose [T, >= joints - 1, 3, 3] the local
    rotations in the 52-joint order without the pelvis.
    """
    frames = transl.shape[0]
    positions = np.empty((frames, joints, 3))
    rotations = np.empty((frames, joints, 3, 3))
    positions[:, 0], rotations[:, 0] = transl, root
    for joint in range(1, joints):
        parent = PARENTS[joint]
        positions[:, joint] = positions[:, parent] + rotations[:, parent] @ offsets[joint]
        rotations[:, joint] = rotations[:, parent] @ pose[:, joint - 1]
    return positions, rotations
