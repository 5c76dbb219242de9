"""Motion inside the host's CONDITIONING: each entry says what motion goes with it, or that none does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import comfy.conds
from torch import Tensor

COND_KEY = "threedimo_motion"


@dataclass(frozen=True, eq=False)
class MotionPayload:
    """Motion tokens [T, K, D] of one clip at the frame rate it is generated at; None: "no motion" (the null tokens)."""

    tokens: Tensor | None


class CONDMotion(comfy.conds.CONDConstant):
    """A payload among the host's conds.

    Entries with different motions may still run as one batch; the model then gets a tuple with a payload for each
    entry of the batch, in the batch's order.
    """

    def can_concat(self, other: Any) -> bool:
        return isinstance(other, CONDMotion)

    def concat(self, others: list[Any]) -> tuple[MotionPayload, ...]:
        return (self.cond, *(other.cond for other in others))


def with_motion(conditioning: list[Any], payload: MotionPayload) -> list[Any]:
    """The CONDITIONING with the payload on every entry, beside whatever other nodes put there."""
    marked = []
    for text, options in conditioning:
        conds = {**options.get("model_conds", {}), COND_KEY: CONDMotion(payload)}
        marked.append([text, {**options, "model_conds": conds}])
    return marked


def payloads_of(conds: dict[str, list[dict[str, Any]]]) -> list[MotionPayload]:
    """All payloads in a guider's conds."""
    entries = [entry for group in conds.values() for entry in group or ()]
    found = [entry.get("model_conds", {}).get(COND_KEY) for entry in entries]
    return [cond.cond for cond in found if cond is not None]
