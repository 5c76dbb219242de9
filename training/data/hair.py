"""Hair: a cap grown from the scalp, or the asset's long-hair surface; buns, tails and beards."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .body import Body
from .materials import Palette, hair_material
from .measures import Measures
from .parts import Part, part
from .tailor import Piece, cut, drape, ellipsoid_grid

# Hairline: (angle from the front in degrees, height in eye distances above the eyes).
_HAIRLINE = ((0, 1.15), (35, 1.05), (58, 0.55), (75, 0.0), (95, -0.1), (120, -0.8), (150, -1.6), (180, -1.75))
_WOMEN = ("cropped", "short", "full", "long", "long", "bun", "tail", "afro")
_MEN = ("bald", "cropped", "short", "short", "full", "afro", "long")
_THICK = {"cropped": 0.004, "short": 0.013, "full": 0.024, "long": 0.016, "bun": 0.012, "tail": 0.012}


@dataclass(frozen=True)
class Hair:
    name: str
    parts: tuple[Part, ...]


def sample_hair(rng: np.random.Generator, body: Body, sizes: Measures, palette: Palette) -> Hair:
    """Draw a hair style, and for some men a beard."""
    name = str(rng.choice(_WOMEN if body.is_female else _MEN))
    if name == "long" and "hair" not in body.asset.faces:
        name = "full"
    pieces = []
    if name != "bald":
        pieces.append(_cap(rng, body, sizes, name))
    if name == "long":
        pieces.append(_long(rng, body, sizes))
    if name in ("bun", "tail"):
        pieces += _knot(rng, body, sizes, name)
    if not body.is_female and rng.random() < 0.3:
        pieces.append(_beard(rng, body, sizes))
        name += " and beard"
    material = hair_material(palette)
    return Hair(name, tuple(part(body, piece, material, hollow=0.0) for piece in pieces))


def scalp_field(body: Body, sizes: Measures, raised: float) -> np.ndarray:
    """[V] positive on the scalp, in eye distances from the hairline; `raised` moves it up the forehead."""
    x, y, z = sizes.head.T
    angle = np.degrees(np.arctan2(np.abs(x), z + 1.3))  # the skull's axis lies behind the eyes
    degrees, heights = np.array(_HAIRLINE).T
    line = y - np.interp(angle, degrees, heights) - raised * (angle < 70)
    ears = np.where(body.asset.masks["ears"] > 0.3, -1.0, 1.0)
    return np.where(body.asset.region == 1, np.minimum(line, ears), -1.0)


def _cap(rng: np.random.Generator, body: Body, sizes: Measures, name: str) -> Piece:
    """Hair that stands off the scalp, thinner towards the hairline, in uneven locks."""
    afro = name == "afro"
    thick = rng.uniform(0.04, 0.075) if afro else _THICK[name] * rng.uniform(0.8, 1.3)
    line = scalp_field(body, sizes, raised=float(rng.uniform(-0.1, 0.25)))
    piece = cut(body, body.asset.faces["skin"], line)
    inside = piece.follow(line)
    lumps = _lumps(piece.rest, rng) if name in ("short", "full") else 0.5
    lift = 0.002 + thick * np.clip(inside / (0.6 if afro else 0.35), 0, 1) ** 0.6 * (0.6 + 0.8 * lumps)
    return drape(piece, lift, passes=3)


def _lumps(rest: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Slow noise 0..1 on points, from a few random waves."""
    waves = rng.normal(0, 45.0, (6, 3))
    return np.clip(0.5 + 0.8 * np.sin(rest @ waves.T + rng.uniform(0, 6, 6)).mean(axis=1), 0, 1)


def _long(rng: np.random.Generator, body: Body, sizes: Measures) -> Piece:
    """The asset's long-hair surface, cut to a length, with the face left free."""
    x, y, z = sizes.head.T
    length = y - rng.uniform(-5.5, -1.8)
    beside_face = np.maximum(np.maximum(np.abs(x) - 1.15, y - 1.75), -(z + 0.35))
    piece = cut(body, body.asset.faces["hair"], np.minimum(length, beside_face))
    return drape(piece, 0.002, passes=0)


def _knot(rng: np.random.Generator, body: Body, sizes: Measures, name: str) -> list[Piece]:
    """A bun, or a tail of hanging ellipsoids, at the back of the head; rides on the head."""
    eyes = 0.5 * (body.points["left_eye"] + body.points["right_eye"])
    unit = np.linalg.norm(body.points["left_eye"] - body.points["right_eye"])
    back = eyes + unit * np.array([0.0, rng.uniform(-0.2, 1.1), -2.75])
    if name == "bun":
        return [_blob(body, back, unit * rng.uniform(0.5, 0.75) * np.array([1.0, 0.9, 0.85]))]
    size, drop, pieces = unit * 0.42, 0.0, []
    for k in range(6):
        at = back + np.array([0.0, -drop, -unit * (0.15 + 0.16 * min(k, 2) - 0.08 * max(k - 2, 0))])
        pieces.append(_blob(body, at, size * np.array([0.8, 1.25, 0.7])))
        drop += size * 1.15
        size *= 0.93
    return pieces


def _blob(body: Body, centre: np.ndarray, radii: np.ndarray) -> Piece:
    """An ellipsoid that moves with the head: its vertices are tied to one vertex of the crown."""
    unit, faces = ellipsoid_grid(9, 14)
    skin = body.asset.skin_ids
    crown = int(skin[body.rest_vertices[skin, 1].argmax()])
    tied = np.full(len(unit), crown)
    rest = (centre + unit * radii).astype(np.float32)
    return Piece(tied, tied, np.zeros(len(unit), np.float32), faces, rest)


def _beard(rng: np.random.Generator, body: Body, sizes: Measures) -> Piece:
    """Jaw, chin and upper lip, up to the sideburns."""
    x, y, z = sizes.head.T
    cheek = -0.75 - 0.55 * np.clip(1.0 - np.abs(x) / 1.3, 0, 1) + 0.75 * np.clip((np.abs(x) - 0.9) / 0.5, 0, 1)
    field = np.minimum(cheek - y, z + 0.75)
    field = np.minimum(field, y + rng.uniform(2.0, 2.3))
    mouth = np.hypot(x / 0.55, (y + 1.12) / 0.17) - 1.0
    field = np.minimum(field, np.maximum(mouth, 0.0) * 0.2 - 0.005)
    field = np.where((body.asset.region == 1) & (body.asset.masks["lips"] < 0.3), field, -1.0)
    piece = cut(body, body.asset.faces["skin"], field)
    lift = 0.0015 + rng.uniform(0.002, 0.012) * np.clip(piece.follow(field) / 0.3, 0, 1)
    return replace(drape(piece, lift, passes=1))
