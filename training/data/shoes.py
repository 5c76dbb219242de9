"""Shoes, socks and boots.

A foot with toes makes a poor shoe, so a shoe is a new surface: a grid of rays from inside the foot to its convex hull.
Every vertex is tied to the nearest vertex of the foot and moves with it.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial import ConvexHull, cKDTree

from .body import Body
from .materials import SHOE, sample_cloth
from .measures import Measures
from .parts import Part, part
from .tailor import Piece, cut, drape, ellipsoid_grid, neighbour_mean

_RINGS, _SECTORS = 22, 26
_SOLE = 0.022  # metres


def sample_shoes(rng: np.random.Generator, body: Body, sizes: Measures) -> list[tuple[str, str, Part, np.ndarray]]:
    """(slot, name, part, cover) of both shoes and, mostly, socks or boot legs."""
    below = np.where(sizes.arm_share > 0.02, -1.0, sizes.leg - 1.96)
    leather = sample_cloth(rng, SHOE, patterned=0.0)
    gap, shade = float(rng.uniform(0.003, 0.008)), float(rng.choice([0.15, 1.0, 2.5]))
    pieces = [_shoe(body, below, sign, gap) for sign in (1.0, -1.0)]
    shoes = join(pieces)
    sole = np.clip((shoes.rest[:, 1].min() + _SOLE - shoes.rest[:, 1]) / 0.003, 0, 1)[:, None]
    colours = (1.0 - sole + shade * sole) * np.ones(3)
    out = [("shoes", "shoes", part(body, shoes, leather, colours, hollow=0.0), below)]
    kind = str(rng.choice(["bare", "socks", "boots"], p=[0.35, 0.45, 0.2]))
    if kind != "bare":
        top = rng.uniform(1.3, 1.7) if kind == "boots" else rng.uniform(1.7, 1.9)
        field = np.where(sizes.arm_share > 0.02, -1.0, np.minimum(sizes.leg - top, 2.0 - sizes.leg))
        leg = drape(cut(body, body.asset.faces["skin"], field), 0.006 if kind == "boots" else 0.002, passes=2)
        look = leather if kind == "boots" else sample_cloth(rng, SHOE, patterned=0.3)
        out.append(("ankles", kind, part(body, leg, look, hollow=0.0), np.full(len(field), -1.0)))
    return out


def _shoe(body: Body, below: np.ndarray, sign: float, gap: float) -> Piece:
    """A smooth shell around the foot on one side."""
    skin = body.asset.skin_ids
    ids = skin[(below[skin] > 0) & (body.rest_vertices[skin, 0] * sign > 0)]
    foot = body.rest_vertices[ids]
    hull = ConvexHull(foot[::3])  # a third of the points spans nearly the same hull, far quicker
    normals, limits = hull.equations[:, :3], -hull.equations[:, 3]
    low, high = foot.min(axis=0), foot.max(axis=0)
    centre = 0.5 * (low + high)
    centre[1] = low[1] + 0.035
    unit, faces = ellipsoid_grid(_RINGS, _SECTORS)
    size = high - low
    away = np.stack([unit[:, 0] * size[0], unit[:, 2] * size[1], unit[:, 1] * size[2]], axis=1)  # poles: toe and heel
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    facing, room = away @ normals.T, limits - normals @ centre
    reach = np.where(facing > 1e-6, room / np.maximum(facing, 1e-6), np.inf).min(axis=1)
    rest = centre + away * (reach + gap)[:, None]
    mean = neighbour_mean(faces, len(rest))
    rest = mean @ (mean @ rest)
    for pole in (slice(0, _SECTORS), slice(-_SECTORS, None)):  # the grid's poles are many vertices in one place
        rest[pole] = rest[pole].mean(axis=0)
    rest[:, 1] = np.maximum(rest[:, 1], low[1] - 0.004)
    tied = ids[cKDTree(foot).query(rest)[1]]
    return Piece(tied, tied, np.zeros(len(rest), np.float32), faces[:, ::-1], rest.astype(np.float32))


def join(pieces: list[Piece]) -> Piece:
    """Several pieces as one."""
    starts = np.cumsum([0] + [len(piece.rest) for piece in pieces[:-1]])
    return Piece(
        np.concatenate([piece.first for piece in pieces]), np.concatenate([piece.second for piece in pieces]),
        np.concatenate([piece.share for piece in pieces]),
        np.concatenate([piece.faces + start for piece, start in zip(pieces, starts, strict=True)]),
        np.concatenate([piece.rest for piece in pieces]),
    )  # fmt: skip
