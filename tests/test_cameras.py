"""Cameras: every move's direction against the extrinsics, framing, prompts, determinism."""

import numpy as np
import pytest
import torch

from threedimo_core.camera_language import CameraPrompt, Move, MoveKind, Speed, View, conflict
from training.data.cameras import SubjectTrack, draw_moves, make_camera, sample_camera

FRAMES, FPS = 17, 12.0


def standing(heading: float = 0.0) -> SubjectTrack:
    centre = torch.tensor([0.3, 0.93, -0.2]).repeat(FRAMES, 1)
    return SubjectTrack(centre, torch.full((FRAMES,), heading), 1.7)


def walking(speed: float, heading: float) -> SubjectTrack:
    way = torch.tensor([np.sin(np.radians(heading)), 0.0, np.cos(np.radians(heading))]).float()
    steps = torch.arange(FRAMES)[:, None] / FPS * speed * way
    return SubjectTrack(torch.tensor([0.0, 0.93, 0.0]) + steps, torch.full((FRAMES,), heading), 1.7)


def camera_of(kind: str, speed: str = "normal", angle: float | None = None, azimuth: float = 30.0, subject=None):
    prompt = CameraPrompt(None, (Move(MoveKind(kind), Speed(speed), angle),))
    return make_camera(prompt, subject or standing(40.0), FRAMES, FPS, azimuth, 6.0, "full body")


def axes(camera):
    """Right, down, forward [T, 3] in the world."""
    return camera.world_to_camera[:, :3, :3].unbind(dim=1)


def travel(camera) -> torch.Tensor:
    """Way of the camera from first to last frame along its first frame's right, up and forward."""
    right, down, forward = axes(camera)
    way = camera.position[-1] - camera.position[0]
    return torch.stack([way @ right[0], -(way @ down[0]), way @ forward[0]])


def test_rotations_are_proper_and_level():
    for seed in range(40):
        camera = sample_camera(np.random.default_rng([seed]), standing(), FRAMES, FPS)
        rotation = camera.world_to_camera[:, :3, :3]
        assert torch.allclose(rotation @ rotation.transpose(1, 2), torch.eye(3).expand(FRAMES, 3, 3), atol=1e-5)
        assert torch.allclose(torch.linalg.det(rotation), torch.ones(FRAMES), atol=1e-5)
        assert (rotation[:, 1, 1] < 0).all(), "the picture's down must point to the floor"


@pytest.mark.parametrize(
    "azimuth,side", [(0, "front"), (90, "left"), (180, "back"), (-90, "right"), (45, "front-left")]
)
def test_azimuth_is_told_from_the_person(azimuth, side):
    camera = make_camera(CameraPrompt(), standing(25.0), FRAMES, FPS, azimuth, 5.0)
    assert camera.prompt.view.azimuth == side
    difference = (camera.azimuth - azimuth + 180) % 360 - 180
    assert difference.abs().max() < 1e-3 and (camera.elevation - 5).abs().max() < 1e-3


def test_left_side_of_the_person_is_nearer_in_a_left_view():
    subject = standing(0.0)
    camera = make_camera(CameraPrompt(View("left")), subject, FRAMES, FPS)
    left_hand = subject.centre + torch.tensor([0.5, 0.0, 0.0])
    right_hand = subject.centre - torch.tensor([0.5, 0.0, 0.0])
    _, depth = camera.project(torch.stack([left_hand, right_hand], dim=1), 64, 64)
    assert (depth[:, 0] < depth[:, 1]).all()


def test_front_view_shows_the_persons_left_hand_on_the_right_of_the_picture():
    subject = standing(0.0)
    camera = make_camera(CameraPrompt(View("front")), subject, FRAMES, FPS)
    pixels, depth = camera.project((subject.centre + torch.tensor([0.5, 0.0, 0.0]))[:, None], 64, 128)
    assert (pixels[..., 0] > 64).all() and (depth > 0).all()


@pytest.mark.parametrize("speed,degrees", [("slow", 20), ("normal", 40), ("quick", 70)])
@pytest.mark.parametrize("kind,sign", [("arc_left", -1), ("arc_right", 1)])
def test_arcs_change_the_azimuth_and_keep_the_distance(kind, sign, speed, degrees):
    camera = camera_of(kind, speed)
    turned = np.unwrap(np.radians(camera.azimuth.numpy()))
    assert np.degrees(turned[-1] - turned[0]) == pytest.approx(sign * degrees, abs=1.0)
    assert (sign * np.diff(turned) > 0).all()
    assert torch.allclose(camera.distance, camera.distance[0].expand(FRAMES), rtol=0.03)
    assert travel(camera)[0] * sign > 0, "arc left means that the camera goes to its left"


@pytest.mark.parametrize("kind,sign", [("orbit_left", -1), ("orbit_right", 1)])
def test_orbits_are_full_circles_unless_an_angle_is_given(kind, sign):
    for angle, wanted in ((None, 360), (135.0, 135)):
        turned = np.unwrap(np.radians(camera_of(kind, angle=angle).azimuth.numpy()))
        assert np.degrees(turned[-1] - turned[0]) == pytest.approx(sign * wanted, abs=1.0)


@pytest.mark.parametrize(
    "kind,axis,sign",
    [("move_left", 0, -1), ("move_right", 0, 1), ("move_up", 1, 1), ("move_down", 1, -1),
     ("move_forward", 2, 1), ("move_back", 2, -1)],
)  # fmt: skip
def test_moves_go_along_the_cameras_axes_without_turning(kind, axis, sign):
    for speed in Speed:
        camera = camera_of(kind, speed.value)
        way = travel(camera)
        assert way[axis] * sign > 0.15
        assert torch.cat([way[:axis], way[axis + 1 :]]).abs().max() < 1e-4
        assert torch.allclose(camera.world_to_camera[0, :3, :3], camera.world_to_camera[-1, :3, :3], atol=1e-6)
        assert torch.allclose(camera.focal, camera.focal[0].expand(FRAMES))


@pytest.mark.parametrize("kind,sign", [("zoom_in", 1), ("zoom_out", -1), ("rapid_zoom_in", 1), ("rapid_zoom_out", -1)])
def test_zooms_change_the_lens_alone(kind, sign):
    camera = camera_of(kind)
    assert sign * (camera.focal[-1] - camera.focal[0]) > 0.2
    assert (sign * camera.focal.diff() >= -1e-6).all()
    assert torch.allclose(camera.world_to_camera[0], camera.world_to_camera[-1])


def test_a_rapid_zoom_is_over_before_the_middle():
    camera = camera_of("rapid_zoom_in")
    assert camera.focal[FRAMES // 2] == pytest.approx(float(camera.focal[-1]), rel=1e-5)


@pytest.mark.parametrize("kind,nearer", [("vertigo_in", True), ("vertigo_out", False)])
def test_vertigo_keeps_the_size_of_the_person(kind, nearer):
    subject = standing()
    camera = make_camera(CameraPrompt(None, (Move(MoveKind(kind)),)), subject, FRAMES, FPS, 20.0, 5.0)
    body = subject.centre[:, None] + torch.tensor([[0.0, -0.93, 0.0], [0.0, 0.75, 0.0]])
    pixels, _ = camera.project(body, 256, 256)
    size = pixels[:, 0, 1] - pixels[:, 1, 1]
    assert float(size.max() / size.min()) < 1.03
    assert bool(camera.distance[-1] < 0.75 * camera.distance[0]) == nearer
    assert bool(camera.distance[-1] > 1.3 * camera.distance[0]) == (not nearer)


@pytest.mark.parametrize("kind,sign", [("pan_left", -1), ("pan_right", 1)])
def test_pans_turn_in_place(kind, sign):
    camera = camera_of(kind)
    right, _, forward = axes(camera)
    assert (camera.position - camera.position[0]).abs().max() < 1e-5
    assert (forward[-1] @ right[0]) * sign > 0.1


@pytest.mark.parametrize("kind,sign", [("tilt_up", 1), ("tilt_down", -1)])
def test_tilts_turn_in_place(kind, sign):
    camera = camera_of(kind)
    assert (camera.position - camera.position[0]).abs().max() < 1e-5
    assert (axes(camera)[2][-1, 1] - axes(camera)[2][0, 1]) * sign > 0.1


@pytest.mark.parametrize("kind,sign", [("rise", 1), ("descend", -1), ("aerial_pull_out", 1)])
def test_rising_cameras_keep_looking_at_the_person(kind, sign):
    camera = camera_of(kind, "slow")
    assert (camera.elevation[-1] - camera.elevation[0]) * sign > 4
    assert (camera.position[-1, 1] - camera.position[0, 1]) * sign > 0.2
    if kind == "aerial_pull_out":
        assert camera.distance[-1] > 1.4 * camera.distance[0]


def test_swing_goes_to_and_fro_with_the_zoom():
    camera = camera_of("dynamic_zoom_swing")
    change = (camera.azimuth - camera.azimuth[0] + 180) % 360 - 180
    assert change.max() > 10 and change.min() < -10 and abs(float(change[-1])) < 1
    assert camera.focal[FRAMES // 2] > 1.3 * camera.focal[0]
    assert camera.focal[-1] == pytest.approx(float(camera.focal[0]), rel=1e-3)


def test_static_is_still_and_handheld_trembles_a_little():
    still, held = camera_of("static"), camera_of("handheld_static")
    assert torch.equal(still.world_to_camera, still.world_to_camera[:1].expand(FRAMES, 4, 4))
    way = (held.position - held.position[0]).norm(dim=-1).max()
    assert 0.003 < way < 0.2
    turn = (axes(held)[2] @ axes(held)[2][0]).clamp(max=1).arccos().rad2deg().max()
    assert 0.2 < turn < 8


@pytest.mark.parametrize(
    "framing,head,feet", [("full body", True, True), ("knee", True, False), ("waist", True, False)]
)
def test_framing_shows_what_it_says(framing, head, feet):
    subject = standing()
    for seed in range(10):
        camera = make_camera(CameraPrompt(), subject, FRAMES, FPS, 0.0, 5.0, framing, np.random.default_rng(seed))
        levels = torch.tensor([[0.0, 1.68 - 0.93, 0.0], [0.0, 0.02 - 0.93, 0.0], [0.0, 0.55 * 1.7 - 0.93, 0.0]])
        y = camera.project(subject.centre[:, None] + levels, 100, 100)[0][0, :, 1]
        assert (0 <= y[0] < 30) == head and (y[1] < 100) == feet and (0 < y[2] < 100)
        assert camera.prompt.view.framing == framing


def test_the_person_stays_in_the_picture():
    """The middle of the body is inside in every frame of almost every drawn camera, and in frame 0 of all."""
    inside, first = [], []
    for seed in range(300):
        rng = np.random.default_rng([seed, 5])
        subject = walking(rng.uniform(0, 2.0), rng.uniform(-180, 180)) if seed % 2 else standing(seed)
        camera = sample_camera(rng, subject, FRAMES, FPS)
        pixels, depth = camera.project(subject.centre[:, None], 100, 100)
        # Waist pictures end at the hips, so half a body height below counts as seen.
        seen = (depth > 0.3) & (pixels[..., 0] > 0) & (pixels[..., 0] < 100) & (pixels[..., 1] > 0)
        inside.append(float(seen.float().mean()))
        first.append(bool(seen[0]))
    assert all(first)
    assert np.mean(inside) > 0.99


def test_drawn_moves_are_valid_prompts_of_every_kind():
    kinds = set()
    for seed in range(1500):
        moves = draw_moves(np.random.default_rng([seed, 6]))
        kinds.update(move.kind for move in moves)
        if len(moves) == 2:
            assert conflict(moves[0].kind, moves[1].kind) is None
    assert kinds == set(MoveKind) - {MoveKind.STATIC}


def test_same_seed_same_camera_and_azimuth_range_is_kept():
    for seed in range(20):
        first, second = (
            sample_camera(np.random.default_rng([seed, 7]), standing(77.0), FRAMES, FPS, azimuth_range=(20.0, 30.0))
            for _ in range(2)
        )
        assert torch.equal(first.world_to_camera, second.world_to_camera) and first.prompt == second.prompt
        assert 20 <= float(first.azimuth[0]) <= 30


def test_pairs_do_both():
    prompt = CameraPrompt(None, (Move(MoveKind.ARC_LEFT, Speed.NORMAL, 30.0), Move(MoveKind.MOVE_UP)))
    camera = make_camera(prompt, standing(), FRAMES, FPS, 0.0, 5.0)
    assert float(camera.azimuth[-1]) == pytest.approx(-30, abs=3)
    assert camera.position[-1, 1] - camera.position[0, 1] > 0.3


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="framing"):
        make_camera(CameraPrompt(), standing(), FRAMES, FPS, 0.0, 0.0, "close-up")
    with pytest.raises(ValueError, match="17"):
        make_camera(CameraPrompt(), standing(), 9, FPS, 0.0, 0.0)
