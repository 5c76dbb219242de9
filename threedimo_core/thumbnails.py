"""Thumbnails of motions: a few moments side by side, as pictures of the driving video or as a figure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .decoded_pose import DecodedPose
from .images import Pixels, fit_frames
from .skeleton_preview import MIN_SIDE, PreviewSettings, draw_preview

COUNT, HEIGHT = 5, 256
MAX_WIDTH = 2048


def frames_strip(frames: Pixels, count: int = COUNT, height: int = HEIGHT) -> Pixels:
    """A few frames of uint8 [T, H, W, 3], spread evenly from the first to the last, as one picture [height, W, 3]."""
    picked = frames[_spread(len(frames), count)]
    width = max(1, min(round(height * frames.shape[2] / frames.shape[1]), MAX_WIDTH // len(picked)))
    return np.concatenate(list(fit_frames(picked, height, width)), axis=1)


def pose_strip(pose: DecodedPose, count: int = COUNT, height: int = HEIGHT) -> Pixels:
    """A few poses, spread evenly from the first to the last, as one picture [height, W, 3]."""
    index = _spread(pose.num_frames, count)
    picked = DecodedPose(pose.rotations[index], pose.root_height[index], pose.hand_present[index], pose.fps)
    settings = PreviewSettings(height=height, width=max(MIN_SIDE, round(0.8 * height)), turns=0, azimuth=-25)
    return np.concatenate(list(draw_preview(picked, settings)), axis=1)


def _spread(frames: int, count: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, frames - 1, count).round().astype(np.int64))
