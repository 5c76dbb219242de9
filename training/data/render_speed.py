"""How fast the data engine draws: frames a second of its renderer at several sizes, beside moderngl and pyrender where
they are installed, on the same dressed mesh of the same motion, in one run, taking turns.

    pip install moderngl pyrender==0.1.45          (and libegl1, libgl1-mesa-dri from the system)

The own renderer skins the mesh and draws the whole place with patterns and soft shading; the others are handed skinned
vertices and draw the person, a floor and a shadow. Processor time is given beside wall time: on a machine that does
other work besides, it is the fairer figure.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from threedimo_core.camera_language import CameraPrompt
from threedimo_core.paths import atomic_path

from .appearance import Appearance, sample_appearance
from .body import Body, PosedBody, skin
from .cameras import Camera, SubjectTrack, make_camera
from .motion_library import sample_motion
from .render_command import parse_size
from .render_rivals import Meshes, Rival, RivalMissing, open_rival
from .renderer import WarpRenderer
from .scene import Scene, sample_scene
from .tailor import vertex_normals

SIZES = ((64, 64), (128, 128), (256, 256), (480, 848))
RIVALS = ("moderngl", "pyrender")
_FPS = 16.0


@dataclass(frozen=True)
class Figure:
    """Frames a second of one way of drawing at one size: by the clock, and by the processor time of all threads."""

    name: str
    size: tuple[int, int]
    fps: float
    cpu_fps: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `bench render`."""
    parser.add_argument(
        "--size", type=parse_size, nargs="+", default=list(SIZES), metavar="HxW", help="(64x64 128x128 256x256 480x848)"
    )
    parser.add_argument("--frames", type=int, default=17, help="of the motion (%(default)s)")
    parser.add_argument("--repeats", type=int, default=3, help="rounds; the median counts (%(default)s)")
    parser.add_argument("--device", default="cpu", help="of the own renderer: cpu or cuda (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of body, clothes, motion and place (%(default)s)")
    parser.add_argument("--pictures", type=Path, help="folder for a picture by each, to look at")
    parser.add_argument("--out", type=Path, help="also write the figures to this JSON file")


def run(arguments: argparse.Namespace) -> int:
    """Measure, print a table, write the JSON where asked."""
    if arguments.frames < 1 or arguments.repeats < 1:
        raise ValueError(f"--frames {arguments.frames} --repeats {arguments.repeats}: expected at least 1 of each")
    torch.set_num_threads(1)
    stage = make_stage(arguments.seed, arguments.frames)
    figures: list[Figure] = []
    notes: dict[str, str] = {}
    for size in arguments.size:
        figures += measure(stage, size, arguments.repeats, arguments.device, arguments.pictures, notes)
    where = {"machine": platform.processor() or platform.machine(), "device": arguments.device, "threads": 1}
    print(table(figures))
    print(f"{len(stage.look.mesh.faces)} triangles, {arguments.frames} frames, {where}")
    for note in notes.values():
        print(note)
    if arguments.out:
        with atomic_path(arguments.out) as draft:
            content = {"where": where, "figures": [asdict(figure) for figure in figures], "notes": notes}
            draft.write_text(json.dumps(content, indent=2) + "\n")
    return 0


@dataclass(frozen=True)
class Stage:
    """Everything that is drawn, and the skinned vertices for those who cannot skin."""

    body: Body
    look: Appearance
    scene: Scene
    posed: PosedBody
    camera: Camera
    meshes: Meshes


def make_stage(seed: int, frames: int) -> Stage:
    """A dressed body in a motion, seen by one still camera from the front left."""
    body = Body.load(seed % 64)
    look = sample_appearance(np.random.default_rng([seed, 1]), body)
    scene = sample_scene(np.random.default_rng([seed, 2]))
    posed = body.pose(sample_motion(np.random.default_rng(seed), frames, _FPS).moved_to(0.0, 0.0))
    subject = SubjectTrack(posed.joints[:, 0], torch.zeros(frames), body.height)
    camera = make_camera(CameraPrompt(None, ()), subject, frames, _FPS, 30.0, 10.0, "full body")
    mesh = look.mesh
    points = skin(mesh.rest, mesh.skin_bones.astype(np.int64), mesh.skin_weights, posed.bones).numpy()
    normals = np.stack([vertex_normals(each, mesh.faces) for each in points]).astype(np.float32)
    meshes = Meshes(
        points, normals, mesh.colours, mesh.faces, camera.world_to_camera[0].double().numpy(), float(camera.focal[0])
    )
    return Stage(body, look, scene, posed, camera, meshes)


def measure(
    stage: Stage, size: tuple[int, int], repeats: int, device: str, pictures: Path | None, notes: dict[str, str]
) -> list[Figure]:
    """The figures of all that can draw at one size; `notes` gets what cannot, by name."""
    frames = stage.posed.num_frames
    renderer = WarpRenderer(device)
    ways: dict[str, Callable[[], np.ndarray]] = {
        "ours": lambda: _own(renderer, stage, size, 1),
        "ours, 2 x 2 rays": lambda: _own(renderer, stage, size, 2),
    }
    rivals: list[Rival] = []
    for name in RIVALS:
        try:
            rivals.append(open_rival(name, stage.meshes, *size))
            ways[name] = _all_frames(rivals[-1], frames)
        except RivalMissing as error:
            notes[name] = str(error)
    try:
        if pictures is not None:
            _save(pictures, size, {name: way() for name, way in ways.items()})
        return [Figure(name, size, *rates) for name, rates in _rates(ways, repeats, frames).items()]
    finally:
        for rival in rivals:
            rival.close()


def _own(renderer: WarpRenderer, stage: Stage, size: tuple[int, int], samples: int) -> np.ndarray:
    """uint8 [T, H, W, 3]."""
    (view,) = renderer.render(stage.posed, stage.body, stage.look, stage.scene, [stage.camera], *size, samples)
    return view.frames


def _all_frames(rival: Rival, frames: int) -> Callable[[], np.ndarray]:
    return lambda: np.stack([rival.draw(frame) for frame in range(frames)])


def _rates(ways: dict[str, Callable[[], np.ndarray]], repeats: int, frames: int) -> dict[str, tuple[float, float]]:
    """Frames a second by clock and by processor time, medians; who begins changes every round."""
    samples: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for way in ways.values():
        way()
    for repeat in range(repeats):
        for name in list(ways)[:: 1 if repeat % 2 == 0 else -1]:
            wall, processor = time.perf_counter(), time.process_time()
            ways[name]()
            samples[name].append((time.perf_counter() - wall, time.process_time() - processor))

    def rate(seconds: list[float]) -> float:
        return frames / max(1e-9, statistics.median(seconds))

    return {
        name: (rate([each[0] for each in taken]), rate([each[1] for each in taken])) for name, taken in samples.items()
    }


def _save(folder: Path, size: tuple[int, int], pictures: dict[str, np.ndarray]) -> None:
    from .contact_sheet import save_picture

    for name, frames in pictures.items():
        plain = name.replace(", ", "-").replace(" ", "")
        save_picture(frames[len(frames) // 2], folder / f"{plain}-{size[0]}x{size[1]}.png")


def table(figures: list[Figure]) -> str:
    """A Markdown table: a row for each way, a column for each size; frames a second by clock, then by processor."""
    sizes = list(dict.fromkeys(figure.size for figure in figures))
    found: dict[str, Any] = {}
    for figure in figures:
        found.setdefault(figure.name, {})[figure.size] = f"{figure.fps:.1f} ({figure.cpu_fps:.1f})"
    head = ["frames/s (per CPU second)", *(f"{height} x {width}" for height, width in sizes)]
    rows = [[name, *(row.get(size, "-") for size in sizes)] for name, row in found.items()]
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
