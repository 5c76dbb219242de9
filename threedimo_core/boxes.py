"""Square boxes over time: gaps closed, jitter removed, and the pictures cut out along them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .images import GREY, Pixels

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class SquareTrack:
    """A square over T frames: centres [T, 2] (x, y) and sides [T] in pixels; present [T] bool."""

    centres: Floats
    sides: Floats
    present: NDArray[np.bool_]

    @property
    def boxes(self) -> Floats:
        """[T, 4] x0, y0, x1, y1 in pixels; may reach over the picture's edge. Zero where absent."""
        half = self.sides[:, None] / 2
        boxes = np.concatenate([self.centres - half, self.centres + half], axis=1)
        return np.where(self.present[:, None], boxes, 0).astype(np.float32)


def steady(raw: SquareTrack, fps: float, centre_seconds: float, side_seconds: float, gap_seconds: float) -> SquareTrack:
    """Smooths a track over time, looking forwards and back, so that it does not lag.

    Gaps up to `gap_seconds` are bridged in a straight line; presence shorter than two frames is dropped.
    centre_seconds, side_seconds: standard deviations of the Gaussians.
    """
    present = _without_flicker(raw.present, max(1, round(gap_seconds * fps)))
    measured = np.flatnonzero(raw.present)
    if not present.any() or not len(measured):
        return SquareTrack(np.zeros_like(raw.centres), np.zeros_like(raw.sides), np.zeros_like(raw.present))
    every = np.arange(len(present))
    centres = np.stack([np.interp(every, measured, raw.centres[measured, axis]) for axis in range(2)], axis=1)
    logs = np.interp(every, measured, np.log(np.maximum(raw.sides[measured], 1)))
    centres = _smooth(centres, present, centre_seconds * fps)
    sides = np.exp(_smooth(logs[:, None], present, side_seconds * fps)[:, 0])
    return SquareTrack(centres.astype(np.float32), sides.astype(np.float32), present)


def crop_squares(frames: Pixels, track: SquareTrack, size: int) -> Pixels:
    """uint8 [T, H, W, 3] → [T, size, size, 3]; grey beyond the picture's edge and where absent."""
    crops = np.full((len(frames), size, size, 3), round(GREY), np.uint8)
    for index in np.flatnonzero(track.present):
        crops[index] = _crop(frames[index], track.centres[index], float(track.sides[index]), size)
    return crops


def _crop(frame: Pixels, centre: Floats, side: float, size: int) -> Pixels:
    # Pixel i spans i to i + 1, while warpAffine counts from pixel centres: hence the halves.
    # warpAffine keeps fractions of a pixel but aliases when it shrinks: so warp large, then average down.
    factor = max(1, math.ceil(side / size))
    scale = size * factor / max(side, 1e-3)
    offset = size * factor / 2 - scale * centre + 0.5 * scale - 0.5
    matrix = np.array([[scale, 0, offset[0]], [0, scale, offset[1]]], np.float64)
    warped = cv2.warpAffine(
        frame,
        matrix,
        (size * factor, size * factor),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(GREY, GREY, GREY),
    )
    if factor > 1:
        warped = cv2.resize(warped, (size, size), interpolation=cv2.INTER_AREA)
    return np.asarray(warped, dtype=np.uint8)


def _without_flicker(present: NDArray[np.bool_], gap: int) -> NDArray[np.bool_]:
    """Closes gaps of up to `gap` frames between present ones, then drops single frames of a longer clip."""
    closed = present.copy()
    for begin, end in _runs(~present):
        if begin > 0 and end < len(present) and end - begin <= gap:
            closed[begin:end] = True
    if len(present) > 2:
        for begin, end in _runs(closed):
            if end - begin < 2:
                closed[begin:end] = False
    return closed


def _runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return [(int(begin), int(end)) for begin, end in zip(edges[::2], edges[1::2], strict=True)]


def _smooth(values: NDArray[np.float64], present: NDArray[np.bool_], sigma: float) -> NDArray[np.float64]:
    """Gaussian over time, [T, C], within each present run: a hand that comes back starts anew."""
    if sigma < 0.1:
        return values
    smoothed = values.copy()
    for begin, end in _runs(present):
        steps = np.arange(end - begin)
        weight = np.exp(-0.5 * ((steps[:, None] - steps[None]) / sigma) ** 2)
        smoothed[begin:end] = weight @ values[begin:end] / weight.sum(axis=1, keepdims=True)
    return smoothed
