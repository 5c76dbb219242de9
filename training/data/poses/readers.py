"""Files of body-pose estimators to tracks. What each writes was read in its own code:

gvhmr       hmr4d_results.pt      torch; smpl_params_incam / smpl_params_global: body_pose [F, 63]; one person
phalp       demo_<video>.pkl      joblib (4D-Humans, PHALP); a dict by picture name: time, tid, tracked_time and smpl,
                                  lists over people; smpl: body_pose [23, 3, 3]. Entries with tracked_time > 0 are
                                  old ones, kept while the person is lost
wham        wham_output.pkl       joblib; a dict by person: pose [F, 72], frame_ids [F]
prompthmr   results.pkl           joblib; people, a dict by person: frames [F], smplx_cam: rotmat [F, 55, 3, 3], of
                                  which the hands are zeros
smplerx     smplx/<frame>_<n>.npz numpy; body_pose [21, 3], left_hand_pose, right_hand_pose [15, 3]; frames from 1
camerahmr   <frame>.npz           numpy; body_pose in any of the forms of `to_matrices`, or pose with the root first

SMPL's bodies have 23 joints, the last two of which (hands) SMPL-X replaces by fingers: the first 21 are the same.
"""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..importers.amass import read_amass
from ..importers.source import MotionFileError
from .safe_pickle import read_pickle
from .track import BODY, LEFT_HAND, RIGHT_HAND, PoseFile, PoseFileError, PoseTrack3D, as_array, make_track, to_matrices

_NUMBERED = re.compile(r"^(?:.*?[^0-9])??(\d+)(?:_(\d+))?$")
MEAN_HANDS = ("hands_meanl", "hands_meanr")


def read_gvhmr(path: Path) -> PoseFile:
    """GVHMR's hmr4d_results.pt. PoseFileError when it is damaged, or no such file."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise PoseFileError(path, "does not exist") from None
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, pickle.UnpicklingError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise PoseFileError(path, f"cannot be read as tensors alone ({reason})") from error
    parameters = None
    for name in ("smpl_params_incam", "smpl_params_global"):
        parameters = parameters or _mapping(path, content).get(name)
    if parameters is None:
        raise PoseFileError(path, "has no smpl_params_incam; expected GVHMR's hmr4d_results.pt")
    body = to_matrices(path, "body_pose", _field(path, parameters, "body_pose"), 21)
    return PoseFile((make_track(path, "0", np.arange(len(body)), body),))


def read_phalp(path: Path) -> PoseFile:
    """The tracks of 4D-Humans and PHALP. PoseFileError when it is damaged, or no such file."""
    found: dict[str, list[tuple[int, Any, float]]] = {}
    for number, frame in enumerate(_mapping(path, read_pickle(path)).values()):
        frame = _mapping(path, frame)
        people, bodies, lost = (_field(path, frame, name) for name in ("tid", "smpl", "tracked_time"))
        boxes = frame.get("bbox", [])
        for index, person in enumerate(people):
            if index < min(len(bodies), len(lost)) and lost[index] == 0:
                box = np.asarray(boxes[index], float).ravel() if index < len(boxes) else np.zeros(4)
                size = float(np.sqrt(box[2] * box[3])) if box.size == 4 else 0.0
                body = _field(path, bodies[index], "body_pose")
                found.setdefault(str(person), []).append((int(frame.get("time", number)), body, size))
    tracks = []
    for person, entries in sorted(found.items()):
        body = to_matrices(path, f"body_pose of person {person}", _stacked(path, [each[1] for each in entries]), 21)
        frames, size = np.array([each[0] for each in entries]), float(np.median([each[2] for each in entries]))
        tracks.append(make_track(path, person, frames, body, size=size))
    return _file(path, tracks)


def read_wham(path: Path) -> PoseFile:
    """WHAM's wham_output.pkl. PoseFileError when it is damaged, or no such file."""
    tracks = []
    for person, result in _mapping(path, read_pickle(path)).items():
        frames = _frames(path, _field(path, result, "frame_ids"))
        pose = to_matrices(path, f"pose of person {person}", _field(path, result, "pose"), 22, len(frames))
        tracks.append(make_track(path, str(person), frames, pose[:, 1:], size=_nearness(path, result.get("trans"))))
    return _file(path, tracks)


def read_prompthmr(path: Path) -> PoseFile:
    """PromptHMR's results.pkl. PoseFileError when it is damaged, or no such file."""
    tracks = []
    people = _mapping(path, _field(path, _mapping(path, read_pickle(path)), "people"))
    for person, result in people.items():
        camera = _mapping(path, _field(path, _mapping(path, result), "smplx_cam"))
        frames = _frames(path, _field(path, result, "frames"))
        pose = to_matrices(path, f"rotmat of person {person}", _field(path, camera, "rotmat"), 22, len(frames))
        tracks.append(make_track(path, str(person), frames, pose[:, 1:], size=_nearness(path, camera.get("trans"))))
    return _file(path, tracks)


def read_smplerx(path: Path, mean_hands: tuple[np.ndarray, np.ndarray] | None = None, first: int = 1) -> PoseFile:
    """SMPLer-X's folder of npz files, the first person of each (its numbers do not follow people).

    mean_hands: axis-angle [15, 3] of SMPL-X's mean left and right hand, which its hand poses count from; without
    them the hands are unknown. first: the number of the video's first frame in their names. PoseFileError when a
    file is damaged, or there are none.
    """
    numbers, files = _numbered(path, first)
    bodies = [_npz(each) for each in files]
    body = to_matrices(path, "body_pose", _stacked(path, [_field(path, one, "body_pose") for one in bodies]), 21)
    hands: list[np.ndarray | None] = []
    for side, name in enumerate(("left_hand_pose", "right_hand_pose")):
        if mean_hands is None:
            hands.append(None)
            continue
        values = _stacked(path, [as_array(path, name, _field(path, one, name)).reshape(-1, 3) for one in bodies])
        if values.shape[1:] != (15, 3):
            raise PoseFileError(path, f"{name} has shape {list(values.shape[1:])}, expected [15, 3]")
        hands.append(to_matrices(path, name, values + mean_hands[side], 15))
    return PoseFile((make_track(path, "0", numbers, body, hands[0], hands[1]),))


def read_camerahmr(path: Path, first: int = 0) -> PoseFile:
    """SMPL parameters as an npz for each frame, numbered from `first`, the first person of each.

    PoseFileError when a file is damaged, or there are none.
    """
    numbers, files = _numbered(path, first)
    entries = []
    for each in files:
        content = _npz(each)
        name = "body_pose" if "body_pose" in content else "pose"
        values = as_array(each, name, _field(each, content, name))
        entries.append(_one_person(each, name, values)[1 if name == "pose" else 0 :][:21])
    body = to_matrices(path, "body_pose", _stacked(path, entries), 21)
    return PoseFile((make_track(path, "0", numbers, body),))


def read_amass_poses(path: Path) -> PoseFile:
    """An AMASS npz that belongs to a video from its first frame on. PoseFileError as its reader says."""
    try:
        motion = read_amass(path)
    except MotionFileError as error:
        raise PoseFileError(path, str(error).removeprefix(f"{path}: ")) from error
    hands = (motion.pose[:, LEFT_HAND], motion.pose[:, RIGHT_HAND]) if motion.has_fingers else (None, None)
    return PoseFile((make_track(path, "0", np.arange(len(motion.pose)), motion.pose[:, BODY], *hands),), motion.fps)


def read_mean_hands(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Axis-angle [15, 3] of SMPL-X's mean left and right hand, from SMPLX_NEUTRAL.npz or its like."""
    content = _npz(path, MEAN_HANDS)
    left, right = (as_array(path, name, _field(path, content, name)) for name in MEAN_HANDS)
    if left.size != 45 or right.size != 45:
        raise PoseFileError(path, f"hands_meanl has {left.size} values, expected 45; is this an SMPL-X model?")
    return left.reshape(15, 3), right.reshape(15, 3)


# --- helpers ------------------------------------------------------------------------------------------------------


def _mapping(path: Path, value: Any) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        raise PoseFileError(path, f"holds {type(value).__name__} where a table is expected; is it of this estimator?")
    return value


def _field(path: Path, table: Any, name: str) -> Any:
    table = _mapping(path, table)
    if name not in table:
        has = ", ".join(sorted(map(str, table))[:8])
        raise PoseFileError(path, f"lacks {name} (it has {has}); is it of this estimator?")
    return table[name]


def _frames(path: Path, values: Any) -> np.ndarray:
    frames = as_array(path, "frame numbers", values).ravel()
    if not np.isfinite(frames).all():
        raise PoseFileError(path, "some frame numbers are not finite; the file is damaged")
    return frames.astype(np.int64)


def _stacked(path: Path, values: list[Any]) -> np.ndarray:
    arrays = [as_array(path, "a pose", value) for value in values]
    shapes = {array.shape for array in arrays}
    if len(shapes) > 1:
        raise PoseFileError(path, f"its poses have several shapes: {', '.join(map(str, sorted(shapes)))}")
    return np.stack(arrays) if arrays else np.zeros((0, 21, 3))


def _one_person(path: Path, name: str, values: np.ndarray) -> np.ndarray:
    """[J, 3] or [J, 3, 3] of the first person of [J * 3], [J, 3], [J, 3, 3] or [N, ...] of these."""
    if values.shape[-2:] == (3, 3):
        return values.reshape(-1, *values.shape[-3:])[0] if values.ndim >= 3 else values[None]
    if values.ndim >= 2 and values.shape[-1] == 3:
        return values.reshape(-1, *values.shape[-2:])[0]
    flat = values.reshape(-1, values.shape[-1])[0] if values.ndim else values.reshape(-1)
    if not flat.size or flat.size % 3:
        raise PoseFileError(path, f"{name} has shape {list(values.shape)}, expected joints times 3")
    return flat.reshape(-1, 3)


def _nearness(path: Path, trans: Any) -> float:
    """One over the distance from the camera: what makes a person large in the picture."""
    if trans is None:
        return 0.0
    depth = as_array(path, "trans", trans).reshape(-1, 3)[:, 2]
    return 1.0 / max(0.1, float(np.median(depth))) if depth.size and np.isfinite(depth).all() else 0.0


def _numbered(path: Path, first: int) -> tuple[np.ndarray, list[Path]]:
    """Frame numbers from 0 and files of a folder, the lowest person of each frame; files count from `first`."""
    if not path.is_dir():
        raise PoseFileError(path, "is no folder; expected one of npz files, one for each frame")
    chosen: dict[int, tuple[int, Path]] = {}
    for file in sorted(path.glob("*.npz")):
        match = _NUMBERED.match(file.stem)
        if match:
            frame, person = int(match[1]) - first, int(match[2] or 0)
            if frame not in chosen or person < chosen[frame][0]:
                chosen[frame] = (person, file)
    if not chosen:
        raise PoseFileError(path, "holds no npz files whose names are frame numbers, such as 00001_0.npz")
    numbers = sorted(chosen)
    return np.array(numbers), [chosen[number][1] for number in numbers]


def _npz(path: Path, names: tuple[str, ...] | None = None) -> dict[str, np.ndarray]:
    """The arrays of an npz, or those named; never a pickled object."""
    try:
        with np.load(path, allow_pickle=False) as file:
            wanted = [name for name in file.files if names is None or name in names]
            return {name: file[name] for name in wanted}
    except FileNotFoundError:
        raise PoseFileError(path, "does not exist") from None
    except (zipfile.BadZipFile, EOFError, OSError, ValueError, KeyError) as error:
        raise PoseFileError(path, f"cannot be read as npz of numbers ({error})") from error


def _file(path: Path, tracks: list[PoseTrack3D]) -> PoseFile:
    if not tracks:
        raise PoseFileError(path, "has nobody in it")
    return PoseFile(tuple(tracks))
