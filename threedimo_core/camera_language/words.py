"""The words of the language, for a word-level tokenizer: small, closed, numbers as words of their own."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import permutations

from .lexicon import tokens_of
from .prompt import (
    AZIMUTH_DEGREES,
    ELEVATION_DEGREES,
    FIXED_SPEED,
    FRAMINGS,
    MAX_ANGLE,
    CameraPrompt,
    Move,
    MoveKind,
    Speed,
    View,
    conflict,
)
from .writing import NUM_WORDINGS, write, write_angle, write_view

# Angles with a word of their own: every 5 degrees to a half circle, every 15 degrees beyond.
ANGLES: tuple[float, ...] = tuple(float(a) for a in (*range(5, 181, 5), *range(195, 361, 15)))


def tokenize_words(text: str) -> list[str]:
    """Lower-case words and numbers of a text; hyphens and punctuation only separate ("22.5" is one number)."""
    return [token for token in tokens_of(text) if token[-1].isalnum()]


@cache
def vocabulary() -> list[str]:
    """Every word and number that `write` can emit with angles of ANGLES: sorted words, then numbers."""
    words = {word for text in _texts() for word in tokenize_words(text) if not word[0].isdecimal()}
    return sorted(words) + [write_angle(angle) for angle in ANGLES]


def nearest_angle(angle: float) -> float:
    """The angle of ANGLES nearest to `angle` (degrees)."""
    return min(ANGLES, key=lambda known: abs(known - angle))


def _texts() -> Iterator[str]:
    """Every move alone at every speed, every pair, and every part of a view, in all wordings."""
    single = [Move(kind, speed, MAX_ANGLE.get(kind)) for kind in MoveKind for speed in _speeds(kind)]
    pairs = [(Move(a), Move(b)) for a, b in permutations(MoveKind, 2) if conflict(a, b) is None]
    views = [View(azimuth=name) for name in AZIMUTH_DEGREES]
    views += [View(elevation=name) for name in ELEVATION_DEGREES]
    views += [View(framing=name) for name in FRAMINGS]
    for wording in range(NUM_WORDINGS):
        yield from (write(CameraPrompt(None, (move,)), wording) for move in single)
        yield from (write(CameraPrompt(None, pair), wording) for pair in pairs)
        yield from (write_view(view, wording) for view in views)


def _speeds(kind: MoveKind) -> tuple[Speed, ...]:
    return (Speed.NORMAL,) if kind in FIXED_SPEED else tuple(Speed)


assert max(MAX_ANGLE.values()) <= ANGLES[-1], "every angle needs a word"
