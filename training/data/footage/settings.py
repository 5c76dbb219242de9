"""What own footage becomes: the settings that decide its clips, checked before any file is opened."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from .cropping import FITS, Size


@dataclass(frozen=True)
class FootageSettings:
    """Everything that decides the clips of a file.

    num_frames (4n + 1) at fps; sizes: (height, width) of the buckets, even; stride: frames from the beginning of one
    clip to that of the next; hand_size: pixels of the square hand views, even, 0 for none; fit: "crop" or "pad";
    people: whether the pose tracker looks for people; least_share: of the frames that must show the person;
    least_height: of the person, in shares of the picture's; most_clips: of one file; test_share: of the files that
    go into the split "test". Raises ValueError for values outside these.
    """

    num_frames: int = 17
    fps: float = 16.0
    sizes: tuple[Size, ...] = ((128, 128),)
    stride: int = 17
    hand_size: int = 48
    fit: str = "crop"
    people: bool = True
    least_share: float = 0.8
    least_height: float = 0.3
    most_clips: int = 1000
    test_share: float = 0.0

    def __post_init__(self) -> None:
        if self.num_frames < 5 or self.num_frames % 4 != 1:
            raise ValueError(f"frames is {self.num_frames}, expected 4n + 1 (the video VAE's rhythm): 5, 9, 13, 17 ...")
        if not (math.isfinite(self.fps) and 0 < self.fps <= 240):
            raise ValueError(f"fps is {self.fps}, expected a number above 0, at most 240")
        if not self.sizes:
            raise ValueError("no size is given, expected HEIGHTxWIDTH such as 480x848")
        for height, width in self.sizes:
            if min(height, width) < 16 or height % 2 or width % 2:
                raise ValueError(f"size {height}x{width}: expected even numbers of pixels, at least 16")
        if self.hand_size < 0 or self.hand_size % 2:
            raise ValueError(f"hand_size is {self.hand_size}, expected an even number of pixels, or 0 for none")
        for name in ("stride", "most_clips"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, expected at least 1")
        if self.fit not in FITS:
            raise ValueError(f"fit is {self.fit!r}, expected one of {', '.join(FITS)}")
        for name in ("least_share", "least_height", "test_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}, expected a share from 0 to 1")

    def split(self, key: str) -> str:
        """The split of a file, by its key: all its clips go the same way, on every machine."""
        return "test" if int(key[:8], 16) / 0x1_0000_0000 < self.test_share else "train"

    @property
    def reading_side(self) -> int:
        """Longest side that pictures are read at: twice the clip's, since hands are cut from them, 960 at least."""
        return max(960, 2 * max(max(size) for size in self.sizes))

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"sizes": [list(size) for size in self.sizes]}
