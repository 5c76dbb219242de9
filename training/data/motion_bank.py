"""A bank of imported motions: many files' worth in one safetensors file, drawn from like the procedural library.

Rotations are kept as rotation vectors (pelvis, 21 body, 15 + 15 hand joints), float32, all files one after another
at one frame rate; the description lists where each begins. A bank holds motion data of others: their licence and
credit travel with it (`credit`), and it belongs beside the user's data, not into a repository.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from threedimo_core.safe_file import TensorFileError, TensorSpec, read_tensor_file, write_tensor_file

from .importers import with_drawn_fingers
from .motion import Motion
from .motion_library import SPLITS
from .procedural.solve import motion_from_arrays

KIND, VERSION = "motion_bank", 1
_TENSORS = {
    "rotations": TensorSpec(("frames", 52, 3), torch.float32),
    "transl": TensorSpec(("frames", 3), torch.float32),
}
_TEST_SHARE = 5  # every fifth file, by its name, is held out
_SPEEDS = (0.8, 1.25)
_MIRRORED = 0.5


@dataclass(frozen=True)
class BankEntry:
    """One file in the bank: frames start .. start + length - 1; `fingers`: the file had its own."""

    name: str
    start: int
    length: int
    fingers: bool

    @property
    def split(self) -> str:
        return "test" if zlib.crc32(self.name.encode()) % _TEST_SHARE == 0 else "train"


@dataclass(frozen=True)
class MotionBank:
    """rotations [F, 52, 3] (radians), transl [F, 3] (metres, 1.70 m person) at `fps`; `credit` of the sources."""

    entries: tuple[BankEntry, ...]
    rotations: Tensor
    transl: Tensor
    fps: float
    credit: str = ""

    def motion(self, entry: BankEntry, start: int = 0, length: int | None = None) -> Motion:
        """Frames of one file as a `Motion`."""
        first = entry.start + start
        frames = slice(first, first + (entry.length - start if length is None else length))
        vectors = self.rotations[frames].double().numpy()
        matrices = Rotation.from_rotvec(vectors.reshape(-1, 3)).as_matrix().reshape(-1, 52, 3, 3)
        transl = self.transl[frames].double().numpy()
        return motion_from_arrays(matrices[:, 0], transl, matrices[:, 1:], self.fps, entry.name)

    def sample(self, rng: np.random.Generator, num_frames: int, fps: float, split: str = "train") -> Motion:
        """A window of a file of the split: any heading, half of them mirrored, 0.8 to 1.25 times the speed.

        Files count by their length. Fingers are drawn where the file has none. ValueError when no file of the
        split is long enough.
        """
        if split not in SPLITS:
            raise ValueError(f"split is {split!r}, expected one of {', '.join(SPLITS)}")
        step = self.fps / fps * float(np.exp(rng.uniform(*np.log(_SPEEDS))))
        needed = int(np.ceil((num_frames - 1) * step)) + 1
        fitting = [entry for entry in self.entries if entry.split == split and entry.length >= needed]
        if not fitting:
            raise ValueError(
                f"no file of the split {split!r} has {needed} frames at {self.fps:g} frames per second; ask for "
                f"fewer than {num_frames} frames or import longer motions"
            )
        lengths = np.array([entry.length for entry in fitting], dtype=float)
        entry = fitting[rng.choice(len(fitting), p=lengths / lengths.sum())]
        start = int(rng.integers(entry.length - needed + 1))
        motion = replace(self.motion(entry, start, needed).retimed(step).window(0, num_frames), fps=float(fps))
        motion = replace(motion, name=f"{entry.name}@{start}")
        if rng.random() < _MIRRORED:
            motion = motion.mirrored()
        if not entry.fingers:
            motion = with_drawn_fingers(motion, rng, split)
        return motion.turned(rng.uniform(-180, 180)).moved_to(0.0, 0.0)

    def save(self, path: Path | str) -> Path:
        info = {
            "fps": self.fps,
            "credit": self.credit,
            "entries": [[entry.name, entry.start, entry.length, entry.fingers] for entry in self.entries],
        }
        return write_tensor_file(path, KIND, VERSION, {"rotations": self.rotations, "transl": self.transl}, info)


def build_bank(motions: Iterable[tuple[Motion, bool]], fps: float, credit: str = "") -> MotionBank:
    """A bank of (motion, has its own fingers), resampled to `fps`. ValueError for equal names or none at all."""
    entries: list[BankEntry] = []
    rotations: list[Tensor] = []
    transl: list[Tensor] = []
    start = 0
    for motion, fingers in motions:
        if any(entry.name == motion.name for entry in entries):
            raise ValueError(f"two motions are called {motion.name!r}; give their files different names")
        motion = motion.resample(fps)
        every = torch.cat([motion.global_orient[:, None], motion.pose], dim=1).double().numpy()
        vectors = Rotation.from_matrix(every.reshape(-1, 3, 3)).as_rotvec().reshape(-1, 52, 3)
        rotations.append(torch.from_numpy(vectors).float())
        transl.append(motion.transl)
        entries.append(BankEntry(motion.name, start, motion.num_frames, fingers))
        start += motion.num_frames
    if not entries:
        raise ValueError("no motions to put into the bank")
    return MotionBank(tuple(entries), torch.cat(rotations), torch.cat(transl), float(fps), credit)


def load_bank(path: Path | str) -> MotionBank:
    """Read a bank. TensorFileError (a ValueError) says what is wrong with a bad file."""
    file = read_tensor_file(path, KIND, VERSION, _TENSORS)
    frames, entries, end = file.tensors["transl"].shape[0], [], 0
    try:
        for name, start, length, fingers in file.info["entries"]:
            entries.append(BankEntry(str(name), int(start), int(length), bool(fingers)))
            if start != end or length < 1:
                raise ValueError
            end += length
        if end != frames:
            raise ValueError
        fps, credit = float(file.info["fps"]), str(file.info.get("credit", ""))
    except (KeyError, TypeError, ValueError):
        raise TensorFileError(f"{path}: its list of motions is damaged; import the files again") from None
    return MotionBank(tuple(entries), file.tensors["rotations"], file.tensors["transl"], fps, credit)
