"""View sets without pictures: random motions with known joints, cameras and people."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from training.data.clip_store import ClipStore
from training.evaluation.features import Representation
from training.evaluation.viewset import NUM_JOINTS, ViewSet

_DIMENSIONS = 8


def view_set(motions: int = 12, cameras: int = 6, frames: int = 17, seed: int = 0) -> ViewSet:
    """motions × 2 people × cameras views, spread evenly around people who do not turn."""
    rng = np.random.default_rng(seed)
    grid = np.meshgrid(np.arange(motions), np.arange(2), np.arange(cameras), indexing="ij")
    motion, identity, camera = (v.reshape(-1) for v in grid)
    # Poses of few dimensions, the same ones in every set: what holds for some motions holds for others.
    poses = np.random.default_rng(99).normal(size=(_DIMENSIONS, NUM_JOINTS, 3)) / _DIMENSIONS**0.5
    poses[:, 0] = 0
    start, speed = (rng.normal(size=(motions, 1, _DIMENSIONS)) for _ in range(2))
    path = np.einsum("mtd,djc->mtjc", start + 0.5 * speed * np.sin(np.linspace(0, 3, frames))[None, :, None], poses)
    azimuth = (360 / cameras * camera + 5 * (motion % 3) + 180) % 360 - 180
    pose = torch.from_numpy(np.linalg.qr(rng.normal(size=(motions, frames, 51, 3, 3)))[0]).float()
    pose = pose * torch.linalg.det(pose)[..., None, None].sign()
    joints = path[motion].astype(np.float32)
    return ViewSet(
        store=ClipStore(Path()),
        records=tuple({} for _ in range(motions)),
        motion=motion,
        view=identity * cameras + camera,
        identity=identity,
        camera=camera,
        body=(motion // 2 + identity * 2) % 4,
        still=np.ones(len(motion), bool),
        azimuth=np.repeat(azimuth[:, None], frames, axis=1).astype(np.float32),
        heading=np.zeros((len(motion), frames), np.float32),
        pose=pose[motion],
        joints=joints,
        joints_2d=joints[..., :2] / 2,
    )


def joints_of(views: ViewSet) -> np.ndarray:
    """The truth itself as features [N, T, D]."""
    return views.joints.reshape(*views.joints.shape[:2], -1)


def noise_of(views: ViewSet, size: int = 24, seed: int = 1) -> np.ndarray:
    """Features that know nothing."""
    shape = (len(views), views.num_frames, size)
    return np.random.default_rng([seed, len(views)]).normal(size=shape).astype(np.float32)


def known(name: str, function, control: bool = False) -> Representation:
    """A representation whose features are `function(views)`, mirrored or not."""
    return Representation(name, lambda views, mirrored: function(views), control)
