"""Leaks and depth ambiguity, with codes that are known to tell, or not to tell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from view_sets import joints_of, known, noise_of, view_set

from training.evaluation import depth, leaks
from training.evaluation.features import bone_directions
from training.evaluation.viewset import ViewSet


def turning(views: ViewSet, seed: int) -> ViewSet:
    """The same, with people who turn by up to 120 degrees over the clip."""
    rate = np.random.default_rng(seed).uniform(-120, 120, len(views.records))[views.motion]
    heading = rate[:, None] * np.linspace(0, 1, views.num_frames)
    azimuth = (views.azimuth - heading + 180) % 360 - 180
    return replace(views, heading=heading.astype(np.float32), azimuth=azimuth.astype(np.float32))


FIT, VIEWS = turning(view_set(16, cameras=4, seed=5), 1), turning(view_set(12, cameras=4, seed=6), 2)


def circle(views: ViewSet) -> np.ndarray:
    angle = np.radians(views.azimuth)
    return np.stack([np.sin(angle), np.cos(angle)], -1).astype(np.float32)


def figures(function) -> dict[tuple[str, str], float]:
    section = leaks.measure(known("tokens", function), (), VIEWS, FIT, seed=0, steps=60)
    return {(row.what, row.metric): row.estimate.value for row in section.rows}


def test_a_code_of_the_viewpoint_is_found_out_and_knows_turns() -> None:
    found = figures(circle)
    assert found["tokens, ridge", "azimuth error"] < 2 and found["tokens, MLP", "azimuth error"] < 15
    assert found["tokens", "relative turn, side told"] > 0.9
    assert found["tokens", "relative turn, error"] < 25
    assert found["no turn", "relative turn, error"] > 30


def test_a_code_of_nothing_leaks_nothing() -> None:
    found = figures(noise_of)
    assert 80 < found["tokens, ridge", "azimuth error"] < 100
    assert found["tokens", "identity told"] < 0.45  # chance 0.25, 24 people
    assert 0.3 < found["tokens", "relative turn, side told"] < 0.7
    assert found["tokens, other person, same view", "distance / of another motion"] == pytest.approx(1, abs=0.1)


def test_a_code_of_the_body_is_found_out() -> None:
    found = figures(lambda views: np.repeat(np.eye(4, dtype=np.float32)[views.body][:, None], views.num_frames, axis=1))
    assert found["tokens", "identity told"] == 1
    assert found["tokens, same person, other view", "distance / of another motion"] == pytest.approx(0, abs=1e-4)


def test_the_motion_alone_does_not_depend_on_person_or_view() -> None:
    found = figures(joints_of)
    for pair in ("other person, same view", "same person, other view", "other person, other view"):
        assert found[f"tokens, {pair}", "distance / of another motion"] == pytest.approx(0, abs=1e-4)


def doubled(views: ViewSet) -> ViewSet:
    """Motion 2 k + 1 looks like motion 2 k in the picture, and lies the other way in depth."""
    joints, flat = views.joints.copy(), views.joints_2d.copy()
    for motion in range(0, len(views.records), 2):
        first, second = (np.flatnonzero(views.motion == m) for m in (motion, motion + 1))
        joints[second] = joints[first] * np.array([1, 1, -1], np.float32)
        flat[second] = flat[first]
    return replace(views, joints=joints, joints_2d=flat)


def test_doubles_look_alike_and_are_another_motion() -> None:
    views = doubled(VIEWS)
    found = depth.find_doubles(views)
    assert len(found.view) > 20
    assert (views.motion[found.view] // 2 == views.motion[found.double_view] // 2).all()
    assert (views.motion[found.view] != views.motion[found.double_view]).all()
    assert found.in_picture.max() < 0.01 and found.in_space.min() >= 30


def test_depth_tells_doubles_apart_and_pictures_do_not() -> None:
    views, fit = doubled(VIEWS), doubled(view_set(motions=40, cameras=2, seed=8))

    def space(some: ViewSet) -> np.ndarray:
        return bone_directions(some.joints).reshape(len(some), some.num_frames, -1)

    def picture(some: ViewSet) -> np.ndarray:
        return some.joints_2d.reshape(len(some), some.num_frames, -1)

    section = depth.measure((known("space", space), known("picture", picture, True)), views, fit, seed=0, steps=100)
    told = {row.what: row.estimate.value for row in section.rows}
    assert told["space"] > 0.9
    assert told["picture"] == pytest.approx(0.5, abs=0.1)


def test_a_set_without_doubles_gives_no_figure() -> None:
    section = depth.measure((known("tokens", joints_of),), view_set(2), FIT, seed=0, steps=2)
    assert not section.rows and "too small" in section.remarks[0]
