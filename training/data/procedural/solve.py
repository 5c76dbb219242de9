"""From controls to joint rotations: leg inverse kinematics, arms, spine, floor contact.

Everything is worked out for the left side; the right side is the left side in a mirror.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from ..motion import Motion
from ..skeleton import JOINT, OFFSETS, SOLE_DEPTH, forward_kinematics, lowest_point
from .controls import (
    ABDUCT,
    ELBOW,
    FLEX,
    KNEE,
    PLANE,
    PRONATE,
    RAISE,
    ROTATE,
    TWIST,
    WRIST_FLEX,
    WRIST_SIDE,
    Controls,
)
from .curves import mirror, rot_axis, rot_x, rot_y, rot_z
from .fingers import finger_rotations

_HIP, _KNEE, _ANKLE = (OFFSETS[JOINT[name]] for name in ("left_hip", "left_knee", "left_ankle"))
# The longest leg IK may use: straight legs jitter, so stop just short of it.
_REACH = 0.998 * float(np.linalg.norm(_KNEE + _ANKLE))
_TOES_UP, _TOES_DOWN = np.radians(40), np.radians(55)
_BALL, _HEEL = np.array([0.035, 0.0, 0.122]), np.array([0.0, 0.0, -0.055])
_SPINE_SHARE = np.array([[0.35, 0.20, 0.35], [0.35, 0.35, 0.35], [0.30, 0.45, 0.30]])
_FLIP = np.array([-1.0, 1.0, 1.0])


def solve(controls: Controls, name: str) -> Motion:
    """The motion that follows `controls`; the lowest point stands on the floor where `grounded` says so."""
    frames = controls.clock.num_frames
    pose = np.tile(np.eye(3), (frames, 51, 1, 1))
    root = rot_y(controls.yaw) @ rot_x(controls.tilt[:, 0]) @ rot_z(controls.tilt[:, 1])
    transl = _within_reach(controls, root)
    _set_spine(pose, controls)
    for side, prefix in enumerate(("left", "right")):
        first_finger = JOINT[f"{prefix}_index1"] - 1
        limbs = _leg(controls, root, transl, side) | arm_rotations(controls.arms[:, side], controls.shrug[:, side])
        fingers = finger_rotations(controls.fingers[:, side])
        if prefix == "right":
            limbs = {joint: mirror(rotation) for joint, rotation in limbs.items()}
            fingers = mirror(fingers)
        for joint, rotation in limbs.items():
            pose[:, JOINT[f"{prefix}_{joint}"] - 1] = rotation
        pose[:, first_finger : first_finger + 15] = fingers
    transl = _put_on_floor(controls, root, transl, pose)
    return motion_from_arrays(root, transl, pose, controls.clock.fps, name)


def motion_from_arrays(root: np.ndarray, transl: np.ndarray, pose: np.ndarray, fps: float, name: str) -> Motion:
    """A `Motion` from root [T, 3, 3], transl [T, 3] and local rotations [T, 51, 3, 3] as numpy arrays."""
    local = torch.from_numpy(pose).float()
    return Motion(
        body_pose=local[:, :21].contiguous(),
        left_hand_pose=local[:, 21:36].contiguous(),
        right_hand_pose=local[:, 36:].contiguous(),
        global_orient=torch.from_numpy(root).float(),
        transl=torch.from_numpy(transl).float(),
        fps=float(fps),
        name=name,
    )


def _set_spine(pose: np.ndarray, controls: Controls) -> None:
    for share, joint in zip(_SPINE_SHARE, ("spine1", "spine2", "spine3"), strict=True):
        pose[:, JOINT[joint] - 1] = _bend(controls.spine * share)
    pose[:, JOINT["neck"] - 1] = _bend(controls.neck * 0.5)
    pose[:, JOINT["head"] - 1] = _bend(controls.neck * 0.5)


def _bend(angles: np.ndarray) -> np.ndarray:
    """Forward, left turn, left lean [T, 3] -> [T, 3, 3]."""
    return rot_y(angles[:, 1]) @ rot_z(-angles[:, 2]) @ rot_x(angles[:, 0])


# ---- legs


def _ankle_targets(controls: Controls, side: int) -> tuple[np.ndarray, np.ndarray]:
    """World ankle positions [T, 3] and foot rotations [T, 3, 3] that the foot controls ask for."""
    pitch = controls.foot_pitch[:, side]
    turn = rot_y(controls.foot_yaw[:, side])
    sign = np.array([1.0 - 2 * side, 1.0, 1.0])
    pivot = np.where(pitch[:, None] > 0, _BALL * sign, _HEEL)
    ankle = pivot + (rot_x(pitch) @ (np.array([0, SOLE_DEPTH, 0]) - pivot)[..., None])[..., 0]
    return controls.feet[:, side] + (turn @ ankle[..., None])[..., 0], turn @ rot_x(pitch)


def _within_reach(controls: Controls, root: np.ndarray) -> np.ndarray:
    """Pelvis positions, lowered where a leg would otherwise have to be longer than it is."""
    transl = controls.pelvis.copy()
    for side in (0, 1):
        ankle, _ = _ankle_targets(controls, side)
        hip = root @ (_HIP * (1 - 2 * side, 1, 1))
        flat = np.linalg.norm((ankle - transl - hip)[:, (0, 2)], axis=1)
        highest = ankle[:, 1] + np.sqrt(np.maximum(_REACH**2 - flat**2, 0.05)) - hip[:, 1]
        # A leg that follows angles, or a foot in the air, does not hold the pelvis down.
        free = np.maximum(controls.leg_weight[:, side], np.clip(controls.feet[:, side, 1] / 0.05, 0, 1))
        highest = np.where(free > 0.999, np.inf, highest + free * 0.3)
        transl[:, 1] = np.minimum(transl[:, 1], highest)
    return transl


def _leg(controls: Controls, root: np.ndarray, transl: np.ndarray, side: int) -> dict[str, np.ndarray]:
    """Local hip, knee, ankle and toe rotations, in the left leg's frame."""
    ankle, foot = _ankle_targets(controls, side)
    hip = transl + root @ (_HIP * (1 - 2 * side, 1, 1))
    to_ankle = (root.transpose(0, 2, 1) @ (ankle - hip)[..., None])[..., 0]
    foot_local = root.transpose(0, 2, 1) @ foot
    if side == 1:
        to_ankle, foot_local = to_ankle * _FLIP, mirror(foot_local)
    knee_bend = _knee_for_distance(np.linalg.norm(to_ankle, axis=1))
    thigh = _aim_thigh(to_ankle, knee_bend, foot_local)

    weight, angles = controls.leg_weight[:, side], controls.leg_angles[:, side]
    if weight.any():
        wanted = rot_z(angles[:, ABDUCT]) @ rot_x(-angles[:, FLEX]) @ rot_y(angles[:, ROTATE])
        thigh = _slerp(thigh, wanted, weight)
        knee_bend = knee_bend * (1 - weight) + angles[:, KNEE] * weight
    shank = thigh @ rot_x(knee_bend)
    planted = shank.transpose(0, 2, 1) @ foot_local
    ankle_local = _limit_ankle(planted)
    if weight.any():
        # A free foot points a little instead of staying level.
        ankle_local = _slerp(ankle_local, rot_x(np.full(len(weight), 0.35)), weight)
    # The toes stay flat on the floor while the heel rises.
    toes = rot_x(-np.clip(controls.foot_pitch[:, side], 0, 0.9) * (1 - weight))
    return {"hip": thigh, "knee": rot_x(knee_bend), "ankle": ankle_local, "foot": toes}


def _knee_for_distance(distance: np.ndarray) -> np.ndarray:
    """Knee bend at which hip and ankle are `distance` apart: |u1 + Rx(k) u2|^2 = a + b cos k + c sin k."""
    b = _KNEE[1] * _ANKLE[1] + _KNEE[2] * _ANKLE[2]
    c = _KNEE[2] * _ANKLE[1] - _KNEE[1] * _ANKLE[2]
    wanted = (distance**2 - _KNEE @ _KNEE - _ANKLE @ _ANKLE) / 2 - _KNEE[0] * _ANKLE[0]
    bend = np.arctan2(c, b) + np.arccos(np.clip(wanted / np.hypot(b, c), -1, 1))
    return np.clip(bend, 0.0, np.radians(150))


def _aim_thigh(to_ankle: np.ndarray, knee_bend: np.ndarray, foot: np.ndarray) -> np.ndarray:
    """Thigh rotation that brings the (bent) leg onto `to_ankle` with the knee pointing where the foot points."""
    bent = _KNEE + (rot_x(knee_bend) @ _ANKLE[:, None])[..., 0]
    # The knee follows the toes' heading, half way back to straight ahead.
    yaw = 0.7 * np.arctan2(foot[:, 0, 2], foot[:, 2, 2])
    yaw = np.clip(yaw, -0.6, 0.9)
    axis = np.stack([np.cos(yaw), np.zeros_like(yaw), -np.sin(yaw)], axis=1)
    return _frame(to_ankle, axis) @ _frame(bent, np.broadcast_to([1.0, 0, 0], bent.shape)).transpose(0, 2, 1)


def _frame(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Orthonormal frames [T, 3, 3] whose first column is along `first`, second in the plane of both."""
    first = first / np.linalg.norm(first, axis=1, keepdims=True)
    third = np.cross(first, second)
    third /= np.maximum(np.linalg.norm(third, axis=1, keepdims=True), 1e-9)
    return np.stack([first, np.cross(third, first), third], axis=2)


def _limit_ankle(rotation: np.ndarray) -> np.ndarray:
    """Keep the ankle within what ankles do: pitch limits, and 25 degrees of any sideways roll or turn."""
    pitch, roll, turn = Rotation.from_matrix(rotation).as_euler("xzy").T
    side = np.radians(25)
    return (rot_y(np.clip(turn, -side, side)) @ rot_z(np.clip(roll, -side, side))) @ rot_x(
        np.clip(pitch, -_TOES_UP, _TOES_DOWN)
    )


def _slerp(first: np.ndarray, second: np.ndarray, part: np.ndarray) -> np.ndarray:
    start = Rotation.from_matrix(first)
    way = (start.inv() * Rotation.from_matrix(second)).as_rotvec()
    return (start * Rotation.from_rotvec(way * part[:, None])).as_matrix()


# ---- arms


def arm_rotations(arms: np.ndarray, shrug: np.ndarray) -> dict[str, np.ndarray]:
    """Local collar, shoulder, elbow and wrist rotations of the left arm."""
    plane = arms[:, PLANE]
    axis = np.stack([np.sin(-plane), np.zeros_like(plane), np.cos(plane)], axis=-1)
    # Raised sideways above the shoulder, the arm turns outwards by itself.
    outwards = 1.2 * np.clip((arms[:, RAISE] - 1.2) / 1.6, 0, 1) * np.clip(np.cos(plane), 0, 1)
    swing = rot_axis(axis, arms[:, RAISE])
    upper = swing @ rot_z(np.full(len(arms), -np.pi / 2)) @ rot_x(arms[:, TWIST] - outwards)
    # The collar bone lifts and follows the arm beyond the first 30 degrees (scapulohumeral rhythm).
    follow = rot_axis(axis, 0.22 * np.clip(arms[:, RAISE] - 0.5, 0, None) * np.cos(plane) ** 2)
    across = rot_y(-0.15 * np.clip(np.sin(plane), 0, 1) * np.sin(np.clip(arms[:, RAISE], 0, np.pi / 2)))
    collar = rot_z(shrug) @ across @ follow
    return {
        "collar": collar,
        "shoulder": collar.transpose(0, 2, 1) @ upper,
        "elbow": rot_y(-arms[:, ELBOW]) @ rot_x(0.5 * arms[:, PRONATE]),
        "wrist": rot_x(0.5 * arms[:, PRONATE]) @ rot_y(-arms[:, WRIST_SIDE]) @ rot_z(-arms[:, WRIST_FLEX]),
    }


# ---- floor


def _put_on_floor(controls: Controls, root: np.ndarray, transl: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """Shift the pelvis so that the lowest point touches y = 0 (grounded) or never goes below it (in flight)."""
    lowest = lowest_point(*forward_kinematics(root, transl, pose))
    out = transl.copy()
    out[:, 1] -= np.where(lowest > 0, lowest * controls.grounded, lowest)
    return out
