"""Driving video → motion, with the encoder of an adapter alone: no backbone is needed to make a motion file."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .cancelling import Cancelled
from .checkpoint import Adapter
from .motion_clip import MotionClip, require_fps


@torch.no_grad()
def encode_motion(
    adapter: Adapter,
    frames: Tensor,
    fps: float,
    hands: Tensor | None = None,
    hand_present: Tensor | None = None,
    chunk: int = 64,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> MotionClip:
    """Encode `chunk` frames at a time, on the device and in the type of the encoder.

    Args:
        frames: [T, 3, H, W] in [0, 1], any count and size. uint8 in [0, 255] is taken too.
        hands: [T, 2, 3, h, w] crops, left then right, of the same type; None: hands are absent.
        hand_present: [T, 2] bool; False where no hand was found.
        progress: called with (frames done, frames in all).
    """
    require_frames(frames)
    require_fps(fps)
    if hands is not None:
        require_values(hands, "hand crops")
    like = next(adapter.encoder.parameters())
    body, hand_tokens = [], []
    for start in range(0, len(frames), chunk):
        if cancelled is not None and cancelled():
            raise Cancelled("encoding the motion was cancelled")
        part = slice(start, start + chunk)
        tokens = adapter.encoder(
            unit_pixels(frames[part]).to(like)[None],
            None if hands is None else unit_pixels(hands[part]).to(like)[None],
            None if hand_present is None else hand_present[part].to(like.device)[None],
        )
        body.append(tokens.body[0].float().cpu())
        hand_tokens.append(tokens.hands[0].float().cpu())
        if progress is not None:
            progress(min(start + chunk, len(frames)), len(frames))
    return MotionClip(
        body=torch.cat(body),
        hands=torch.cat(hand_tokens),
        hand_present=_present(len(frames), hands, hand_present),
        fps=fps,
        encoder_id=adapter.encoder_id,
        source_size=(frames.shape[-2], frames.shape[-1]),
    )


def _present(frames: int, hands: Tensor | None, hand_present: Tensor | None) -> Tensor:
    if hands is None:
        return torch.zeros(frames, 2, dtype=torch.bool)
    return torch.ones(frames, 2, dtype=torch.bool) if hand_present is None else hand_present.cpu()


def require_frames(frames: Tensor) -> None:
    """ValueError unless `frames` are [T, 3, H, W], at least one, with values of pixels."""
    if frames.ndim != 4 or frames.shape[1] != 3 or 0 in frames.shape:
        raise ValueError(f"the driving video must be [frames, 3, height, width], got {list(frames.shape)}")
    require_values(frames, "the driving video")


def require_values(pixels: Tensor, what: str) -> None:
    """ValueError unless pixels are bytes, or floating-point numbers from 0 to 1 without NaN."""
    if pixels.dtype == torch.uint8:
        return
    if not pixels.is_floating_point():
        raise ValueError(f"{what} is {pixels.dtype}; expected torch.uint8 from 0 to 255, or floats from 0 to 1")
    low, high = (float(v) for v in pixels.aminmax())
    # A NaN makes both comparisons false; the margin is for resizing filters that ring a little.
    if not (low >= -0.1 and high <= 1.1):
        raise ValueError(f"{what} has values from {low:g} to {high:g}; expected 0 to 1 and no NaN")


def unit_pixels(pixels: Tensor) -> Tensor:
    """Pixels as float in [0, 1]."""
    return pixels.float() / 255 if pixels.dtype == torch.uint8 else pixels.float()
