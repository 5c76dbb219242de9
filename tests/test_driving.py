"""The driving video made ready: hands given, looked for or left out, and what the user is told."""

import importlib

import numpy as np
import pytest
import torch

from threedimo_core import driving as driving_module
from threedimo_core.driving import as_frames, given_hands, prepare_driving, to_pixels
from threedimo_core.pose_tracker import INSTALL_HINT, PoseTrackerMissing

FRAMES = torch.rand(3, 3, 40, 30, generator=torch.Generator().manual_seed(0))


def test_images_of_the_host_become_frames() -> None:
    images = torch.rand(2, 8, 6, 4)
    frames = as_frames(images)
    assert frames.shape == (2, 3, 8, 6) and torch.equal(frames[1, 2], images[1, ..., 2])
    with pytest.raises(ValueError, match=r"\[frames, height, width, 3\]"):
        as_frames(torch.rand(8, 6, 3))


def test_given_hands_are_letterboxed_and_present() -> None:
    left = torch.ones(3, 3, 10, 20)
    crops, present = given_hands(left, None, 3, 16)
    assert crops.shape == (3, 2, 3, 16, 16)
    assert present.tolist() == [[True, False]] * 3
    assert crops[0, 0, 0, 8, 8] == 1 and crops[0, 0, 0, 0, 0] == 0.5 and bool((crops[:, 1] == 0.5).all())


@pytest.mark.parametrize("hand", [torch.ones(2, 3, 8, 8), torch.ones(3, 4, 8, 8), torch.full((3, 3, 8, 8), 255.0)])
def test_hand_pictures_that_do_not_fit_are_refused(hand: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="the left hand"):
        prepare_driving(FRAMES, 12.0, 16, left_hand=hand)


def test_hand_pictures_for_a_model_without_hands_are_refused() -> None:
    with pytest.raises(ValueError, match="no hand encoder"):
        prepare_driving(FRAMES, 12.0, None, left_hand=torch.ones(3, 3, 8, 8))


def test_without_looking_nothing_is_touched() -> None:
    driving = prepare_driving(FRAMES, 12.0, 16, find=False)
    assert driving.frames is FRAMES and driving.hands is None and driving.notes == []


def test_a_missing_finder_is_told_and_hands_are_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    _without_mediapipe(monkeypatch)
    with pytest.warns(PoseTrackerMissing):
        driving = prepare_driving(FRAMES, 12.0, 16)
    assert driving.hands is None and INSTALL_HINT in driving.notes[0]
    with pytest.warns(PoseTrackerMissing), pytest.raises(ValueError, match="cannot be cut out"):
        prepare_driving(FRAMES, 12.0, 16, crop_person=True)


def test_given_hands_need_no_finder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driving_module, "track_pose", _never)
    driving = prepare_driving(FRAMES, 12.0, 16, right_hand=torch.ones(3, 3, 8, 8))
    assert driving.hand_present is not None and driving.hand_present.tolist() == [[False, True]] * 3


def test_pixels_are_made_small_with_the_aspect_kept() -> None:
    pixels = to_pixels(torch.rand(2, 3, 100, 50), max_side=40)
    assert pixels.shape == (2, 40, 20, 3) and pixels.dtype == np.uint8


@pytest.mark.parametrize("bad", [torch.rand(0, 3, 8, 8), torch.full((2, 3, 8, 8), torch.nan), torch.rand(3, 8, 8)])
def test_frames_that_are_none(bad: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="driving video"):
        prepare_driving(bad, 12.0, 16)


def _never(*_: object, **__: object) -> None:
    raise AssertionError("nobody should be looked for")


def _without_mediapipe(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.import_module

    def fake(name: str, *rest: object) -> object:
        if name == "mediapipe":
            raise ModuleNotFoundError("No module named 'mediapipe'", name="mediapipe")
        return real(name, *rest)

    monkeypatch.setattr("threedimo_core.pose_tracker.importlib.import_module", fake)
