"""What a person looks like: skin, face, hair, clothes, shoes, drawn at random and sewn into one mesh.

Nothing here depends on the motion. The mesh is in the body's rest pose with the body's own bones, so it is posed by
the same matrices (`PosedBody.bones`). Skin under clothes is left out, so that it can never poke through.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .body import Body
from .garments import sample_outfit
from .hair import sample_hair
from .materials import (
    MaterialSpec,
    Palette,
    eye_material,
    face_material,
    sample_palette,
    skin_colours,
    skin_material,
)
from .measures import Measures, measure
from .parts import Part, part
from .tailor import Piece, cut, vertex_normals

_HIDDEN_MARGIN = 0.035  # in the units of the cutting fields: skin goes on a little way under every hem


@dataclass(frozen=True)
class DressedMesh:
    """N vertices, F triangles, rest pose.

    rest, normals, colours (linear, 0..1), coords (where patterns are evaluated) [N, 3]; openness [N] in 0..1
    (share of the sky a point sees); skin_bones, skin_weights [N, 8]; faces [F, 3]; face_material [F] indexes
    Appearance.materials.
    """

    rest: np.ndarray
    normals: np.ndarray
    skin_bones: np.ndarray
    skin_weights: np.ndarray
    colours: np.ndarray
    coords: np.ndarray
    openness: np.ndarray
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
    parts += [garment.part for garment in outfit] + list(hair.parts)
    summary = {"hair": hair.name, **{garment.slot: garment.name for garment in outfit}}
    materials, mesh = sew(body, parts)
    return Appearance(mesh, materials, summary)


def _skin(body: Body, sizes: Measures, palette: Palette, covered: np.ndarray) -> Part:
    """What clothes leave uncovered; the head has pattern coordinates of its own, for the brows."""
    faces = body.asset.faces["skin"]
    hidden = (covered[faces] > _HIDDEN_MARGIN).all(axis=1)
    piece = cut(body, faces[~hidden], np.ones(len(covered)))
    head = body.asset.region == 1
    coords = np.where(head[:, None], sizes.head, body.rest_vertices)
    on_face = head[piece.first][piece.faces].all(axis=1)
    return part(
        body, piece, skin_material(palette), piece.follow(skin_colours(body, sizes, palette)), piece.follow(coords),
        hollow=1.0, special=(face_material(palette), on_face),
    )  # fmt: skip


def _eyes(body: Body, palette: Palette) -> Part:
    piece = cut(body, body.asset.faces["eyes"], np.ones(len(body.rest_vertices)))
    centres = np.where(piece.rest[:, :1] > 0, body.points["left_eye"], body.points["right_eye"])
    shade = np.full_like(piece.rest, 0.85)  # lids and lashes darken the eyeball
    return part(body, piece, eye_material(palette), colours=shade, coords=piece.rest - centres, hollow=0.0)


def sew(body: Body, parts: list[Part]) -> tuple[tuple[MaterialSpec, ...], DressedMesh]:
    """Join parts into one mesh."""
    materials: list[MaterialSpec] = []
    faces, face_material, first = [], [], 0
    for each in parts:
        index = np.full(len(each.piece.faces), len(materials))
        materials.append(each.material)
        if each.special is not None:
            index[each.special[1]] = len(materials)
            materials.append(each.special[0])
        faces.append(each.piece.faces + first)
        face_material.append(index)
        first += len(each.piece.rest)
    bones, weights = _weights(body, [each.piece for each in parts])

    def joined(values: list[np.ndarray]) -> np.ndarray:
        return np.ascontiguousarray(np.concatenate(values), np.float32)

    mesh = DressedMesh(
        rest=joined([each.piece.rest for each in parts]),
        normals=joined([vertex_normals(each.piece.rest, each.piece.faces) for each in parts]),
        colours=joined([each.colours for each in parts]),
        coords=joined([each.coords for each in parts]),
        openness=joined([each.openness for each in parts]),
        skin_bones=bones, skin_weights=weights,
        faces=np.concatenate(faces), face_material=np.concatenate(face_material),
    )  # fmt: skip
    return tuple(materials), mesh


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
    for ends, amount in ((first[mixed], 1 - share[mixed]), (second[mixed], share[mixed])):
        np.add.at(dense, (rows, asset.skin_bones[ends]), asset.skin_weights[ends] * amount[:, None])
    best = np.argsort(-dense, axis=1, kind="stable")[:, :8]
    chosen = np.take_along_axis(dense, best, axis=1)
    bones[mixed], weights[mixed] = best, chosen / chosen.sum(axis=1, keepdims=True)
    return bones, weights
