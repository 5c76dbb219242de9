"""Every view of a rendered set with its labels in flat arrays: N views of T frames."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..data.clip_store import ClipStore
from ..data.manifest import Record, read_manifest

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

# 52 joints: SMPL-X's 55 without jaw and eyes.
_BODY_AND_HANDS = [*range(22), *range(25, 55)]
_PAIRS = [(1, 2), (4, 5), (7, 8), (10, 11), (13, 14), (16, 17), (18, 19), (20, 21)]
_PAIRS += [(22 + i, 37 + i) for i in range(15)]
NUM_JOINTS = len(_BODY_AND_HANDS)
BODY = slice(0, 22)
HANDS = (slice(22, 37), slice(37, 52))
WRISTS = (20, 21)


@dataclass(frozen=True)
class ViewSet:
    """records[motion[i]]["views"][view[i]] is view i.

    motion, view, identity, camera, body [N]; still [N] bool: the camera does not move; azimuth [N, T] degrees about the
    person's heading; heading [N, T] degrees, unwrapped; pose [N, T, 51, 3, 3]; joints [N, T, 52, 3] metres in the
    pelvis frame, pelvis at 0; joints_2d [N, T, 52, 2] about the pelvis, in heights of the person's box.
    """

    store: ClipStore
    records: tuple[Record, ...]
    motion: Ints
    view: Ints
    identity: Ints
    camera: Ints
    body: Ints
    still: NDArray[np.bool_]
    azimuth: Floats
    heading: Floats
    pose: Tensor
    joints: Floats
    joints_2d: Floats

    def __len__(self) -> int:
        return len(self.motion)

    @property
    def num_frames(self) -> int:
        return int(self.azimuth.shape[1])

    def record(self, index: int) -> Record:
        return self.records[self.motion[index]]

    def frames(self, index: int) -> Tensor:
        """uint8 [T, 3, H, W]."""
        return self.store.frames(self.record(index), int(self.view[index]))


def load_views(root: Path, count: int | None = None, cache_bytes: int = 0) -> ViewSet:
    """Read the labels of every view of a rendered set, or of its first `count` performances."""
    store, records = ClipStore(root, cache_bytes), tuple(read_manifest(root)[:count])
    rows: list[dict[str, object]] = []
    for number, record in enumerate(records):
        rows += _rows_of(store, record, number)
    if not rows:
        raise ValueError(f"{root} holds no views; render it again")

    def column(name: str) -> np.ndarray:
        return np.stack([np.asarray(row[name]) for row in rows])

    return ViewSet(
        store,
        records,
        motion=column("motion"),
        view=column("view"),
        identity=column("identity"),
        camera=column("camera"),
        body=column("body"),
        still=column("still"),
        azimuth=column("azimuth").astype(np.float32),
        heading=column("heading").astype(np.float32),
        pose=torch.stack([row["pose"] for row in rows]),  # type: ignore[misc]
        joints=column("joints").astype(np.float32),
        joints_2d=column("joints_2d").astype(np.float32),
    )


def _rows_of(store: ClipStore, record: Record, number: int) -> list[dict[str, object]]:
    labels = store.labels(record, "joints", "joints_2d", "global_orient", "azimuth", "heading", "pose")
    pose = labels["pose"].float()
    rows: list[dict[str, object]] = []
    for view, described in enumerate(record["views"]):
        identity = described["identity"]
        rows.append(
            {
                "motion": number,
                "view": view,
                "identity": identity,
                "camera": described["camera"],
                "body": record["bodies"][identity],
                "still": described["still"],
                "azimuth": labels["azimuth"][view],
                "heading": labels["heading"],
                "pose": pose,
                "joints": body_frame(labels["joints"][identity], labels["global_orient"]),
                "joints_2d": in_box(labels["joints_2d"][view]),
            }
        )
    return rows


def body_frame(joints: Tensor, global_orient: Tensor) -> Tensor:
    """World joints [T, 55, 3] → [T, 52, 3] about the pelvis, in the pelvis's own axes: view and heading are gone."""
    local = joints[:, _BODY_AND_HANDS] - joints[:, :1]
    return torch.einsum("tji,tnj->tni", global_orient, local)


def in_box(pixels: Tensor) -> Tensor:
    """Pixels [T, 55, 2] → [T, 52, 2] about the pelvis, in heights of the box around all joints of the clip."""
    local = pixels[:, _BODY_AND_HANDS] - pixels[:, :1]
    height = pixels[..., 1].amax(-1) - pixels[..., 1].amin(-1)
    return local / height.median().clamp(min=1.0)


def mirror_joints(joints: Floats) -> Floats:
    """The joints [..., 52, 2 or 3] of the mirrored person: x turned around, left and right exchanged."""
    order = list(range(NUM_JOINTS))
    for left, right in _PAIRS:
        order[left], order[right] = right, left
    mirrored = joints[..., order, :].copy()
    mirrored[..., 0] *= -1
    return mirrored


def angle_between(first: np.ndarray | float, second: np.ndarray | float) -> np.ndarray:
    """Smallest angle in degrees, 0 to 180."""
    return np.abs((np.asarray(first) - np.asarray(second) + 180) % 360 - 180)
