"""SMPL-X bodies for people who hold the licensed model files: the same interface and the same labels as `body.py`.

    body = load_smplx_body("models", betas=[0.5, -1.0], gender="female")   # reads models/smplx/SMPLX_FEMALE.npz

The files come from https://smpl-x.is.tue.mpg.de (registration; their licence forbids most commercial use) and are
read by the `smplx` package. SMPL-X rests in its own T-pose, so no calibration is needed. Its pose-dependent shape
correction is left out: joints and labels do not depend on it, the skin only a little. Clothes and hair are cut from
the SMPL-X surface as they are from the baked one; skirts and long hair need the baked asset's own layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from .body import Body, BodyAsset
from .skeleton import FINGERS, JOINTS

_BODY_JOINTS = 22
_JAW, _LEFT_EYE, _RIGHT_EYE, _FIRST_FINGER = 22, 23, 24, 25
_HEAD = JOINTS.index("head")


def load_smplx_body(folder: str | Path, betas: Sequence[float] = (), gender: str = "neutral") -> Body:
    """A body from SMPL-X files.

    folder: holds smplx/SMPLX_<GENDER>.npz; betas: up to ten shape values, mostly in -3..3.
    ValueError when the package or the file is missing or the betas do not fit.
    """
    file = Path(folder) / "smplx" / f"SMPLX_{gender.upper()}.npz"
    if gender not in ("neutral", "male", "female"):
        raise ValueError(f"gender is {gender!r}, expected 'neutral', 'male' or 'female'")
    if not file.is_file():
        raise ValueError(f"no SMPL-X model at {file}; download it from https://smpl-x.is.tue.mpg.de, unpack it there")
    if len(betas) > 10 or not np.isfinite(betas).all():
        raise ValueError(f"betas are {list(betas)}, expected up to ten finite numbers")
    vertices, joints, weights, faces = _read(Path(folder), list(betas), gender)
    weights = _without_face_joints(weights)
    points = _points(vertices, joints, weights)
    asset = _asset(vertices, weights, faces, points, gender)
    return Body(0, asset, calibration=np.tile(np.eye(3), (len(JOINTS), 1, 1)))


def _read(folder: Path, betas: list[float], gender: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Shaped vertices [V, 3], joints [55, 3], skinning weights [V, 55], faces [F, 3]."""
    try:
        import smplx
        from smplx.lbs import blend_shapes, vertices2joints
    except ImportError as error:
        raise ValueError("SMPL-X bodies need the package smplx: pip install smplx") from error
    model = smplx.create(
        str(folder), model_type="smplx", gender=gender, ext="npz", use_pca=False, flat_hand_mean=True, num_betas=10
    )
    shape = torch.zeros(1, model.num_betas)
    shape[0, : len(betas)] = torch.tensor(betas, dtype=torch.float32)
    with torch.no_grad():
        vertices = model.v_template + blend_shapes(shape, model.shapedirs)
        joints = vertices2joints(model.J_regressor, vertices)
    return vertices[0].numpy(), joints[0].numpy(), model.lbs_weights.numpy(), np.asarray(model.faces, np.int64)


def _without_face_joints(weights: np.ndarray) -> np.ndarray:
    """Weights [V, 55] in SMPL-X order -> [V, 52]: those of jaw and eyes go to the head."""
    kept = np.concatenate([weights[:, :_BODY_JOINTS], weights[:, _FIRST_FINGER:]], axis=1)
    kept[:, _HEAD] += weights[:, _BODY_JOINTS:_FIRST_FINGER].sum(axis=1)
    return kept


def _points(vertices: np.ndarray, joints: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Joint points by name, with finger and toe tips, as the baked asset has them."""
    at = np.concatenate([joints[:_BODY_JOINTS], joints[_FIRST_FINGER:]])
    points = dict(zip(JOINTS, at, strict=True))
    points |= {"jaw": joints[_JAW], "left_eye": joints[_LEFT_EYE], "right_eye": joints[_RIGHT_EYE]}
    for side in ("left", "right"):
        for finger in FINGERS:
            points[f"{side}_{finger}_tip"] = _farthest(vertices, weights, f"{side}_{finger}3", points)
        points[f"{side}_toe_tip"] = _farthest(vertices, weights, f"{side}_foot", points)
    return points


def _farthest(vertices: np.ndarray, weights: np.ndarray, joint: str, points: dict[str, np.ndarray]) -> np.ndarray:
    """The vertex that hangs mostly on a joint and lies farthest from it; the joint itself when none does."""
    own = vertices[weights[:, JOINTS.index(joint)] > 0.5]
    if not len(own):
        return points[joint]
    return own[np.linalg.norm(own - points[joint], axis=1).argmax()]


def _asset(
    vertices: np.ndarray, weights: np.ndarray, faces: np.ndarray, points: dict[str, np.ndarray], gender: str
) -> BodyAsset:
    """The shape in the form of the baked asset, with one body, no helper bones and two layers."""
    best = np.argsort(-weights, axis=1, kind="stable")[:, :8]
    chosen = np.take_along_axis(weights, best, axis=1)
    names = tuple(points)
    eyes = _eye_vertices(vertices, points)
    in_eye = eyes[faces].all(axis=1)
    empty = np.zeros(len(vertices), np.float32)
    return BodyAsset(
        points=np.concatenate([vertices, np.stack([points[name] for name in names])])[None].astype(np.float32),
        joint_names=names, bone_names=JOINTS, skin_bones=best.astype(np.int64),
        skin_weights=(chosen / chosen.sum(axis=1, keepdims=True)).astype(np.float32),
        faces={"skin": faces[~in_eye], "eyes": faces[in_eye]},
        masks={"lips": empty, "eyelids": empty, "ears": empty, "fingernails": empty, "open": empty + 1},
        region=_regions(weights), gender=np.array([1.0 if gender == "female" else 0.0]),
    )  # fmt: skip


def _eye_vertices(vertices: np.ndarray, points: dict[str, np.ndarray]) -> np.ndarray:
    """[V] bool: the eyeballs, spheres about the eye joints."""
    radius = 0.23 * np.linalg.norm(points["left_eye"] - points["right_eye"])
    away = [np.linalg.norm(vertices - points[name], axis=1) for name in ("left_eye", "right_eye")]
    return np.min(away, axis=0) < radius


def _regions(weights: np.ndarray) -> np.ndarray:
    """Region of each vertex [V] (see BodyAsset) from the joints it hangs on."""
    region = np.zeros(len(weights), np.uint8)
    groups = {
        1: ["head"],
        2: [name for name in JOINTS if name.startswith("left_") and name[5:].rstrip("123") in (*FINGERS, "wrist")],
        3: [name for name in JOINTS if name.startswith("right_") and name[6:].rstrip("123") in (*FINGERS, "wrist")],
        4: ["left_ankle", "left_foot"],
        5: ["right_ankle", "right_foot"],
    }
    for value, names in groups.items():
        region[weights[:, [JOINTS.index(name) for name in names]].sum(axis=1) > 0.5] = value
    return region
