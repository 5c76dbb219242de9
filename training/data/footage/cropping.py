"""From any picture size to the sizes of the data set: which bucket, which window of the picture, which pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

Size = tuple[int, int]  # height, width
FITS = ("crop", "pad")


@dataclass(frozen=True)
class Window:
    """The part of the source that becomes the clip: left, top, and size in source pixels; size of the clip.

    A padded window reaches over the edges of the source; black is shown there.
    """

    left: float
    top: float
    height: float
    width: float
    size: Size

    @property
    def scale(self) -> float:
        """Clip pixels for one source pixel."""
        return self.size[0] / self.height

    def holds(self, box: tuple[float, float, float, float]) -> float:
        """Share of a box (x0, y0, x1, y1) of the source that is inside."""
        x0, y0, x1, y1 = box
        wide = min(x1, self.left + self.width) - max(x0, self.left)
        high = min(y1, self.top + self.height) - max(y0, self.top)
        return max(0.0, wide) * max(0.0, high) / max(1e-6, (x1 - x0) * (y1 - y0))


def nearest_size(height: int, width: int, sizes: tuple[Size, ...]) -> Size:
    """The size whose shape is nearest to that of a picture: the bucket that loses least of it."""
    return min(sizes, key=lambda size: abs(math.log(size[1] / size[0] * height / width)))


def choose_window(
    height: int, width: int, size: Size, fit: str, person: tuple[float, float, float, float] | None
) -> Window:
    """The window of a source of height x width pixels.

    fit "crop": the largest of the clip's shape, about the person where one is known (their head rather than their
    feet when both do not fit), else in the middle; "pad": the whole picture with black beside it.
    """
    aspect = size[1] / size[0]
    wider = width / height > aspect
    if fit == "pad":
        high, wide = (width / aspect, float(width)) if wider else (float(height), height * aspect)
        return Window((width - wide) / 2, (height - high) / 2, high, wide, size)
    high, wide = (float(height), height * aspect) if wider else (width / aspect, float(width))
    left, top = (width - wide) / 2, (height - high) / 2
    if person is not None:
        x0, y0, x1, y1 = person
        left = (x0 + x1) / 2 - wide / 2
        top = (y0 + y1) / 2 - high / 2 if y1 - y0 <= high else y0
    return Window(_clamp(left, width - wide), _clamp(top, height - high), high, wide, size)


def cut_out(frames: np.ndarray, window: Window) -> np.ndarray:
    """The window of uint8 frames [T, H, W, 3] at the size of the clip."""
    height, width = window.size
    out = np.empty((len(frames), height, width, 3), np.uint8)
    whole = window.left >= 0 and window.top >= 0
    for index, frame in enumerate(frames):
        out[index] = _resize(_part(frame, window), window.size) if whole else _padded(frame, window)
    return out


def _part(frame: np.ndarray, window: Window) -> np.ndarray:
    top, left = round(window.top), round(window.left)
    return frame[top : top + max(1, round(window.height)), left : left + max(1, round(window.width))]


def _padded(frame: np.ndarray, window: Window) -> np.ndarray:
    height, width = window.size
    inner = (min(height, round(frame.shape[0] * window.scale)), min(width, round(frame.shape[1] * window.scale)))
    picture = np.zeros((height, width, 3), np.uint8)
    top, left = (height - inner[0]) // 2, (width - inner[1]) // 2
    picture[top : top + inner[0], left : left + inner[1]] = _resize(frame, inner)
    return picture


def _resize(frame: np.ndarray, size: Size) -> np.ndarray:
    shrinks = size[0] * size[1] < frame.shape[0] * frame.shape[1]
    way = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return cv2.resize(np.ascontiguousarray(frame), (size[1], size[0]), interpolation=way)


def _clamp(value: float, most: float) -> float:
    return min(max(value, 0.0), max(most, 0.0))
