"""A rendered performance to files and its record.

A performance folder holds `view_<i>.mp4`, `hands_<i>.mp4` (left beside right), `labels.safetensors` (labels.py) and
`record.json`, its manifest line.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import Tensor

from threedimo_core.camera_language import NUM_WORDINGS, write

from .camera_record import prompt_to_json
from .cameras import Camera
from .manifest import SCHEMA_VERSION, Record, performance_folder
from .publish import publish_folder
from .rendering import RenderedPerformance
from .video_file import encode_video

LABELS_NAME = "labels.safetensors"


def write_performance(root: Path, rendered: RenderedPerformance, fps: float) -> Record:
    """Publish a rendered performance under `root` and return its record.

    DiskFullError when no space is left; nothing half-written stays behind.
    """
    contents = performance_files(rendered, fps)
    record = performance_record(rendered, fps, {name: len(data) for name, data in contents.items()})
    publish_folder(root, record, contents)
    return record


def performance_files(rendered: RenderedPerformance, fps: float) -> dict[str, bytes]:
    """Name to content of every file but the record."""
    files: dict[str, bytes] = {}
    for number, view in enumerate(rendered.views):
        files[f"view_{number}.mp4"] = encode_video(view.frames, fps)
        if view.hands is not None:
            files[f"hands_{number}.mp4"] = encode_video(view.hands, fps)
    files[LABELS_NAME] = save({name: tensor.contiguous() for name, tensor in sorted(rendered.labels.items())})
    return files


def performance_record(rendered: RenderedPerformance, fps: float, files: dict[str, int]) -> Record:
    """The manifest line of a performance: where its files are and what can be chosen by without opening them."""
    performance = rendered.performance
    num_frames, height, width, _ = rendered.views[0].frames.shape
    hands = rendered.views[0].hands
    return {
        "schema_version": SCHEMA_VERSION,
        "id": performance.id,
        "index": performance.index,
        "source": "render",
        "split": performance.split,
        "kind": performance.kind,
        "path": performance_folder(performance.index),
        "labels": LABELS_NAME,
        "num_frames": num_frames,
        "fps": fps,
        "height": height,
        "width": width,
        "hand_size": 0 if hands is None else hands.shape[1],
        "motion": performance.motion.name,
        "bodies": [identity.body_index for identity in performance.identities],
        "appearances": [identity.appearance.summary for identity in performance.identities],
        "views": [
            _view_record(number, view.identity, view.camera, performance.cameras[view.camera], hands is not None)
            for number, view in enumerate(rendered.views)
        ],
        "files": files,
    }


def _view_record(number: int, identity: int, camera_number: int, camera: Camera, hands: bool) -> dict[str, Any]:
    return {
        "video": f"view_{number}.mp4",
        "hands": f"hands_{number}.mp4" if hands else None,
        "identity": identity,
        "camera": camera_number,
        "still": is_still(camera),
        "azimuth": _rounded(camera.azimuth),
        "elevation": _rounded(camera.elevation),
        "distance": _rounded(camera.distance),
        "prompt": prompt_to_json(camera.prompt),
        "captions": [write(camera.prompt, wording) for wording in range(NUM_WORDINGS)],
    }


def is_still(camera: Camera) -> bool:
    """Whether the camera neither travels nor turns nor zooms (a handheld shake counts as moving)."""
    change = (camera.world_to_camera - camera.world_to_camera[:1]).abs().max()
    return float(change) < 1e-5 and float((camera.focal - camera.focal[0]).abs().max()) < 1e-6


def _rounded(values: Tensor) -> float:
    """First frame's value, to a thousandth: enough to choose by, and short."""
    return round(float(values[0]), 3)
