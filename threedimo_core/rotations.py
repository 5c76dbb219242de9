"""Rotations in four forms, batched and differentiable: the one place where their conventions are fixed.

- axis-angle ``[..., 3]``: unit axis times angle in radians;
- quaternion ``[..., 4]``: (w, x, y, z), unit length; q and -q are the same rotation;
- matrix ``[..., 3, 3]``: acts on column vectors, ``v' = R @ v``;
- 6D ``[..., 6]``: the first two COLUMNS of the matrix, one after the other (Zhou et al. 2019,
  "On the Continuity of Rotation Representations in Neural Networks"). pytorch3d keeps rows: its 6D vectors
  are those of the transposed matrix.

Everything takes float32 or float64 with any leading dimensions and keeps dtype and device. Quaternion to
matrix and back come from kornia. Axis-angle goes through quaternions here, since kornia before 0.9 gives NaN
gradients at angle 0, errors of 1e-6 in float64, and takes one batch dimension only.
"""

from __future__ import annotations

import math

import torch
from kornia.geometry import conversions
from torch import Tensor
from torch.nn import functional

__all__ = [
    "axis_angle_to_matrix",
    "axis_angle_to_quaternion",
    "axis_angle_to_rotation_6d",
    "geodesic_distance",
    "matrix_to_axis_angle",
    "matrix_to_quaternion",
    "matrix_to_rotation_6d",
    "project_to_rotation",
    "quaternion_to_axis_angle",
    "quaternion_to_matrix",
    "quaternion_to_rotation_6d",
    "rotation_6d_to_axis_angle",
    "rotation_6d_to_matrix",
    "rotation_6d_to_quaternion",
    "slerp",
]


def _require(value: Tensor, shape: tuple[int, ...], name: str) -> Tensor:
    if tuple(value.shape[-len(shape) :]) != shape:
        wanted = ", ".join(str(size) for size in shape)
        raise ValueError(f"{name} has shape {tuple(value.shape)}; expected [..., {wanted}]")
    if value.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"{name} has dtype {value.dtype}; expected float32 or float64, convert it first")
    return value


# --- axis-angle -------------------------------------------------------------------------------------------


def axis_angle_to_quaternion(axis_angle: Tensor) -> Tensor:
    """[..., 3] radians, any angle → [..., 4] (w, x, y, z); w is negative for angles beyond pi."""
    half = torch.linalg.vector_norm(_require(axis_angle, (3,), "axis_angle"), dim=-1, keepdim=True) / 2
    # torch.sinc(x) is sin(pi x) / (pi x), smooth at 0: no division of 0 by 0 and no threshold.
    return torch.cat([torch.cos(half), axis_angle * torch.sinc(half / math.pi) / 2], dim=-1)


def axis_angle_to_matrix(axis_angle: Tensor) -> Tensor:
    """[..., 3] radians, any angle → [..., 3, 3]."""
    return quaternion_to_matrix(axis_angle_to_quaternion(axis_angle))


def axis_angle_to_rotation_6d(axis_angle: Tensor) -> Tensor:
    """[..., 3] radians → [..., 6]."""
    return matrix_to_rotation_6d(axis_angle_to_matrix(axis_angle))


# --- quaternion -------------------------------------------------------------------------------------------


def quaternion_to_matrix(quaternion: Tensor) -> Tensor:
    """[..., 4] (w, x, y, z), normalised here → [..., 3, 3]."""
    return conversions.quaternion_to_rotation_matrix(_require(quaternion, (4,), "quaternion"))


def quaternion_to_axis_angle(quaternion: Tensor) -> Tensor:
    """[..., 4] (w, x, y, z), normalised here → [..., 3], angle in [0, pi]."""
    unit = functional.normalize(_require(quaternion, (4,), "quaternion"), dim=-1)
    unit = torch.where(unit[..., :1] < 0, -unit, unit)
    cosine, vector = unit[..., :1], unit[..., 1:]
    sine = torch.linalg.vector_norm(vector, dim=-1, keepdim=True)
    tiny = sine < 1e-9
    angle_over_sine = 2 * torch.atan2(sine, cosine) / torch.where(tiny, torch.ones_like(sine), sine)
    return vector * torch.where(tiny, 2 / cosine.clamp(min=0.5), angle_over_sine)


def quaternion_to_rotation_6d(quaternion: Tensor) -> Tensor:
    """[..., 4] (w, x, y, z) → [..., 6]."""
    return matrix_to_rotation_6d(quaternion_to_matrix(quaternion))


# --- matrix -----------------------------------------------------------------------------------------------


def matrix_to_axis_angle(matrix: Tensor) -> Tensor:
    """[..., 3, 3] → [..., 3], angle in [0, pi]; at exactly pi the sign of the axis is arbitrary."""
    return quaternion_to_axis_angle(matrix_to_quaternion(matrix))


def matrix_to_quaternion(matrix: Tensor) -> Tensor:
    """[..., 3, 3] → [..., 4] (w, x, y, z); the sign is arbitrary where w is negative or zero."""
    return conversions.rotation_matrix_to_quaternion(_require(matrix, (3, 3), "matrix"))


def matrix_to_rotation_6d(matrix: Tensor) -> Tensor:
    """[..., 3, 3] → [..., 6]: column 0, then column 1."""
    _require(matrix, (3, 3), "matrix")
    return torch.cat([matrix[..., 0], matrix[..., 1]], dim=-1)


# --- 6D ---------------------------------------------------------------------------------------------------


def rotation_6d_to_matrix(rotation_6d: Tensor) -> Tensor:
    """[..., 6], any two vectors that are not parallel → [..., 3, 3] by Gram-Schmidt.

    Zero or parallel vectors name no rotation: values and gradients stay finite, the matrix is singular.
    """
    _require(rotation_6d, (6,), "rotation_6d")
    first, second = rotation_6d[..., :3], rotation_6d[..., 3:]
    x = functional.normalize(first, dim=-1)
    y = functional.normalize(second - (x * second).sum(-1, keepdim=True) * x, dim=-1)
    return torch.stack([x, y, torch.linalg.cross(x, y, dim=-1)], dim=-1)


def rotation_6d_to_axis_angle(rotation_6d: Tensor) -> Tensor:
    """[..., 6] → [..., 3], angle in [0, pi]."""
    return matrix_to_axis_angle(rotation_6d_to_matrix(rotation_6d))


def rotation_6d_to_quaternion(rotation_6d: Tensor) -> Tensor:
    """[..., 6] → [..., 4] (w, x, y, z)."""
    return matrix_to_quaternion(rotation_6d_to_matrix(rotation_6d))


# --- geometry on SO(3) ------------------------------------------------------------------------------------


def geodesic_distance(first: Tensor, second: Tensor) -> Tensor:
    """Angle in radians, [0, pi], of the rotation between two batches of matrices [..., 3, 3] → [...].

    From both sine and cosine of the angle: arccos of the trace alone loses half of the digits near 0 and has
    an infinite gradient there. At exactly 0 and pi the distance has a kink; the gradient given there is 0.
    """
    relative = _require(first, (3, 3), "first").transpose(-1, -2) @ _require(second, (3, 3), "second")
    skew = relative - relative.transpose(-1, -2)
    doubled_axis = torch.stack([skew[..., 2, 1], skew[..., 0, 2], skew[..., 1, 0]], dim=-1)
    doubled_cosine = relative.diagonal(dim1=-2, dim2=-1).sum(-1) - 1.0
    return torch.atan2(torch.linalg.vector_norm(doubled_axis, dim=-1), doubled_cosine)


def project_to_rotation(matrix: Tensor) -> Tensor:
    """The nearest rotation (Frobenius) to any [..., 3, 3], reflections mended; for labels, not for losses.

    The gradient of an SVD is infinite where singular values meet, which is the case for every true rotation.
    """
    left, _, right = torch.linalg.svd(_require(matrix, (3, 3), "matrix"))
    sign = torch.sign(torch.linalg.det(left @ right))
    last = torch.stack([torch.ones_like(sign), torch.ones_like(sign), sign], dim=-1)
    return (left * last.unsqueeze(-2)) @ right


def slerp(first: Tensor, second: Tensor, weight: Tensor | float) -> Tensor:
    """The rotation a share `weight` (0..1, broadcast against [...]) of the way along the shortest arc.

    Matrices [..., 3, 3] in and out; at weight 0 and 1 the ends.
    """
    relative = matrix_to_axis_angle(first.transpose(-1, -2) @ second)
    weight = torch.as_tensor(weight, dtype=relative.dtype, device=relative.device)
    return first @ axis_angle_to_matrix(relative * weight.unsqueeze(-1))
