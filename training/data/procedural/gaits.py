"""Gaits and turns: footsteps are planned on the floor first, so a standing foot does not slide.

The pelvis follows a path (speed, direction, turning); each foot stands still for its share of a cycle at the
place where the path will be in the middle of that stance, and swings to the next place in between.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .arms import swing
from .controls import HIP_HALF_WIDTH, Controls
from .curves import Clock, eased, key_times, minimum_jerk
from .lower import add_head, add_trunk

_SIGN = np.array([1.0, -1.0])


@dataclass(frozen=True)
class Gait:
    """speed in m/s along `direction` (radians from the heading, + to the left), turn in rad/s, cadence in
    cycles (two steps) per second, `stance` the part of a cycle a foot is down, `lift` of the swinging foot,
    `crouch` and `bounce` of the pelvis in metres, `toe` 0..1 how much the foot rolls, `lean` forward."""

    speed: float
    direction: float
    turn: float
    cadence: float
    stance: float
    lift: float
    crouch: float
    bounce: float
    toe: float
    lean: float
    arm_swing: float
    width: float = HIP_HALF_WIDTH
    kick_back: float = 0.0


def _path(gait: Gait, clock: Clock, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fine time grid, places [G, 2] (x, z) and headings [G] of the pelvis, well before to well after the clip."""
    margin = 1.5 / gait.cadence
    grid = np.arange(-margin, clock.duration + margin, 1 / 120)
    times = key_times(rng, clock.duration + margin, 0.6, 1.2)
    rate = gait.turn * eased(times, rng.uniform(0.7, 1.3, len(times)), grid)
    yaw = np.cumsum(rate) / 120
    pace = gait.speed * eased(times, rng.uniform(0.85, 1.15, len(times)), grid)
    way = yaw + gait.direction
    place = np.cumsum(np.stack([np.sin(way), np.cos(way)], axis=1) * pace[:, None], axis=0) / 120
    return grid, place, yaw


def walk_controls(gait: Gait, clock: Clock, rng: np.random.Generator) -> Controls:
    """Controls of a gait, arms swinging against the legs."""
    controls = Controls(clock)
    grid, place, yaw = _path(gait, clock, rng)
    start = rng.uniform(0, 1)
    cycle = gait.cadence * clock.t + start

    def at(times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        spot = np.stack([np.interp(times, grid, place[:, 0]), np.interp(times, grid, place[:, 1])], axis=-1)
        return spot, np.interp(times, grid, yaw)

    for side in (0, 1):
        own = cycle + 0.5 * side  # the foot's stance lasts from phase 0 to `stance`
        step = np.floor(own)
        _place_foot(controls, side, gait, at, step, own - step, start)
    spot, controls.yaw = at(clock.t)
    controls.pelvis[:, 0], controls.pelvis[:, 2] = spot[:, 0], spot[:, 1]
    # Highest in the middle of a stance (walk) or of the flight (run); both come twice a cycle.
    middle = gait.stance / 2 if gait.stance > 0.5 else gait.stance / 2 + 0.25
    controls.pelvis[:, 1] += -gait.crouch + gait.bounce * np.cos(4 * np.pi * (cycle - middle))
    _sway_hips(controls, gait, cycle)
    controls.grounded[:] = 1.0 if gait.stance > 0.5 else 0.0
    # The left leg is furthest forward when its stance begins.
    controls.arms = swing(rng, clock, 2 * np.pi * cycle, gait.arm_swing)
    controls.spine[:, 0] += gait.lean
    return controls


def _place_foot(
    controls: Controls,
    side: int,
    gait: Gait,
    at: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
    step: np.ndarray,
    phase: np.ndarray,
    start: float,
) -> None:
    """Stand at the planned place during stance, travel to the next during swing."""

    def planned(index: np.ndarray) -> np.ndarray:
        time = (index + gait.stance / 2 - start - 0.5 * side) / gait.cadence
        spot, heading = at(time)
        out = _SIGN[side] * gait.width
        sideways = np.stack([np.cos(heading), -np.sin(heading)], axis=-1) * out
        return np.concatenate([spot + sideways, (heading + _SIGN[side] * 0.1)[:, None]], axis=-1)

    swinging = np.clip((phase - gait.stance) / (1 - gait.stance), 0, 1)
    here, there = planned(step), planned(step + 1)
    track = here + (there - here) * minimum_jerk(swinging)[:, None]
    controls.feet[:, side, 0], controls.feet[:, side, 2] = track[:, 0], track[:, 1]
    controls.foot_yaw[:, side] = track[:, 2]
    lift = gait.lift * np.sin(np.pi * swinging) ** 1.5
    controls.feet[:, side, 1] = lift
    forward = np.cos(gait.direction) * np.clip(gait.speed, 0.3, 1)
    late = np.clip((phase / gait.stance - 0.6) / 0.4, 0, 1) * (swinging == 0)
    push_off = 0.75 * minimum_jerk(late) + 0.75 * (1 - minimum_jerk(swinging * 1.6)) * (swinging > 0)
    landing = -0.32 * np.sin(np.pi * np.clip((swinging - 0.45) / 0.55, 0, 1) * 0.5) ** 2 * (swinging > 0)
    landing += -0.32 * (1 - minimum_jerk(np.clip(phase / (0.18 * gait.stance), 0, 1))) * (swinging == 0)
    roll = push_off + landing if forward > 0 else push_off * 0.4
    controls.foot_pitch[:, side] = gait.toe * roll * np.abs(forward) + gait.kick_back * np.sin(np.pi * swinging)


def _sway_hips(controls: Controls, gait: Gait, cycle: np.ndarray) -> None:
    """Pelvis over the standing foot, hips turning with the forward leg, shoulders against them."""
    wave = 2 * np.pi * (cycle - gait.stance / 2)
    sideways = 0.02 * np.cos(wave)
    controls.pelvis[:, 0] += sideways * np.cos(controls.yaw)
    controls.pelvis[:, 2] -= sideways * np.sin(controls.yaw)
    turn = 0.1 * min(gait.speed, 2.0) * np.cos(gait.direction) * np.cos(2 * np.pi * cycle)
    # The left hip is forward when the left foot lands (cycle 0): a turn to the right.
    controls.spine[:, 1] += 1.8 * turn
    controls.yaw = controls.yaw - turn
    controls.tilt[:, 1] += -0.05 * np.cos(wave)
    controls.tilt[:, 0] += 0.4 * gait.lean


def _direction(rng: np.random.Generator) -> float:
    """Mostly forward, sometimes back, sideways or diagonal."""
    return float(rng.choice([0.0, 0.0, 0.0, 0.0, np.pi, np.pi / 2, -np.pi / 2, 0.7, -0.7]))


def walk(rng: np.random.Generator, clock: Clock) -> Controls:
    """Walking forward, back, sideways or diagonally, straight or in a bend."""
    direction = _direction(rng)
    ahead = abs(direction) < 0.1
    speed = rng.uniform(0.5, 1.7) if ahead else rng.uniform(0.3, 0.8)
    gait = Gait(
        speed=speed,
        direction=direction,
        turn=rng.uniform(-0.5, 0.5) if rng.random() < 0.5 else rng.uniform(-1.6, 1.6),
        cadence=rng.uniform(0.75, 1.0) + 0.15 * speed,
        stance=rng.uniform(0.58, 0.66),
        lift=rng.uniform(0.05, 0.12),
        crouch=rng.uniform(0.02, 0.05) if rng.random() < 0.8 else rng.uniform(0.1, 0.25),
        bounce=rng.uniform(0.005, 0.025),
        toe=1.0 if ahead else 0.4,
        lean=rng.uniform(-0.05, 0.15),
        arm_swing=rng.uniform(0.1, 0.7) if ahead else 0.15,
        width=rng.uniform(0.06, 0.1) if ahead else 0.15,
    )
    controls = walk_controls(gait, clock, rng)
    add_head(rng, controls)
    return controls


def run(rng: np.random.Generator, clock: Clock) -> Controls:
    """Running, on the spot or travelling, with a flight between the steps."""
    in_place = rng.random() < 0.4
    gait = Gait(
        speed=rng.uniform(0.0, 0.3) if in_place else rng.uniform(1.2, 2.6),
        direction=0.0,
        turn=rng.uniform(-1.5, 1.5) if rng.random() < 0.5 else 0.0,
        cadence=rng.uniform(1.25, 1.6),
        stance=rng.uniform(0.34, 0.44),
        lift=rng.uniform(0.15, 0.32),
        crouch=rng.uniform(0.05, 0.09),
        bounce=rng.uniform(0.03, 0.05),
        toe=1.0,
        lean=rng.uniform(0.02, 0.28),
        arm_swing=rng.uniform(0.5, 1.0),
        width=0.07,
        kick_back=rng.uniform(0.2, 0.8),
    )
    controls = walk_controls(gait, clock, rng)
    add_head(rng, controls)
    return controls


def march(rng: np.random.Generator, clock: Clock) -> Controls:
    """High knees on the spot or slowly travelling."""
    gait = Gait(
        speed=rng.uniform(0.0, 0.7),
        direction=_direction(rng),
        turn=rng.uniform(-1.2, 1.2),
        cadence=rng.uniform(0.85, 1.3),
        stance=rng.uniform(0.52, 0.6),
        lift=rng.uniform(0.2, 0.42),
        crouch=rng.uniform(0.02, 0.05),
        bounce=0.01,
        toe=0.3,
        lean=rng.uniform(-0.05, 0.1),
        arm_swing=rng.uniform(0.2, 1.0),
        width=rng.uniform(0.08, 0.13),
        kick_back=rng.uniform(0.0, 0.5),
    )
    controls = walk_controls(gait, clock, rng)
    add_trunk(rng, controls, 0.3)
    return controls


def turn_around(rng: np.random.Generator, clock: Clock) -> Controls:
    """Stepping round on the spot: a quarter to more than a full turn within about a second and a half."""
    rate = rng.uniform(1.2, 4.6) * rng.choice([-1, 1])
    gait = Gait(
        speed=rng.uniform(0.0, 0.3),
        direction=rng.uniform(-np.pi, np.pi),
        turn=rate,
        cadence=rng.uniform(1.2, 1.6) + 0.12 * abs(rate),
        stance=0.55,
        lift=rng.uniform(0.05, 0.14),
        crouch=rng.uniform(0.02, 0.12),
        bounce=0.008,
        toe=0.2,
        lean=0.0,
        arm_swing=rng.uniform(0.0, 0.3),
    )
    controls = walk_controls(gait, clock, rng)
    add_trunk(rng, controls, 0.5)
    return controls


def spin(rng: np.random.Generator, clock: Clock) -> Controls:
    """A spin on the balls of both feet or of one foot: up to one and a half turns, quick in the middle."""
    controls = Controls(clock)
    total = rng.uniform(1.5, 9.0) * rng.choice([-1, 1])
    length = rng.uniform(0.3, 0.55) + 0.09 * abs(total)
    start = rng.uniform(-0.3, max(0.1, clock.duration - length))
    yaw = total * minimum_jerk((clock.t - start) / length)
    busy = np.sin(np.pi * np.clip((clock.t - start) / length, 0, 1))
    half = 0.08
    for side in (0, 1):
        controls.feet[:, side, 0] = np.cos(yaw) * half * _SIGN[side]
        controls.feet[:, side, 2] = -np.sin(yaw) * half * _SIGN[side]
        controls.foot_yaw[:, side] = yaw + 0.1 * _SIGN[side]
    controls.yaw = yaw
    controls.foot_pitch[:] = 0.5 * busy[:, None]
    if rng.random() < 0.5:
        free = int(rng.integers(2))
        controls.leg_weight[:, free] = busy
        controls.leg_angles[:, free] = (
            rng.uniform(0.2, 1.2),
            rng.uniform(0.1, 0.5),
            0.4,
            rng.uniform(0.8, 1.9),
        )
    controls.pelvis[:, 1] -= 0.02 + 0.05 * (1 - busy)
    add_trunk(rng, controls, 0.4)
    return controls


# ---- held out for split="test"


def sneak(rng: np.random.Generator, clock: Clock) -> Controls:
    """Sneaking or prowling: long slow crouched steps with high feet (a parameter range no training gait has)."""
    gait = Gait(
        speed=rng.uniform(0.5, 0.9),
        direction=float(rng.choice([0.0, 0.35, -0.35])),
        turn=rng.uniform(-0.8, 0.8),
        cadence=rng.uniform(0.6, 0.75),
        stance=0.56,
        lift=rng.uniform(0.2, 0.35),
        crouch=rng.uniform(0.16, 0.3),
        bounce=0.03,
        toe=0.8,
        lean=rng.uniform(0.2, 0.5),
        arm_swing=0.9,
    )
    controls = walk_controls(gait, clock, rng)
    add_head(rng, controls)
    return controls


TRAIN_GAITS = {
    "walk": (walk, 0.08),
    "run": (run, 0.04),
    "march": (march, 0.04),
    "turn_around": (turn_around, 0.07),
    "spin": (spin, 0.04),
}
TEST_GAITS = {"sneak": (sneak, 0.25)}
