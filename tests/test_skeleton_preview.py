"""Decoded poses and their picture: smoothing, absent hands, sides, cancelling, odd sizes."""

import math

import numpy as np
import pytest
import torch
from tiny_models import BACKBONES, adapter_for, random_motion

import training.data.skeleton as training_skeleton
from threedimo_core import skeleton
from threedimo_core.cancelling import Cancelled
from threedimo_core.decoded_pose import DecodedPose, decode_pose, relaxed_hand
from threedimo_core.figure_drawing import Limb, View, draw_limbs
from threedimo_core.geometric_decoder import LEFT_HAND_JOINTS
from threedimo_core.skeleton_preview import PreviewSettings, draw_preview, figure_points
from threedimo_core.thumbnails import frames_strip, pose_strip

SMALL = PreviewSettings(height=96, width=96, turns=0)


def t_pose(frames: int = 3, present: bool = True) -> DecodedPose:
    rotations = np.tile(np.eye(3), (frames, 51, 1, 1))
    height = skeleton.height_above_lowest(*skeleton.forward_kinematics(rotations))
    return DecodedPose(rotations, height, np.full((frames, 2), present), 12.0)


def test_the_skeleton_is_the_one_that_motions_are_made_on() -> None:
    assert (skeleton.JOINTS, skeleton.PARENTS) == (training_skeleton.JOINTS, training_skeleton.PARENTS)
    np.testing.assert_array_equal(skeleton.OFFSETS, training_skeleton.OFFSETS)


def test_a_standing_figure_touches_the_floor_and_is_as_tall_as_a_person() -> None:
    points = figure_points(t_pose())[0]
    assert t_pose().root_height[0] == pytest.approx(training_skeleton.STANDING_HEIGHT, abs=0.01)
    assert 1.5 < points[:, 1].max() < 1.7  # the skull adds a hand's breadth


def test_decoding_a_motion() -> None:
    adapter = adapter_for(BACKBONES["wan"]())
    clip = random_motion(adapter, frames=7)
    pose = decode_pose(adapter.decoder, clip)
    assert pose.num_frames == 7 and pose.fps == clip.fps
    identity = pose.rotations @ np.swapaxes(pose.rotations, -1, -2)
    np.testing.assert_allclose(identity, np.broadcast_to(np.eye(3), identity.shape), atol=1e-5)


def test_absent_hands_are_relaxed() -> None:
    adapter = adapter_for(BACKBONES["wan"]())
    clip = random_motion(adapter, frames=2)
    clip.hand_present[:, 0] = False
    pose = decode_pose(adapter.decoder, clip)
    np.testing.assert_allclose(pose.rotations[0, LEFT_HAND_JOINTS], relaxed_hand(left=True), atol=1e-6)


def test_relaxed_fingers_bend_towards_the_palm() -> None:
    pose = t_pose(1, present=False)
    pose.rotations[:, 21:36] = relaxed_hand(left=True).numpy()
    pose.rotations[:, 36:51] = relaxed_hand(left=False).numpy()
    flat, bent = t_pose(1).joints()[0], pose.joints()[0]
    for side in ("left", "right"):
        tip = skeleton.JOINT[f"{side}_middle3"]
        assert bent[0, tip, 1] < flat[0, tip, 1] - 0.005


def test_smoothing_keeps_rotations_and_lessens_jitter() -> None:
    adapter = adapter_for(BACKBONES["wan"]())
    clip = random_motion(adapter, frames=25, fps=24.0)
    rough, smooth = (decode_pose(adapter.decoder, clip, smoothing=s) for s in (0.0, 0.1))
    assert np.abs(np.diff(smooth.rotations, axis=0)).mean() < 0.5 * np.abs(np.diff(rough.rotations, axis=0)).mean()
    determinant = np.linalg.det(smooth.rotations)
    np.testing.assert_allclose(determinant, np.ones_like(determinant), atol=1e-5)


@pytest.mark.parametrize("smoothing", [-0.1, 5.0, math.nan])
def test_impossible_smoothing_is_refused(smoothing: float) -> None:
    adapter = adapter_for(BACKBONES["wan"]())
    with pytest.raises(ValueError, match=r"0 to 2"):
        decode_pose(adapter.decoder, random_motion(adapter), smoothing=smoothing)


def test_preview_frames_and_progress() -> None:
    seen: list[tuple[int, int]] = []
    frames = draw_preview(t_pose(4), SMALL, progress=lambda done, total: seen.append((done, total)))
    assert frames.shape == (4, 96, 96, 3) and frames.dtype == np.uint8
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert (frames[0] == frames[3]).all(), "a still camera, a still pose"


def test_the_persons_left_is_warm_and_on_the_right_of_a_front_view() -> None:
    front = draw_preview(t_pose(1), SMALL)[0].astype(int)
    warm = (front[..., 0] - front[..., 2]) > 60
    cool = (front[..., 2] - front[..., 0]) > 60
    columns = np.arange(96)
    assert warm.sum() > 50 and cool.sum() > 50
    assert (warm * columns).sum() / warm.sum() > 55 > 41 > (cool * columns).sum() / cool.sum()
    back = draw_preview(t_pose(1), PreviewSettings(height=96, width=96, turns=0, azimuth=180))[0].astype(int)
    warm_behind = (back[..., 0] - back[..., 2]) > 60
    assert (warm_behind * columns).sum() / warm_behind.sum() < 41


def test_a_turn_moves_the_camera() -> None:
    frames = draw_preview(t_pose(4), PreviewSettings(height=96, width=96, turns=1))
    assert np.abs(frames[0].astype(int) - frames[1]).mean() > 2


def test_unseen_hands_are_grey() -> None:
    seen, unseen = (draw_preview(t_pose(1, present), SMALL)[0] for present in (True, False))
    assert (seen != unseen).any()


@pytest.mark.parametrize(("height", "width"), [(64, 64), (64, 200), (200, 64), (127, 93)])
def test_the_whole_figure_fits_every_size(height: int, width: int) -> None:
    picture = draw_preview(t_pose(1), PreviewSettings(height=height, width=width, turns=0))[0].astype(int)
    colourful = np.ptp(picture, axis=2) > 40
    assert colourful.any()
    assert not colourful[:, [0, -1]].any() and not colourful[[0, -1]].any()


def test_cancelling() -> None:
    with pytest.raises(Cancelled):
        draw_preview(t_pose(4), SMALL, cancelled=lambda: True)


@pytest.mark.parametrize(
    "settings", [{"height": 10}, {"width": 5000}, {"turns": math.nan}, {"elevation": 90.0}, {"height": 96.0}]
)
def test_impossible_settings_are_refused(settings: dict) -> None:
    with pytest.raises(ValueError, match="expected"):
        PreviewSettings(**settings)


def test_strip_of_poses() -> None:
    strip = pose_strip(t_pose(9), count=5, height=100)
    assert strip.shape == (100, 5 * 80, 3)
    assert pose_strip(t_pose(1), count=5, height=100).shape == (100, 80, 3)


def test_strip_of_frames() -> None:
    frames = np.zeros((9, 40, 20, 3), np.uint8) + np.arange(9, dtype=np.uint8)[:, None, None, None]
    strip = frames_strip(frames, count=3, height=80)
    assert strip.shape == (80, 120, 3) and strip[0, ::40, 0].tolist() == [0, 4, 8]
    assert frames_strip(np.zeros((5, 4, 400, 3), np.uint8)).shape[1] <= 2048


def test_a_nearer_limb_hides_a_farther_one() -> None:
    view = View.around(np.zeros(3), 4.0, 0.0, 0.0, focal=100.0, size=(64, 64))
    points = np.array([[-0.5, 0, 0.5], [0.5, 0, 0.5], [0, -0.5, -0.5], [0, 0.5, -0.5]])
    red, green = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)
    for limbs in ([Limb(0, 1, 0.1, 0.1, red), Limb(2, 3, 0.1, 0.1, green)],
                  [Limb(2, 3, 0.1, 0.1, green), Limb(0, 1, 0.1, 0.1, red)]):  # fmt: skip
        picture = np.ones((64, 64, 3), np.float32)
        draw_limbs(picture, view, points, limbs)
        assert picture[32, 32, 0] > 0.4 and picture[32, 32, 1] < 0.1


def test_edges_of_limbs_are_smooth() -> None:
    view = View.around(np.zeros(3), 4.0, 0.0, 0.0, focal=100.0, size=(64, 64))
    picture = np.zeros((64, 64, 3), np.float32)
    draw_limbs(picture, view, np.array([[-0.6, -0.4, 0.0], [0.6, 0.4, 0.0]]), [Limb(0, 1, 0.2, 0.1, (1.0, 1.0, 1.0))])
    levels = torch.from_numpy(picture[..., 0])
    between = ((levels > 0.05) & (levels < 0.3)).sum()
    assert between > 20, "partly covered pixels along the outline"
