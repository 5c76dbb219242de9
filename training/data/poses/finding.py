"""Which result belongs to which video: estimators name files or folders after the video, each in its way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np

from .hand_dump import read_hands
from .readers import (
    read_amass_poses,
    read_camerahmr,
    read_gvhmr,
    read_phalp,
    read_prompthmr,
    read_smplerx,
    read_wham,
)
from .track import PoseFile, PoseFileError

_FORMS = ("demo_{}", "{}_hands", "{}_poses")
MeanHands = tuple[np.ndarray, np.ndarray] | None


@dataclass(frozen=True)
class Estimator:
    """How to read its files, and what they are called; `folder`: a folder of npz files is one result."""

    read: Callable[[Path], PoseFile]
    pattern: str
    folder: bool = False


def estimators(mean_hands: MeanHands = None, first: int | None = None) -> dict[str, Estimator]:
    """All that can be read, by name. mean_hands, first: see `read_smplerx`; None: as the estimator itself counts."""
    smplerx_first, camerahmr_first = (1, 0) if first is None else (first, first)
    return {
        "gvhmr": Estimator(read_gvhmr, "hmr4d_results.pt"),
        "4dhumans": Estimator(read_phalp, "*.pkl"),
        "wham": Estimator(read_wham, "wham_output.pkl"),
        "prompthmr": Estimator(read_prompthmr, "results.pkl"),
        "smplerx": Estimator(partial(read_smplerx, mean_hands=mean_hands, first=smplerx_first), "*.npz", folder=True),
        "camerahmr": Estimator(partial(read_camerahmr, first=camerahmr_first), "*.npz", folder=True),
        "hands": Estimator(read_hands, "*.npz"),
        "amass": Estimator(read_amass_poses, "*.npz"),
    }


def results_below(root: Path, estimator: Estimator) -> list[Path]:
    """Every result of an estimator: `root` itself, or those below it. PoseFileError when there are none."""
    if root.is_file():
        return [root]
    found = sorted(root.rglob(estimator.pattern)) if root.is_dir() else []
    results = sorted({path.parent for path in found}) if estimator.folder else found
    if not results:
        raise PoseFileError(root, f"there is no {estimator.pattern} at or below it")
    return results


def result_of(video: str, root: Path, results: list[Path]) -> Path | None:
    """The result whose file or folder is named after a video (its path below the imported folder); None for none.

    A name fits when a part of the path below `root` is the video's without its ending, as it is or as demo_<video>,
    <video>_hands or <video>_poses. Of several that fit the one with most of the video's own folders in its path is
    taken; PoseFileError when that does not decide. A single result that was named outright fits any video.
    """
    if results == [root]:
        return root
    stem, folders = PurePosixPath(video).stem, set(PurePosixPath(video).parts[:-1])
    accepted = {stem, *(form.format(stem) for form in _FORMS)}
    rated: dict[int, list[Path]] = {}
    for path in results:
        parts = path.relative_to(root).parts
        if accepted & {*parts, *(PurePosixPath(part).stem for part in parts[-1:]), *([] if parts else [root.name])}:
            rated.setdefault(len(folders & set(parts)), []).append(path)
    if not rated:
        return None
    best = rated[max(rated)]
    if len(best) > 1:
        raise PoseFileError(
            root, f"several results could belong to {video}: {', '.join(str(path) for path in best)}; import one by one"
        )
    return best[0]
