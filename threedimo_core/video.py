"""Video files in and out with PyAV: uint8 RGB frames [T, H, W, 3] with an explicit frame rate.

Reading goes by time stamps, so variable frame rates, other frame rates and damaged packets keep the motion's
timing: the output frame at time t is the source frame nearest to t. Display rotation, mirroring and non-square
pixels are honoured, alpha is laid over grey, gray and high-bit formats become 8-bit RGB.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.stream import Disposition
from av.video.reformatter import ColorRange, Colorspace

from .audio import AudioTrack, encode_audio, read_audio
from .images import ImageError, Pixels, read_image, write_image
from .paths import atomic_path
from .video_decoder import MAX_FPS, FrameDecoder, stream_duration, stream_fps

__all__ = [
    "AudioTrack",
    "ImageError",
    "VideoClip",
    "VideoError",
    "VideoInfo",
    "probe_video",
    "read_audio",
    "read_image",
    "read_video",
    "write_image",
    "write_video",
]

MAX_BYTES = 8 * 2**30
MIN_FPS = 0.01
WRITE_SUFFIXES = (".mp4", ".mov", ".mkv")

_BT709 = 1
_LIMITED_RANGE = 1
_FASTSTART = {"movflags": "faststart"}
# What ffmpeg would show as letters on a terminal: any text file is one to it.
_TEXT_FORMATS = ("tty", "bin", "adf", "idf", "xbin")


class VideoError(ValueError):
    """A video that cannot be read or written; the message names the file and what was readable."""


@dataclass(frozen=True, eq=False)
class VideoClip:
    """frames: uint8 [T, H, W, 3]; fps: of these frames; audio: the same stretch of time, where asked for.

    source_fps, source_size (height, width as displayed): of the file. notes: what a user should be told.
    """

    frames: Pixels
    fps: float
    source_fps: float
    source_size: tuple[int, int]
    audio: AudioTrack | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class VideoInfo:
    """What the header claims: size as stored (before rotation), None where the file does not say."""

    height: int
    width: int
    fps: float
    duration: float | None
    num_frames: int | None
    codec: str
    has_audio: bool


def probe_video(path: str | os.PathLike[str]) -> VideoInfo:
    """Reads the header only."""
    path = Path(path)
    with _open(path) as container:
        stream = _video_stream(path, container)
        return VideoInfo(
            height=stream.height,
            width=stream.width,
            fps=stream_fps(stream),
            duration=stream_duration(stream),
            num_frames=stream.frames or None,
            codec=stream.codec_context.name,
            has_audio=bool(container.streams.audio),
        )


def read_video(
    path: str | os.PathLike[str],
    max_frames: int | None = None,
    fps: float | None = None,
    start: float = 0.0,
    max_side: int | None = None,
    audio: bool = False,
    allow_damaged: bool = False,
) -> VideoClip:
    """Reads a video, or a picture as one frame.

    max_frames: stop after that many. fps: resample to this rate (default: the file's average rate).
    start: seconds after the first frame. max_side: scale down while reading until no side is longer.
    audio: also decode the sound of the same stretch. allow_damaged: give what a cut-off or damaged file still
    holds, with a note, instead of raising.
    Raises VideoError, naming the file and what was readable.
    """
    path = Path(path)
    _require_request(path, max_frames, fps, start, max_side)
    with _open(path) as container:
        stream = _video_stream(path, container)
        stream.thread_type = "AUTO"
        decoder = FrameDecoder(container, stream, start, max_side)
        wanted = float(fps) if fps else decoder.fps
        frames = _sample(path, decoder, wanted, start, max_frames)
        complete = max_frames is not None and len(frames) >= max_frames
        notes = _judge(path, decoder, frames, start, None if complete else stream_duration(stream), allow_damaged)
    stacked = _stack(frames)
    return VideoClip(
        frames=stacked,
        fps=wanted,
        source_fps=decoder.fps,
        source_size=decoder.source_size,
        audio=_read_audio(path, decoder.first_time + start, len(stacked) / wanted) if audio else None,
        notes=notes,
    )


def write_video(
    path: str | os.PathLike[str],
    frames: Pixels,
    fps: float,
    audio_from: AudioTrack | str | os.PathLike[str] | None = None,
    crf: int = 17,
) -> Path:
    """Writes H.264 (yuv420p, BT.709) that every player and browser opens; appears whole or not at all.

    frames: uint8 [T, H, W, 3]. yuv420p wants even sides: an odd one is extended by repeating its last row or
    column. audio_from: a track, or a file whose sound is taken from its beginning; cut to the video's length.
    """
    path = Path(path)
    _require_frames(path, frames, fps)
    duration = len(frames) / fps
    track = _read_audio(Path(audio_from), 0.0, duration) if isinstance(audio_from, (str, os.PathLike)) else audio_from
    with atomic_path(path) as draft:
        try:
            # An absolute path: in "a:b.mp4" ffmpeg would take "a" for a protocol.
            options = {} if path.suffix.lower() == ".mkv" else _FASTSTART
            with av.open(str(draft.absolute()), "w", options=options) as container:
                _encode(container, frames, Fraction(fps).limit_denominator(1001), track, crf)
        except av.FFmpegError as error:
            raise VideoError(f"{path}: the video could not be written: {error.strerror}") from error
    return path


# --- reading ----------------------------------------------------------------------------------------------


def _open(path: Path) -> Any:
    if not path.is_file():
        raise VideoError(f"{path}: there is no such video file" if not path.exists() else f"{path}: not a file")
    if path.stat().st_size == 0:
        raise VideoError(f"{path}: the file is empty (0 bytes); copy or export it again")
    try:
        # An absolute path and files only: no name can be taken for a URL, and no playlist can fetch one.
        container = av.open(str(path.resolve()), options={"protocol_whitelist": "file"})
    except (av.FFmpegError, IndexError, ValueError) as error:
        # PyAV raises IndexError where a header ends in its first box.
        raise VideoError(
            f"{path}: no frame is readable: not a video, or cut off before its index; copy or export it again"
        ) from error
    if container.format.name in _TEXT_FORMATS:
        container.close()
        raise VideoError(f"{path}: no frame is readable: it is a text, not a video")
    return container


def _video_stream(path: Path, container: Any) -> Any:
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            return stream
    # A song's cover counts as video to ffmpeg.
    kinds = ", ".join("a cover" if stream.type == "video" else stream.type for stream in container.streams)
    raise VideoError(f"{path}: no frame is readable: it holds no video{f', only {kinds}' if kinds else ''}")


def _require_request(path: Path, max_frames: int | None, fps: float | None, start: float, side: int | None) -> None:
    if max_frames is not None and max_frames < 1:
        raise VideoError(f"{path}: max_frames is {max_frames}; ask for at least 1, or leave it out for all")
    if fps is not None and not 0 < fps <= MAX_FPS:
        raise VideoError(f"{path}: fps is {fps}; expected above 0 and at most {MAX_FPS:g}; without it the file's own")
    if not (math.isfinite(start) and start >= 0):
        raise VideoError(f"{path}: start is {start}; expected seconds from 0 on")
    if side is not None and side < 1:
        raise VideoError(f"{path}: max_side is {side}; expected pixels, or None for the full size")


def _sample(path: Path, decoder: FrameDecoder, fps: float, start: float, max_frames: int | None) -> list[Pixels]:
    """The frame nearest to each of the times start + k / fps, up to the last frame's own time."""
    frames: list[Pixels] = []
    limit = max_frames if max_frames is not None else 2**62
    held: _Held | None = None
    for time, frame in decoder:
        if held is not None:
            # At a tie the later frame is taken, as in motion_edit.resample.
            _emit(path, frames, held, fps, start, until=(held.time + time) / 2 - 1e-6, limit=limit)
        if len(frames) >= limit:
            return frames
        held = _Held(decoder, time, frame)
    if held is not None:
        _emit(path, frames, held, fps, start, until=held.time + 0.5 / max(decoder.fps, fps) - 1e-6, limit=limit)
    return frames


class _Held:
    """A decoded frame that becomes a picture only if it is wanted: at 60 → 16 fps three in four are not."""

    def __init__(self, decoder: FrameDecoder, time: float, frame: av.VideoFrame) -> None:
        self.time = time
        self._decoder, self._frame = decoder, frame
        self._picture: Pixels | None = None

    def picture(self) -> Pixels:
        if self._picture is None:
            self._picture = self._decoder.picture(self._frame)
        return self._picture


def _emit(path: Path, frames: list[Pixels], held: _Held, fps: float, start: float, until: float, limit: int) -> None:
    while start + len(frames) / fps < until and len(frames) < limit:
        frames.append(held.picture())
        if len(frames) * frames[0].nbytes > MAX_BYTES:
            raise VideoError(
                f"{path}: over {len(frames) - 1} frames of {frames[0].shape[0]} × {frames[0].shape[1]} px take more "
                f"than {MAX_BYTES // 2**30} GiB; read fewer with max_frames, or smaller with max_side"
            )


def _judge(
    path: Path, decoder: FrameDecoder, frames: list[Pixels], start: float, duration: float | None, lenient: bool
) -> tuple[str, ...]:
    """Notes on slight damage; VideoError on damage that changes the motion, or where nothing is left.

    duration: what the header promises, None where it does not count (unknown, or reading stopped on purpose).
    """
    if not decoder.decoded:
        raise VideoError(f"{path}: no frame is readable ({decoder.errors} damaged packets); export the video again")
    end = decoder.last_time + 1 / decoder.fps
    if not frames:
        raise VideoError(f"{path}: start is {start:g} s, but the video is {end:.2f} s long; start sooner")
    promised = f" of {duration:.2f} s" if duration else ""
    said = f"{decoder.decoded} frames, up to {end:.2f} s{promised}, are readable, {decoder.errors} packets are not"
    cut_off = duration is not None and end < duration - max(0.3, 2.5 / decoder.fps)
    if (cut_off or decoder.errors > max(2, decoder.decoded // 20)) and not lenient:
        raise VideoError(
            f"{path}: the video is {'cut off' if cut_off else 'damaged'}: {said}. Export it again, or take what is "
            "left of it (allow_damaged; on the command line --allow-damaged)"
        )
    if cut_off or decoder.errors:
        return (f"{path.name} is damaged: {said}; missing frames show their neighbours",)
    return ()


def _stack(frames: list[Pixels]) -> Pixels:
    """np.stack that frees as it goes: a long clip is held once, not twice."""
    stacked = np.empty((len(frames), *frames[0].shape), dtype=np.uint8)
    for index in range(len(stacked)):
        stacked[index] = frames[index]
        frames[index] = stacked[index]
    return stacked


def _read_audio(path: Path, start: float, duration: float) -> AudioTrack | None:
    if not path.is_file():
        raise VideoError(f"{path}: there is no such file to take the sound from")
    try:
        return read_audio(path.resolve(), start, duration)
    except av.FFmpegError as error:
        raise VideoError(f"{path}: its sound cannot be read: {error.strerror}") from error


# --- writing ----------------------------------------------------------------------------------------------


def _require_frames(path: Path, frames: Pixels, fps: float) -> None:
    if path.suffix.lower() not in WRITE_SUFFIXES:
        raise VideoError(f"{path}: videos are written as {', '.join(WRITE_SUFFIXES)}; change the suffix")
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3:
        raise VideoError(f"{path}: frames are {frames.dtype} {list(frames.shape)}; expected uint8 [T, H, W, 3]")
    if frames.size == 0:
        raise VideoError(f"{path}: there is nothing to write: frames are {list(frames.shape)}")
    if max(frames.shape[1:3]) > 16384:
        raise VideoError(f"{path}: frames are {frames.shape[1]} × {frames.shape[2]}; H.264 ends at 16384 px a side")
    if not MIN_FPS <= fps <= MAX_FPS:
        raise VideoError(f"{path}: fps is {fps}; videos are written at {MIN_FPS:g} to {MAX_FPS:g} frames a second")


def _encode(container: Any, frames: Pixels, rate: Fraction, track: AudioTrack | None, crf: int) -> None:
    odd_rows, odd_columns = frames.shape[1] % 2, frames.shape[2] % 2
    stream = container.add_stream("libx264", rate=rate, options={"crf": str(crf)})
    stream.height, stream.width = frames.shape[1] + odd_rows, frames.shape[2] + odd_columns
    stream.pix_fmt = "yuv420p"
    context = stream.codec_context
    # Tagged, since players guess by size otherwise and colours shift between a preview and a full-size result.
    context.colorspace = context.color_primaries = context.color_trc = _BT709
    context.color_range = _LIMITED_RANGE
    sound = encode_audio(container, track, len(frames) / float(rate)) if track else ()
    for index, frame in enumerate(frames):
        even = np.pad(frame, ((0, odd_rows), (0, odd_columns), (0, 0)), "edge")
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(even), format="rgb24").reformat(
            format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
        )
        picture.pts, picture.time_base = index, 1 / rate
        container.mux(stream.encode(picture))
    container.mux(stream.encode())
    for packet in sound:
        container.mux(packet)
