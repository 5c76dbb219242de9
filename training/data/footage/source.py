"""A video file as a source of clips: what it is called in the data set, its thumbnails, its frames at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from threedimo_core.video import probe_video, read_video

from .shots import THUMBNAIL_SIDE

VIDEO_SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".m4v", ".avi")
_PROBE_BYTES = 1 << 16
_CHUNK_SECONDS = 30.0
_CLIP_BITS = 14
MAX_CLIPS = 1 << _CLIP_BITS  # of one file


@dataclass(frozen=True)
class Source:
    """A file; `name` is its path below the folder it was found in; `key` (12 hex digits) names its content."""

    path: Path
    name: str
    key: str

    def clip_id(self, kind: str, number: int) -> str:
        """Id of clip `number` of this file in a data set: the same wherever the file lies."""
        return f"{kind}-{self.key}-{number:05d}"

    def clip_index(self, number: int) -> int:
        """Index of clip `number`: far above those of rendered performances, below 2^63."""
        return int(self.key, 16) << _CLIP_BITS | number

    def clip_folder(self, number: int) -> str:
        """Folder of clip `number` inside the data set."""
        return f"performances/{self.key[:2]}/{self.key}-{number:05d}"


def find_videos(roots: list[Path]) -> list[tuple[Path, str]]:
    """All videos named or found below the folders named, with their names. ValueError when there are none."""
    found: dict[Path, str] = {}
    for root in roots:
        if root.is_dir():
            inside = sorted(path for path in root.rglob("*") if path.suffix.lower() in VIDEO_SUFFIXES)
            found.update({path: path.relative_to(root).as_posix() for path in inside if path.is_file()})
        else:
            found[root] = root.name
    if not found:
        raise ValueError(f"no videos ({', '.join(VIDEO_SUFFIXES)}) in {', '.join(map(str, roots))}")
    return sorted(found.items(), key=lambda item: item[1])


def open_source(path: Path, name: str) -> Source:
    """A file with its key; OSError when it cannot be read."""
    return Source(path, name, content_key([path]))


def content_key(paths: list[Path]) -> str:
    """12 hex digits from sizes, beginnings and ends of files: quick, and the same after a move or a rename."""
    digest = hashlib.blake2b(digest_size=6)
    for path in paths:
        with open(path, "rb") as file:
            size = file.seek(0, 2)
            digest.update(str(size).encode())
            file.seek(0)
            digest.update(file.read(_PROBE_BYTES))
            file.seek(max(0, size - _PROBE_BYTES))
            digest.update(file.read(_PROBE_BYTES))
    return digest.hexdigest()


def read_thumbnails(path: Path, fps: float) -> np.ndarray:
    """uint8 [T, h, w, 3]: every frame of the grid k / fps, small. VideoError names a file that is damaged."""
    return np.stack(list(stream_frames(path, fps, THUMBNAIL_SIDE)))


def stream_frames(path: Path, fps: float, max_side: int) -> Iterator[np.ndarray]:
    """The frames at the times k / fps one by one, read half a minute at a time."""
    chunk = max(2, round(_CHUNK_SECONDS * fps))
    done = 0
    while True:
        # Each chunk begins with the last frame of the one before: so its start is never beyond the end.
        first = max(0, done - 1)
        frames = read_video(path, max_frames=chunk, fps=fps, start=first / fps, max_side=max_side).frames
        yield from frames[done - first :]
        done = first + len(frames)
        if len(frames) < chunk:
            return


def read_clip(path: Path, start: float, num_frames: int, fps: float, max_side: int | None) -> np.ndarray:
    """uint8 [T, H, W, 3] from `start` seconds on; T is smaller where the file ends. VideoError when it cannot be."""
    return read_video(path, max_frames=num_frames, fps=fps, start=start, max_side=max_side).frames


def source_fps(path: Path) -> float:
    """Frames per second that the file claims: estimators number its own frames."""
    return probe_video(path).fps
