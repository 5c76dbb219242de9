"""Writers of estimators' files in their real layouts, and of joblib's format, which this project reads without it."""

from __future__ import annotations

import pickle
import zlib
from collections import OrderedDict, defaultdict
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from scipy.spatial.transform import Rotation


def random_pose(frames: int, joints: int = 51, seed: int = 0, step: float = 0.05) -> np.ndarray:
    """[F, joints, 3] axis-angle that changes slowly."""
    rng = np.random.default_rng(seed)
    return rng.normal(0, 0.5, (1, joints, 3)) + np.arange(frames)[:, None, None] * rng.normal(0, step, (1, joints, 3))


def matrices(vectors: np.ndarray) -> np.ndarray:
    return Rotation.from_rotvec(vectors.reshape(-1, 3)).as_matrix().reshape(*vectors.shape[:-1], 3, 3)


# --- joblib -------------------------------------------------------------------------------------------------------


class NumpyArrayWrapper:
    """joblib's own class of this name carries the same attributes."""

    def __init__(self, array: np.ndarray, alignment: int | None) -> None:
        self.subclass, self.shape, self.dtype = type(array), array.shape, array.dtype
        self.order = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
        self.allow_mmap = True
        if alignment is not None:
            self.numpy_array_alignment_bytes = alignment


NumpyArrayWrapper.__module__ = "joblib.numpy_pickle"


class JoblibPickler(pickle._Pickler):
    """Writes arrays as joblib 1.2 and newer do: a wrapper, then padding and the plain bytes."""

    def __init__(self, file: Any, alignment: int | None) -> None:
        super().__init__(file, protocol=4)
        self.file, self.alignment = file, alignment

    def save_global(self, obj: Any, name: str | None = None) -> None:
        if obj is NumpyArrayWrapper:
            self.save("joblib.numpy_pickle")
            self.save("NumpyArrayWrapper")
            self.write(pickle.STACK_GLOBAL)
            self.memoize(obj)
        else:
            super().save_global(obj, name)

    def save(self, obj: Any, *rest: Any, **options: Any) -> None:
        if type(obj) is not np.ndarray:
            super().save(obj, *rest, **options)
            return
        super().save(NumpyArrayWrapper(obj, self.alignment))
        self.framer.commit_frame(force=True)
        if self.alignment is not None:
            padding = self.alignment - (self.file.tell() + 1) % self.alignment
            self.file.write(bytes([padding]) + b"\xff" * padding)
        self.file.write(obj.tobytes("F" if obj.flags.f_contiguous and not obj.flags.c_contiguous else "C"))

    # The plain pickler finds classes by a table of its own; ours must be reached for every class.
    dispatch: ClassVar[dict[type, Any]] = dict(pickle._Pickler.dispatch)
    dispatch[type] = lambda self, obj: self.save_global(obj)


def write_joblib(path: Path, value: Any, alignment: int | None = 16, compress: bool = False) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        JoblibPickler(file, alignment).dump(value)
    if compress:
        path.write_bytes(zlib.compress(path.read_bytes(), 3))
    return path


# --- the estimators -----------------------------------------------------------------------------------------------


def write_gvhmr(path: Path, body: np.ndarray) -> Path:
    """body [F, 21, 3] axis-angle."""
    frames = len(body)
    parameters = {
        "body_pose": torch.from_numpy(body).float().reshape(frames, 63),
        "betas": torch.zeros(frames, 10),
        "global_orient": torch.zeros(frames, 3),
        "transl": torch.zeros(frames, 3),
    }
    content = {
        "smpl_params_global": parameters,
        "smpl_params_incam": dict(parameters),
        "K_fullimg": torch.eye(3).repeat(frames, 1, 1),
        "net_outputs": {"static_conf_logits": torch.zeros(frames, 6)},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, path)
    return path


def write_phalp(path: Path, body: np.ndarray, lost: tuple[int, ...] = (), other: bool = False) -> Path:
    """4D-Humans: person 1, a second one (2, smaller, in the first half) if `other`; lost in the frames named."""
    content: dict[str, Any] = {}
    for number, pose in enumerate(matrices(np.concatenate([body, np.zeros((len(body), 2, 3))], axis=1))):
        people = [(1, pose, 200.0, 1 if number in lost else 0)]
        if other and number < len(body) // 2:
            people.append((2, np.tile(np.eye(3), (23, 1, 1)), 60.0, 0))
        content[f"outputs/_DEMO/dance/img/{number + 1:06d}.jpg"] = {
            "time": number,
            "shot": 0,
            "tracked_ids": [each[0] for each in people if each[3] == 0],
            "tid": [each[0] for each in people],
            "tracked_time": [each[3] for each in people],
            "bbox": [np.array([10.0, 20.0, each[2], 2 * each[2]]) for each in people],
            "smpl": [
                {
                    "global_orient": np.eye(3, dtype=np.float32)[None],
                    "body_pose": each[1].astype(np.float32),
                    "betas": np.zeros(10, np.float32),
                }
                for each in people
            ],
            "conf": [np.float64(0.9)] * len(people),
            "size": [[720, 1280]] * len(people),
            "img_name": ["x.jpg"] * len(people),
        }
    return write_joblib(path, content, compress=True)


def write_wham(path: Path, body: np.ndarray, first: int = 0) -> Path:
    frames = len(body)
    pose = np.concatenate([np.zeros((frames, 1, 3)), body, np.zeros((frames, 2, 3))], axis=1).reshape(frames, 72)
    results: Any = defaultdict(dict)
    results[0] = {
        "pose": pose.astype(np.float32),
        "trans": np.tile([0.0, 0.0, 3.0], (frames, 1)).astype(np.float32),
        "pose_world": pose.astype(np.float32),
        "betas": np.zeros((frames, 10), np.float32),
        "verts": np.zeros((frames, 4, 3), np.float32),
        "frame_ids": np.arange(first, first + frames),
    }
    return write_joblib(path, results)


def write_prompthmr(path: Path, body: np.ndarray) -> Path:
    """The hands of its matrices are zeros, as it writes them."""
    frames = len(body)
    rotmat = np.zeros((frames, 55, 3, 3), np.float32)
    rotmat[:, 0], rotmat[:, 22:25] = np.eye(3), np.eye(3)
    rotmat[:, 1:22] = matrices(body)
    person = {
        "frames": np.arange(frames),
        "track_id": 1,
        "detected": np.ones(frames, bool),
        "smplx_cam": {"rotmat": rotmat, "pose": np.zeros((frames, 75)), "trans": np.tile([0, 0, 2.0], (frames, 1))},
        "betas": torch.zeros(3, 10),
    }
    camera = {"img_focal": np.float32(900), "img_center": np.array([360.0, 640.0])}
    return write_joblib(path, {"camera": camera, "people": OrderedDict({1: person}), "masks": None, "has_slam": True})


def write_smplerx(folder: Path, pose: np.ndarray, mean: np.ndarray | None = None) -> Path:
    """pose [F, 51, 3]; hands are written less the mean hand [30, 3], since that is what its model adds."""
    folder.mkdir(parents=True, exist_ok=True)
    hands = pose[:, 21:] - (0 if mean is None else mean)
    for number in range(len(pose)):
        content = {
            "global_orient": np.zeros((1, 3)),
            "body_pose": pose[number, :21],
            "left_hand_pose": hands[number, :15],
            "right_hand_pose": hands[number, 15:],
            "jaw_pose": np.zeros((1, 3)),
            "betas": np.zeros((1, 10)),
            "transl": np.zeros((1, 3)),
        }
        np.savez(folder / f"{number + 1:05}_0.npz", **content)
        np.savez(folder / f"{number + 1:05}_1.npz", **(content | {"body_pose": np.zeros((21, 3))}))
    return folder


def write_camerahmr(folder: Path, body: np.ndarray) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, pose in enumerate(matrices(np.concatenate([body, np.zeros((len(body), 2, 3))], axis=1))):
        np.savez(folder / f"frame_{number:06d}.npz", body_pose=pose[None], global_orient=np.eye(3)[None, None])
    return folder


def write_hands(path: Path, pose: np.ndarray, fps: float = 16.0, hidden: tuple[int, ...] = ()) -> Path:
    """A dump of pose [F, 51, 3]; the left hand is not found in the frames `hidden`; wrong hands come with it, less
    sure."""
    entries = []
    for number, vectors in enumerate(pose):
        for right in (0, 1):
            if right or number not in hidden:
                hand = matrices(vectors[36:] if right else vectors[21:36])
                entries.append((number, right, 0.9, hand))
                entries.append((number, right, 0.4, np.tile(np.eye(3), (15, 1, 1))))
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        path,
        frame=np.array([each[0] for each in entries]),
        right=np.array([each[1] for each in entries], np.uint8),
        score=np.array([each[2] for each in entries]),
        hand_pose=np.stack([each[3] for each in entries]),
        fps=fps,
        estimator=np.array("wilor"),
    )
    return path


def write_amass(path: Path, pose: np.ndarray, fps: float = 30.0) -> Path:
    """SMPL-H: 156 values a frame."""
    frames = len(pose)
    values = np.concatenate([np.zeros((frames, 1, 3)), pose], axis=1).reshape(frames, 156)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, poses=values, trans=np.zeros((frames, 3)), betas=np.zeros(16), mocap_framerate=fps, gender="male")
    return path


# --- what the tests share -----------------------------------------------------------------------------------------

F, T, FPS = 24, 5, 16.0
POSE = random_pose(F)
BODY = POSE[:, :21]
MEAN = random_pose(1, 30, seed=3)[0]


def mean_hands(folder: Path) -> Path:
    path = folder / "SMPLX_NEUTRAL.npz"
    np.savez(path, hands_meanl=MEAN[:15].ravel(), hands_meanr=MEAN[15:].ravel(), v_template=np.zeros((4, 3)))
    return path


def write(name: str, folder: Path) -> Path:
    """The result of an estimator for a video called dance, below a folder, where it would put it."""
    return {
        "gvhmr": lambda: write_gvhmr(folder / "demo" / "dance" / "hmr4d_results.pt", BODY),
        "4dhumans": lambda: write_phalp(folder / "results" / "demo_dance.pkl", BODY),
        "wham": lambda: write_wham(folder / "demo" / "dance" / "wham_output.pkl", BODY),
        "prompthmr": lambda: write_prompthmr(folder / "dance" / "results.pkl", BODY),
        "smplerx": lambda: write_smplerx(folder / "dance" / "smplx", POSE, MEAN),
        "camerahmr": lambda: write_camerahmr(folder / "dance", BODY),
        "hands": lambda: write_hands(folder / "dance_hands.npz", POSE),
        "amass": lambda: write_amass(folder / "dance_poses.npz", POSE, FPS),
    }[name]()


KNOWS = {
    **dict.fromkeys(("gvhmr", "4dhumans", "wham", "prompthmr", "camerahmr"), (True, False)),
    "smplerx": (True, True), "hands": (False, True), "amass": (True, True),
}  # fmt: skip


class Hostile:
    """Runs a command when a plain pickle.load reads it."""

    def __init__(self, call, *arguments) -> None:
        self.call, self.arguments = call, arguments

    def __reduce__(self):
        return self.call, self.arguments
