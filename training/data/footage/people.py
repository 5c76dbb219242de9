"""Is there a person, how large, which side of them is seen, and where are their hands: one tracked clip, judged.

The pose tracker is an optional extra. Without it nobody is checked for, hands are absent and views are left open;
that is said once.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace

import numpy as np

from threedimo_core.boxes import crop_squares
from threedimo_core.camera_language import View
from threedimo_core.hands import hand_squares, person_squares
from threedimo_core.pose_tracker import PoseTrack, PoseTrackerMissing, track_pose

NO_TRACKER = (
    "nobody is looked for in these videos: mediapipe is missing, so clips without a person stay in, hands are absent "
    "and views are not named. Run `make hands`, then import again into another folder"
)
_LEFT_SHOULDER, _RIGHT_SHOULDER, _LEFT_HIP, _RIGHT_HIP = 11, 12, 23, 24
_KNEES, _ANKLES = (25, 26), (27, 28)
_SEEN = 0.5
_BODY_METRES = 1.7
_MOST_LEAN = 0.5  # of the trunk out of the vertical, as a cosine: beyond it "front" means little


@dataclass(frozen=True)
class PersonSeen:
    """What a track says of a clip: the share of frames with the person, their height in shares of the picture's."""

    share: float
    height: float


def find_person(frames: np.ndarray, fps: float) -> PoseTrack | None:
    """The most prominent person in uint8 frames [T, H, W, 3]; None without the tracker."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PoseTrackerMissing)
        return track_pose(frames, fps)


def tracker_available() -> bool:
    """Whether people can be looked for here."""
    return find_person(np.zeros((0, 64, 64, 3), np.uint8), 1.0) is not None


def person_seen(track: PoseTrack) -> PersonSeen:
    """How well the person is seen in a clip."""
    if not track.found.any():
        return PersonSeen(0.0, 0.0)
    size = float(np.median(track.pixels_per_metre[track.found])) * _BODY_METRES
    return PersonSeen(float(track.found.mean()), size / track.height)


def person_box(track: PoseTrack, fps: float) -> tuple[float, float, float, float] | None:
    """x0, y0, x1, y1 pixels of everything the person does in the clip, with margins; None where nobody was found."""
    if not track.found.any():
        return None
    square = person_squares(track, fps).boxes[0]
    seen = (track.visibility > _SEEN) & track.found[:, None]
    if not seen.any():
        return None
    margin = 0.18 * float(np.median(track.pixels_per_metre[track.found]))
    points = track.points[seen]
    # Sideways the square is as wide as the person is tall; arms and steps tell the width.
    x0, x1 = np.percentile(points[:, 0], (1, 99))
    return float(x0 - margin), float(square[1]), float(x1 + margin), float(square[3])


def moved(track: PoseTrack, offset: tuple[float, float], scale: float, height: int, width: int) -> PoseTrack:
    """The track in the pixels of a crop: `offset` (x, y) cut away, then `scale` pixels for one."""
    shift = np.asarray(offset, np.float32)
    points = np.where(track.found[:, None, None], (track.points - shift) * np.float32(scale), 0)
    return replace(
        track,
        points=points.astype(np.float32),
        pixels_per_metre=track.pixels_per_metre * np.float32(scale),
        height=height,
        width=width,
    )


def hand_pictures(
    frames: np.ndarray, track: PoseTrack, size: int, fps: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Both hands, left beside right: uint8 [T, h, 2 h, 3], black where absent; boxes [T, 2, 4]; present [T, 2] bool.

    Boxes are in the pixels of `frames`.
    """
    squares = [hand_squares(track, side, fps) for side in (0, 1)]
    present = np.stack([square.present for square in squares], axis=1)
    crops = [crop_squares(frames, square, size) for square in squares]
    black = [np.where(present[:, side, None, None, None], crops[side], 0) for side in (0, 1)]
    boxes = np.stack([square.boxes for square in squares], axis=1)
    return np.concatenate(black, axis=2).astype(np.uint8), boxes, present


def seen_view(track: PoseTrack) -> View | None:
    """The view of the first frames: the side of the person and the framing; parts that cannot be told stay open.

    The elevation is left open: one picture does not tell a tilted head from a high camera.
    """
    azimuth, framing = seen_azimuth(track), seen_framing(track)
    if azimuth is None:
        return None if framing is None else View(framing=framing)
    return View.from_degrees(azimuth, framing=framing)


def seen_azimuth(track: PoseTrack) -> float | None:
    """Degrees of the camera about the person when the clip begins (0 front, +90 their left side), or None.

    From shoulders and hips in the tracker's metres: the way across the body, and up along it, give the way forward.
    """
    chosen = _first_frames(track)
    if track.metres is None or not len(chosen):
        return None
    metres = track.metres[chosen].astype(np.float64)
    left = (metres[:, _LEFT_SHOULDER] - metres[:, _RIGHT_SHOULDER]) + (metres[:, _LEFT_HIP] - metres[:, _RIGHT_HIP])
    up = metres[:, [_LEFT_SHOULDER, _RIGHT_SHOULDER]].mean(1) - metres[:, [_LEFT_HIP, _RIGHT_HIP]].mean(1)
    left, up = left.mean(0), up.mean(0)
    length = float(np.linalg.norm(up))
    # The tracker's axes are the camera's: x right, y down, z away from it.
    if length < 1e-3 or -up[1] / length < _MOST_LEAN:
        return None
    forward = np.cross(left, up)
    return math.degrees(math.atan2(-left[2] / np.linalg.norm(left), -forward[2] / np.linalg.norm(forward)))


def seen_framing(track: PoseTrack) -> str | None:
    """ "full body", "knee" or "waist" by the lowest joints inside the picture when the clip begins, or None."""
    chosen = _first_frames(track)
    if not len(chosen):
        return None
    for name, joints in (("full body", _ANKLES), ("knee", _KNEES), ("waist", (_LEFT_HIP, _RIGHT_HIP))):
        points = track.points[chosen][:, joints]
        inside = (points >= 0).all(-1) & (points < (track.width, track.height)).all(-1)
        if inside.any(axis=1).mean() > 0.5:
            return name
    return None


def _first_frames(track: PoseTrack) -> np.ndarray:
    """Numbers of up to three frames with the person, from the first quarter of the clip."""
    quarter = max(1, math.ceil(len(track.found) / 4))
    return np.flatnonzero(track.found[:quarter])[:3]
