"""The sound of a video, carried along: float32 samples [channels, N] with their rate."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

_AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_AAC_FRAME = 1024


@dataclass(frozen=True, eq=False)
class AudioTrack:
    """samples: float32 [channels, N] in [-1, 1], 1 or 2 channels; rate: samples a second."""

    samples: NDArray[np.float32]
    rate: int

    def __post_init__(self) -> None:
        shape = self.samples.shape
        if self.samples.ndim != 2 or shape[0] not in (1, 2) or not np.issubdtype(self.samples.dtype, np.floating):
            raise ValueError(f"audio is {self.samples.dtype} {list(shape)}; expected floats [1 or 2 channels, samples]")
        if not 1000 <= self.rate <= 384_000:
            raise ValueError(f"the audio rate is {self.rate}; expected samples a second, such as 48000")


def read_audio(path: str | os.PathLike[str], start: float, duration: float) -> AudioTrack | None:
    """The first audio stream from `start` (seconds on the file's clock) for `duration`; None where there is none.

    Exactly duration * rate samples, silence where the sound begins later or ends sooner. Damaged packets are left
    out: a picture without some of its sound is still useful.
    """
    with av.open(os.fspath(path), options={"protocol_whitelist": "file"}) as container:
        if not container.streams.audio:
            return None
        stream = container.streams.audio[0]
        if not stream.rate or not stream.channels:
            return None
        channels = min(stream.channels, 2)
        samples = np.zeros((channels, round(duration * stream.rate)), dtype=np.float32)
        resampler = av.AudioResampler(format="fltp", layout="stereo" if channels == 2 else "mono", rate=stream.rate)
        for time, block in _decode(container, stream, resampler, start):
            begin = round((time - start) * stream.rate)
            if begin >= samples.shape[1]:
                break
            end = min(begin + block.shape[1], samples.shape[1])
            if end > 0:
                samples[:, max(begin, 0) : end] = block[:, max(-begin, 0) : end - begin]
        return AudioTrack(samples=samples, rate=stream.rate)


def _decode(
    container: Any, stream: Any, resampler: av.AudioResampler, start: float
) -> Iterator[tuple[float, NDArray[np.float32]]]:
    """Blocks [channels, n] with their time in seconds, from shortly before `start` on."""
    if start > 1.0:
        container.seek(int((start - 0.5) / stream.time_base), stream=stream)
    clock: float | None = None
    for packet in container.demux(stream):
        try:
            decoded = packet.decode()
        except av.FFmpegError:
            continue
        for frame in decoded:
            # A gap or the first block sets the clock; between, counting samples is steadier than rounded stamps.
            if frame.time is not None and (clock is None or abs(frame.time - clock) > 0.1):
                clock = float(frame.time)
            for block in resampler.resample(frame):
                yield clock or 0.0, block.to_ndarray().astype(np.float32, copy=False)
                clock = (clock or 0.0) + block.samples / stream.rate


def encode_audio(container: Any, track: AudioTrack, duration: float) -> Iterator[Any]:
    """Adds an AAC stream to an open output container at once; yields its packets when iterated.

    The track is cut, or followed by silence, to `duration` seconds.
    """
    rate = track.rate if track.rate in _AAC_RATES else 48000
    layout = "stereo" if track.samples.shape[0] == 2 else "mono"
    stream = container.add_stream("aac", rate=rate, layout=layout)
    return _packets(stream, track, duration, layout, rate)


def _packets(stream: Any, track: AudioTrack, duration: float, layout: str, rate: int) -> Iterator[Any]:
    wanted = round(duration * track.rate)
    samples = np.clip(track.samples[:, :wanted].astype(np.float32), -1, 1)
    samples = np.pad(samples, ((0, 0), (0, wanted - samples.shape[1])))
    resampler = av.AudioResampler(format="fltp", layout=layout, rate=rate, frame_size=_AAC_FRAME)
    for begin in range(0, wanted, _AAC_FRAME):
        block = np.ascontiguousarray(samples[:, begin : begin + _AAC_FRAME])
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=layout)
        frame.sample_rate, frame.pts = track.rate, begin
        for resampled in resampler.resample(frame):
            yield from stream.encode(resampled)
    for resampled in resampler.resample(None):
        yield from stream.encode(resampled)
    yield from stream.encode(None)
