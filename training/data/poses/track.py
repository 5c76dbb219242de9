"""What an estimator's file says: the rotations of one person in some of a video's frames, and which are known."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

NUM_JOINTS = 51
BODY, LEFT_HAND, RIGHT_HAND = slice(0, 21), slice(21, 36), slice(36, 51)
_MOST_OFF = 0.05  # of a matrix from the nearest rotation, by element: half precision passes, nonsense does not


class PoseFileError(ValueError):
    """A file of an estimator that cannot be used; the message names the file, what is wrong and what was expected."""

    def __init__(self, path: Path | str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")


@dataclass(frozen=True, eq=False)
class PoseTrack3D:
    """One person: frames [F] ascending (numbers in the video, from 0), rotations [F, 51, 3, 3] (21 body, 15 left
    hand, 15 right hand; the identity where unknown), known [F, 51] bool. `name` is the estimator's; `size` tells a
    person near the camera from one far away, in any unit."""

    name: str
    frames: np.ndarray
    rotations: np.ndarray
    known: np.ndarray
    size: float = 0.0


@dataclass(frozen=True, eq=False)
class PoseFile:
    """All people of a file; fps: frames a second where the file has a rate of its own (None: the video's)."""

    tracks: tuple[PoseTrack3D, ...]
    fps: float | None = None


def make_track(
    path: Path,
    name: str,
    frames: np.ndarray,
    body: np.ndarray | None = None,
    left: np.ndarray | None = None,
    right: np.ndarray | None = None,
    size: float = 0.0,
) -> PoseTrack3D:
    """A track from body [F, 21, 3, 3] and hands [F, 15, 3, 3]; NaN marks what is not known in a frame, None all of it.

    Frames are sorted. PoseFileError for frame numbers that are negative or come twice.
    """
    count = len(frames)
    rotations = np.tile(np.eye(3), (count, NUM_JOINTS, 1, 1))
    known = np.zeros((count, NUM_JOINTS), bool)
    for part, values in ((BODY, body), (LEFT_HAND, left), (RIGHT_HAND, right)):
        if values is not None:
            there = ~np.isnan(values).any(axis=(2, 3))
            rotations[:, part][there], known[:, part] = values[there], there
    order = np.argsort(frames, kind="stable")
    frames = np.asarray(frames)[order]
    if count and (frames[0] < 0 or (np.diff(frames) == 0).any()):
        raise PoseFileError(path, f"person {name}: frame numbers are negative or come twice; run the estimator again")
    return PoseTrack3D(name, frames, rotations[order], known[order], size)


def to_matrices(path: Path, what: str, values: Any, joints: int, frames: int | None = None) -> np.ndarray:
    """Rotation matrices [F, joints, 3, 3] from axis-angle [F, 3 n], [F, n, 3] or matrices [F, n, 3, 3], n >= joints.

    frames: how many there must be. PoseFileError for other shapes, values that are not finite, or matrices that are no
    rotations (the nearest rotation is taken of those that nearly are).
    """
    array = as_array(path, what, values)
    if array.ndim == 2 and array.shape[1] % 3 == 0:
        array = array.reshape(len(array), -1, 3)
    wrong = array.ndim not in (3, 4) or array.shape[2:] not in ((3,), (3, 3)) or array.shape[1] < joints
    if wrong or (frames is not None and len(array) != frames):
        count = "frames" if frames is None else str(frames)
        raise PoseFileError(
            path,
            f"{what} has shape {list(np.shape(values))}, expected [{count}, at least {3 * joints}], "
            f"[{count}, at least {joints}, 3] or [{count}, at least {joints}, 3, 3]",
        )
    array = array[:, :joints]
    if not np.isfinite(array).all():
        bad = int(np.argwhere(~np.isfinite(array))[0][0])
        raise PoseFileError(path, f"{what} has values that are not finite, first in entry {bad}; the file is damaged")
    if array.ndim == 3:
        return Rotation.from_rotvec(array.reshape(-1, 3)).as_matrix().reshape(*array.shape, 3)
    return _nearest(path, what, array)


def _nearest(path: Path, what: str, matrices: np.ndarray) -> np.ndarray:
    u, _, v = np.linalg.svd(matrices)
    sign = np.linalg.det(u @ v)
    u[..., 2] *= sign[..., None]
    nearest = u @ v
    off = np.abs(nearest - matrices).max(axis=(2, 3), initial=0.0)
    if off.size and off.max() > _MOST_OFF:
        entry, joint = np.argwhere(off > _MOST_OFF)[0]
        raise PoseFileError(path, f"{what}: the matrix of joint {joint} in entry {entry} is no rotation")
    return nearest


def as_array(path: Path, what: str, values: Any) -> np.ndarray:
    """Numbers as float64. PoseFileError when they are none."""
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise PoseFileError(path, f"{what} is {type(values).__name__}, expected numbers") from None
