"""Captions by rule, for cameras that stand still: the view from the tracked person, the camera from the background.

A moving camera gets no caption here: which move it is, a vision-language model says (`data caption`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from threedimo_core.camera_language import NUM_WORDINGS, CameraPrompt, Move, MoveKind, View, write

from ..camera_record import prompt_to_json
from .stillness import Stillness

_MOVES = {Stillness.STILL: MoveKind.STATIC, Stillness.HANDHELD: MoveKind.HANDHELD_STATIC}


@dataclass(frozen=True)
class Caption:
    """A camera prompt (None: unknown, the caption is empty) and where it comes from."""

    prompt: CameraPrompt | None
    source: str | None

    def fields(self) -> dict[str, Any]:
        """The fields of a view in the manifest."""
        if self.prompt is None:
            return {"prompt": None, "captions": [""], "caption_source": None}
        return {
            "prompt": prompt_to_json(self.prompt),
            "captions": [write(self.prompt, wording) for wording in range(NUM_WORDINGS)],
            "caption_source": self.source,
        }


UNKNOWN = Caption(None, None)


def caption_by_rule(stillness: Stillness, view: View | None) -> Caption:
    """The caption of a still camera; UNKNOWN for one that moves, or where the background does not tell."""
    kind = _MOVES.get(stillness)
    return UNKNOWN if kind is None else Caption(CameraPrompt(view, (Move(kind),)), "rule")
