"""The driving video made ready for the encoder: the person cut out, hands found or given, and what to tell about it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from .boxes import crop_squares
from .encoding import require_frames, require_values
from .hands import find_hands, person_squares
from .images import Pixels, fit_frames, frames_to_tensor, tensor_to_frames
from .motion_encoder import letterbox
from .pose_tracker import INSTALL_HINT, track_pose

MAX_SIDE = 768  # encoders look at 96 to 256 px; hands are cut out of the larger picture

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Driving:
    """What the encoder takes. frames: [T, 3, H, W] in [0, 1] or uint8; hands: [T, 2, 3, h, w] in [0, 1] or None;
    hand_present: [T, 2] bool or None; notes: sentences for the user."""

    frames: Tensor
    hands: Tensor | None = None
    hand_present: Tensor | None = None
    notes: list[str] = field(default_factory=list)


def prepare_driving(
    frames: Tensor,
    fps: float,
    hand_size: int | None,
    left_hand: Tensor | None = None,
    right_hand: Tensor | None = None,
    find: bool = True,
    crop_person: bool = False,
    progress: Progress | None = None,
    pose_model: str | os.PathLike[str] | None = None,
) -> Driving:
    """Hands given as pictures, else looked for, else absent; the frames cut to the person where asked for.

    frames: [T, 3, H, W] in [0, 1]. hand_size: the encoder's hand pictures; None where it has no hand branch.
    pose_model: a `.task` file of mediapipe, which wheels without models of their own need.
    left_hand, right_hand: [T, 3, h, w] pictures of the person's left and right hand, any size; one of them alone leaves
    the other absent. find: look for hands. progress: called while the person is tracked; what it raises ends it.
    Raises ValueError for pictures that do not fit the frames, or where nobody is found to cut out.
    """
    require_frames(frames)
    given = left_hand is not None or right_hand is not None
    if given and hand_size is None:
        raise ValueError("hand pictures were given, but this 3DiMo model has no hand encoder: leave them unconnected")
    driving = Driving(frames)
    if crop_person or (find and hand_size is not None and not given):
        size = hand_size if find and not given else None
        driving = _look_closer(frames, fps, size, crop_person, progress, pose_model)
    if given and hand_size is not None:
        crops, present = given_hands(left_hand, right_hand, len(frames), hand_size)
        driving = Driving(driving.frames, crops, present, [*driving.notes, "hands: from the pictures given"])
    return driving


def given_hands(left: Tensor | None, right: Tensor | None, count: int, size: int) -> tuple[Tensor, Tensor]:
    """Hand pictures [T, 3, h, w] → crops [T, 2, 3, size, size], and which are present, [T, 2]."""
    crops = torch.full((count, 2, 3, size, size), 0.5)
    present = torch.zeros(count, 2, dtype=torch.bool)
    for side, (name, pictures) in enumerate((("left", left), ("right", right))):
        if pictures is None:
            continue
        if pictures.ndim != 4 or pictures.shape[1] != 3 or len(pictures) != count or 0 in pictures.shape:
            raise ValueError(
                f"the {name} hand has pictures {list(pictures.shape)}; expected one for each of the {count} frames of "
                f"the driving video, [{count}, 3, height, width]"
            )
        require_values(pictures, f"the {name} hand")
        crops[:, side] = letterbox(pictures.float().cpu(), size)
        present[:, side] = True
    return crops, present


def _look_closer(
    frames: Tensor,
    fps: float,
    hand_size: int | None,
    crop_person: bool,
    progress: Progress | None,
    pose_model: str | os.PathLike[str] | None,
) -> Driving:
    pixels = to_pixels(frames)
    track = track_pose(pixels, fps, pose_model, progress=progress)
    if track is None:
        if crop_person:
            raise ValueError(f"the person cannot be cut out: {INSTALL_HINT}")
        return Driving(frames, notes=[f"hands are left out: {INSTALL_HINT}"])
    hands = find_hands(pixels, hand_size, fps, track) if hand_size else None
    notes = []
    if hands is not None:
        left, right = (f"{share:.0%}" for share in hands.present.float().mean(0).tolist())
        notes.append(f"hands: the left one found in {left} of {len(frames)} frames, the right one in {right}")
    if crop_person:
        if not track.found.any():
            raise ValueError("no person was found in the driving video: switch crop_person off")
        frames = frames_to_tensor(crop_squares(pixels, person_squares(track, fps), MAX_SIDE // 2))
        notes.append(f"the person was found in {track.found.mean():.0%} of the frames and cut out")
    return Driving(frames, hands.crops if hands else None, hands.present if hands else None, notes)


def to_pixels(frames: Tensor, max_side: int = MAX_SIDE) -> Pixels:
    """[T, 3, H, W] in [0, 1] → uint8 [T, h, w, 3], no side longer than `max_side`; a frame at a time."""
    height, width = frames.shape[-2:]
    scale = min(1.0, max_side / max(height, width))
    size = max(1, round(height * scale)), max(1, round(width * scale))
    pixels = np.empty((len(frames), *size, 3), np.uint8)
    for index, frame in enumerate(frames):
        whole = tensor_to_frames(frame if frame.is_floating_point() else frame.float() / 255)
        pixels[index] = fit_frames(whole, *size, fit="stretch")
    return pixels


def as_frames(images: Tensor) -> Tensor:
    """ComfyUI's and most other tools' [T, H, W, C] → [T, 3, H, W], an alpha channel left out; a view, no copy."""
    if images.ndim != 4 or images.shape[-1] not in (3, 4):
        raise ValueError(f"images are {list(images.shape)}; expected [frames, height, width, 3]")
    return rearrange(images[..., :3], "t h w c -> t c h w")
