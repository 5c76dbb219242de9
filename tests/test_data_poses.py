"""import-poses: times, people and masks; the command on clips, stopped runs, bad results."""

from __future__ import annotations

import json
import os
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pose_files as made
import pytest
import torch
from footage_scenes import Room, write_mp4
from pose_files import BODY, FPS, KNOWS, POSE, F, Hostile, T, matrices, mean_hands, write

from training.data.cli import main
from training.data.clip_store import ClipStore
from training.data.dataset import PairDataset
from training.data.manifest import read_manifest
from training.data.pairs import PairKind
from training.data.poses.finding import result_of
from training.data.poses.timing import at_times, averaged, choose_track
from training.data.poses.track import PoseFile, PoseFileError, make_track

# --- times and people ---------------------------------------------------------------------------------------------


def test_between_frames_the_shortest_turn_is_taken():
    track = make_track(Path("x"), "0", np.arange(F), matrices(BODY))
    rotations, known = at_times(track, np.array([0.0, 3.0, 3.25, F - 1.0, F - 0.5, -0.4]))
    assert known[:4, :21].all() and not known[4:].any() and not known[:, 21:].any()
    np.testing.assert_allclose(rotations[1, :21], matrices(BODY)[3], atol=1e-9)
    start, end = matrices(BODY)[3], matrices(BODY)[4]
    turn = made.Rotation.from_matrix(np.swapaxes(start, 1, 2) @ end).as_rotvec()
    np.testing.assert_allclose(rotations[2, :21], start @ matrices(0.25 * turn), atol=1e-9)
    assert (rotations[4] == np.eye(3)).all()


def test_gaps_are_not_filled():
    frames = np.array([0, 1, 3, 9, 10])
    track = make_track(Path("x"), "0", frames, matrices(BODY[:5]))
    _, known = at_times(track, np.array([1.0, 2.0, 3.0, 5.0, 8.5, 9.0]))
    assert known[:, 0].tolist() == [True, True, True, False, False, True]


def test_the_person_who_is_there_most_is_chosen_then_the_largest():
    body = matrices(BODY)
    short = make_track(Path("x"), "short", np.arange(5), body[:5], size=9.0)
    small = make_track(Path("x"), "small", np.arange(F), body, size=1.0)
    large = make_track(Path("x"), "large", np.arange(F), body, size=2.0)
    file = PoseFile((short, small, large))
    positions = np.arange(10.0, 15.0)
    assert choose_track(file, positions).name == "large"
    assert choose_track(file, np.arange(5.0)).name == "short"
    assert choose_track(file, positions, "small").name == "small"
    assert choose_track(file, positions, "nobody") is None and choose_track(file, positions + 100) is None


def test_views_of_one_movement_are_averaged():
    first, second = matrices(POSE), matrices(POSE + 0.02)
    known = np.ones((F, 51), bool)
    half = known.copy()
    half[:, 30:] = False
    mean, there = averaged([(first, known), (second, half)])
    np.testing.assert_allclose(mean[:, 30:], first[:, 30:], atol=1e-9)
    angle = made.Rotation.from_matrix((np.swapaxes(mean[:, :30], -1, -2) @ first[:, :30]).reshape(-1, 3, 3)).magnitude()
    other = made.Rotation.from_matrix(
        (np.swapaxes(mean[:, :30], -1, -2) @ second[:, :30]).reshape(-1, 3, 3)
    ).magnitude()
    np.testing.assert_allclose(angle, other, atol=1e-6)
    assert there.all()


def test_results_are_found_by_the_names_of_their_videos(tmp_path):
    for name in ("a/dance.npz", "b/dance.npz", "demo_slow_dance.npz", "slow/x.npz", "dance_hands.npz"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    results = sorted(tmp_path.rglob("*.npz"))
    assert result_of("b/dance.mp4", tmp_path, results) == tmp_path / "b/dance.npz"
    assert result_of("slow_dance.mp4", tmp_path, results) == tmp_path / "demo_slow_dance.npz"
    assert result_of("slow.mov", tmp_path, results) == tmp_path / "slow/x.npz"
    assert result_of("walk.mp4", tmp_path, results) is None
    with pytest.raises(PoseFileError, match=r"several results could belong to dance.mp4"):
        result_of("dance.mp4", tmp_path, results)
    assert result_of("anything.mp4", results[0], [results[0]]) == results[0]


# --- the command --------------------------------------------------------------------------------------------------


@pytest.fixture
def clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A set of the clips of dance.mp4 (four, 24 frames at 16 a second) and walk.mp4 (one)."""
    monkeypatch.setattr("training.data.import_video_command.tracker_available", lambda: False)
    pan = np.stack([np.linspace(0, 40, F), np.zeros(F)], axis=1)
    write_mp4(tmp_path / "videos" / "dance.mp4", Room(1, 48, 64).seen(pan), FPS)
    write_mp4(tmp_path / "videos" / "walk.mp4", Room(2, 48, 64).seen(pan[:T]), FPS)
    command = ["import-video", str(tmp_path / "videos"), "--out", str(tmp_path / "set"), "--frames", str(T)]
    assert main([*command, "--size", "48x64"]) == 0
    return tmp_path / "set"


def import_poses(clips: Path, results: Path, name: str, *options: str) -> int:
    return main(["import-poses", str(clips), str(results), "--estimator", name, *options])


@pytest.mark.parametrize("name", KNOWS)
def test_clips_get_the_labels_of_their_times(name, clips, tmp_path, capsys):
    write(name, tmp_path / "results")
    options = ["--smplx-model", str(mean_hands(tmp_path))] if name == "smplerx" else []
    lines = (clips / "manifest-video.jsonl").read_bytes()
    assert import_poses(clips, tmp_path / "results", name, *options) == 0
    assert "4 of 5 clips labelled" in capsys.readouterr().out
    assert (clips / "manifest-video.jsonl").read_bytes() == lines, "published lines never change"
    body, fingers = KNOWS[name]
    for record in read_manifest(clips):
        labels = ClipStore(clips).labels(record)
        if record["origin"]["files"] == ["walk.mp4"]:
            assert not labels
            continue
        first = round(record["origin"]["start"] * FPS)
        known = labels["pose_mask"].bool()
        assert known[:, :21].all() == body and known[:, 21:].all() == fingers
        expected = np.where(known[..., None, None], matrices(POSE[first : first + T]), np.eye(3))
        np.testing.assert_allclose(labels["pose"].float(), expected, atol=2e-3)
    assert main(["check", str(clips)]) == 0
    item = next(
        item
        for step in range(30)
        if "pose_mask" in (item := PairDataset(clips, {PairKind.SAME_VIEW: 1.0}, seed=0)[(step, 0)])
        and item["pose_mask"].any()
    )
    assert item["pose"].shape == (T, 51, 3, 3)


def test_body_and_hands_come_together_and_nothing_is_done_twice(clips, tmp_path, capsys):
    write("gvhmr", tmp_path / "results")
    made.write_hands(tmp_path / "results" / "dance_hands.npz", POSE, hidden=(2,))
    assert import_poses(clips, tmp_path / "results", "gvhmr") == 0
    assert import_poses(clips, tmp_path / "results", "hands") == 0
    overlay = (clips / "overlay-poses.jsonl").read_bytes()
    assert import_poses(clips, tmp_path / "results", "hands") == 0
    assert "4 had these labels before" in capsys.readouterr().out
    assert (clips / "overlay-poses.jsonl").read_bytes() == overlay
    record = min(read_manifest(clips), key=lambda r: (r["origin"]["files"], r["origin"]["start"]))
    assert set(record["pose_sources"]) == {"gvhmr", "hands"}
    labels = ClipStore(clips).labels(record)
    mask = labels["pose_mask"].bool()
    assert mask[:, :21].all() and mask[:, 36:].all()
    np.testing.assert_allclose(labels["pose"][0].float(), matrices(POSE[0]), atol=2e-3)
    made.write_gvhmr(tmp_path / "results" / "demo" / "dance" / "hmr4d_results.pt", BODY * 0)
    assert import_poses(clips, tmp_path / "results", "gvhmr") == 0  # a newer run of it: its part is replaced
    record = next(each for each in read_manifest(clips) if each["id"] == record["id"])
    again = ClipStore(clips).labels(record)
    assert (again["pose"][:, :21] == torch.eye(3)).all() and torch.equal(again["pose"][:, 21:], labels["pose"][:, 21:])


def test_other_rates_are_minded(clips, tmp_path):
    """The estimator counted in frames of half the rate: clip frame 2 is its frame 1."""
    made.write_wham(tmp_path / "results" / "dance" / "wham_output.pkl", BODY)
    assert import_poses(clips, tmp_path / "results", "wham", "--fps", "8") == 0
    record = min(
        (r for r in read_manifest(clips) if r["origin"]["files"] == ["dance.mp4"]), key=lambda r: r["origin"]["start"]
    )
    labels = ClipStore(clips).labels(record)
    np.testing.assert_allclose(labels["pose"][[0, 2, 4], :21].float(), matrices(BODY[:3]), atol=2e-3)


def test_frames_without_an_estimate_are_masked(clips, tmp_path):
    made.write_wham(tmp_path / "results" / "dance" / "wham_output.pkl", BODY[:8], first=3)
    assert import_poses(clips, tmp_path / "results", "wham") == 0
    known = {}
    for record in read_manifest(clips):
        labels = ClipStore(clips).labels(record)
        if labels:
            known[round(record["origin"]["start"] * FPS)] = labels["pose_mask"][:, 0].tolist()
    assert known == {0: [0, 0, 0, 1, 1], 5: [1] * 5, 10: [1, 0, 0, 0, 0]}


def test_a_bad_result_is_named_and_the_others_are_imported(clips, tmp_path, capsys):
    write("wham", tmp_path / "results")
    bad = tmp_path / "results" / "walk" / "wham_output.pkl"
    bad.parent.mkdir()
    bad.write_bytes(pickle.dumps({0: Hostile(os.system, f"touch {tmp_path / 'marker'}")}))
    assert import_poses(clips, tmp_path / "results", "wham") == 1
    said = capsys.readouterr()
    assert f"left out: {bad}: it asks for posix.system" in said.err and "4 of 5 clips labelled" in said.out
    assert not (tmp_path / "marker").exists()
    assert main(["check", str(clips)]) == 0


def test_a_killed_run_continues(clips, tmp_path):
    write("wham", tmp_path / "results")
    assert import_poses(clips, tmp_path / "results", "wham") == 0
    overlay = clips / "overlay-poses.jsonl"
    whole, labels = overlay.read_bytes(), {path: path.read_bytes() for path in clips.rglob("labels-*")}
    lines = whole.splitlines(keepends=True)
    overlay.write_bytes(b"".join(lines[:2]) + lines[2][:20])  # the label file of the third is there, its line is not
    assert import_poses(clips, tmp_path / "results", "wham") == 0
    assert overlay.read_bytes() == whole
    assert {path: path.read_bytes() for path in clips.rglob("labels-*")} == labels


def test_shards_share_the_clips_and_may_have_none(clips, tmp_path):
    write("wham", tmp_path / "results")
    for number in range(7):
        assert import_poses(clips, tmp_path / "results", "wham", "--shard", f"{number}/7") == 0
    assert sum(bool(record.get("pose_sources")) for record in read_manifest(clips)) == 4
    assert len(list(clips.glob("overlay-poses-*-of-7.jsonl"))) == 7


def test_a_single_result_needs_a_single_video(clips, tmp_path, capsys):
    path = made.write_gvhmr(tmp_path / "any.pt", BODY)
    assert import_poses(clips, path, "gvhmr") == 1
    assert "say by --video which it belongs to: dance.mp4, walk.mp4" in capsys.readouterr().err
    assert import_poses(clips, path, "gvhmr", "--video", "walk.mp4") == 0
    assert "1 of 1 clips labelled" in capsys.readouterr().out


def test_what_cannot_be_is_refused(clips, tmp_path, capsys):
    for results, options, message in (
        (tmp_path / "nowhere", [], "there is no hmr4d_results.pt at or below it"),
        (write("gvhmr", tmp_path / "results"), ["--fps", "0"], "--fps is 0"),
        (tmp_path / "results", ["--video", "jump.mp4"], "from a video named 'jump.mp4'"),
        (tmp_path / "results", ["--smplx-model", str(tmp_path / "no.npz")], "does not exist"),
    ):
        assert import_poses(clips, results, "gvhmr", *options) == 1
        assert message in capsys.readouterr().err
    assert not list(clips.glob("overlay*"))


def test_exact_labels_are_never_touched(clips, tmp_path, capsys):
    manifest = clips / "manifest-video.jsonl"
    records = [json.loads(line) | {"source": "render"} for line in manifest.read_text().splitlines()]
    manifest.write_text("".join(json.dumps(record) + "\n" for record in records))
    write("gvhmr", tmp_path / "results")
    assert import_poses(clips, tmp_path / "results", "gvhmr") == 1
    assert "holds no clips of own footage" in capsys.readouterr().err


def test_tracks_are_sorted_by_frame():
    track = make_track(Path("x"), "0", np.array([2, 0, 1]), matrices(BODY[:3]))
    assert track.frames.tolist() == [0, 1, 2]
    np.testing.assert_allclose(track.rotations[0, :21], matrices(BODY[1]))
    assert replace(track, size=1.0).size == 1.0
