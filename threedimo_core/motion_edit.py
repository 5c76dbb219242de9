"""Editing motions: trim, retime, loop, join, blend, combine, hold. Pure functions from clips to clips.

Frame i of a clip stands at time i / fps. Between two tokens we interpolate linearly and keep their length:
tokens leave the encoder layer-normalised, and a plain average of two unlike tokens is shorter than any token the
generator has seen. A hand that is present on one side only is not mixed with an "absent" token: the nearer one
is taken.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import torch
from einops import rearrange
from torch import Tensor

from .motion_clip import MotionClip, MotionClipError, require_fps, require_same_encoder

Interpolation = Literal["linear", "nearest"]
Alignment = Literal["cut", "stretch"]


def trim(clip: MotionClip, start: int = 0, stop: int | None = None) -> MotionClip:
    """Frames start..stop-1, as in a Python slice: negative numbers count from the end."""
    frames = range(clip.num_frames)[start:stop]
    if not frames:
        raise MotionClipError(
            f"trimming {clip.num_frames} frames to {start}:{'' if stop is None else stop} leaves none; "
            f"choose start and stop between 0 and {clip.num_frames}, start before stop"
        )
    return _take(clip, torch.arange(frames.start, frames.stop))


def reverse(clip: MotionClip) -> MotionClip:
    """The motion backwards."""
    return _take(clip, torch.arange(clip.num_frames - 1, -1, -1))


def hold(clip: MotionClip, frame: int, num_frames: int) -> MotionClip:
    """One frame held for `num_frames` (novel views of a still pose); a negative frame counts from the end."""
    if not -clip.num_frames <= frame < clip.num_frames:
        raise MotionClipError(f"there is no frame {frame}; the motion has frames 0 to {clip.num_frames - 1}")
    return _take(clip, torch.full((_require_count(num_frames),), frame % clip.num_frames))


def resample(clip: MotionClip, fps: float, interpolation: Interpolation = "linear") -> MotionClip:
    """The same motion at the same speed with another frame rate: frame 0 stays, the end is not passed.

    49 frames at 24 fps give 25 at 12 fps: counts of the form 4n+1 stay so where the rates divide.
    """
    fps = require_fps(fps)
    if fps == clip.fps:
        return clip
    # The tolerance keeps the last frame where, say, 48 * (30 / 24) comes out as 59.999.
    last = int((clip.num_frames - 1) * fps / clip.fps + 1e-4)
    positions = torch.arange(last + 1, dtype=torch.float64) * (clip.fps / fps)
    return replace(_sample(clip, positions, interpolation), fps=fps)


def to_length(clip: MotionClip, num_frames: int, interpolation: Interpolation = "linear") -> MotionClip:
    """Stretched or squeezed to `num_frames` at the same fps (the motion becomes slower or faster)."""
    if _require_count(num_frames) == clip.num_frames:
        return clip
    return _sample(clip, torch.linspace(0, clip.num_frames - 1, num_frames, dtype=torch.float64), interpolation)


def loop(clip: MotionClip, num_frames: int, fade: int = 0, ping_pong: bool = False) -> MotionClip:
    """Repeated until `num_frames`. `fade` frames of end and start overlap; `ping_pong` runs to and fro."""
    _require_count(num_frames)
    if ping_pong:
        last = clip.num_frames - 1
        clip = _take(clip, torch.tensor([*range(last + 1), *range(last - 1, 0, -1)]))
    if clip.num_frames > 1 and not 0 <= fade < clip.num_frames:
        raise MotionClipError(f"fade is {fade}; to loop {clip.num_frames} frames it must be 0 to {clip.num_frames - 1}")
    looped = clip
    while looped.num_frames < num_frames:
        # Joining the result to itself doubles it; every seam is end against start, so all seams are alike.
        looped = join(looped, looped, min(fade, clip.num_frames - 1))
    return trim(looped, 0, num_frames)


def join(first: MotionClip, second: MotionClip, fade: int = 0) -> MotionClip:
    """One after the other; the last `fade` frames of the first cross-fade into the first of the second.

    T1 + T2 - fade frames at the first's fps, to which the second is resampled.
    """
    require_same_encoder(first, second)
    second = resample(second, first.fps)
    shorter = min(first.num_frames, second.num_frames)
    if not 0 <= fade <= shorter:
        raise MotionClipError(f"fade is {fade} frames, but the shorter motion has {shorter}; choose 0 to {shorter}")
    weight = torch.arange(1, fade + 1) / (fade + 1)
    parts = [trim(first, 0, first.num_frames - fade)] if fade < first.num_frames else []
    if fade:
        parts.append(_mix(trim(first, -fade), trim(second, 0, fade), weight))
    if fade < second.num_frames:
        parts.append(trim(second, fade))
    return replace(
        first,
        body=torch.cat([part.body for part in parts]),
        hands=torch.cat([part.hands for part in parts]),
        hand_present=torch.cat([part.hand_present for part in parts]),
    )


def blend(first: MotionClip, second: MotionClip, weight: float | Tensor = 0.5, align: Alignment = "cut") -> MotionClip:
    """Between two motions: weight 0 is the first, 1 the second; one number, or one per frame ([T]).

    `align`: "cut" ends with the shorter motion, "stretch" retimes the second to the first's length. fps is the
    first's.
    """
    first, second = aligned(first, second, align)
    weight = torch.as_tensor(weight, dtype=torch.float32)
    if weight.ndim > 1 or (weight.ndim == 1 and len(weight) != first.num_frames):
        raise MotionClipError(f"weight has shape {list(weight.shape)}; expected a number or [{first.num_frames}]")
    if not bool(((weight >= 0) & (weight <= 1)).all()):
        raise MotionClipError(f"weight must lie between 0 and 1; given {weight.flatten()[:4].tolist()}")
    return _mix(first, second, weight.expand(first.num_frames))


def combine(body: MotionClip, hands: MotionClip, align: Alignment = "cut") -> MotionClip:
    """The body of one motion with the hands of another; fps, length and size as in `blend`."""
    if hands.hands.shape[1] == 0:
        raise MotionClipError(f"the encoder {hands.encoder_id!r} gives no hand tokens; there are no hands to take")
    body, hands = aligned(body, hands, align)
    return replace(body, hands=hands.hands, hand_present=hands.hand_present)


def aligned(first: MotionClip, second: MotionClip, align: Alignment = "cut") -> tuple[MotionClip, MotionClip]:
    """Both at the first's fps and of one length, as `blend` takes them."""
    require_same_encoder(first, second)
    second = resample(second, first.fps)
    if align == "stretch":
        return first, to_length(second, first.num_frames)
    if align != "cut":
        raise MotionClipError(f"align is {align!r}; choose 'cut' or 'stretch'")
    shorter = min(first.num_frames, second.num_frames)
    return trim(first, 0, shorter), trim(second, 0, shorter)


# --- the parts these are made of --------------------------------------------------------------------------


def _require_count(num_frames: int) -> int:
    if num_frames < 1:
        raise MotionClipError(f"{num_frames} frames were asked for; a motion has at least one")
    return num_frames


def _take(clip: MotionClip, index: Tensor) -> MotionClip:
    """Frames by index; always copies, so that a clip never changes through another."""
    index = index.to(clip.body.device)
    return replace(clip, body=clip.body[index], hands=clip.hands[index], hand_present=clip.hand_present[index])


def _sample(clip: MotionClip, positions: Tensor, interpolation: Interpolation) -> MotionClip:
    """Frames at fractional positions, [N] float64 within 0..T-1."""
    if interpolation not in ("linear", "nearest"):
        raise MotionClipError(f"interpolation is {interpolation!r}; choose 'linear' or 'nearest'")
    positions = positions.clamp(0, clip.num_frames - 1)
    if interpolation == "nearest":
        return _take(clip, (positions + 0.5).floor().long().clamp(max=clip.num_frames - 1))
    before = positions.floor().long()
    after = (before + 1).clamp(max=clip.num_frames - 1)
    return _mix(_take(clip, before), _take(clip, after), (positions - before).float())


def _mix(first: MotionClip, second: MotionClip, weight: Tensor) -> MotionClip:
    """Frame by frame between two clips of equal length; weight [T] from 0 (first) to 1 (second)."""
    weight = weight.to(first.body.device)
    second_wins = (weight >= 0.5)[:, None]
    present = torch.where(second_wins, second.hand_present, first.hand_present)
    alike = first.hand_present == second.hand_present
    hand_weight = torch.where(alike, weight[:, None], second_wins.float())
    left_right = [
        _mix_tokens(one, other, hand_weight[:, side])
        for side, (one, other) in enumerate(zip(_sides(first.hands), _sides(second.hands), strict=True))
    ]
    body = _mix_tokens(first.body, second.body, weight)
    return replace(first, body=body, hands=torch.cat(left_right, dim=1), hand_present=present)


def _sides(hands: Tensor) -> tuple[Tensor, Tensor]:
    left, right = rearrange(hands, "t (side k) d -> side t k d", side=2)
    return left, right


def _mix_tokens(first: Tensor, second: Tensor, weight: Tensor) -> Tensor:
    """[T, K, D] each, weight [T]: linear interpolation whose length is interpolated too."""
    weight = weight[:, None, None]
    mixed = torch.lerp(first, second, weight)
    length = torch.linalg.vector_norm(mixed, dim=-1, keepdim=True)
    start, end = (torch.linalg.vector_norm(tokens, dim=-1, keepdim=True) for tokens in (first, second))
    wanted = torch.lerp(start, end, weight)
    # Opposite tokens cancel out; there is no direction to restore then, so growth is limited.
    return mixed * (wanted / length.clamp(min=1e-12)).clamp(max=2.0)
