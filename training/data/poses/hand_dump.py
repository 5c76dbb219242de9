"""Hands from the files that `dump_hands.py` writes beside WiLoR or HaMeR, which keep their results in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .readers import _npz
from .track import PoseFile, PoseFileError, as_array, make_track, to_matrices

FIELDS = ("frame", "right", "score", "hand_pose", "fps", "estimator")


def read_hands(path: Path) -> PoseFile:
    """Both hands in every frame: of several found on one side, the surest. One track; the body is unknown.

    PoseFileError when the file is damaged or another.
    """
    content = _npz(path)
    missing = [name for name in FIELDS if name not in content]
    if missing:
        raise PoseFileError(path, f"lacks {', '.join(missing)}; expected a file that dump_hands.py wrote")
    frame = as_array(path, "frame", content["frame"]).astype(np.int64)
    poses = to_matrices(path, "hand_pose", content["hand_pose"].reshape(-1, 15, 3, 3), 15, len(frame))
    right, score = content["right"].astype(bool), as_array(path, "score", content["score"])
    if right.shape != frame.shape or score.shape != frame.shape:
        raise PoseFileError(path, f"right and score have {len(right)} and {len(score)} entries, expected {len(frame)}")
    frames = np.unique(frame)
    hands = []
    for side in range(2):
        hand = np.full((len(frames), 15, 3, 3), np.nan)
        for entry in np.flatnonzero(right == bool(side))[np.argsort(score[right == bool(side)], kind="stable")]:
            hand[np.searchsorted(frames, frame[entry])] = poses[entry]  # the surest comes last
        hands.append(hand)
    fps = float(content["fps"])
    return PoseFile(
        (make_track(path, "0", frames, None, hands[0], hands[1]),), fps if np.isfinite(fps) and fps > 0 else None
    )
