"""Cross-view retrieval with features whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from view_sets import joints_of, known, noise_of, view_set

from threedimo_core.rotations import axis_angle_to_matrix
from training.data.motion import mirror_pose
from training.evaluation.retrieval import hard_negatives, measure, retrieve
from training.evaluation.viewset import mirror_joints

VIEWS = view_set(motions=30, frames=9)


def recall(features: np.ndarray, gap: int) -> float:
    return float((retrieve(features, VIEWS)[gap]["rank"] == 1).mean())


@pytest.mark.parametrize("gap", [0, 60, 180])
def test_features_of_the_motion_alone_find_every_clip(gap: int) -> None:
    found = retrieve(joints_of(VIEWS), VIEWS)[gap]
    assert len(found) == len(VIEWS) and (found["rank"] == 1).all()


def test_random_features_find_as_many_as_chance() -> None:
    features = noise_of(VIEWS)
    ranks = retrieve(features, VIEWS)[60]["rank"]
    assert recall(features, 60) < 0.1
    # Ranks of chance are uniform over the gallery of 30.
    assert ranks.mean() == pytest.approx(15.5, abs=1.5) and ranks.max() <= 30


def test_features_that_do_not_differ_find_nothing() -> None:
    ranks = retrieve(np.ones((len(VIEWS), VIEWS.num_frames, 4), np.float32), VIEWS)[60]["rank"]
    assert (ranks == len(VIEWS.records)).all()


def test_knowing_the_viewpoint_alone_does_not_help() -> None:
    angle = np.radians(VIEWS.azimuth)
    assert recall(np.stack([np.sin(angle), np.cos(angle)], -1).astype(np.float32), 60) < 0.1


def test_knowing_the_person_alone_does_not_help() -> None:
    person = np.eye(2, dtype=np.float32)[VIEWS.identity]
    assert recall(np.repeat(person[:, None], VIEWS.num_frames, axis=1), 60) == 0


def test_a_gap_nobody_has_gives_no_rows() -> None:
    assert len(retrieve(joints_of(VIEWS), VIEWS, gaps=(90,))[90]) == 0


def test_hard_negatives_ask_for_time_and_side() -> None:
    features = joints_of(VIEWS)
    wins, motions = hard_negatives(features, -features, VIEWS)
    assert all(won.all() for won in wins.values())
    assert len(motions) == 30 * 2 * 6 * 5
    # A code without time cannot tell later or reversed from right: a tie is lost, not won.
    still = np.repeat(features[:, :1], VIEWS.num_frames, axis=1)
    wins, _ = hard_negatives(still, still, VIEWS)
    assert not any(won.any() for won in wins.values())


def test_rows_say_gallery_chance_and_aim() -> None:
    section = measure((known("truth", joints_of), known("noise", noise_of, control=True)), VIEWS, view_set(8, seed=9))
    figures = {(row.what, row.metric): row for row in section.rows}
    assert figures["truth, gap 180°", "R@1"].estimate.value == 1
    assert figures["truth, gap 180°", "MRR"].estimate.value == 1
    assert figures["truth, against later", "accuracy"].estimate.value == 1
    assert figures["noise, gap 180°", "R@1"].control
    assert "Gallery 30" in section.remarks[0] and "0.033" in section.remarks[0]


def test_mirrored_people_have_left_and_right_exchanged_in_joints_and_rotations() -> None:
    joints = np.zeros((52, 3), np.float32)
    joints[20] = [0.7, 1.4, 0.1]  # left wrist
    assert mirror_joints(joints)[21].tolist() == pytest.approx([-0.7, 1.4, 0.1])
    pose = torch.eye(3).repeat(51, 1, 1)
    pose[17] = axis_angle_to_matrix(torch.tensor([0.2, 0.5, -0.3]))  # left elbow
    assert torch.allclose(mirror_pose(pose)[18], axis_angle_to_matrix(torch.tensor([0.2, -0.5, 0.3])), atol=1e-6)
    assert torch.allclose(mirror_pose(mirror_pose(pose)), pose)
