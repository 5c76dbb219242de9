"""What a person looks like: skin, face, hair, clothes, shoes, drawn at random and sewn into one mesh.

Nothing here depends on the motion. The mesh is in the body's rest pose with the body's own bones, so it is posed by
the same matrices (`PosedBody.bones`). Skin under clothes is left out, so that it can never poke through.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .body import Body
from .garments import Garment, sample_outfit
from .hair import sample_hair
from .materials import FACE, MaterialSpec, eye_material, face_material, sample_palette, skin_colours, skin_material
from .measures import Measures, measure
from .tailor import Piece, cut, vertex_normals

_HIDDEN_MARGIN = 0.035  # in the units of the cutting fields: skin goes on a little way under every hem


@dataclass(frozen=True)
class DressedMesh:
    """N vertices, F triangles, rest pose.

    rest, normals, colours (linear, 0..1), coords (where patterns are evaluated) [N, 3]; occlusion [N] in 0..1
    (1: open); skin_bones, skin_weights [N, 8]; faces [F, 3]; face_material [F] indexes Appearance.materials.
    """

    rest: np.ndarray
    normals: np.ndarray
    skin_bones: np.ndarray
    skin_weights: np.ndarray
    colours: np.ndarray
    coords: np.ndarray
    occlusion: np.ndarray
    faces: np.ndarray
    face_material: np.ndarray


@dataclass(frozen=True)
class Appearance:
    """A dressed person. `summary` names what was drawn (for the manifest and for people)."""

    mesh: DressedMesh
    materials: tuple[MaterialSpec, ...]
    summary: dict[str, str]


def sample_appearance(rng: np.random.Generator, body: Body) -> Appearance:
    """Draw skin, hair, clothes and shoes for a body."""
    sizes = measure(body)
    palette = sample_palette(rng)
    outfit = sample_outfit(rng, body, sizes)
    hair = sample_hair(rng, body, sizes, palette)
    covered = np.max([garment.cover for garment in outfit], axis=0)
    parts = [_skin(body, sizes, palette, covered), _eyes(body, palette)]
    parts += [_cloth(body, garment) for garment in outfit]
    parts += [_Part(piece.piece, piece.colours, piece.coords, piece.material, None) for piece in hair.pieces]
    summary = {"hair": hair.name, **{garment.slot: garment.name for garment in outfit}}
    return _sew(body, parts, summary)


@dataclass(frozen=True)
class _Part:
    """A piece with its look. materials: one for all faces, or (first, second) with `second_where` [F] bool."""

    piece: Piece
    colours: np.ndarray
    coords: np.ndarray
    material: MaterialSpec
    other: tuple[MaterialSpec, np.ndarray] | None


def _skin(body: Body, sizes: Measures, palette: object, covered: np.ndarray) -> _Part:
    faces = body.asset.faces["skin"]
    hidden = (covered[faces] > _HIDDEN_MARGIN).all(axis=1)
    piece = cut(body, faces[~hidden], np.ones(len(covered)))
    head = body.asset.region == 1
    coords = np.where(head[:, None], sizes.head, body.rest_vertices)
    on_face = head[piece.first][piece.faces].all(axis=1)
    return _Part(piece, piece.follow(skin_colours(body, sizes, palette)), piece.follow(coords), skin_material(palette),
                 (face_material(palette), on_face))


def _eyes(body: Body, palette: object) -> _Part:
    piece = cut(body, body.asset.faces["eyes"], np.ones(len(body.rest_vertices)))
    centres = np.where(piece.rest[:, :1] > 0, body.points["left_eye"], body.points["right_eye"])
    return _Part(piece, np.ones_like(piece.rest), piece.rest - centres, eye_material(palette), None)


def _cloth(body: Body, garment: Garment) -> _Part:
    return _Part(garment.piece, garment.colours, garment.coords, garment.material, None)


def _sew(body: Body, parts: list[_Part], summary: dict[str, str]) -> Appearance:
    materials: list[MaterialSpec] = []
    columns: dict[str, list[np.ndarray]] = {name: [] for name in
                                            ("rest", "normals", "colours", "coords", "weights", "faces", "material")}
    first = 0
    for part in parts:
        piece = part.piece
        index = np.full(len(piece.faces), len(materials))
        materials.append(part.material)
        if part.other is not None:
            index[part.other[1]] = len(materials)
            materials.append(part.other[0])
        columns["rest"].append(piece.rest)
        columns["normals"].append(vertex_normals(piece.rest, piece.faces))
        columns["colours"].append(part.colours)
        columns["coords"].append(part.coords)
        columns["faces"].append(piece.faces + first)
        columns["material"].append(index)
        first += len(piece.rest)
    bones, weights = _weights(body, [part.piece for part in parts])
    joined = {name: np.concatenate(value) for name, value in columns.items() if value}
    single = {name: np.ascontiguousarray(joined[name], np.float32) for name in ("rest", "normals", "colours", "coords")}
    mesh = DressedMesh(
        **single, skin_bones=bones, skin_weights=weights, faces=joined["faces"], face_material=joined["material"],
        occlusion=np.ones(first, np.float32),
    )  # fmt: skip
    return Appearance(mesh, tuple(materials), summary)


def _weights(body: Body, pieces: list[Piece]) -> tuple[np.ndarray, np.ndarray]:
    """Eight bones a vertex [N, 8] for all pieces; vertices on cut edges mix both ends."""
    asset = body.asset
    first = np.concatenate([piece.first for piece in pieces])
    second = np.concatenate([piece.second for piece in pieces])
    share = np.concatenate([piece.share for piece in pieces])
    bones, weights = asset.skin_bones[first].copy(), asset.skin_weights[first].copy()
    mixed = np.flatnonzero(first != second)
    dense = np.zeros((len(mixed), len(asset.bone_names)), np.float32)
    rows = np.arange(len(mixed))[:, None]
    for ends, part in ((first[mixed], 1 - share[mixed]), (second[mixed], share[mixed])):
        np.add.at(dense, (rows, asset.skin_bones[ends]), asset.skin_weights[ends] * part[:, None])
    best = np.argsort(-dense, axis=1, kind="stable")[:, :8]
    chosen = np.take_along_axis(dense, best, axis=1)
    bones[mixed], weights[mixed] = best, chosen / chosen.sum(axis=1, keepdims=True)
    return bones, weights
