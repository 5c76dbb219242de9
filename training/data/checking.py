"""What can be wrong with a data set, looked for record by record: files, videos, captions, splits, labels."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from threedimo_core.camera_language import parse

from .camera_record import prompt_from_json
from .clip_store import ClipStore
from .labels import LabelError
from .manifest import ManifestError, Record
from .video_file import VideoFileError

LEAST_INSIDE = 0.99  # share of the visible joints that must lie on the person


@dataclass
class Findings:
    """What a check saw: counts, and one line for each problem."""

    performances: int = 0
    views: int = 0
    frames: int = 0
    labelled: int = 0
    captions: int = 0
    joints: int = 0
    joints_inside: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def share_inside(self) -> float:
        """Share of the visible joints inside the dilated silhouette; 1 when there are no labels."""
        return self.joints_inside / self.joints if self.joints else 1.0

    def finish(self) -> None:
        """Judge what only the whole set can show."""
        if self.labelled and not self.joints:
            self.problems.append("no joint is visible in any view; the renderer's line of sight must be broken")
        if self.share_inside < LEAST_INSIDE:
            self.problems.append(
                f"only {self.share_inside:.2%} of the visible joints lie on the person, expected {LEAST_INSIDE:.0%}"
            )


def check_record(root: Path, record: Record, findings: Findings, with_videos: bool = True) -> None:
    """Add what one record shows to the findings; problems never end the check."""
    findings.performances += 1
    findings.views += len(record["views"])
    problems = _file_problems(root, record)
    problems += _caption_problems(record, findings)
    if not problems:
        store = ClipStore(root)
        try:
            if with_videos:
                problems += _video_problems(store, record, findings)
            _count_joints(store, record, findings)
        except (ManifestError, VideoFileError, LabelError) as error:
            problems.append(str(error))
    findings.problems += [f"{record['id']}: {problem}" for problem in problems]


def _file_problems(root: Path, record: Record) -> list[str]:
    problems = []
    for name, size in record["files"].items():
        path = root / record["path"] / name
        if not path.is_file():
            problems.append(f"{path} is missing")
        elif path.stat().st_size != size:
            problems.append(f"{path} has {path.stat().st_size} bytes, its record says {size}")
    return problems


def _caption_problems(record: Record, findings: Findings) -> list[str]:
    """Every wording must parse back to the prompt that its camera was made from."""
    problems = []
    for number, view in enumerate(record["views"]):
        if view.get("prompt") is None:
            continue
        prompt = prompt_from_json(view["prompt"])
        for caption in view["captions"]:
            findings.captions += 1
            if parse(caption).prompt != prompt:
                problems.append(f"view {number}: caption {caption!r} does not parse back to its camera prompt")
    return problems


def _video_problems(store: ClipStore, record: Record, findings: Findings) -> list[str]:
    problems = []
    for number in range(len(record["views"])):
        frames = store.frames(record, number)
        findings.frames += len(frames)
        if tuple(frames.shape[2:]) != (record["height"], record["width"]):
            problems.append(
                f"view {number} is {frames.shape[2]}x{frames.shape[3]}, its record says "
                f"{record['height']}x{record['width']}"
            )
        if float(frames.float().std()) < 1.0:
            problems.append(f"view {number} is one flat colour")
        store.hands(record, number)
    return problems


def _count_joints(store: ClipStore, record: Record, findings: Findings) -> None:
    """Count visible joints, and those inside the silhouette dilated by 2 pixels at 128 px."""
    if record.get("labels") is None or record["source"] != "render":
        return
    findings.labelled += 1
    labels = store.labels(record, "joints_2d", "visible")
    for number in range(len(record["views"])):
        inside = joints_inside(store.mask(record, number), labels["joints_2d"][number].numpy())
        visible = labels["visible"][number].numpy().astype(bool)
        findings.joints += int(visible.sum())
        findings.joints_inside += int((inside & visible).sum())


def joints_inside(mask: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """bool [T, J]: whether joints [T, J, 2] in pixels lie on mask [T, H, W] dilated by 2 pixels at 128 px."""
    _, height, width = mask.shape
    radius = max(1, round(2 * height / 128))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    dilated = np.stack([cv2.dilate(frame, kernel) for frame in mask.astype(np.uint8)])
    x = np.clip(np.floor(joints[..., 0]).astype(int), 0, width - 1)
    y = np.clip(np.floor(joints[..., 1]).astype(int), 0, height - 1)
    return dilated[np.arange(len(mask))[:, None], y, x] > 0
