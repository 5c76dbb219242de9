"""Hand and person boxes on tracks with known answers; the real detector on a rendered person where it is installed."""

from __future__ import annotations

import importlib.util
import itertools
import sys
import types
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch

from threedimo_core import hands
from threedimo_core.boxes import SquareTrack, crop_squares, steady
from threedimo_core.pose_tracker import PoseTrack, PoseTrackerError, PoseTrackerMissing, track_pose

FPS = 24.0
needs_mediapipe = pytest.mark.skipif(
    importlib.util.find_spec("mediapipe") is None, reason="mediapipe is not installed (make hands)"
)


def standing(frames: int = 24, height: int = 480, width: int = 640, metre: float = 200.0) -> PoseTrack:
    """A person in mid picture who faces us: their left hand is on the picture's right."""
    points = np.zeros((frames, 33, 2), np.float32)
    points[:] = (320, 240)
    points[:, :11] = (320, 90)
    points[:, 15], points[:, 17], points[:, 19] = (450, 200), (460, 200), (460, 200)
    points[:, 16], points[:, 18], points[:, 20] = (190, 200), (180, 200), (180, 200)
    points[:, 27:33] = (320, 420)
    return PoseTrack(
        points=points,
        visibility=np.ones((frames, 33), np.float32),
        pixels_per_metre=np.full(frames, metre, np.float32),
        found=np.ones(frames, bool),
        height=height,
        width=width,
    )


def with_hands_painted(track: PoseTrack) -> np.ndarray:
    """Green where the left hand is, magenta where the right one is."""
    frames = np.zeros((len(track.found), track.height, track.width, 3), np.uint8)
    for frame, points in zip(frames, track.points, strict=True):
        for point, colour in ((15, (0, 255, 0)), (16, (255, 0, 255))):
            x, y = points[point].astype(int)
            frame[max(0, y - 15) : y + 15, max(0, x - 15) : x + 15] = colour
    return frames


def test_left_comes_first_and_boxes_have_their_size() -> None:
    track = standing()
    found = hands.find_hands(with_hands_painted(track), 32, FPS, track)
    assert found.crops.shape == (24, 2, 3, 32, 32) and found.crops.dtype == torch.float32
    assert bool(found.present.all())
    left, right = found.crops[:, :, :, 12:20, 12:20].mean(dim=(0, 3, 4))
    assert left.argmax() == 1 and left[1] > 0.9 and right[0] > 0.9 and right[1] < 0.1
    sides = found.boxes[..., 2:] - found.boxes[..., :2]
    assert torch.allclose(sides, torch.full_like(sides, 200 * hands.HAND_METRES), rtol=1e-4)
    centre = (found.boxes[0, 0, :2] + found.boxes[0, 0, 2:]) / 2
    assert torch.allclose(centre, torch.tensor([459.0, 200.0]), atol=0.1)


def test_a_jittering_box_is_steadied_without_lag() -> None:
    rng = np.random.default_rng(0)
    way = np.stack([np.linspace(100, 400, 48), np.full(48, 200)], axis=1).astype(np.float32)
    noisy = SquareTrack(
        way + rng.normal(0, 4, way.shape).astype(np.float32), np.full(48, 50, np.float32), np.ones(48, bool)
    )
    smooth = steady(noisy, FPS, centre_seconds=0.08, side_seconds=0.4, gap_seconds=0.25)
    inner = slice(6, -6)
    assert np.abs(smooth.centres - way)[inner].mean() < 0.6 * np.abs(noisy.centres - way)[inner].mean()
    assert abs(float((smooth.centres - way)[inner, 0].mean())) < 1.5  # a causal filter would trail behind


def test_short_gaps_are_bridged_long_ones_are_absent() -> None:
    track = standing(48)
    track.visibility[10:14, 15] = 0
    track.visibility[20:40, 15] = 0
    track.visibility[30, 15] = 1
    present = hands.hand_squares(track, 0, FPS).present
    assert present[:20].all() and not present[20:40].any() and present[40:].all()
    assert hands.hand_squares(track, 1, FPS).present.all()
    crops = crop_squares(with_hands_painted(track), hands.hand_squares(track, 0, FPS), 16)
    assert (crops[25] == 128).all()


def test_hands_outside_the_picture_are_absent() -> None:
    track = standing()
    track.points[:, (15, 17, 19)] += (300, 0)
    track.points[12:, (16, 18, 20)] -= (0, 300)
    found = hands.find_hands(with_hands_painted(track), 16, FPS, track)
    assert not found.present[:, 0].any() and found.present[:12, 1].all() and not found.present[12:, 1].any()
    assert (found.boxes[:, 0] == 0).all()


def test_nobody_found() -> None:
    track = standing()
    track.found[:] = False
    found = hands.find_hands(np.zeros((24, 480, 640, 3), np.uint8), 16, FPS, track)
    assert not found.present.any()
    assert not hands.person_squares(track, FPS).present.any()
    assert not hands.person_squares(track, FPS, follow=True).present.any()


def test_one_glimpse_is_no_track_to_follow() -> None:
    track = standing(48)
    track.found[:] = False
    track.found[20] = True
    assert not hands.person_squares(track, FPS, follow=True).present.any()
    assert not hands.find_hands(with_hands_painted(track), 16, FPS, track).present.any()


@pytest.mark.parametrize("frames", (1, 2, 3))
def test_very_short_clips(frames: int) -> None:
    track = standing(frames)
    found = hands.find_hands(with_hands_painted(track), 16, FPS, track)
    assert found.present.all() and found.crops.shape == (frames, 2, 3, 16, 16)
    assert hands.person_squares(track, FPS, follow=True).boxes.shape == (frames, 4)


def test_crops_place_pixels_exactly() -> None:
    frame = np.random.default_rng(0).integers(0, 255, (1, 40, 60, 3), dtype=np.uint8)

    def square(x: float, y: float, side: float) -> SquareTrack:
        return SquareTrack(np.array([[x, y]], np.float32), np.array([side], np.float32), np.ones(1, bool))

    assert np.array_equal(crop_squares(frame, square(20, 16, 16), 16)[0], frame[0, 8:24, 12:28])
    halved = crop_squares(frame, square(20, 16, 16), 8)[0].astype(int)
    blocks = frame[0, 8:24, 12:28].reshape(8, 2, 8, 2, 3).mean(axis=(1, 3))
    assert np.abs(halved - blocks).max() <= 1
    over_edge = crop_squares(frame, square(0, 20, 16), 16)[0]
    assert (over_edge[:, :8] >= 127).all() and (over_edge[:, :8] <= 128).all()
    assert np.array_equal(over_edge[:, 8:], frame[0, 12:28, :8])


def test_person_square_holds_the_person_and_stays_in_the_picture() -> None:
    track = standing(metre=150.0)
    track.points[:, :, 0] += np.linspace(-100, 100, 24, dtype=np.float32)[:, None]
    whole = hands.person_squares(track, FPS).boxes
    assert (whole == whole[0]).all()
    assert whole[0, 2] - whole[0, 0] == pytest.approx(whole[0, 3] - whole[0, 1], abs=0.1)
    points = track.points.reshape(-1, 2)
    assert (points >= whole[0, :2]).all() and (points <= whole[0, 2:]).all()
    follow = hands.person_squares(track, FPS, follow=True).boxes
    assert follow[-1, 0] - follow[0, 0] > 10 and follow[0, 2] - follow[0, 0] < whole[0, 2] - whole[0, 0] + 1
    near = hands.person_squares(standing(metre=2000.0), FPS).boxes[0]
    assert near.tolist() == [0, -80, 640, 560]


def test_without_mediapipe_hands_are_absent_and_it_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    frames = np.zeros((3, 64, 64, 3), np.uint8)
    with warnings.catch_warnings(record=True) as caught:
        warnings.resetwarnings()
        warnings.simplefilter("default")
        for _ in range(3):
            found = hands.find_hands(frames, 16, FPS)
            assert not found.present.any() and found.crops.shape == (3, 2, 3, 16, 16)
    told = [entry for entry in caught if issubclass(entry.category, PoseTrackerMissing)]
    assert len(told) == 1 and "make hands" in str(told[0].message)


def test_a_mediapipe_without_models_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mediapipe", types.ModuleType("mediapipe"))
    with pytest.warns(PoseTrackerMissing, match=r"\.task file"):
        assert track_pose(np.zeros((1, 64, 64, 3), np.uint8)) is None


@needs_mediapipe
def test_a_task_file_that_is_none(tmp_path) -> None:
    frames = np.zeros((1, 64, 64, 3), np.uint8)
    with pytest.raises(PoseTrackerError, match="no such file"):
        track_pose(frames, task_file=tmp_path / "none.task")
    (tmp_path / "bad.task").write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(PoseTrackerError):
        track_pose(frames, task_file=tmp_path / "bad.task")


@needs_mediapipe
@pytest.mark.parametrize("size", [(1, 1), (64, 64), (2160, 64)])
def test_the_detector_finds_nobody_in_noise(size: tuple[int, int]) -> None:
    frames = np.random.default_rng(0).integers(0, 255, (2, *size, 3), dtype=np.uint8)
    found = hands.find_hands(frames, 16, FPS)
    assert found.crops.shape == (2, 2, 3, 16, 16) and bool(found.crops.isfinite().all())


@needs_mediapipe
@pytest.mark.slow
def test_the_detector_finds_the_hands_of_a_rendered_person() -> None:
    pytest.importorskip("warp", reason="the renderer needs warp-lang")
    from training.data.performance import sample_performance
    from training.data.renderer import WarpRenderer
    from training.data.rendering import PictureSize, render_performance

    drawn = (sample_performance(0, index, 3, 5, 16.0, kind="static", plain=True) for index in range(60))
    facing = ((one, camera) for one in drawn for camera in one.cameras if abs(float(camera.azimuth[0])) < 25)
    size = PictureSize(height=256, width=256, hand_size=0)
    errors, renderer = [], WarpRenderer()
    for performance, camera in itertools.islice(facing, 2):
        rendered = render_performance(replace(performance, cameras=(camera,)), renderer, size)
        found = hands.find_hands(rendered.views[0].frames, 32, 16.0)
        truth = rendered.labels["hand_box"][0]
        centre, true_centre = ((box[..., :2] + box[..., 2:]) / 2 for box in (found.boxes, truth))
        error = torch.linalg.vector_norm(centre - true_centre, dim=-1) / (truth[..., 2] - truth[..., 0])
        errors.append(error[found.present])
    every = torch.cat(errors)
    assert len(every) >= 8  # of 20 hands, some of them hidden
    assert float(every.median()) < 0.25
