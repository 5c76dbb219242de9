"""The body: T-pose, sides, the direction of every hinge, exact labels, ground contact."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from training.data.body import ASSET, LAYERS, NUM_BODIES, Body, load_asset
from training.data.bone_frames import from_quaternion, shared_turn, shortest, to_quaternion
from training.data.motion import Motion
from training.data.skeleton import JOINTS, PARENTS

SMPLX = {name: (i if i < 22 else i + 3) for i, name in enumerate(JOINTS)}


def motion_of(frames: int = 1, height: float = 0.93, **turns: tuple[float, float, float]) -> Motion:
    """Standing at the origin; named joints turned by Euler angles (degrees, about fixed x, y, z)."""
    pose = torch.eye(3).repeat(frames, 51, 1, 1)
    for name, angles in turns.items():
        pose[:, JOINTS.index(name) - 1] = torch.from_numpy(Rotation.from_euler("xyz", angles, degrees=True).as_matrix())
    return Motion(
        body_pose=pose[:, :21], left_hand_pose=pose[:, 21:36], right_hand_pose=pose[:, 36:],
        global_orient=torch.eye(3).repeat(frames, 1, 1), transl=torch.tensor([0.0, height, 0.0]).repeat(frames, 1),
        fps=12.0, name="test",
    )  # fmt: skip


def random_motion(seed: int, frames: int = 3) -> Motion:
    rng = np.random.default_rng(seed)

    def turn(joints: int) -> torch.Tensor:
        matrices = Rotation.from_rotvec(rng.normal(0, 0.5, (frames * joints, 3))).as_matrix()
        return torch.from_numpy(matrices).float().reshape(frames, joints, 3, 3)

    return Motion(turn(21), turn(15), turn(15), turn(1)[:, 0], torch.tensor([[0.2, 1.0, -0.4]]).repeat(frames, 1),
                  12.0, "random")  # fmt: skip


def joint(posed, name: str) -> np.ndarray:
    return posed.joints[0, SMPLX[name]].numpy()


@pytest.fixture(scope="module")
def body() -> Body:
    return Body.load(5)


def test_the_asset_is_small_and_whole():
    asset = load_asset()
    assert ASSET.stat().st_size < 2_000_000
    assert np.allclose(asset.skin_weights.sum(axis=1), 1.0, atol=1e-6)
    assert asset.skin_bones.max() < len(asset.bone_names)
    for layer in LAYERS:
        assert asset.faces[layer].max() < len(asset.region)
    assert 0.4 < (asset.gender > 0.5).mean() < 0.6


@pytest.mark.parametrize("index", range(0, NUM_BODIES, 7))
def test_zero_pose_is_smpls_t_pose(index):
    body = Body.load(index)
    posed = body.pose(motion_of())
    assert 1.45 < body.height < 2.0
    for side, sign in (("left", 1), ("right", -1)):
        shoulder, wrist = joint(posed, f"{side}_shoulder"), joint(posed, f"{side}_wrist")
        assert sign * (wrist - shoulder)[0] > 0.4  # the person's left is +x
        assert abs(wrist[1] - shoulder[1]) < 0.06
        tip = joint(posed, f"{side}_middle3")
        assert sign * (tip - wrist)[0] > 0.1 and abs(tip[1] - wrist[1]) < 0.03  # flat hand, fingers straight out
        hip, ankle = joint(posed, f"{side}_hip"), joint(posed, f"{side}_ankle")
        assert abs((ankle - hip)[0]) < 0.1 and (hip - ankle)[1] > 0.6
        assert (joint(posed, f"{side}_foot") - ankle)[2] > 0.05  # toes forward
        assert joint(posed, f"{side}_thumb3")[2] > wrist[2] + 0.03  # thumb forward: the palm faces down
    assert (posed.joints[0, 23:25, 2] > posed.joints[0, SMPLX["head"], 2]).all()  # eyes forward


def test_soles_stand_on_the_floor(body):
    skin = np.unique(body.asset.faces["skin"])
    standing = body.pose(motion_of()).vertices[0, skin]
    assert abs(float(standing[:, 1].min())) < 0.02
    lunge = body.pose(motion_of(left_hip=(-70, 0, 0), left_knee=(80, 0, 0))).vertices[0, skin]
    assert abs(float(lunge[:, 1].min())) < 0.02


def test_joints_agree_with_plain_forward_kinematics(body):
    motion = random_motion(1)
    posed = body.pose(motion)
    local = torch.cat([motion.global_orient[:, None], motion.pose], dim=1).double().numpy()
    offsets = body.offsets.double().numpy()
    for frame in range(motion.num_frames):
        rotations, places = [local[frame, 0]], [np.zeros(3)]
        for number in range(1, len(JOINTS)):
            parent = PARENTS[number]
            places.append(places[parent] + rotations[parent] @ offsets[number])
            rotations.append(rotations[parent] @ local[frame, number])
        pelvis = posed.joints[frame, 0].numpy()
        order = [SMPLX[name] for name in JOINTS]
        assert np.allclose(posed.joints[frame, order].numpy(), np.array(places) + pelvis, atol=1e-4)


@pytest.mark.parametrize("name", ["head", "left_hip", "right_knee", "left_elbow", "right_wrist", "left_index3"])
def test_the_skin_turns_by_the_label(body, name):
    """Skin that hangs on one joint only turns from its T-pose by the product of the labels down to that joint."""
    motion = random_motion(2, frames=1)
    bone = JOINTS.index(name)
    own = (body.asset.skin_weights * (body.asset.skin_bones == bone)).sum(axis=1) > 0.98
    assert own.sum() > 5
    before = body.pose(motion_of()).vertices[0, own].double().numpy()
    after = body.pose(motion).vertices[0, own].double().numpy()
    found = Rotation.align_vectors(after - after.mean(0), before - before.mean(0))[0].as_matrix()
    local = torch.cat([motion.global_orient[:, None], motion.pose], dim=1)[0].double().numpy()
    expected, number = np.eye(3), bone
    while number >= 0:
        expected = local[number] @ expected
        number = PARENTS[number]
    assert np.degrees(Rotation.from_matrix(found @ expected.T).magnitude()) < 1.0


def test_left_is_left(body):
    rest, posed = body.pose(motion_of()), body.pose(motion_of(left_shoulder=(0, 0, -70)))
    moved = torch.linalg.norm(posed.joints - rest.joints, dim=-1)[0] > 0.02
    left = [SMPLX["left_elbow"], SMPLX["left_wrist"], *range(25, 40)]
    assert moved[left].all() and moved.sum() == len(left)
    changed = torch.linalg.norm(posed.vertices - rest.vertices, dim=-1)[0] > 0.2
    assert (rest.vertices[0, changed, 0] > 0).all()
    assert joint(posed, "left_wrist")[1] < joint(rest, "left_wrist")[1] - 0.3  # the arm came down


def test_hinges_bend_the_human_way(body):
    rest = body.pose(motion_of())
    bent = body.pose(motion_of(left_elbow=(0, -90, 0), right_elbow=(0, 90, 0), left_knee=(90, 0, 0),
                               **{f"{s}_{f}{k}": (0, 0, -60 if s == "left" else 60) for s in ("left", "right")
                                  for f in ("index", "middle", "ring", "pinky") for k in (1, 2)}))  # fmt: skip
    for side in ("left", "right"):
        assert joint(bent, f"{side}_wrist")[2] > joint(rest, f"{side}_wrist")[2] + 0.15  # forearms come forward
        knuckle, tip = joint(bent, f"{side}_index1"), joint(bent, f"{side}_index3")
        assert tip[1] < knuckle[1] - 0.02  # fingers curl towards the palm, which faces down
    assert joint(bent, "left_ankle")[2] < joint(bent, "left_knee")[2] - 0.2  # the shin goes back


def test_limbs_keep_their_volume_when_twisted(body):
    """A wrist turned by 90 degrees must not wring the forearm thin."""
    skin = np.unique(body.asset.faces["skin"])
    a, b = body.points["left_elbow"], body.points["left_wrist"]
    along = (body.rest_vertices[skin] - a) @ (b - a) / ((b - a) @ (b - a))
    away = np.linalg.norm(body.rest_vertices[skin] - a - along[:, None] * (b - a), axis=1)
    ring = skin[(along > 0.75) & (along < 0.95) & (away < 0.06) & (body.rest_vertices[skin, 0] > 0)]

    def radius(posed) -> float:
        start, end = joint(posed, "left_elbow"), joint(posed, "left_wrist")
        axis = (end - start) / np.linalg.norm(end - start)
        offset = posed.vertices[0, ring].numpy() - start
        return float(np.linalg.norm(offset - (offset @ axis)[:, None] * axis, axis=1).mean())

    assert len(ring) > 20
    assert radius(body.pose(motion_of(left_wrist=(90, 0, 0)))) > 0.85 * radius(body.pose(motion_of()))


def test_same_index_same_body_and_bad_index_is_refused():
    assert np.array_equal(Body.load(3).rest_vertices, Body.load(3).rest_vertices)
    assert not np.allclose(Body.load(3).rest_vertices, Body.load(4).rest_vertices, atol=1e-3)
    with pytest.raises(ValueError, match=r"body index is 64, expected 0\.\.63"):
        Body.load(NUM_BODIES)


def test_rotation_helpers():
    rng = np.random.default_rng(0)
    turns = torch.from_numpy(Rotation.random(20, random_state=rng).as_matrix()).float()
    assert torch.allclose(from_quaternion(to_quaternion(turns)), turns, atol=1e-5)
    axis = torch.tensor([0.6, 0.0, 0.8])
    twist = torch.from_numpy(Rotation.from_rotvec(np.radians(80) * axis.numpy()).as_matrix()).float()[None]
    half = torch.from_numpy(Rotation.from_rotvec(np.radians(40) * axis.numpy()).as_matrix()).float()[None]
    for kind in ("all", "twist", "swing"):
        assert torch.allclose(shared_turn(twist, axis, 0.5, kind), half, atol=1e-5)
    assert torch.allclose(shared_turn(turns, axis, 1.0, "swing"), turns, atol=1e-5)
    assert np.allclose(shortest(np.array([2.0, 0, 0]), np.array([0, 0, 3.0])) @ [1, 0, 0], [0, 0, 1])
