"""SMPL-X files through the same interface: a made-up model file of the right shapes, cut from a baked body."""

import numpy as np
import pytest
import torch

pytest.importorskip("smplx")

from tests.test_body import motion_of, random_motion
from training.data.body import Body
from training.data.skeleton import JOINTS, PARENTS
from training.data.smplx_body import load_smplx_body


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A baked body in its T-pose, written as an SMPL-X file; one extra vertex per joint makes its regressor exact."""
    body = Body.load(0)
    posed = body.pose(motion_of())
    ids = np.unique(body.faces)
    joints = posed.joints[0].numpy()
    vertices = np.concatenate([posed.vertices[0, ids].numpy(), joints])
    weights = np.zeros((len(vertices), 55))
    to_smplx = [i if i < 22 else i + 3 for i in range(len(JOINTS))]
    for column in range(8):
        bones = body.asset.skin_bones[ids, column]
        kept = bones < len(JOINTS)  # helper bones' weights are simply dropped
        rows = np.flatnonzero(kept)
        weights[rows, np.array(to_smplx)[bones[kept]]] += body.asset.skin_weights[ids, column][kept]
    weights[len(ids) :] = np.eye(55)
    weights[weights.sum(axis=1) == 0, 0] = 1.0
    weights /= weights.sum(axis=1, keepdims=True)
    number = np.full(len(body.rest_vertices), -1)
    number[ids] = np.arange(len(ids))
    parents = np.zeros(55, np.int64)
    for joint, parent in enumerate(PARENTS):
        parents[to_smplx[joint]] = -1 if parent < 0 else to_smplx[parent]
    parents[22:25] = JOINTS.index("head")
    shapes = np.zeros((len(vertices), 3, 20))
    shapes[:, :, 0] = 0.1 * vertices  # the first beta scales the body
    root = tmp_path_factory.mktemp("models")
    (root / "smplx").mkdir()
    np.savez_compressed(
        root / "smplx" / "SMPLX_NEUTRAL.npz", v_template=vertices, shapedirs=shapes, weights=weights,
        posedirs=np.zeros((len(vertices), 3, 486), np.float32), f=number[body.faces].astype(np.uint32),
        J_regressor=np.concatenate([np.zeros((55, len(ids))), np.eye(55)], axis=1),
        kintree_table=np.stack([parents, np.arange(55)]), hands_componentsl=np.eye(45), hands_componentsr=np.eye(45),
        hands_meanl=np.zeros(45), hands_meanr=np.zeros(45), lmk_faces_idx=np.zeros(51, np.int64),
        lmk_bary_coords=np.zeros((51, 3)), dynamic_lmk_faces_idx=np.zeros((79, 17), np.int64),
        dynamic_lmk_bary_coords=np.zeros((79, 17, 3)),
    )  # fmt: skip
    return root


def test_joints_follow_the_same_labels(folder):
    body, baked = load_smplx_body(folder), Body.load(0)
    motion = random_motion(3)
    ours, theirs = body.pose(motion).joints, baked.pose(motion).joints
    body_and_hands = [*range(22), *range(25, 55)]
    difference = (ours - ours[:, :1]) - (theirs - theirs[:, :1])
    assert difference[:, body_and_hands].abs().max() < 1e-3


def test_betas_change_the_shape(folder):
    plain, tall = load_smplx_body(folder), load_smplx_body(folder, betas=[1.0])
    assert tall.height == pytest.approx(1.1 * plain.height, rel=1e-3)


def test_it_can_be_dressed_and_rendered(folder):
    pytest.importorskip("warp")
    from tests.test_renderer import cameras_around
    from training.data.appearance import sample_appearance
    from training.data.renderer import WarpRenderer
    from training.data.scene import sample_scene

    body = load_smplx_body(folder)
    posed = body.pose(motion_of())
    for seed in range(4):
        look = sample_appearance(np.random.default_rng(seed), body)
        scene = sample_scene(np.random.default_rng(seed))
        view = WarpRenderer("cpu").render(posed, body, look, scene, cameras_around(posed, body, (0,)), 48, 48)[0]
        assert 0.03 < (view.mask > 0).mean() < 0.6
    assert torch.isfinite(posed.vertices).all()


def test_missing_files_and_wrong_values_are_named(folder, tmp_path):
    with pytest.raises(ValueError, match=r"no SMPL-X model at .*SMPLX_FEMALE\.npz"):
        load_smplx_body(folder, gender="female")
    with pytest.raises(ValueError, match="no SMPL-X model at"):
        load_smplx_body(tmp_path)
    with pytest.raises(ValueError, match="gender is 'x'"):
        load_smplx_body(folder, gender="x")
    with pytest.raises(ValueError, match="up to ten finite numbers"):
        load_smplx_body(folder, betas=[float("nan")])
