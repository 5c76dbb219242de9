"""What each move does, in a sentence, and the report on a parsed text for the CLI and the nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .prompt import MAX_ANGLE, CameraPrompt, Move, MoveKind, Speed, View
from .writing import write, write_angle

if TYPE_CHECKING:
    from .parsing import ParsedPrompt

_K = MoveKind
MEANINGS: dict[MoveKind, str] = {
    _K.STATIC: "the camera stands still",
    _K.HANDHELD_STATIC: "the camera stays where it is, held by a hand that shakes a little",
    _K.MOVE_FORWARD: "travels along its viewing direction without turning; distance shrinks",
    _K.MOVE_BACK: "travels against its viewing direction without turning; distance grows",
    _K.MOVE_LEFT: "travels to its left without turning; the person drifts to the right in the picture",
    _K.MOVE_RIGHT: "travels to its right without turning; the person drifts to the left in the picture",
    _K.MOVE_UP: "travels up without turning; the person sinks in the picture",
    _K.MOVE_DOWN: "travels down without turning; the person rises in the picture",
    _K.ZOOM_IN: "the focal length grows, the camera stands",
    _K.ZOOM_OUT: "the focal length shrinks, the camera stands",
    _K.RAPID_ZOOM_IN: "a sudden zoom in, done early in the clip",
    _K.RAPID_ZOOM_OUT: "a sudden zoom out, done early in the clip",
    _K.HANDHELD_ZOOM_IN: "zooms in, held by a hand that shakes a little",
    _K.AERIAL_PULL_OUT: "rises and moves back while it keeps looking at the person; distance and elevation grow",
    _K.VERTIGO_IN: "travels in while zooming out: the person keeps their size, the background recedes",
    _K.VERTIGO_OUT: "travels back while zooming in: the person keeps their size, the background comes closer",
    _K.DYNAMIC_ZOOM_SWING: "swings to and fro around the person while it zooms in and out again",
    _K.ARC_LEFT: "travels to its left around the person and keeps looking at them; azimuth falls",
    _K.ARC_RIGHT: "travels to its right around the person and keeps looking at them; azimuth grows",
    _K.ORBIT_LEFT: "a full circle to its left around the person, or the given angle; azimuth falls",
    _K.ORBIT_RIGHT: "a full circle to its right around the person, or the given angle; azimuth grows",
    _K.PAN_LEFT: "turns to its left on the spot; the person drifts to the right in the picture",
    _K.PAN_RIGHT: "turns to its right on the spot; the person drifts to the left in the picture",
    _K.TILT_UP: "turns up on the spot; the person sinks in the picture",
    _K.TILT_DOWN: "turns down on the spot; the person rises in the picture",
    _K.RISE: "travels up and keeps looking at the person; elevation grows",
    _K.DESCEND: "travels down and keeps looking at the person; elevation falls",
}


def describe_move(move: Move) -> str:
    """A move in short: "arc right, 45 degrees, slow"."""
    parts = [move.kind.label]
    if move.angle is not None:
        parts.append(f"{write_angle(move.angle)} degrees")
    if move.speed is not Speed.NORMAL:
        parts.append(move.speed.value)
    return ", ".join(parts)


def describe_view(view: View) -> str:
    """A view in short, with its degrees: "front-right (azimuth -45 degrees), low angle"."""
    parts = []
    if view.azimuth_degrees is not None:
        parts.append(f"{view.azimuth} (azimuth {view.azimuth_degrees:+g} degrees)")
    return ", ".join(parts + [part for part in (view.elevation, view.framing) if part is not None])


def describe(parsed: ParsedPrompt | CameraPrompt) -> str:
    """The report for people, one fact a line: view, moves, the sentence it amounts to, and what was not
    understood."""
    prompt = parsed if isinstance(parsed, CameraPrompt) else parsed.prompt
    lines = [f"View: {describe_view(prompt.view) if prompt.view else 'as in the reference image'}"]
    for move in prompt.moves:
        lines.append(f"Camera: {describe_move(move)} - {MEANINGS[move.kind]}")
    if not prompt.moves:
        lines.append("Camera: no move named, so it stays static")
    if write(prompt):
        lines.append(f"In short: {write(prompt)}")
    if not isinstance(parsed, CameraPrompt):
        lines += [f"Note: {note}" for note in parsed.notes]
        lines += [f"Not understood: {misfit}" for misfit in parsed.not_understood]
    return "\n".join(lines)


def takes_angle(kind: MoveKind) -> str:
    """ "up to 180" or "" for the table of phrases."""
    return f"up to {MAX_ANGLE[kind]:g}" if kind in MAX_ANGLE else ""
