"""Part b: pose probes. How much of the 3D pose can be read from the tokens of one frame, and from any view alike?

Targets: joints about the pelvis in its own axes (metres, of the real body) and the rotations of 51 joints in 6D form.
Body and hands are scored apart: MPJPE and PA-MPJPE (mm) of 21 body joints, of 30 finger joints about their wrists,
and geodesic errors (degrees) of rotations. Probes are fitted on training motions and scored on held-out ones.

Same view against cross view: a probe fitted on front views is scored on held-out front views and on back views, and
the other way round. Chance and trivial answers: the mean pose, and a probe fitted on shuffled labels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from einops import rearrange

from threedimo_core.rotations import geodesic_distance, matrix_to_rotation_6d, rotation_6d_to_matrix

from . import intervals
from .features import Representation
from .fitting import Probe, Samples, fit_mlp, fit_ridge
from .report import Row, Section
from .viewset import BODY, HANDS, WRISTS, Floats, ViewSet, angle_between

PART = "probe"
_EVERY = 2  # frames next to each other differ too little to be worth fitting both
_NUM_BODY = 21
_NUM_POSE = 51
MILLIMETRES = 1000.0


@dataclass(frozen=True)
class PoseErrors:
    """Errors of each frame [N, T]: millimetres and degrees."""

    mpjpe: Floats
    pa_mpjpe: Floats
    hand_mpjpe: Floats
    geodesic: Floats
    hand_geodesic: Floats


LABELS = {
    "mpjpe": ("MPJPE", "mm"),
    "pa_mpjpe": ("PA-MPJPE", "mm"),
    "hand_mpjpe": ("MPJPE, hands", "mm"),
    "geodesic": ("geodesic", "°"),
    "hand_geodesic": ("geodesic, hands", "°"),
}


def pose_targets(views: ViewSet) -> Floats:
    """[N, T, 21·3 + 30·3 + 51·6]: body joints, finger joints about their wrists, rotations in 6D."""
    fingers = [
        views.joints[:, :, hand] - views.joints[:, :, None, wrist] for hand, wrist in zip(HANDS, WRISTS, strict=True)
    ]
    parts = [views.joints[:, :, BODY][:, :, 1:], *fingers, matrix_to_rotation_6d(views.pose).numpy()]
    return np.concatenate([part.reshape(*part.shape[:2], -1) for part in parts], axis=-1).astype(np.float32)


def pose_errors(predicted: Floats, views: ViewSet) -> PoseErrors:
    """Errors of predictions [N, T, K] in the form of `pose_targets`."""
    wanted, joints = pose_targets(views), 3 * _NUM_BODY
    body, truth = (rearrange(v[..., :joints], "n t (j c) -> n t j c", c=3) for v in (predicted, wanted))
    hands, hand_truth = (
        rearrange(v[..., joints : joints + 90], "n t (j c) -> n t j c", c=3) for v in (predicted, wanted)
    )
    turns = np.ascontiguousarray(rearrange(predicted[..., joints + 90 :], "n t (j c) -> n t j c", j=_NUM_POSE))
    rotations = torch.from_numpy(turns)
    angle = torch.rad2deg(geodesic_distance(rotation_6d_to_matrix(rotations.float()), views.pose)).numpy()
    aligned = procrustes(_with_root(body), _with_root(truth))
    return PoseErrors(
        mpjpe=_distance(body, truth),
        pa_mpjpe=_distance(aligned, _with_root(truth)),
        hand_mpjpe=_distance(hands, hand_truth),
        geodesic=angle[:, :, :_NUM_BODY].mean(2),
        hand_geodesic=angle[:, :, _NUM_BODY:].mean(2),
    )


def _distance(first: Floats, second: Floats) -> Floats:
    mean: Floats = MILLIMETRES * np.linalg.norm(first - second, axis=-1).mean(2)
    return mean


def _with_root(joints: Floats) -> Floats:
    return np.concatenate([np.zeros_like(joints[:, :, :1]), joints], axis=2)


def procrustes(points: Floats, target: Floats) -> Floats:
    """`points` [..., J, 3] turned, scaled and shifted onto `target` with the least squared distance."""
    a, b = (torch.from_numpy(np.ascontiguousarray(v, np.float64)) for v in (points, target))
    mean_a, mean_b = a.mean(-2, keepdim=True), b.mean(-2, keepdim=True)
    a, b = a - mean_a, b - mean_b
    left, values, right = torch.linalg.svd(b.transpose(-1, -2) @ a)
    sign = torch.ones_like(values)
    sign[..., -1] = torch.sign(torch.linalg.det(left @ right))
    turn = (left * sign[..., None, :]) @ right
    scale = (values * sign).sum(-1) / a.square().sum((-1, -2)).clamp(min=1e-12)
    moved = scale[..., None, None] * (a @ turn.transpose(-1, -2)) + mean_b
    return moved.numpy().astype(np.float32)


def samples_of(features: Floats, targets: Floats, motions: np.ndarray, chosen: np.ndarray | None = None) -> Samples:
    """Frames as rows; `chosen` [N, T] selects frames."""
    keep = np.ones(features.shape[:2], bool) if chosen is None else chosen.copy()
    keep[:, 1::_EVERY] = False
    rows = np.repeat(motions[:, None], features.shape[1], axis=1)
    return Samples(features[keep], targets[keep], rows[keep])


def read(probe: Probe, features: Floats) -> Floats:
    """A probe over [N, T, D]."""
    flat = probe(features.reshape(-1, features.shape[-1]))
    return flat.reshape(*features.shape[:2], -1).astype(np.float32)


def measure(
    tokens: Representation, controls: tuple[Representation, ...], views: ViewSet, fit: ViewSet, seed: int, steps: int
) -> Section:
    """Rows: MLP and ridge on tokens, same and cross view, then the controls by ridge."""
    targets = pose_targets(fit)
    learned, held = tokens.represent(fit, False), tokens.represent(views, False)
    samples = samples_of(learned, targets, fit.motion)

    def mlp(some: Samples) -> Probe:
        return fit_mlp(some, seed, steps)

    def ridge(some: Samples) -> Probe:
        return fit_ridge(some, seed)

    rows = _rows("tokens, MLP", pose_errors(read(mlp(samples), held), views), views, control=False)
    rows += _rows("tokens, ridge", pose_errors(read(ridge(samples), held), views), views, control=False)
    for name, fitter in (("MLP", mlp), ("ridge", ridge)):
        rows += _view_rows(name, fitter, learned, held, views, fit)
    for control in controls:
        probe = ridge(samples_of(control.represent(fit, False), targets, fit.motion))
        errors = pose_errors(read(probe, control.represent(views, False)), views)
        rows += _rows(f"{control.name}, ridge", errors, views, control=True)
    mean = np.broadcast_to(samples.targets.mean(0), (*held.shape[:2], targets.shape[-1]))
    rows += _rows("mean pose", pose_errors(mean.astype(np.float32), views), views, control=True)
    wrong = pose_errors(read(ridge(samples.shuffled(seed)), held), views)
    rows += _rows("tokens with shuffled labels, ridge", wrong, views, control=True)
    remarks = (
        f"Fitted on {len(fit.records)} training motions. Same view: fitted on front (or back) views, read from "
        "held-out views of that half; cross view: from the other half. Hands: finger joints about the wrist.",
    )
    return Section(PART, "b. Pose probe", tuple(rows), remarks)


def _rows(name: str, errors: PoseErrors, views: ViewSet, control: bool) -> list[Row]:
    return [
        Row(PART, name, LABELS[key][0], intervals.mean(value.mean(1), views.motion), LABELS[key][1], control=control)
        for key, value in vars(errors).items()
    ]


def _view_rows(
    name: str, fitter: Callable[[Samples], Probe], learned: Floats, held: Floats, views: ViewSet, fit: ViewSet
) -> list[Row]:
    """Same view, cross view and their ratio; both halves of the circle take either part."""
    targets = pose_targets(fit)
    front_fit, front = (angle_between(v.azimuth, 0.0) < 90 for v in (fit, views))
    halves = {}
    for side in (True, False):
        probe = fitter(samples_of(learned, targets, fit.motion, front_fit == side))
        halves[side] = pose_errors(read(probe, held), views)
    rows = []
    for key in ("pa_mpjpe", "mpjpe", "geodesic"):
        of_front, of_back = getattr(halves[True], key), getattr(halves[False], key)
        same, cross = np.where(front, of_front, of_back).mean(1), np.where(front, of_back, of_front).mean(1)
        metric, unit = LABELS[key]
        aims = ("≤ 60 mm", "≤ 1.15") if key == "pa_mpjpe" else ("", "")
        rows += [
            Row(PART, f"tokens, {name}, same view", metric, intervals.mean(same, views.motion), unit),
            Row(PART, f"tokens, {name}, cross view", metric, intervals.mean(cross, views.motion), unit, aims[0]),
            Row(PART, f"tokens, {name}, cross / same", metric, intervals.ratio(cross, same, views.motion), "", aims[1]),
        ]
    return rows
