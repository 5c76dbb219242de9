"""Short videos to bytes and back, with the same bytes for the same frames.

The encoder runs on one thread, writes no dates and no random numbers, and the file is put together in memory:
writing it to disk is then one plain write that either succeeds or says that the disk is full.
"""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter

# Below this height 4:2:0 would leave a limb two chroma pixels wide; above it players and size matter more.
_FULL_CHROMA_BELOW = 256


class VideoFileError(ValueError):
    """A video that cannot be decoded; the message names the file."""


def encode_video(frames: np.ndarray, fps: float, crf: int = 12, preset: str = "ultrafast") -> bytes:
    """H.264 in mp4 from frames uint8 [T, H, W, 3].

    `ultrafast` costs twice the bytes of `veryfast` and halves the time to decode, which training pays every step.
    Odd heights and widths are refused with a ValueError: 4:2:0 cannot hold them, and no bucket uses them.
    """
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3:
        raise ValueError(f"frames are {frames.dtype} {frames.shape}, expected uint8 [T, H, W, 3]")
    _, height, width, _ = frames.shape
    if height % 2 or width % 2:
        raise ValueError(f"frames are {height}x{width}, expected an even height and width")
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
        stream.width, stream.height = width, height
        stream.pix_fmt = "yuv444p" if height < _FULL_CHROMA_BELOW else "yuv420p"
        stream.options = {"crf": str(crf), "preset": preset, "threads": "1"}
        stream.codec_context.thread_count = 1
        stream.codec_context.flags |= av.codec.context.Flags.bitexact
        for picture in np.ascontiguousarray(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return buffer.getvalue()


def decode_video(source: Path | str | bytes) -> np.ndarray:
    """All frames uint8 [T, H, W, 3] of a video file (or its bytes), on one thread.

    VideoFileError when the file is missing, truncated or holds no picture.
    """
    name = "video" if isinstance(source, bytes) else str(source)
    try:
        with av.open(io.BytesIO(source) if isinstance(source, bytes) else name) as container:
            if not container.streams.video:
                raise VideoFileError(f"{name} has no video stream")
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            to_rgb = VideoReformatter()  # one for all frames: it keeps its tables
            frames = [to_rgb.reformat(frame, format="rgb24").to_ndarray() for frame in container.decode(stream)]
    except (av.error.FFmpegError, OSError) as error:
        raise VideoFileError(f"{name} cannot be decoded ({error}); is it complete?") from error
    if not frames:
        raise VideoFileError(f"{name} holds no frames; is it complete?")
    return np.stack(frames)
