"""Does the camera stand still? Known camera motions on a textured wall, with a dancer in front of it."""

from __future__ import annotations

import numpy as np
import pytest
from footage_scenes import Room, camera_at, seen_by, walking_person, with_dancer

from threedimo_core.camera_language import MoveKind, View, parse
from training.data.footage.rules import UNKNOWN, caption_by_rule
from training.data.footage.stillness import Stillness, background_motion

ROOM, T = Room(3, 180, 240), 17


def path(x: np.ndarray | float = 0.0, y: np.ndarray | float = 0.0) -> np.ndarray:
    return np.stack([np.broadcast_to(x, T), np.broadcast_to(y, T)], axis=1).astype(float)


def shake(amount: float) -> np.ndarray:
    steps = np.arange(T)
    return path(amount * np.sin(2 * np.pi * steps / 16), amount * 0.6 * np.sin(4 * np.pi * steps / 16))


RAMP = np.linspace(0, 1, T)
CASES = {
    "tripod": (path(), None, Stillness.STILL),
    "a tenth of a pixel": (path(0.1 * RAMP), None, Stillness.STILL),
    "handheld": (shake(4.0), None, Stillness.HANDHELD),
    "pan": (path(60 * RAMP), None, Stillness.MOVING),
    "slow pan": (path(6 * RAMP), None, Stillness.MOVING),
    "tilt": (path(0, 40 * RAMP), None, Stillness.MOVING),
    "zoom": (path(), 1 + 0.25 * RAMP, Stillness.MOVING),
    "slow zoom": (path(), 1 + 0.04 * RAMP, Stillness.MOVING),
    "whip": (path(400 * RAMP), None, Stillness.MOVING),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("dancer", [False, True])
def test_camera_motions_are_told_apart(name, dancer):
    shifts, zooms, expected = CASES[name]
    frames = ROOM.seen(shifts, zooms)
    if dancer:
        frames = with_dancer(frames)
    noise = np.random.default_rng(0).normal(0, 2, frames.shape)
    frames = np.clip(frames + noise, 0, 255).astype(np.uint8)
    if name == "whip" and dancer:
        expected = Stillness.MOVING
    assert background_motion(frames).stillness is expected


def test_a_blank_wall_tells_nothing():
    assert background_motion(np.full((T, 90, 120, 3), 128, np.uint8)).stillness is Stillness.UNKNOWN


def test_the_person_is_kept_out_of_it():
    """A person who fills the only textured part of a blank room walks; the room is blank, so nothing is known."""
    camera = camera_at("one", (0, 1.0, 3.0), size=(180, 240), focal=170, dist=(0, 0, 0, 0, 0))
    points = walking_person(T, 90.0, speed=0.2)
    track = seen_by(camera, points)
    frames = np.full((T, 180, 240, 3), 128, np.uint8)
    texture = np.random.default_rng(0).integers(0, 255, (180, 240, 3), np.uint8)
    for frame, joints in zip(frames, track.points, strict=True):
        x, y = joints[23:25].mean(axis=0).astype(int)
        frame[max(0, y - 20) : y + 20, max(0, x - 8) : x + 8] = texture[:40, :16]
    assert background_motion(frames).stillness is not Stillness.UNKNOWN
    assert background_motion(frames, track).stillness is Stillness.UNKNOWN


def test_rules_caption_still_cameras_alone():
    view = View("front-left", None, "full body")
    caption = caption_by_rule(Stillness.STILL, view)
    assert caption.source == "rule" and caption.prompt is not None
    assert [move.kind for move in caption.prompt.moves] == [MoveKind.STATIC]
    assert all(parse(text).prompt == caption.prompt for text in caption.fields()["captions"])
    handheld = caption_by_rule(Stillness.HANDHELD, None)
    assert handheld.prompt is not None and handheld.prompt.moves[0].kind is MoveKind.HANDHELD_STATIC
    assert caption_by_rule(Stillness.MOVING, view) == caption_by_rule(Stillness.UNKNOWN, view) == UNKNOWN
    assert UNKNOWN.fields() == {"prompt": None, "captions": [""], "caption_source": None}
