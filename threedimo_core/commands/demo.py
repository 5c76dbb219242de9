"""`threedimo demo`: one bundled motion, one bundled person, three cameras, and a contact sheet."""

from __future__ import annotations

import shutil
import time
from argparse import Namespace
from pathlib import Path

import torch

from ..bundled import MINI_FOLDER, MINI_STATEMENT, demo_input, mini_adapter
from ..checkpoint import load_adapter
from ..images import frames_to_tensor, read_image
from ..motion_clip import MotionClip
from ..pipeline import GenerationSettings, Pipeline
from ..video import VideoClip, read_video
from .animate import generate
from .checks import require_writable_folder
from .driver import to_tensor
from .loading import load_quietly
from .results import Result, write_sheet
from .telling import say

# The reference is seen from the front, and training captions always say so.
CAMERAS = {
    "static": "Front view. The camera remains static.",
    "arc-left": "Front view. The camera arcs left 45 degrees.",
    "arc-right": "Front view. The camera arcs right 45 degrees.",
}
NAMES = ("driving.mp4", "reference.png")


def run(arguments: Namespace) -> int:
    """Write three videos, the motion file, the inputs and the contact sheet into --out."""
    began, out = time.monotonic(), arguments.out
    require_writable_folder(out, out)
    say(MINI_STATEMENT)
    adapter = load_adapter(mini_adapter())
    record = adapter.record
    clip = _driving_video(record.fps, record.num_frames)
    picture = read_image(demo_input("reference.png"))
    pipeline = Pipeline(load_quietly(MINI_FOLDER, torch.float32), adapter)
    motion = _keep(pipeline.encode_motion(to_tensor(clip.frames), clip.fps), out)
    settings = GenerationSettings(steps=arguments.steps, seed=arguments.seed)
    results = []
    for name, camera in CAMERAS.items():
        frames = generate(pipeline, frames_to_tensor(picture), motion, camera, settings, label=name)
        results.append(Result(camera, frames, out / f"{name}.mp4"))
        results[-1].write(record.fps)
    subtitle = "The bundled mini model, trained on rendered people; motion, bodies and view were held out."
    write_sheet(out / "sheet.png", "One motion, three cameras", picture, clip.frames, results, record.fps, subtitle)
    say(f"done in {time.monotonic() - began:.0f} s; look at {out / 'sheet.png'} first")
    return 0


def _driving_video(fps: float, count: int) -> VideoClip:
    return read_video(demo_input("driving.mp4"), max_frames=count, fps=fps)


def _keep(motion: MotionClip, out: Path) -> MotionClip:
    """Save the motion and copies of the inputs beside the results."""
    motion.save(out / "motion.safetensors")
    for name in NAMES:
        shutil.copyfile(demo_input(name), out / name)
    return motion
