"""Which sizes and frame counts a backbone takes, in one place, with messages that say what would work.

- Frame counts have the form 4n + 1: a causal video VAE keeps frame 0 and packs every further four.
- Height and width are multiples of the VAE's stride times the patch size: 16, or 32 for Wan2.2-TI2V-5B.
- The paper's area is 480 × 854 with the aspect kept: 480 × 848 on a grid of 16, 480 × 832 on a grid of 32.
"""

from __future__ import annotations

import math
from typing import Literal

TARGET_AREA = 480 * 854
FRAMES_PER_LATENT = 4
MAX_ASPECT = 4.0
MAX_SIDE = 8192

Rounding = Literal["nearest", "down", "up"]


class FrameGridError(ValueError):
    """A size or a frame count that a backbone cannot take; the message holds the nearest that it can."""


def frame_count(num_frames: int, rounding: Rounding = "nearest", per_latent: int = FRAMES_PER_LATENT) -> int:
    """The nearest count of the form per_latent * n + 1 (at a tie the larger); "down" never gives more than asked."""
    if num_frames < 1:
        raise FrameGridError(f"{num_frames} frames were given; at least 1 is needed")
    steps = (num_frames - 1) / per_latent
    whole = {"nearest": math.floor(steps + 0.5), "down": math.floor(steps), "up": math.ceil(steps)}
    if rounding not in whole:
        raise FrameGridError(f"rounding is {rounding!r}; choose 'nearest', 'down' or 'up'")
    return whole[rounding] * per_latent + 1


def latent_frame_count(num_frames: int, per_latent: int = FRAMES_PER_LATENT) -> int:
    """Latent frames of a valid frame count: 121 → 31."""
    require_frame_count(num_frames, per_latent)
    return (num_frames - 1) // per_latent + 1


def require_frame_count(num_frames: int, per_latent: int = FRAMES_PER_LATENT) -> int:
    """`num_frames` where it has the form per_latent * n + 1; FrameGridError names both neighbours otherwise."""
    if num_frames < 1:
        raise FrameGridError(f"{num_frames} frames were asked for; use at least 1, for example {per_latent * 4 + 1}")
    if (num_frames - 1) % per_latent:
        below, above = (frame_count(num_frames, side, per_latent) for side in ("down", "up"))
        raise FrameGridError(
            f"{num_frames} frames do not fit this backbone, whose counts are {per_latent}n + 1: use {below} or {above}"
        )
    return num_frames


def require_size(height: int, width: int, multiple: int) -> tuple[int, int]:
    """(height, width) where both are multiples of `multiple`; FrameGridError names the nearest size otherwise."""
    if height < 1 or width < 1 or height % multiple or width % multiple:
        near = tuple(max(multiple, math.floor(side / multiple + 0.5) * multiple) for side in (height, width))
        raise FrameGridError(
            f"{height} × {width} (height × width) does not fit this backbone, whose sides are multiples of "
            f"{multiple}: use {near[0]} × {near[1]}"
        )
    if max(height, width) > MAX_SIDE:
        raise FrameGridError(f"{height} × {width} is larger than any backbone takes; keep each side within {MAX_SIDE}")
    return height, width


def fit_size(height: int, width: int, multiple: int, target_area: int = TARGET_AREA) -> tuple[int, int]:
    """The (height, width) on the grid for a picture of this aspect: near `target_area` px and hardly above it.

    1080 × 1920 gives 480 × 848 on a grid of 16 and 480 × 832 on a grid of 32. Pictures longer than 4 : 1 are
    refused: their short side would have no room for a person.
    """
    if height < 1 or width < 1:
        raise FrameGridError(f"the picture is {height} × {width} px; it has no pixels")
    aspect = width / height
    if not 1 / MAX_ASPECT <= aspect <= MAX_ASPECT:
        raise FrameGridError(
            f"the picture is {height} × {width} px, longer than {MAX_ASPECT:g} : 1; crop it around the person first"
        )
    ideal_h = math.sqrt(target_area / aspect)
    candidates = [(h, w) for h in _neighbours(ideal_h, multiple) for w in _neighbours(ideal_h * aspect, multiple)]
    # Half a percent above the target is rounding; more would cost memory that the user did not ask for.
    affordable = [size for size in candidates if size[0] * size[1] <= 1.005 * target_area] or [min(candidates)]
    return min(affordable, key=lambda size: _misfit(size, aspect, target_area))


def _neighbours(side: float, multiple: int) -> list[int]:
    below = max(multiple, math.floor(side / multiple) * multiple)
    return [below, below + multiple]


def _misfit(size: tuple[int, int], aspect: float, target_area: int) -> float:
    height, width = size
    return abs(math.log(width / height / aspect)) + 0.5 * abs(math.log(height * width / target_area))
