"""Where the person is: joints seen by several calibrated cameras, in the world; which way they face.

Each joint of each frame is triangulated from the cameras that see it, worst ones left out until the rest agree.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from threedimo_core.pose_tracker import PoseTrack

from ..cameras import SubjectTrack
from .calibration import CalibratedCamera, CalibrationError

_SEEN = 0.5
_AGREE = 0.02  # of the picture's height: a camera that misses by more saw something else
_MOST_MISS = 0.03  # median of the first guesses, beyond which the calibration cannot belong to the videos
_LEAST_SHARE = 0.3  # of the trunk's joints that must be found
LEFT_SHOULDER, RIGHT_SHOULDER, LEFT_HIP, RIGHT_HIP = 11, 12, 23, 24
_TRUNK = (LEFT_SHOULDER, RIGHT_SHOULDER, LEFT_HIP, RIGHT_HIP)
_SOLES = (29, 30, 31, 32)
_SOLE_HEIGHT = 0.02
_LEAST_UPRIGHT = 0.3  # cosine of the trunk against the vertical, over a clip
_SMOOTH_SECONDS = 0.15


@dataclass(frozen=True)
class Joints3D:
    """points [T, 33, 3] metres in the world (y up), seen [T, 33] bool; miss: median distance in picture heights between
    joints as tracked and the triangulated ones projected back."""

    points: np.ndarray
    seen: np.ndarray
    miss: float


def triangulate(cameras: list[CalibratedCamera], tracks: list[PoseTrack]) -> Joints3D:
    """Joints in the world. `cameras` must be for the size of the pictures that `tracks` come from.

    CalibrationError when the cameras do not agree on where the joints are.
    """
    rays = np.stack([camera.rays(track.points) for camera, track in zip(cameras, tracks, strict=True)])
    weights = np.stack([np.where(track.found[:, None], track.visibility, 0.0) for track in tracks])
    matrices = np.stack([camera.world_to_camera[:3] for camera in cameras])
    # Misses are measured on the picture plane; one picture height is this long there.
    heights = np.array([camera.size[0] / camera.matrix[1, 1] for camera in cameras])
    used = weights > _SEEN
    points, misses = _solve(rays, weights, used, matrices, heights)
    first_misses = misses[used & (used.sum(axis=0) >= 2)]
    if first_misses.size == 0:
        raise CalibrationError("no joint is seen by two cameras at once; is the person in sight of all of them?")
    miss = float(np.median(first_misses))
    if miss > _MOST_MISS:
        raise CalibrationError(
            f"the calibration does not fit these videos: tracked joints miss their triangulated places by "
            f"{miss:.1%} of the picture's height (median; expected under {_MOST_MISS:.0%}). Do camera names and files "
            "belong together, do the files start at the same moment, is it the calibration of this session?"
        )
    for _ in range(len(cameras) - 2):
        worst = np.where(used, misses, -1.0).argmax(axis=0)
        bad = (np.take_along_axis(misses, worst[None], 0)[0] > _AGREE) & (used.sum(axis=0) > 2)
        if not bad.any():
            break
        frames, joints = np.nonzero(bad)
        used[worst[bad], frames, joints] = False
        points, misses = _solve(rays, weights, used, matrices, heights)
    largest = np.where(used, misses, 0.0).max(axis=0)
    seen = (used.sum(axis=0) >= 2) & (largest < _AGREE)
    return Joints3D(np.where(seen[..., None], points, 0.0), seen, float(np.median(misses[used])))


def _solve(
    rays: np.ndarray, weights: np.ndarray, used: np.ndarray, matrices: np.ndarray, heights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Points [T, J, 3] by least squares over the used cameras, and misses [V, T, J] in picture heights."""
    weight = np.where(used, weights, 0.0)[..., None]
    rows = rays[..., :, None] * matrices[:, None, None, None, 2] - matrices[:, None, None, :2]
    rows = rows * weight[..., None]
    system = rows.transpose(1, 2, 0, 3, 4).reshape(*rows.shape[1:3], -1, 4)
    normal = system.transpose(0, 1, 3, 2) @ system
    enough = used.sum(axis=0) >= 2
    lhs = np.where(enough[..., None, None], normal[..., :3, :3], np.eye(3))
    rhs = np.where(enough[..., None], -normal[..., :3, 3], 0.0)
    points = np.linalg.solve(lhs + 1e-9 * np.eye(3), rhs[..., None])[..., 0]
    local = np.einsum("vij,tnj->vtni", matrices[:, :, :3], points) + matrices[:, None, None, :, 3]
    depth = np.where(np.abs(local[..., 2:]) < 1e-6, 1e-6, local[..., 2:])
    misses = np.linalg.norm(local[..., :2] / depth - rays, axis=-1) / heights[:, None, None]
    return points, np.where(local[..., 2] > 0, misses, np.inf)


def floor_height(joints: Joints3D) -> float:
    """Height of the floor: where the lowest soles are, a fifth of the time."""
    soles = joints.points[:, _SOLES, 1][joints.seen[:, _SOLES]]
    return float(np.percentile(soles, 10)) - _SOLE_HEIGHT if soles.size else 0.0


def subject_track(joints: Joints3D, fps: float) -> SubjectTrack:
    """Middle of the hips, heading and height of the person. CalibrationError when their trunk is hardly seen.

    The way across shoulders and hips and the way up give the way they face: forward = left x up.
    """
    seen = np.logical_and.reduce(joints.seen[:, _TRUNK], axis=1)
    if seen.mean() < _LEAST_SHARE:
        raise CalibrationError("the person's shoulders and hips are hardly seen by two cameras at once in this clip")
    every, known = np.arange(len(seen)), np.flatnonzero(seen)
    trunk = np.stack(
        [[np.interp(every, known, joints.points[known, joint, axis]) for axis in range(3)] for joint in _TRUNK]
    ).transpose(2, 0, 1)
    left = _smooth((trunk[:, 0] - trunk[:, 1]) + (trunk[:, 2] - trunk[:, 3]), fps)
    hips = (trunk[:, 2] + trunk[:, 3]) / 2
    up = (trunk[:, 0] + trunk[:, 1]) / 2 - hips
    _check_upright(up)
    forward = np.cross(left, np.array([0.0, 1.0, 0.0]))
    heading = np.degrees(np.unwrap(np.arctan2(forward[:, 0], forward[:, 2])))
    return SubjectTrack(
        centre=torch.from_numpy(_smooth(hips, fps)).float(),
        heading=torch.from_numpy(heading).float(),
        height=float(np.median(np.linalg.norm(up, axis=1)) * 3.4),  # shoulders to hips are some 0.29 of a body
    )


def _check_upright(up: np.ndarray) -> None:
    """CalibrationError when the person lies or is of no person's size: heading and azimuth would mean nothing."""
    if float(np.median(up[:, 1] / np.linalg.norm(up, axis=1))) < _LEAST_UPRIGHT:
        raise CalibrationError(
            "the person does not stand upright in the calibration's world. If they do in the pictures, name the axis "
            "that points up with --up"
        )
    lengths = np.linalg.norm(up, axis=1)
    if not 0.25 < float(np.median(lengths)) < 0.9:
        raise CalibrationError(
            f"the person's trunk is {np.median(lengths):.2f} m long in the calibration's world, expected about 0.5 m; "
            "are its lengths in another unit?"
        )


def _smooth(values: np.ndarray, fps: float) -> np.ndarray:
    """Gaussian over time [T, C]."""
    steps = np.arange(len(values))
    weight = np.exp(-0.5 * ((steps[:, None] - steps[None]) / max(_SMOOTH_SECONDS * fps, 1e-3)) ** 2)
    return weight @ values / weight.sum(axis=1, keepdims=True)
