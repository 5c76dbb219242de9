"""Shots: cuts, dissolves and fades are found to the frame; flashes, dancers and moving cameras are none."""

from __future__ import annotations

import numpy as np
import pytest
from footage_scenes import Room, with_dancer

from training.data.footage.settings import FootageSettings
from training.data.footage.shots import Shot, find_cuts, find_shots
from training.data.footage.single import clip_starts

A, B = Room(0, 48, 64), Room(1, 48, 64)


def noisy(frames: np.ndarray, amount: float = 3.0) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, amount, frames.shape)
    return np.clip(frames + noise, 0, 255).astype(np.uint8)


def mixed(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """From one into the other, a linear mixture."""
    share = np.linspace(0, 1, len(first) + 2)[1:-1, None, None, None]
    return ((1 - share) * first + share * second).astype(np.uint8)


def test_a_cut_is_found_to_the_frame():
    video = noisy(np.concatenate([A.still(20), B.still(15), A.still(12)]))
    assert find_cuts(video).tolist() == [20, 35]
    assert find_shots(video) == [Shot(0, 20), Shot(20, 35), Shot(35, 47)]


def test_cuts_between_moving_shots_are_found():
    pan = np.stack([np.linspace(0, 30, 20), np.zeros(20)], axis=1)
    video = noisy(np.concatenate([with_dancer(A.seen(pan)), with_dancer(B.seen(-pan), seed=6)]))
    assert find_cuts(video).tolist() == [20]


@pytest.mark.parametrize(
    "video",
    [
        with_dancer(A.still(40)),
        with_dancer(A.still(40), size=0.5),
        A.seen(np.stack([np.linspace(0, 60, 40), np.zeros(40)], axis=1)),
        A.seen(np.zeros((40, 2)), np.linspace(1, 1.8, 40)),
        A.still(40),
    ],
    ids=["dancer", "large dancer", "pan", "zoom", "still"],
)
def test_movement_is_no_cut(video):
    assert find_shots(noisy(video)) == [Shot(0, 40)]


def test_a_flash_is_no_cut():
    video = noisy(A.still(30))
    video[14:16] = 255
    assert find_cuts(video).tolist() == []


@pytest.mark.parametrize("length", [6, 12])
def test_frames_of_a_dissolve_belong_to_no_shot(length):
    video = np.concatenate([A.still(20), mixed(A.still(length), B.still(length)), B.still(20)])
    shots = find_shots(noisy(video))
    assert len(shots) == 2 and shots[0].start == 0 and shots[1].stop == len(video)
    # Rather a few frames too many are given up than one mixed frame kept.
    assert 20 - 7 <= shots[0].stop <= 20 and 20 + length <= shots[1].start <= 20 + length + 7


def test_a_fade_to_black_ends_a_shot():
    black = np.zeros_like(A.still(8))
    video = np.concatenate([A.still(20), mixed(A.still(8), black), black, mixed(black, B.still(8)), B.still(20)])
    shots = find_shots(video)
    assert shots[0].stop <= 22 and shots[-1].start >= 42
    assert all(shot.stop <= 22 or shot.start >= 26 for shot in shots)


def test_very_short_videos_are_one_shot_or_none():
    assert find_shots(A.still(1)[:0]) == []
    assert find_shots(A.still(1)) == [Shot(0, 1)]
    assert find_shots(A.still(2)) == [Shot(0, 2)]


def test_clips_stay_away_from_cuts_and_inside_their_shots():
    settings = FootageSettings(num_frames=5, stride=5)
    assert clip_starts([Shot(0, 12), Shot(12, 30)], 30, settings) == [0, 5, 13, 18, 23]
    assert clip_starts([Shot(0, 5), Shot(5, 9)], 9, settings) == []
    assert clip_starts([Shot(0, 30)], 30, FootageSettings(num_frames=5, stride=10, most_clips=2)) == [0, 10]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_frames": 16}, "4n \\+ 1"), ({"fps": 0.0}, "fps"), ({"sizes": ()}, "no size"),
        ({"sizes": ((63, 64),)}, "even"), ({"hand_size": 3}, "hand_size"), ({"stride": 0}, "stride"),
        ({"fit": "stretch"}, "crop, pad"), ({"least_share": 2.0}, "least_share"), ({"fps": float("nan")}, "fps"),
    ],
)  # fmt: skip
def test_settings_that_cannot_be_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        FootageSettings(**change)
