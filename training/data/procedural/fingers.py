"""Finger shapes: open, relaxed, fist, point, pinch, counts, V, thumbs-up and others, eased from one to the next.

A hand's controls are [5, 4] radians in the order index, middle, pinky, ring, thumb (SMPL-X). Fingers: bend of
the three joints and spread (away from the middle finger +). Thumb: opposition (under the palm), bend of the two
outer joints, and spread away from the palm.
"""

from __future__ import annotations

import numpy as np

from .curves import Clock, eased, key_times, rot_axis, rot_x, rot_y, rot_z

_STRAIGHT = (0.05, 0.05, 0.03)
_RELAXED = (0.35, 0.45, 0.25)
_CURLED = (1.35, 1.70, 1.05)
_HOOK = (0.15, 1.55, 0.95)
_HALF = (0.75, 0.85, 0.5)
_BENT = (1.3, 0.1, 0.05)
_PINCHING = (0.85, 0.75, 0.35)

_THUMB_OUT = (-0.10, 0.0, 0.0, 0.35)
_THUMB_RELAXED = (0.25, 0.15, 0.15, 0.0)
_THUMB_OVER = (0.60, 0.75, 0.70, -0.25)
_THUMB_ALONG = (0.10, 0.10, 0.10, -0.30)
_THUMB_PINCH = (0.75, 0.30, 0.35, -0.05)

# name: (index, middle, pinky, ring, thumb, spread)
_SHAPES = {
    "open": (_STRAIGHT, _STRAIGHT, _STRAIGHT, _STRAIGHT, _THUMB_OUT, 0.22),
    "flat": (_STRAIGHT, _STRAIGHT, _STRAIGHT, _STRAIGHT, _THUMB_ALONG, 0.0),
    "relaxed": (_RELAXED, _RELAXED, _RELAXED, _RELAXED, _THUMB_RELAXED, 0.04),
    "fist": (_CURLED, _CURLED, _CURLED, _CURLED, _THUMB_OVER, 0.0),
    "grip": (_HALF, _HALF, _HALF, _HALF, _THUMB_PINCH, 0.03),
    "point": (_STRAIGHT, _CURLED, _CURLED, _CURLED, _THUMB_OVER, 0.0),
    "gun": (_STRAIGHT, _CURLED, _CURLED, _CURLED, _THUMB_OUT, 0.0),
    "pinch": (_PINCHING, _HALF, _RELAXED, _RELAXED, _THUMB_PINCH, 0.05),
    "ok": (_PINCHING, _STRAIGHT, _STRAIGHT, _STRAIGHT, _THUMB_PINCH, 0.15),
    "two": (_STRAIGHT, _STRAIGHT, _CURLED, _CURLED, _THUMB_OVER, 0.0),
    "v": (_STRAIGHT, _STRAIGHT, _CURLED, _CURLED, _THUMB_OVER, 0.25),
    "three": (_STRAIGHT, _STRAIGHT, _CURLED, _STRAIGHT, _THUMB_OVER, 0.12),
    "four": (_STRAIGHT, _STRAIGHT, _STRAIGHT, _STRAIGHT, _THUMB_OVER, 0.12),
    "thumbs_up": (_CURLED, _CURLED, _CURLED, _CURLED, _THUMB_OUT, 0.0),
    "claw": (_HOOK, _HOOK, _HOOK, _HOOK, _THUMB_OUT, 0.18),
    "duck": (_BENT, _BENT, _BENT, _BENT, _THUMB_PINCH, 0.0),
}
TEST_SHAPES = {
    "horns": (_STRAIGHT, _CURLED, _STRAIGHT, _CURLED, _THUMB_OVER, 0.05),
    "call_me": (_CURLED, _CURLED, _STRAIGHT, _CURLED, _THUMB_OUT, 0.1),
    "little_finger": (_CURLED, _CURLED, _STRAIGHT, _CURLED, _THUMB_OVER, 0.05),
}
_SPREAD_SIDE = np.array([1.0, 0.1, -1.3, -0.6])  # towards the thumb +


def shape(name: str) -> np.ndarray:
    """Controls [5, 4] of the named shape. ValueError for an unknown name."""
    shapes = _SHAPES | TEST_SHAPES
    if name not in shapes:
        raise ValueError(f"no finger shape {name!r}; known shapes: {', '.join(sorted(shapes))}")
    *fingers, thumb, spread = shapes[name]
    bends = np.array(fingers)
    return np.concatenate([np.column_stack([bends, spread * _SPREAD_SIDE]), np.array([thumb])])


def draw_fingers(rng: np.random.Generator, clock: Clock, split: str) -> np.ndarray:
    """One hand's controls [T, 5, 4]: shapes drawn with per-finger variation, eased, sometimes kept still."""
    names = list(_SHAPES) + (list(TEST_SHAPES) * 4 if split == "test" else [])
    still = rng.random() < 0.25
    times = np.array([0.0]) if still else key_times(rng, clock.duration, 0.3, 0.9)
    keys = np.stack([_varied(rng, shape(names[rng.integers(len(names))])) for _ in times])
    return eased(times, keys, clock.t, hold=0.3)


def _varied(rng: np.random.Generator, controls: np.ndarray) -> np.ndarray:
    """The shape as another person would make it; every fifth time any mixture of straight and bent fingers."""
    if rng.random() < 0.2:
        curl = rng.uniform(0, 1, (4, 1)) ** rng.choice([0.6, 1.0, 1.6])
        controls = controls.copy()
        controls[:4, :3] = np.array(_STRAIGHT) + curl * (np.array(_CURLED) - _STRAIGHT)
    bends = controls[:, :3] * rng.uniform(0.85, 1.08, (5, 1)) + rng.normal(0, 0.05, (5, 3))
    out = np.concatenate([bends, controls[:, 3:] + rng.normal(0, 0.03, (5, 1))], axis=1)
    out[:4, :3] = np.clip(out[:4, :3], -0.1, (1.55, 1.8, 1.15))
    return out


_THUMB_ALONG_BONE = np.array([0.66, -0.21, 0.72]) / np.linalg.norm([0.66, -0.21, 0.72])


def _thumb_bend_axis() -> np.ndarray:
    """The tip sweeps across the palm and a little under it."""
    flat = np.cross([0.0, 1.0, 0.0], _THUMB_ALONG_BONE)
    wanted = flat / np.linalg.norm(flat) + np.array([0.0, -0.45, 0.0])
    axis = np.cross(_THUMB_ALONG_BONE, wanted)
    return axis / np.linalg.norm(axis)


_THUMB_AXIS = _thumb_bend_axis()


def finger_rotations(controls: np.ndarray) -> np.ndarray:
    """Local rotations [T, 15, 3, 3] of the left hand from controls [T, 5, 4]."""
    bend = rot_z(-controls[:, :4, :3])
    spread = rot_y(-controls[:, :4, 3])
    bend[:, :, 0] = spread @ bend[:, :, 0]
    opposition, middle, outer, away = controls[:, 4].T
    thumb = np.stack(
        [
            rot_y(-away) @ rot_x(opposition),
            rot_axis(_THUMB_AXIS, middle),
            rot_axis(_THUMB_AXIS, outer),
        ],
        axis=1,
    )
    return np.concatenate([bend.reshape(-1, 12, 3, 3), thumb], axis=1)
