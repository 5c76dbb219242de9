"""Motion: shapes, resampling, mirroring, heading."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from training.data.motion import Motion


def random_motion(frames: int = 13, fps: float = 12.0, seed: int = 0) -> Motion:
    """Smooth random rotations: each joint turns at a constant rate about its own axis."""
    rng = np.random.default_rng(seed)

    def turning(joints: int) -> torch.Tensor:
        axis = rng.normal(size=(joints, 3)) * 0.6
        time = np.arange(frames)[:, None, None] / fps
        return torch.from_numpy(
            Rotation.from_rotvec((axis * time).reshape(-1, 3)).as_matrix().reshape(frames, joints, 3, 3)
        ).float()

    steps = torch.from_numpy(rng.normal(size=(1, 3))).float() * torch.arange(frames)[:, None] / fps
    return Motion(turning(21), turning(15), turning(15), turning(1)[:, 0], steps, fps, "random")


def test_pose_is_body_left_right():
    motion = random_motion()
    assert motion.pose.shape == (13, 51, 3, 3)
    assert torch.equal(motion.pose[:, 21:36], motion.left_hand_pose)
    assert torch.equal(motion.pose[:, 36:], motion.right_hand_pose)


def test_resample_there_and_back_is_the_same_motion():
    motion = random_motion()
    back = motion.resample(24).resample(12)
    assert back.num_frames == motion.num_frames and back.fps == 12
    assert torch.allclose(back.pose, motion.pose, atol=1e-5)
    assert torch.allclose(back.transl, motion.transl, atol=1e-5)


def test_resample_keeps_the_speed_of_turning():
    motion = random_motion(frames=25, fps=30)
    fast = motion.resample(12)
    assert fast.num_frames == 10
    assert torch.allclose(fast.pose[2], motion.pose[5], atol=1e-5)


def test_retimed_plays_faster():
    motion = random_motion(frames=13)
    assert torch.allclose(motion.retimed(2.0).pose[3], motion.pose[6], atol=1e-5)
    with pytest.raises(ValueError, match="speed"):
        motion.retimed(0.0)


def test_mirror_twice_is_the_same_motion():
    motion = random_motion()
    twice = motion.mirrored().mirrored()
    assert torch.equal(twice.pose, motion.pose) and torch.equal(twice.transl, motion.transl)
    assert torch.allclose(motion.mirrored().heading, -motion.heading, atol=1e-4)


def test_turned_adds_to_heading_and_unwraps():
    motion = random_motion()
    change = (motion.turned(100).heading - motion.heading - 100 + 180) % 360 - 180
    assert change.abs().max() < 1e-2
    # Half a turn at a time would be ambiguous; 60 degrees a frame is not.
    spin = Rotation.from_euler("y", np.linspace(0, 720, 13)[:, None], degrees=True).as_matrix()
    turning = replace(motion, global_orient=torch.from_numpy(spin).float())
    assert turning.heading[-1] == pytest.approx(720, abs=1e-2)


def test_bad_shapes_and_windows_are_named():
    motion = random_motion()
    with pytest.raises(ValueError, match=r"0\.\.12"):
        motion.window(5, 10)
    with pytest.raises(ValueError, match="left_hand_pose"):
        replace(motion, left_hand_pose=motion.body_pose)
    with pytest.raises(ValueError, match="fps"):
        random_motion(fps=12.0).resample(0.0)
