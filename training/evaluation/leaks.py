"""Part e: leaks. What the code of a motion must not say (where the camera stands, who moves), and what it must.

- Azimuth: a probe reads from a frame's tokens from which side it was taken. A code that does not know errs by 90°.
- Identity: which of the held-out bodies moves, told from tokens; and the mean colour of the clothes.
- The driver's appearance swapped: how far two people with the same motion are apart, and two views of one person, as a
  share of how far different motions are apart.
- Relative turn: how far the person turned between two frames belongs to the motion and must stay readable.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from . import intervals
from .features import Representation, Scaler
from .fitting import Probe, Samples, fit_mlp, fit_ridge
from .intervals import Estimate
from .probes import read, samples_of
from .report import Row, Section
from .viewset import Floats, ViewSet, angle_between

PART = "leaks"
_TURN_STEPS = (4, 8, 16)  # frames between which a turn is read
_LEAST_TURN = 30.0  # degrees: below it the side that a person turns to is a matter of taste
Fitter = Callable[[Samples], Probe]


def measure(
    tokens: Representation, controls: tuple[Representation, ...], views: ViewSet, fit: ViewSet, seed: int, steps: int
) -> Section:
    """Rows of every probe for the tokens, then for the controls."""
    rows: list[Row] = []

    def mlp(samples: Samples) -> Probe:
        return fit_mlp(samples, seed, steps)

    def ridge(samples: Samples) -> Probe:
        return fit_ridge(samples, seed)

    for which in (tokens, *controls):
        learned, held = which.represent(fit, False), which.represent(views, False)
        fitters = {"MLP": mlp, "ridge": ridge} if which is tokens else {"MLP": mlp}
        for name, fitter in fitters.items():
            rows += azimuth_rows(which, name, fitter, learned, held, fit, views)
        rows.append(identity_row(which, ridge, held, views))
        rows += swap_rows(which, Scaler.of(learned)(held), views)
        rows += turn_rows(which, mlp, learned, held, fit, views)
    bodies = len(np.unique(views.body))
    remarks = (
        "Azimuth: mean error of a probe that reads the side of the camera from one frame; chance 90°, band 84–95°. "
        f"Identity: right body of {bodies}, told from a whole clip (chance {1 / bodies:.3f}); folds share no motion. "
        "Distances are squared, between clips, over that between different motions. Relative turn: between two frames "
        f"of still cameras, where the person turned by at least {_LEAST_TURN:.0f}°; chance 0.5. The true rotations "
        "know pose alone, without heading or body: what they reach, every code of the pose may. (Joints have more: the "
        "directions of hips and collars are the body's own.)",
    )
    return Section(PART, "e. Leaks", tuple(rows), remarks)


def azimuth_rows(
    which: Representation, probe_name: str, fitter: Fitter, learned: Floats, held: Floats, fit: ViewSet, views: ViewSet
) -> list[Row]:
    probe = fitter(samples_of(learned, _circle(fit.azimuth), fit.motion))
    error = angle_between(_angle(read(probe, held)), views.azimuth).mean(1)
    aim = "" if which.control else "≥ 80°"
    estimate = intervals.mean(error, views.motion)
    return [Row(PART, f"{which.name}, {probe_name}", "azimuth error", estimate, "°", aim, which.control)]


def _circle(degrees: Floats) -> Floats:
    """[..., ] → [..., 2]: sine and cosine."""
    angle = np.radians(degrees)
    return np.stack([np.sin(angle), np.cos(angle)], axis=-1).astype(np.float32)


def _angle(circle: Floats) -> Floats:
    angle: Floats = np.degrees(np.arctan2(circle[..., 0], circle[..., 1]))
    return angle


def identity_row(which: Representation, fitter: Fitter, held: Floats, views: ViewSet) -> Row:
    """Which body it is: fitted on half of the held-out motions, told in the other half, and the other way round."""
    right = identified(fitter, held, views)
    return Row(PART, which.name, "identity told", intervals.mean(right, views.motion), control=which.control)


def identified(fitter: Fitter, held: Floats, views: ViewSet) -> np.ndarray:
    """bool [N]: the body with the highest mean score over the clip is the right one."""
    bodies = np.unique(views.body)
    wanted = (views.body[:, None] == bodies).astype(np.float32)
    targets = np.repeat(wanted[:, None], held.shape[1], axis=1)
    right = np.zeros(len(views), bool)
    for fold in (0, 1):
        asked = views.motion % 2 == fold
        probe = fitter(samples_of(held[~asked], targets[~asked], views.motion[~asked]))
        told = read(probe, held[asked]).mean(1).argmax(1)
        right[asked] = bodies[told] == views.body[asked]
    return right


def swap_rows(which: Representation, scaled: Floats, views: ViewSet) -> list[Row]:
    """Distances of clips of one motion over those of different motions."""
    flat = scaled.reshape(len(scaled), -1)
    square = (flat**2).sum(1)
    distance = np.maximum(square[:, None] + square[None] - 2 * flat @ flat.T, 0)
    same_motion = views.motion[:, None] == views.motion[None]
    same_person = views.identity[:, None] == views.identity[None]
    same_camera = views.camera[:, None] == views.camera[None]
    other = _row_means(distance, ~same_motion)
    pairs = {
        "other person, same view": same_motion & same_camera & ~same_person,
        "same person, other view": same_motion & ~same_camera & same_person,
        "other person, other view": same_motion & ~same_camera & ~same_person,
    }
    return [
        Row(
            PART,
            f"{which.name}, {name}",
            "distance / of another motion",
            intervals.ratio(_row_means(distance, pair), other, views.motion),
            control=which.control,
        )
        for name, pair in pairs.items()
    ]


def _row_means(values: Floats, chosen: np.ndarray) -> Floats:
    means: Floats = (values * chosen).sum(1) / np.maximum(chosen.sum(1), 1)
    return means


def turn_rows(
    which: Representation, fitter: Fitter, learned: Floats, held: Floats, fit: ViewSet, views: ViewSet
) -> list[Row]:
    """Direction and amount of a turn between two frames, read by a probe from the two frames' features."""
    x, y, motions, _ = turn_pairs(learned, fit)
    probe = fitter(Samples(x, _circle(y), motions))
    asked, turned, motion, _ = turn_pairs(held, views)
    large = np.abs(turned) >= _LEAST_TURN
    if not large.any():
        return []
    told, turned, motion = _angle(probe(asked[large])), turned[large], motion[large]
    side = intervals.mean(np.sign(told) == np.sign(turned), motion)
    error = intervals.mean(angle_between(told, turned), motion)
    rows = [
        Row(PART, which.name, "relative turn, side told", side, control=which.control),
        Row(PART, which.name, "relative turn, error", error, "°", control=which.control),
    ]
    if not which.control:
        never: Estimate = intervals.mean(np.abs(turned), motion)
        rows.append(Row(PART, "no turn", "relative turn, error", never, "°", control=True))
    return rows


def turn_pairs(features: Floats, views: ViewSet) -> tuple[Floats, Floats, np.ndarray, np.ndarray]:
    """Pairs of frames of still views: features of both [P, 2 D], the turn [P] in degrees, motion [P], view [P].

    A turn by more than half a circle cannot be told from the other way round, and is left out.
    """
    pairs = []
    for step in _TURN_STEPS:
        starts = np.arange(0, views.num_frames - step, 4)
        rows, first = (v.reshape(-1) for v in np.meshgrid(np.flatnonzero(views.still), starts, indexing="ij"))
        pairs.append(np.stack([rows, first, first + step], axis=1))
    row, first, second = np.concatenate(pairs).T
    turned = views.heading[row, second] - views.heading[row, first]
    keep = np.abs(turned) < 180
    row, first, second, turned = row[keep], first[keep], second[keep], turned[keep]
    both = np.concatenate([features[row, first], features[row, second]], axis=1)
    return both, turned.astype(np.float32), views.motion[row], row
