"""The driving video of a command: read, hands found, encoded to a motion."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from einops import rearrange
from torch import Tensor

from ..audio import AudioTrack
from ..checkpoint import Adapter
from ..driving import MAX_SIDE, Driving, prepare_driving
from ..encoding import encode_motion
from ..images import Pixels
from ..motion_clip import MotionClip
from ..video import read_video
from .telling import progress, quiet_native_code, say


@dataclass(frozen=True, eq=False)
class Driver:
    """frames: uint8 [T, H, W, 3] at the motion's fps; audio: of the same stretch, where asked for; still: the file
    is a picture, whose pose is to be held."""

    frames: Pixels
    motion: MotionClip
    audio: AudioTrack | None
    still: bool


def read_driver(
    path: Path, arguments: Namespace, adapter: Adapter, fps: float | None, max_frames: int | None, audio: bool = False
) -> Driver:
    """Read `path` from --start on at `fps` (None: its own) and encode it."""
    clip = read_video(
        path,
        max_frames=max_frames,
        fps=fps,
        start=arguments.start,
        max_side=MAX_SIDE,
        audio=audio,
        allow_damaged=arguments.allow_damaged,
    )
    for note in clip.notes:
        say(note)
    if audio and clip.audio is None:
        say(f"{path.name} has no sound to keep")
    driving = _prepare(clip.frames, clip.fps, arguments, adapter)
    for note in driving.notes:
        say(note)
    with progress(f"encoding {path.name}", "frame") as move:
        motion = encode_motion(adapter, driving.frames, clip.fps, driving.hands, driving.hand_present, progress=move)
    # A short video may give one frame at this rate: that is no picture, it is too short.
    damaged = arguments.allow_damaged
    still = len(clip.frames) == 1 and len(read_video(path, max_frames=2, allow_damaged=damaged).frames) == 1
    return Driver(clip.frames, replace(motion, source_size=clip.source_size), clip.audio, still)


def _prepare(frames: Pixels, fps: float, arguments: Namespace, adapter: Adapter) -> Driving:
    """The frames, cut to the person where asked for, and the hands where there is a finder for them."""
    hand = adapter.encoder.config.hand
    with quiet_native_code():
        return prepare_driving(
            to_tensor(frames),
            fps,
            hand.image_size if hand else None,
            find=not arguments.no_hands,
            crop_person=arguments.crop_person,
            pose_model=arguments.pose_model,
        )


def to_tensor(frames: Pixels) -> Tensor:
    """uint8 [T, H, W, 3] → uint8 [T, 3, H, W]"""
    return rearrange(torch.from_numpy(frames), "t h w c -> t c h w")
