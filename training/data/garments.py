"""Clothes cut from the body's layers.

A garment has a cutting field on all vertices (positive where it covers), in units of the body's measures, so hems and
necklines fall alike on every body. Cloth is lifted 7-16 mm off the skin and smoothed, sleeves and trouser legs are
widened away from the limb's axis. Where two garments overlap, the inner one ends a little way under the outer one and
cannot poke through.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .body import Body
from .materials import MaterialSpec, sample_cloth
from .measures import Measures
from .parts import Part, part
from .shoes import sample_shoes
from .tailor import Piece, cut, drape

_FAR = 10.0
_OVERLAP = 0.06  # in field units: how far an inner garment goes on under an outer one
_ARM = 0.02  # skinning weight on arm bones from which a vertex counts as arm
_TOPS = ("t-shirt", "t-shirt", "long", "long", "loose", "tank")
_LEGS = ("trousers", "trousers", "slim", "leggings", "shorts")
# sleeve end (measures.arm), lift and widening of the sleeve in metres
_SLEEVES = {"t-shirt": (0.45, 0.85), "long": (1.7, 1.93), "loose": (1.5, 1.93), "tank": (0.0, 0.0)}
_TOP_CUT = {"t-shirt": (0.011, 0.013), "long": (0.010, 0.008), "loose": (0.016, 0.022), "tank": (0.009, 0.0)}
_LEG_ENDS = {"trousers": (1.85, 2.03), "slim": (1.75, 1.98), "leggings": (1.6, 1.95), "shorts": (0.45, 0.95)}
_LEG_WIDTHS = {"trousers": (0.015, 0.035), "slim": (0.006, 0.01), "leggings": (0.0, 0.0), "shorts": (0.015, 0.035)}


@dataclass(frozen=True)
class Garment:
    """A piece of clothing. cover [V]: where it hides the skin (positive under it)."""

    slot: str
    name: str
    part: Part
    cover: np.ndarray


def sample_outfit(rng: np.random.Generator, body: Body, sizes: Measures) -> list[Garment]:
    """A top, something for the legs and shoes; or a dress and shoes."""
    shoes = [Garment(*each) for each in sample_shoes(rng, body, sizes)]
    wears_skirts = body.is_female and "skirt" in body.asset.faces
    if wears_skirts and rng.random() < 0.2:
        return [*_dress(rng, body, sizes), *shoes]
    name = str(rng.choice(_TOPS))
    waist = rng.uniform(0.14, 0.28)
    tucked = name != "loose" and rng.random() < 0.35
    top = _top_field(body, sizes, rng.uniform(-0.28, waist - 0.12), rng.uniform(*_SLEEVES[name]),
                     rng.uniform(0.0, 0.12), tank=name == "tank")  # fmt: skip
    if wears_skirts and rng.random() < 0.25:
        legs_name, end, waist = "skirt", rng.uniform(0.4, 1.4), min(waist, _skirt_top(body, sizes))
    else:
        legs_name = str(rng.choice(_LEGS))
        end = rng.uniform(*_LEG_ENDS[legs_name])
    legs = _legs_field(sizes, waist, end)
    if tucked or legs_name == "skirt":
        upper = _top(rng, body, sizes, name, np.minimum(top, _OVERLAP - legs), 0.0)
        lower = _legs(rng, body, sizes, legs_name, legs, 0.005)
    else:
        upper = _top(rng, body, sizes, name, top, 0.004)
        lower = _legs(rng, body, sizes, legs_name, np.minimum(legs, _OVERLAP - top), 0.0)
    return [replace(lower, cover=_cover(legs_name, legs)), replace(upper, cover=top), *shoes]


def _cover(name: str, field: np.ndarray) -> np.ndarray:
    """A skirt hides no skin: one sees the legs from below its hem."""
    return np.full(len(field), -1.0) if name == "skirt" else field


def _top_field(body: Body, sizes: Measures, hem: float, sleeve: float, neck: float, tank: bool = False) -> np.ndarray:
    """From the hem (measures.torso) to a neckline `neck` deep in front, with sleeves to `sleeve` (measures.arm)."""
    front = np.clip(sizes.head[:, 2] * 0.25 + 0.6, 0.0, 1.0)
    down = 0.98 - neck * front - sizes.torso
    trunk = np.where(sizes.arm_share > 0.5, _FAR, np.minimum(sizes.torso - hem, down))
    if tank:  # armholes: a strap's width inside the shoulder, closed again under the armpit
        across = (0.78 * body.points["left_shoulder"][0] - np.abs(body.rest_vertices[:, 0])) / 0.5
        arm = np.where(sizes.arm_share > 0.6, -_FAR, np.maximum(across, 0.72 - sizes.torso))
    else:
        arm = np.where(sizes.arm_share > _ARM, sleeve - sizes.arm, _FAR)
    return np.minimum(trunk, arm)


def _legs_field(sizes: Measures, waist: float, end: float) -> np.ndarray:
    not_arm = np.where(sizes.arm_share > _ARM, -_FAR, _FAR)
    return np.minimum(np.minimum(waist - sizes.torso, end - sizes.leg), not_arm)


def _top(
    rng: np.random.Generator, body: Body, sizes: Measures, name: str, field: np.ndarray, outside: float
) -> Garment:
    lift, width = _TOP_CUT[name]
    piece = _widened_sleeves(body, sizes, cut(body, body.asset.faces["skin"], field), width)
    piece = drape(piece, lift + outside, passes=12)
    return Garment("top", name, _look(body, sizes, piece, sample_cloth(rng, patterned=0.55)), field)


def _legs(
    rng: np.random.Generator, body: Body, sizes: Measures, name: str, field: np.ndarray, outside: float
) -> Garment:
    material = sample_cloth(rng, patterned=0.25)
    if name == "skirt":
        return _skirt(body, sizes, field, material)
    piece = cut(body, body.asset.faces["skin"], field)
    piece = _widened_legs(body, sizes, piece, float(rng.uniform(*_LEG_WIDTHS[name])))
    tight = name == "leggings"
    piece = drape(piece, (0.004 if tight else 0.007) + outside, passes=3 if tight else 10)
    return Garment("legs", name, _look(body, sizes, piece, material), field)


def _skirt(body: Body, sizes: Measures, field: np.ndarray, material: MaterialSpec) -> Garment:
    """The skin stays: one sees the legs from below the hem."""
    piece = drape(cut(body, body.asset.faces["skirt"], field), 0.006, passes=2)
    coords = _around(piece.rest, body.points["pelvis"], body.points["neck"], 0.2)
    return Garment("legs", "skirt", part(body, piece, material, coords=coords, hollow=0.0), np.full(len(field), -1.0))


def _skirt_top(body: Body, sizes: Measures) -> float:
    """Height (measures.torso) of the upper edge of the asset's skirt, less a little."""
    return float(sizes.torso[body.asset.faces["skirt"].reshape(-1)].max()) - 0.03


def _dress(rng: np.random.Generator, body: Body, sizes: Measures) -> list[Garment]:
    """A top and a skirt of one cloth."""
    material = sample_cloth(rng, patterned=0.6)
    field = _top_field(body, sizes, _skirt_top(body, sizes) - 0.12, rng.uniform(0.1, 1.2), rng.uniform(0.02, 0.12))
    piece = drape(cut(body, body.asset.faces["skin"], field), 0.009, passes=12)
    top = Garment("top", "dress", _look(body, sizes, piece, material), field)
    return [top, _skirt(body, sizes, _legs_field(sizes, 0.25, rng.uniform(0.6, 1.85)), material)]


def _look(body: Body, sizes: Measures, piece: Piece, material: MaterialSpec) -> Part:
    return part(body, piece, material, coords=unrolled(body, sizes, piece), hollow=0.6)


def unrolled(body: Body, sizes: Measures, piece: Piece) -> np.ndarray:
    """Pattern coordinates [N, 3] in metres: around the trunk or limb, along it, and depth.

    The way around is folded at the front and back middle lines, so that a pattern has no seam to tear at.
    """
    arm, leg = piece.follow(sizes.arm), piece.follow(sizes.leg)
    on_arm = piece.follow(sizes.arm_share) > 0.5
    on_leg = ~on_arm & (leg > 0.12)
    coords = _around(piece.rest, body.points["pelvis"], body.points["neck"], 0.15)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        here = piece.rest[:, 0] * sign > 0
        at = {name: body.points[f"{side}_{name}"] for name in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")}
        for mask, start, end, radius in (
            (on_arm & (arm < 1), "shoulder", "elbow", 0.05), (on_arm & (arm >= 1), "elbow", "wrist", 0.05),
            (on_leg & (leg < 1), "hip", "knee", 0.075), (on_leg & (leg >= 1), "knee", "ankle", 0.075),
        ):  # fmt: skip
            rows = np.flatnonzero(mask & here)
            coords[rows] = _around(piece.rest[rows], at[start], at[end], radius)
            if start in ("elbow", "knee"):  # measured on from the joint above
                above = at["shoulder" if start == "elbow" else "hip"]
                coords[rows, 1] += np.linalg.norm(at[start] - above)
    return coords.astype(np.float32)


def _around(rest: np.ndarray, start: np.ndarray, end: np.ndarray, radius: float) -> np.ndarray:
    """[N, 3]: folded way around the line start-end at `radius`, way along it, distance from it."""
    axis = (end - start) / np.linalg.norm(end - start)
    front = np.array([0.0, 0.0, 1.0])
    front = front - axis * (front @ axis)
    front /= np.linalg.norm(front)
    away = rest - start
    along = away @ axis
    away = away - along[:, None] * axis
    angle = np.arctan2(np.abs(away @ np.cross(axis, front)), away @ front)
    return np.stack([radius * angle, along, np.linalg.norm(away, axis=1)], axis=1)


def _axis_push(rest: np.ndarray, start: np.ndarray, end: np.ndarray, amount: np.ndarray) -> np.ndarray:
    """Offsets [N, 3] of `amount` [N] metres away from the line start-end."""
    bone = end - start
    t = ((rest - start) @ bone / (bone @ bone))[:, None]
    away = rest - start - t * bone
    away /= np.linalg.norm(away, axis=1, keepdims=True).clip(1e-6)
    return away * amount[:, None]


def _widened(body: Body, piece: Piece, names: tuple[str, str, str], along: np.ndarray, amount: np.ndarray) -> Piece:
    """Push vertices away from both bones of each limb; `along` [N] counts the limb's joints, `amount` [N] metres."""
    offset = np.zeros_like(piece.rest)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        joints = [body.points[f"{side}_{name}"] for name in names]
        own = amount * (piece.rest[:, 0] * sign > 0)
        for k in (0, 1):
            here = np.clip(1.5 - np.abs(along - k - 0.5) * 1.6, 0, 1)
            offset += _axis_push(piece.rest, joints[k], joints[k + 1], own * here)
    return replace(piece, rest=(piece.rest + offset).astype(np.float32))


def _widened_sleeves(body: Body, sizes: Measures, piece: Piece, width: float) -> Piece:
    amount = width * piece.follow(sizes.arm_share)
    return _widened(body, piece, ("shoulder", "elbow", "wrist"), piece.follow(sizes.arm), amount)


def _widened_legs(body: Body, sizes: Measures, piece: Piece, width: float) -> Piece:
    """From the thigh down, most at the ankle, as straight-cut trousers are."""
    leg = piece.follow(sizes.leg)
    return _widened(body, piece, ("hip", "knee", "ankle"), leg, width * np.clip((leg - 0.15) / 1.2, 0, 1.2))
