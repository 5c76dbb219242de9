"""Progress and cancel for work that tells how far it is, and text shown on a node."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import comfy.model_management
import comfy.utils


def progress_bar(total: int) -> Callable[[int, int], None]:
    """A callback (done, in all) that moves the node's bar; where the user cancelled, it raises the host's interrupt."""
    bar = comfy.utils.ProgressBar(total)

    def move(done: int, of: int) -> None:
        comfy.model_management.throw_exception_if_processing_interrupted()
        bar.update_absolute(done, of)

    return move


def cancelled() -> bool:
    """Always false, or the host's interrupt: asked before a step, so that no work begins after a cancel."""
    comfy.model_management.throw_exception_if_processing_interrupted()
    return False


def shown_text(text: str, *more: Any) -> dict[str, Any]:
    """A node's `ui` with text, which web/threedimo.js shows on the node, and further parts of a `ui`."""
    shown: dict[str, Any] = {"text": (text,)}
    for part in more:
        shown |= part.as_dict()
    return shown
