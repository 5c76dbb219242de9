"""Curves over time: eased keyframes, pulses, smooth wandering, small rotation helpers. Pure numpy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Clock:
    """The frames of a clip: `t` [T] seconds from its start."""

    num_frames: int
    fps: float

    @property
    def t(self) -> np.ndarray:
        return np.arange(self.num_frames) / self.fps

    @property
    def duration(self) -> float:
        return max(self.num_frames - 1, 1) / self.fps


def minimum_jerk(x: np.ndarray) -> np.ndarray:
    """The ease of human reaching: 0..1 to 0..1 with zero speed and acceleration at both ends."""
    x = np.clip(x, 0.0, 1.0)
    return x**3 * (10 - 15 * x + 6 * x**2)


def key_times(rng: np.random.Generator, duration: float, shortest: float, longest: float) -> np.ndarray:
    """Random key times covering [0, duration]; the first lies before 0 so that a clip starts in mid-movement."""
    times = [-rng.uniform(0.0, shortest)]
    while times[-1] < duration:
        times.append(times[-1] + rng.uniform(shortest, longest))
    return np.array(times)


def eased(times: np.ndarray, values: np.ndarray, t: np.ndarray, hold: float = 0.0) -> np.ndarray:
    """Values [T, ...] through keys `values` [K, ...] at `times` [K]; each key is held for the part `hold`."""
    if len(times) == 1:
        return np.repeat(values[:1], len(t), axis=0)
    segment = np.clip(np.searchsorted(times, t, side="right") - 1, 0, len(times) - 2)
    part = (t - times[segment]) / (times[segment + 1] - times[segment])
    part = minimum_jerk((part - hold) / (1 - hold))
    part = part.reshape(-1, *[1] * (values.ndim - 1))
    return values[segment] * (1 - part) + values[segment + 1] * part


def pulse(t: np.ndarray, start: float, rise: float, hold: float, fall: float) -> np.ndarray:
    """0 before `start`, eased to 1 in `rise` seconds, held, eased back to 0."""
    return minimum_jerk((t - start) / rise) - minimum_jerk((t - start - rise - hold) / fall)


def wander(rng: np.random.Generator, t: np.ndarray, size: float, period: float, dims: int = 1) -> np.ndarray:
    """Smooth aimless movement [T, dims] of standard size `size`, built from three sines around `period`."""
    rates = 2 * np.pi / (period * rng.uniform(0.6, 1.8, (3, dims)))
    phases = rng.uniform(0, 2 * np.pi, (3, dims))
    return (np.sin(t[:, None, None] * rates + phases) * size * 0.8165).mean(axis=1) * np.sqrt(3)


def rot_x(angle: np.ndarray) -> np.ndarray:
    """Rotation matrices [..., 3, 3] about x by `angle` radians."""
    return _axis_rotation(angle, 1, 2)


def rot_y(angle: np.ndarray) -> np.ndarray:
    return _axis_rotation(angle, 2, 0)


def rot_z(angle: np.ndarray) -> np.ndarray:
    return _axis_rotation(angle, 0, 1)


def _axis_rotation(angle: np.ndarray, first: int, second: int) -> np.ndarray:
    angle = np.asarray(angle, dtype=float)
    matrix = np.zeros((*angle.shape, 3, 3))
    cos, sin = np.cos(angle), np.sin(angle)
    third = 3 - first - second
    matrix[..., third, third] = 1
    matrix[..., first, first] = cos
    matrix[..., second, second] = cos
    matrix[..., first, second] = -sin
    matrix[..., second, first] = sin
    return matrix


def rot_axis(axis: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Rotation matrices [..., 3, 3] about unit `axis` [..., 3] by `angle` [...] (Rodrigues)."""
    x, y, z = np.moveaxis(np.broadcast_to(axis, (*np.shape(angle), 3)), -1, 0)
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=-1).reshape(*x.shape, 3, 3)
    sin, cos = np.sin(angle)[..., None, None], np.cos(angle)[..., None, None]
    return np.eye(3) + sin * cross + (1 - cos) * (cross @ cross)


def mirror(rotation: np.ndarray) -> np.ndarray:
    """The rotation a mirror at x = 0 shows: turns a left limb's rotation into the right limb's."""
    flip = np.array([-1.0, 1.0, 1.0])
    return rotation * flip[:, None] * flip
