"""Decoded poses for other programs: BVH (Blender, Maya, Unreal, MotionBuilder) and SMPL-X parameters as AMASS has them.

Both hold what `decoded_pose` knows: joints, and a pelvis that stays in place. Widths and lengths are those of the
average skeleton, not of the person in the driving video.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from .decoded_pose import DecodedPose
from .paths import atomic_path
from .rotations import matrix_to_axis_angle
from .skeleton import ENDS, JOINTS, OFFSETS, PARENTS, Array

CENTIMETRES = 100.0  # the unit of most BVH files; Blender imports them with a scale of 0.01

_MIDDLE_NAMES = {
    "pelvis": "Hips", "spine1": "Spine", "spine2": "Spine1", "spine3": "Spine2", "neck": "Neck", "head": "Head",
}  # fmt: skip
_SIDE_NAMES = {
    "hip": "UpLeg", "knee": "Leg", "ankle": "Foot", "foot": "ToeBase",
    "collar": "Shoulder", "shoulder": "Arm", "elbow": "ForeArm", "wrist": "Hand",
}  # fmt: skip
# The pelvis of SMPL-X's mean body, about which `global_orient` turns; `trans` counts from there.
_SMPLX_PELVIS = (0.003, -0.351, 0.012)
_Z_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])  # a quarter turn about x, y becomes z
_NUM_BETAS = 16


def write_bvh(path: str | os.PathLike[str], pose: DecodedPose) -> Path:
    """Writes a BVH: y up, facing +z, centimetres, the T-pose as its zero pose, names as Mixamo's skeleton has them
    (Hips, LeftUpLeg, LeftHandIndex1 ...), which retargeting tools know. Rotations in the order Z, X, Y."""
    lines = ["HIERARCHY"]
    order: list[int] = []
    _add_joint(lines, order, 0, 0)
    angles = np.concatenate([np.zeros((pose.num_frames, 1, 3)), euler_zxy(pose.rotations)], axis=1)
    rows = np.concatenate([pose.root * CENTIMETRES, angles[:, order].reshape(pose.num_frames, -1)], axis=1)
    lines += ["MOTION", f"Frames: {pose.num_frames}", f"Frame Time: {1 / pose.fps:.8f}"]
    lines += [" ".join(f"{value:.5f}" for value in row) for row in rows]
    with atomic_path(path) as draft:
        draft.write_text("\n".join(lines) + "\n", encoding="ascii")
    return Path(path)


def write_smpl_npz(path: str | os.PathLike[str], pose: DecodedPose) -> Path:
    """Writes SMPL-X parameters with the field names of AMASS: axis angles, metres, z up, mean shape.

    poses [T, 165] (pelvis, 21 body joints, jaw, eyes, 15 + 15 fingers), also cut up as root_orient, pose_body,
    pose_jaw, pose_eye, pose_hand; hands are relative to flat hands (`flat_hand_mean=True`).
    """
    frames = pose.num_frames
    vectors = matrix_to_axis_angle(torch.from_numpy(pose.rotations)).numpy().reshape(frames, -1)
    parts = {
        "root_orient": np.tile(_axis_angle_of(_Z_UP), (frames, 1)),
        "pose_body": vectors[:, :63],
        "pose_jaw": np.zeros((frames, 3)),
        "pose_eye": np.zeros((frames, 6)),
        "pose_hand": vectors[:, 63:],
    }
    fields = {
        **parts,
        "poses": np.concatenate(list(parts.values()), axis=1),
        "trans": pose.root @ _Z_UP.T - _SMPLX_PELVIS,
        "betas": np.zeros(_NUM_BETAS),
        "gender": np.array("neutral"),
        "surface_model_type": np.array("smplx"),
        "mocap_frame_rate": np.array(pose.fps),
        "mocap_framerate": np.array(pose.fps),  # AMASS itself writes it both ways
    }
    with atomic_path(path) as draft:
        np.savez_compressed(draft, **fields)
    return Path(path)


Writer = Callable[[str | os.PathLike[str], DecodedPose], Path]
WRITERS: dict[str, Writer] = {".bvh": write_bvh, ".npz": write_smpl_npz}


def bvh_name(joint: str) -> str:
    """Mixamo's name for one of our joints: left_hip → LeftUpLeg, left_index2 → LeftHandIndex2."""
    if joint in _MIDDLE_NAMES:
        return _MIDDLE_NAMES[joint]
    side, part = joint.split("_", 1)
    return side.capitalize() + (_SIDE_NAMES.get(part) or f"Hand{part.capitalize()}")


def euler_zxy(rotations: Array) -> Array:
    """[T, J, 3, 3] → degrees [T, J, 3] about z, x, y with R = Rz Rx Ry.

    Of the two triples that give the same rotation, and of full turns, the one nearer to the frame before is taken:
    animation programs interpolate the numbers, not the rotations.
    """
    sine = np.clip(rotations[..., 2, 1], -1.0, 1.0)
    locked = np.abs(sine) > 1 - 1e-9  # x at ±90°: z and y turn about the same axis, and z takes it all
    z = np.where(
        locked,
        np.arctan2(rotations[..., 1, 0], rotations[..., 0, 0]),
        np.arctan2(-rotations[..., 0, 1], rotations[..., 1, 1]),
    )
    y = np.where(locked, 0.0, np.arctan2(-rotations[..., 2, 0], rotations[..., 2, 2]))
    first = np.stack([z, np.arcsin(sine), y], axis=-1)
    other = np.stack([z + np.pi, np.pi - first[..., 1], y + np.pi], axis=-1)
    angles = first.copy()
    for frame in range(1, len(first)):
        near = [_nearest_turn(option[frame], angles[frame - 1]) for option in (first, other)]
        gaps = [np.abs(option - angles[frame - 1]).sum(axis=-1, keepdims=True) for option in near]
        angles[frame] = np.where(gaps[1] < gaps[0], near[1], near[0])
    return np.degrees(angles)


def _nearest_turn(angle: Array, before: Array) -> Array:
    return angle - 2 * np.pi * np.round((angle - before) / (2 * np.pi))


def _axis_angle_of(matrix: Array) -> Array:
    return matrix_to_axis_angle(torch.from_numpy(matrix)).numpy()


def _add_joint(lines: list[str], order: list[int], joint: int, depth: int) -> None:
    """One joint with all below it; `order` collects joints as their channels come in a frame."""
    order.append(joint)
    tab, root = "\t" * depth, PARENTS[joint] < 0
    lines += [f"{tab}{'ROOT' if root else 'JOINT'} {bvh_name(JOINTS[joint])}", f"{tab}{{"]
    lines.append(f"{tab}\tOFFSET {_vector(OFFSETS[joint])}")
    channels = "6 Xposition Yposition Zposition" if root else "3"
    lines.append(f"{tab}\tCHANNELS {channels} Zrotation Xrotation Yrotation")
    for child, parent in enumerate(PARENTS):
        if parent == joint:
            _add_joint(lines, order, child, depth + 1)
    if joint in ENDS:
        lines += [f"{tab}\tEnd Site", f"{tab}\t{{", f"{tab}\t\tOFFSET {_vector(ENDS[joint])}", f"{tab}\t}}"]
    lines.append(f"{tab}}}")


def _vector(metres: Array) -> str:
    return " ".join(f"{value * CENTIMETRES:.5f}" for value in metres)
