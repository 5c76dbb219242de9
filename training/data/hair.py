"""Hair: a cap grown from the scalp, or the asset's long-hair surface, with a bun or a tail."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .body import Body
from .materials import MaterialSpec, Palette, hair_material
from .measures import Measures
from .tailor import Piece, cut, drape

# Hairline: (angle from the front in degrees, height in eye distances above the eyes).
_HAIRLINE = ((0, 1.15), (35, 1.05), (58, 0.55), (75, 0.0), (95, -0.1), (120, -0.8), (150, -1.6), (180, -1.75))


@dataclass(frozen=True)
class HairPiece:
    piece: Piece
    colours: np.ndarray
    coords: np.ndarray
    material: MaterialSpec


@dataclass(frozen=True)
class Hair:
    name: str
    pieces: list[HairPiece]


def sample_hair(rng: np.random.Generator, body: Body, sizes: Measures, palette: Palette) -> Hair:
    """Draw a hair style: bald (men), cropped, short, full, afro, long."""
    names = ["cropped", "short", "full", "long", "long", "afro"] if body.is_female else [
        "bald", "cropped", "short", "short", "full", "afro"]
    name = str(rng.choice(names))
    if name == "bald":
        return Hair(name, [])
    thick = {"cropped": 0.004, "short": 0.013, "full": 0.024, "afro": rng.uniform(0.04, 0.075), "long": 0.016}[name]
    line = scalp_field(body, sizes, raise_line=float(rng.uniform(-0.1, 0.25)))
    piece = cut(body, body.asset.faces["skin"], line)
    inside = piece.follow(line)
    lump = _lumps(piece.rest, int(rng.integers(1 << 16)))
    lift = 0.002 + thick * np.clip(inside / (0.35 if name != "afro" else 0.6), 0, 1) ** 0.6 * (0.8 + 0.4 * lump)
    grown = drape(piece, lift, passes=3)
    pieces = [_piece(grown, palette)]
    if name == "long":
        pieces.append(_piece(_long(rng, body, sizes), palette))
    return Hair(name, pieces)


def _piece(piece: Piece, palette: Palette) -> HairPiece:
    return HairPiece(piece, np.ones_like(piece.rest), piece.rest.copy(), hair_material(palette))


def scalp_field(body: Body, sizes: Measures, raise_line: float) -> np.ndarray:
    """[V] positive on the scalp, in eye distances from the hairline."""
    x, y, z = sizes.head.T
    angle = np.degrees(np.arctan2(np.abs(x), z + 1.3))  # the skull's axis lies behind the eyes
    degrees, heights = np.array(_HAIRLINE).T
    line = y - np.interp(angle, degrees, heights) - raise_line * (angle < 70)
    ears = np.where(body.asset.masks["ears"] > 0.3, -1.0, 1.0)
    return np.where(body.asset.region == 1, np.minimum(line, ears), -1.0)


def _lumps(rest: np.ndarray, seed: int) -> np.ndarray:
    """Slow noise 0..1 on points, from a few random waves."""
    rng = np.random.default_rng(seed)
    waves = rng.normal(0, 45.0, (6, 3))
    return 0.5 + 0.5 * np.sin(rest @ waves.T + rng.uniform(0, 6, 6)).mean(axis=1) * 1.6


def _long(rng: np.random.Generator, body: Body, sizes: Measures) -> Piece:
    faces = body.asset.faces["hair"]
    end = rng.uniform(-6.0, -2.0)
    field = sizes.head[:, 1] - end
    return drape(cut(body, faces, field), 0.0, passes=0)
