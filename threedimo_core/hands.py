"""Hand crops and the person's box, for the driving video's way into the motion encoder.

A hand's square is measured in metres of the person (25 cm: an open hand of 18 cm times 1.4), not by the fingers'
extent, so the zoom does not pump as a fist closes; training renders its hand views the same way
(`training/data/hand_views.py`). Left is the person's left hand.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .boxes import Floats, SquareTrack, crop_squares, steady
from .images import Pixels, frames_to_tensor
from .pose_tracker import HEAD, LEFT_KNUCKLES, LEFT_WRIST, RIGHT_KNUCKLES, RIGHT_WRIST, PoseTrack, track_pose

HAND_METRES = 0.25
PERSON_MARGIN = 0.18  # metres beyond the outermost joint: fingers and feet end some way after their last point
CROWN = 0.13  # metres from the eyes to the top of the head
_SEEN = 0.5
_HAND_CENTRE = 0.9  # of the way from the wrist to the knuckles: the middle of an open and of a closed hand


@dataclass(frozen=True, eq=False)
class HandCrops:
    """crops: float32 [T, 2, 3, h, w] in [0, 1], left then right, grey where absent; present: bool [T, 2];
    boxes: float32 [T, 2, 4] x0, y0, x1, y1 in pixels of the frames, zero where absent."""

    crops: Tensor
    present: Tensor
    boxes: Tensor


def find_hands(frames: Pixels, size: int, fps: float = 24.0, track: PoseTrack | None = None) -> HandCrops:
    """Both hands of the person in uint8 frames [T, H, W, 3], as squares of size × size px.

    track: where the pose was tracked before. Without mediapipe all hands are absent and a warning says so once.
    """
    track = track if track is not None else track_pose(frames, fps)
    if track is None:
        return absent_hands(len(frames), size)
    squares = [hand_squares(track, side, fps) for side in range(2)]
    crops = np.stack([crop_squares(frames, square, size) for square in squares], axis=1)
    return HandCrops(
        crops=frames_to_tensor(crops),
        present=torch.from_numpy(np.stack([square.present for square in squares], axis=1)),
        boxes=torch.from_numpy(np.stack([square.boxes for square in squares], axis=1)),
    )


def absent_hands(num_frames: int, size: int) -> HandCrops:
    """No hands at all: the encoder gives its "absent" tokens."""
    return HandCrops(
        crops=torch.full((num_frames, 2, 3, size, size), 0.5),
        present=torch.zeros(num_frames, 2, dtype=torch.bool),
        boxes=torch.zeros(num_frames, 2, 4),
    )


def hand_squares(track: PoseTrack, side: int, fps: float) -> SquareTrack:
    """The steady square around one hand; side 0 is the person's left."""
    wrist = track.points[:, (LEFT_WRIST, RIGHT_WRIST)[side]]
    knuckles = track.points[:, (LEFT_KNUCKLES, RIGHT_KNUCKLES)[side]].mean(axis=1)
    centres = (wrist + _HAND_CENTRE * (knuckles - wrist)).astype(np.float32)
    inside = (centres >= 0).all(axis=1) & (centres < (track.width, track.height)).all(axis=1)
    seen = track.visibility[:, (LEFT_WRIST, RIGHT_WRIST)[side]] > _SEEN
    raw = SquareTrack(centres, HAND_METRES * track.pixels_per_metre, track.found & inside & seen)
    # Hands are fast: a frame or so of smoothing against jitter; their scale is the body's, and slow.
    return steady(raw, fps, centre_seconds=0.04, side_seconds=0.4, gap_seconds=0.25)


def person_squares(track: PoseTrack, fps: float, follow: bool = False) -> SquareTrack:
    """The square around the whole person, with margin; absent everywhere where nobody was found.

    One square for the whole clip, so that walking and jumping stay visible as movement; `follow` moves along
    slowly (1 s) instead, for people who cross a wide picture. No square is larger than the picture's longer side:
    that would only make the person smaller.
    """
    count, found = len(track.found), track.found
    if not found.any():
        return SquareTrack(np.zeros((count, 2), np.float32), np.zeros(count, np.float32), found)
    low, high = _extent(track)
    if follow:
        raw = SquareTrack(np.float32(0.5) * (low + high), (high - low).max(axis=1), found)
        moving = steady(raw, fps, centre_seconds=1.0, side_seconds=1.0, gap_seconds=count / fps)
        if not moving.present.any():  # one glimpse in a long clip is no track
            return moving
        # Before the first and after the last sight of the person the square waits where it was.
        return _within(SquareTrack(moving.centres, moving.sides, np.ones(count, bool)), track)
    # The outermost percent of frames is given up: one wild detection would shrink the person for good.
    low, high = np.percentile(low[found], 1, axis=0), np.percentile(high[found], 99, axis=0)
    centres = np.tile((low + high) / 2, (count, 1)).astype(np.float32)
    return _within(SquareTrack(centres, np.full(count, (high - low).max(), np.float32), np.ones(count, bool)), track)


def _within(square: SquareTrack, track: PoseTrack) -> SquareTrack:
    """The square at most as large as the picture's longer side, and over its edge only where it must be."""
    size = np.array([track.width, track.height], np.float32)
    sides = np.minimum(square.sides, size.max())
    half = sides[:, None] / 2
    centres = np.where(2 * half >= size, size / 2, np.clip(square.centres, half, np.maximum(size - half, half)))
    return SquareTrack(centres.astype(np.float32), sides, square.present)


def _extent(track: PoseTrack) -> tuple[Floats, Floats]:
    """Lowest and highest x, y [T, 2] of what is seen of the person, with margins, in pixels."""
    seen = (track.visibility > _SEEN)[..., None]
    margin = PERSON_MARGIN * track.pixels_per_metre[:, None]
    low = np.where(seen, track.points, np.inf).min(axis=1) - margin
    high = np.where(seen, track.points, -np.inf).max(axis=1) + margin
    head = track.points[:, HEAD, 1].min(axis=1) - margin[:, 0] - CROWN * track.pixels_per_metre
    low[:, 1] = np.minimum(low[:, 1], head)
    empty: NDArray[np.bool_] = ~track.found
    low[empty], high[empty] = 0, 0
    return low.astype(np.float32), high.astype(np.float32)
