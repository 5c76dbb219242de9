"""Decoding one video stream with PyAV: steady times, upright RGB pictures, and a count of what was damaged."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import av
import numpy as np
from av.sidedata.sidedata import Type as SideDataType
from av.video.reformatter import Colorspace, Interpolation

from .images import Pixels, over_grey

DEFAULT_FPS = 24.0
MAX_FPS = 1000.0
MAX_GAP_SECONDS = 10.0
HD_HEIGHT = 720

_UNSPECIFIED_COLORSPACE = 2


def stream_fps(stream: Any) -> float:
    """The average frame rate, or the best guess where the file gives none."""
    for rate in (stream.average_rate, stream.guessed_rate, stream.base_rate):
        if rate and 0 < rate <= MAX_FPS:
            return float(rate)
    return DEFAULT_FPS


def stream_duration(stream: Any) -> float | None:
    """Seconds of this stream (not of the container, whose sound may be longer); None where unknown."""
    if stream.duration is None or stream.time_base is None:
        return None
    return float(stream.duration * stream.time_base)


class FrameDecoder:
    """Iterates over (seconds since the first frame, av.VideoFrame) in order of display, from near `start` on.

    Times always grow: missing or repeated stamps advance by one frame, and a jump backwards or of more than ten
    seconds is taken for a fault of the file and closed. `errors` counts packets that could not be decoded.
    """

    def __init__(self, container: Any, stream: Any, start: float = 0.0, max_side: int | None = None) -> None:
        self.fps = stream_fps(stream)
        self.decoded = 0
        self.errors = 0
        self.last_time = 0.0
        self.source_size = (0, 0)
        self.first_time = float(stream.start_time * stream.time_base) if stream.start_time is not None else 0.0
        self._container, self._stream = container, stream
        self._max_side = max_side
        self._stored_size: tuple[int, int] | None = None
        self._seeks = start > 1.0
        if self._seeks:
            self._seek(start)

    def _seek(self, start: float) -> None:
        try:
            self._container.seek(int((self.first_time + start) / self._stream.time_base), stream=self._stream)
        except av.FFmpegError:
            self._seeks = False  # formats without an index: read from the beginning

    def __iter__(self) -> Iterator[tuple[float, av.VideoFrame]]:
        previous: float | None = None
        shift = -self.first_time
        for frame in self._frames():
            step = 1 / self.fps
            time = frame.time + shift if frame.time is not None else (previous or 0.0) + (step if self.decoded else 0)
            if previous is None and not self._seeks:
                shift, time = shift - time, 0.0
            elif previous is not None and not 0 < time - previous <= MAX_GAP_SECONDS:
                shift, time = shift + previous + step - time, previous + step
            previous = self.last_time = time
            self.decoded += 1
            yield time, frame

    def _frames(self) -> Iterator[av.VideoFrame]:
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
                if packet is None:
                    return
                frames = packet.decode()
            except av.error.EOFError:
                return
            except av.FFmpegError:
                self.errors += 1
                if self.errors > 1000 + self.decoded:
                    return
                continue
            yield from frames

    def picture(self, frame: av.VideoFrame) -> Pixels:
        """uint8 [H, W, 3]: upright, square pixels, within max_side; every frame the size of the first."""
        if self._stored_size is None:
            self._stored_size = self._choose_size(frame)
        height, width = self._stored_size
        has_alpha = any(component.is_alpha for component in frame.format.components)
        shrinks = height * width < frame.height * frame.width
        array = frame.to_ndarray(
            format="rgba" if has_alpha else "rgb24",
            width=width,
            height=height,
            src_colorspace=_colorspace(frame),
            interpolation=Interpolation.AREA if shrinks else Interpolation.BICUBIC,
        )
        pixels = np.asarray(array, dtype=np.uint8)
        return _upright(over_grey(pixels) if has_alpha else pixels, _display_matrix(frame))

    def _choose_size(self, frame: av.VideoFrame) -> tuple[int, int]:
        aspect = self._stream.sample_aspect_ratio or 1
        width = max(1, round(frame.width * float(aspect))) if 1 / 16 <= aspect <= 16 else frame.width
        height = frame.height
        swapped = _swaps_axes(_display_matrix(frame))
        self.source_size = (width, height) if swapped else (height, width)
        if self._max_side and max(height, width) > self._max_side:
            scale = self._max_side / max(height, width)
            return max(1, round(height * scale)), max(1, round(width * scale))
        return height, width


def _colorspace(frame: av.VideoFrame) -> Colorspace | None:
    """Files that name no colour matrix mean BT.709 from HD on, as players assume; swscale would take BT.601."""
    is_hd = min(frame.height, frame.width) >= HD_HEIGHT
    return Colorspace.ITU709 if frame.colorspace == _UNSPECIFIED_COLORSPACE and is_hd else None


def _display_matrix(frame: av.VideoFrame) -> tuple[int, int, int, int]:
    """Signs (a, b, c, d) of the display matrix: x' = a x + c y, y' = b x + d y."""
    side_data: Any = frame.side_data  # typed as keyed by text, keyed by Type in fact
    data = side_data.get(SideDataType.DISPLAYMATRIX)
    if data is None:
        return 1, 0, 0, 1
    a, b, _, c, d = np.frombuffer(bytes(data), dtype=np.int32)[:5].astype(np.float64)
    largest = max(abs(a), abs(b), abs(c), abs(d)) or 1.0
    # Phones write quarter turns; an angle between is rounded to the nearest.
    signs = tuple(int(math.copysign(1, value)) if abs(value) > 0.71 * largest else 0 for value in (a, b, c, d))
    return signs if signs in _ORIENTATIONS else (1, 0, 0, 1)


_ORIENTATIONS = {(a, 0, 0, d) for a in (1, -1) for d in (1, -1)} | {(0, b, c, 0) for b in (1, -1) for c in (1, -1)}


def _swaps_axes(matrix: tuple[int, int, int, int]) -> bool:
    return matrix[0] == 0


def _upright(array: Pixels, matrix: tuple[int, int, int, int]) -> Pixels:
    a, b, c, d = matrix
    if _swaps_axes(matrix):
        array = array.transpose(1, 0, 2)
    flip_vertical, flip_horizontal = (b < 0 or d < 0), (a < 0 or c < 0)
    array = array[::-1] if flip_vertical else array
    return array[:, ::-1] if flip_horizontal else array
