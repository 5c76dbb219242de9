"""The procedural library: labels, floor contact, sliding, joint limits, coverage, splits."""

import numpy as np
import pytest
import torch

from training.data.motion import Motion
from training.data.motion_library import (
    HELD_OUT,
    TEST_LOWER_FAMILIES,
    TRAIN_LOWER_FAMILIES,
    family_names,
    sample_motion,
)
from training.data.procedural.arms import arm_points, clear_of_body, draw_arm_poses
from training.data.procedural.curves import Clock
from training.data.procedural.fingers import draw_fingers, finger_rotations, shape
from training.data.skeleton import JOINT, forward_kinematics, lowest_point, sole_points

IN_FLIGHT = {"jump", "hop", "run", "star_jump"}
ALL_LOWER = sorted(TRAIN_LOWER_FAMILIES | TEST_LOWER_FAMILIES)


def kinematics(motion: Motion):
    return forward_kinematics(
        motion.global_orient.double().numpy(), motion.transl.double().numpy(), motion.pose.double().numpy()
    )


def contact_slide(motion: Motion) -> np.ndarray:
    """Millimetres per frame that a heel or ball moves while it is on the floor in two frames running."""
    points = sole_points(*kinematics(motion))[:, :, :2]
    low = points[..., 1] < 0.012
    moved = np.linalg.norm(np.diff(points[..., [0, 2]], axis=0), axis=-1) * 1000
    return moved[low[1:] & low[:-1]]


def draw(seed: int, **settings) -> Motion:
    settings = {"num_frames": 17, "fps": 12.0} | settings
    return sample_motion(np.random.default_rng([seed, 1]), **settings)


@pytest.mark.parametrize("lower", ALL_LOWER)
def test_every_lower_family_stands_on_the_floor(lower):
    split = "test" if lower in TEST_LOWER_FAMILIES else "train"
    for seed in range(4):
        motion = draw(seed, lower=lower, split=split)
        low = lowest_point(*kinematics(motion))
        assert low.min() > -1e-4, "nothing goes through the floor"
        assert low.min() < 0.02 and low.max() < 0.8
        if lower not in IN_FLIGHT:
            assert low.max() < 1e-3
        assert motion.name.startswith(f"{lower}+")
        identity = motion.pose @ motion.pose.transpose(-1, -2)
        assert torch.allclose(identity, torch.eye(3).expand_as(identity), atol=1e-4)


@pytest.mark.parametrize("gait", ["walk", "march", "turn_around", "sneak"])
def test_standing_feet_do_not_slide(gait):
    slides = np.concatenate(
        [contact_slide(draw(seed, num_frames=33, fps=24.0, lower=gait, split="test" if gait == "sneak" else "train"))
         for seed in range(8)]
    )  # fmt: skip
    print(f"{gait}: mean {slides.mean():.2f} mm a frame at 24 fps, 95 % below {np.percentile(slides, 95):.1f} mm")
    assert len(slides) > 100 and slides.mean() < 1.5 and np.percentile(slides, 95) < 8


def test_same_seed_same_bytes_and_other_seed_other_motion():
    first, second, other = draw(3), draw(3), draw(4)
    assert first.name == second.name and torch.equal(first.pose, second.pose)
    assert torch.equal(first.transl, second.transl)
    assert not torch.equal(first.pose, other.pose)


def test_joints_stay_within_their_limits():
    for seed in range(60):
        motion = draw(seed, split="test" if seed % 3 == 0 else "train")
        pose = motion.pose.double().numpy()

        def angle(joint: str, pose: np.ndarray = pose) -> np.ndarray:
            matrix = pose[:, JOINT[joint] - 1]
            return np.degrees(np.arccos(np.clip((np.trace(matrix, axis1=1, axis2=2) - 1) / 2, -1, 1)))

        for side in ("left", "right"):
            assert angle(f"{side}_knee").max() < 152
            assert angle(f"{side}_elbow").max() < 152
            assert angle(f"{side}_wrist").max() < 100
            assert angle(f"{side}_ankle").max() < 70
            assert angle(f"{side}_hip").max() < 150
        assert max(angle(joint).max() for joint in ("spine1", "spine2", "spine3", "neck", "head")) < 60
        knee = pose[:, JOINT["left_knee"] - 1]
        assert (np.arctan2(knee[:, 2, 1], knee[:, 1, 1]) > -1e-6).all(), "knees bend backwards only"


def test_arms_cover_all_directions_without_passing_through_the_body():
    poses = draw_arm_poses(np.random.default_rng(0), 1500)
    assert clear_of_body(poses).mean() > 0.97
    wrist = arm_points(poses)[:, 3] - np.array([0.185, 0.15, -0.03])
    way = wrist / np.linalg.norm(wrist, axis=1, keepdims=True)
    bins = {(int(np.floor(np.degrees(np.arctan2(x, z)) / 45)), int(np.floor(y * 2.0))) for x, y, z in way}
    assert len(bins) >= 20, "of 8 x 4 directions about the shoulder the arms must visit most"
    bend = np.degrees(poses[:, 3])
    assert np.histogram(bend, bins=[0, 30, 60, 90, 120, 145])[0].min() > 60


def test_motion_is_lively_at_the_scale_of_a_clip():
    speeds = []
    for seed in range(40):
        positions, _ = kinematics(draw(seed))
        speeds.append(np.linalg.norm(np.diff(positions, axis=0), axis=-1).max(axis=1).mean() * 12)
    assert np.median(speeds) > 0.8, "metres a second of the fastest joint"


def test_turning_families_turn_and_headings_start_anywhere():
    turned = [abs(float((m := draw(seed, lower="turn_around")).heading[-1] - m.heading[0])) for seed in range(20)]
    assert max(turned) > 240 and np.median(turned) > 90
    starts = [float(draw(seed).heading[0]) for seed in range(40)]
    assert len(np.unique(np.floor((np.array(starts) % 360) / 45))) == 8


def test_test_split_always_holds_a_held_out_family_and_train_never():
    for seed in range(150):
        lower, arms = draw(seed, num_frames=2).name.split("+")
        assert not {lower, arms} & HELD_OUT
        lower, arms = draw(seed, num_frames=2, split="test").name.split("+")
        assert {lower, arms} & HELD_OUT
    assert not set(family_names("train")) & HELD_OUT


def test_hands_differ_and_fingers_close():
    motion = draw(5)
    assert not torch.allclose(motion.left_hand_pose, motion.mirrored().left_hand_pose, atol=1e-3)
    fist, flat = (finger_rotations(shape(name)[None]) for name in ("fist", "flat"))
    assert (np.trace(fist[0, :12], axis1=1, axis2=2) < np.trace(flat[0, :12], axis1=1, axis2=2)).all()
    fingers = draw_fingers(np.random.default_rng(1), Clock(17, 12.0), "train")
    assert fingers.shape == (17, 5, 4)


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="split"):
        draw(0, split="val")
    with pytest.raises(ValueError, match="moonwalk"):
        draw(0, lower="moonwalk")
    with pytest.raises(ValueError, match="num_frames"):
        draw(0, num_frames=0)
    with pytest.raises(ValueError, match="known shapes"):
        shape("spock")
