"""What a rendered data set is made of: the settings that decide its bytes, checked before anything is rendered."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .manifest import Record
from .motion_bank import load_bank
from .motion_library import sample_motion
from .performance import MotionSource, check_performance_settings, sample_performance
from .publish import published_record, remove_unfinished
from .renderer import WarpRenderer
from .rendering import PictureSize, render_performance
from .writer import write_performance


@dataclass(frozen=True)
class RenderSettings:
    """Everything that decides the bytes of a performance, given its index.

    seed; views: cameras; num_frames (4n + 1) at fps; height, width: pixels, even; samples: 1, or 2 for 2 x 2 rays a
    pixel; hand_size: pixels of the square hand views, even, 0 for none; split: "train" or "test"; identities:
    1 or 2 people with the same motion; kind: "static", "moving" or None for both by chance; plain: calm scenes, for
    very small models; motions: hash of the bank that motions come from, None for the procedural library.
    Raises ValueError for values outside these.
    """

    seed: int = 0
    views: int = 4
    num_frames: int = 17
    fps: float = 16.0
    height: int = 128
    width: int = 128
    samples: int = 1
    hand_size: int = 48
    split: str = "train"
    identities: int = 1
    kind: str | None = None
    plain: bool = False
    motions: str | None = None

    def __post_init__(self) -> None:
        check_performance_settings(self.views, self.num_frames, self.fps, self.split, self.identities, self.kind)
        if self.seed < 0:
            raise ValueError(f"seed is {self.seed}, expected 0 or more")
        for name in ("height", "width", "hand_size"):
            value, least = getattr(self, name), 0 if name == "hand_size" else 16
            if value < least or value % 2:
                raise ValueError(f"{name} is {value}, expected an even number of pixels, at least {least}")
        if self.samples not in (1, 2):
            raise ValueError(f"samples is {self.samples}, expected 1 (one ray a pixel) or 2 (2 x 2 rays)")

    @property
    def frames_each(self) -> int:
        """View frames of one performance (hand views not counted)."""
        return self.views * self.identities * self.num_frames

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def hand_size_for(height: int, width: int) -> int:
    """Pixels of a hand view beside pictures of this size: finer than the picture, and no larger than an encoder's."""
    return min(112, max(24, min(height, width) * 3 // 16 * 2))


def bank_hash(bank: Path) -> str:
    """Names the content of a motion bank: the settings record it, since the bank decides the bytes of the set."""
    return hashlib.sha256(bank.read_bytes()).hexdigest()


def motion_source(bank: Path | None) -> MotionSource:
    """Where motions are drawn from: a bank (`data import-motions`), or the procedural library for None."""
    return sample_motion if bank is None else load_bank(bank).sample


def make_performance(
    root: Path, settings: RenderSettings, index: int, renderer: WarpRenderer, motions: MotionSource = sample_motion
) -> Record:
    """Render and publish performance `index`, or return its record when it is already published."""
    remove_unfinished(root, index)
    record = published_record(root, index)
    if record is not None:
        return record
    performance = sample_performance(
        settings.seed, index, settings.views, settings.num_frames, settings.fps, settings.split,
        settings.identities, settings.kind, aspect=settings.width / settings.height, plain=settings.plain,
        motions=motions,
    )  # fmt: skip
    size = PictureSize(settings.height, settings.width, settings.hand_size, settings.samples)
    rendered = render_performance(performance, renderer, size)
    return write_performance(root, rendered, settings.fps)
