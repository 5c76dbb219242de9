"""Mesh surgery for clothes and hair: cut a surface along a smooth line, lift it, smooth it.

A piece is cut from one of the body's layers by a field on its vertices (positive inside). Triangles that the zero
line crosses are split, so hems are straight lines and not steps. Every vertex of a piece lies on an edge of the layer:
`at = (1 - t) * layer[first] + t * layer[second]`; rest position, skinning weights and all else follow from that.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from .body import Body


@dataclass(frozen=True)
class Piece:
    """A cut surface. N vertices given as points on edges of the body's vertex list; F triangles; `rest` [N, 3]."""

    first: np.ndarray  # [N] int
    second: np.ndarray  # [N] int
    share: np.ndarray  # [N] float32
    faces: np.ndarray  # [F, 3] int
    rest: np.ndarray  # [N, 3] float32, already lifted and smoothed

    def follow(self, values: np.ndarray) -> np.ndarray:
        """Per-vertex values of the body [V, ...] at the piece's vertices [N, ...]."""
        share = self.share.reshape(-1, *([1] * (values.ndim - 1)))
        return (1 - share) * values[self.first] + share * values[self.second]


def cut(body: Body, faces: np.ndarray, field: np.ndarray) -> Piece:
    """The part of a layer (faces [F, 3]) where field [V] is positive."""
    inside = field > 0
    count = inside[faces].sum(axis=1)
    whole = faces[count == 3]
    one = _rotate(faces[count == 1], inside, lonely=True)
    two = _rotate(faces[count == 2], inside, lonely=False)
    edges = np.concatenate([one[:, [0, 1]], one[:, [0, 2]], two[:, [0, 1]], two[:, [0, 2]]])
    low, high = edges.min(axis=1), edges.max(axis=1)
    key, back = np.unique(low * len(field) + high, return_inverse=True)
    old = used_vertices(np.concatenate([whole.reshape(-1), one[:, 0], two[:, 1:].reshape(-1)]), len(field))
    number = np.full(len(field), -1)
    number[old] = np.arange(len(old))
    on_edge = len(old) + back.reshape(-1)
    a, b = len(one), len(two)
    cut_one = np.stack([number[one[:, 0]], on_edge[:a], on_edge[a : 2 * a]], axis=1)
    p, q = on_edge[2 * a : 2 * a + b], on_edge[2 * a + b :]
    second_corner, third_corner = number[two[:, 1]], number[two[:, 2]]
    cut_two = np.concatenate([np.stack([p, second_corner, third_corner], 1), np.stack([p, third_corner, q], 1)])
    new_low, new_high = key // len(field), key % len(field)
    share = field[new_low] / (field[new_low] - field[new_high])
    first = np.concatenate([old, new_low])
    second = np.concatenate([old, new_high])
    shares = np.concatenate([np.zeros(len(old)), share]).astype(np.float32)
    piece = Piece(first, second, shares, np.concatenate([number[whole], cut_one, cut_two]), np.zeros(0))
    return replace(piece, rest=piece.follow(body.rest_vertices).astype(np.float32))


def used_vertices(indices: np.ndarray, count: int) -> np.ndarray:
    """Sorted distinct indices below `count`; far quicker than sorting them."""
    return np.flatnonzero(np.bincount(indices.reshape(-1), minlength=count))


def _rotate(faces: np.ndarray, inside: np.ndarray, lonely: bool) -> np.ndarray:
    """Turn each triangle so that its first corner is the only one inside (lonely) or the only one outside."""
    odd = (inside[faces] == lonely).argmax(axis=1)
    return np.take_along_axis(faces, (odd[:, None] + np.arange(3)) % 3, axis=1)


def vertex_normals(points: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Area-weighted normals [N, 3]; vertices without faces get zero."""
    corners = points[faces]
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    out = np.stack(
        [np.bincount(faces.reshape(-1), np.repeat(cross[:, axis], 3), len(points)) for axis in range(3)], axis=1
    )
    return out / np.linalg.norm(out, axis=1, keepdims=True).clip(1e-12)


def neighbour_mean(faces: np.ndarray, count: int) -> sparse.csr_matrix:
    """[N, N]: rows that average a vertex's neighbours (and the vertex itself, once)."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    edges = np.concatenate([edges, edges[:, ::-1]])
    ones = sparse.csr_matrix((np.ones(len(edges), np.float32), (edges[:, 0], edges[:, 1])), shape=(count, count))
    ones.data[:] = 1.0
    ones = ones + sparse.identity(count, dtype=np.float32, format="csr")
    return sparse.diags(1.0 / np.asarray(ones.sum(axis=1)).reshape(-1)).dot(ones).tocsr().astype(np.float32)


def rim(faces: np.ndarray, count: int) -> np.ndarray:
    """[N] bool: vertices on an open edge."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    edges = np.stack([edges.min(axis=1), edges.max(axis=1)], axis=1)
    key = np.sort(edges[:, 0] * count + edges[:, 1])
    new = np.concatenate([[True], key[1:] != key[:-1], [True]])
    open_edges = key[new[:-1] & new[1:]]  # edges of one triangle only
    on_rim = np.zeros(count, bool)
    on_rim[open_edges // count] = True
    on_rim[open_edges % count] = True
    return on_rim


def drape(piece: Piece, lift: np.ndarray | float, passes: int) -> Piece:
    """Lift along the normal by `lift` metres ([N] or one number) and smooth what lies between the hems.

    Smoothing shrinks; what a vertex lost along its normal is given back, so that cloth bridges hollows but never
    sinks into the skin.
    """
    normals = vertex_normals(piece.rest, piece.faces)
    base = piece.rest
    smooth = base.copy()
    if passes:
        mean = neighbour_mean(piece.faces, len(base))
        fixed = rim(piece.faces, len(base))
        for _ in range(passes):
            step = mean @ smooth
            step[fixed] = smooth[fixed]
            smooth = step
        sunk = np.maximum(((base - smooth) * normals).sum(1), 0.0)
        for _ in range(3):  # spread what is given back, or every dent would come back with it
            sunk = np.maximum(mean @ sunk, sunk * 0.8)
        smooth = smooth + sunk[:, None] * vertex_normals(smooth, piece.faces)
        normals = vertex_normals(smooth, piece.faces)
    amount = np.broadcast_to(np.asarray(lift, np.float32), (len(base),))[:, None]
    return replace(piece, rest=(smooth + amount * normals).astype(np.float32))


def ellipsoid_grid(rings: int, sectors: int) -> tuple[np.ndarray, np.ndarray]:
    """Unit directions [rings * sectors, 3] (poles on y) and triangles [F, 3] that face outwards."""
    polar, around = np.meshgrid(
        np.linspace(0, np.pi, rings), np.linspace(0, 2 * np.pi, sectors, endpoint=False), indexing="ij"
    )
    unit = np.stack([np.sin(polar) * np.cos(around), np.cos(polar), np.sin(polar) * np.sin(around)], -1)
    index = np.arange(rings * sectors).reshape(rings, sectors)
    right = np.roll(index, -1, axis=1)
    a, b, c, d = index[:-1], index[1:], right[:-1], right[1:]
    faces = np.concatenate([np.stack([a, c, b], -1).reshape(-1, 3), np.stack([c, d, b], -1).reshape(-1, 3)])
    return unit.reshape(-1, 3), faces
