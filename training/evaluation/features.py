"""What stands for a view in the comparisons: motion tokens, and the controls that give their figures a meaning.

A representation is an array [N, T, D]: one row for each frame of each view. `mirrored` gives it for the mirrored
video (left and right exchanged), which is a hard negative of retrieval.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from threedimo_core.checkpoint import Adapter
from threedimo_core.encoding import encode_motion
from threedimo_core.motion_clip import MotionClip
from threedimo_core.motion_encoder import MotionEncoder
from threedimo_core.rotations import matrix_to_rotation_6d
from threedimo_core.skeleton import PARENTS

from ..data.clip_store import ClipStore
from ..data.manifest import Record
from ..data.motion import mirror_pose
from .viewset import BODY, Floats, ViewSet, mirror_joints

_THUMBNAIL = 16  # pixels a side: enough to see a silhouette, few enough for a linear probe

Represent = Callable[[ViewSet, bool], Floats]
ViewEncoder = Callable[[ClipStore, Record, int, bool], MotionClip]
"""(store, record, view, mirrored) → the motion of that view as the generator would hear it."""


@dataclass(frozen=True)
class Representation:
    """A name for the tables, the function, and whether it is a control."""

    name: str
    represent: Represent
    control: bool = True


def remembered(representation: Representation) -> Representation:
    """The same, made once for each set: several parts of the benchmark ask for it."""
    made: dict[tuple[int, bool], Floats] = {}

    def represent(views: ViewSet, mirrored: bool) -> Floats:
        key = (id(views), mirrored)
        if key not in made:
            made[key] = representation.represent(views, mirrored)
        return made[key]

    return replace(representation, represent=represent)


def encoder_of(adapter: Adapter) -> ViewEncoder:
    """Encodes rendered views with their hand views, as `Pipeline.encode_motion` does."""

    def encode(store: ClipStore, record: Record, view: int, mirrored: bool) -> MotionClip:
        frames, hands = store.frames(record, view), store.hands(record, view)
        present = store.labels(record, "hand_present")["hand_present"][view].bool() if hands is not None else None
        if mirrored:
            frames = frames.flip(-1)
            hands = None if hands is None else hands.flip(-1).flip(1)
            present = None if present is None else present.flip(1)
        return encode_motion(adapter, frames, record["fps"], hands, present)

    return encode


def untrained(adapter: Adapter, seed: int) -> Adapter:
    """The same adapter with an encoder that has learned nothing."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = MotionEncoder(adapter.encoder.config).eval().requires_grad_(False)
    return Adapter(encoder, adapter.injection, None, adapter.family, adapter.dims, adapter.record)


def token_representation(name: str, encode: ViewEncoder, control: bool = False) -> Representation:
    """All tokens of a frame, body and hands, in one row."""

    def represent(views: ViewSet, mirrored: bool) -> Floats:
        rows = []
        for index in tqdm(range(len(views)), desc=f"{name}{' mirrored' if mirrored else ''}", leave=False):
            clip = encode(views.store, views.record(index), int(views.view[index]), mirrored)
            rows.append(clip.tokens.flatten(1).numpy())
        return np.stack(rows).astype(np.float32)

    return Representation(name, represent, control)


def _pixels(views: ViewSet, mirrored: bool) -> Floats:
    rows = [_thumbnails(views.frames(index), mirrored) for index in range(len(views))]
    return np.stack(rows).astype(np.float32)


def _thumbnails(frames: Tensor, mirrored: bool) -> np.ndarray:
    small = F.interpolate(frames.float() / 255, (_THUMBNAIL, _THUMBNAIL), mode="area")
    return (small.flip(-1) if mirrored else small).flatten(1).numpy()


def _joints_2d(views: ViewSet, mirrored: bool) -> Floats:
    joints = views.joints_2d[:, :, BODY]
    # Mirrored in the picture, with the names exchanged: what a 2D tracker finds in the mirrored video.
    full = mirror_joints(views.joints_2d)[:, :, BODY] if mirrored else joints
    return full.reshape(*full.shape[:2], -1)


def _joints_3d(views: ViewSet, mirrored: bool) -> Floats:
    directions = bone_directions(mirror_joints(views.joints) if mirrored else views.joints)
    return directions.reshape(*directions.shape[:2], -1)


def bone_directions(joints: Floats) -> Floats:
    """Joints [..., 52, 3] → unit vectors [..., 21, 3] along the body's bones: the same for a long and a short body."""
    body = joints[..., BODY, :]
    bones = body[..., 1:, :] - body[..., list(PARENTS[1:22]), :]
    directions: Floats = bones / np.linalg.norm(bones, axis=-1, keepdims=True)
    return directions


def _rotations(views: ViewSet, mirrored: bool) -> Floats:
    pose = mirror_pose(views.pose) if mirrored else views.pose
    return matrix_to_rotation_6d(pose).flatten(2).numpy()


PIXELS = Representation("pixels", _pixels)
JOINTS_2D = Representation("2D joints", _joints_2d)
JOINTS_3D = Representation("true 3D joints", _joints_3d)
ROTATIONS = Representation("true rotations", _rotations)


@dataclass(frozen=True)
class Scaler:
    """Mean [D] and one spread of a representation on the fitting set: no statistic comes from the held-out set.

    One spread for all dimensions: with one for each, those that hardly move would be blown up to the size of others.
    """

    mean: Floats
    spread: float

    @classmethod
    def of(cls, features: Floats) -> Scaler:
        flat = features.reshape(-1, features.shape[-1])
        return cls(flat.mean(0), max(float(flat.std(0).mean()), 1e-9))

    def __call__(self, features: Floats) -> Floats:
        scaled: Floats = ((features - self.mean) / self.spread).astype(np.float32)
        return scaled
