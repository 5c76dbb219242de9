"""What legs, pelvis and trunk do on the spot: stand, shift, squat, lunge, kick, kneel, bend, sit.

Every program draws a `Controls` with the arms at rest; gaits and jumps have files of their own.
"""

from __future__ import annotations

import numpy as np

from ..skeleton import STANDING_HEIGHT
from .controls import ABDUCT, FLEX, HIP_HALF_WIDTH, KNEE, ROTATE, Controls
from .curves import Clock, eased, key_times, minimum_jerk, pulse, wander

_SIGN = np.array([1.0, -1.0])


def set_stance(rng: np.random.Generator, controls: Controls, widest: float = 0.22) -> None:
    """Plant both feet: random width, stagger and toe-out."""
    half = HIP_HALF_WIDTH + rng.uniform(-0.03, widest - HIP_HALF_WIDTH)
    stagger = rng.uniform(-0.18, 0.18) * rng.integers(0, 2)
    controls.feet[:, 0, 0], controls.feet[:, 1, 0] = half, -half
    controls.feet[:, 0, 2], controls.feet[:, 1, 2] = stagger, -stagger
    controls.foot_yaw[:] = _SIGN * (rng.uniform(0.0, 0.35, 2) + 0.8 * (half - HIP_HALF_WIDTH))


def add_trunk(rng: np.random.Generator, controls: Controls, size: float = 1.0) -> None:
    """Spine and head through random keys (bend, twist, lean; look around), each at its own pace."""
    clock = controls.clock
    low, high = np.radians([-12, -38, -25]) * size, np.radians([38, 38, 25]) * size
    times = key_times(rng, clock.duration, 0.35, 0.9)
    controls.spine += eased(times, rng.uniform(low, high, (len(times), 3)), clock.t, hold=0.1)
    add_head(rng, controls)


def add_head(rng: np.random.Generator, controls: Controls) -> None:
    clock = controls.clock
    times = key_times(rng, clock.duration, 0.35, 1.0)
    low, high = np.radians([-30, -60, -25]), np.radians([35, 60, 25])
    keys = rng.uniform(low, high, (len(times), 3)) * rng.uniform(0.2, 1.0)
    controls.neck += eased(times, keys, clock.t, hold=0.25)


def _sway_pelvis(rng: np.random.Generator, controls: Controls, drop: float, shift: float, turn: float) -> None:
    """Pelvis over planted feet: random keys of height, sideways and forward shift, heading and tilt."""
    clock = controls.clock
    times = key_times(rng, clock.duration, 0.3, 0.8)
    count = len(times)
    keys = np.column_stack(
        [
            rng.uniform(-shift, shift, count),
            -rng.beta(0.7, 1.2, count) * drop,
            rng.uniform(-0.5, 0.5, count) * shift,
            rng.uniform(-turn, turn, count),
            rng.uniform(-0.08, 0.22, count),
            rng.uniform(-0.12, 0.12, count),
        ]
    )
    values = eased(times, keys, clock.t, hold=0.1)
    controls.pelvis += values[:, :3]
    controls.yaw += values[:, 3]
    controls.tilt += values[:, 4:]


def stand(rng: np.random.Generator, clock: Clock) -> Controls:
    """Planted feet, weight shifting, small turns of the hips."""
    controls = Controls(clock)
    set_stance(rng, controls)
    _sway_pelvis(rng, controls, drop=0.06, shift=0.05, turn=0.3)
    add_trunk(rng, controls, 0.6)
    return controls


def shift(rng: np.random.Generator, clock: Clock) -> Controls:
    """Key poses of the whole lower body: wide stances, bent knees, deep shifts and twists."""
    controls = Controls(clock)
    set_stance(rng, controls, widest=0.38)
    _sway_pelvis(rng, controls, drop=0.42, shift=0.13, turn=0.6)
    add_trunk(rng, controls)
    return controls


def steps(rng: np.random.Generator, clock: Clock) -> Controls:
    """Feet set down in new places one after the other, the pelvis following between them; headings drift."""
    controls = Controls(clock)
    beat = rng.uniform(0.3, 0.55)
    times = np.arange(-rng.uniform(0, beat), clock.duration + 2 * beat, beat)
    turn_rate = rng.uniform(-0.5, 0.5) if rng.random() < 0.6 else rng.uniform(-1.2, 1.2)
    yaw = np.cumsum(np.concatenate([[0.0], np.full(len(times) - 1, turn_rate)]))
    centre = np.cumsum(rng.uniform(-0.16, 0.16, (len(times), 2)), axis=0)
    moving = (np.arange(len(times)) + int(rng.integers(2))) % 2
    places = _alternate_places(rng, yaw, centre, moving)
    for side in (0, 1):
        track = eased(times, places[:, side], clock.t)
        controls.feet[:, side, 0], controls.feet[:, side, 2] = track[:, 0], track[:, 1]
        controls.foot_yaw[:, side] = track[:, 2]
        controls.feet[:, side, 1] = _lift_between(times, places[:, side], clock.t, rng.uniform(0.06, 0.16))
    middle = controls.feet.mean(axis=1)
    controls.pelvis[:, 0], controls.pelvis[:, 2] = middle[:, 0], middle[:, 2]
    controls.pelvis[:, 1] -= rng.uniform(0.0, 0.12) + 0.02
    controls.yaw = controls.foot_yaw.mean(axis=1)
    add_trunk(rng, controls, 0.8)
    return controls


def _alternate_places(rng: np.random.Generator, yaw: np.ndarray, centre: np.ndarray, moving: np.ndarray) -> np.ndarray:
    """Places [K, 2, 3] (x, z, heading): at key k only foot `moving[k]` takes its new place."""
    places = np.empty((len(yaw), 2, 3))
    half = rng.uniform(0.09, 0.2)
    for key in range(len(yaw)):
        for side in (0, 1):
            if key and moving[key] != side:
                places[key, side] = places[key - 1, side]
                continue
            sideways = half * _SIGN[side]
            spot = centre[key] + sideways * np.array([np.cos(yaw[key]), -np.sin(yaw[key])])
            places[key, side] = (*spot, yaw[key] + _SIGN[side] * 0.15)
    return places


def _lift_between(times: np.ndarray, places: np.ndarray, t: np.ndarray, height: float) -> np.ndarray:
    """Lift [T] of a foot that travels between two different places; 0 while it stays."""
    segment = np.clip(np.searchsorted(times, t, side="right") - 1, 0, len(times) - 2)
    part = (t - times[segment]) / (times[segment + 1] - times[segment])
    moves = np.abs(places[segment + 1] - places[segment]).sum(axis=-1) > 1e-9
    return height * np.sin(np.pi * np.clip(part, 0, 1)) ** 2 * moves


def squat(rng: np.random.Generator, clock: Clock) -> Controls:
    """Squats, deep or shallow, one after the other; heels rise when deep."""
    controls = Controls(clock)
    set_stance(rng, controls, widest=0.26)
    period, phase = rng.uniform(0.8, 2.0), rng.uniform(0, 1)
    depth = minimum_jerk(0.5 - 0.5 * np.cos(2 * np.pi * (clock.t / period + phase)))
    drop = depth * rng.uniform(0.25, 0.58)
    controls.pelvis[:, 1] -= drop
    controls.pelvis[:, 2] -= 0.28 * drop
    controls.tilt[:, 0] += 0.9 * drop
    controls.spine[:, 0] += rng.uniform(0.2, 0.9) * drop
    controls.foot_pitch[:] = (np.clip(drop - 0.40, 0, None) * 2.6)[:, None]
    add_trunk(rng, controls, 0.35)
    return controls


def lunge(rng: np.random.Generator, clock: Clock) -> Controls:
    """A long step forward, back or to the side into a deep lunge, and back again."""
    controls = Controls(clock)
    side = int(rng.integers(2))
    direction = rng.choice(["forward", "back", "side"], p=[0.5, 0.2, 0.3])
    length = rng.uniform(0.5, 0.85)
    out = {"forward": (0.0, 1.0), "back": (0.0, -1.0), "side": (_SIGN[side], 0.0)}[direction]
    start, rise, fall = rng.uniform(-0.5, 0.35), rng.uniform(0.35, 0.55), rng.uniform(0.35, 0.55)
    hold = rng.uniform(0.1, 0.6)
    part = pulse(clock.t, start, rise, hold, fall)
    stepping = np.sin(np.pi * np.clip((clock.t - start) / rise, 0, 1)) ** 2
    stepping += np.sin(np.pi * np.clip((clock.t - start - rise - hold) / fall, 0, 1)) ** 2
    move = part[:, None] * np.array(out) * length
    controls.feet[:, side, (0, 2)] += move
    controls.feet[:, side, 1] = 0.10 * stepping
    if direction == "side":
        controls.foot_yaw[:, side] += _SIGN[side] * 0.4 * part
    controls.pelvis[:, (0, 2)] += move * (0.6 if direction == "side" else 0.5)
    controls.pelvis[:, 1] -= part * rng.uniform(0.18, 0.36)
    rear = 1 - side if direction == "forward" else side
    if direction != "side":
        controls.foot_pitch[:, rear] = 0.75 * part
    add_trunk(rng, controls, 0.7)
    return controls


def _stand_on(rng: np.random.Generator, controls: Controls, support: int, part: np.ndarray) -> None:
    """Bring the pelvis over the supporting foot while `part` [T] is 1."""
    foot = controls.feet[:, support]
    for axis in (0, 2):
        controls.pelvis[:, axis] += 0.85 * part * (foot[:, axis] - controls.pelvis[:, axis])
    controls.tilt[:, 1] += part * _SIGN[support] * -0.06


def kick(rng: np.random.Generator, clock: Clock) -> Controls:
    """Front, side and back kicks: chamber the knee, stretch the leg, take it back."""
    controls = Controls(clock)
    support = int(rng.integers(2))
    kicking = 1 - support
    style = rng.choice(["front", "side", "back"], p=[0.55, 0.25, 0.2])
    height = rng.uniform(0.5, 1.0)
    chamber, hit = {
        "front": ((1.35 * height, 0.05, 0.0, 1.9), (1.65 * height, 0.05, 0.0, 0.1)),
        "side": ((1.0 * height, 0.7 * height, 0.2, 1.9), (0.35, 1.25 * height, -0.2, 0.1)),
        "back": ((0.4, 0.0, 0.0, 1.6), (-0.55 * height - 0.1, 0.1, 0.0, 0.25)),
    }[style]
    beat = rng.uniform(0.75, 1.3)
    begin = rng.uniform(-0.5 * beat, 0.4)
    for repeat in range(3):
        start = begin + repeat * beat * 1.25
        times = start + beat * np.array([0.0, 0.3, 0.5, 0.75, 1.0])
        legs = np.array([chamber, chamber, hit, chamber, chamber])
        active = (clock.t >= times[0]) & (clock.t <= times[-1])
        track = eased(times, legs, clock.t)
        weight = eased(times, np.array([0.0, 0.9, 1.0, 0.9, 0.0]), clock.t) * active
        controls.leg_weight[:, kicking] = np.maximum(controls.leg_weight[:, kicking], weight)
        controls.leg_angles[active, kicking] = track[active]
    part = controls.leg_weight[:, kicking]
    _stand_on(rng, controls, support, part)
    controls.pelvis[:, 1] -= 0.02 + 0.03 * part
    lean = {"front": (-0.3, 0.0), "side": (0.0, _SIGN[support] * 0.7), "back": (0.6, 0.0)}[style]
    controls.spine[:, 0] += part * lean[0] * height
    controls.spine[:, 2] += part * lean[1] * height
    add_trunk(rng, controls, 0.35)
    return controls


def balance(rng: np.random.Generator, clock: Clock) -> Controls:
    """One leg in the air in random poses (knee up, leg out, leg back) while the other carries."""
    controls = Controls(clock)
    support = int(rng.integers(2))
    free = 1 - support
    times = key_times(rng, clock.duration, 0.35, 0.8)
    low, high = np.array([-0.45, -0.05, -0.4, 0.05]), np.array([1.75, 0.9, 0.6, 2.0])
    legs = rng.uniform(low, high, (len(times), 4))
    # Knees bend backwards behind the body and lift forwards before it.
    legs[:, KNEE] = np.where(legs[:, FLEX] < 0.2, np.maximum(legs[:, KNEE], 0.5), legs[:, KNEE])
    legs[:, ROTATE] = np.clip(legs[:, ROTATE], -0.3, 0.3 + 0.3 * legs[:, ABDUCT])
    controls.leg_angles[:, free] = eased(times, legs, clock.t, hold=0.2)
    down = rng.random() < 0.4
    weight = np.ones(clock.num_frames)
    if down:
        weight = pulse(clock.t, rng.uniform(-0.6, 0.4), 0.35, rng.uniform(0.3, 1.0), 0.35)
    controls.leg_weight[:, free] = weight
    _stand_on(rng, controls, support, weight)
    controls.pelvis[:, 1] -= 0.02 + weight * rng.uniform(0, 0.15)
    controls.yaw += wander(rng, clock.t, 0.12, 1.5)[:, 0]
    add_trunk(rng, controls, 0.7)
    return controls


def bend(rng: np.random.Generator, clock: Clock) -> Controls:
    """Bending far forward, to a side or back: picking up, bowing, stretching."""
    controls = Controls(clock)
    set_stance(rng, controls, widest=0.3)
    times = key_times(rng, clock.duration, 0.45, 0.9)
    count = len(times)
    forward = rng.uniform(-0.35, 1.1, count) * np.resize([1.0, 0.25], count)
    keys = np.column_stack([forward, rng.uniform(-0.5, 0.5, count), rng.uniform(-0.5, 0.5, count)])
    bent = eased(times, keys, clock.t, hold=0.15)
    controls.spine += bent
    hips = np.clip(bent[:, 0], 0, None)
    controls.tilt[:, 0] += 0.75 * hips
    controls.pelvis[:, 2] -= 0.16 * hips
    controls.pelvis[:, 1] -= hips * rng.uniform(0.02, 0.25)
    add_head(rng, controls)
    return controls


def sit(rng: np.random.Generator, clock: Clock) -> Controls:
    """Sitting down onto an unseen seat, staying, rising."""
    controls = Controls(clock)
    set_stance(rng, controls, widest=0.2)
    part = pulse(clock.t, rng.uniform(-0.9, 0.3), rng.uniform(0.5, 0.9), rng.uniform(0.2, 1.2), 0.7)
    depth = rng.uniform(0.40, 0.52)
    controls.pelvis[:, 1] -= part * depth
    controls.pelvis[:, 2] -= part * rng.uniform(0.22, 0.34)
    on_the_way = 4 * part * (1 - part)
    controls.tilt[:, 0] += 0.55 * on_the_way + 0.05 * part
    controls.spine[:, 0] += 0.45 * on_the_way
    add_trunk(rng, controls, 0.5)
    return controls


# ---- held out for split="test"


def kneel(rng: np.random.Generator, clock: Clock) -> Controls:
    """Down on one knee and up again."""
    controls = Controls(clock)
    side = int(rng.integers(2))
    part = pulse(clock.t, rng.uniform(-0.9, 0.2), rng.uniform(0.5, 0.8), rng.uniform(0.3, 1.2), 0.7)
    # The stepping happens before the sinking.
    stepped = minimum_jerk(part * 1.8)
    controls.feet[:, side, 2] -= 0.52 * stepped
    controls.feet[:, side, 1] = 0.06 * np.sin(np.pi * stepped) ** 2
    controls.foot_pitch[:, side] = 1.0 * stepped
    controls.pelvis[:, 2] -= 0.22 * part
    controls.pelvis[:, 1] -= 0.46 * part
    add_trunk(rng, controls, 0.6)
    return controls


def round_kick(rng: np.random.Generator, clock: Clock) -> Controls:
    """A kick that sweeps round from the side while the hips turn on the supporting foot."""
    controls = Controls(clock)
    support = int(rng.integers(2))
    kicking = 1 - support
    beat, start = rng.uniform(0.8, 1.2), rng.uniform(-0.2, 0.3)
    times = start + beat * np.array([0.0, 0.3, 0.55, 0.75, 1.0])
    legs = np.array([[0.3, 0.4, 0, 1.4], [0.7, 1.1, 0, 1.7], [1.3, 0.7, 0, 0.15], [1.0, 0.3, 0, 1.4], [0.3, 0, 0, 0.8]])
    controls.leg_angles[:, kicking] = eased(times, legs, clock.t)
    weight = eased(times, np.array([0.0, 1.0, 1.0, 0.8, 0.0]), clock.t)
    controls.leg_weight[:, kicking] = weight
    turn = eased(times, np.array([0.0, -0.3, 1.0, 0.9, 0.0]), clock.t) * _SIGN[support] * rng.uniform(0.5, 1.1)
    controls.yaw += turn
    controls.foot_yaw[:, support] += turn
    _stand_on(rng, controls, support, weight)
    controls.spine[:, 2] += weight * _SIGN[support] * 0.45
    controls.pelvis[:, 1] = STANDING_HEIGHT - 0.04
    add_trunk(rng, controls, 0.3)
    return controls


TRAIN_LOWER = {
    "stand": (stand, 0.20),
    "shift": (shift, 0.17),
    "steps": (steps, 0.09),
    "squat": (squat, 0.05),
    "lunge": (lunge, 0.05),
    "kick": (kick, 0.05),
    "balance": (balance, 0.06),
    "bend": (bend, 0.05),
    "sit": (sit, 0.04),
}
TEST_LOWER = {"kneel": (kneel, 0.3), "round_kick": (round_kick, 0.25)}
