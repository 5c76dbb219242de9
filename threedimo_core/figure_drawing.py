"""Drawing limbs: shaded, antialiased round cones with perspective, in plain numpy, over a floor with a soft shadow.

A round cone is the hull of two spheres. Its outline in the picture is exact (a distance to the hull of two discs), so
edges are smooth without supersampling; shading and depth are those of the sphere that covers each pixel. A figure of
70 limbs takes some 40 ms at 512 px on one core, and needs no graphics library.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .skeleton import Array

Picture = NDArray[np.float32]
Colour = tuple[float, float, float]

_KEY_LIGHT = np.array([-0.45, -0.70, -0.55]) / math.sqrt(0.45**2 + 0.70**2 + 0.55**2)  # camera axes, towards the light
_FADE_METRES = 0.55  # a limb this high above the floor throws hardly any shadow
_LEAST_SHADOW = 0.015  # metres; fingers throw none


@dataclass(frozen=True)
class Limb:
    """A round cone between two points of the figure (indices), with the radii in metres at both."""

    start: int
    end: int
    start_radius: float
    end_radius: float
    colour: Colour


@dataclass(frozen=True, eq=False)
class View:
    """A camera: world_to_camera [4, 4] in OpenCV's axes, focal length in pixels, size of the picture."""

    world_to_camera: Array
    focal: float
    height: int
    width: int

    @classmethod
    def around(
        cls, target: Array, distance: float, azimuth: float, elevation: float, focal: float, size: tuple[int, int]
    ) -> View:
        """From `azimuth` and `elevation` degrees about `target`: 0 is the front, +90 the person's left."""
        turn, lift = math.radians(azimuth), math.radians(elevation)
        away = np.array(
            [math.sin(turn) * math.cos(lift), math.sin(lift), math.cos(turn) * math.cos(lift)], dtype=np.float64
        )
        forward, right = -away, np.array([math.cos(turn), 0.0, -math.sin(turn)])
        rotation = np.stack([right, np.cross(forward, right), forward])
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = rotation, -rotation @ (target + distance * away)
        return cls(matrix, focal, *size)

    def to_camera(self, points: Array) -> Array:
        return points @ self.world_to_camera[:3, :3].T + self.world_to_camera[:3, 3]

    def project(self, in_camera: Array) -> Array:
        """Camera coordinates [..., 3] → pixels [..., 2]."""
        centre = np.array([self.width / 2, self.height / 2])
        return in_camera[..., :2] / in_camera[..., 2:] * self.focal + centre


def draw_limbs(picture: Picture, view: View, points: Array, limbs: Sequence[Limb]) -> None:
    """Draws the figure into float32 [H, W, 3] (0..1) in place; points [N, 3] in the world."""
    in_camera = view.to_camera(points)
    pixels = view.project(in_camera)
    depth = np.full(picture.shape[:2], np.inf, np.float32)
    # Far limbs first: where an edge is half transparent, what is behind it is already there.
    for limb in sorted(limbs, key=lambda limb: -(in_camera[limb.start, 2] + in_camera[limb.end, 2])):
        ends = in_camera[[limb.start, limb.end]]
        if ends[:, 2].min() > 0.05:
            radii = np.array([limb.start_radius, limb.end_radius])
            _draw_limb(picture, depth, pixels[[limb.start, limb.end]], ends[:, 2], radii, view.focal, limb.colour)


def _draw_limb(
    picture: Picture, depth: Picture, pixels: Array, depths: Array, radii: Array, focal: float, colour: Colour
) -> None:
    in_pixels = radii * focal / depths
    window = _window(pixels, in_pixels, picture.shape)
    if window is None:
        return
    rows, columns = window
    y, x = np.mgrid[rows, columns].astype(np.float32) + 0.5
    distance, along = _round_cone(x - pixels[0, 0], y - pixels[0, 1], pixels[1] - pixels[0], in_pixels)
    covered = np.clip(0.5 - distance, 0.0, 1.0)
    radius = in_pixels[0] + along * (in_pixels[1] - in_pixels[0])
    normal_x = (x - (pixels[0, 0] + along * (pixels[1, 0] - pixels[0, 0]))) / radius
    normal_y = (y - (pixels[0, 1] + along * (pixels[1, 1] - pixels[0, 1]))) / radius
    facing = np.sqrt(np.clip(1.0 - normal_x**2 - normal_y**2, 0.0, 1.0))
    surface = depths[0] + along * (depths[1] - depths[0]) - facing * (radii[0] + along * (radii[1] - radii[0]))
    behind = depth[rows, columns]
    covered = covered * (surface < behind)
    shade = _shade(normal_x, normal_y, facing)[..., None] * np.array(colour, np.float32)
    picture[rows, columns] += covered[..., None] * (np.clip(shade, 0.0, 1.0) - picture[rows, columns])
    depth[rows, columns] = np.where(covered > 0.5, surface, behind)


def _window(pixels: Array, radii: Array, shape: tuple[int, ...]) -> tuple[slice, slice] | None:
    low = np.floor((pixels - radii[:, None]).min(axis=0) - 1).astype(int)
    high = np.ceil((pixels + radii[:, None]).max(axis=0) + 1).astype(int)
    left, top = max(low[0], 0), max(low[1], 0)
    right, bottom = min(high[0], shape[1]), min(high[1], shape[0])
    return (slice(top, bottom), slice(left, right)) if left < right and top < bottom else None


def _round_cone(x: Array, y: Array, axis: Array, radii: Array) -> tuple[Array, Array]:
    """Signed distance to the hull of two discs, and the share of the axis of the disc that covers each point.

    x, y: from the first disc's centre; axis: from the first centre to the second.
    """
    length = math.hypot(axis[0], axis[1])
    narrowing = radii[0] - radii[1]
    if length <= abs(narrowing) + 1e-6:  # one disc lies within the other: the limb points at the camera
        larger = int(radii[1] > radii[0])
        return np.hypot(x - larger * axis[0], y - larger * axis[1]) - radii[larger], np.full_like(x, larger)
    unit = axis / length
    forth, aside = x * unit[0] + y * unit[1], np.abs(x * unit[1] - y * unit[0])
    slope = narrowing / length
    # Tangents touch both discs aslant: a point beside the axis belongs to a disc further back (or ahead).
    along = np.clip((forth - aside * slope / math.sqrt(1 - slope**2)) / length, 0.0, 1.0)
    distance = np.hypot(forth - along * length, aside) - (radii[0] + along * (radii[1] - radii[0]))
    return distance, along


def _shade(normal_x: Array, normal_y: Array, facing: Array) -> Array:
    """Light of a white surface: a wrapped key light from above left, the sky, and darker rims that part limbs."""
    key = normal_x * _KEY_LIGHT[0] + normal_y * _KEY_LIGHT[1] - facing * _KEY_LIGHT[2]
    sky = 0.5 - 0.5 * normal_y
    return (0.38 + 0.16 * sky + 0.58 * np.clip((key + 0.25) / 1.25, 0.0, 1.0)) * (0.70 + 0.30 * np.sqrt(facing))


# --- the floor --------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Floor:
    """A disc about the origin of the floor, seen from above: [N, N, 4] colour times opacity, and opacity.

    Row and column of the texture run along +z and +x over [-radius, radius] metres.
    """

    texture: Picture
    radius: float


def draw_floor(picture: Picture, view: View, floor: Floor, shadow: Picture) -> None:
    """Lays the floor, darkened by `shadow` [M, M] (1: full shadow), into float32 [H, W, 3] in place."""
    rows = _floor_rows(view, floor.radius)
    if rows.start >= rows.stop:
        return
    seen = _laid_out(floor.texture, view, floor.radius, rows, finer=2)
    dark = _laid_out(shadow, view, floor.radius, rows)
    picture[rows] = picture[rows] * (1.0 - seen[..., 3:]) + seen[..., :3] * (1.0 - dark[..., None])


def cast_shadow(points: Array, limbs: Sequence[Limb], radius: float, size: int = 128, strength: float = 0.5) -> Picture:
    """The shadow [size, size] that a figure throws straight down: darkest and sharpest where it touches the floor."""
    axis = ((np.arange(size) + 0.5) / size * 2 - 1) * radius
    x, z = axis[None], axis[:, None]
    shadow = np.zeros((size, size))
    for limb in limbs:
        a, b = points[limb.start], points[limb.end]
        height = max(0.0, min(a[1], b[1]))
        if height > 2 * _FADE_METRES or limb.start_radius < _LEAST_SHADOW:
            continue
        blur = 0.03 + 0.12 * height
        along = b[[0, 2]] - a[[0, 2]]
        share = np.clip(((x - a[0]) * along[0] + (z - a[2]) * along[1]) / max(along @ along, 1e-9), 0.0, 1.0)
        distance = np.hypot(x - a[0] - share * along[0], z - a[2] - share * along[1])
        soft = np.clip((limb.start_radius - distance) / blur + 1.0, 0.0, 1.0)
        darkness = math.exp(-((height / _FADE_METRES) ** 2)) * soft**2
        shadow = np.maximum(shadow, darkness)
    return (strength * cv2.GaussianBlur(shadow, (0, 0), 1.2)).astype(np.float32)


def _floor_rows(view: View, radius: float) -> slice:
    """The rows of the picture that the disc may reach."""
    angles = np.linspace(0, 2 * math.pi, 64)
    rim = np.stack([radius * np.cos(angles), np.zeros(64), radius * np.sin(angles)], axis=1)
    in_camera = view.to_camera(rim)
    if in_camera[:, 2].min() < 0.05:
        return slice(0, view.height)
    rows = view.project(in_camera)[:, 1]
    return slice(max(0, math.floor(rows.min())), min(view.height, math.ceil(rows.max()) + 1))


def _laid_out(texture: Picture, view: View, radius: float, rows: slice, finer: int = 1) -> Picture:
    """A texture of the floor as the camera sees it, in those rows; `finer` samples per pixel and side are averaged,
    since lines of the texture meet the picture aslant."""
    size = texture.shape[0]
    # Texture index → metres on the floor → camera → index in the picture: a plane is seen through a homography.
    metres = np.array([[2 / size, 0, 1 / size - 1], [0, 2 / size, 1 / size - 1], [0, 0, 1 / radius]]) * radius
    to_camera = np.column_stack([view.world_to_camera[:3, [0, 2]], view.world_to_camera[:3, 3]])
    lens = np.array([[view.focal, 0, view.width / 2], [0, view.focal, view.height / 2 - rows.start], [0, 0, 1]])
    samples = np.array([[finer, 0, -0.5], [0, finer, -0.5], [0, 0, 1]])
    width, height = view.width, rows.stop - rows.start
    seen = cv2.warpPerspective(
        texture, samples @ lens @ to_camera @ metres, (finer * width, finer * height), flags=cv2.INTER_LINEAR
    )
    return np.asarray(cv2.resize(seen, (width, height), interpolation=cv2.INTER_AREA), dtype=np.float32)
