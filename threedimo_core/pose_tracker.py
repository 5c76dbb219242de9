"""Finding a person's joints in the picture, to cut out the person and the hands: boxes, never labels.

Uses mediapipe, an optional extra (`make hands`): either the pose model inside the 0.10.21 wheel, or a
`pose_landmarker*.task` file that the user names, which newer wheels need. Sides come from the body: the pose model
tells the person's left wrist from the right one by where it sits on the person. Hand models guess the side from the
hand alone, suppose a mirrored picture, and were wrong on a third of the frames we looked at.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .images import Pixels

Floats = NDArray[np.float32]

NUM_POINTS = 33
LEFT_WRIST, RIGHT_WRIST = 15, 16
LEFT_KNUCKLES, RIGHT_KNUCKLES = (17, 19), (18, 20)  # little finger, index
HEAD = tuple(range(11))
MAX_SIDE = 960  # larger pictures cost time in the conversion and find nothing more
_SEEN = 0.5

# --no-deps for mediapipe alone: its metadata asks for numpy 1 and jax, and its pose model needs neither.
INSTALL_HINT = (
    "no hands are looked for: mediapipe is missing. Run `make hands`; or, in the environment that runs 3DiMo, "
    "`pip install --no-deps mediapipe==0.10.21` and `pip install attrs matplotlib protobuf`"
)
MODEL_HINT = (
    "no hands are looked for: this mediapipe carries no models. Name a pose_landmarker .task file, or install "
    "mediapipe 0.10.21, which has them inside"
)


class PoseTrackerError(ValueError):
    """A model file that is missing or that mediapipe cannot use."""


class PoseTrackerMissing(UserWarning):
    """Told once by Python's default filter: mediapipe or its models are missing, so hands are absent."""


@dataclass(frozen=True, eq=False)
class PoseTrack:
    """One person over T frames, as found, not smoothed.

    points: [T, 33, 2] pixels (x, y) in mediapipe's order, also outside the picture where they are guessed;
    visibility: [T, 33] in [0, 1]; pixels_per_metre: [T], the size of the person in the picture;
    found: [T] bool, where False the other values are 0;
    metres: [T, 33, 3] about the middle of the hips, x right, y down, z away from the camera, None where not measured.
    Good enough to tell which side of the person is seen, far from labels.
    """

    points: Floats
    visibility: Floats
    pixels_per_metre: Floats
    found: NDArray[np.bool_]
    height: int
    width: int
    metres: Floats | None = None


def track_pose(
    frames: Pixels,
    fps: float = 24.0,
    task_file: str | os.PathLike[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> PoseTrack | None:
    """Follows the most prominent person through uint8 frames [T, H, W, 3].

    task_file: a pose_landmarker .task file (lite, full or heavy); without it the model inside the 0.10.21 wheel.
    progress: called with (frames done, frames in all); what it raises ends the search.
    Returns None, with the warning PoseTrackerMissing, where mediapipe or a model is missing. Raises PoseTrackerError
    for a task file that is no pose model.
    """
    mediapipe = _import_mediapipe()
    if mediapipe is None or not (task_file or hasattr(mediapipe, "solutions")):
        warnings.warn(MODEL_HINT if mediapipe else INSTALL_HINT, PoseTrackerMissing, stacklevel=2)
        return None
    count, height, width = frames.shape[:3]
    track = PoseTrack(
        points=np.zeros((count, NUM_POINTS, 2), np.float32),
        visibility=np.zeros((count, NUM_POINTS), np.float32),
        pixels_per_metre=np.zeros(count, np.float32),
        found=np.zeros(count, bool),
        height=height,
        width=width,
        metres=np.zeros((count, NUM_POINTS, 3), np.float32),
    )
    small = (_shrunk(frame) for frame in frames)
    results = _with_task(mediapipe, Path(task_file), small, fps) if task_file else _with_wheel(mediapipe, small)
    for index, result in enumerate(results):
        if result is not None:
            _store(track, index, *result)
        if progress is not None:
            progress(index + 1, count)
    return track


def _store(track: PoseTrack, index: int, in_picture: Any, in_metres: Any) -> None:
    points = np.array([(point.x * track.width, point.y * track.height) for point in in_picture], np.float32)
    metres = np.array([(point.x, point.y, point.z) for point in in_metres], np.float32)
    visibility = np.array([point.visibility for point in in_picture], np.float32)
    seen = visibility > _SEEN
    spread = _spread(metres[seen, :2])
    # The ratio of spreads is the scale of a far camera; unlike any one bone it does not shrink when seen end on.
    if seen.sum() < 4 or spread < 0.05:
        return
    track.points[index], track.visibility[index] = points, visibility
    track.pixels_per_metre[index] = _spread(points[seen]) / spread
    if track.metres is not None:
        track.metres[index] = metres
    track.found[index] = True


def _spread(points: Floats) -> float:
    return float(np.sqrt(((points - points.mean(axis=0)) ** 2).sum(axis=1).mean())) if len(points) else 0.0


def _shrunk(frame: Pixels) -> Pixels:
    scale = MAX_SIDE / max(frame.shape[:2])
    if scale >= 1:
        return np.ascontiguousarray(frame)
    size = max(1, round(frame.shape[1] * scale)), max(1, round(frame.shape[0] * scale))
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


# --- mediapipe's two programming interfaces ---------------------------------------------------------------


def _import_mediapipe() -> Any | None:
    """mediapipe, or None. With protobuf 5 and newer its import prints a harmless AttributeError, which is kept back."""
    noise = io.StringIO()
    with contextlib.redirect_stderr(noise):
        try:
            return importlib.import_module("mediapipe")
        except ImportError as error:
            reason = error
    if not (isinstance(reason, ModuleNotFoundError) and reason.name == "mediapipe"):
        raise PoseTrackerError(f"mediapipe is installed but cannot be imported: {reason}") from reason
    return None


def _with_wheel(mediapipe: Any, frames: Iterator[Pixels]) -> Iterator[tuple[Any, Any] | None]:
    # Smoothing is ours, over the whole clip: mediapipe's looks back only and so lags behind fast hands.
    with mediapipe.solutions.pose.Pose(model_complexity=1, smooth_landmarks=False) as model:
        for frame in frames:
            result = model.process(frame)
            if result.pose_landmarks and result.pose_world_landmarks:
                yield result.pose_landmarks.landmark, result.pose_world_landmarks.landmark
            else:
                yield None


def _with_task(
    mediapipe: Any, task_file: Path, frames: Iterator[Pixels], fps: float
) -> Iterator[tuple[Any, Any] | None]:
    if not task_file.is_file():
        raise PoseTrackerError(f"{task_file}: there is no such file; name a pose_landmarker .task file")
    vision = importlib.import_module("mediapipe.tasks.python.vision")
    options = vision.PoseLandmarkerOptions(
        # As bytes: mediapipe opens paths in its own way, which fails for some characters on Windows.
        base_options=mediapipe.tasks.BaseOptions(model_asset_buffer=task_file.read_bytes()),
        running_mode=vision.RunningMode.VIDEO,
    )
    try:
        model = vision.PoseLandmarker.create_from_options(options)
    except (RuntimeError, ValueError, OSError) as error:
        raise PoseTrackerError(f"{task_file}: mediapipe cannot use it as a pose_landmarker ({error})") from error
    except TypeError as error:
        raise PoseTrackerError(
            f"mediapipe {mediapipe.__version__} opens no .task files beside protobuf 5 and newer; leave the task file "
            "out to use the model inside the wheel, or install mediapipe 1"
        ) from error
    with model:
        for index, frame in enumerate(frames):
            image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=frame)
            result = model.detect_for_video(image, round(index * 1000 / fps))
            yield (result.pose_landmarks[0], result.pose_world_landmarks[0]) if result.pose_landmarks else None
