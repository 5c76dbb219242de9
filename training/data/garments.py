"""Clothes and shoes cut from the body's layers.

A garment has a cutting field on all vertices (positive where it covers), in units of the body's measures, so hems and
necklines fall alike on every body. Cloth is lifted 8-14 mm off the skin and smoothed, sleeves and trouser legs are
widened away from the limb's axis; shoes are swollen to the convex hull of the foot.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial import ConvexHull

from .body import Body
from .materials import SHOE, MaterialSpec, sample_cloth
from .measures import Measures
from .tailor import Piece, cut, drape

_FAR = 10.0


@dataclass(frozen=True)
class Garment:
    """A piece of clothing. cover [V]: the cutting field on the skin (positive under it)."""

    slot: str
    name: str
    piece: Piece
    cover: np.ndarray
    material: MaterialSpec
    colours: np.ndarray
    coords: np.ndarray


def sample_outfit(rng: np.random.Generator, body: Body, sizes: Measures) -> list[Garment]:
    """A top, something for the legs and shoes; or a dress and shoes."""
    if body.is_female and rng.random() < 0.2:
        return [_dress(rng, body, sizes, part) for part in ("top", "skirt")] + [_shoes(rng, body, sizes)]
    lower_names = ["trousers", "trousers", "slim", "leggings", "shorts"] + ["skirt"] * body.is_female
    lower = _lower(rng, body, sizes, str(rng.choice(lower_names)))
    upper_names = ["t-shirt", "t-shirt", "long", "long", "loose", "tank"]
    upper = _upper(rng, body, sizes, str(rng.choice(upper_names)))
    return [lower, upper, _shoes(rng, body, sizes)]


def _body_only(body: Body) -> np.ndarray:
    """[V] 0 where cloth may lie, strongly negative on head, hands and feet."""
    return np.where(np.isin(body.asset.region, (0, 4, 5)), 0.0, -0.0)


def _neckline(sizes: Measures, depth: float) -> np.ndarray:
    """Torso height of the neckline: lower in front, and open around the neck."""
    front = np.clip(sizes.head[:, 2] * 0.25 + 0.6, -0.2, 1.0)
    return 1.0 - 0.02 - depth * np.clip(front, 0, 1)


def _upper(rng: np.random.Generator, body: Body, sizes: Measures, name: str) -> Garment:
    sleeve = {"t-shirt": rng.uniform(0.45, 0.85), "long": rng.uniform(1.7, 1.93), "loose": rng.uniform(1.5, 1.93),
              "tank": 0.02}[name]
    lift, width = {"t-shirt": (0.011, 0.012), "long": (0.010, 0.008), "loose": (0.016, 0.022),
                   "tank": (0.009, 0.0)}[name]
    hem = rng.uniform(-0.28, 0.05)
    field = _top_field(sizes, hem, sleeve, rng.uniform(0.0, 0.12), tank=name == "tank")
    piece = _sleeves(body, sizes, cut(body, body.asset.faces["skin"], field), width)
    piece = drape(piece, lift, passes=12)
    return _finish(rng, body, "top", name, piece, field)


def _top_field(sizes: Measures, hem: float, sleeve: float, neck: float, tank: bool) -> np.ndarray:
    up = sizes.torso - hem
    down = (_neckline(sizes, neck) - sizes.torso) * 1.0
    arm = np.where(sizes.arm_share > 0.02, sleeve - sizes.arm, _FAR)
    on_arm = sizes.arm_share > 0.5
    up = np.where(on_arm, _FAR, up)
    down = np.where(on_arm, _FAR, down)
    if tank:
        arm = np.where(sizes.arm_share > 0.02, 0.25 - sizes.arm_share, _FAR) * 0.3
    return np.minimum(np.minimum(up, down), arm)


def _lower(rng: np.random.Generator, body: Body, sizes: Measures, name: str) -> Garment:
    waist = rng.uniform(0.12, 0.28)
    end = {"trousers": rng.uniform(1.85, 2.02), "slim": rng.uniform(1.75, 1.98), "leggings": rng.uniform(1.6, 1.95),
           "shorts": rng.uniform(0.45, 0.95), "skirt": rng.uniform(0.5, 1.3)}[name]
    not_arm = np.where(sizes.arm_share > 0.02, -_FAR, _FAR)
    field = np.minimum(np.minimum(waist - sizes.torso, end - sizes.leg), not_arm)
    if name == "skirt":
        return _skirt(rng, body, sizes, waist, end)
    piece = cut(body, body.asset.faces["skin"], field)
    piece = _legs(body, sizes, piece, {"trousers": rng.uniform(0.02, 0.045), "slim": 0.008, "leggings": 0.0,
                                       "shorts": rng.uniform(0.02, 0.045)}[name])
    piece = drape(piece, 0.004 if name == "leggings" else 0.007, passes=3 if name == "leggings" else 10)
    return _finish(rng, body, "legs", name, piece, field)


def _skirt(rng: np.random.Generator, body: Body, sizes: Measures, waist: float, end: float) -> Garment:
    field = np.minimum(waist - sizes.torso, end - sizes.leg)
    piece = drape(cut(body, body.asset.faces["skirt"], field), 0.004, passes=2)
    # The skin stays under a skirt: one sees the legs from below its hem.
    return _finish(rng, body, "legs", "skirt", piece, np.full(len(field), -1.0))


def _dress(rng: np.random.Generator, body: Body, sizes: Measures, part: str) -> Garment:
    if part == "top":
        field = _top_field(sizes, 0.1, rng.uniform(0.1, 1.2), rng.uniform(0.02, 0.12), tank=False)
        piece = drape(cut(body, body.asset.faces["skin"], field), 0.009, passes=12)
        return _finish(rng, body, "top", "dress", piece, field)
    return _skirt(rng, body, sizes, 0.25, rng.uniform(0.7, 1.8))


def _finish(
    rng: np.random.Generator, body: Body, slot: str, name: str, piece: Piece, cover: np.ndarray, shoe: bool = False
) -> Garment:
    material = sample_cloth(rng, patterned=0.25 if slot == "legs" else 0.55)
    return Garment(slot, name, piece, cover, material, np.ones_like(piece.rest), _unrolled(body, piece))


def _unrolled(body: Body, piece: Piece) -> np.ndarray:
    """Pattern coordinates: the rest position, so prints stay on the cloth."""
    return piece.rest.copy()


def _axis_push(piece: Piece, start: np.ndarray, end: np.ndarray, mask: np.ndarray, amount: np.ndarray) -> np.ndarray:
    """Offsets [N, 3] away from the line start-end where mask [N] > 0, `amount` [N] metres."""
    bone = end - start
    t = ((piece.rest - start) @ bone / (bone @ bone))[:, None]
    away = piece.rest - start - t * bone
    away /= np.linalg.norm(away, axis=1, keepdims=True).clip(1e-6)
    return away * (mask * amount)[:, None]


def _sleeves(body: Body, sizes: Measures, piece: Piece, width: float) -> Piece:
    if width == 0:
        return piece
    arm, share = piece.follow(sizes.arm), piece.follow(sizes.arm_share)
    offset = np.zeros_like(piece.rest)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        joints = [body.points[f"{side}_{name}"] for name in ("shoulder", "elbow", "wrist")]
        own = share * (piece.follow(sizes.side) * sign > 0)
        for k in (0, 1):
            here = np.clip(1.5 - np.abs(arm - k - 0.5) * 1.6, 0, 1)
            offset += _axis_push(piece, joints[k], joints[k + 1], own * here, np.full(len(arm), width))
    return replace(piece, rest=(piece.rest + offset).astype(np.float32))


def _legs(body: Body, sizes: Measures, piece: Piece, width: float) -> Piece:
    """Widen from the thigh down: most at the ankle, as straight-cut trousers are."""
    if width == 0:
        return piece
    leg = piece.follow(sizes.leg)
    offset = np.zeros_like(piece.rest)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        joints = [body.points[f"{side}_{name}"] for name in ("hip", "knee", "ankle")]
        own = (piece.rest[:, 0] * sign > 0).astype(np.float32)
        for k in (0, 1):
            here = np.clip(1.5 - np.abs(leg - k - 0.5) * 1.6, 0, 1)
            amount = width * np.clip((leg - 0.15) / 1.2, 0, 1.2)
            offset += _axis_push(piece, joints[k], joints[k + 1], own * here, amount)
    return replace(piece, rest=(piece.rest + offset).astype(np.float32))


def _shoes(rng: np.random.Generator, body: Body, sizes: Measures) -> Garment:
    """Both feet swollen to their hulls; the sole is darker and flat."""
    top = rng.choice([2.02, 1.95, 1.85], p=[0.5, 0.3, 0.2])
    field = np.where(sizes.arm_share > 0.02, -_FAR, sizes.leg - top)
    piece = cut(body, body.asset.faces["skin"], field)
    rest = piece.rest.copy()
    for sign in (1.0, -1.0):
        foot = rest[:, 0] * sign > 0
        rest[foot] = _swollen(rest[foot], float(rng.uniform(0.004, 0.008)) if sign > 0 else 0.006)
    piece = drape(replace(piece, rest=rest), 0.002, passes=2)
    low = piece.rest[:, 1].min()
    sole = np.clip((low + 0.022 - piece.rest[:, 1]) / 0.004, 0, 1)[:, None]
    upper, under = np.ones(3), rng.choice([0.15, 1.0, 2.5]) * np.ones(3)
    material = sample_cloth(rng, SHOE, patterned=0.0)
    return Garment("shoes", "shoes", piece, field, material, upper * (1 - sole) + under * sole, piece.rest.copy())


def _swollen(foot: np.ndarray, gap: float) -> np.ndarray:
    """Vertices of one foot moved out to its convex hull (kept below the ankle) plus a gap."""
    ankle = foot[:, 1].max()
    low = foot[:, 1] < ankle - 0.02
    hull = ConvexHull(foot[low])
    normals, limits = hull.equations[:, :3], -hull.equations[:, 3]
    centre_line = foot[low].mean(axis=0)
    centre = np.stack([np.full(len(foot), centre_line[0]), np.full(len(foot), foot[low][:, 1].min() + 0.03),
                       np.clip(foot[:, 2], foot[low][:, 2].min() + 0.05, foot[low][:, 2].max() - 0.05)], axis=1)
    away = foot - centre
    length = np.linalg.norm(away, axis=1, keepdims=True).clip(1e-6)
    away /= length
    facing = away @ normals.T
    reach = np.where(facing > 1e-6, (limits - centre @ normals.T) / np.maximum(facing, 1e-6), np.inf).min(axis=1)
    blend = np.clip((ankle - 0.01 - foot[:, 1]) / 0.03, 0, 1)[:, None]
    target = centre + away * (reach[:, None] + gap)
    return (foot * (1 - blend) + target * blend).astype(np.float32)
