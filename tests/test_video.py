"""Video in and out: timing, rotation, alpha, sound, and every damaged file named. Small files made by PyAV itself."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from threedimo_core import video
from threedimo_core.video import AudioTrack, VideoError, probe_video, read_video, write_video


def numbered(count: int, height: int = 48, width: int = 64) -> np.ndarray:
    """Frame k is an even grey of level 10 k, so that a frame tells its number after compression too."""
    levels = (np.arange(count) * 10).astype(np.uint8)
    return np.broadcast_to(levels[:, None, None, None], (count, height, width, 3)).copy()


def numbers(frames: np.ndarray) -> list[int]:
    return [round(float(frame.mean()) / 10) for frame in frames]


def moving(count: int = 60, height: int = 120, width: int = 160) -> np.ndarray:
    noise = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return np.stack([np.roll(noise, 3 * k, axis=1) for k in range(count)])


def encode(
    path: Path, arrays: list[np.ndarray], codec: str, pix_fmt: str, source: str, times: list[int] | None = None
) -> Path:
    """Any codec and pixel format; times in 1/24 s for a variable frame rate."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=24)
        stream.height, stream.width, stream.pix_fmt = *arrays[0].shape[:2], pix_fmt
        for index, array in enumerate(arrays):
            frame = av.VideoFrame.from_ndarray(array, format=source).reformat(format=pix_fmt)
            frame.pts, frame.time_base = times[index] if times else index, Fraction(1, 24)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


# --- timing -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", (1, 2, 5, 25))
@pytest.mark.parametrize("suffix", (".mp4", ".mov", ".mkv"))
def test_what_is_written_is_read(tmp_path: Path, count: int, suffix: str) -> None:
    path = write_video(tmp_path / f"a{suffix}", numbered(count), 24)
    clip = read_video(path)
    assert numbers(clip.frames) == list(range(count))
    assert clip.fps == 24 and clip.source_size == (48, 64) and clip.notes == () and clip.audio is None
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("fps", (12.0, 23.976, 24000 / 1001, 29.97, 60.0))
def test_frame_rates_survive(tmp_path: Path, fps: float) -> None:
    clip = read_video(write_video(tmp_path / "a.mp4", numbered(25), fps))
    assert clip.fps == pytest.approx(fps, rel=1e-4) and numbers(clip.frames) == list(range(25))


def test_resampling_takes_the_nearest_in_time(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", numbered(25), 24)
    assert numbers(read_video(path, fps=12).frames) == list(range(0, 25, 2))
    assert numbers(read_video(path, fps=8).frames) == list(range(0, 25, 3))
    doubled = numbers(read_video(path, fps=48).frames)
    assert len(doubled) == 49 and doubled[::2] == list(range(25))
    assert numbers(read_video(path, max_frames=3).frames) == [0, 1, 2]
    assert numbers(read_video(path, fps=12, start=0.5, max_frames=3).frames) == [12, 14, 16]


def test_start_seeks_in_longer_files(tmp_path: Path) -> None:
    frames = np.concatenate([numbered(25)] * 8)
    path = write_video(tmp_path / "a.mp4", frames, 25)
    assert numbers(read_video(path, start=5.0, max_frames=25).frames) == list(range(25))
    assert numbers(read_video(path, start=6.4, max_frames=4).frames) == [10, 11, 12, 13]
    assert len(read_video(path, start=7.96).frames) == 1
    with pytest.raises(VideoError, match=r"start is 9 s, but the video is 8\.00 s long"):
        read_video(path, start=9)


def test_variable_frame_rate_keeps_its_timing(tmp_path: Path) -> None:
    frames = list(numbered(4))
    path = encode(tmp_path / "a.mkv", frames, "ffv1", "bgr0", "rgb24", times=[0, 1, 8, 9])
    assert numbers(read_video(path, fps=24).frames) == [0, 1, 1, 1, 1, 2, 2, 2, 2, 3]


# --- pictures -----------------------------------------------------------------------------------------------


def test_colours_survive(tmp_path: Path) -> None:
    colours = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0], [255] * 3, [0] * 3], np.uint8)
    frame = np.repeat(colours, 16, axis=0)[None].repeat(32, axis=0)
    back = read_video(write_video(tmp_path / "a.mp4", frame[None], 24)).frames[0]
    assert int(np.abs(back[16, 8::16].astype(int) - colours).max()) <= 4


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 2), (31, 45), (48, 33), (480, 854)])
def test_odd_sizes_are_extended_not_cut(tmp_path: Path, height: int, width: int) -> None:
    clip = read_video(write_video(tmp_path / "a.mp4", numbered(3, height, width), 24))
    assert clip.source_size == (height + height % 2, width + width % 2)
    assert numbers(clip.frames) == [0, 1, 2]


def test_8k(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mkv", [np.zeros((4320, 7680, 3), np.uint8)], "mjpeg", "yuvj420p", "rgb24")
    clip = read_video(path, max_side=512)
    assert clip.frames.shape == (1, 288, 512, 3) and clip.source_size == (4320, 7680)


def test_too_much_for_the_memory_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "a.mp4", numbered(9), 24)
    monkeypatch.setattr(video, "MAX_BYTES", 5 * 48 * 64 * 3)
    with pytest.raises(VideoError, match="max_frames, or smaller with max_side"):
        read_video(path)
    assert len(read_video(path, max_frames=5).frames) == 5


@pytest.mark.parametrize(
    ("matrix", "turn"),
    [
        ((0, 1, -1, 0), lambda a: np.rot90(a, -1)),  # a phone held upright
        ((0, -1, 1, 0), lambda a: np.rot90(a, 1)),
        ((-1, 0, 0, -1), lambda a: np.rot90(a, 2)),
        ((-1, 0, 0, 1), lambda a: a[:, ::-1]),  # a selfie camera's mirror
        ((1, 0, 0, 1), lambda a: a),
    ],
)
def test_display_rotation_is_honoured(tmp_path: Path, matrix: tuple[int, int, int, int], turn) -> None:
    quarters = np.zeros((1, 48, 64, 3), np.uint8)
    quarters[0, :24, :32], quarters[0, :24, 32:], quarters[0, 24:, :32] = 60, 120, 240
    path = write_video(tmp_path / "a.mp4", quarters, 24)
    content = bytearray(path.read_bytes())
    begin = content.find(b"tkhd") + 4 + 40
    a, b, c, d = (value * 65536 for value in matrix)
    content[begin : begin + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
    clip = read_video(path)
    expected = turn(quarters[0])
    assert clip.source_size == expected.shape[:2]
    assert float(np.abs(clip.frames[0].astype(float) - expected).mean()) < 3


def test_alpha_is_laid_over_grey(tmp_path: Path) -> None:
    picture = np.full((32, 32, 4), 255, np.uint8)
    picture[:, 16:, 3] = 0
    clip = read_video(encode(tmp_path / "a.mkv", [picture], "ffv1", "bgra", "rgba"))
    assert clip.frames[0, 0, 0].tolist() == [255] * 3 and clip.frames[0, 0, 31].tolist() == [128] * 3


@pytest.mark.parametrize(
    ("codec", "pix_fmt"), [("ffv1", "gray"), ("ffv1", "gray16le"), ("ffv1", "yuv420p10le"), ("mjpeg", "yuvj420p")]
)
def test_gray_high_bit_and_full_range(tmp_path: Path, codec: str, pix_fmt: str) -> None:
    clip = read_video(encode(tmp_path / "a.mkv", list(numbered(3) + 20), codec, pix_fmt, "rgb24"))
    assert clip.frames.shape == (3, 48, 64, 3) and numbers(clip.frames) == [2, 3, 4]


def test_a_picture_is_a_video_of_one_frame(tmp_path: Path) -> None:
    path = video.write_image(tmp_path / "a.png", numbered(2)[1])
    assert numbers(read_video(path).frames) == [1]


# --- sound --------------------------------------------------------------------------------------------------


def tone(seconds: float, rate: int = 48000, channels: int = 2) -> AudioTrack:
    wave = 0.5 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate)
    return AudioTrack(samples=np.tile(wave.astype(np.float32), (channels, 1)), rate=rate)


@pytest.mark.parametrize(("rate", "channels"), [(48000, 2), (44100, 1), (22255, 2)])
def test_sound_is_kept(tmp_path: Path, rate: int, channels: int) -> None:
    path = write_video(tmp_path / "a.mp4", numbered(25), 12.5, audio_from=tone(2.0, rate, channels))
    clip = read_video(path, audio=True)
    assert clip.audio is not None and clip.audio.samples.shape == (channels, 2 * clip.audio.rate)
    middle = clip.audio.samples[0, clip.audio.rate // 2 : 3 * clip.audio.rate // 2]
    spectrum = np.abs(np.fft.rfft(middle))
    assert abs(int(spectrum.argmax()) - 440) <= 1 and 0.4 < np.abs(middle).max() < 0.6
    copy = write_video(tmp_path / "b.mp4", numbered(25), 12.5, audio_from=path)
    assert probe_video(copy).has_audio and len(read_video(copy).frames) == 25


def test_sound_follows_start_and_length(tmp_path: Path) -> None:
    samples = np.zeros((1, 48000 * 4), np.float32)
    samples[0, 48000 * 2 : 48000 * 3] = tone(1.0, channels=1).samples[0]
    path = write_video(tmp_path / "a.mp4", numbered(25).repeat(4, axis=0), 25, audio_from=AudioTrack(samples, 48000))
    cut = read_video(path, start=1.5, max_frames=25, audio=True).audio
    assert cut is not None and cut.samples.shape == (1, 48000)
    loudness = np.abs(cut.samples[0]).reshape(10, -1).max(axis=1)
    assert loudness[:4].max() < 0.05 and loudness[6:].min() > 0.4
    short = read_video(write_video(tmp_path / "b.mp4", numbered(25), 12.5, audio_from=tone(0.5)), audio=True).audio
    assert short is not None and short.samples.shape[1] == 96000 and np.abs(short.samples[:, 40000:]).max() < 0.05


def test_no_sound_is_none(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", numbered(3), 24)
    assert read_video(path, audio=True).audio is None
    assert not probe_video(write_video(tmp_path / "b.mp4", numbered(3), 24, audio_from=path)).has_audio
    with pytest.raises(VideoError, match="no such file to take the sound from"):
        write_video(tmp_path / "b.mp4", numbered(3), 24, audio_from=tmp_path / "none.mp4")


# --- bad files ----------------------------------------------------------------------------------------------


def test_probe(tmp_path: Path) -> None:
    info = probe_video(write_video(tmp_path / "a.mp4", numbered(25), 24))
    assert (info.height, info.width, info.fps, info.num_frames, info.codec) == (48, 64, 24, 25, "h264")
    assert info.duration == pytest.approx(25 / 24, abs=1e-3)


def test_files_that_are_no_video(tmp_path: Path) -> None:
    bad = tmp_path / "bad.mp4"
    for content in (bytes(1000), b"hello", np.random.default_rng(0).bytes(5000), b"#EXTM3U\nhttp://127.0.0.1/a.ts\n"):
        bad.write_bytes(content)
        with pytest.raises(VideoError, match=r"bad\.mp4: no frame is readable"):
            read_video(bad)
    bad.write_bytes(b"")
    with pytest.raises(VideoError, match="empty"):
        read_video(bad)
    with pytest.raises(VideoError, match="no such video"):
        read_video(tmp_path / "none.mp4")
    with pytest.raises(VideoError, match="not a file"):
        read_video(tmp_path)
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        for packet in video.encode_audio(container, tone(0.5), 0.5):
            container.mux(packet)
    with pytest.raises(VideoError, match="no frame is readable: it holds no video, only audio"):
        read_video(tmp_path / "sound.mp4")


def test_cut_off_files(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "a.mp4", moving(), 24).read_bytes()
    cut = tmp_path / "cut.mp4"
    for share in (0.001, 0.01, 0.05):
        cut.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(VideoError, match=r"cut\.mp4: no frame is readable"):
            read_video(cut)
    frames_in_file = [
        packet.pos + packet.size for packet in av.open(str(tmp_path / "a.mp4")).demux(video=0) if packet.size
    ]
    cut.write_bytes(whole[: sorted(frames_in_file)[30]])
    with pytest.raises(
        VideoError, match=r"cut\.mp4: the video is cut off: \d+ frames, up to 1\.\d+ s of 2\.50 s"
    ) as caught:
        read_video(cut)
    assert "allow_damaged" in str(caught.value)
    clip = read_video(cut, allow_damaged=True)
    assert 25 <= len(clip.frames) <= 35 and "damaged" in clip.notes[0]
    assert len(read_video(cut, max_frames=20).frames) == 20


def test_damage_in_the_middle(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", moving(), 24)
    content = bytearray(path.read_bytes())
    third, half = len(content) // 3, len(content) // 2
    content[third : third + 200] = bytes(200)  # a packet or two, however the encoder has cut the stream
    (tmp_path / "b.mp4").write_bytes(content)
    clip = read_video(tmp_path / "b.mp4")
    assert len(clip.frames) == 60
    content[third : 2 * half] = np.random.default_rng(0).bytes(2 * half - third)
    (tmp_path / "c.mp4").write_bytes(content)
    with pytest.raises(VideoError, match=r"c\.mp4: the video is (damaged|cut off): \d+ frames"):
        read_video(tmp_path / "c.mp4")


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"max_frames": 0}, "max_frames is 0"),
        ({"fps": 0}, "fps is 0"),
        ({"fps": float("nan")}, "fps is nan"),
        ({"start": -1.0}, "start is -1"),
        ({"start": float("nan")}, "start is nan"),
        ({"max_side": 0}, "max_side is 0"),
    ],
)
def test_senseless_requests(tmp_path: Path, request_: dict, words: str) -> None:
    path = write_video(tmp_path / "a.mp4", numbered(3), 24)
    with pytest.raises(VideoError, match=words):
        read_video(path, **request_)


def test_senseless_writes_leave_nothing(tmp_path: Path) -> None:
    for frames, fps, name, words in (
        (numbered(0), 24, "a.mp4", "nothing to write"),
        (numbered(3).astype(np.float32), 24, "a.mp4", "expected uint8"),
        (numbered(3)[..., 0], 24, "a.mp4", "expected uint8"),
        (numbered(3), 0, "a.mp4", "fps is 0"),
        (numbered(3), float("nan"), "a.mp4", "fps is nan"),
        (numbered(3), 24, "a.gif", "change the suffix"),
        (np.zeros((1, 2, 16386, 3), np.uint8), 24, "a.mp4", "16384"),
    ):
        with pytest.raises(VideoError, match=words):
            write_video(tmp_path / name, frames, fps)
    assert list(tmp_path.iterdir()) == []
