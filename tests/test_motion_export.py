"""Exports: what other readers find in our BVH and SMPL-X files is the pose that we wrote."""

from pathlib import Path

import numpy as np
import pytest
import torch

from threedimo_core.decoded_pose import DecodedPose
from threedimo_core.motion_export import WRITERS, bvh_name, euler_zxy, write_bvh, write_smpl_npz
from threedimo_core.rotations import axis_angle_to_matrix, geodesic_distance
from threedimo_core.skeleton import JOINTS, forward_kinematics, height_above_lowest
from training.data.importers.amass import read_amass
from training.data.importers.bvh import read_bvh
from training.data.importers.load import import_motion
from training.data.motion_library import sample_motion


@pytest.fixture(scope="module")
def pose() -> DecodedPose:
    motion = sample_motion(np.random.default_rng(3), 41, 25.0)
    rotations = motion.pose.double().numpy()
    height = height_above_lowest(*forward_kinematics(rotations))
    return DecodedPose(rotations, height, np.ones((len(rotations), 2), bool), motion.fps)


def test_bvh_holds_every_joint_where_it_was(pose: DecodedPose, tmp_path: Path) -> None:
    source = read_bvh(write_bvh(tmp_path / "walk.bvh", pose))
    assert source.fps == pytest.approx(pose.fps, rel=1e-5) and len(source.positions) == pose.num_frames
    positions, rotations = pose.joints()
    for joint, name in enumerate(JOINTS):
        found = source.names.index(bvh_name(name))
        assert np.abs(source.positions[:, found] / 100 - positions[:, joint]).max() < 1e-5, name
        assert np.abs(source.rotations[:, found] - rotations[:, joint]).max() < 1e-5, name


def test_bvh_comes_back_through_the_retargeting_importer(pose: DecodedPose, tmp_path: Path) -> None:
    back = import_motion(write_bvh(tmp_path / "walk.bvh", pose), fps=pose.fps)
    assert back.num_frames == pose.num_frames
    error = torch.rad2deg(geodesic_distance(back.pose.double(), torch.from_numpy(pose.rotations)))
    # Retargeting goes by positions and shares twists out anew; limbs must point the same way.
    assert error[:, :21].mean() < 6


def test_smpl_file_is_read_as_amass(pose: DecodedPose, tmp_path: Path) -> None:
    read = read_amass(write_smpl_npz(tmp_path / "walk.npz", pose))
    assert read.has_fingers and read.fps == pose.fps
    np.testing.assert_allclose(read.pose, pose.rotations, atol=1e-6)
    np.testing.assert_allclose(read.root, np.tile(np.eye(3), (pose.num_frames, 1, 1)), atol=1e-9)
    np.testing.assert_allclose(np.diff(read.transl[:, 1]), np.diff(pose.root_height), atol=1e-9)


def test_smpl_file_has_the_fields_that_readers_look_for(pose: DecodedPose, tmp_path: Path) -> None:
    with np.load(write_smpl_npz(tmp_path / "walk.npz", pose), allow_pickle=False) as file:
        shapes = {name: file[name].shape for name in file.files}
        assert str(file["gender"]) == "neutral" and float(file["mocap_frame_rate"]) == pose.fps
    frames = pose.num_frames
    assert shapes["poses"] == (frames, 165) and shapes["trans"] == (frames, 3) and shapes["betas"] == (16,)
    assert shapes["pose_body"] == (frames, 63) and shapes["pose_hand"] == (frames, 90)


def test_euler_angles_give_the_rotation_back_and_do_not_jump() -> None:
    turns = np.linspace(0, 4 * np.pi, 200)
    vectors = np.stack([np.sin(turns) * 1.6, turns, 0.4 * np.cos(turns)], axis=-1)
    rotations = axis_angle_to_matrix(torch.from_numpy(vectors)).numpy()[:, None]
    angles = np.radians(euler_zxy(rotations)[:, 0])
    np.testing.assert_allclose(_zxy(angles), rotations[:, 0], atol=1e-9)
    assert np.abs(np.diff(angles, axis=0)).max() < np.radians(60)


@pytest.mark.parametrize("x", [90.0, -90.0])
def test_euler_angles_at_the_gimbal_lock(x: float) -> None:
    wanted = _zxy(np.radians([[30.0, x, -50.0]]))
    np.testing.assert_allclose(_zxy(np.radians(euler_zxy(wanted[:, None])[:, 0])), wanted, atol=1e-6)


@pytest.mark.parametrize("suffix", WRITERS)
def test_one_frame_can_be_exported(pose: DecodedPose, tmp_path: Path, suffix: str) -> None:
    still = DecodedPose(pose.rotations[:1], pose.root_height[:1], pose.hand_present[:1], pose.fps)
    path = WRITERS[suffix](tmp_path / f"still{suffix}", still)
    assert path.stat().st_size > 500 and [file.name for file in tmp_path.iterdir()] == [path.name]


def _zxy(angles: np.ndarray) -> np.ndarray:
    def turn(axis: int, angle: np.ndarray) -> np.ndarray:
        vector = np.zeros((len(angle), 3))
        vector[:, axis] = angle
        return axis_angle_to_matrix(torch.from_numpy(vector)).numpy()

    return turn(2, angles[:, 0]) @ turn(0, angles[:, 1]) @ turn(1, angles[:, 2])
