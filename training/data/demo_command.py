"""Render the inputs of `threedimo demo` and of the ComfyUI workflows: a driving video, from the front left or from
behind, and, of another person, a reference image.

Held-out motion, bodies and azimuths. The reference shows the person in the pose of the motion's first frame, as in
training (section 3.3: the reference is the first frame of the target).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from threedimo_core.camera_language import CameraPrompt, Move, MoveKind
from threedimo_core.images import write_image
from threedimo_core.video import write_video

from .cameras import make_camera
from .performance import Performance, sample_performance, subject_track
from .renderer import RenderedView, WarpRenderer

# In the held-out bins of 10 degrees (performance.py): the driver from the front left or from behind, the reference from
# the front. "" and "_behind" stand in the names of the files.
DRIVING_AZIMUTHS, REFERENCE_AZIMUTH = {"": 55.0, "_behind": 205.0}, -5.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `data demo-inputs`."""
    parser.add_argument("--out", type=Path, required=True, help="folder for the two files")
    parser.add_argument("--driver", choices=("front", "behind"), default="front", help="side it is seen from")
    parser.add_argument("--seed", type=int, default=0, help="seed of the data set (%(default)s)")
    parser.add_argument("--index", type=int, default=0, help="performance (%(default)s)")
    parser.add_argument("--frames", type=int, default=25, help="frames of the driving video (%(default)s)")
    parser.add_argument("--fps", type=float, default=12.0, help="its frame rate (%(default)s)")
    parser.add_argument("--size", type=int, default=256, help="height and width in pixels (%(default)s)")
    parser.add_argument("--device", default="cpu", help="of the renderer (%(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Write both files and print their paths."""
    performance = sample_performance(
        arguments.seed, arguments.index, 1, arguments.frames, arguments.fps, "test", identities=2, plain=True
    )
    renderer = WarpRenderer(arguments.device)
    side = "_behind" if arguments.driver == "behind" else ""
    driving = _film(performance, 0, DRIVING_AZIMUTHS[side], renderer, arguments)
    reference = _film(performance, 1, REFERENCE_AZIMUTH, renderer, arguments)
    print(write_video(arguments.out / f"driving{side}.mp4", driving.frames, arguments.fps))
    print(write_image(arguments.out / f"reference{side}.png", reference.frames[0]))
    return 0


def _film(
    performance: Performance, number: int, azimuth: float, renderer: WarpRenderer, arguments: argparse.Namespace
) -> RenderedView:
    """One identity under a still camera at `azimuth` degrees."""
    identity, posed = performance.identities[number], performance.posed[number]
    subject = subject_track(posed, performance.motion, identity.body)
    still = CameraPrompt(moves=(Move(MoveKind.STATIC),))
    camera = make_camera(still, subject, arguments.frames, arguments.fps, azimuth_deg=azimuth)
    size = arguments.size
    scene, appearance = identity.scene, identity.appearance
    return renderer.render(posed, identity.body, appearance, scene, [camera], size, size, samples=2)[0]
