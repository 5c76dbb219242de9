"""Every pair of rotation forms in float64, from zero to pi; distance and interpolation by closed forms."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from threedimo_core import rotations

FORMS = ("axis_angle", "quaternion", "matrix", "rotation_6d")
PAIRS = tuple(itertools.permutations(FORMS, 2))
NEAR_PI = (math.pi - 1e-3, math.pi - 1e-6, math.pi - 1e-9, math.pi)
ANGLES = (0.0, 1e-12, 1e-8, 1e-5, 1e-3, 0.5, 2.0, 3.0, *NEAR_PI)


def axes(count: int = 40, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(count, 3, generator=generator, dtype=torch.float64)
    drawn = torch.cat([torch.eye(3, dtype=torch.float64), -torch.eye(3, dtype=torch.float64), drawn])
    return torch.nn.functional.normalize(drawn, dim=-1).to(dtype)


def rodrigues(axis: torch.Tensor, angle: float) -> torch.Tensor:
    """R = I + sin K + (1 - cos) K², written out, independent of the code under test."""
    zero = torch.zeros_like(axis[:, 0])
    x, y, z = axis.unbind(-1)
    k = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).view(-1, 3, 3)
    return torch.eye(3, dtype=axis.dtype) + math.sin(angle) * k + (1 - math.cos(angle)) * k @ k


def convert(value: torch.Tensor, source: str, target: str) -> torch.Tensor:
    return value if source == target else getattr(rotations, f"{source}_to_{target}")(value)


@pytest.mark.parametrize("angle", ANGLES)
@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_round_trip_of_every_pair(source: str, target: str, angle: float) -> None:
    matrix = rodrigues(axes(), angle)
    value = convert(matrix, "matrix", source)
    there = convert(value, source, target)
    back = convert(there, target, source)
    assert torch.allclose(convert(there, target, "matrix"), matrix, atol=1e-12, rtol=0)
    assert torch.allclose(convert(back, source, "matrix"), matrix, atol=1e-12, rtol=0)


@pytest.mark.parametrize("angle", ANGLES)
def test_axis_angle_is_right_hand_rule(angle: float) -> None:
    matrix = rotations.axis_angle_to_matrix(axes() * angle)
    assert torch.allclose(matrix, rodrigues(axes(), angle), atol=1e-12)


@pytest.mark.parametrize("angle", ANGLES)
@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_gradients_are_finite(source: str, target: str, angle: float) -> None:
    value = convert(rodrigues(axes(), angle), "matrix", source).detach().requires_grad_()
    generator = torch.Generator().manual_seed(1)
    out = convert(value, source, target)
    (out * torch.randn(out.shape, generator=generator, dtype=out.dtype)).sum().backward()
    assert value.grad is not None and bool(value.grad.isfinite().all())


@pytest.mark.parametrize("angle", (0.0, 1e-9, 1e-4, 1.0, 3.0))
def test_gradient_of_axis_angle_is_exact_near_zero(angle: float) -> None:
    value = (axes(2) * angle).requires_grad_()
    assert torch.autograd.gradcheck(rotations.axis_angle_to_matrix, value, eps=1e-7, atol=1e-5)


def test_quaternion_order_and_6d_layout() -> None:
    quarter_about_z = torch.tensor([[0.0, 0.0, math.pi / 2]], dtype=torch.float64)
    half = math.sqrt(0.5)
    expected = torch.tensor([[half, 0.0, 0.0, half]], dtype=torch.float64)
    assert torch.allclose(rotations.axis_angle_to_quaternion(quarter_about_z), expected)
    columns = torch.tensor([[0.0, 1.0, 0.0, -1.0, 0.0, 0.0]], dtype=torch.float64)
    assert torch.allclose(rotations.axis_angle_to_rotation_6d(quarter_about_z), columns, atol=1e-15)


@pytest.mark.parametrize("dtype", (torch.float32, torch.float64))
@pytest.mark.parametrize("leading", ((), (5,), (2, 3, 51), (0,)))
def test_leading_dimensions_and_dtype(leading: tuple[int, ...], dtype: torch.dtype) -> None:
    value = torch.randn(*leading, 3, dtype=dtype)
    for source, target in PAIRS:
        out = convert(convert(value, "axis_angle", source), source, target)
        assert out.dtype == dtype
        assert out.shape[: len(leading)] == torch.Size(leading)


def test_6d_of_a_raw_network_output_is_a_rotation() -> None:
    generator = torch.Generator().manual_seed(3)
    raw = 7 * torch.randn(1000, 6, generator=generator, dtype=torch.float64)
    matrix = rotations.rotation_6d_to_matrix(raw)
    eye = torch.eye(3, dtype=torch.float64)
    assert torch.allclose(matrix @ matrix.mT, eye.expand(1000, 3, 3), atol=1e-9)
    assert torch.allclose(torch.linalg.det(matrix), torch.ones(1000, dtype=torch.float64), atol=1e-9)


def test_6d_of_zeros_stays_finite() -> None:
    value = torch.zeros(2, 6, requires_grad=True)
    matrix = rotations.rotation_6d_to_matrix(value)
    matrix.sum().backward()
    assert bool(matrix.isfinite().all()) and bool(value.grad.isfinite().all())


@pytest.mark.parametrize("angle", ANGLES)
def test_geodesic_distance_is_the_angle(angle: float) -> None:
    base = rodrigues(axes(), 1.3).flip(0)
    distance = rotations.geodesic_distance(base, base @ rodrigues(axes(), angle))
    assert torch.allclose(distance, torch.full_like(distance, angle), atol=1e-9, rtol=0)


def test_geodesic_distance_is_symmetric_and_has_finite_gradients() -> None:
    first = rodrigues(axes(), 0.7).requires_grad_()
    second = rodrigues(axes().flip(0), 2.5)
    forth, back = rotations.geodesic_distance(first, second), rotations.geodesic_distance(second, first)
    assert torch.allclose(forth, back)
    assert torch.allclose(rotations.geodesic_distance(first, first), torch.zeros_like(forth), atol=1e-12)
    (forth.sum() + rotations.geodesic_distance(first, first.detach()).sum()).backward()
    assert bool(first.grad.isfinite().all())


def test_projection_finds_the_rotation_and_mends_reflections() -> None:
    generator = torch.Generator().manual_seed(5)
    matrix = rodrigues(axes(), 1.1)
    noisy = matrix + 0.01 * torch.randn(matrix.shape, generator=generator, dtype=torch.float64)
    projected = rotations.project_to_rotation(noisy)
    assert float(rotations.geodesic_distance(projected, matrix).max()) < 0.05
    mirrored = rotations.project_to_rotation(matrix @ torch.diag(torch.tensor([1.0, 1.0, -1.0]).double()))
    assert torch.allclose(torch.linalg.det(mirrored), torch.ones(len(mirrored), dtype=torch.float64))


def test_slerp_ends_and_middle() -> None:
    first, second = rodrigues(axes(), 0.4), rodrigues(axes(), 1.6)
    assert torch.allclose(rotations.slerp(first, second, 0.0), first, atol=1e-12)
    assert torch.allclose(rotations.slerp(first, second, 1.0), second, atol=1e-12)
    weight = torch.linspace(0, 1, len(first), dtype=torch.float64)
    angles = rotations.geodesic_distance(first, rotations.slerp(first, second, weight))
    assert torch.allclose(angles, weight * 1.2, atol=1e-9)


def test_wrong_shapes_and_dtypes_are_named() -> None:
    with pytest.raises(ValueError, match=r"quaternion has shape \(2, 3\).*\[\.\.\., 4\]"):
        rotations.quaternion_to_matrix(torch.zeros(2, 3))
    with pytest.raises(ValueError, match="float32 or float64"):
        rotations.axis_angle_to_matrix(torch.zeros(2, 3, dtype=torch.float16))
