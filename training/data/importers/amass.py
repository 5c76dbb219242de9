"""AMASS npz files (SMPL-H or SMPL-X parameters): rotations are taken as they are, z up becomes y up."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from ..procedural.curves import mirror
from ..procedural.fingers import finger_rotations, shape
from .retarget import Retargeted
from .source import MotionFileError

_RATES = ("mocap_framerate", "mocap_frame_rate")
_BODY = 22
# Number of values a frame: (first column of the left hand, joints a hand), None: no hands.
_LAYOUTS: dict[int, int | None] = {66: None, 72: None, 156: 66, 165: 75}
_Z_UP = Rotation.from_euler("x", -90, degrees=True)


def read_amass(path: Path | str) -> Retargeted:
    """Rotations and pelvis path of an AMASS file. MotionFileError names what is missing or has a wrong shape."""
    poses, trans, fps = _read_arrays(path)
    step = max(1, int(np.floor(fps / 60.0 + 1e-6)))
    poses, trans = poses[::step], trans[::step]
    frames, hands = len(poses), _LAYOUTS[poses.shape[1]]
    vectors = poses[:, : _BODY * 3].reshape(frames, _BODY, 3)
    rotations = _matrices(vectors)
    pose = np.tile(np.eye(3), (frames, 51, 1, 1))
    pose[:, :21] = rotations[:, 1:]
    has_fingers = hands is not None and bool(np.abs(poses[:, hands : hands + 90]).max() > 1e-6)
    if has_fingers and hands is not None:
        pose[:, 21:] = _matrices(poses[:, hands : hands + 90].reshape(frames, 30, 3))
    else:
        relaxed = finger_rotations(shape("relaxed")[None])[0]
        pose[:, 21:36], pose[:, 36:] = relaxed, mirror(relaxed)
    root = _Z_UP.as_matrix() @ rotations[:, 0]
    # `trans` differs from the pelvis by a constant, which the floor and the start at the origin take up.
    return Retargeted(root, trans @ _Z_UP.as_matrix().T, pose, fps / step, has_fingers)


def _matrices(vectors: np.ndarray) -> np.ndarray:
    return Rotation.from_rotvec(vectors.reshape(-1, 3)).as_matrix().reshape(*vectors.shape[:-1], 3, 3)


def _read_arrays(path: Path | str) -> tuple[np.ndarray, np.ndarray, float]:
    try:
        with np.load(path, allow_pickle=False) as file:
            names = set(file.files)
            missing = [name for name in ("poses", "trans") if name not in names]
            rate = next((name for name in _RATES if name in names), None)
            if missing or rate is None:
                missing += [] if rate else ["mocap_framerate"]
                raise MotionFileError(
                    path, f"no {', '.join(missing)} in it; is this an AMASS motion (not a shape) file?"
                )
            poses, trans, fps = file["poses"], file["trans"], float(file[rate])
    except MotionFileError:
        raise
    except (zipfile.BadZipFile, EOFError, OSError, ValueError) as error:
        raise MotionFileError(path, f"cannot be read as npz ({error}); the file is cut off or not an npz") from None
    if poses.ndim != 2 or poses.shape[1] not in _LAYOUTS or len(poses) < 1:
        known = ", ".join(str(width) for width in _LAYOUTS)
        raise MotionFileError(path, f"poses has shape {list(poses.shape)}, expected [T, one of {known}]")
    if trans.shape != (len(poses), 3):
        raise MotionFileError(path, f"trans has shape {list(trans.shape)}, expected {[len(poses), 3]}")
    if not fps > 0 or not (np.isfinite(poses).all() and np.isfinite(trans).all()):
        raise MotionFileError(path, f"frame rate {fps} or some values are not finite numbers; the file is damaged")
    return poses.astype(float), trans.astype(float), fps
