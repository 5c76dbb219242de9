"""`import_motion`: a file of any known format to a `Motion` on the floor."""

from __future__ import annotations

from pathlib import Path

import torch

from ..motion import Motion
from ..procedural.solve import motion_from_arrays
from .amass import read_amass
from .asf_amc import AMC_FPS, read_amc
from .bvh import read_bvh
from .grounding import put_on_floor
from .retarget import Retargeted, retarget
from .source import MotionFileError

SUFFIXES = (".bvh", ".amc", ".npz")
_WORKING_FPS = 60.0  # contacts are found at most at this rate


def import_motion(
    path: Path | str, fps: float = 30.0, skeleton: Path | str | None = None, amc_fps: float = AMC_FPS
) -> Motion:
    """Read a BVH, AMC (with its ASF `skeleton`, default the one beside it) or AMASS npz file.

    The motion comes back for a person of 1.70 m, feet on the floor y = 0, its first frame above the origin, at
    `fps`. Fingers are the file's where it has them, else relaxed (`with_drawn_fingers` draws some).
    MotionFileError (a ValueError) says what is wrong with a bad file, and in which line.
    """
    return read_motion(path, fps, skeleton, amc_fps)[0]


def read_motion(
    path: Path | str, fps: float = 30.0, skeleton: Path | str | None = None, amc_fps: float = AMC_FPS
) -> tuple[Motion, bool]:
    """As `import_motion`, and whether the fingers are the file's own."""
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix == ".bvh":
        found = retarget(read_bvh(path).at_most(_WORKING_FPS))
    elif suffix == ".amc":
        found = retarget(read_amc(path, skeleton, amc_fps).at_most(_WORKING_FPS))
    elif suffix == ".npz":
        found = read_amass(path)
    else:
        raise MotionFileError(path, f"unknown ending {suffix!r}; motions are read from {', '.join(SUFFIXES)}")
    return finish(found, path.stem, fps), found.has_fingers


def finish(found: Retargeted, name: str, fps: float) -> Motion:
    """On the floor, above the origin, at `fps`."""
    transl, pose, _ = put_on_floor(found.root, found.transl, found.pose, found.fps)
    motion = motion_from_arrays(found.root, transl, pose, found.fps, name)
    if not torch.isfinite(motion.pose).all():
        raise MotionFileError(name, "the retargeted motion is not finite; some bones of the file have no length")
    return motion.resample(fps).moved_to(0.0, 0.0)
