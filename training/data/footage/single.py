"""One video file to clips: shots found, windows cut, people checked, views and still cameras captioned by rule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from threedimo_core.pose_tracker import PoseTrack

from ..manifest import Record
from ..publish import record_in, remove_unfinished_at
from .cropping import Window, choose_window, cut_out, nearest_size
from .people import find_person, hand_pictures, moved, person_box, person_seen, seen_view
from .records import Footage, FootageView, Hands, write_footage
from .rules import caption_by_rule
from .settings import FootageSettings
from .shots import Shot, find_shots
from .source import MAX_CLIPS, Source, read_clip, read_thumbnails, source_fps
from .stillness import Stillness, background_motion

KIND = "video"
_FROZEN = 0.15  # mean change of a thumbnail, of 255, below which nothing moves at all
_LEAST_HELD = 0.7  # share of the person's box that the window must hold
_DARK = 20  # of 255: brightest that a black border is
_STILL = {Stillness.STILL: True, Stillness.HANDHELD: False, Stillness.MOVING: False, Stillness.UNKNOWN: None}


class ClipRefused(Exception):
    """A clip that does not become part of the set; the text is the reason, one of few, so that they can be counted."""


@dataclass
class FileReport:
    """What became of a file: its shots, its clips' folders, and how many clips were left out for which reason."""

    shots: int = 0
    folders: list[str] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


def import_file(root: Path, source: Source, settings: FootageSettings, report: FileReport) -> Iterator[Record]:
    """The records of a file's clips, each published before it is yielded; what is published already is not made again.

    VideoError when the file is damaged; clips before the damage may have been published, which does no harm.
    """
    thumbnails = read_thumbnails(source.path, settings.fps)
    shots = find_shots(thumbnails)
    report.shots = len(shots)
    for number, start in enumerate(clip_starts(shots, len(thumbnails), settings)):
        try:
            if _is_frozen(thumbnails[start : start + settings.num_frames]):
                raise ClipRefused("nothing moves")
            record = _published(root, source, number) or _make_clip(root, source, number, start, settings)
        except ClipRefused as reason:
            report.left_out[str(reason)] += 1
            continue
        report.folders.append(record["path"])
        yield record


def clip_starts(shots: list[Shot], num_frames: int, settings: FootageSettings) -> list[int]:
    """First frames of the clips: windows one stride apart in every shot, one frame away from its cuts."""
    starts: list[int] = []
    for shot in shots:
        first = shot.start + (1 if shot.start > 0 else 0)
        last = shot.stop - (1 if shot.stop < num_frames else 0)
        starts += range(first, last - settings.num_frames + 1, settings.stride)
    return starts[: min(settings.most_clips, MAX_CLIPS)]


def _is_frozen(thumbnails: np.ndarray) -> bool:
    return bool(np.abs(np.diff(thumbnails.astype(np.int16), axis=0)).mean() < _FROZEN)


def _published(root: Path, source: Source, number: int) -> Record | None:
    folder = root / source.clip_folder(number)
    remove_unfinished_at(folder)
    return record_in(folder)


def _make_clip(root: Path, source: Source, number: int, start: int, settings: FootageSettings) -> Record:
    seconds = start / settings.fps
    frames = read_clip(source.path, seconds, settings.num_frames, settings.fps, settings.reading_side)
    if len(frames) < settings.num_frames:
        raise ClipRefused("the file ends")
    frames = without_black_borders(frames)
    track = find_person(frames, settings.fps) if settings.people else None
    window = _window(frames, track, settings)
    footage = Footage(
        source=source,
        number=number,
        kind=KIND,
        split=settings.split(source.key),
        fps=settings.fps,
        views=(make_view(frames, track, window, settings),),
        labels={},
        origin={
            "files": [source.name],
            "start": round(seconds, 4),
            "source_fps": round(source_fps(source.path), 4),
        },
    )
    return write_footage(root, footage)


def _window(frames: np.ndarray, track: PoseTrack | None, settings: FootageSettings) -> Window:
    """Where to cut; ClipRefused when nobody, or too little of them, would be seen."""
    height, width = frames.shape[1:3]
    size = nearest_size(height, width, settings.sizes)
    if track is None:
        return choose_window(height, width, size, settings.fit, None)
    seen, box = person_seen(track), person_box(track, settings.fps)
    if seen.share < settings.least_share or box is None:
        raise ClipRefused("no person")
    window = choose_window(height, width, size, settings.fit, box)
    if seen.height * height / window.height < settings.least_height:
        raise ClipRefused("the person is small")
    if window.holds(box) < _LEAST_HELD:
        raise ClipRefused("the person does not fit")
    return window


def make_view(frames: np.ndarray, track: PoseTrack | None, window: Window, settings: FootageSettings) -> FootageView:
    """The view of one camera: cut out, hands beside it, captioned when its camera stands still."""
    pictures = cut_out(frames, window)
    inside = None if track is None else moved(track, (window.left, window.top), window.scale, *window.size)
    stillness = background_motion(pictures, inside).stillness
    return FootageView(
        frames=pictures,
        caption=caption_by_rule(stillness, None if inside is None else seen_view(inside)),
        still=_STILL[stillness],
        hands=None if track is None else _hands(frames, track, window, settings),
        track=inside,
    )


def _hands(frames: np.ndarray, track: PoseTrack, window: Window, settings: FootageSettings) -> Hands | None:
    if not settings.hand_size:
        return None
    pictures, boxes, present = hand_pictures(frames, track, settings.hand_size, settings.fps)
    offset = np.array([window.left, window.top] * 2, np.float32)
    in_view = np.where(present[..., None], (boxes - offset) * window.scale, 0)
    return Hands(pictures, in_view.astype(np.float32), present)


def without_black_borders(frames: np.ndarray) -> np.ndarray:
    """The picture without black bars that stay all through uint8 frames [T, H, W, 3]; a dark picture stays whole."""
    brightest = frames[:: max(1, len(frames) // 8)].max(axis=(0, 3))
    rows, columns = (np.percentile(brightest, 98, axis=axis) > _DARK for axis in (1, 0))
    if not rows.any() or not columns.any():
        return frames
    top, left = int(rows.argmax()), int(columns.argmax())
    bottom, right = len(rows) - int(rows[::-1].argmax()), len(columns) - int(columns[::-1].argmax())
    if (bottom - top) * (right - left) < 0.25 * brightest.size:
        return frames
    return frames[:, top:bottom, left:right]
