"""Camera prompts in the manifest: plain JSON there, the prompt object here."""

from __future__ import annotations

from typing import Any

from threedimo_core.camera_language import CameraPrompt, Move, MoveKind, Speed, View


def prompt_to_json(prompt: CameraPrompt) -> dict[str, Any]:
    """A camera prompt as plain values; `prompt_from_json` gives the same prompt back."""
    view = prompt.view
    return {
        "view": None
        if view is None
        else {"azimuth": view.azimuth, "elevation": view.elevation, "framing": view.framing},
        "moves": [{"kind": str(move.kind), "speed": str(move.speed), "angle": move.angle} for move in prompt.moves],
    }


def prompt_from_json(value: dict[str, Any]) -> CameraPrompt:
    """The prompt of a manifest line. ValueError when a name is not in the vocabulary."""
    view = None if value["view"] is None else View(**value["view"])
    moves = tuple(Move(MoveKind(move["kind"]), Speed(move["speed"]), move["angle"]) for move in value["moves"])
    return CameraPrompt(view, moves)
