"""What a motion looks like, before anything is generated: its decoded poses as a small figure on a turntable.

The person's left is warm, the right cool, and a wedge on the floor points to the front, so that sides can be told from
every azimuth. Hands that were not seen in the driving video are grey.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from .cancelling import Cancelled
from .decoded_pose import DecodedPose
from .figure_drawing import Floor, Limb, Picture, View, cast_shadow, draw_floor, draw_limbs
from .images import Pixels
from .skeleton import ENDS, FINGERS, JOINT, JOINTS, Array

MIN_SIDE, MAX_SIDE = 64, 2048
_FLOOR_RADIUS = 0.90
_TARGET = np.array([0.0, 0.93, 0.0])  # of the camera: the middle between the floor and hands raised high
_SPAN = (2.26, 2.05)  # metres that must fit: height, width
_FOV = math.radians(24)  # narrow: a figure of two metres without a long nose

Colour = tuple[float, float, float]
_SKY, _HORIZON = np.array([0.93, 0.94, 0.95]), np.array([0.985, 0.985, 0.98])
_TRUNK: Colour = (0.80, 0.80, 0.82)
_HEAD: Colour = (0.87, 0.86, 0.85)
_LEFT: Colour = (0.95, 0.56, 0.30)
_RIGHT: Colour = (0.27, 0.56, 0.83)
_UNSEEN: Colour = (0.70, 0.70, 0.71)


@dataclass(frozen=True, kw_only=True)
class PreviewSettings:
    """How the figure is shown.

    height, width: pixels, 64 to 2048. turns: full turns of the camera about the figure over the clip, to its left
    where negative; 0 stands still. azimuth, elevation: degrees where it begins; 0 sees the front, +90 the person's
    left side.
    """

    height: int = 512
    width: int = 512
    turns: float = 1.0
    azimuth: float = 0.0
    elevation: float = 10.0

    def __post_init__(self) -> None:
        for name in ("height", "width"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not MIN_SIDE <= value <= MAX_SIDE:
                raise ValueError(f"preview {name} is {value!r}; expected whole pixels from {MIN_SIDE} to {MAX_SIDE}")
        for name, most in (("turns", 100.0), ("azimuth", 36000.0), ("elevation", 80.0)):
            value = getattr(self, name)
            if not isinstance(value, (int, float)) or not abs(value) <= most:
                raise ValueError(f"preview {name} is {value!r}; expected a number from {-most:g} to {most:g}")


def draw_preview(
    pose: DecodedPose,
    settings: PreviewSettings | None = None,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Pixels:
    """The poses as uint8 [T, H, W, 3]; Cancelled between two frames where `cancelled()` is true.

    progress: called with (frames done, frames in all). A full turn ends one frame before it would begin again, so
    that a looped clip turns evenly.
    """
    settings = settings or PreviewSettings()
    points = figure_points(pose)
    backdrop, floor = _backdrop(settings.height, settings.width), _turntable()
    frames = np.empty((pose.num_frames, settings.height, settings.width, 3), np.uint8)
    for index in range(pose.num_frames):
        if cancelled is not None and cancelled():
            raise Cancelled("drawing the preview was cancelled")
        azimuth = settings.azimuth + 360.0 * settings.turns * index / pose.num_frames
        view = _view(settings, azimuth)
        limbs = _limbs(bool(pose.hand_present[index, 0]), bool(pose.hand_present[index, 1]))
        picture = backdrop.copy()
        draw_floor(picture, view, floor, cast_shadow(points[index], limbs, _FLOOR_RADIUS))
        draw_limbs(picture, view, points[index], limbs)
        frames[index] = (np.clip(picture, 0.0, 1.0) * 255 + 0.5).astype(np.uint8)
        if progress is not None:
            progress(index + 1, pose.num_frames)
    return frames


def figure_points(pose: DecodedPose) -> Array:
    """[T, N, 3] metres: the 52 joints, then the ends of the last bones, in the order of `ENDS`, then the chest."""
    positions, rotations = pose.joints()
    ends = [positions[:, joint] + rotations[:, joint] @ offset for joint, offset in ENDS.items()]
    chest = positions[:, JOINT["spine3"]] + rotations[:, JOINT["spine3"]] @ np.array([0.0, 0.10, -0.005])
    return np.concatenate([positions, np.stack([*ends, chest], axis=1)], axis=1)


_END_OF = {joint: len(JOINTS) + number for number, joint in enumerate(ENDS)}
_CHEST = len(JOINTS) + len(ENDS)


def _limbs(left_seen: bool, right_seen: bool) -> list[Limb]:
    """The figure's parts; hands in grey where they were not seen."""
    at = JOINT
    limbs = [
        Limb(at["left_hip"], at["right_hip"], 0.088, 0.088, _TRUNK),
        Limb(at["pelvis"], at["spine2"], 0.105, 0.090, _TRUNK),
        Limb(at["spine2"], _CHEST, 0.092, 0.118, _TRUNK),
        Limb(_CHEST, at["neck"], 0.105, 0.052, _TRUNK),
        Limb(at["neck"], at["head"], 0.048, 0.045, _HEAD),
        Limb(at["head"], _END_OF[at["head"]], 0.068, 0.098, _HEAD),
    ]
    for side, colour, seen in (("left", _LEFT, left_seen), ("right", _RIGHT, right_seen)):
        limbs += _side_limbs(side, colour)
        limbs += _hand_limbs(side, _mixed(colour, _HEAD, 0.25) if seen else _UNSEEN)
    return limbs


def _side_limbs(side: str, colour: Colour) -> list[Limb]:
    def joint(name: str) -> int:
        return JOINT[f"{side}_{name}"]

    lighter = _mixed(colour, (1.0, 1.0, 1.0), 0.14)
    return [
        Limb(joint("collar"), joint("shoulder"), 0.070, 0.058, _TRUNK),
        Limb(joint("shoulder"), joint("elbow"), 0.050, 0.038, colour),
        Limb(joint("elbow"), joint("wrist"), 0.038, 0.027, lighter),
        Limb(joint("hip"), joint("knee"), 0.076, 0.052, colour),
        Limb(joint("knee"), joint("ankle"), 0.050, 0.036, lighter),
        Limb(joint("ankle"), joint("foot"), 0.040, 0.030, colour),
        Limb(joint("foot"), _END_OF[joint("foot")], 0.030, 0.022, colour),
    ]


def _hand_limbs(side: str, colour: Colour) -> list[Limb]:
    limbs = []
    for finger in FINGERS:
        first, second, third = (JOINT[f"{side}_{finger}{n}"] for n in (1, 2, 3))
        palm = 0.017 if finger != "thumb" else 0.014
        limbs += [
            Limb(JOINT[f"{side}_wrist"], first, 0.022, palm, colour),
            Limb(first, second, 0.0135, 0.0115, colour),
            Limb(second, third, 0.0115, 0.0100, colour),
            Limb(third, _END_OF[third], 0.0100, 0.0085, colour),
        ]
    return limbs


def _mixed(first: Colour, second: Colour, share: float) -> Colour:
    red, green, blue = (a + share * (b - a) for a, b in zip(first, second, strict=True))
    return red, green, blue


def _view(settings: PreviewSettings, azimuth: float) -> View:
    # Fit the height of the figure or, in narrow pictures, its width.
    metres = max(_SPAN[0], _SPAN[1] * settings.height / settings.width)
    distance = metres / 2 / math.tan(_FOV / 2) + 0.5
    focal = settings.height / 2 / math.tan(_FOV / 2)
    size = (settings.height, settings.width)
    return View.around(_TARGET, distance, azimuth, settings.elevation, focal, size)


def _backdrop(height: int, width: int) -> Picture:
    share = np.linspace(0, 1, height)[:, None, None] ** 0.8
    return np.broadcast_to(_SKY + share * (_HORIZON - _SKY), (height, width, 3)).astype(np.float32)


def _turntable(size: int = 1024) -> Floor:
    """The disc under the figure: a plain plate with two rings, fading at its rim, and a wedge towards the front."""
    axis = ((np.arange(size) + 0.5) / size * 2 - 1) * _FLOOR_RADIUS
    away = np.hypot(axis[:, None], axis[None])
    pixel = 2 * _FLOOR_RADIUS / size
    ink = np.zeros((size, size))
    for ring in (0.30, 0.60):
        ink = np.maximum(ink, 0.35 * np.clip(1.0 - np.abs(away - ring) / (3 * pixel), 0.0, 1.0))
    plate = np.array([0.880, 0.885, 0.890])
    colour = plate - ink[..., None] * 0.30
    wedge = _wedge(size, pixel)[..., None]
    colour = colour * (1 - wedge) + wedge * np.array([0.42, 0.45, 0.50])
    opacity = np.clip((_FLOOR_RADIUS - 0.05 - away) / (2 * pixel), 0.0, 1.0)[..., None]
    return Floor(np.concatenate([colour * opacity, opacity], axis=2).astype(np.float32), _FLOOR_RADIUS)


def _wedge(size: int, pixel: float) -> Picture:
    """A chevron at the front (+z) of the plate, 1 inside."""
    corners = np.array([[-0.11, 0.655], [0.0, 0.745], [0.11, 0.655], [0.11, 0.705], [0.0, 0.795], [-0.11, 0.705]])
    mask = np.zeros((size, size), np.uint8)
    cv2.fillPoly(mask, [np.round((corners + _FLOOR_RADIUS) / pixel * 16).astype(np.int32)], 255, cv2.LINE_AA, shift=4)
    return mask.astype(np.float32) / np.float32(255)
