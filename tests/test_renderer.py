"""Pictures: joints lie on the person, the same inputs give the same bytes, left is on the right side of the picture."""

import numpy as np
import pytest
import torch

pytest.importorskip("warp")

from tests.test_body import SMPLX, motion_of
from threedimo_core.camera_language import CameraPrompt
from training.data.appearance import sample_appearance
from training.data.body import Body
from training.data.cameras import Camera, SubjectTrack, make_camera
from training.data.materials import MaterialSpec
from training.data.motion_library import sample_motion
from training.data.renderer import WarpRenderer
from training.data.scene import sample_scene
from training.data.tailor import cut, rim, vertex_normals

FRAMES, SIZE = 3, 128


@pytest.fixture(scope="module")
def renderer() -> WarpRenderer:
    return WarpRenderer("cpu")


def cameras_around(posed, body, azimuths, elevation: float = 5.0) -> list[Camera]:
    frames = posed.num_frames
    subject = SubjectTrack(posed.joints[:, 0], torch.zeros(frames), body.height)
    return [
        make_camera(CameraPrompt(None, ()), subject, frames, 12.0, azimuth, elevation, "full body")
        for azimuth in azimuths
    ]


def dilated(mask: np.ndarray, pixels: int) -> np.ndarray:
    out = mask.copy()
    for dy in range(-pixels, pixels + 1):
        for dx in range(-pixels, pixels + 1):
            out |= np.roll(mask, (dy, dx), axis=(0, 1))
    return out


def stage(seed: int):
    body = Body.load(seed % 64)
    look = sample_appearance(np.random.default_rng([seed, 1]), body)
    return body, look, sample_scene(np.random.default_rng([seed, 2]))


@pytest.mark.parametrize("seed", range(6))
def test_joints_lie_on_the_person(renderer, seed):
    body, look, scene = stage(seed)
    motion = sample_motion(np.random.default_rng(seed), FRAMES, 12.0)
    posed = body.pose(motion)
    cameras = cameras_around(posed, body, (0, 70, 180))
    scene = type(scene)(scene.indoor, scene.values, ())  # props may stand before the person
    inside = total = 0
    for camera, view in zip(cameras, renderer.render(posed, body, look, scene, cameras, SIZE, SIZE), strict=True):
        pixels, depth = camera.project(posed.joints, SIZE, SIZE)
        for frame in range(FRAMES):
            person = dilated(view.mask[frame] > 0, 2)
            at = pixels[frame].numpy()
            seen = (at > 0).all(1) & (at < SIZE - 1).all(1) & (depth[frame].numpy() > 0)
            column, row = at[seen].astype(int).T
            inside += int(person[row, column].sum())
            total += int(seen.sum())
    assert total > 300 and inside / total >= 0.99


def test_same_inputs_same_bytes(renderer):
    def picture() -> bytes:
        body, look, scene = stage(11)
        posed = body.pose(sample_motion(np.random.default_rng(4), FRAMES, 12.0))
        view = WarpRenderer("cpu").render(posed, body, look, scene, cameras_around(posed, body, (30,)), 48, 40, 2)[0]
        return view.frames.tobytes() + view.mask.tobytes()

    assert picture() == picture()


def test_the_persons_left_is_on_the_right_of_a_front_view(renderer):
    body, look, scene = stage(2)
    posed = body.pose(motion_of(left_shoulder=(0, 0, 75), right_shoulder=(0, 0, 75)))  # left arm up, right arm down
    front, back = renderer.render(posed, body, look, scene, cameras_around(posed, body, (0, 180)), SIZE, SIZE)
    head = int(np.flatnonzero((front.mask[0] > 0).any(axis=1))[0])  # the raised hand is the highest point
    assert np.flatnonzero(front.mask[0, head + 3] > 0).mean() > SIZE / 2
    assert np.flatnonzero(back.mask[0, head + 3] > 0).mean() < SIZE / 2


def test_views_of_a_call_may_differ_in_size_and_do_not_change_each_other(renderer):
    body, look, scene = stage(3)
    posed = body.pose(motion_of(frames=2))
    cameras = cameras_around(posed, body, (10, 120))
    both = renderer.render(posed, body, look, scene, cameras, [64, 32], [48, 96])
    alone = renderer.render(posed, body, look, scene, cameras[1:], 32, 96)[0]
    assert both[0].frames.shape == (2, 64, 48, 3) and both[1].mask.shape == (2, 32, 96)
    assert np.array_equal(both[1].frames, alone.frames)


def test_samples_smooth_the_outline(renderer):
    body, look, scene = stage(4)
    posed = body.pose(motion_of())
    cameras = cameras_around(posed, body, (0,))
    hard = renderer.render(posed, body, look, scene, cameras, 64, 64, samples=1)[0].mask
    soft = renderer.render(posed, body, look, scene, cameras, 64, 64, samples=3)[0].mask
    assert set(np.unique(hard)) == {0, 255} and len(np.unique(soft)) > 4
    assert abs(hard.mean() - soft.mean()) < 2.0


def test_camera_motion_shows_on_the_surroundings(renderer):
    body, look, _ = stage(5)
    posed = body.pose(motion_of())
    for seed in range(8):
        scene = sample_scene(np.random.default_rng(seed))
        first, second = renderer.render(posed, body, look, scene, cameras_around(posed, body, (0, 6)), 64, 64)
        empty = (first.mask[0] == 0) & (second.mask[0] == 0)
        change = np.abs(first.frames[0].astype(int) - second.frames[0])[empty].max(axis=-1)
        assert (change > 6).mean() > 0.05, f"scene {seed}"


def test_wrong_inputs_are_refused(renderer):
    body, look, scene = stage(6)
    posed = body.pose(motion_of(frames=2))
    cameras = cameras_around(posed, body, (0, 90))
    with pytest.raises(ValueError, match="1 heights and 2 widths for 2 cameras"):
        renderer.render(posed, body, look, scene, cameras, [64], 64)
    with pytest.raises(ValueError, match="samples is 0"):
        renderer.render(posed, body, look, scene, cameras, 64, 64, samples=0)
    with pytest.raises(ValueError, match="camera 0 has 1 frames, the body 2"):
        renderer.render(posed, body, look, scene, cameras_around(body.pose(motion_of()), body, (0,)), 64, 64)
    with pytest.raises(ValueError, match="renderer device is 'gpu9'"):
        WarpRenderer("gpu9")


@pytest.mark.parametrize("seed", range(0, 24, 3))
def test_a_dressed_mesh_is_well_formed(seed):
    _, look, _ = stage(seed)
    mesh = look.mesh
    count = len(mesh.rest)
    assert mesh.faces.min() >= 0 and mesh.faces.max() < count
    assert mesh.face_material.max() < len(look.materials)
    assert np.isfinite(mesh.rest).all() and np.isfinite(mesh.normals).all()
    assert np.allclose(mesh.skin_weights.sum(axis=1), 1.0, atol=1e-4)
    assert all(isinstance(material, MaterialSpec) for material in look.materials)
    assert {"hair", "top", "legs", "shoes"} <= set(look.summary)
    assert np.abs(mesh.rest[:, 1]).max() < 1.3 and mesh.openness.min() > 0.1


def test_cutting_follows_the_line_exactly():
    body = Body.load(0)
    height = body.rest_vertices[:, 1] - 0.2
    piece = cut(body, body.asset.faces["skin"], height)
    assert piece.rest[:, 1].min() == pytest.approx(0.2, abs=1e-5)
    on_rim = rim(piece.faces, len(piece.rest)) & (np.abs(piece.rest[:, 1] - 0.2) < 1e-4)
    assert on_rim.sum() > 50
    outward = vertex_normals(piece.rest, piece.faces)
    centre = piece.rest[:, [0, 2]] * (np.abs(piece.rest[:, :1]) < 0.15)
    assert ((outward[:, [0, 2]] * centre).sum(axis=1) > 0).mean() > 0.5  # faces keep their side


def test_right_wrist_projects_where_the_mask_is(renderer):
    body, look, scene = stage(7)
    posed = body.pose(motion_of())
    camera = cameras_around(posed, body, (0,))[0]
    view = renderer.render(posed, body, look, scene, [camera], SIZE, SIZE)[0]
    pixels, _ = camera.project(posed.joints[:, [SMPLX["right_wrist"], SMPLX["left_wrist"]]], SIZE, SIZE)
    right, left = pixels[0].numpy()
    assert right[0] < SIZE / 2 < left[0]
    assert view.mask[0, int(right[1]), int(right[0])] and view.mask[0, int(left[1]), int(left[0])]
