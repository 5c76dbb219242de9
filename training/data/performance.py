"""A performance: one motion by one or two people in one scene, filmed by several cameras at the same time.

Design decisions:
- Everything is drawn from (seed, split, index, purpose): performance 17 is the same whoever renders it and whatever
  was rendered before, and a new purpose does not disturb the others.
- Both kinds of multi-view data of the paper (3DiMo, section 3.4): `static`, synchronised still cameras around the
  person; `moving`, the same motion under a different camera move in each view.
- Held out for the split `test`: families of motions (motion_library.py), every fourth body, and twelve azimuth bins
  of 10 degrees, [20, 30) + 30 k. They spread around the circle, so that held-out views 30, 60, 90 and 180 degrees
  apart exist. A bin is told at the first frame: a camera that orbits, or a person who turns, passes through all.
- A second identity (other body, other clothes, another place, same motion, same cameras) is for tests of identity
  leaks: nothing that can be seen is common to both but the movement.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .appearance import Appearance, sample_appearance
from .body import NUM_BODIES, Body, PosedBody
from .cameras import Camera, SubjectTrack, sample_camera
from .motion import Motion
from .motion_library import sample_motion
from .scene import Scene, sample_scene

SPLITS = ("train", "test")
AZIMUTH_PERIOD, AZIMUTH_HELD_OUT_FROM = 30.0, 20.0
_MOTION, _BODY, _APPEARANCE, _SCENE, _CAMERAS, _HANDS = range(6)
_STATIC_KIND_SHARE = 0.5
_STILL_IN_MOVING_SHARE = 0.15
_PELVIS = 0

# (rng, frames, frames per second, split) to a motion: the procedural library, or a bank of imported motions.
MotionSource = Callable[[np.random.Generator, int, float, str], Motion]


@dataclass(frozen=True)
class Identity:
    """Who performs: a body, what it wears, and the place it stands in."""

    body: Body
    body_index: int
    appearance: Appearance
    scene: Scene


@dataclass(frozen=True)
class Performance:
    """One motion, its performers and its synchronous cameras, before anything is rendered.

    kind: "static" or "moving" cameras; posed: the body of each identity in every frame.
    """

    seed: int
    index: int
    split: str
    kind: str
    motion: Motion
    identities: tuple[Identity, ...]
    posed: tuple[PosedBody, ...]
    cameras: tuple[Camera, ...]

    @property
    def id(self) -> str:
        return performance_id(self.seed, self.split, self.index)

    def hand_rng(self, view: int, side: int) -> np.random.Generator:
        """The generator of the inaccuracies of one hand's box in one view (view counts over identities too)."""
        return generator(self.seed, self.split, self.index, _HANDS, view, side)


def performance_id(seed: int, split: str, index: int) -> str:
    """Name of a performance, unique over the data sets of this engine."""
    return f"{split}-{seed}-{index:07d}"


def generator(seed: int, split: str, index: int, *purpose: int) -> np.random.Generator:
    """The generator for one purpose of one performance; the key, not the order of calls, decides its numbers."""
    return np.random.default_rng([seed, SPLITS.index(split), index, *purpose])


def body_indices(split: str) -> list[int]:
    """Bodies of a split: every fourth is held out for `test`."""
    return [index for index in range(NUM_BODIES) if (index % 4 == 3) == (split == "test")]


def azimuth_in_split(azimuth: float, split: str) -> bool:
    """Whether a first-frame azimuth (degrees) belongs to the bins of the split."""
    held_out = azimuth % AZIMUTH_PERIOD >= AZIMUTH_HELD_OUT_FROM
    return bool(held_out) == (split == "test")


def sample_performance(
    seed: int,
    index: int,
    views: int,
    num_frames: int,
    fps: float,
    split: str = "train",
    identities: int = 1,
    kind: str | None = None,
    aspect: float = 1.0,
    plain: bool = False,
    motions: MotionSource = sample_motion,
) -> Performance:
    """Draw performance `index` of the data set of `seed`.

    views: cameras; num_frames at fps frames per second; identities: 1 or 2 people with the same motion;
    kind: "static", "moving" or None (drawn); aspect: width / height of the pictures; plain: calm scenes;
    motions: where movements come from. ValueError for values outside these.
    """
    check_performance_settings(views, num_frames, fps, split, identities, kind)
    motion = motions(generator(seed, split, index, _MOTION), num_frames, fps, split)
    performers = _sample_identities(seed, split, index, identities, plain)
    rng = generator(seed, split, index, _CAMERAS)
    drawn = "static" if rng.random() < _STATIC_KIND_SHARE else "moving"
    kind = kind or drawn
    posed = tuple(performer.body.pose(motion) for performer in performers)
    subject = subject_track(posed[0], motion, performers[0].body)
    return Performance(
        seed=seed,
        index=index,
        split=split,
        kind=kind,
        motion=motion,
        identities=performers,
        posed=posed,
        cameras=_sample_cameras(rng, subject, fps, sample_azimuths(rng, views, split), kind, aspect),
    )


def check_performance_settings(
    views: int, num_frames: int, fps: float, split: str, identities: int, kind: str | None
) -> None:
    """Refuse values that `sample_performance` cannot use; ValueError names the value and what is expected."""
    if split not in SPLITS:
        raise ValueError(f"split is {split!r}, expected one of {', '.join(SPLITS)}")
    if views < 1:
        raise ValueError(f"views is {views}, expected at least 1")
    if num_frames < 1 or num_frames % 4 != 1:
        raise ValueError(f"num_frames is {num_frames}, expected 4n + 1 (the video VAE's rhythm): 5, 9, 13, 17 ...")
    if not fps > 0:
        raise ValueError(f"fps is {fps}, expected a number above 0")
    if identities not in (1, 2):
        raise ValueError(f"identities is {identities}, expected 1 or 2")
    if kind not in (None, "static", "moving"):
        raise ValueError(f"kind is {kind!r}, expected 'static', 'moving' or None")


def _sample_identities(seed: int, split: str, index: int, count: int, plain: bool) -> tuple[Identity, ...]:
    """`count` different bodies of the split, each with its own clothes in its own place."""
    chosen = generator(seed, split, index, _BODY).permutation(body_indices(split))[:count]
    identities = []
    for number, body_index in enumerate(chosen):
        body = Body.load(int(body_index))
        appearance = sample_appearance(generator(seed, split, index, _APPEARANCE, number), body)
        place = (_SCENE, number) if number else (_SCENE,)
        scene = sample_scene(generator(seed, split, index, *place), plain)
        identities.append(Identity(body, int(body_index), appearance, scene))
    return tuple(identities)


def subject_track(posed: PosedBody, motion: Motion, body: Body) -> SubjectTrack:
    """What cameras need to know of the person: where they are, which way they face, how tall they are."""
    return SubjectTrack(centre=posed.joints[:, _PELVIS], heading=motion.heading, height=body.height)


def _sample_cameras(
    rng: np.random.Generator, subject: SubjectTrack, fps: float, azimuths: list[float], kind: str, aspect: float
) -> tuple[Camera, ...]:
    cameras = []
    for azimuth in azimuths:
        still = kind == "static" or rng.random() < _STILL_IN_MOVING_SHARE
        cameras.append(sample_camera(rng, subject, len(subject.centre), fps, still, (azimuth, azimuth), aspect=aspect))
    return tuple(cameras)


def sample_azimuths(rng: np.random.Generator, views: int, split: str) -> list[float]:
    """First-frame azimuths in -180..180 degrees: one in each of `views` sectors, in the bins of the split.

    Sectors keep the views of a performance apart; a sector is far wider than the 10 or 20 degrees of a bin's gap
    unless there are more than twelve views, so the loop ends soon; beyond that any azimuth of the split serves.
    """
    start, sector = rng.uniform(0, 360), 360.0 / views
    azimuths = []
    for view in range(views):
        low, high = (start + sector * view, start + sector * (view + 1)) if views <= 12 else (0.0, 360.0)
        azimuth = rng.uniform(low, high)
        while not azimuth_in_split(azimuth, split):
            azimuth = rng.uniform(low, high)
        azimuths.append(float((azimuth + 180) % 360 - 180))
    return azimuths
