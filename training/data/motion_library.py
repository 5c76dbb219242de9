"""The built-in motion library: unlimited procedural motion with exact labels and no licence.

A motion is a program for legs and trunk, a program for the arms, a program for each hand's fingers and for the
head, drawn independently where they fit together, so a few dozen families give very many combinations.

Held out from training (`split="test"` draws at least one of them in every motion):
- legs and trunk: kneel, round_kick, sneak (crouched gait with long slow high steps), star_jump;
- arms: arm_circles, throw, salute;
- finger shapes: horns, call_me, little_finger (mixed with the others).
Half the test motions have a held-out lower program, the others a held-out arm program over a training lower one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .motion import Motion
from .procedural.arms import TEST_ARMS, TRAIN_ARMS
from .procedural.controls import Controls
from .procedural.curves import Clock, minimum_jerk, wander
from .procedural.fingers import draw_fingers
from .procedural.gaits import TEST_GAITS, TRAIN_GAITS
from .procedural.jumps import TEST_JUMPS, TRAIN_JUMPS
from .procedural.lower import TEST_LOWER, TRAIN_LOWER
from .procedural.solve import solve

Program = Callable[[np.random.Generator, Clock], Any]
Families = Mapping[str, tuple[Program, float]]

SPLITS = ("train", "test")
TRAIN_LOWER_FAMILIES = TRAIN_LOWER | TRAIN_GAITS | TRAIN_JUMPS
TEST_LOWER_FAMILIES = TEST_LOWER | TEST_GAITS | TEST_JUMPS
HELD_OUT = frozenset(TEST_LOWER_FAMILIES) | frozenset(TEST_ARMS)
# Programs whose own arms (gait swing, jump swing) are part of them, and how often they are kept.
_OWN_ARMS = {"walk": 0.45, "run": 0.6, "march": 0.5, "jump": 0.4, "sneak": 0.5, "star_jump": 0.8}


def family_names(split: str = "train") -> list[str]:
    """Names "lower+arms" are built from: every lower and arm family that `split` can draw."""
    _check_split(split)
    if split == "train":
        return [*TRAIN_LOWER_FAMILIES, *TRAIN_ARMS]
    return [*TEST_LOWER_FAMILIES, *TEST_ARMS, *TRAIN_LOWER_FAMILIES, *TRAIN_ARMS]


def sample_motion(
    rng: np.random.Generator,
    num_frames: int,
    fps: float,
    split: str = "train",
    lower: str | None = None,
    arms: str | None = None,
) -> Motion:
    """Draw a motion of `num_frames` frames at `fps`, starting in mid-movement near the origin, any heading.

    `lower` and `arms` force a family by name. The motion's name is "lower+arms" ("walk+swing" when the lower
    program's own arms are kept). ValueError for an unknown split or family, or fewer than one frame.
    """
    _check_split(split)
    if num_frames < 1:
        raise ValueError(f"num_frames is {num_frames}, expected at least 1")
    clock = Clock(num_frames, float(fps))
    lower_families, arm_families = _families(rng, split, lower, arms)
    lower = lower or _draw(rng, lower_families)
    controls = _program(lower, TRAIN_LOWER_FAMILIES | TEST_LOWER_FAMILIES)(rng, clock)
    # Only a family that carries the held-out part by itself may keep its own arms.
    keep_own = arms is None and arm_families is not TEST_ARMS and rng.random() < _OWN_ARMS.get(lower, 0.0)
    arms = "swing" if keep_own else arms or _draw(rng, arm_families)
    if not keep_own:
        controls.arms = _program(arms, TRAIN_ARMS | TEST_ARMS)(rng, clock)
    _finish(rng, controls, split)
    heading = rng.uniform(-180, 180)
    return solve(controls, f"{lower}+{arms}").turned(heading).moved_to(0.0, 0.0)


def _families(rng: np.random.Generator, split: str, lower: str | None, arms: str | None) -> tuple[Families, Families]:
    """The lower and arm families to draw from; in the test split at least one of them is held out."""
    if split == "train":
        return TRAIN_LOWER_FAMILIES, TRAIN_ARMS
    held_lower = rng.random() < 0.5
    if lower is not None:
        held_lower = lower in TEST_LOWER_FAMILIES
    elif arms is not None:
        held_lower = arms not in TEST_ARMS
    return (TEST_LOWER_FAMILIES, TRAIN_ARMS) if held_lower else (TRAIN_LOWER_FAMILIES, TEST_ARMS)


def _finish(rng: np.random.Generator, controls: Controls, split: str) -> None:
    """Fingers, shoulders, a trace of life in everything."""
    clock = controls.clock
    for side in (0, 1):
        controls.fingers[:, side] = draw_fingers(rng, clock, split)
    if rng.random() < 0.2:
        middle = rng.uniform(0, clock.duration)
        up = minimum_jerk(1 - np.abs(clock.t - middle) / rng.uniform(0.25, 0.5))
        controls.shrug += up[:, None] * rng.uniform(0.1, 0.4, 2)
    controls.arms += wander(rng, clock.t, 0.015, 1.0, 14).reshape(-1, 2, 7)
    controls.spine += wander(rng, clock.t, 0.015, 1.2, 3)


def _draw(rng: np.random.Generator, families: Families) -> str:
    weights = np.array([weight for _, weight in families.values()])
    return str(rng.choice(list(families), p=weights / weights.sum()))


def _program(name: str, families: Families) -> Program:
    if name not in families:
        raise ValueError(f"no motion family {name!r}; known families: {', '.join(sorted(families))}")
    return families[name][0]


def _check_split(split: str) -> None:
    if split not in SPLITS:
        raise ValueError(f"split is {split!r}, expected one of {', '.join(SPLITS)}")
