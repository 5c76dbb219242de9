"""One part of a dressed person: a cut surface and how it looks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .body import Body
from .materials import MaterialSpec
from .tailor import Piece


@dataclass(frozen=True)
class Part:
    """A surface with its look; N vertices, F triangles.

    colours [N, 3] linear, multiplied with the material's; coords [N, 3] where patterns are evaluated; openness [N]
    share of the sky in 0..1; special: faces [F] bool that wear a second material.
    """

    piece: Piece
    material: MaterialSpec
    colours: np.ndarray
    coords: np.ndarray
    openness: np.ndarray
    special: tuple[MaterialSpec, np.ndarray] | None = None


def part(
    body: Body, piece: Piece, material: MaterialSpec, colours: np.ndarray | None = None,
    coords: np.ndarray | None = None, hollow: float = 0.5, special: tuple[MaterialSpec, np.ndarray] | None = None,
) -> Part:  # fmt: skip
    """A part with white paint and rest positions as pattern coordinates unless given.

    hollow: how much of the skin's own shading in hollows shows (1 on skin, less through cloth, 0 on hair).
    """
    free = 1.0 - hollow * (1.0 - piece.follow(body.asset.masks["open"])) if hollow else np.ones(len(piece.rest))
    return Part(
        piece, material,
        colours=np.ones_like(piece.rest) if colours is None else colours,
        coords=piece.rest if coords is None else coords,
        openness=0.2 + 0.8 * free, special=special,
    )  # fmt: skip
