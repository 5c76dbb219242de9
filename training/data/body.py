"""Adult bodies that are posed by SMPL-X rotations: rest shape, skeleton, plain-torch skinning.

Design decisions:
- The rotations that pose a body are its labels, exactly. Anny rests in an A-pose with bent elbows and relaxed
  fingers; A_j is the calibrated rotation that takes bone j from there to SMPL's T-pose (straight arms along x, palms
  down, elbow hinge vertical). With G_j the product of the SMPL-X rotations from the root to j, the bone turns by
  W_j = G_j A_j: relative to its parent that is A_parent^T R_j A_j, and R_j is the label.
- Helper bones (shoulder blade, upper arm, forearm, thigh) take a share of their joint's twist. They change only the
  skin, never a joint, and keep shoulders and wrists from collapsing.
- All layers of the asset (skin, eyes, and the tights, skirt and hair surfaces from which `appearance.py` tailors)
  share one vertex list, so one skinning routine serves everything.

The asset is written by `bake_body.py`. Units are metres, y is up, the person faces +z and their left is +x.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from .bone_frames import aligned, calibrate, shared_turn
from .skeleton import JOINTS, PARENTS, STANDING_HEIGHT, forward_kinematics, lowest_point

if TYPE_CHECKING:
    from .motion import Motion

NUM_BODIES = 64
NUM_JOINTS = 55
ASSET = Path(__file__).parent / "assets" / "body.npz"
LAYERS = ("skin", "eyes", "tights", "skirt", "hair")
# Helper bone: (parent joint, joint, share, kind of share; see bone_frames.shared_turn).
_HELPERS = {
    "scapula": ("collar", "shoulder", 0.3, "all"),
    "upperarm_twist": ("collar", "shoulder", 0.45, "swing"),
    "forearm_twist": ("elbow", "wrist", 0.6, "twist"),
    "thigh_twist": ("pelvis", "hip", 0.5, "swing"),
}


@dataclass(frozen=True)
class BodyAsset:
    """What all bodies share. V vertices, B bones (52 joints and the helper bones), J joint points."""

    points: np.ndarray  # [NUM_BODIES, V + J, 3] float32: vertices, then joint points, at rest (A-pose)
    joint_names: tuple[str, ...]
    bone_names: tuple[str, ...]
    skin_bones: np.ndarray  # [V, 8] int64
    skin_weights: np.ndarray  # [V, 8] float32, rows sum to 1
    faces: dict[str, np.ndarray]  # layer -> [F, 3] int64; other sources than the baked one have skin and eyes only
    masks: dict[str, np.ndarray]  # lips, eyelids, ears, fingernails -> [V] float32 in 0..1
    region: np.ndarray  # [V] uint8: 0 body, 1 head, 2 / 3 left / right hand, 4 / 5 left / right foot, 6+ cavities
    gender: np.ndarray  # [NUM_BODIES] 0 male .. 1 female

    @cached_property
    def skin_ids(self) -> np.ndarray:
        """Indices of the vertices of the skin."""
        return np.unique(self.faces["skin"])


@lru_cache(maxsize=1)
def load_asset(path: Path = ASSET) -> BodyAsset:
    """Read the baked bodies. ValueError when the file is missing."""
    if not path.is_file():
        raise ValueError(f"body asset {path} is missing; make it with `python -m training.data.bake_body`")
    with np.load(path, allow_pickle=False) as file:
        stored = {name: file[name] for name in file.files}
    basis = stored["basis"].astype(np.float32) * stored["basis_step"][:, None, None]
    mean = stored["mean"].astype(np.float32) * stored["mean_step"]
    halves = mean + np.einsum("nk,kvc->nvc", stored["coefficients"], basis)
    half, mirror = stored["half"].astype(int), stored["mirror"].astype(int)
    vertices = np.zeros((len(halves), len(mirror), 3), np.float32)
    vertices[:, half] = halves[:, : len(half)]
    vertices[:, mirror[half]] = halves[:, : len(half)] * np.array([-1, 1, 1], np.float32)
    on_axis = half[mirror[half] == half]
    vertices[:, on_axis, 0] = 0.0
    return BodyAsset(
        points=np.concatenate([vertices, halves[:, len(half) :]], axis=1),
        joint_names=tuple(stored["joint_names"].tolist()),
        bone_names=tuple(stored["bone_names"].tolist()),
        skin_bones=stored["skin_bones"].astype(np.int64),
        skin_weights=stored["skin_weights"].astype(np.float32) / 255,
        faces={layer: stored[f"faces_{layer}"].astype(np.int64) for layer in LAYERS},
        masks={name[5:]: value.astype(np.float32) / 255 for name, value in stored.items() if name.startswith("mask_")},
        region=stored["region"],
        gender=stored["gender"],
    )


@dataclass(frozen=True)
class PosedBody:
    """A body over time.

    bones [T, B, 3, 4]: rest point to world, per bone. joints [T, 55, 3]: world positions, SMPL-X order (jaw and eyes
    ride on the head).
    """

    body: Body
    bones: Tensor
    joints: Tensor

    @property
    def num_frames(self) -> int:
        return self.bones.shape[0]

    @cached_property
    def vertices(self) -> Tensor:
        """[T, V, 3] every layer's vertices in the world; computed on first use, renderers skin for themselves."""
        body = self.body
        return skin(body.rest_vertices, body.asset.skin_bones, body.asset.skin_weights, self.bones)


def skin(rest: np.ndarray, skin_bones: np.ndarray, skin_weights: np.ndarray, bones: Tensor) -> Tensor:
    """Linear blend skinning: rest [V, 3], skin_bones and skin_weights [V, 8], bones [T, B, 3, 4] -> [T, V, 3]."""
    dense = torch.zeros(len(rest), bones.shape[1])
    dense.scatter_add_(1, torch.from_numpy(skin_bones), torch.from_numpy(skin_weights))
    points = torch.from_numpy(np.ascontiguousarray(rest, np.float32))
    out = torch.empty(len(bones), len(rest), 3)
    for frame, matrices in enumerate(bones):  # one frame at a time: the blended matrices stay in the cache
        blended = (dense @ matrices.reshape(-1, 12)).reshape(-1, 3, 4)
        out[frame] = torch.einsum("vij,vj->vi", blended[:, :, :3], points) + blended[:, :, 3]
    return out


class Body:
    """One adult: `Body.load(index)` for index in 0..NUM_BODIES - 1."""

    def __init__(self, index: int, asset: BodyAsset, calibration: np.ndarray | None = None) -> None:
        """calibration [52, 3, 3]: rotations from the asset's rest pose to SMPL's T-pose; None measures them."""
        num_vertices = len(asset.region)
        self.index = index
        self.asset = asset
        self.is_female = bool(asset.gender[index] > 0.5)
        self.rest_vertices = asset.points[index, :num_vertices]  # [V, 3], A-pose, all layers
        self.faces = np.concatenate([asset.faces[layer] for layer in ("skin", "eyes")])  # [F, 3] the bare body
        self.points = dict(zip(asset.joint_names, asset.points[index, num_vertices:], strict=True))
        self._heads = np.stack([self.points[name] for name in asset.bone_names]).astype(np.float64)  # [B, 3]
        measured = calibrate(self.points) if calibration is None else calibration
        self._calibration = torch.from_numpy(measured).float()
        self._set_t_pose()

    @classmethod
    def load(cls, index: int) -> Body:
        """ValueError for an index outside 0..NUM_BODIES - 1."""
        if not 0 <= index < NUM_BODIES:
            raise ValueError(f"body index is {index}, expected 0..{NUM_BODIES - 1}")
        return _load_body(index)

    def _set_t_pose(self) -> None:
        """Rest offsets in the T-pose, standing pelvis height and body height."""
        rest = torch.from_numpy(self._heads[: len(JOINTS)]).float()
        offsets = torch.zeros(len(JOINTS), 3)
        for joint in range(1, len(JOINTS)):
            parent = PARENTS[joint]
            offsets[joint] = self._calibration[parent] @ (rest[joint] - rest[parent])
        self.offsets = offsets  # [52, 3] from the parent, metres, SMPL T-pose
        identity = torch.eye(3).expand(1, len(JOINTS), 3, 3)
        bones, joints = self._place(identity, torch.zeros(1, 3))
        standing = PosedBody(self, bones, joints).vertices[0, self.asset.faces["skin"].reshape(-1)]
        low, high = float(standing[:, 1].min()), float(standing[:, 1].max())
        self.height = high - low
        self.pelvis_height = -low
        skin_ids = self.asset.skin_ids
        feet = np.isin(self.asset.region, (4, 5))[skin_ids]
        self._contact = np.concatenate([skin_ids[feet][::2], skin_ids[~feet][::12]])

    def pose(self, motion: Motion) -> PosedBody:
        """The body in every frame of a motion.

        The root path is made for a 1.70 m skeleton: it is scaled to this body's legs, and each frame is raised or
        lowered until the lowest point of the body is as high above the floor as the skeleton's (scaled) was.
        """
        local = torch.cat([motion.global_orient[:, None], motion.pose], dim=1)
        scale = self.pelvis_height / STANDING_HEIGHT
        transl = motion.transl * scale
        bones, joints = self._place(self._chain(local), transl)
        sample = skin(
            self.rest_vertices[self._contact],
            self.asset.skin_bones[self._contact], self.asset.skin_weights[self._contact], bones,
        )  # fmt: skip
        positions, rotations = forward_kinematics(
            motion.global_orient.double().numpy(), motion.transl.double().numpy(), motion.pose.double().numpy()
        )
        wanted = torch.from_numpy(lowest_point(positions, rotations)).float() * scale
        lift = torch.zeros(len(transl), 3)
        lift[:, 1] = wanted - sample[..., 1].min(dim=1).values
        bones = bones.clone()
        bones[..., 3] += lift[:, None]
        return PosedBody(self, bones, joints + lift[:, None])

    @staticmethod
    def _chain(local: Tensor) -> Tensor:
        """Local rotations [T, 52, 3, 3] -> rotations from the root [T, 52, 3, 3]."""
        world = [local[:, 0]]
        for joint in range(1, local.shape[1]):
            world.append(world[PARENTS[joint]] @ local[:, joint])
        return torch.stack(world, dim=1)

    def _place(self, world: Tensor, transl: Tensor) -> tuple[Tensor, Tensor]:
        """Rotations from the root [T, 52, 3, 3] and root [T, 3] -> bones [T, B, 3, 4], joints [T, 55, 3]."""
        positions = [transl]
        for joint in range(1, len(JOINTS)):
            parent = PARENTS[joint]
            positions.append(positions[parent] + world[:, parent] @ self.offsets[joint])
        at = torch.stack(positions, dim=1)
        turn = world @ self._calibration
        turn, at_bones = self._add_helpers(turn, at)
        heads = torch.from_numpy(self._heads).float()
        bones = torch.cat([turn, (at_bones - torch.einsum("tbij,bj->tbi", turn, heads))[..., None]], dim=-1)
        head = JOINTS.index("head")
        face = torch.from_numpy(np.stack([self.points[n] for n in ("jaw", "left_eye", "right_eye")])).float()
        face = torch.einsum("tij,nj->tni", bones[:, head, :, :3], face) + bones[:, head, None, :, 3]
        joints = torch.cat([at[:, :22], face, at[:, 22:]], dim=1)
        return bones, joints

    def _add_helpers(self, turn: Tensor, at: Tensor) -> tuple[Tensor, Tensor]:
        """Append the helper bones' turns [T, B, 3, 3] and head positions [T, B, 3] to those of the 52 joints."""
        turns, places = [turn], [at]
        for index, name in enumerate(self.asset.bone_names[len(JOINTS) :], start=len(JOINTS)):
            side, helper = name.split("_", 1)
            parent_name, child_name, share, kind = _HELPERS[helper]
            parent = JOINTS.index(parent_name if parent_name == "pelvis" else f"{side}_{parent_name}")
            child = JOINTS.index(f"{side}_{child_name}")
            local = turn[:, parent].transpose(1, 2) @ turn[:, child]
            own = turn[:, parent] @ shared_turn(local, self._twist_axis(side, child_name), share, kind)
            # A bone before its joint (forearm) hangs on the parent; the others turn about the joint itself.
            pivot = index if kind == "twist" else child
            to_pivot, to_head = (self._heads[pivot] - self._heads[parent]), (self._heads[index] - self._heads[pivot])
            place = at[:, parent] + turn[:, parent] @ torch.from_numpy(to_pivot).float()
            turns.append(own[:, None])
            places.append((place + own @ torch.from_numpy(to_head).float())[:, None])
        return torch.cat(turns, dim=1), torch.cat(places, dim=1)

    def _twist_axis(self, side: str, child: str) -> Tensor:
        """Rest direction (A-pose) of the bone whose twist is shared: upper arm, forearm, thigh."""
        ends = {"shoulder": ("shoulder", "elbow"), "wrist": ("elbow", "wrist"), "hip": ("hip", "knee")}[child]
        start, end = (self.points[f"{side}_{name}"] for name in ends)
        return torch.from_numpy(aligned(end - start)).float()


@lru_cache(maxsize=NUM_BODIES)
def _load_body(index: int) -> Body:
    return Body(index, load_asset())
