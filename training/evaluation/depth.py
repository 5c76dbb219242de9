"""Part f: depth ambiguity. Poses that look alike from one view (a hand on the hip, from the side) and yet differ.

Doubles are found in the held-out set itself: two frames of different motions whose 2D joints nearly agree, each in its
own view, while their bones point elsewhere in space. From the frame's code a probe reads the directions of the bones;
told apart means that what it reads is nearer to the true pose than to the double's. A reader that sees 2D joints only
has little to go by: it stands for pose parameters estimated from a 2D skeleton.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import intervals
from .features import Representation, bone_directions
from .fitting import Samples, fit_mlp
from .probes import samples_of
from .report import Row, Section
from .viewset import BODY, Floats, Ints, ViewSet

PART = "depth"
_EVERY = 4  # frames between candidates: neighbours are the same pose
_ALIKE = 0.05  # root mean square distance of 2D joints, in heights of the person: 9 cm for 1.70 m
_APART = 30.0  # mean angle between the bones of arms and legs, degrees
_MOST_A_MOTION = 8
_LIMBS = np.array([4, 5, 7, 8, 18, 19, 20, 21]) - 1  # bones that end in knees, ankles, elbows and wrists
_BLOCK = 512


@dataclass(frozen=True)
class Doubles:
    """Pairs [P] of frames that look alike: view and frame of each, how far apart in 2D (heights) and 3D (degrees)."""

    view: Ints
    frame: Ints
    double_view: Ints
    double_frame: Ints
    in_picture: Floats
    in_space: Floats


def find_doubles(views: ViewSet) -> Doubles:
    """For every few frames of every view the double that differs most in space; at most a few of one motion."""
    frames = np.arange(0, views.num_frames, _EVERY)
    rows, at = (v.reshape(-1) for v in np.meshgrid(np.arange(len(views)), frames, indexing="ij"))
    flat = views.joints_2d[rows, at][:, BODY]
    bones = bone_directions(views.joints)[rows, at][:, _LIMBS]
    found: list[tuple[int, int, float, float]] = []
    for start in range(0, len(rows), _BLOCK):
        part = slice(start, start + _BLOCK)
        alike = _distances(flat[part], flat)
        alike[views.motion[rows[part], None] == views.motion[rows]] = np.inf
        query, rival = np.nonzero(alike <= _ALIKE)
        apart = np.full(alike.shape, -1, np.float32)
        apart[query, rival] = _angles(bones[part][query], bones[rival])
        best = apart.argmax(1)
        for number, other in enumerate(best.tolist()):
            if apart[number, other] >= _APART:
                found.append((start + number, other, float(alike[number, other]), float(apart[number, other])))
    chosen = _few_of_each(found, views.motion[rows])
    first, second = (np.array([pair[i] for pair in chosen], np.int64) for i in (0, 1))
    flat_gap, deep_gap = (np.array([pair[i] for pair in chosen], np.float32) for i in (2, 3))
    return Doubles(rows[first], at[first], rows[second], at[second], flat_gap, deep_gap)


def _distances(some: Floats, others: Floats) -> Floats:
    """Root mean square distance of the joints: [B, J, 2] and [M, J, 2] → [B, M]."""
    a, b = some.reshape(len(some), -1), others.reshape(len(others), -1)
    square = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T
    distance: Floats = np.sqrt(np.maximum(square, 0) / some.shape[1])
    return distance


def _angles(some: Floats, others: Floats) -> Floats:
    """Mean angle of the bones in degrees: [P, L, 3] twice → [P]."""
    cosine = np.clip((some * others).sum(-1), -1, 1)
    mean: Floats = np.degrees(np.arccos(cosine)).mean(-1)
    return mean


def _few_of_each(found: list[tuple[int, int, float, float]], motion: Ints) -> list[tuple[int, int, float, float]]:
    """Those furthest apart in space first, a few of each motion."""
    kept, used = [], dict.fromkeys(motion.tolist(), 0)
    for pair in sorted(found, key=lambda p: -p[3]):
        number = int(motion[pair[0]])
        if used[number] < _MOST_A_MOTION:
            used[number] += 1
            kept.append(pair)
    return kept


def measure(
    representations: tuple[Representation, ...], views: ViewSet, fit: ViewSet, seed: int, steps: int
) -> Section:
    """How often each representation tells the doubles apart; tokens first."""
    title = "f. Depth ambiguity"
    doubles = find_doubles(views)
    if not len(doubles.view):
        return Section(PART, title, (), ("The held-out set is too small to hold poses that look alike: no figure.",))
    rows = []
    targets = _flat(bone_directions(fit.joints))
    for which in representations:
        samples = samples_of(which.represent(fit, False), targets, fit.motion)
        rows += _rows(
            which, told_apart(samples, which.represent(views, False), views, doubles, seed, steps), views, doubles
        )
    remarks = (
        f"{len(doubles.view)} pairs of {len(np.unique(views.motion[doubles.view]))} motions: 2D joints "
        f"{doubles.in_picture.mean() * 100:.1f} % of the person's height apart, limbs "
        f"{doubles.in_space.mean():.0f}° apart in space. Told apart: the pose read by a probe (MLP) is nearer to the "
        "true one than to the double's (chance 0.5). 2D joints stand for pose parameters estimated from a 2D skeleton.",
    )
    return Section(PART, title, tuple(rows), remarks)


def _flat(bones: Floats) -> Floats:
    return bones.reshape(*bones.shape[:2], -1)


def _rows(which: Representation, told: np.ndarray, views: ViewSet, doubles: Doubles) -> list[Row]:
    estimate = intervals.mean(told, views.motion[doubles.view])
    return [Row(PART, which.name, "told apart", estimate, control=which.control)]


def told_apart(samples: Samples, held: Floats, views: ViewSet, doubles: Doubles, seed: int, steps: int) -> np.ndarray:
    """bool [P]: the pose read from the frame is nearer to its own than to the double's."""
    probe = fit_mlp(samples, seed, steps)
    told = probe(held[doubles.view, doubles.frame]).reshape(len(doubles.view), -1, 3)
    bones = bone_directions(views.joints)
    right = _gap(told, bones[doubles.view, doubles.frame])
    wrong = _gap(told, bones[doubles.double_view, doubles.double_frame])
    closer: np.ndarray = right < wrong
    return closer


def _gap(first: Floats, second: Floats) -> Floats:
    gap: Floats = np.linalg.norm(first - second, axis=-1)[:, _LIMBS].sum(-1)
    return gap
