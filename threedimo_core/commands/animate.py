"""`threedimo animate`: reference image + driving video or motion file + camera in words → video."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from ..bundled import MINI_STATEMENT
from ..camera_language import parse
from ..checkpoint import Adapter
from ..frame_grid import require_frame_count
from ..images import Pixels, frames_to_tensor, read_image, tensor_to_frames
from ..motion_clip import MotionClip
from ..motion_edit import resample
from ..pipeline import GenerationSettings, Pipeline
from ..video import WRITE_SUFFIXES
from .checks import require_apart, require_file, require_writable
from .driver import Driver, read_driver
from .loading import choose_device, inspect_backbone, open_adapter, open_pipeline
from .results import Result, write_sheet
from .telling import camera_report, progress, say

STATIC = "the camera remains static"
MIN_FRAMES = 5


@dataclass(frozen=True)
class Shot:
    """One video to make."""

    camera: str
    out: Path


def run(arguments: Namespace) -> int:
    """Check what can be checked at once, encode the motion, load the backbone, generate a video per camera."""
    check_uses(arguments)
    require_writable(arguments.out, WRITE_SUFFIXES, "videos")
    shots, sheet = plan_shots(arguments.camera or [STATIC], arguments.out), sheet_beside(arguments.out)
    check_inputs(arguments, [*(shot.out for shot in shots), sheet])
    settings = generation_settings(arguments)
    device = choose_device(arguments.device)
    adapter = open_adapter(arguments, device)
    if settings.num_frames is not None:
        require_frame_count(settings.num_frames, adapter.dims.frames_per_latent)
    report_cameras(shots, adapter)
    inspect_backbone(arguments, adapter)
    driver, motion = find_motion(arguments, adapter, settings)
    reference = find_reference(arguments, driver)
    if arguments.model is None:
        say(MINI_STATEMENT)
    settings = choose_length(
        settings, motion, adapter, still=arguments.novel_view or (driver is not None and driver.still)
    )
    pipeline = open_pipeline(arguments, adapter, device)
    motion = motion or pipeline.still_motion(reference, settings.num_frames or 1, settings.fps)
    fps = settings.fps or adapter.record.fps
    results = []
    for shot in shots:
        frames = generate(pipeline, reference, motion, shot.camera, settings, label=shot.out.name)
        results.append(Result(shot.camera, frames, shot.out))
        results[-1].write(fps, driver.audio if driver else None)
    if not arguments.no_sheet:
        driving = driver.frames if driver else None
        write_sheet(sheet, arguments.out.stem, tensor_to_frames(reference), driving, results, fps)
    return 0


def check_uses(arguments: Namespace) -> None:
    """ValueError for options that do not go together."""
    sources = [bool(arguments.driving), bool(arguments.motion), arguments.novel_view]
    if arguments.stabilise:
        if not arguments.driving or arguments.reference or arguments.camera:
            raise ValueError(
                "--stabilise takes --driving alone: its first frame is the reference, and the camera remains static"
            )
    elif not any(sources):
        raise ValueError("name the motion: --driving VIDEO, --motion FILE, or --novel-view (the reference's own pose)")
    elif not arguments.reference:
        raise ValueError("name the person to animate: --reference IMAGE")
    if arguments.keep_audio and not arguments.driving:
        raise ValueError("--keep-audio needs --driving: a motion file has no sound")


def check_inputs(arguments: Namespace, outs: list[Path]) -> None:
    """ValueError for inputs that are not there, or that a result would replace."""
    inputs = [arguments.driving, arguments.motion, arguments.reference]
    require_apart(outs, inputs)
    for path in (*inputs, arguments.pose_model, arguments.lora):
        if path is not None:
            require_file(path)


def sheet_beside(out: Path) -> Path:
    """Where the contact sheet of `out` lies."""
    return out.with_name(f"{out.stem}-sheet.png")


def plan_shots(cameras: list[str], out: Path) -> list[Shot]:
    """One camera writes `out`; several write out-1, out-2 ..."""
    if len(cameras) == 1:
        return [Shot(cameras[0], out)]
    return [Shot(text, out.with_stem(f"{out.stem}-{number}")) for number, text in enumerate(cameras, start=1)]


def report_cameras(shots: list[Shot], adapter: Adapter) -> None:
    """Tell what was read from the camera texts. A model that knows this language alone refuses all other text."""
    for shot in shots:
        parsed = parse(shot.camera)
        for fault in parsed.not_understood if adapter.record.text_grammar == "camera_language" else ():
            if not parsed.prompt.moves and parsed.prompt.view is None:
                raise ValueError(f"--camera, not understood: {fault}; docs/camera_language.md lists the phrases")
            say(f"camera, not understood: {fault}")
        for note in parsed.notes:
            say(f"camera: {note}")
        say(f"camera: {camera_report(parsed)}")


def generation_settings(arguments: Namespace) -> GenerationSettings:
    """The settings the options name; None where the model's own default is wanted."""
    return GenerationSettings(
        num_frames=arguments.frames,
        height=arguments.height,
        width=arguments.width,
        fps=arguments.fps,
        steps=arguments.steps,
        text_scale=arguments.guidance,
        motion_scale=arguments.motion_guidance,
        strength=arguments.strength,
        body_strength=arguments.body_strength,
        hand_strength=arguments.hand_strength,
        hold_last=arguments.hold_last,
        seed=arguments.seed,
    )


def find_motion(
    arguments: Namespace, adapter: Adapter, settings: GenerationSettings
) -> tuple[Driver | None, MotionClip | None]:
    """The driving video and its motion; no video for a motion file, neither for --novel-view."""
    if arguments.motion:
        motion = MotionClip.load(arguments.motion)
        adapter.check_clip(motion)
        return None, motion
    if not arguments.driving:
        return None, None
    fps = settings.fps or adapter.record.fps
    count = settings.num_frames or adapter.record.num_frames
    driver = read_driver(arguments.driving, arguments, adapter, fps, count, arguments.keep_audio)
    return driver, driver.motion


def find_reference(arguments: Namespace, driver: Driver | None) -> Tensor:
    """[3, H, W] in [0, 1]"""
    if arguments.stabilise and driver is not None:
        return frames_to_tensor(driver.frames[0])
    return frames_to_tensor(read_image(arguments.reference))


def choose_length(
    settings: GenerationSettings, motion: MotionClip | None, adapter: Adapter, still: bool
) -> GenerationSettings:
    """Settle the frame count: as asked, else as long as the motion, at most as long as the training clips.

    A still driver is held. ValueError for a motion too short to be one.
    """
    trained = adapter.record.num_frames
    if still:
        return replace(settings, num_frames=settings.num_frames or trained, hold_last=True)
    if settings.num_frames is not None or motion is None:
        return settings
    fps = settings.fps or adapter.record.fps
    available = resample(motion, fps).num_frames
    if available < MIN_FRAMES:
        raise ValueError(
            f"the motion is too short ({available} of at least {MIN_FRAMES} frames at {fps:g} fps): take a longer one, "
            f"or hold its last pose with --frames {trained} --hold-last"
        )
    if available > trained:
        say(f"the motion has {available} frames at {fps:g} fps; the first {trained} are used (--frames, --start)")
    return replace(settings, num_frames=min(available - (available - 1) % 4, trained))


def generate(
    pipeline: Pipeline, reference: Tensor, motion: MotionClip, camera: str, settings: GenerationSettings, label: str
) -> Pixels:
    """uint8 [T, H, W, 3], with a progress bar called `label`."""
    with progress(f"generating {label}", "step") as move:
        frames = pipeline.generate(reference, motion, camera, settings, progress=move)
    return tensor_to_frames(frames)
