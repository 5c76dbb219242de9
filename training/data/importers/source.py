"""What a motion file holds, whatever its format: joints, their tree, and where they are in every frame."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np


class MotionFileError(ValueError):
    """A motion file that cannot be read; the message names the file, the line and what was expected."""

    def __init__(self, path: Path | str, problem: str, line: int | None = None) -> None:
        where = f"{path}, line {line}" if line is not None else str(path)
        super().__init__(f"{where}: {problem}")
        self.path, self.line = str(path), line


@dataclass(frozen=True)
class SourceMotion:
    """Joints of a motion file in its own units, axes and zero pose.

    names [J], parents [J] (-1 for the root; a parent comes before its children), positions [T, J, 3] and
    rotations [T, J, 3, 3] in the file's world; rest_positions [J, 3] in the zero pose, in which every rotation
    is the identity. Ends of the last bones are joints of their own, named "<joint>_end".
    """

    path: str
    names: tuple[str, ...]
    parents: tuple[int, ...]
    positions: np.ndarray
    rotations: np.ndarray
    rest_positions: np.ndarray
    fps: float

    def __post_init__(self) -> None:
        if not np.isfinite(self.positions).all() or not np.isfinite(self.rotations).all():
            raise MotionFileError(self.path, "some numbers are not finite (nan or inf); export the file again")

    @property
    def num_frames(self) -> int:
        return self.positions.shape[0]

    def at_most(self, fps: float) -> SourceMotion:
        """Every n-th frame, so that no more than `fps` frames a second are left (mocap comes at 120 and more)."""
        step = max(1, int(np.floor(self.fps / fps + 1e-6)))
        return SourceMotion(
            self.path,
            self.names,
            self.parents,
            self.positions[::step],
            self.rotations[::step],
            self.rest_positions,
            self.fps / step,
        )


def walk_tree(parents: tuple[int, ...], offsets: np.ndarray, local: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """World positions [T, J, 3] and rotations [T, J, 3, 3] from offsets [T, J, 3] and local rotations."""
    positions, rotations = np.empty_like(offsets), np.empty_like(local)
    for joint, parent in enumerate(parents):
        if parent < 0:
            positions[:, joint], rotations[:, joint] = offsets[:, joint], local[:, joint]
            continue
        turned = (rotations[:, parent] @ offsets[:, joint, :, None])[..., 0]
        positions[:, joint] = positions[:, parent] + turned
        rotations[:, joint] = rotations[:, parent] @ local[:, joint]
    return positions, rotations


def read_text(path: Path | str) -> list[str]:
    """Lines of a text file. MotionFileError when it is missing or not text."""
    try:
        return Path(path).read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise MotionFileError(path, "this is not a text file; expected BVH, ASF or AMC text") from None
    except OSError as error:
        raise MotionFileError(path, f"cannot be read ({error.strerror or error})") from None
