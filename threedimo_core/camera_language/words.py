"""The words of the language, for a word-level tokenizer: small, closed, numbers as words of their own."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from .lexicon import tokens_of
from .phrases import (
    AZIMUTH_PHRASES,
    ELEVATION_PHRASES,
    FRAMING_PHRASES,
    MOVE_PHRASES,
    SPEED_WORDS,
    VERB_FORMS,
)
from .prompt import AZIMUTH_DEGREES, MAX_ANGLE
from .writing import WORDINGS, write_angle

# Angles with a word of their own: every 5 degrees to a half circle, every 15 degrees beyond.
ANGLES: tuple[float, ...] = tuple(float(a) for a in (*range(5, 181, 5), *range(195, 361, 15)))


def tokenize_words(text: str) -> list[str]:
    """Lower-case words and numbers of a text; hyphens and punctuation only separate ("22.5" is one number)."""
    return [token for token in tokens_of(text) if token[-1].isalnum()]


@cache
def vocabulary() -> list[str]:
    """Every word and number that `write` can emit with angles of ANGLES: first words, sorted, then numbers."""
    words = {word for text in _texts() for word in tokenize_words(text)}
    return sorted(words) + [write_angle(angle) for angle in ANGLES]


def nearest_angle(angle: float) -> float:
    """The angle of ANGLES nearest to `angle` (degrees)."""
    return min(ANGLES, key=lambda known: abs(known - angle))


def _texts() -> Iterator[str]:
    for wordings in (*MOVE_PHRASES.values(), *SPEED_WORDS.values()):
        yield from wordings
    for forms in VERB_FORMS.values():
        yield from forms
    for wordings in (*ELEVATION_PHRASES.values(), *FRAMING_PHRASES.values()):
        yield from wordings
    for shape in AZIMUTH_PHRASES:
        yield from (shape.format(azimuth) for azimuth in AZIMUTH_DEGREES)
    for wording in WORDINGS:
        yield wording.lead + wording.joiner + wording.angle.format("")


assert max(MAX_ANGLE.values()) <= ANGLES[-1], "every angle needs a word"
