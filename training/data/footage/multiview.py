"""A capture by synchronous cameras to multi-view clips: azimuth, elevation and captions from its calibration."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from threedimo_core.camera_language import CameraPrompt, Move, MoveKind, View
from threedimo_core.pose_tracker import PoseTrack
from threedimo_core.video import probe_video

from ..cameras import SubjectTrack
from ..manifest import Record
from ..publish import record_in, remove_unfinished_at
from .calibration import CalibratedCamera, CalibrationError
from .cropping import Size, choose_window, nearest_size
from .people import find_person, hand_pictures, person_box, person_seen, seen_framing
from .records import Footage, FootageView, Hands, write_footage
from .rectify import Pinhole, rectified
from .rules import Caption
from .settings import FootageSettings
from .single import ClipRefused, FileReport, make_view, without_black_borders
from .source import MAX_CLIPS, Source, content_key, read_clip
from .triangulation import Joints3D, floor_height, subject_track, triangulate

KIND = "multiview"


@dataclass(frozen=True)
class Capture:
    """Synchronous files, one for each camera, which begin at the same moment; their cameras in the same order."""

    source: Source
    files: tuple[Path, ...]
    cameras: tuple[CalibratedCamera, ...] | None


def open_capture(name: str, files: list[Path], cameras: list[CalibratedCamera] | None) -> Capture:
    """The capture of files in a folder. ValueError for fewer than two; CalibrationError when names do not match."""
    files = sorted(files)
    if len(files) < 2:
        raise ValueError(f"{name} holds {len(files)} videos, expected at least two that were filmed at the same time")
    matched = None if cameras is None else tuple(_camera_of(path, files, cameras) for path in files)
    return Capture(Source(files[0].parent, name, content_key(files)), tuple(files), matched)


def _camera_of(path: Path, files: list[Path], cameras: list[CalibratedCamera]) -> CalibratedCamera:
    """The camera whose name is in the file's name (the longest such); or, for as many files as cameras, by order."""
    stem = path.stem.lower()
    named = sorted((camera for camera in cameras if camera.name.lower() in stem), key=lambda c: -len(c.name))
    if named and (len(named) == 1 or len(named[0].name) > len(named[1].name)):
        return named[0]
    raise CalibrationError(
        f"{path.name} belongs to no camera of the calibration, or to several; its cameras are "
        f"{', '.join(camera.name for camera in cameras)}. Each file's name must contain its camera's name"
    )


def import_capture(root: Path, capture: Capture, settings: FootageSettings, report: FileReport) -> Iterator[Record]:
    """The records of a capture's clips, each published before it is yielded; what is published is not made again.

    VideoError when a file is damaged, CalibrationError when the calibration does not fit.
    """
    length = min(_seconds(path) for path in capture.files)
    starts = range(0, int(length * settings.fps + 0.5) - settings.num_frames + 1, settings.stride)
    report.shots = 1
    for number, start in enumerate(starts[: min(settings.most_clips, MAX_CLIPS)]):
        folder = root / capture.source.clip_folder(number)
        remove_unfinished_at(folder)
        try:
            record = record_in(folder) or write_footage(root, _make_clip(capture, number, start, settings))
        except ClipRefused as reason:
            report.left_out[str(reason)] += 1
            continue
        report.folders.append(record["path"])
        yield record


def _seconds(path: Path) -> float:
    info = probe_video(path)
    return info.duration or (info.num_frames or 0) / info.fps


def _make_clip(capture: Capture, number: int, start: int, settings: FootageSettings) -> Footage:
    seconds = start / settings.fps
    pictures = [
        read_clip(path, seconds, settings.num_frames, settings.fps, settings.reading_side) for path in capture.files
    ]
    if min(map(len, pictures)) < settings.num_frames:
        raise ClipRefused("a file ends")
    tracks = [find_person(frames, settings.fps) if settings.people else None for frames in pictures]
    found = [track for track in tracks if track is not None]
    if found and max(person_seen(track).share for track in found) < settings.least_share:
        raise ClipRefused("no person")
    height, width = pictures[0].shape[1:3]
    size = nearest_size(height, width, settings.sizes)
    if capture.cameras is not None and len(found) == len(pictures):
        cameras = [
            camera.for_picture(*frames.shape[1:3]) for camera, frames in zip(capture.cameras, pictures, strict=True)
        ]
        views, labels, miss = _calibrated(cameras, pictures, found, size, settings)
    else:
        views, labels, miss = _uncalibrated(pictures, tracks, size, settings), {}, None
    return Footage(
        source=capture.source,
        number=number,
        kind=KIND,
        split=settings.split(capture.source.key),
        fps=settings.fps,
        views=tuple(views),
        labels=labels,
        origin={
            "files": [path.name for path in capture.files],
            "start": round(seconds, 4),
            "source_fps": round(probe_video(capture.files[0]).fps, 4),
            "calibration_miss": None if miss is None else round(miss, 5),
        },
    )


def _uncalibrated(
    pictures: list[np.ndarray], tracks: list[PoseTrack | None], size: Size, settings: FootageSettings
) -> list[FootageView]:
    """Each view by itself, as a single video."""
    views = []
    for frames, track in zip(pictures, tracks, strict=True):
        inner = frames if track is not None else without_black_borders(frames)
        box = None if track is None else person_box(track, settings.fps)
        window = choose_window(inner.shape[1], inner.shape[2], size, settings.fit, box)
        views.append(make_view(inner, track, window, settings))
    return views


def _calibrated(
    cameras: list[CalibratedCamera],
    pictures: list[np.ndarray],
    tracks: list[PoseTrack],
    size: Size,
    settings: FootageSettings,
) -> tuple[list[FootageView], dict[str, Tensor], float]:
    """Views, labels and how well the calibration fits."""
    joints = triangulate(cameras, tracks)
    subject = subject_track(joints, settings.fps)
    joints, cameras, subject = _on_floor(joints, cameras, subject)
    pinholes = [rectified(camera, _passed(joints), size) for camera in cameras]
    views, angles = [], []
    for pinhole, frames, track in zip(pinholes, pictures, tracks, strict=True):
        angles.append(_angles(pinhole, subject))
        views.append(_calibrated_view(pinhole, frames, track, angles[-1], settings))
    return views, _camera_labels(pinholes, angles, subject, joints), joints.miss


def _on_floor(
    joints: Joints3D, cameras: list[CalibratedCamera], subject: SubjectTrack
) -> tuple[Joints3D, list[CalibratedCamera], SubjectTrack]:
    """The same with the floor, where the feet are, at y = 0."""
    shift = np.eye(4)
    shift[1, 3] = floor_height(joints)
    lower = np.array([0.0, shift[1, 3], 0.0])
    points = np.where(joints.seen[..., None], joints.points - lower, 0.0)
    moved = [replace(camera, world_to_camera=camera.world_to_camera @ shift) for camera in cameras]
    centre = subject.centre - torch.from_numpy(lower).float()
    return replace(joints, points=points), moved, replace(subject, centre=centre)


def _passed(joints: Joints3D) -> np.ndarray:
    """Points [N, 3] that the person passes through: the joints, a little wider, and the crown of the head."""
    seen = joints.points[joints.seen]
    low, high = np.percentile(seen, 2, axis=0) - 0.1, np.percentile(seen, 98, axis=0) + (0.1, 0.2, 0.1)
    corners = np.array([[x, y, z] for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])])
    return corners


@dataclass(frozen=True)
class _Angles:
    """Of a camera about the person in every frame: degrees, degrees, metres [T]."""

    azimuth: np.ndarray
    elevation: np.ndarray
    distance: np.ndarray


def _angles(pinhole: Pinhole, subject: SubjectTrack) -> _Angles:
    way = pinhole.position - subject.centre.double().numpy()
    azimuth = np.degrees(np.arctan2(way[:, 0], way[:, 2])) - subject.heading.double().numpy()
    elevation = np.degrees(np.arctan2(way[:, 1], np.hypot(way[:, 0], way[:, 2])))
    return _Angles((azimuth + 180) % 360 - 180, elevation, np.linalg.norm(way, axis=1))


def _calibrated_view(
    pinhole: Pinhole, frames: np.ndarray, track: PoseTrack, angles: _Angles, settings: FootageSettings
) -> FootageView:
    azimuth, elevation, distance = (float(values[0]) for values in (angles.azimuth, angles.elevation, angles.distance))
    inside = _seen_by(pinhole, track)
    view = View.from_degrees(azimuth, elevation, seen_framing(inside))
    return FootageView(
        frames=pinhole.picture(frames),
        caption=Caption(CameraPrompt(view, (Move(MoveKind.STATIC),)), "calibration"),
        still=True,
        hands=_hands(pinhole, frames, track, settings),
        track=inside,
        azimuth=azimuth,
        elevation=elevation,
        distance=distance,
    )


def _seen_by(pinhole: Pinhole, track: PoseTrack) -> PoseTrack:
    """A track of the source's pixels in those of the rectified picture."""
    points = np.where(track.found[:, None, None], pinhole.from_source(track.points), 0).astype(np.float32)
    height, width = pinhole.size
    return replace(
        track,
        points=points,
        pixels_per_metre=track.pixels_per_metre * np.float32(_zoom(pinhole)),
        height=height,
        width=width,
    )


def _zoom(pinhole: Pinhole) -> float:
    """Pixels of the rectified picture for one of the source, in its middle."""
    return pinhole.focal * pinhole.size[0] / float(pinhole.source.matrix[1, 1])


def _hands(pinhole: Pinhole, frames: np.ndarray, track: PoseTrack, settings: FootageSettings) -> Hands | None:
    if not settings.hand_size:
        return None
    pictures, boxes, present = hand_pictures(frames, track, settings.hand_size, settings.fps)
    middle = pinhole.from_source((boxes[..., :2] + boxes[..., 2:]) / 2)
    half = (boxes[..., 2:] - boxes[..., :2]) / 2 * _zoom(pinhole)
    in_view = np.concatenate([middle - half, middle + half], axis=-1)
    return Hands(pictures, np.where(present[..., None], in_view, 0).astype(np.float32), present)


def _camera_labels(
    pinholes: list[Pinhole], angles: list[_Angles], subject: SubjectTrack, joints: Joints3D
) -> dict[str, Tensor]:
    frames = len(subject.heading)
    extrinsics = np.stack([pinhole.world_to_camera for pinhole in pinholes])
    focal = np.array([pinhole.focal for pinhole in pinholes])
    return {
        "world_to_camera": torch.from_numpy(np.tile(extrinsics[:, None], (1, frames, 1, 1))).float(),
        "focal": torch.from_numpy(np.tile(focal[:, None], (1, frames))).float(),
        "azimuth": torch.from_numpy(np.stack([each.azimuth for each in angles])).float(),
        "elevation": torch.from_numpy(np.stack([each.elevation for each in angles])).float(),
        "distance": torch.from_numpy(np.stack([each.distance for each in angles])).float(),
        "heading": subject.heading.float(),
        "centre": subject.centre.float(),
        "tracked_joints": torch.from_numpy(joints.points).float(),
        "tracked_seen": torch.from_numpy(joints.seen).to(torch.uint8),
    }
