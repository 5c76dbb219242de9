"""Does the camera stand still? Judged by the background: corners followed through the clip, away from the person.

A similarity (shift, turn, zoom) is fitted to the corners of the first frame and where they are later; corners on
moving things are outliers to it. The camera stands still when no point of the picture's frame ever moves further
than a fraction of a percent of the picture's height.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from typing import Any

import cv2
import numpy as np

from threedimo_core.pose_tracker import PoseTrack

_SIDE = 320  # pixels of the longer side that corners are followed at
_MOST_CORNERS = 300
_LEAST_CORNERS = 8
_BACK_AND_FORTH = 1.0  # pixels that a corner may be off after being followed there and back
_STILL = 0.006  # of the picture's height
_SHAKE = 0.1  # a hand that holds still moves the picture no further than this
_SHAKE_NET = 0.5  # and ends nearer to the beginning than this share of its farthest
_LEAST_INLIERS = 0.5
_PERSON_MARGIN = 0.25  # metres about the tracked points that do not count as background


class Stillness(Enum):
    """STILL: on a tripod; HANDHELD: held still by hand; MOVING; UNKNOWN: too little background to tell."""

    STILL = "still"
    HANDHELD = "handheld"
    MOVING = "moving"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class BackgroundMotion:
    """How far the picture's corners moved since the first frame, in picture heights: [S] at the looked-at frames.

    Empty where there was too little background to follow.
    """

    moved: np.ndarray

    @property
    def stillness(self) -> Stillness:
        if not len(self.moved):
            return Stillness.UNKNOWN
        farthest = float(self.moved.max())
        if farthest < _STILL:
            return Stillness.STILL
        if farthest < _SHAKE and float(self.moved[-1]) < _SHAKE_NET * farthest:
            return Stillness.HANDHELD
        return Stillness.MOVING


def background_motion(frames: np.ndarray, track: PoseTrack | None = None) -> BackgroundMotion:
    """Follow the background of uint8 frames [T, H, W, 3]; `track` (in their pixels) keeps the person out of it."""
    scale = min(1.0, _SIDE / max(frames.shape[1:3]))
    grey = [_small_grey(frame, scale) for frame in frames]
    mask = _background(track, scale, grey[0].shape)
    start = cv2.goodFeaturesToTrack(grey[0], _MOST_CORNERS, 0.01, 5, mask=mask)
    if start is None or len(start) < _LEAST_CORNERS:
        return BackgroundMotion(np.zeros(0))
    start = start.reshape(-1, 2).astype(np.float32)
    here, moved = start.copy(), list[float]()
    for before, after in pairwise(grey):
        there, kept = _follow(before, after, here)
        start, here = start[kept], there[kept]
        if len(start) < _LEAST_CORNERS:
            # Nothing of the first picture is left in sight: the camera went far, or there is little to follow.
            return BackgroundMotion(np.array(moved) if max(moved, default=0.0) > _SHAKE else np.zeros(0))
        moved.append(_frame_shift(start, here, grey[0].shape))
    return BackgroundMotion(np.array(moved))


def _small_grey(frame: np.ndarray, scale: float) -> np.ndarray:
    size = (max(16, round(frame.shape[1] * scale)), max(16, round(frame.shape[0] * scale)))
    return cv2.cvtColor(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)


def _background(track: PoseTrack | None, scale: float, shape: tuple[int, ...]) -> np.ndarray | None:
    """uint8 [h, w], 0 where the person ever is in the clip; None without a person."""
    if track is None or not track.found.any():
        return None
    mask = np.full(shape, 255, np.uint8)
    for points, metre, found in zip(track.points, track.pixels_per_metre, track.found, strict=True):
        if found:
            radius = max(1, round(float(_PERSON_MARGIN * metre * scale)))
            for x, y in np.clip(points * scale, -10_000, 10_000):
                cv2.circle(mask, (int(x), int(y)), radius, 0, -1)
    return mask


def _follow(before: np.ndarray, after: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where points [N, 2] went, and which of them [N] came back to where they were when followed backwards."""
    if not len(points):
        return points, np.zeros(0, bool)
    there, good = _flow(before, after, points)
    back, good_back = _flow(after, before, there)
    off = np.linalg.norm(back - points, axis=1)
    return there, good & good_back & (off < _BACK_AND_FORTH)


def _flow(before: np.ndarray, after: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where points [N, 2] go from one picture to the next, and which of them [N] could be followed."""
    pyramid: Any = cv2.calcOpticalFlowPyrLK  # its published types want every optional argument
    there, good, _ = pyramid(before, after, points[:, None], None, winSize=(15, 15), maxLevel=3)
    return there.reshape(-1, 2), good.ravel() == 1


def _frame_shift(start: np.ndarray, here: np.ndarray, shape: tuple[int, ...]) -> float:
    """Farthest that a corner of the background moves, in picture heights."""
    height, width = shape
    matrix, inliers = cv2.estimateAffinePartial2D(start, here, method=cv2.RANSAC, ransacReprojThreshold=1.5)
    if matrix is None or inliers.mean() < _LEAST_INLIERS:
        # No one similarity moves them all: depth that a travelling camera shows. How far most of them went then.
        return float(np.median(np.linalg.norm(here - start, axis=1))) / height
    # The hull of what was followed: beyond it the fit would be a guess.
    low, high = np.clip(start.min(0), 0, (width, height)), np.clip(start.max(0), 0, (width, height))
    corners = np.array([[low[0], low[1]], [high[0], low[1]], [low[0], high[1]], [high[0], high[1]]], np.float32)
    return float(np.linalg.norm(corners @ matrix[:, :2].T + matrix[:, 2] - corners, axis=1).max()) / height
