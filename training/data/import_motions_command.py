"""Import motion files (BVH, AMC with its ASF, AMASS npz) into one bank that `data render` can draw motions from.

A file that cannot be read is named and left out; the others are imported.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .importers import SUFFIXES, MotionFileError, read_motion
from .importers.grounding import stance_drift
from .motion import Motion
from .motion_bank import build_bank
from .skeleton import forward_kinematics, sole_points


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `data import-motions`."""
    parser.add_argument("sources", type=Path, nargs="+", help="motion files, or folders that hold some")
    parser.add_argument("--out", type=Path, required=True, help="the bank to write (.safetensors)")
    parser.add_argument("--fps", type=float, default=30.0, help="frames per second of the bank (%(default)s)")
    parser.add_argument("--amc-fps", type=float, default=120.0, help="of AMC files, which do not say (%(default)s)")
    parser.add_argument("--credit", default="", help="whose motion data this is; kept in the bank")


def run(arguments: argparse.Namespace) -> int:
    """Write the bank; status 1 when some files could not be read, ValueError when none could."""
    paths = motion_paths(arguments.sources)
    failed: list[Path] = []
    bank = build_bank(_imported(paths, arguments, failed), arguments.fps, arguments.credit)
    bank.save(arguments.out)
    seconds = bank.transl.shape[0] / bank.fps
    print(f"{len(bank.entries)} motions, {seconds:.0f} seconds, are in {arguments.out}; {len(failed)} files failed")
    return 1 if failed else 0


def motion_paths(sources: list[Path]) -> list[Path]:
    """All motion files named or found below the folders named. ValueError when there are none."""
    found: list[Path] = []
    for source in sources:
        inside = sorted(path for path in source.rglob("*") if path.suffix.lower() in SUFFIXES)
        found += inside if source.is_dir() else [source]
    if not found:
        raise ValueError(f"no motion files ({', '.join(SUFFIXES)}) in {', '.join(map(str, sources))}")
    return found


def _imported(paths: list[Path], arguments: argparse.Namespace, failed: list[Path]) -> Iterator[tuple[Motion, bool]]:
    for path in paths:
        try:
            motion, fingers = read_motion(path, arguments.fps, amc_fps=arguments.amc_fps)
        except MotionFileError as error:
            failed.append(path)
            print(f"left out: {error}", file=sys.stderr)
            continue
        print(f"{path.name}: {motion.duration:.1f} s{', fingers' if fingers else ''}, {_feet(motion)}")
        yield motion, fingers


def _feet(motion: Motion) -> str:
    """How still the standing feet are, for the log."""
    positions, rotations = forward_kinematics(
        motion.global_orient.double().numpy(), motion.transl.double().numpy(), motion.pose.double().numpy()
    )
    balls = sole_points(positions, rotations)[:, :, 1]
    drift = np.concatenate([stance_drift(balls[:, side], motion.fps) for side in (0, 1)]) * 1000
    return f"{len(drift)} stances, feet stray {drift.mean():.0f} mm" if len(drift) else "no standing feet"
