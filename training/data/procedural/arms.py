"""What the arms do: random reachable poses, and named actions (wave, punch, reach, clap, drum, ...).

Every program returns one array [T, 2, 7] (see `Controls.arms`). Angles are radians.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..skeleton import JOINT, OFFSETS
from .controls import ELBOW, PLANE, PRONATE, RAISE, RELAXED_ARM, TWIST, WRIST_FLEX, WRIST_SIDE
from .curves import Clock, eased, key_times, wander
from .solve import arm_rotations

_COLLAR, _SHOULDER, _ELBOW, _WRIST = (
    OFFSETS[JOINT[f"left_{name}"]] for name in ("collar", "shoulder", "elbow", "wrist")
)
_FINGERTIP = np.array([0.18, 0.0, 0.0])
_LOW = np.radians([5, -45, -60, 0, -70, -50, -18])
_HIGH = np.radians([172, 130, 75, 142, 70, 65, 22])


def arm(raised: float, plane: float = 0, twist: float = 0, elbow: float = 10, pronate: float = 0,
        wrist: float = 0, side: float = 0) -> np.ndarray:  # fmt: skip
    """Controls [7] from degrees."""
    return np.radians([raised, plane, twist, elbow, pronate, wrist, side])


# ---- random poses


def arm_points(arms: np.ndarray) -> np.ndarray:
    """Elbow, two forearm points, wrist, knuckles and fingertip [..., 6, 3] of a left arm in the chest's frame."""
    flat = arms.reshape(-1, 7)
    local = arm_rotations(flat, np.zeros(len(flat)))
    shoulder = _COLLAR + (local["collar"] @ _SHOULDER)
    upper = local["collar"] @ local["shoulder"]
    elbow = shoulder + upper @ _ELBOW
    fore = upper @ local["elbow"]
    hand = fore @ local["wrist"]
    wrist = elbow + fore @ _WRIST
    points = [elbow, elbow + fore @ _WRIST * 0.4, elbow + fore @ _WRIST * 0.7, wrist]
    points += [wrist + hand @ _FINGERTIP * 0.5, wrist + hand @ _FINGERTIP]
    return np.stack(points, axis=1).reshape(*arms.shape[:-1], 6, 3)


def clear_of_body(arms: np.ndarray) -> np.ndarray:
    """[...] bool: the arm does not pass through trunk, head or thighs (chest frame, upright spine)."""
    x, y, z = np.moveaxis(arm_points(arms), -1, 0)
    trunk = (y < 0.20) & ((x / 0.205) ** 2 + ((z + 0.01) / 0.165) ** 2 < 1)
    head = x**2 + (y - 0.36) ** 2 + (z - 0.04) ** 2 < 0.135**2
    return ~(trunk | head).any(axis=-1)


def draw_arm_poses(rng: np.random.Generator, count: int) -> np.ndarray:
    """`count` arm poses [count, 7] over the whole reachable space; each way between neighbours is clear too."""
    poses = [RELAXED_ARM]
    while len(poses) < count + 1:
        candidates = _candidates(rng, 24)
        way = np.array([0.25, 0.5, 0.75, 1.0])[:, None, None]
        clear = clear_of_body(poses[-1] * (1 - way) + candidates * way).all(axis=0)
        # With no clear way the nearest thing is to stay, which is a pose too.
        poses.append(candidates[np.argmax(clear)] if clear.any() else poses[-1])
    return np.array(poses[1:])


def _candidates(rng: np.random.Generator, count: int) -> np.ndarray:
    """Poses whose upper-arm directions are even on the sphere of what a shoulder can do, a third near hanging."""
    poses = rng.uniform(_LOW, _HIGH, (count, 7))
    cosine = rng.uniform(np.cos(_HIGH[RAISE]), np.cos(_LOW[RAISE]), count)
    poses[:, RAISE] = np.where(rng.random(count) < 0.3, rng.uniform(0.1, 0.8, count), np.arccos(cosine))
    # Behind the body only low, across the body not overhead.
    behind = np.clip(1.2 - poses[:, RAISE], 0, 1)
    poses[:, PLANE] = np.where(poses[:, PLANE] < 0, poses[:, PLANE] * behind, poses[:, PLANE])
    poses[:, ELBOW] = _HIGH[ELBOW] * rng.beta(0.9, 1.3, count)
    for column in (PRONATE, WRIST_FLEX, WRIST_SIDE):
        poses[:, column] *= rng.random(count) ** 0.7
    return np.clip(poses, _LOW, _HIGH)


def key_poses(rng: np.random.Generator, clock: Clock) -> np.ndarray:
    """Both arms through random poses, each at its own pace; sometimes one arm copies the other or rests."""
    arms = np.empty((clock.num_frames, 2, 7))
    kind = rng.random()
    for side in (0, 1):
        pace = rng.choice([0.35, 0.5, 0.7])
        times = key_times(rng, clock.duration, pace, pace * 1.8)
        arms[:, side] = eased(times, draw_arm_poses(rng, len(times)), clock.t, hold=rng.uniform(0, 0.25))
    if kind < 0.2:
        arms[:, 1] = arms[:, 0]
    elif kind < 0.3:
        arms[:, rng.integers(2)] = _resting(rng, clock)
    return arms


def _resting(rng: np.random.Generator, clock: Clock) -> np.ndarray:
    """One arm [T, 7] hanging, with small movements."""
    base = RELAXED_ARM + rng.normal(0, 0.06, 7)
    return np.clip(base + wander(rng, clock.t, 0.05, 1.5, 7), _LOW, _HIGH)


def relaxed(rng: np.random.Generator, clock: Clock) -> np.ndarray:
    return np.stack([_resting(rng, clock), _resting(rng, clock)], axis=1)


# ---- held poses

_HELD = {
    "hands_on_hips": arm(41, -17, 60, 82, 12, -19, 5),
    "arms_crossed": arm(30, 86, 60, 92, -25, 20, 5),
    "hands_on_head": arm(135, 16, -10, 107, -3, 3, 5),
    "hands_behind_head": arm(135, 11, -52, 129, -13, 17, 5),
    "prayer": arm(30, 80, 44, 98, 40, -45, 12),
    "hands_up": arm(95, 5, -75, 92, 0, -10),
    "t_pose": arm(90, 5, 0, 4, 0, 0),
    "zombie": arm(88, 88, 10, 6, 20, 20),
    "overhead": arm(170, 20, 0, 6, 0, 0),
    "guard": arm(48, 62, 5, 128, 10, 0),
    "v_up": arm(140, 15, 0, 5, 0, 0),
    "carry": arm(20, 80, 20, 88, -60, 0),
    "hand_to_chin": arm(62, 73, 51, 107, 51, -50, 5),
    "behind_back": arm(28, -45, 75, 60, -40, 40, -13),
    "opposite_shoulder": arm(42, 98, 58, 105, -31, 37, 4),
    "hand_on_belly": arm(30, 40, 54, 88, -29, 42, 4),
    "phone": arm(66, 70, 5, 138, 0, 0, -2),
}


def held(rng: np.random.Generator, clock: Clock) -> np.ndarray:
    """Named poses (hands on hips, arms crossed, hands up, ...), moving from one to another; sides may differ."""
    names = list(_HELD)
    arms = np.empty((clock.num_frames, 2, 7))
    times = key_times(rng, clock.duration, 0.5, 1.1)
    both = rng.random() < 0.6
    keys = np.array([_HELD[names[rng.integers(len(names))]] for _ in times])
    for side in (0, 1):
        if side == 1 and not both:
            keys = np.array([_HELD[names[rng.integers(len(names))]] for _ in times])
        own = keys + rng.normal(0, 0.08, keys.shape)
        arms[:, side] = eased(times, np.clip(own, _LOW, _HIGH), clock.t, hold=0.35)
    return arms + wander(rng, clock.t, 0.02, 1.2, 14).reshape(-1, 2, 7)


# ---- actions


def _one_or_both(rng: np.random.Generator, clock: Clock, action: Callable[[], np.ndarray]) -> np.ndarray:
    """The action on one side (the other rests or poses), or on both."""
    choice = rng.random()
    arms = relaxed(rng, clock) if choice < 0.5 else held(rng, clock)
    first = int(rng.integers(2))
    arms[:, first] = action()
    if rng.random() < 0.35:
        arms[:, 1 - first] = action()
    return arms


def wave(rng: np.random.Generator, clock: Clock) -> np.ndarray:
    """Waving with a raised forearm or a whole raised arm, 1.2 to 3 times a second."""

    def action() -> np.ndarray:
        rate, phase = 2 * np.pi * rng.uniform(1.2, 3.0), rng.uniform(0, 2 * np.pi)
        swing = np.sin(rate * clock.t + phase)
        base = arm(rng.uniform(65, 150), rng.uniform(0, 50), rng.uniform(-70, -20), rng.uniform(20, 100), 0, -10)
        out = np.tile(base, (clock.num_frames, 1))
        out[:, TWIST] += rng.uniform(0.1, 0.4) * swing
        out[:, ELBOW] += rng.uniform(0.1, 0.35) * swing
        out[:, WRIST_SIDE] += 0.25 * np.sin(rate * clock.t + phase - 0.6)
        return out

    return _one_or_both(rng, clock, action)


def punch(rng: np.random.Generator, clock: Clock) -> np.ndarray:
    """Straight punches, hooks and uppercuts from a guard, alternating or random sides."""
    guard = arm(rng.uniform(35, 60), rng.uniform(50, 75), 5, rng.uniform(115, 135), 10)
    hits = [
        arm(88, 80, 20, 5, 60),
        arm(85, 60, 35, 85, 30),
        arm(62, 85, -10, 100, -60),
        arm(105, 75, 10, 8, 60),
        arm(45, 85, 10, 20, 40),
    ]
    arms = np.tile(guard, (clock.num_frames, 2, 1))
    beat = rng.uniform(0.28, 0.6)
    side = int(rng.integers(2))
    start = -rng.uniform(0, beat)
    while start < clock.duration:
        hit = hits[rng.integers(len(hits))] + rng.normal(0, 0.08, 7)
        times = start + beat * np.array([0.0, 0.42, 0.95])
        strength = eased(times, np.array([0.0, 1.0, 0.0]), clock.t)
        arms[:, side] += strength[:, None] * (hit - guard)
        side = 1 - side if rng.random() < 0.75 else side
        start += beat * rng.uniform(0.9, 1.3)
    return np.clip(arms, _LOW, _HIGH) + wander(rng, clock.t, 0.03, 0.8, 14).reshape(-1, 2, 7)


def reach(rng: np.random.Generator, clock: Clock) -> np.ndarray:
    """Reaching out straight in any direction and back, one arm or both."""

    def action() -> np.ndarray:
        times = key_times(rng, clock.duration, 0.35, 0.8)
        keys = []
        for index in range(len(times)):
            far = arm(rng.uniform(30, 170), rng.uniform(-20, 120), rng.uniform(-40, 40), rng.uniform(0, 20))
            near = arm(rng.uniform(10, 40), rng.uniform(20, 70), rng.uniform(0, 40), rng.uniform(70, 130))
            keys.append(far if index % 2 else near)
        return eased(times, np.array(keys), clock.t, hold=0.15)

    return _one_or_both(rng, clock, action)


def sway(rng: np.random.Generator, clock: Clock) -> np.ndarray:
    """Dance: every arm angle oscillates about a pose at a common beat, sides in step or in opposition."""
    beat = 2 * np.pi * rng.uniform(0.7, 2.0)
    centre = draw_arm_poses(rng, 2)
    arms = np.empty((clock.num_frames, 2, 7))
    opposed = rng.choice([0.0, np.pi])
    size = np.array([0.45, 0.4, 0.35, 0.5, 0.4, 0.3, 0.15]) * rng.uniform(0.3, 1.3, 7)
    phase = rng.uniform(0, 2 * np.pi, 7)
    multiple = rng.choice([1, 1, 2], 7)
    same = rng.random() < 0.6
    for side in (0, 1):
        waves = np.sin(multiple * beat * clock.t[:, None] + phase + side * opposed)
        arms[:, side] = centre[0 if same else side] + size * waves
    return np.clip(arms, _LOW, _HIGH)


def clap(rng: np.random.Generator, clock: Clock) -> np.ndarray:
    """Clapping before the chest or overhead."""
    rate, phase = 2 * np.pi * rng.uniform(1.2, 2.8), rng.uniform(0, 2 * np.pi)
    overhead = rng.random() < 0.35
    closed = arm(150, 62, 0, 38, 0) if overhead else arm(48, 72, 40, 75, -20)
    apart = arm(135, 15, 0, 35, 0) if overhead else arm(45, 38, 20, 75, -20)
    part = 0.5 + 0.5 * np.sin(rate * clock.t + phase)
    one = closed + part[:, None] * (apart - closed) * rng.uniform(0.5, 1.1)
    return np.stack([one, one], axis=1)


def drum(rng: np.random.Generator, clock: Clock) -> np.ndarray:
    """Forearms beating up and down in turn: drumming, typing, hammering."""
    rate = 2 * np.pi * rng.uniform(1.2, 3.0)
    lag = rng.choice([np.pi, np.pi, 0.0])
    base = arm(rng.uniform(15, 70), rng.uniform(50, 85), rng.uniform(0, 30), rng.uniform(60, 95), 40)
    arms = np.tile(base, (clock.num_frames, 2, 1))
    for side in (0, 1):
        beat = np.sin(rate * clock.t + side * lag)
        arms[:, side, ELBOW] += rng.uniform(0.25, 0.6) * beat
        arms[:, side, RAISE] += rng.uniform(0.0, 0.35) * beat
        arms[:, side, WRIST_FLEX] -= 0.3 * beat
    return np.clip(arms, _LOW, _HIGH)


def swing(rng: np.random.Generator, clock: Clock, phase: np.ndarray, size: float) -> np.ndarray:
    """Arms swinging with a gait whose left leg is forward at phase 0 (radians [T]); `size` 0..1."""
    arms = np.empty((clock.num_frames, 2, 7))
    bend = rng.uniform(0.15, 0.4) + size * rng.uniform(0.2, 1.3)
    for side in (0, 1):
        forward = -np.cos(phase) if side == 0 else np.cos(phase)
        # Raise and plane cannot cross the hanging pose smoothly, so swing a vector and read the angles from it.
        angle = (0.25 + 0.55 * size) * forward + 0.08 * size
        out = np.full_like(angle, rng.uniform(0.12, 0.2))
        arms[:, side, RAISE] = np.arccos(np.cos(angle) * np.cos(out))
        arms[:, side, PLANE] = np.arctan2(np.sin(angle) * np.cos(out), np.sin(out))
        arms[:, side, TWIST] = 0.15
        arms[:, side, ELBOW] = bend + 0.25 * size * forward
        arms[:, side, PRONATE] = 0.15
    arms[..., (WRIST_FLEX, WRIST_SIDE)] = 0.05
    return arms


# ---- held out for split="test"


def arm_circles(rng: np.random.Generator, clock: Clock) -> np.ndarray:
    """Straight arms drawing circles, wide (swimming) or small (warming up)."""
    rate, phase = 2 * np.pi * rng.uniform(0.7, 1.6) * rng.choice([-1, 1]), rng.uniform(0, 2 * np.pi)
    lag = rng.choice([0.0, np.pi])
    wide = rng.random() < 0.5
    arms = np.zeros((clock.num_frames, 2, 7))
    for side in (0, 1):
        turn = rate * clock.t + phase + side * lag
        size = 0.95 if wide else 0.35
        arms[:, side, RAISE] = np.pi / 2 + size * np.sin(turn)
        arms[:, side, PLANE] = (0.9 if wide else 0.3) + size * 0.7 * np.cos(turn)
        arms[:, side, ELBOW] = 0.08
    return np.clip(arms, _LOW, _HIGH)


def throw(rng: np.random.Generator, clock: Clock) -> np.ndarray:
    """Wind up behind the head and throw forward, over and over."""

    def action() -> np.ndarray:
        beat = rng.uniform(0.8, 1.3)
        stages = np.array([arm(30, 40, 10, 60), arm(100, -5, -60, 105), arm(120, 60, -20, 45), arm(55, 105, 30, 10)])
        starts = np.cumsum([0.0, 0.42, 0.18, 0.12, 0.28])
        offset = rng.uniform(-beat, 0)
        times = np.concatenate([offset + beat * (cycle + starts[:4]) for cycle in range(4)])
        return eased(times, np.concatenate([stages] * 4), clock.t)

    return _one_or_both(rng, clock, action)


def salute(rng: np.random.Generator, clock: Clock) -> np.ndarray:
    """Hand to the brow and down again."""

    def action() -> np.ndarray:
        times = key_times(rng, clock.duration, 0.4, 0.7)
        up, down = arm(92, 25, -15, 132, 40, 10), arm(8, 20, 5, 10)
        keys = np.array([up if index % 2 else down for index in range(len(times))])
        return eased(times, keys + rng.normal(0, 0.05, keys.shape), clock.t, hold=0.4)

    return _one_or_both(rng, clock, action)


TRAIN_ARMS = {
    "key_poses": (key_poses, 0.50),
    "held": (held, 0.10),
    "relaxed": (relaxed, 0.05),
    "wave": (wave, 0.07),
    "punch": (punch, 0.07),
    "reach": (reach, 0.08),
    "sway": (sway, 0.07),
    "clap": (clap, 0.03),
    "drum": (drum, 0.03),
}
TEST_ARMS = {"arm_circles": (arm_circles, 0.4), "throw": (throw, 0.35), "salute": (salute, 0.25)}
