"""Cameras: where they stand, how they move, what they see; and the prompt that says so.

Conventions (the project's): OpenCV axes (x right, y down, z forward); `focal` in image heights, principal point in
the middle. Azimuth about the person in degrees: 0 = front, +90 = their left side; elevation + above, both seen from
the middle of the body. "Arc left" = the camera travels to its own left = the azimuth becomes smaller.

A camera is drawn in two steps: a base pose (azimuth and elevation in frame 0, a framing, a lens) that keeps the
person's whole path in the picture, and the offsets of its moves (`camera_moves.py`). Cameras do not follow a
person who walks: they look at the middle of the path. A move that would push the person out of the picture
(pan, sideways) begins with the person on the other side, so that they cross the middle half-way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from threedimo_core.camera_language import FIXED_SPEED, CameraPrompt, Move, MoveKind, Speed, View, conflict

from .camera_moves import Offsets, camera_offsets

# Visible height and height of the aim, both in body heights, by framing (lowest, highest).
_FRAMINGS: Mapping[str, tuple[tuple[float, float], tuple[float, float]]] = {
    "full body": ((1.28, 1.55), (0.52, 0.56)),
    "knee": ((0.88, 1.0), (0.69, 0.73)),
    "waist": ((0.64, 0.74), (0.79, 0.83)),
}
_CENTRE_HEIGHT = 0.547  # of the pelvis, in body heights, when standing
_FOCAL = (1.0, 1.75)  # vertical fields of view from 53 to 32 degrees
_NEAREST, _LOWEST = 1.0, 0.12  # metres: from the person, above the floor
_HALF_BODY = 0.30  # half the width a person needs beside their centre, in body heights
_STEEPEST = 75.0  # degrees of elevation


@dataclass(frozen=True)
class SubjectTrack:
    """What a camera must know of the person: centre [T, 3] (pelvis, metres), heading [T] (degrees), height (m)."""

    centre: Tensor
    heading: Tensor
    height: float

    def __post_init__(self) -> None:
        frames = self.centre.shape[0]
        if self.centre.shape != (frames, 3) or self.heading.shape != (frames,):
            raise ValueError(
                f"subject track: centre has shape {list(self.centre.shape)} and heading "
                f"{list(self.heading.shape)}, expected [T, 3] and [T]"
            )


@dataclass(frozen=True)
class Camera:
    """A camera over T frames.

    world_to_camera [T, 4, 4]; focal [T] in image heights; prompt: what made it, with its view in frame 0;
    azimuth, elevation [T] in degrees and distance [T] in metres relative to the person's centre and heading
    of the same frame (so the azimuth of a still camera changes when the person turns). All tensors float32.
    """

    world_to_camera: Tensor
    focal: Tensor
    prompt: CameraPrompt
    azimuth: Tensor
    elevation: Tensor
    distance: Tensor

    @property
    def num_frames(self) -> int:
        return self.focal.shape[0]

    @property
    def position(self) -> Tensor:
        """Places [T, 3] of the camera in the world."""
        rotation, shift = self.world_to_camera[:, :3, :3], self.world_to_camera[:, :3, 3]
        return -torch.einsum("tji,tj->ti", rotation, shift)

    def project(self, points: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
        """Pixels [T, N, 2] (x right, y down, corner-based) and depth [T, N] of points [T, N, 3] in the world.

        Points behind the camera have a depth below 0; their pixels mean nothing.
        """
        rotation, shift = self.world_to_camera[:, :3, :3], self.world_to_camera[:, :3, 3]
        local = torch.einsum("tij,tnj->tni", rotation, points) + shift[:, None]
        depth = local[..., 2]
        away = torch.where(depth.abs() < 1e-6, torch.full_like(depth, 1e-6), depth)
        scale = (self.focal * height)[:, None] / away
        pixels = torch.stack([local[..., 0] * scale + width / 2, local[..., 1] * scale + height / 2], dim=-1)
        return pixels, depth


def make_camera(
    prompt: CameraPrompt,
    subject: SubjectTrack,
    num_frames: int,
    fps: float,
    azimuth_deg: float | None = None,
    elevation_deg: float | None = None,
    framing: str | None = None,
    rng: np.random.Generator | None = None,
    aspect: float = 1.0,
) -> Camera:
    """The camera that does what `prompt` says.

    azimuth_deg and elevation_deg hold in frame 0; left out, the middle of what the prompt's view names counts
    (else front, eye level). `framing` is "full body", "knee" or "waist" (default: the prompt's, else full body);
    a person who travels too far for it gets a wider one. `aspect` is width / height of the narrowest picture that
    must hold the person. `rng` draws lens, exact framing, timing and shake; without it middle values are taken.
    The camera's own prompt has the moves asked for and the view as it came out. ValueError for a bad framing or
    a subject with fewer frames than the camera.
    """
    if subject.centre.shape[0] != num_frames:
        raise ValueError(f"camera of {num_frames} frames for a subject of {subject.centre.shape[0]}; they must agree")
    view = prompt.view or View("front")
    azimuth = azimuth_deg if azimuth_deg is not None else view.azimuth_degrees or 0.0
    elevation = elevation_deg if elevation_deg is not None else view.elevation_degrees
    framing = framing or view.framing or "full body"
    if framing not in _FRAMINGS:
        raise ValueError(f"framing is {framing!r}, expected one of {', '.join(_FRAMINGS)}")
    base = _base_pose(subject, azimuth, 5.0 if elevation is None else elevation, framing, rng, aspect, prompt.moves)
    offsets = camera_offsets(prompt.moves, num_frames, fps, rng or np.random.default_rng(0))
    return _compose(prompt, subject, base, offsets)


# ---- drawing cameras

# How often a moving camera draws each move; arcs and orbits are what shows the third dimension.
_MOVE_WEIGHTS: Mapping[MoveKind, float] = {
    MoveKind.HANDHELD_STATIC: 4, MoveKind.HANDHELD_ZOOM_IN: 2,
    MoveKind.ARC_LEFT: 12, MoveKind.ARC_RIGHT: 12, MoveKind.ORBIT_LEFT: 4, MoveKind.ORBIT_RIGHT: 4,
    MoveKind.MOVE_FORWARD: 5, MoveKind.MOVE_BACK: 5, MoveKind.MOVE_LEFT: 4, MoveKind.MOVE_RIGHT: 4,
    MoveKind.MOVE_UP: 3, MoveKind.MOVE_DOWN: 3, MoveKind.RISE: 4, MoveKind.DESCEND: 3,
    MoveKind.ZOOM_IN: 4, MoveKind.ZOOM_OUT: 4, MoveKind.RAPID_ZOOM_IN: 2, MoveKind.RAPID_ZOOM_OUT: 2,
    MoveKind.PAN_LEFT: 3, MoveKind.PAN_RIGHT: 3, MoveKind.TILT_UP: 3, MoveKind.TILT_DOWN: 3,
    MoveKind.AERIAL_PULL_OUT: 3, MoveKind.VERTIGO_IN: 3, MoveKind.VERTIGO_OUT: 3, MoveKind.DYNAMIC_ZOOM_SWING: 3,
}  # fmt: skip
_PAIR_SHARE = 0.3
_STILL_SHARE = 0.3
# Angles that captions name: (smallest, largest, step) in degrees.
_SPOKEN_ANGLES = {"arc": (15, 90, 15), "orbit": (90, 360, 45), "pan": (5, 20, 5), "tilt": (5, 15, 5)}
# Moves that come nearer begin with the whole person or the knees in the picture.
_COMING_NEARER = frozenset(
    {MoveKind.MOVE_FORWARD, MoveKind.ZOOM_IN, MoveKind.RAPID_ZOOM_IN, MoveKind.HANDHELD_ZOOM_IN,
     MoveKind.VERTIGO_IN, MoveKind.DYNAMIC_ZOOM_SWING, MoveKind.MOVE_UP, MoveKind.MOVE_DOWN, MoveKind.TILT_UP,
     MoveKind.TILT_DOWN}
)  # fmt: skip


def sample_camera(
    rng: np.random.Generator,
    subject: SubjectTrack,
    num_frames: int,
    fps: float,
    static: bool | None = None,
    azimuth_range: tuple[float, float] | None = None,
    aspect: float = 1.0,
) -> Camera:
    """Draw a camera: still (True), moving (False) or either (None, 30 % still).

    azimuth_range: degrees in frame 0 about the person (default: all round). Handheld shake counts as moving.
    """
    azimuth = rng.uniform(*(azimuth_range or (-180.0, 180.0)))
    elevation = _draw_elevation(rng)
    still = rng.random() < _STILL_SHARE if static is None else static
    moves = (Move(MoveKind.STATIC),) if still else draw_moves(rng)
    framing = str(rng.choice(list(_FRAMINGS), p=(0.6, 0.22, 0.18)))
    if framing == "waist" and any(move.kind in _COMING_NEARER for move in moves):
        framing = "full body"
    return make_camera(CameraPrompt(None, moves), subject, num_frames, fps, azimuth, elevation, framing, rng, aspect)


def _draw_elevation(rng: np.random.Generator) -> float:
    """Degrees: mostly near eye level, a fifth from above, an eighth from below."""
    kind = rng.random()
    if kind < 0.2:
        return float(rng.uniform(15, 35))
    return float(rng.uniform(-10, -3) if kind < 0.32 else rng.uniform(-3, 15))


def draw_moves(rng: np.random.Generator) -> tuple[Move, ...]:
    """One move, or (30 %) two that do not contradict each other."""
    kinds, weights = list(_MOVE_WEIGHTS), np.array(list(_MOVE_WEIGHTS.values()), dtype=float)
    first = kinds[rng.choice(len(kinds), p=weights / weights.sum())]
    moves = [_draw_move(rng, first)]
    if rng.random() < _PAIR_SHARE:
        fitting = np.array([conflict(first, kind) is None for kind in kinds]) * weights
        if fitting.sum() > 0:
            moves.append(_draw_move(rng, kinds[rng.choice(len(kinds), p=fitting / fitting.sum())]))
    return tuple(moves)


def _draw_move(rng: np.random.Generator, kind: MoveKind) -> Move:
    """A speed, and half the time (of moves that take one) an angle in the steps that captions name."""
    speed = Speed.NORMAL if kind in FIXED_SPEED else list(Speed)[rng.choice(3, p=(0.3, 0.45, 0.25))]
    name = kind.value.split("_")[0]
    if name in _SPOKEN_ANGLES and rng.random() < 0.5:
        low, high, step = _SPOKEN_ANGLES[name]
        return Move(kind, speed, float(rng.choice(np.arange(low, high + 1, step))))
    return Move(kind, speed)


# ---- the base pose


@dataclass(frozen=True)
class _Base:
    """The camera in frame 0: place and aim [3] in metres, focal, framing."""

    place: np.ndarray
    aim: np.ndarray
    focal: float
    framing: str


def _base_pose(
    subject: SubjectTrack,
    azimuth: float,
    elevation: float,
    framing: str,
    rng: np.random.Generator | None,
    aspect: float,
    moves: tuple[Move, ...],
) -> _Base:
    """Stand at the asked angles, far enough for the framing and for everything the person does."""
    centre = subject.centre.double().numpy()
    way = np.radians(azimuth + float(subject.heading[0]))
    rise = np.radians(elevation)
    outwards = np.array([np.cos(rise) * np.sin(way), np.sin(rise), np.cos(rise) * np.cos(way)])
    focal = _lens(rng, moves)
    aim = (centre.min(axis=0) + centre.max(axis=0)) / 2
    needed = _needed_distance(centre, outwards, aim, focal, subject.height, aspect)
    names = list(_FRAMINGS)
    for name in reversed(names[: names.index(framing) + 1]):  # from the asked framing to wider ones
        visible, aim_height = (_within(rng, *limits) for limits in _FRAMINGS[name])
        distance = max(focal * visible * subject.height, _NEAREST)
        # A framing is kept while the travelling person costs less than a fifth of their size.
        if needed <= 1.2 * distance or name == names[0]:
            break
    distance = max(distance, needed)
    aim[1] = aim_height * subject.height + 0.8 * (centre[:, 1].mean() - _CENTRE_HEIGHT * subject.height)
    place = centre[0] + outwards * distance
    place[1] = max(place[1], _LOWEST)
    return _Base(place, aim, focal, name)


def _lens(rng: np.random.Generator | None, moves: tuple[Move, ...]) -> float:
    """Focal length; vertigo needs a long lens to come in, a short one to go out."""
    kinds = {move.kind for move in moves}
    low, high = _FOCAL
    if MoveKind.VERTIGO_IN in kinds:
        low, high = 1.6, 2.2
    elif MoveKind.VERTIGO_OUT in kinds:
        low, high = 0.85, 1.15
    return _within(rng, low, high)


def _within(rng: np.random.Generator | None, low: float, high: float) -> float:
    return (low + high) / 2 if rng is None else float(rng.uniform(low, high))


def _needed_distance(
    centre: np.ndarray, outwards: np.ndarray, aim: np.ndarray, focal: float, height: float, aspect: float
) -> float:
    """The distance from the person in frame 0 at which their whole path, with arms, is inside the picture."""
    distance = _NEAREST
    # Someone who only stands needs no more than their framing asks for.
    if np.ptp(centre[:, (0, 2)], axis=0).max() < 0.25:
        return distance
    for _ in range(60):
        place = centre[0] + outwards * distance
        right, _, forward = _axes(*_angles_towards(aim - place))
        sideways, depth = np.abs((centre - place) @ right), (centre - place) @ forward
        wide = sideways + _HALF_BODY * height <= 0.5 * aspect * depth / focal
        if wide.all() and (depth >= focal * height).all():
            break
        distance *= 1.06
    return distance


# ---- moves on top of it


def _angles_towards(way: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Yaw and pitch (radians) of directions [..., 3]."""
    return np.arctan2(way[..., 0], way[..., 2]), np.arctan2(way[..., 1], np.hypot(way[..., 0], way[..., 2]))


def _axes(yaw: np.ndarray, pitch: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Right, down and forward unit vectors [..., 3] of a level camera."""
    zero = np.zeros_like(yaw)
    forward = np.stack([np.cos(pitch) * np.sin(yaw), np.sin(pitch), np.cos(pitch) * np.cos(yaw)], axis=-1)
    right = np.stack([-np.cos(yaw), zero, np.sin(yaw)], axis=-1)
    return right, np.cross(forward, right), forward


def _compose(prompt: CameraPrompt, subject: SubjectTrack, base: _Base, offsets: Offsets) -> Camera:
    frames = len(offsets.azimuth)
    arm = base.place - base.aim
    radius = float(np.linalg.norm(arm))
    start_yaw, start_pitch = _angles_towards(arm)
    elevation = start_pitch + np.radians(offsets.elevation)
    # Stay over the floor and under the zenith, where "left" would lose its meaning.
    floor = np.arcsin(np.clip((_LOWEST - base.aim[1]) / (radius * offsets.distance), -1, 1))
    elevation = np.minimum(np.maximum(elevation, np.minimum(floor, start_pitch)), np.radians(_STEEPEST))
    _, _, outwards = _axes(start_yaw + np.radians(offsets.azimuth), elevation)
    orbit = base.aim + outwards * radius  # on the sphere, before coming nearer or going away
    look = base.aim - orbit if offsets.follow else np.repeat(-arm[None], frames, axis=0)
    yaw, pitch = _angles_towards(look)
    yaw_shift, pitch_shift = _centring(base, offsets, radius)
    yaw, pitch = np.unwrap(yaw) + yaw_shift, pitch + pitch_shift
    right, down, forward = _axes(yaw, pitch)
    place = orbit + radius * (
        offsets.right[:, None] * right - offsets.up[:, None] * down + (1 - offsets.distance)[:, None] * forward
    )
    place[:, 1] = np.maximum(place[:, 1], min(_LOWEST, base.place[1]))
    focal = base.focal * offsets.focal
    if offsets.vertigo:
        focal = focal * offsets.distance
    tremble = np.radians(offsets.tremble)
    axes = _axes(yaw + np.radians(offsets.yaw) + tremble[:, 0], pitch + np.radians(offsets.pitch) + tremble[:, 1])
    return _finished(prompt, subject, base, place + offsets.shake, _rolled(axes, tremble[:, 2]), focal)


def _centring(base: _Base, offsets: Offsets, radius: float) -> tuple[float, float]:
    """Constant turn (yaw, pitch) that puts the aim into the middle of the picture half-way through the clip.

    Limited to what keeps the person in frame 0, the reference picture.
    """
    half = len(offsets.yaw) // 2
    depth = max(float(offsets.distance[half]), 0.2)
    # A camera that has gone to the right must look to the left (yaw +), one that has risen must look down.
    yaw = np.arctan2(offsets.right[half], depth) - np.radians(offsets.yaw[half])
    pitch = -np.arctan2(offsets.up[half], depth) - np.radians(offsets.pitch[half])
    limit = 0.55 * np.arctan2(0.5, base.focal)
    return float(np.clip(yaw, -limit, limit)), float(np.clip(pitch, -limit, limit))


def _rolled(axes: tuple[np.ndarray, np.ndarray, np.ndarray], roll: np.ndarray) -> np.ndarray:
    """Rotation matrices [T, 3, 3] (rows right, down, forward), rolled by `roll` radians about the view axis."""
    right, down, forward = axes
    cos, sin = np.cos(roll)[:, None], np.sin(roll)[:, None]
    return np.stack([cos * right + sin * down, cos * down - sin * right, forward], axis=1)


def _finished(
    prompt: CameraPrompt,
    subject: SubjectTrack,
    base: _Base,
    place: np.ndarray,
    rotation: np.ndarray,
    focal: np.ndarray,
) -> Camera:
    """The `Camera`: extrinsics, angles about the person, the view as it came out."""
    matrix = np.tile(np.eye(4), (len(place), 1, 1))
    matrix[:, :3, :3] = rotation
    matrix[:, :3, 3] = -(rotation @ place[..., None])[..., 0]
    from_person = place - subject.centre.double().numpy()
    yaw, pitch = _angles_towards(from_person)
    azimuth = (np.degrees(yaw) - subject.heading.double().numpy() + 180) % 360 - 180
    view = View.from_degrees(float(azimuth[0]), float(np.degrees(pitch[0])), base.framing)
    tensors = (torch.from_numpy(np.ascontiguousarray(x)).float() for x in
               (matrix, focal, azimuth, np.degrees(pitch), np.linalg.norm(from_person, axis=1)))  # fmt: skip
    extrinsics, lens, around, above, away = tensors
    return Camera(extrinsics, lens, CameraPrompt(view, prompt.moves), around, above, away)
