"""Probes: what can be read is read, what is not there is not, and errors are what geometry says they are."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from view_sets import joints_of, known, noise_of, view_set

from threedimo_core.rotations import axis_angle_to_matrix, matrix_to_rotation_6d
from training.evaluation.fitting import Samples, fit_mlp, fit_ridge
from training.evaluation.probes import measure, pose_errors, pose_targets, procrustes, read, samples_of
from training.evaluation.viewset import angle_between

FIT, VIEWS = view_set(16, cameras=4, frames=9, seed=5), view_set(8, cameras=4, frames=9, seed=6)


def mean_of(errors, name: str) -> float:
    return float(getattr(errors, name).mean())


def test_the_truth_has_no_error() -> None:
    errors = pose_errors(pose_targets(VIEWS), VIEWS)
    assert {name: mean_of(errors, name) for name in ("mpjpe", "pa_mpjpe", "hand_mpjpe")} == pytest.approx(
        {"mpjpe": 0, "pa_mpjpe": 0, "hand_mpjpe": 0}, abs=1e-2
    )
    assert mean_of(errors, "geodesic") < 0.1 and mean_of(errors, "hand_geodesic") < 0.1


def test_errors_are_in_millimetres_and_degrees() -> None:
    targets = pose_targets(VIEWS).copy()
    targets[..., :63] += np.tile([0.03, 0.0, 0.04], 21)  # every body joint 5 cm off
    turn = axis_angle_to_matrix(torch.tensor([0.0, 0.0, np.pi / 6], dtype=torch.float32))
    targets[..., -51 * 6 :] = matrix_to_rotation_6d(VIEWS.pose @ turn).flatten(2).numpy()
    errors = pose_errors(targets, VIEWS)
    assert mean_of(errors, "mpjpe") == pytest.approx(50, abs=0.01)
    assert mean_of(errors, "hand_mpjpe") == pytest.approx(0, abs=0.01)
    assert mean_of(errors, "geodesic") == pytest.approx(30, abs=0.05)
    assert mean_of(errors, "pa_mpjpe") < 50  # the pelvis stays, the rest moves: only most of it can be undone


def test_procrustes_undoes_turns_scales_and_shifts_but_no_mirror() -> None:
    points = np.random.default_rng(0).normal(size=(5, 22, 3)).astype(np.float32)
    turn = axis_angle_to_matrix(torch.tensor([0.3, -1.2, 0.7])).numpy()
    assert np.abs(procrustes(2.5 * points @ turn.T + [1, 2, 3], points) - points).max() < 1e-4
    assert np.abs(procrustes(points * [-1, 1, 1], points) - points).max() > 0.1


def test_a_probe_on_the_truth_reads_it_and_one_on_noise_reads_the_mean() -> None:
    truth, noise, mean = known("t", joints_of), known("n", noise_of), pose_targets(FIT).mean((0, 1))
    figures = {}
    for which in (truth, noise):
        section = measure(which, (), VIEWS, FIT, seed=0, steps=5)
        figures[which.name] = {(row.what, row.metric): row.estimate.value for row in section.rows}
    baseline = mean_of(pose_errors(np.broadcast_to(mean, pose_targets(VIEWS).shape), VIEWS), "mpjpe")
    assert figures["t"]["mean pose", "MPJPE"] == pytest.approx(baseline, rel=0.02)
    assert figures["t"]["tokens, ridge", "MPJPE"] < 0.005 * baseline
    assert figures["t"]["tokens, ridge", "geodesic"] > 50  # these rotations are random: joints cannot tell them
    for what in ("tokens, ridge", "tokens with shuffled labels, ridge"):
        assert figures["n"][what, "MPJPE"] == pytest.approx(baseline, rel=0.1)
    assert figures["t"]["tokens with shuffled labels, ridge", "MPJPE"] == pytest.approx(baseline, rel=0.15)
    assert figures["t"]["tokens, ridge, cross / same", "PA-MPJPE"] == pytest.approx(1, abs=0.5)


def test_a_code_that_holds_from_the_front_alone_is_found_out() -> None:
    def front_only(views):
        code = pose_targets(views)
        front = (angle_between(views.azimuth, 0.0) < 90)[..., None]
        return np.where(front, code, -code[..., ::-1])

    section = measure(known("tokens", front_only), (), VIEWS, FIT, seed=0, steps=5)
    ratio = next(r for r in section.rows if (r.what, r.metric) == ("tokens, ridge, cross / same", "PA-MPJPE"))
    assert ratio.estimate.low > 2


def test_ridge_finds_a_linear_map_and_mlp_one_that_is_not() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1500, 6)).astype(np.float32)
    motions = np.arange(1500) // 50
    line = (x @ rng.normal(size=(6, 2)) + 3).astype(np.float32)
    assert np.abs(fit_ridge(Samples(x, line, motions), 0)(x) - line).mean() < 0.01
    bent = np.abs(x[:, :2])
    samples = Samples(x, bent, motions)
    straight, curved = (np.abs(p(x) - bent).mean() for p in (fit_ridge(samples, 0), fit_mlp(samples, 0, 200)))
    assert curved < 0.5 * straight


def test_probes_do_not_depend_on_what_was_drawn_before() -> None:
    samples = samples_of(noise_of(FIT), pose_targets(FIT), FIT.motion)
    torch.manual_seed(1)
    first = read(fit_mlp(samples, 3, 5), noise_of(VIEWS))
    torch.manual_seed(2)
    assert np.array_equal(first, read(fit_mlp(samples, 3, 5), noise_of(VIEWS)))


def test_one_motion_is_too_few_to_fit_on() -> None:
    rows = np.zeros((10, 3), np.float32)
    with pytest.raises(ValueError, match="fitted on 1 motion; it needs at least 2"):
        fit_ridge(Samples(rows, rows, np.zeros(10, np.int64)), 0)
