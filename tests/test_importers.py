"""Importers of motion files: what was written comes back, feet stay where they stand, bad files are named."""

import numpy as np
import pytest
import torch
from motion_files import write_amass, write_asf_amc, write_bvh

from training.data.importers import MotionFileError, import_motion, variants, with_drawn_fingers
from training.data.importers.grounding import stance_drift
from training.data.motion import Motion
from training.data.motion_library import sample_motion
from training.data.skeleton import BODY_JOINTS, forward_kinematics, lowest_point, sole_points


def walk(frames: int = 121, fps: float = 60.0) -> Motion:
    """A walk straight on with its own arms; the seed is one whose arms bend, as everybody's do."""
    return sample_motion(np.random.default_rng(0), frames, fps, lower="walk", arms="punch")


def angles(first: torch.Tensor, second: torch.Tensor) -> np.ndarray:
    """Degrees between rotations."""
    trace = torch.einsum("...ij,...ij->...", first.double(), second.double())
    return ((trace - 1) / 2).clamp(-1, 1).arccos().rad2deg().numpy()


def kinematics(motion: Motion):
    return forward_kinematics(
        motion.global_orient.double().numpy(), motion.transl.double().numpy(), motion.pose.double().numpy()
    )


def assert_same_movement(imported: Motion, original: Motion, degrees: float) -> None:
    error = angles(imported.body_pose, original.body_pose)
    print({name: round(float(e), 1) for name, e in zip(BODY_JOINTS[1:], error.mean(axis=0), strict=True)})
    assert error.mean() < degrees
    assert angles(imported.global_orient, original.global_orient).mean() < degrees
    path = original.transl - original.transl[0]
    assert (imported.transl - imported.transl[0] - path).norm(dim=-1).mean() < 0.05
    positions, wanted = kinematics(imported)[0], kinematics(original)[0]
    difference = np.linalg.norm((positions - positions[:, :1]) - (wanted - wanted[:, :1]), axis=-1)
    assert difference[:, :22].mean() < 0.04


def test_bvh_with_a_t_pose(tmp_path):
    original = walk()
    imported = import_motion(write_bvh(tmp_path / "walk.bvh", original), fps=60)
    assert imported.name == "walk" and imported.num_frames == original.num_frames
    assert_same_movement(imported, original, degrees=5)


def test_bvh_with_a_tangled_zero_pose_z_up_and_fingers(tmp_path):
    original = walk()
    imported = import_motion(write_bvh(tmp_path / "walk.bvh", original, scrambled=True, fingers=True), fps=60)
    assert_same_movement(imported, original, degrees=7)
    for side in ("left_hand_pose", "right_hand_pose"):
        assert angles(getattr(imported, side), getattr(original, side)).mean() < 12


def test_asf_amc(tmp_path):
    original = walk()
    imported = import_motion(write_asf_amc(tmp_path, original), fps=60, amc_fps=60)
    assert_same_movement(imported, original, degrees=6)


@pytest.mark.parametrize("hands", [True, False])
def test_amass_rotations_come_back_as_they_were(tmp_path, hands):
    original = sample_motion(np.random.default_rng(3), 61, 60.0, lower="shift")
    imported = import_motion(write_amass(tmp_path / "a.npz", original, hands), fps=60)
    legs = [0, 1, 3, 4, 6, 7]
    others = [joint for joint in range(21) if joint not in legs]
    assert angles(imported.body_pose[:, others], original.body_pose[:, others]).max() < 0.1
    assert angles(imported.body_pose[:, legs], original.body_pose[:, legs]).mean() < 4
    assert angles(imported.global_orient, original.global_orient).max() < 0.1
    same = angles(imported.left_hand_pose, original.left_hand_pose).max() < 0.1
    assert same == hands


def test_frame_rates(tmp_path):
    path = write_bvh(tmp_path / "walk.bvh", walk(121, 60.0))
    for fps, frames in ((60, 121), (30, 61), (12, 25)):
        motion = import_motion(path, fps=fps)
        assert motion.fps == fps and motion.num_frames == frames


def test_feet_stand_on_the_floor_and_do_not_slide(tmp_path):
    """A walker of other proportions: longer thighs and a wider pelvis would make retargeted feet slide."""
    original = walk(181)
    text = write_bvh(tmp_path / "walk.bvh", original).read_text().splitlines()
    for number, line in enumerate(text):
        if "UpLeg" in line:
            text[number + 2] = _scaled_offset(text[number + 2], 1.5)
        elif "LeftLeg" in line or "RightLeg" in line:
            text[number + 2] = _scaled_offset(text[number + 2], 1.12)
    (tmp_path / "other.bvh").write_text("\n".join(text))
    motion = import_motion(tmp_path / "other.bvh", fps=60)
    positions, rotations = kinematics(motion)
    balls = sole_points(positions, rotations)[:, :, 1]
    drift = np.concatenate([stance_drift(balls[:, side], 60.0) for side in (0, 1)]) * 1000
    print(f"stance drift of an imported walk: mean {drift.mean():.1f} mm, largest {drift.max():.1f} mm, {len(drift)}")
    assert len(drift) >= 3 and drift.mean() < 6 and drift.max() < 20
    low = lowest_point(positions, rotations)
    assert low.min() > -1e-3 and low.max() < 0.05


def _scaled_offset(line: str, factor: float) -> str:
    word, *numbers = line.split()
    assert word == "OFFSET"
    return "OFFSET " + " ".join(str(float(number) * factor) for number in numbers)


def test_variants_are_mirrored_and_retimed(tmp_path):
    motion = import_motion(write_bvh(tmp_path / "walk.bvh", walk()), fps=30)
    made = variants(motion, speeds=(0.5, 2.0))
    assert len({one.name for one in made}) == len(made) == 6
    assert made[2].num_frames == 2 * motion.num_frames - 1 and made[4].num_frames == motion.num_frames // 2 + 1
    assert torch.allclose(made[1].transl[:, 0], -motion.transl[:, 0])
    fingers = with_drawn_fingers(motion, np.random.default_rng(0))
    assert torch.equal(fingers.body_pose, motion.body_pose)
    assert not torch.allclose(fingers.left_hand_pose, motion.left_hand_pose, atol=1e-2)


def bvh_lines(tmp_path) -> list[str]:
    return write_bvh(tmp_path / "good.bvh", walk(5)).read_text().splitlines()


@pytest.mark.parametrize(
    "damage,message",
    [
        (lambda lines: lines[:40], "cut off"),
        (lambda lines: lines[:-2], "5 frames announced, 3 found"),
        (lambda lines: [*lines[:-1], lines[-1] + " 1.0"], "frame 5 has"),
        (lambda lines: [*lines[:-1], lines[-1].replace("0", "x", 1)], "not a number"),
        (lambda lines: ["hello", *lines], "line 1: a BVH file begins with HIERARCHY"),
        (lambda lines: [line.replace("Zrotation", "Wrotation") for line in lines], "unknown channel 'Wrotation'"),
        (lambda lines: [line.replace("LeftForeArm", "Tentacle") for line in lines], "cannot find left_elbow"),
        (lambda lines: [line for line in lines if "Frame Time" not in line], "Frame Time"),
    ],
)
def test_bad_bvh_files_are_named(tmp_path, damage, message):
    path = tmp_path / "bad.bvh"
    path.write_text("\n".join(damage(bvh_lines(tmp_path))))
    with pytest.raises(MotionFileError, match=message) as caught:
        import_motion(path)
    assert "bad.bvh" in str(caught.value)


def test_the_line_of_the_damage_is_told(tmp_path):
    lines = bvh_lines(tmp_path)
    lines[-3] = lines[-3].rsplit(" ", 1)[0]
    (tmp_path / "bad.bvh").write_text("\n".join(lines))
    with pytest.raises(MotionFileError, match=f"line {len(lines) - 2}"):
        import_motion(tmp_path / "bad.bvh")


def test_bad_amc_and_npz_files_are_named(tmp_path):
    path = write_asf_amc(tmp_path, walk(3))
    good = path.read_text().splitlines()
    path.write_text("\n".join(good[:-4]))
    with pytest.raises(MotionFileError, match="frame 3 lacks"):
        import_motion(path)
    path.write_text("\n".join(good).replace("lradius", "lwing"))
    with pytest.raises(MotionFileError, match="'lwing' is not in the skeleton"):
        import_motion(path)
    (tmp_path / "skeleton.asf").unlink()
    with pytest.raises(MotionFileError, match=r"skeleton\.asf"):
        import_motion(path)
    np.savez(tmp_path / "shape.npz", betas=np.zeros(10))
    with pytest.raises(MotionFileError, match="poses, trans, mocap_framerate"):
        import_motion(tmp_path / "shape.npz")
    (tmp_path / "cut.npz").write_bytes((tmp_path / "shape.npz").read_bytes()[:50])
    with pytest.raises(MotionFileError, match=r"cut\.npz"):
        import_motion(tmp_path / "cut.npz")
    with pytest.raises(MotionFileError, match=r"\.bvh, \.amc, \.npz"):
        import_motion(tmp_path / "motion.fbx")
    with pytest.raises(MotionFileError, match="cannot be read"):
        import_motion(tmp_path / "nowhere.bvh")
