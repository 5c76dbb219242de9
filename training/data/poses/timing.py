"""From an estimator's frames to a clip's: the right person, at the times of the clip, views of one moment averaged."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from .track import NUM_JOINTS, PoseFile, PoseTrack3D

_MOST_GAP = 2.5  # frames of the video between two estimates that are still interpolated between
_SAME = 1e-3  # frames: nearer than this an estimate is taken as it is


def choose_track(file: PoseFile, positions: np.ndarray, person: str | None = None) -> PoseTrack3D | None:
    """The track that is there in most of the clip's frames (positions [T] in frames of the video); of those the
    largest person. With `person` the one of that name. None when nobody is there."""
    tracks = [track for track in file.tracks if person in (None, track.name)]
    covered = [np.isin(np.round(positions).astype(int), track.frames).sum() for track in tracks]
    if not tracks or max(covered) == 0:
        return None
    return max(zip(covered, (track.size for track in tracks), tracks, strict=True), key=lambda each: each[:2])[2]


def at_times(track: PoseTrack3D, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """rotations [T, 51, 3, 3] and known [T, 51] at positions [T] (frames of the video, with parts).

    Between two estimates the shortest turn is taken, when both know the joint and lie at most two frames apart.
    """
    after = np.clip(np.searchsorted(track.frames, positions - _SAME), 0, len(track.frames) - 1)
    before = np.where(np.abs(track.frames[after] - positions) < _SAME, after, np.maximum(after - 1, 0))
    low, high = track.frames[before], track.frames[after]
    span = high - low
    share = np.clip(np.where(span > 0, (positions - low) / np.maximum(span, 1e-9), 0.0), 0.0, 1.0)
    inside: np.ndarray = (positions > low - _SAME) & (positions < high + _SAME) & (span <= _MOST_GAP)
    known: np.ndarray = track.known[before] & track.known[after]
    known = known & inside[:, None]
    start, end = track.rotations[before], track.rotations[after]
    turn = Rotation.from_matrix((np.swapaxes(start, -1, -2) @ end).reshape(-1, 3, 3)).as_rotvec()
    turn = turn.reshape(len(positions), NUM_JOINTS, 3) * share[:, None, None]
    rotations = start @ Rotation.from_rotvec(turn.reshape(-1, 3)).as_matrix().reshape(start.shape)
    return np.where(known[..., None, None], rotations, np.eye(3)), known


def averaged(estimates: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """The mean of several views' estimates of one movement (local rotations do not depend on the camera)."""
    known = np.stack([each[1] for each in estimates])
    total = (np.stack([each[0] for each in estimates]) * known[..., None, None]).sum(axis=0)
    there: np.ndarray = np.asarray(known.any(axis=0))
    u, _, v = np.linalg.svd(np.where(there[..., None, None], total, np.eye(3)))
    u[..., 2] *= np.linalg.det(u @ v)[..., None]
    return u @ v, there
