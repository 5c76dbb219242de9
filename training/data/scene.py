"""Random places: floor, room or open air, props, sky, light.

A scene must make camera motion visible (patterned floor and walls, props, pictures, hills) and must not tell
anything about the motion, so it is drawn from a generator of its own. Walls are seen from inside only and tall props
stand far out, so that a camera is never blocked. All colours are linear light, lengths metres.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

GAMMA = 2.0  # of the renderer: a square root per channel, where a power would cost a tenth of all time
FLOOR_PATTERNS = (1, 2, 3, 4, 5, 6)  # render_kernels.surface_pattern
WALL_PATTERNS = (0, 2, 3, 4, 5, 6)
_NEAR_PROPS, _FAR_PROPS = (2, 6), (2, 7)
_NEAR_RADIUS, _FAR_RADIUS = (2.6, 5.0), (7.5, 13.0)


@dataclass(frozen=True)
class PropSpec:
    """A box (kind 0), upright cylinder (1) or ellipsoid (2): centre [3], half sizes [3], yaw in radians."""

    kind: int
    centre: np.ndarray
    half: np.ndarray
    yaw: float
    pattern: int
    scale: float
    colours: np.ndarray  # [2, 3]
    seed: int


@dataclass(frozen=True)
class Scene:
    """Everything around the person. `values` holds the fields of render_types.SceneParams by name."""

    indoor: bool
    values: dict[str, object]
    props: tuple[PropSpec, ...]


def hsv(hue: float, saturation: float, value: float) -> np.ndarray:
    """Display hue, saturation, value in 0..1 -> linear colour [3]."""
    k = (np.array([5.0, 3.0, 1.0]) + hue * 6.0) % 6.0
    display = value - value * saturation * np.clip(np.minimum(k, 4.0 - k), 0.0, 1.0)
    return display**GAMMA


def sample_scene(rng: np.random.Generator, plain: bool = False) -> Scene:
    """Draw a scene. `plain`: few props, no small patterns, low contrast, for models too small to paint the rest."""
    scene = _sample_full_scene(rng)
    return _plain(rng, scene) if plain else scene


def _plain(rng: np.random.Generator, scene: Scene) -> Scene:
    """Large soft floor tiles, bare walls or a clear sky, and at most two plain low props: camera motion still shows."""
    values = dict(scene.values)
    first = np.asarray(values["floor_a"])
    values |= {"floor_pattern": 1, "floor_scale": rng.uniform(0.6, 1.1), "floor_a": first, "clouds": 0.0}
    values |= {"floor_b": first * rng.choice([0.75, 1.3]), "wall_pattern": 0, "pictures": 0.0}
    props = [prop for prop in scene.props if prop.half[1] < 0.3][:2]
    return Scene(scene.indoor, values, tuple(replace(prop, pattern=0) for prop in props))


def _sample_full_scene(rng: np.random.Generator) -> Scene:
    indoor = rng.random() < 0.6
    values: dict[str, object] = {"seed": int(rng.integers(1 << 20)), "has_room": int(indoor), "near": 0.0}
    values |= _floor(rng, indoor) | _walls(rng) | _sky(rng) | _light(rng, indoor)
    values.pop("near")
    if indoor:
        values["horizon"] = np.asarray(values["wall_a"])
    return Scene(indoor, values, _props(rng, indoor, values))


def _two_tones(rng: np.random.Generator, saturation: float, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    """Two related colours that differ visibly in brightness."""
    hue, s, v = rng.random(), rng.uniform(0, saturation), rng.uniform(low, high)
    step = rng.uniform(0.16, 0.38) * (-1 if v > 0.5 * (low + high) else 1)
    other = (hue + rng.choice([0.0, 0.0, 0.08, 0.5])) % 1.0
    return hsv(hue, s, v), hsv(other, min(1.0, s * rng.uniform(0.5, 1.4)), float(np.clip(v + step, 0.06, 0.97)))


def _floor(rng: np.random.Generator, indoor: bool) -> dict[str, object]:
    pattern = int(rng.choice(FLOOR_PATTERNS if indoor else (1, 2, 5, 6, 6, 6)))
    first, second = _two_tones(rng, 0.35, 0.25, 0.85)
    if pattern == 3:  # planks are wood
        first, second = hsv(rng.uniform(0.05, 0.1), rng.uniform(0.3, 0.6), rng.uniform(0.4, 0.8)), np.full(3, 0.02)
    if pattern == 6 and not indoor:  # grass, earth, sand
        hue = rng.choice([0.25, 0.29, 0.09, 0.12])
        first, second = hsv(hue, 0.5, rng.uniform(0.3, 0.5)), hsv(hue + 0.03, 0.4, rng.uniform(0.5, 0.75))
    yaw = rng.uniform(0, 2 * np.pi)
    scale = {
        1: rng.uniform(1.2, 2.5),
        2: rng.uniform(1.0, 2.5),
        3: rng.uniform(5, 9),
        4: rng.uniform(1.5, 4),
        5: rng.uniform(1.2, 2.5),
        6: rng.uniform(1.0, 2.5),
    }[pattern]
    return {
        "floor_pattern": pattern,
        "floor_scale": scale,
        "floor_cos": np.cos(yaw),
        "floor_sin": np.sin(yaw),
        "floor_a": first,
        "floor_b": second,
    }


def _walls(rng: np.random.Generator) -> dict[str, object]:
    yaw = rng.uniform(0, np.pi / 2)
    pattern = int(rng.choice(WALL_PATTERNS))
    first, second = _two_tones(rng, 0.4, 0.4, 0.95)
    return {
        "room_centre": np.array([rng.uniform(-1.0, 1.0), 0.0, rng.uniform(-1.0, 1.0)]),
        "room_half": np.array([rng.uniform(4.5, 8.0), rng.uniform(2.7, 4.5), rng.uniform(4.5, 8.0)]),
        "room_cos": np.cos(yaw), "room_sin": np.sin(yaw),
        "wall_pattern": pattern, "wall_scale": rng.uniform(1.0, 3.5), "wall_a": first,
        "wall_b": first + (second - first) * rng.uniform(0.3, 1.0),
        "trim": hsv(rng.random(), rng.uniform(0, 0.3), rng.choice([0.15, 0.85])),
        "ceiling": hsv(rng.random(), 0.05, rng.uniform(0.6, 0.95)),
        "skirting": rng.uniform(0.06, 0.25), "pictures": rng.uniform(0.2, 0.8), "picture_pitch": rng.uniform(1.4, 3.0),
    }  # fmt: skip


def _sky(rng: np.random.Generator) -> dict[str, object]:
    hue = rng.choice([0.58, 0.56, 0.6, 0.08, 0.95], p=[0.35, 0.25, 0.2, 0.12, 0.08])
    bright = rng.uniform(0.6, 0.95)
    return {
        "zenith": hsv(hue, rng.uniform(0.25, 0.65), bright * 0.9), "horizon": hsv(hue, rng.uniform(0.05, 0.2), bright),
        "hill_colour": hsv(rng.choice([0.3, 0.1, 0.6]), rng.uniform(0.15, 0.5), rng.uniform(0.2, 0.5)),
        "hills": rng.uniform(0.3, 1.3), "clouds": rng.choice([0.0, rng.uniform(0.3, 0.95)]),
        "haze": rng.uniform(35.0, 90.0),
    }  # fmt: skip


def _light(rng: np.random.Generator, indoor: bool) -> dict[str, object]:
    azimuth, height = rng.uniform(0, 2 * np.pi), np.radians(rng.uniform(40, 75) if indoor else rng.uniform(28, 65))
    sun = np.array([np.cos(height) * np.sin(azimuth), np.sin(height), np.cos(height) * np.cos(azimuth)])
    across = np.cross(sun, [0.0, 1.0, 0.0])
    across /= np.linalg.norm(across)
    warm = rng.uniform(-0.12, 0.2)
    tint = np.array([1 + warm, 1.0, 1 - warm])
    strength = rng.uniform(0.9, 1.6) * (0.8 if indoor else 1.25)
    ambient = rng.uniform(0.45, 0.75) * (1.0 if indoor else 0.8)
    return {
        "sun": sun, "sun_u": across, "sun_v": np.cross(sun, across),
        "sun_size": rng.uniform(0.2, 0.55) if indoor else rng.uniform(0.06, 0.15),
        "sun_light": strength * tint, "sky_light": ambient * (2 - tint) / (2 - tint).mean(),
        "ground_light": 0.55 * ambient * tint, "exposure": rng.uniform(1.0, 1.3),
    }  # fmt: skip


def _props(rng: np.random.Generator, indoor: bool, values: dict[str, object]) -> tuple[PropSpec, ...]:
    props = [_low_prop(rng) for _ in range(rng.integers(*_NEAR_PROPS))]
    for _ in range(rng.integers(*_FAR_PROPS)):
        if indoor:
            props.append(_furniture(rng, values))
        else:
            props += _tree(rng) if rng.random() < 0.5 else [_block(rng)]
    return tuple(props)


def _prop(rng: np.random.Generator, kind: int, centre: np.ndarray, half: np.ndarray, yaw: float) -> PropSpec:
    pattern = int(rng.choice([0, 0, 1, 3, 4, 6, 7]))
    return PropSpec(
        kind,
        centre,
        half,
        yaw,
        pattern,
        float(rng.uniform(2, 7)),
        np.stack(_two_tones(rng, 0.75, 0.2, 0.9)),
        int(rng.integers(1 << 20)),
    )


def _polar(rng: np.random.Generator, radii: tuple[float, float]) -> np.ndarray:
    angle, radius = rng.uniform(0, 2 * np.pi), rng.uniform(*radii)
    return np.array([radius * np.sin(angle), 0.0, radius * np.cos(angle)])


def _low_prop(rng: np.random.Generator) -> PropSpec:
    """Knee-high at most, so that it hides little of the person."""
    kind = int(rng.integers(3))
    half = rng.uniform(0.1, 0.24, 3) * np.array([1.6, 1.0, 1.6])
    if kind == 1:
        half[2] = half[0]
    return _prop(rng, kind, _polar(rng, _NEAR_RADIUS) + np.array([0, half[1], 0]), half, rng.uniform(0, np.pi))


def _furniture(rng: np.random.Generator, values: dict[str, Any]) -> PropSpec:
    """A cupboard, column or lamp along a wall."""
    room = np.asarray(values["room_half"])
    kind = int(rng.choice([0, 0, 1]))
    half = np.array([rng.uniform(0.2, 0.8), rng.uniform(0.3, 1.1), rng.uniform(0.15, 0.35)])
    if kind == 1:
        half[[0, 2]] = rng.uniform(0.1, 0.25)
    wall, along = rng.integers(4), rng.uniform(-0.85, 0.85)
    place = np.array([along * room[0], half[1], room[2] - half[2]])
    turn = 0.0
    if wall % 2:
        place = np.array([room[0] - half[2], half[1], along * room[2]])
        turn = np.pi / 2
    if wall > 1:
        place = place * np.array([-1, 1, -1])
    cos, sin = float(values["room_cos"]), float(values["room_sin"])
    world = np.array([cos * place[0] + sin * place[2], place[1], -sin * place[0] + cos * place[2]])
    return _prop(rng, kind, world + np.asarray(values["room_centre"]), half, turn + np.arctan2(sin, cos))


def _tree(rng: np.random.Generator) -> list[PropSpec]:
    foot, height = _polar(rng, _FAR_RADIUS), rng.uniform(1.2, 2.4)
    trunk = _prop(rng, 1, foot + [0, height / 2, 0], np.array([0.14, height / 2, 0.14]), 0.0)
    crown = rng.uniform(0.8, 1.6, 3)
    top = _prop(rng, 2, foot + [0, height + crown[1] * 0.7, 0], crown, 0.0)
    brown, green = hsv(0.07, 0.5, 0.35), hsv(rng.uniform(0.2, 0.36), rng.uniform(0.3, 0.6), rng.uniform(0.3, 0.6))
    return [
        PropSpec(**{**vars(trunk), "pattern": 6, "colours": np.stack([brown, brown * 0.5])}),
        PropSpec(**{**vars(top), "pattern": 6, "colours": np.stack([green, green * 0.35])}),
    ]


def _block(rng: np.random.Generator) -> PropSpec:
    half = np.array([rng.uniform(0.4, 2.0), rng.uniform(0.4, 2.2), rng.uniform(0.4, 2.0)])
    return _prop(rng, 0, _polar(rng, _FAR_RADIUS) + np.array([0, half[1], 0]), half, rng.uniform(0, np.pi))
