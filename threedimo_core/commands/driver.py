"""The driving video of a command: read, hands found, encoded to a motion."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from einops import rearrange
from torch import Tensor

from ..audio import AudioTrack
from ..boxes import crop_squares
from ..checkpoint import Adapter
from ..encoding import encode_motion
from ..hands import HandCrops, find_hands, person_squares
from ..images import Pixels
from ..motion_clip import MotionClip
from ..pose_tracker import INSTALL_HINT, track_pose
from ..video import read_video
from .telling import progress, quiet_native_code, say

# Encoders look at 96 to 256 px; hands are cut out of the larger picture.
MAX_SIDE = 768


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
    frames, hands = _look_closer(clip.frames, clip.fps, arguments, adapter)
    with progress(f"encoding {path.name}", "frame") as move:
        crops, present = (hands.crops, hands.present) if hands else (None, None)
        motion = encode_motion(adapter, to_tensor(frames), clip.fps, crops, present, progress=move)
    # A short video may give one frame at this rate: that is no picture, it is too short.
    still = len(frames) == 1 and len(read_video(path, max_frames=2).frames) == 1
    return Driver(clip.frames, replace(motion, source_size=clip.source_size), clip.audio, still)


def _look_closer(frames: Pixels, fps: float, arguments: Namespace, adapter: Adapter) -> tuple[Pixels, HandCrops | None]:
    """The frames, cut to the person where asked for, and the hands where there is a finder for them."""
    hand = None if arguments.no_hands else adapter.encoder.config.hand
    if hand is None and not arguments.crop_person:
        return frames, None
    with quiet_native_code():
        track = track_pose(frames, fps, arguments.pose_model)
    if track is None:
        if arguments.crop_person:
            raise ValueError(f"--crop-person: {INSTALL_HINT}")
        say(f"hands are left out: {INSTALL_HINT}; --no-hands stops this message")
        return frames, None
    hands = find_hands(frames, hand.image_size, fps, track) if hand else None
    if hands is not None:
        left, right = (f"{share:.0%}" for share in hands.present.float().mean(0).tolist())
        say(f"hands: the left one found in {left} of {len(frames)} frames, the right one in {right}")
    if arguments.crop_person:
        if not track.found.any():
            raise ValueError(f"--crop-person: no person was found in {arguments.driving}")
        frames = crop_squares(frames, person_squares(track, fps), MAX_SIDE // 2)
    return frames, hands


def to_tensor(frames: Pixels) -> Tensor:
    """uint8 [T, H, W, 3] → uint8 [T, 3, H, W]"""
    return rearrange(torch.from_numpy(frames), "t h w c -> t c h w")
