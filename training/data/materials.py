"""Colours and materials of people: skin tones, hair, eyes, cloth. Linear light."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .body import Body
from .measures import Measures
from .scene import GAMMA, hsv

SKIN, EYE, HAIR, CLOTH, SHOE, FACE = range(6)  # render_kernels.MAT_*

# Display colours (sRGB 0..255) of skin from light to dark, and of natural hair.
_SKIN_TONES = (
    (243, 208, 184),
    (231, 188, 160),
    (217, 168, 134),
    (193, 140, 104),
    (160, 109, 78),
    (125, 82, 57),
    (92, 60, 43),
    (68, 45, 34),
)
_HAIR_TONES = (
    (22, 18, 17),
    (40, 27, 20),
    (66, 43, 28),
    (98, 66, 40),
    (150, 110, 65),
    (196, 160, 104),
    (120, 52, 28),
    (150, 148, 146),
    (205, 203, 200),
)
_HAIR_ODDS = (0.24, 0.2, 0.15, 0.12, 0.09, 0.07, 0.05, 0.05, 0.03)
_EYE_RADIUS = 0.25  # of the asset's eyeballs, in eye distances
_EYE_TONES = ((60, 36, 20), (90, 58, 30), (96, 96, 60), (70, 104, 80), (70, 110, 150), (110, 120, 130))


@dataclass(frozen=True)
class MaterialSpec:
    """Fields of render_types.Material."""

    kind: int
    colour_a: np.ndarray
    colour_b: np.ndarray
    pattern: int = 0
    scale: float = 10.0
    gloss: float = 0.0
    wrap: float = 0.0
    relief: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class Palette:
    """Colours of one person, linear [3]."""

    skin: np.ndarray
    lips: np.ndarray
    hair: np.ndarray
    hair_light: np.ndarray
    eyes: np.ndarray
    stubble: float


def linear(display: tuple[int, int, int] | np.ndarray) -> np.ndarray:
    """sRGB 0..255 -> linear 0..1 (the renderer's own gamma)."""
    return (np.asarray(display, np.float64) / 255.0) ** GAMMA


def sample_palette(rng: np.random.Generator) -> Palette:
    """Skin between neighbouring tones; hair and eyes that go with it loosely."""
    tone = rng.uniform(0, len(_SKIN_TONES) - 1)
    low = min(int(tone), len(_SKIN_TONES) - 2)
    part = tone - low
    skin = (1 - part) * linear(_SKIN_TONES[low]) + part * linear(_SKIN_TONES[low + 1])
    skin = skin * rng.uniform(0.93, 1.07, 3)
    odds = np.array(_HAIR_ODDS)
    if tone > 3.5:  # fair hair is rare on dark skin
        odds[4:7] *= 0.1
    hair = linear(_HAIR_TONES[rng.choice(len(odds), p=odds / odds.sum())]) * rng.uniform(0.8, 1.2)
    eyes = linear(_EYE_TONES[int(rng.integers(2 if tone > 3.5 else len(_EYE_TONES)))])
    lips = skin * np.array([0.82, 0.55, 0.55]) if rng.random() < 0.75 else skin * np.array([0.8, 0.3, 0.33])
    return Palette(
        skin,
        lips,
        hair,
        np.minimum(hair * rng.uniform(1.6, 2.4) + 0.01, 1.0),
        eyes,
        float(rng.choice([0.0, 0.0, 0.25, 0.5])),
    )


def skin_colours(body: Body, sizes: Measures, palette: Palette) -> np.ndarray:
    """Linear colours [V, 3]: lips, redder cheeks, ears, hands, knees and elbows, stubble on men."""
    colour = np.tile(palette.skin, (len(body.rest_vertices), 1))
    x, y, z = sizes.head.T
    head = body.asset.region == 1
    flush = np.zeros(len(colour))
    flush += head * 0.5 * np.exp(-((np.abs(x) - 0.75) ** 2 + (y + 0.65) ** 2) / 0.12) * (z > 0)
    flush += head * 0.5 * np.exp(-(x**2 + (y + 0.7) ** 2) / 0.06) * (z > 0.4)
    flush += 0.5 * body.asset.masks["ears"] + 0.35 * np.isin(body.asset.region, (2, 3, 4, 5))
    flush += 0.25 * np.exp(-(((sizes.leg - 1.0) / 0.08) ** 2)) * (sizes.arm_share < 0.02)
    colour = colour * (1 + np.clip(flush, 0, 1)[:, None] * np.array([0.04, -0.14, -0.13]))
    if not body.is_female and palette.stubble:
        jaw = head * np.clip((-0.75 - y) * 3.0, 0, 1) * np.clip((z + 0.9) * 2.0, 0, 1) * np.clip((y + 2.3) * 3, 0, 1)
        part = (palette.stubble * jaw * (1 - body.asset.masks["lips"]))[:, None]
        colour = colour * (1 - part) + part * palette.hair
    # lashes and the shade between the lids: skin that all but touches an eyeball
    from_eye = np.sqrt((np.abs(x) - 0.5) ** 2 + y**2 + z**2) / _EYE_RADIUS
    lash = np.clip((1.22 - from_eye) / 0.12, 0, 1) * head
    colour = colour * (1 - (0.75 if body.is_female else 0.5) * lash)[:, None]
    lips = body.asset.masks["lips"][:, None]
    colour = colour * (1 - lips) + lips * palette.lips
    nails = 0.5 * body.asset.masks["fingernails"][:, None]
    return colour * (1 - nails) + nails * np.minimum(palette.skin * np.array([1.15, 1.0, 1.0]) + 0.05, 1.0)


def skin_material(palette: Palette) -> MaterialSpec:
    return MaterialSpec(SKIN, palette.skin, palette.skin, gloss=0.05, wrap=0.2)


def face_material(palette: Palette) -> MaterialSpec:
    """Skin whose pattern coordinates are those of the head; colour_b is that of the brows."""
    return MaterialSpec(FACE, palette.skin, palette.hair * 0.7, gloss=0.05, wrap=0.2)


def eye_material(palette: Palette) -> MaterialSpec:
    return MaterialSpec(EYE, palette.eyes, palette.eyes, gloss=0.35)


def hair_material(palette: Palette) -> MaterialSpec:
    return MaterialSpec(HAIR, palette.hair * 0.75, palette.hair_light, gloss=0.06, wrap=0.25, relief=0.5)


def sample_cloth(rng: np.random.Generator, kind: int = CLOTH, patterned: float = 0.5) -> MaterialSpec:
    """A fabric: two colours and a pattern."""
    hue = rng.random()
    neutral = rng.random() < 0.35
    saturation, value = (
        (rng.uniform(0, 0.12), rng.uniform(0.08, 0.95))
        if neutral
        else (rng.uniform(0.35, 0.85), rng.uniform(0.25, 0.9))
    )
    first = hsv(hue, saturation, value)
    other = hsv((hue + rng.choice([0.0, 0.1, 0.5])) % 1.0, rng.uniform(0, 0.7), (value + rng.uniform(0.3, 0.6)) % 0.95)
    pattern, scale = 0, 10.0
    if rng.random() < patterned:
        pattern = int(rng.choice([1, 1, 2, 3, 4, 5, 6]))
        scale = {
            1: rng.uniform(8, 22),
            2: rng.uniform(10, 25),
            3: rng.uniform(7, 16),
            4: rng.uniform(10, 22),
            5: 1.0,
            6: rng.uniform(6, 16),
        }[pattern]
    if pattern == 5:
        other = first * rng.uniform(1.3, 1.8) + 0.01
    if pattern == 0:
        other = first * 0.75
    return MaterialSpec(
        kind,
        first,
        other,
        pattern,
        float(scale),
        gloss=float(rng.choice([0.0, 0.0, 0.02])),
        wrap=0.05,
        relief=float(rng.uniform(0.12, 0.4)) if kind == CLOTH else 0.0,
        seed=int(rng.integers(1 << 16)),
    )
