"""From a camera prompt to text, in several wordings."""

from __future__ import annotations

from dataclasses import dataclass

from .phrases import (
    AZIMUTH_PHRASES,
    ELEVATION_PHRASES,
    FRAMING_PHRASES,
    MOVE_PHRASES,
    SPEED_WORDS,
    VERB_FORMS,
)
from .prompt import CameraPrompt, Move, Speed, View


@dataclass(frozen=True)
class Wording:
    """How a sentence about the camera is built: its beginning, the forms of both verbs and where things go."""

    lead: str
    forms: tuple[str, str]
    joiner: str
    clause: str  # of {verb}, {angle}, {speed}
    angle: str
    view: str  # of {view} and {camera}
    speed_word: int


WORDINGS: tuple[Wording, ...] = (
    Wording("The camera ", ("third", "ing"), " while ", "{verb} {angle} {speed}", "{} degrees", "{view}. {camera}.", 0),
    Wording(
        "The camera ", ("third", "third"), " and ", "{speed} {verb} {angle}", "by {} degrees", "{view}. {camera}.", 0
    ),
    Wording("Camera: ", ("base", "base"), " and ", "{verb} {angle} {speed}", "by {} degrees", "{camera}. {view}.", 1),
    Wording("the camera ", ("third", "ing"), " while ", "{speed} {verb} {angle}", "{} degrees", "{view}, {camera}.", 3),
    Wording("", ("base", "base"), ", ", "{verb}, {angle}, {speed}", "{} degrees", "{view}, {camera}", 2),
    Wording(
        "The camera ", ("third", "third"), " as it ", "{verb} {angle} {speed}", "{} degrees", "{camera}. {view}.", 0
    ),
)
NUM_WORDINGS = len(WORDINGS)


def write(prompt: CameraPrompt, wording: int = 0) -> str:
    """The prompt as text, such as "Front-right view. The camera arcs right 45 degrees slowly."

    wording: any integer, taken modulo NUM_WORDINGS; 0 is the plain one that the mini model is asked with. `parse`
    gives the same prompt back from every wording. A prompt without view and moves is the empty text.
    """
    style = WORDINGS[wording % NUM_WORDINGS]
    view = write_view(prompt.view, wording) if prompt.view else ""
    clauses = [_clause(move, style, index, wording) for index, move in enumerate(prompt.moves)]
    camera = style.lead + style.joiner.join(clauses) if clauses else ""
    if view and camera:
        text = style.view.format(view=view, camera=camera)
    else:
        text = f"{view or camera}." if view or camera else ""
    # A sentence begins with a capital wherever the parts ended up.
    return ". ".join(part[:1].upper() + part[1:] for part in text.split(". "))


def write_view(view: View, wording: int = 0) -> str:
    """The view clause alone, without a full stop: "Front-right view, low angle, full body"."""
    parts = []
    if view.azimuth is not None:
        parts.append(pick(AZIMUTH_PHRASES, wording).format(view.azimuth))
    if view.elevation is not None:
        parts.append(pick(ELEVATION_PHRASES[view.elevation], wording))
    if view.framing is not None:
        parts.append(pick(FRAMING_PHRASES[view.framing], wording))
    return ", ".join(parts)


def pick(phrases: tuple[str, ...], wording: int) -> str:
    """The phrase of a wording, round and round where there are fewer phrases than wordings."""
    return phrases[wording % NUM_WORDINGS % len(phrases)]


def inflect(phrase: str, form: str) -> str:
    """A phrase with its first verb as "base" (move up), "third" (moves up) or "ing" (moving up)."""
    if form == "base":
        return phrase
    words = phrase.split(" ")
    index = next(i for i, word in enumerate(words) if word in VERB_FORMS)
    words[index] = VERB_FORMS[words[index]][0 if form == "third" else 1]
    return " ".join(words)


def write_angle(angle: float) -> str:
    """Degrees without needless decimals: 45, 22.5."""
    return f"{angle:g}"


def _clause(move: Move, style: Wording, index: int, wording: int) -> str:
    verb = inflect(pick(MOVE_PHRASES[move.kind], wording), style.forms[index])
    angle = "" if move.angle is None else style.angle.format(write_angle(move.angle))
    speed = "" if move.speed is Speed.NORMAL else SPEED_WORDS[move.speed][style.speed_word]
    text = style.clause.format(verb=verb, angle=angle, speed=speed)
    separator = ", " if ", " in style.clause else " "
    return separator.join(part for part in text.split(separator) if part.strip())
