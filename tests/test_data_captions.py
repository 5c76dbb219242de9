"""Captions of random cameras parse back to the camera that made them, and say which way it really moved."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch

from threedimo_core.camera_language import NUM_WORDINGS, MoveKind, parse, write
from training.data.camera_record import prompt_from_json, prompt_to_json
from training.data.cameras import Camera, SubjectTrack, sample_camera

T, FPS = 9, 8.0
K = MoveKind


def random_camera(seed: int) -> tuple[Camera, SubjectTrack]:
    """Any camera about a person who stands or walks, facing any way."""
    rng = np.random.default_rng([seed, 77])
    heading, speed = rng.uniform(-180, 180), rng.choice([0.0, 0.0, 1.0])
    way = torch.tensor([np.sin(np.radians(heading)), 0.0, np.cos(np.radians(heading))]).float()
    centre = torch.tensor([0.0, 0.93, 0.0]) + torch.arange(T)[:, None] / FPS * speed * way
    subject = SubjectTrack(centre, torch.full((T,), heading), float(rng.uniform(1.5, 1.95)))
    return sample_camera(rng, subject, T, FPS, aspect=float(rng.choice([1.0, 848 / 480]))), subject


def went(camera: Camera, subject: SubjectTrack) -> dict[str, float]:
    """What the extrinsics and the lens say, from the first frame to the last (the largest for what comes back):
    metres along the first frame's right, up and forward (of cameras that go around the person: up in the world, and
    nearer to them); turns to the left and up in degrees, of the arm from the
    person's middle (around: to the camera's right) and of the optical axis; the lens's and the distance's factor."""
    rotation = camera.world_to_camera[:, :3, :3].double().numpy()
    shift = camera.world_to_camera[:, :3, 3].double().numpy()
    place = -np.einsum("tji,tj->ti", rotation, shift)
    right, down, forward = rotation[0]
    way = place[-1] - place[0]
    centre = subject.centre.double().numpy()
    arm = place - (centre.min(axis=0) + centre.max(axis=0)) / 2
    away = np.linalg.norm(arm, axis=1)
    follows = any(move.kind in FOLLOWS for move in camera.prompt.moves)
    around = np.degrees(np.unwrap(np.arctan2(arm[:, 0], arm[:, 2])))
    above = np.degrees(np.arctan2(arm[:, 1], np.hypot(arm[:, 0], arm[:, 2])))
    yaw = np.degrees(np.unwrap(np.arctan2(rotation[:, 2, 0], rotation[:, 2, 2])))
    pitch = np.degrees(np.arcsin(rotation[:, 2, 1]))
    return {
        "right": float(way @ right), "up": float(way[1] if follows else -way @ down),
        "forward": float(away[0] - away[-1] if follows else way @ forward),
        "around": around[-1] - around[0], "swing": np.abs(around - around[0]).max(), "above": above[-1] - above[0],
        "yaw": yaw[-1] - yaw[0], "pitch": float(pitch[-1] - pitch[0]),
        "lens": float(camera.focal[-1] / camera.focal[0]), "zoomed": float(camera.focal.max() / camera.focal[0]),
        "moved": np.abs(place - place[0]).max(), "turned": np.abs(rotation - rotation[0]).max(),
    }  # fmt: skip


# What must be true of a camera of this move, alone or beside another one. Turns of the axis are checked of cameras that
# do not follow the person at the same time, whose axis turns for that reason too.
ALWAYS = {
    K.MOVE_LEFT: lambda w: w["right"] < -0.05, K.MOVE_RIGHT: lambda w: w["right"] > 0.05,
    K.MOVE_UP: lambda w: w["up"] > 0.05, K.MOVE_DOWN: lambda w: w["up"] < -0.05,
    K.MOVE_FORWARD: lambda w: w["forward"] > 0.05, K.MOVE_BACK: lambda w: w["forward"] < -0.05,
    K.ARC_LEFT: lambda w: w["around"] < -10, K.ARC_RIGHT: lambda w: w["around"] > 10,
    K.ORBIT_LEFT: lambda w: w["around"] < -60, K.ORBIT_RIGHT: lambda w: w["around"] > 60,
    K.ZOOM_IN: lambda w: w["lens"] > 1.1, K.ZOOM_OUT: lambda w: w["lens"] < 0.9,
    K.RAPID_ZOOM_IN: lambda w: w["lens"] > 1.1, K.RAPID_ZOOM_OUT: lambda w: w["lens"] < 0.9,
    K.HANDHELD_ZOOM_IN: lambda w: w["lens"] > 1.1 and w["turned"] > 1e-4,
    K.RISE: lambda w: w["above"] > 1, K.DESCEND: lambda w: w["above"] < -0.05,
    K.AERIAL_PULL_OUT: lambda w: w["forward"] < -0.3 and w["above"] > 1,
    K.VERTIGO_IN: lambda w: w["forward"] > 0.1 and w["lens"] < 0.9,
    K.VERTIGO_OUT: lambda w: w["forward"] < -0.1 and w["lens"] > 1.1,
    K.DYNAMIC_ZOOM_SWING: lambda w: w["swing"] > 5 and w["zoomed"] > 1.1,
    K.STATIC: lambda w: w["moved"] < 1e-5 and w["turned"] < 1e-6 and abs(w["lens"] - 1) < 1e-6,
    K.HANDHELD_STATIC: lambda w: 1e-5 < w["moved"] < 0.5 and w["turned"] < 0.2 and abs(w["lens"] - 1) < 1e-6,
    K.PAN_LEFT: lambda w: w["yaw"] > 3, K.PAN_RIGHT: lambda w: w["yaw"] < -3,
    K.TILT_UP: lambda w: w["pitch"] > 3, K.TILT_DOWN: lambda w: w["pitch"] < -3,
}  # fmt: skip
TURNS = {K.PAN_LEFT, K.PAN_RIGHT, K.TILT_UP, K.TILT_DOWN}
FOLLOWS = {K.ARC_LEFT, K.ARC_RIGHT, K.ORBIT_LEFT, K.ORBIT_RIGHT, K.RISE, K.DESCEND, K.AERIAL_PULL_OUT,
           K.DYNAMIC_ZOOM_SWING}  # fmt: skip


def check(seeds: range) -> Counter[MoveKind]:
    """Every wording of the cameras of `seeds`, and the direction of every move; how often each move came."""
    seen: Counter[MoveKind] = Counter()
    for seed in seeds:
        camera, subject = random_camera(seed)
        prompt = camera.prompt
        for wording in range(NUM_WORDINGS):
            text = write(prompt, wording)
            parsed = parse(text)
            assert parsed.prompt == prompt and not parsed.not_understood, (seed, text)
        assert prompt_from_json(prompt_to_json(prompt)) == prompt
        moved, kinds = went(camera, subject), {move.kind for move in prompt.moves}
        for kind in kinds:
            # The lens of a vertigo follows the distance, so beside it a zoom's own factor does not show by itself.
            if not (kind in TURNS and kinds & FOLLOWS):
                assert ALWAYS[kind](moved), (seed, prompt, moved)
                seen[kind] += 1
    return seen


def test_captions_of_random_cameras_are_true():
    check(range(150))


@pytest.mark.slow
def test_captions_of_ten_thousand_random_cameras_are_true():
    seen = check(range(10_000))
    assert set(seen) == set(MoveKind) and min(seen.values()) >= 100
    print({str(kind): count for kind, count in sorted(seen.items())})
