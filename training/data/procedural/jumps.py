"""Jumps: crouch, ballistic flight, landing; on the spot, travelling or turning; star jumps; hops."""

from __future__ import annotations

import numpy as np

from .controls import HIP_HALF_WIDTH, RELAXED_ARM, Controls
from .curves import Clock, minimum_jerk
from .lower import add_head, add_trunk

_GRAVITY = 9.81
_SIGN = np.array([1.0, -1.0])


def _jump_cycle(
    t: np.ndarray, start: float, crouch: float, flight: float, recover: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Height above the floor [T], crouch 0..1 [T], flight progress 0..1 [T] of one jump."""
    air = np.clip((t - start - crouch) / flight, 0, 1)
    height = _GRAVITY * flight**2 / 2 * air * (1 - air)
    before = minimum_jerk((t - start) / (0.6 * crouch)) - minimum_jerk((t - start - 0.6 * crouch) / (0.4 * crouch))
    land = t - start - crouch - flight
    after = minimum_jerk(land / (0.35 * recover)) - minimum_jerk((land - 0.35 * recover) / (0.65 * recover))
    return height, before + 0.8 * after, air


def jump(rng: np.random.Generator, clock: Clock) -> Controls:
    """Jumping up, forward, sideways or with a turn in the air; repeated when there is time."""
    controls = Controls(clock)
    crouch, flight, recover = rng.uniform(0.25, 0.45), rng.uniform(0.3, 0.55), rng.uniform(0.3, 0.5)
    whole = crouch + flight + recover
    depth, tuck = rng.uniform(0.15, 0.35), rng.uniform(0.0, 0.3)
    travel = rng.uniform(-0.5, 0.5, 2) if rng.random() < 0.5 else np.zeros(2)
    turn = rng.uniform(-3.3, 3.3) if rng.random() < 0.4 else 0.0
    straddle = rng.uniform(0.0, 0.3) if rng.random() < 0.4 else 0.0
    start = rng.uniform(-0.8 * whole, 0.2)
    place, yaw = np.zeros((clock.num_frames, 2)), np.zeros(clock.num_frames)
    flying = np.zeros(clock.num_frames)
    for _ in range(3):
        height, bent, air = _jump_cycle(clock.t, start, crouch, flight, recover)
        arch = np.sin(np.pi * air)
        controls.pelvis[:, 1] += height - depth * bent + 0.01 * arch
        controls.feet[:, :, 1] += (height + tuck * arch**2)[:, None]
        controls.tilt[:, 0] += 0.9 * depth * bent
        controls.spine[:, 0] += 1.1 * depth * bent
        controls.foot_pitch += (0.7 * arch)[:, None]
        flying = np.maximum(flying, (air > 0) & (air < 1))
        # Even velocity in the air, as nothing can push there.
        place += air[:, None] * travel
        yaw += turn * air
        straddled = straddle * arch
        controls.feet[:, :, 0] += straddled[:, None] * _SIGN
        start += whole
    _carry(controls, place, yaw)
    controls.grounded = 1.0 - flying
    _swing_arms(rng, controls)
    add_head(rng, controls)
    return controls


def _carry(controls: Controls, place: np.ndarray, yaw: np.ndarray) -> None:
    """Move and turn pelvis and feet together."""
    cos, sin = np.cos(yaw), np.sin(yaw)
    for side in (0, 1):
        x, z = controls.feet[:, side, 0].copy(), controls.feet[:, side, 2].copy()
        controls.feet[:, side, 0] = x * cos + z * sin + place[:, 0]
        controls.feet[:, side, 2] = -x * sin + z * cos + place[:, 1]
        controls.foot_yaw[:, side] += yaw
    controls.pelvis[:, 0] += place[:, 0]
    controls.pelvis[:, 2] += place[:, 1]
    controls.yaw += yaw


def _swing_arms(rng: np.random.Generator, controls: Controls) -> None:
    """Arms up in the air, back in the crouch."""
    height = np.clip(controls.pelvis[:, 1] - controls.pelvis[0, 1], -0.4, 0.4)
    up = minimum_jerk((height + 0.1) / 0.35)
    target = np.radians([rng.uniform(60, 165), rng.uniform(10, 80), 0, rng.uniform(5, 60), 0, 0, 0])
    controls.arms[:] = (RELAXED_ARM + up[:, None] * (target - RELAXED_ARM))[:, None]


def hop(rng: np.random.Generator, clock: Clock) -> Controls:
    """Quick low hops on both feet: skipping rope, bouncing, shifting to and fro."""
    controls = Controls(clock)
    period = rng.uniform(0.36, 0.6)
    phase = (clock.t / period + rng.uniform(0, 1)) % 1.0
    share = rng.uniform(0.45, 0.6)
    air = np.clip(phase / share, 0, 1)
    height = _GRAVITY * (share * period) ** 2 / 2 * air * (1 - air)
    bent = np.sin(np.pi * np.clip((phase - share) / (1 - share), 0, 1)) ** 2
    controls.pelvis[:, 1] += height - rng.uniform(0.05, 0.12) * bent - 0.02
    controls.feet[:, :, 1] += height[:, None]
    controls.foot_pitch += (0.45 * np.sin(np.pi * air))[:, None]
    controls.grounded = 1.0 - ((air > 0) & (air < 1))
    rate = rng.uniform(-3.0, 3.0) if rng.random() < 0.5 else 0.0
    hops = np.floor(clock.t / period + (phase[0] - clock.t[0] / period)) + air
    _carry(controls, np.zeros((clock.num_frames, 2)), rate * period * hops)
    add_trunk(rng, controls, 0.4)
    return controls


# ---- held out for split="test"


def star_jump(rng: np.random.Generator, clock: Clock) -> Controls:
    """Jumping jacks: feet apart and together, arms up and down with them."""
    controls = Controls(clock)
    period = rng.uniform(0.7, 1.1)
    cycle = clock.t / period + rng.uniform(0, 1)
    wide = 0.5 - 0.5 * np.cos(2 * np.pi * cycle)
    moving = np.abs(np.sin(2 * np.pi * cycle))
    half = HIP_HALF_WIDTH + wide * rng.uniform(0.2, 0.34)
    controls.feet[:, :, 0] = half[:, None] * _SIGN
    height = rng.uniform(0.05, 0.1) * np.sqrt(moving)
    controls.feet[:, :, 1] = height[:, None]
    controls.pelvis[:, 1] += height - 0.04
    controls.foot_pitch += (0.4 * moving)[:, None]
    controls.grounded = (moving < 0.15).astype(float)
    top = np.radians([rng.uniform(140, 172), 8, 0, 8, 0, 0, 0])
    controls.arms[:] = (RELAXED_ARM + wide[:, None] * (top - RELAXED_ARM))[:, None]
    add_head(rng, controls)
    return controls


TRAIN_JUMPS = {"jump": (jump, 0.05), "hop": (hop, 0.03)}
TEST_JUMPS = {"star_jump": (star_jump, 0.25)}
