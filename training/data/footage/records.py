"""Clips of own footage to files and records: the same folder, labels and manifest line as a rendered performance.

What is not known stays open: azimuth, elevation and distance are None without a calibration, `still` is None where
the background does not tell, `pose` is the identity under a `pose_mask` of zeros until `data import-poses` fills
it, and there is no mask of the person.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor

from threedimo_core.pose_tracker import PoseTrack

from ..manifest import SCHEMA_VERSION, Record
from ..publish import publish_folder
from ..video_file import encode_video
from ..writer import LABELS_NAME
from .rules import Caption
from .source import Source

NUM_POSE_JOINTS = 51


@dataclass(frozen=True)
class Hands:
    """pictures uint8 [T, h, 2 h, 3], left beside right, black where absent; boxes [T, 2, 4] in pixels of the view;
    present bool [T, 2]."""

    pictures: np.ndarray
    boxes: np.ndarray
    present: np.ndarray


@dataclass(frozen=True)
class FootageView:
    """One camera's pictures uint8 [T, H, W, 3] with what is known of it.

    track: the person in the pixels of the view; azimuth, elevation (degrees) and distance (metres) are of the first
    frame; None where unknown.
    """

    frames: np.ndarray
    caption: Caption
    still: bool | None
    hands: Hands | None = None
    track: PoseTrack | None = None
    azimuth: float | None = None
    elevation: float | None = None
    distance: float | None = None


@dataclass(frozen=True)
class Footage:
    """A clip: its source and number there, its views, further labels, and where it came from (for people)."""

    source: Source
    number: int
    kind: str
    split: str
    fps: float
    views: tuple[FootageView, ...]
    labels: dict[str, Tensor]
    origin: dict[str, Any]

    @property
    def id(self) -> str:
        return self.source.clip_id(self.kind, self.number)


def write_footage(root: Path, footage: Footage) -> Record:
    """Publish a clip under `root` and return its record. DiskFullError when no space is left."""
    contents: dict[str, bytes] = {}
    for number, view in enumerate(footage.views):
        contents[f"view_{number}.mp4"] = encode_video(view.frames, footage.fps)
        if view.hands is not None:
            contents[f"hands_{number}.mp4"] = encode_video(view.hands.pictures, footage.fps)
    labels = _labels(footage)
    if labels:
        contents[LABELS_NAME] = save({name: tensor.contiguous() for name, tensor in sorted(labels.items())})
    record = _record(footage, bool(labels), {name: len(data) for name, data in contents.items()})
    publish_folder(root, record, contents)
    return record


def _labels(footage: Footage) -> dict[str, Tensor]:
    """Tracked points, hand boxes and an empty pose for `import-poses` to fill; nothing where nobody was looked for."""
    hands = [view.hands for view in footage.views if view.hands is not None]
    tracks = [view.track for view in footage.views if view.track is not None]
    labels = dict(footage.labels)
    if len(tracks) == len(footage.views):
        labels["tracked_2d"] = torch.from_numpy(np.stack([each.points for each in tracks])).float()
        labels["tracked_visibility"] = torch.from_numpy(np.stack([each.visibility for each in tracks])).half()
    if len(hands) == len(footage.views):
        labels["hand_box"] = torch.from_numpy(np.stack([each.boxes for each in hands])).float()
        labels["hand_present"] = torch.from_numpy(np.stack([each.present for each in hands])).to(torch.uint8)
    if labels:
        labels |= empty_pose(len(footage.views[0].frames))
    return labels


def empty_pose(num_frames: int) -> dict[str, Tensor]:
    """A pose of which nothing is known."""
    return {
        "pose": torch.eye(3).expand(num_frames, NUM_POSE_JOINTS, 3, 3).half(),
        "pose_mask": torch.zeros(num_frames, NUM_POSE_JOINTS, dtype=torch.uint8),
    }


def _record(footage: Footage, labels: bool, files: dict[str, int]) -> Record:
    num_frames, height, width, _ = footage.views[0].frames.shape
    hands = footage.views[0].hands
    return {
        "schema_version": SCHEMA_VERSION,
        "id": footage.id,
        "index": footage.source.clip_index(footage.number),
        "source": footage.kind,
        "split": footage.split,
        "kind": footage_kind(footage.views),
        "path": footage.source.clip_folder(footage.number),
        "labels": LABELS_NAME if labels else None,
        "has_pose_mask": labels,
        "num_frames": num_frames,
        "fps": footage.fps,
        "height": height,
        "width": width,
        "hand_size": 0 if hands is None else hands.pictures.shape[1],
        "motion": f"{footage.source.name}@{footage.origin['start']:g}",
        "bodies": [],
        "appearances": [],
        "origin": footage.origin,
        "views": [_view_record(number, view) for number, view in enumerate(footage.views)],
        "files": files,
    }


def footage_kind(views: tuple[FootageView, ...]) -> str:
    """ "single", "static" (every camera stands still) or "moving"."""
    if len(views) == 1:
        return "single"
    return "static" if all(view.still for view in views) else "moving"


def _view_record(number: int, view: FootageView) -> dict[str, Any]:
    return {
        "video": f"view_{number}.mp4",
        "hands": None if view.hands is None else f"hands_{number}.mp4",
        "identity": 0,
        "camera": number,
        "still": view.still,
        "azimuth": _rounded(view.azimuth),
        "elevation": _rounded(view.elevation),
        "distance": _rounded(view.distance),
        **view.caption.fields(),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), 3)
