"""A motion and a reference image brought to the clip that is to be made: its frame rate, its length, its size."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from .frame_grid import frame_count, require_frame_count
from .motion_clip import MotionClip
from .motion_edit import hold, join, resample, trim


def fit_motion(
    motion: MotionClip, fps: float, num_frames: int | None = None, per_latent: int = 4, hold_last: bool = False
) -> MotionClip:
    """The motion at `fps`, with `num_frames` frames (None: all it has, rounded down to per_latent·n + 1).

    A motion that is too short is an error that names the count that works, or its last pose is held.
    """
    motion = resample(motion, fps)
    available = motion.num_frames
    wanted = frame_count(available, "down", per_latent) if num_frames is None else num_frames
    require_frame_count(wanted, per_latent)
    if wanted <= available:
        return trim(motion, 0, wanted)
    if not hold_last:
        raise ValueError(
            f"{wanted} frames were asked for, but the motion has {available} at {fps:g} fps: ask for "
            f"{frame_count(available, 'down', per_latent)} or fewer, or let the last pose be held"
        )
    return join(motion, hold(motion, -1, wanted - available))


def prepare_reference(image: Tensor, height: int, width: int) -> Tensor:
    """Image [3, H, W] → [3, height, width], aspect kept: cut evenly on both sides, then scaled."""
    given_h, given_w = image.shape[-2:]
    # Cut before scaling: a long thin picture would be huge once its short side fits.
    cut_h = max(1, min(given_h, round(given_w * height / width)))
    cut_w = max(1, min(given_w, round(given_h * width / height)))
    top, left = (given_h - cut_h) // 2, (given_w - cut_w) // 2
    image = image[:, top : top + cut_h, left : left + cut_w]
    if (cut_h, cut_w) != (height, width):
        image = F.interpolate(image[None], (height, width), mode="bicubic", antialias=True, align_corners=False)[0]
    return image.clamp(0, 1)
