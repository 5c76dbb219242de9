"""Rotations between Anny's rest pose and SMPL's T-pose, and the sharing out of twist."""

from __future__ import annotations

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from .skeleton import JOINTS

# Directions of SMPL's T-pose on the person's left (+x); the right side is the mirror image.
_UPPER_ARM, _FOREARM = (0.994, -0.045, -0.095), (0.999, 0.035, -0.010)
_THIGH, _SHIN = (0.075, -0.997, -0.010), (-0.020, -0.995, -0.095)
_FINGERS = {
    "index": (0.990, -0.015, 0.110), "middle": (0.999, -0.015, 0.010),
    "ring": (0.993, -0.020, -0.085), "pinky": (0.975, -0.030, -0.190),
}  # fmt: skip
_THUMB = ((0.66, -0.33, 0.68), (0.74, -0.26, 0.62), (0.79, -0.22, 0.57))
_DOWN = np.array([0.0, -1.0, 0.0])


def aligned(vector: np.ndarray) -> np.ndarray:
    """The vector at length 1. ValueError when it has no length."""
    length = float(np.linalg.norm(vector))
    if length < 1e-9:
        raise ValueError("a bone of the body has no length; bake the body asset again")
    return vector / length


def frame(direction: np.ndarray, hint: np.ndarray) -> np.ndarray:
    """Columns: direction, hint made square to it, their cross product."""
    x = aligned(direction)
    y = aligned(hint - x * (hint @ x))
    return np.stack([x, y, np.cross(x, y)], axis=1)


def between(direction: np.ndarray, hint: np.ndarray, new_direction: np.ndarray, new_hint: np.ndarray) -> np.ndarray:
    """The rotation that takes one direction to another, and a hint beside it as near as possible to the new hint."""
    return frame(new_direction, new_hint) @ frame(direction, hint).T


def shortest(direction: np.ndarray, new_direction: np.ndarray) -> np.ndarray:
    """The rotation of smallest angle from one direction to another (not opposite) one."""
    a, b = aligned(direction), aligned(new_direction)
    v = np.cross(a, b)
    skew = np.array([[0, -v[2], v[1]], [v[2], 0, -v[0]], [-v[1], v[0], 0]])
    return np.eye(3) + skew + skew @ skew / (1 + a @ b)


def calibrate(points: dict[str, np.ndarray]) -> np.ndarray:
    """A_j [52, 3, 3]: from the rest pose of these joint points to SMPL's T-pose, for each joint."""
    table = {name: np.eye(3) for name in JOINTS}
    for side, sign in (("left", 1.0), ("right", -1.0)):
        flip = np.array([sign, 1.0, 1.0])
        at = {k.removeprefix(f"{side}_"): v.astype(np.float64) for k, v in points.items() if k.startswith(f"{side}_")}
        for name, rotation in {**_arm(at, flip), **_leg(at, flip)}.items():
            table[f"{side}_{name}"] = rotation
    return np.stack([table[name] for name in JOINTS])


def _arm(at: dict[str, np.ndarray], flip: np.ndarray) -> dict[str, np.ndarray]:
    upper, fore = at["elbow"] - at["shoulder"], at["wrist"] - at["elbow"]
    # The rest elbow is bent: the normal of that bend is its hinge, vertical in the T-pose (the forearm then folds
    # forwards). On the mirrored side the cross product changes sign, and so does the target.
    hinge, up = np.cross(upper, fore), _DOWN * flip[0]
    out = {
        "shoulder": between(upper, hinge, np.array(_UPPER_ARM) * flip, up),
        "elbow": between(fore, hinge, np.array(_FOREARM) * flip, up),
    }
    across = at["index1"] - at["pinky1"]
    palm = at["middle1"] - at["wrist"]
    hand = between(palm, np.cross(across, palm) * flip[0], np.array([1.0, -0.02, 0.0]) * flip, -_DOWN)
    out["wrist"] = hand
    for finger, target in _FINGERS.items():
        out |= _finger(at, finger, hand, [np.array(target) * flip] * 3)
    out |= _finger(at, "thumb", hand, [np.array(target) * flip for target in _THUMB])
    return out


def _finger(at: dict[str, np.ndarray], finger: str, hand: np.ndarray, targets: list[np.ndarray]) -> dict:
    """A finger follows the hand and is then straightened by the shortest way, so that its nail keeps its side."""
    ends = [at[f"{finger}{k}"] for k in (1, 2, 3)] + [at[f"{finger}_tip"]]
    return {f"{finger}{k + 1}": shortest(hand @ (ends[k + 1] - ends[k]), targets[k]) @ hand for k in range(3)}


def _leg(at: dict[str, np.ndarray], flip: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "hip": shortest(at["knee"] - at["hip"], np.array(_THIGH) * flip),
        "knee": shortest(at["ankle"] - at["knee"], np.array(_SHIN) * flip),
    }


def shared_turn(local: Tensor, axis: Tensor, share: float, kind: str) -> Tensor:
    """What a helper bone takes of a joint's rotation, [T, 3, 3].

    local [T, 3, 3] = swing @ twist, the twist about axis [3] (the bone at rest, in the parent's frame).
    kind: "all" (a share of the whole rotation), "twist" (that share of the twist alone: a bone before the joint)
    or "swing" (the whole swing and that share of the twist: a bone after the joint).
    """
    quaternion = to_quaternion(local)
    if kind == "all":
        return from_quaternion(_power(quaternion, share))
    along = (quaternion[:, 1:] * axis).sum(-1, keepdim=True)
    real = torch.where(quaternion[:, :1].abs() + along.abs() < 1e-6, 1.0, quaternion[:, :1])
    twist = torch.nn.functional.normalize(torch.cat([real, along * axis], dim=-1), dim=-1)
    if kind == "twist":
        return from_quaternion(_power(twist, share))
    return local @ from_quaternion(_power(twist, share - 1.0))


def to_quaternion(rotation: Tensor) -> Tensor:
    """Rotations [T, 3, 3] -> unit quaternions [T, 4], real part first and not negative."""
    xyzw = Rotation.from_matrix(rotation.double().numpy()).as_quat()
    wxyz = np.concatenate([xyzw[:, 3:], xyzw[:, :3]], axis=1)
    return torch.from_numpy(np.where(wxyz[:, :1] < 0, -wxyz, wxyz)).float()


def _power(quaternion: Tensor, exponent: float) -> Tensor:
    """The rotation's angle times `exponent`; the shorter way round."""
    quaternion = torch.where(quaternion[:, :1] < 0, -quaternion, quaternion)
    sine = quaternion[:, 1:].norm(dim=-1, keepdim=True)
    angle = torch.atan2(sine, quaternion[:, :1]) * exponent
    return torch.cat([torch.cos(angle), torch.sin(angle) * quaternion[:, 1:] / sine.clamp(min=1e-9)], dim=-1)


def from_quaternion(q: Tensor) -> Tensor:
    """Unit quaternions [T, 4] (real part first) -> rotations [T, 3, 3]."""
    w, x, y, z = q.unbind(-1)
    rows = [
        1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w),
        2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w),
        2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y),
    ]  # fmt: skip
    return torch.stack(rows, dim=-1).reshape(*q.shape[:-1], 3, 3)
