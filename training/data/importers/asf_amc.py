"""Acclaim ASF (skeleton) and AMC (motion) files, as the CMU motion capture database gives them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..procedural.curves import rot_x, rot_y, rot_z
from .source import MotionFileError, SourceMotion, read_text, walk_tree

AMC_FPS = 120.0  # the CMU database's rate; AMC files do not tell theirs
_TURNS = {"rx": rot_x, "ry": rot_y, "rz": rot_z}
_SHIFTS = {"tx": 0, "ty": 1, "tz": 2}


@dataclass
class _Bone:
    name: str
    offset: np.ndarray  # from its start to its end, in the zero pose
    axis: np.ndarray  # [3, 3], the frame in which its angles are given
    dof: list[str]
    parent: str = ""


def read_amc(path: Path | str, skeleton: Path | str | None = None, fps: float = AMC_FPS) -> SourceMotion:
    """Read an AMC motion with its ASF skeleton (default: the .asf beside it that its name begins with).

    A joint is the start of the bone of its name; MotionFileError names the broken line.
    """
    skeleton = skeleton or find_skeleton(path)
    bones, scale = _read_asf(skeleton)
    values, degrees = _read_amc(path, bones)
    turn = np.radians(1.0) if degrees else 1.0
    frames = len(values["root"])
    names, parents = _tree(bones)
    local = np.tile(np.eye(3), (frames, len(names), 1, 1))
    offsets = np.zeros((frames, len(names), 3))
    for joint, name in enumerate(names):
        if name.endswith("_end"):
            offsets[:, joint] = bones[name.removesuffix("_end")].offset
            continue
        bone = bones[name]
        motion = np.tile(np.eye(3), (frames, 1, 1))
        for column, channel in enumerate(bone.dof):
            if channel in _TURNS:
                # The first angle turns first, so it stands rightmost.
                motion = _TURNS[channel](values[name][:, column] * turn) @ motion
            elif channel in _SHIFTS:
                offsets[:, joint, _SHIFTS[channel]] = values[name][:, column] * scale
        local[:, joint] = bone.axis @ motion @ bone.axis.T
        if bone.parent:
            offsets[:, joint] = bones[bone.parent].offset
    positions, rotations = walk_tree(parents, offsets, local)
    rest_offsets = offsets[:1].copy()
    rest_offsets[0, 0] = 0
    rest, _ = walk_tree(parents, rest_offsets, np.tile(np.eye(3), (1, len(names), 1, 1)))
    return SourceMotion(str(path), names, parents, positions, rotations, rest[0], fps)


def find_skeleton(path: Path | str) -> Path:
    """The .asf beside an .amc: its own name, the part before the last '_', or the only one there."""
    path = Path(path)
    for stem in (path.stem, path.stem.rsplit("_", 1)[0]):
        if (candidate := path.with_name(f"{stem}.asf")).exists():
            return candidate
    found = sorted(path.parent.glob("*.asf"))
    if len(found) == 1:
        return found[0]
    raise MotionFileError(
        path, f"an AMC file needs its ASF skeleton; {path.stem.rsplit('_', 1)[0]}.asf is not beside it"
    )


def _tree(bones: dict[str, _Bone]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Joint names and parents, parents first, with an end joint after every last bone."""
    names, parents = [], []
    has_child = {bone.parent for bone in bones.values()}
    for name, bone in bones.items():
        names.append(name)
        parents.append(names.index(bone.parent) if bone.parent else -1)
    for name in list(names):
        if name not in has_child:
            names.append(f"{name}_end")
            parents.append(names.index(name))
    return tuple(names), tuple(parents)


# ---- ASF


def _read_asf(path: Path | str) -> tuple[dict[str, _Bone], float]:
    """Bones in tree order (root first) and the scale of positions (1: the file's own units)."""
    lines = read_text(path)
    sections = _sections(path, lines)
    for needed in ("root", "bonedata", "hierarchy"):
        if needed not in sections:
            raise MotionFileError(path, f"no :{needed} section; this is no complete ASF file", len(lines))
    degrees = not any(words[:2] == ["angle", "rad"] for _, words in sections.get("units", []))
    bones = {"root": _read_root(path, sections["root"], degrees)}
    bones |= _read_bones(path, sections["bonedata"], degrees)
    ordered = {"root": bones["root"]}
    for number, words in sections["hierarchy"]:
        if words[0] in ("begin", "end"):
            continue
        for name in words[1:]:
            if name not in bones or words[0] not in ordered:
                raise MotionFileError(path, f"the hierarchy names a bone that is not defined before: {name!r}", number)
            bones[name].parent = words[0]
            ordered[name] = bones[name]
    return ordered, 1.0


def _sections(path: Path | str, lines: list[str]) -> dict[str, list[tuple[int, list[str]]]]:
    sections: dict[str, list[tuple[int, list[str]]]] = {}
    current: list[tuple[int, list[str]]] = []
    for number, line in enumerate(lines, start=1):
        words = line.split("#", 1)[0].replace("(", " ").replace(")", " ").split()
        if not words:
            continue
        if words[0].startswith(":"):
            current = sections.setdefault(words[0][1:].lower(), [])
        else:
            current.append((number, words))
    if not sections:
        raise MotionFileError(path, "no ':' sections; this is no ASF file", 1)
    return sections


def _read_root(path: Path | str, lines: list[tuple[int, list[str]]], degrees: bool) -> _Bone:
    order, axis = ["tx", "ty", "tz", "rx", "ry", "rz"], np.eye(3)
    sequence = "XYZ"
    for number, words in lines:
        if words[0] == "order":
            order = [word.lower() for word in words[1:]]
        elif words[0] == "axis":
            sequence = words[1]
        elif words[0] == "orientation":
            axis = _axis(path, [*words[1:], sequence], degrees, number)
    return _Bone("root", np.zeros(3), axis, order)


def _read_bones(path: Path | str, lines: list[tuple[int, list[str]]], degrees: bool) -> dict[str, _Bone]:
    bones: dict[str, _Bone] = {}
    name, direction, length, axis, dof = "", np.zeros(3), 0.0, np.eye(3), list[str]()
    for number, words in lines:
        key = words[0].lower()
        if key == "begin":
            name, direction, length, axis, dof = "", np.zeros(3), 0.0, np.eye(3), []
        elif key == "name":
            name = words[1]
        elif key == "direction":
            direction = np.array(_numbers(path, words[1:], 3, "direction", number))
        elif key == "length":
            length = _numbers(path, words[1:], 1, "length", number)[0]
        elif key == "axis":
            axis = _axis(path, words[1:], degrees, number)
        elif key == "dof":
            dof = [word.lower() for word in words[1:]]
        elif key == "end":
            if not name:
                raise MotionFileError(path, "a bone without a name", number)
            bones[name] = _Bone(name, direction * length, axis, dof)
    return bones


def _axis(path: Path | str, words: list[str], degrees: bool, number: int) -> np.ndarray:
    """Rotation of 'a b c XYZ': the first letter's turn is applied first."""
    angles = _numbers(path, words[:3], 3, "axis", number)
    matrix = np.eye(3)
    for letter, angle in zip(words[3].lower() if len(words) > 3 else "xyz", angles, strict=True):
        matrix = _TURNS[f"r{letter}"](np.array(np.radians(angle) if degrees else angle)) @ matrix
    return matrix


# ---- AMC


def _read_amc(path: Path | str, bones: dict[str, _Bone]) -> tuple[dict[str, np.ndarray], bool]:
    """Angles and positions [T, dof] by bone, and whether angles are in degrees."""
    degrees, frames = True, list[dict[str, list[float]]]()
    lines = read_text(path)
    for number, line in enumerate(lines, start=1):
        words = line.split("#", 1)[0].split()
        if not words:
            continue
        if words[0].startswith(":"):
            degrees = degrees and words[0].upper() != ":RADIANS"
        elif len(words) == 1 and words[0].isdigit():
            _check_complete(path, frames, bones, number)
            frames.append({})
        elif not frames:
            raise MotionFileError(path, f"{words[0]!r} before the first frame number; this is no AMC file", number)
        elif words[0] not in bones:
            raise MotionFileError(path, f"bone {words[0]!r} is not in the skeleton; is this the right ASF?", number)
        else:
            frames[-1][words[0]] = _numbers(path, words[1:], len(bones[words[0]].dof), words[0], number)
    if not frames:
        raise MotionFileError(path, "no frames; the file is empty or cut off", len(lines))
    _check_complete(path, frames, bones, len(lines))
    moving = [name for name, bone in bones.items() if bone.dof]
    return {name: np.array([frame[name] for frame in frames]) for name in moving}, degrees


def _check_complete(path: Path | str, frames: list[dict[str, list[float]]], bones: dict[str, _Bone], line: int) -> None:
    if not frames:
        return
    missing = [name for name, bone in bones.items() if bone.dof and name not in frames[-1]]
    if missing:
        raise MotionFileError(path, f"frame {len(frames)} lacks {', '.join(missing[:4])}; the file is cut off", line)


def _numbers(path: Path | str, words: list[str], count: int, what: str, number: int) -> list[float]:
    if len(words) != count:
        raise MotionFileError(path, f"{what} has {len(words)} numbers, expected {count}", number)
    try:
        return [float(word) for word in words]
    except ValueError:
        raise MotionFileError(path, f"{what} holds something that is not a number", number) from None
