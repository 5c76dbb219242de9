"""BVH files (Biovision hierarchy): any order of channels, any number of joints, with or without fingers."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..procedural.curves import rot_x, rot_y, rot_z
from .source import MotionFileError, SourceMotion, read_text, walk_tree

_TURNS = {"Xrotation": rot_x, "Yrotation": rot_y, "Zrotation": rot_z}
_SHIFTS = {"Xposition": 0, "Yposition": 1, "Zposition": 2}


@dataclass
class _Hierarchy:
    names: list[str] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    offsets: list[tuple[float, float, float]] = field(default_factory=list)
    channels: list[list[str]] = field(default_factory=list)

    def add(self, name: str, parent: int) -> int:
        self.names.append(name)
        self.parents.append(parent)
        self.offsets.append((0.0, 0.0, 0.0))
        self.channels.append([])
        return len(self.names) - 1


def read_bvh(path: Path | str) -> SourceMotion:
    """Read a BVH file. MotionFileError names the line where it is broken."""
    lines = read_text(path)
    hierarchy, motion_at = _read_hierarchy(path, lines)
    values, fps = _read_frames(path, lines, motion_at, sum(len(c) for c in hierarchy.channels))
    offsets = np.tile(np.array(hierarchy.offsets), (len(values), 1, 1))
    local = np.tile(np.eye(3), (len(values), len(hierarchy.names), 1, 1))
    column = 0
    for joint, channels in enumerate(hierarchy.channels):
        for channel in channels:
            if channel in _SHIFTS:
                # A position channel stands in the place of the offset, it is not added to it.
                offsets[:, joint, _SHIFTS[channel]] = values[:, column]
            else:
                local[:, joint] = local[:, joint] @ _TURNS[channel](np.radians(values[:, column]))
            column += 1
    parents = tuple(hierarchy.parents)
    positions, rotations = walk_tree(parents, offsets, local)
    rest_offsets = np.array(hierarchy.offsets)[None]
    rest, _ = walk_tree(parents, rest_offsets, np.tile(np.eye(3), (1, len(parents), 1, 1)))
    return SourceMotion(str(path), tuple(hierarchy.names), parents, positions, rotations, rest[0], fps)


def _read_hierarchy(path: Path | str, lines: list[str]) -> tuple[_Hierarchy, int]:
    """The joint tree, and the index of the line after MOTION."""
    hierarchy, open_joints = _Hierarchy(), list[int]()
    waiting: int | None = None
    if not any(line.strip() for line in lines) or not _first_word(lines).upper().startswith("HIERARCHY"):
        raise MotionFileError(path, "a BVH file begins with HIERARCHY; this one does not", 1)
    for number, line in enumerate(lines, start=1):
        words = line.split()
        key = words[0].upper() if words else ""
        if key in ("", "HIERARCHY"):
            continue
        if key in ("ROOT", "JOINT", "END"):
            parent = open_joints[-1] if open_joints else -1
            if key == "ROOT" and hierarchy.names:
                raise MotionFileError(path, "a second ROOT; only files with one skeleton can be imported", number)
            if key != "ROOT" and parent < 0:
                raise MotionFileError(path, f"{words[0]} outside of any joint", number)
            name = f"{hierarchy.names[parent]}_end" if key == "END" else " ".join(words[1:])
            waiting = hierarchy.add(name, parent)
        elif key == "{":
            if waiting is None:
                raise MotionFileError(path, "'{' without a joint before it", number)
            open_joints.append(waiting)
            waiting = None
        elif key == "}":
            if not open_joints:
                raise MotionFileError(path, "'}' without a joint to close", number)
            open_joints.pop()
        elif key == "OFFSET" and open_joints:
            x, y, z = _numbers(path, words[1:], 3, "OFFSET", number)
            hierarchy.offsets[open_joints[-1]] = (x, y, z)
        elif key == "CHANNELS" and open_joints:
            hierarchy.channels[open_joints[-1]] = _channels(path, words, number)
        elif key == "MOTION":
            if open_joints:
                raise MotionFileError(
                    path, f"MOTION while {len(open_joints)} joints are still open ('}}' missing)", number
                )
            if not hierarchy.names:
                raise MotionFileError(path, "MOTION, but no ROOT was given before", number)
            return hierarchy, number
        else:
            raise MotionFileError(path, f"unexpected {words[0]!r} in the hierarchy", number)
    raise MotionFileError(path, "the file ends before MOTION; it is cut off", len(lines))


def _first_word(lines: list[str]) -> str:
    return next((line.split()[0] for line in lines if line.strip()), "")


def _channels(path: Path | str, words: list[str], number: int) -> list[str]:
    channels = words[2:]
    unknown = [name for name in channels if name not in _TURNS and name not in _SHIFTS]
    if unknown:
        known = ", ".join([*_SHIFTS, *_TURNS])
        raise MotionFileError(path, f"unknown channel {unknown[0]!r}; known: {known}", number)
    if len(words) < 2 or words[1] != str(len(channels)):
        raise MotionFileError(path, f"CHANNELS says {words[1:2]} but names {len(channels)} of them", number)
    return channels


def _read_frames(path: Path | str, lines: list[str], start: int, width: int) -> tuple[np.ndarray, float]:
    """Channel values [T, width] and the frame rate."""
    count: int | None = None
    seconds: float | None = None
    rows: list[list[float]] = []
    for number, line in enumerate(lines[start:], start=start + 1):
        words = line.split()
        if not words:
            continue
        if words[0].lower().startswith("frames"):
            count = int(_numbers(path, line.split(":", 1)[-1].split(), 1, "Frames:", number)[0])
        elif words[0].lower() == "frame":
            seconds = _numbers(path, line.split(":", 1)[-1].split(), 1, "Frame Time:", number)[0]
            if not seconds > 0:
                raise MotionFileError(path, f"Frame Time is {seconds}, expected seconds above 0", number)
        else:
            rows.append(_numbers(path, words, width, f"frame {len(rows) + 1}", number))
    if seconds is None:
        raise MotionFileError(path, "no 'Frame Time:' after MOTION", len(lines))
    if not rows or (count is not None and len(rows) < count):
        raise MotionFileError(path, f"{count} frames announced, {len(rows)} found; the file is cut off", len(lines))
    return np.array(rows[:count]), 1.0 / seconds


def _numbers(path: Path | str, words: list[str], count: int, what: str, number: int) -> list[float]:
    if len(words) != count:
        raise MotionFileError(path, f"{what} has {len(words)} numbers, expected {count}", number)
    try:
        return [float(word) for word in words]
    except ValueError:
        raise MotionFileError(path, f"{what} holds something that is not a number", number) from None
