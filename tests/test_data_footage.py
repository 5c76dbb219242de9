"""import-video: shots, windows, people and captions, kills, damaged files, full disks.

The pose tracker is replaced by a person of whom the joints are known; with mediapipe installed, the real one is tried
on real clips too (test_data_real_footage.py).
"""

from __future__ import annotations

import errno
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from footage_scenes import Room, camera_at, seen_by, standing_person, write_mp4

from threedimo_core.pose_tracker import NUM_POINTS, PoseTrack
from training.data import publish
from training.data.cli import main
from training.data.clip_store import ClipStore
from training.data.dataset import PairDataset
from training.data.footage import single
from training.data.footage.cropping import Window, choose_window, cut_out, nearest_size
from training.data.footage.people import person_box, person_seen
from training.data.footage.single import without_black_borders
from training.data.footage.source import content_key, find_videos, stream_frames
from training.data.manifest import ManifestWriter, read_manifest
from training.data.pairs import PairKind

FPS, T = 16.0, 5
SIZE = (120, 160)
CAMERA = camera_at("one", (1.9, 1.1, 2.5), size=SIZE, focal=130, dist=(0, 0, 0, 0, 0))


def person_track(frames: np.ndarray, found: float = 1.0) -> PoseTrack:
    """The standing person in front of the camera, in the first `found` of the frames."""
    track = seen_by(CAMERA, np.repeat(standing_person()[None], len(frames), axis=0))
    known = np.arange(len(frames)) < found * len(frames)
    return replace(track, found=known, visibility=track.visibility * known[:, None])


@pytest.fixture
def tracker(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A tracker that finds the person; the list's first value is the share of frames that show them."""
    share = [1.0]
    monkeypatch.setattr(single, "find_person", lambda frames, fps: person_track(frames, share[0]))
    monkeypatch.setattr("training.data.import_video_command.tracker_available", lambda: True)
    return share


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """two_shots.mp4: 12 still frames, a cut, 8 frames of a pan; below/one.mp4: 6 still frames."""
    pan = np.stack([np.linspace(0, 40, 8), np.zeros(8)], axis=1)
    two = np.concatenate([lively(Room(0, *SIZE).still(12)), Room(1, *SIZE).seen(pan)])
    write_mp4(tmp_path / "videos" / "two_shots.mp4", two, FPS)
    write_mp4(tmp_path / "videos" / "below" / "one.mp4", lively(Room(2, *SIZE).still(6)), FPS)
    return tmp_path / "videos"


def lively(frames: np.ndarray) -> np.ndarray:
    """With a patch in the person's place that changes, so that something moves."""
    for number, frame in enumerate(frames):
        frame[40:80, 70:90] = 40 + 30 * (number % 5)
    return frames


def command(videos: Path, *options: str) -> list[str]:
    out = str(videos.parent / "set")
    return ["import-video", str(videos), "--out", out, "--frames", str(T), "--size", "64x64", "--hand-size", "16",
            *options]  # fmt: skip


def tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


# --- the command --------------------------------------------------------------------------------------------------


def test_videos_become_clips(videos, tracker, tmp_path, capsys):
    assert main(command(videos)) == 0
    records = read_manifest(tmp_path / "set")
    where = sorted((record["origin"]["files"][0], round(record["origin"]["start"] * FPS)) for record in records)
    assert where == [("below/one.mp4", 0), ("two_shots.mp4", 0), ("two_shots.mp4", 5), ("two_shots.mp4", 13)]
    store = ClipStore(tmp_path / "set")
    for record in records:
        (view,) = record["views"]
        moving = record["origin"]["start"] * FPS > 12
        assert view["still"] is not moving
        assert (view["caption_source"], bool(view["captions"][0])) == ((None, False) if moving else ("rule", True))
        if not moving:
            assert view["prompt"]["view"] == {"azimuth": "front-left", "elevation": None, "framing": "full body"}
        assert store.frames(record, 0).shape == (T, 3, 64, 64) and store.hands(record, 0).shape == (T, 2, 3, 16, 16)
        labels = store.labels(record)
        assert labels["tracked_2d"].shape == (1, T, NUM_POINTS, 2) and not labels["pose_mask"].any()
        assert labels["hand_present"].all()
        inside = labels["tracked_2d"][0, 0]
        assert ((inside > 0) & (inside < 64)).all(), "the window is about the person"
    assert main(["check", str(tmp_path / "set")]) == 0
    item = PairDataset(tmp_path / "set", {PairKind.SAME_VIEW: 1.0}, seed=0)[(0, 0)]
    assert item["hands"].shape == (T, 2, 3, 16, 16)


def test_the_same_command_continues(videos, tracker, tmp_path):
    """Killed between a folder and its line, with an unfinished line and an unfinished folder: the same bytes again."""
    assert main(command(videos)) == 0
    whole = tree(tmp_path / "set")
    manifest = tmp_path / "set" / "manifest-video.jsonl"
    lines = manifest.read_bytes().splitlines(keepends=True)
    manifest.write_bytes(b"".join(lines[:1]) + lines[1][:30])
    (tmp_path / "set" / "sources-video.jsonl").unlink()
    folder = tmp_path / "set" / json.loads(lines[2])["path"]
    (folder.parent / f".unfinished-{folder.name}-1").mkdir()
    assert main(command(videos)) == 0
    assert tree(tmp_path / "set") == whole


def test_new_files_join_and_shards_share_nothing(videos, tracker, tmp_path):
    assert main(command(videos, "--shard", "0/2")) == 0
    first = {record["id"] for record in read_manifest(tmp_path / "set")}
    assert main(command(videos, "--shard", "1/2")) == 0
    both = {record["id"] for record in read_manifest(tmp_path / "set")}
    assert first < both and len(both) == 4
    (videos / "below" / "one.mp4").rename(videos / "moved.mp4")  # the same content under another name is known
    assert main(command(videos)) == 0
    assert {record["id"] for record in read_manifest(tmp_path / "set")} == both


def test_clips_without_a_person_are_left_out(videos, tracker, tmp_path, capsys):
    tracker[0] = 0.5
    assert main(command(videos)) == 0
    assert "(4 no person)" in capsys.readouterr().out and read_manifest(tmp_path / "set") == []


def test_small_people_and_frozen_pictures_are_left_out(videos, tracker, tmp_path, capsys):
    still = np.repeat(Room(4, *SIZE).still(1), 6, axis=0)
    write_mp4(videos / "still.mp4", still, FPS)
    assert main(command(videos, "--min-person", "1.0")) == 0
    said = capsys.readouterr().out
    assert "4 the person is small" in said and "1 nothing moves" in said


def test_without_a_tracker_people_are_not_looked_for(videos, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("training.data.import_video_command.tracker_available", lambda: False)
    assert main(command(videos)) == 0
    assert "mediapipe is missing" in capsys.readouterr().err
    records = read_manifest(tmp_path / "set")
    assert len(records) == 4 and all(record["labels"] is None for record in records)
    assert all(record["views"][0]["hands"] is None for record in records)
    item = PairDataset(tmp_path / "set", {PairKind.SAME_VIEW: 1.0}, seed=0, hand_size=16)[(0, 0)]
    assert not item["hand_present"].any() and not item["pose_mask"].any()
    assert main(["check", str(tmp_path / "set")]) == 0


def test_each_file_goes_to_the_size_of_its_shape(videos, tracker, tmp_path):
    assert main(command(videos, "--fit", "pad", "--size", "64x64", "48x64")) == 0
    assert {(r["height"], r["width"]) for r in read_manifest(tmp_path / "set")} == {(48, 64)}


def test_damaged_files_are_named_and_the_others_imported(videos, tracker, tmp_path, capsys):
    whole = (videos / "two_shots.mp4").read_bytes()
    (videos / "truncated.mp4").write_bytes(whole[: len(whole) // 2])
    (videos / "empty.mp4").write_bytes(b"")
    (videos / "text.mp4").write_text("not a video")
    assert main(command(videos)) == 1
    said = capsys.readouterr()
    for name in ("truncated.mp4", "empty.mp4", "text.mp4"):
        assert f"left out: {videos / name}" in said.err
    assert "files that could not be read: 3" in said.out
    assert len(read_manifest(tmp_path / "set")) == 4
    assert main(["check", str(tmp_path / "set")]) == 0


def test_a_full_disk_leaves_a_valid_manifest(videos, tracker, tmp_path, monkeypatch, capsys):
    written: list[str] = []
    write_bytes = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        if ".unfinished" in str(path):
            written.append(path.name)
            if written.count("record.json") == 2:
                raise OSError(errno.ENOSPC, "No space left on device")
        return write_bytes(path, data)

    monkeypatch.setattr(publish.Path, "write_bytes", full)
    assert main(command(videos)) == 1
    assert "no space left while writing" in capsys.readouterr().err
    assert len(read_manifest(tmp_path / "set")) == 1
    assert not list((tmp_path / "set").rglob(".unfinished*"))
    monkeypatch.undo()
    monkeypatch.setattr(single, "find_person", lambda frames, fps: person_track(frames))
    monkeypatch.setattr("training.data.import_video_command.tracker_available", lambda: True)
    assert main(command(videos)) == 0
    assert len(read_manifest(tmp_path / "set")) == 4


def test_other_settings_and_missing_folders_are_refused(videos, tracker, tmp_path, capsys):
    assert main(command(videos)) == 0
    assert main(command(videos, "--fps", "8")) == 1
    assert "fps: 16.0 there, 8.0 asked" in capsys.readouterr().err
    assert main(command(tmp_path / "nowhere")) == 1
    assert "nowhere" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert main(command(tmp_path / "empty")) == 1
    assert "no videos (.mp4" in capsys.readouterr().err


def test_own_footage_and_renders_share_a_folder(videos, tracker, tmp_path):
    """A record of a rendered set beside them: both are listed, indices never meet."""
    assert main(command(videos)) == 0
    rendered = {"id": "train-0-0000000", "index": 0, "path": "performances/0000/0000000", "num_frames": T, "fps": FPS,
                "height": 64, "width": 64, "views": [], "files": {}}  # fmt: skip
    with ManifestWriter(tmp_path / "set" / "manifest.jsonl") as manifest:
        manifest.append(rendered)
    records = read_manifest(tmp_path / "set")
    assert records[0]["id"] == rendered["id"] and len({record["index"] for record in records}) == 5


# --- the parts ----------------------------------------------------------------------------------------------------


def test_windows_hold_the_person():
    size = nearest_size(480, 848, ((128, 128), (128, 224)))
    assert size == (128, 224)
    window = choose_window(480, 848, (128, 128), "crop", (600.0, 100.0, 700.0, 400.0))
    assert (window.height, window.width) == (480, 480) and window.left == 368  # at the right edge
    assert window.holds((600.0, 100.0, 700.0, 400.0)) == 1.0
    tall = choose_window(1920, 1080, (128, 128), "crop", (300.0, 200.0, 700.0, 1700.0))
    assert tall.top == 200, "the head rather than the feet"
    padded = choose_window(480, 848, (128, 128), "pad", None)
    assert padded.top < 0 and padded.width == 848


@pytest.mark.parametrize("shape", [(120, 160), (160, 120), (100, 100)])
def test_padded_and_cropped_pixels_are_where_the_window_says(shape):
    frame = np.zeros((*shape, 3), np.uint8)
    frame[48:52, 58:62] = 255
    for fit in ("crop", "pad"):
        window = choose_window(*shape, (80, 80), fit, None)
        picture = cut_out(frame[None], window)[0, ..., 0].astype(float)
        rows, columns = np.indices(picture.shape)
        middle = np.array([(rows * picture).sum(), (columns * picture).sum()]) / picture.sum() + 0.5
        expected = (np.array([50, 60]) - (window.top, window.left)) * window.scale
        np.testing.assert_allclose(middle, expected, atol=0.8)


def test_a_window_knows_how_much_of_a_box_it_holds():
    window = Window(0, 0, 100, 100, (64, 64))
    assert window.holds((50, 0, 150, 100)) == pytest.approx(0.5) and window.holds((200, 0, 300, 100)) == 0


def test_black_borders_go_and_dark_pictures_stay():
    frames = Room(0, *SIZE).still(3)
    bars = frames.copy()
    bars[:, :20], bars[:, -20:] = 0, 0
    assert without_black_borders(bars).shape == (3, 80, 160, 3)
    assert without_black_borders(frames // 20).shape == frames.shape
    assert without_black_borders(frames * 0).shape == frames.shape


def test_the_box_of_a_person_has_all_of_them():
    track = person_track(np.zeros((T, *SIZE, 3), np.uint8))
    x0, y0, x1, y1 = person_box(track, FPS)
    low, high = track.points.min(axis=(0, 1)), track.points.max(axis=(0, 1))
    assert x0 < low[0] and y0 < low[1] and x1 > high[0] and y1 > high[1]
    seen = person_seen(track)
    true = (high[1] - low[1]) / SIZE[0]
    assert seen.share == 1.0 and abs(seen.height - true) < 0.2 * true
    nobody = person_track(np.zeros((T, *SIZE, 3), np.uint8), found=0.0)
    assert person_box(nobody, FPS) is None and person_seen(nobody).share == 0.0


def test_frames_are_the_same_whichever_chunk_they_come_in(tmp_path, monkeypatch):
    path = write_mp4(tmp_path / "a.mp4", lively(Room(0, *SIZE).still(40)), FPS)
    whole = list(stream_frames(path, 8.0, 64))
    monkeypatch.setattr("training.data.footage.source._CHUNK_SECONDS", 0.8)
    parts = list(stream_frames(path, 8.0, 64))
    assert len(whole) == len(parts) == 20
    assert all(np.array_equal(a, b) for a, b in zip(whole, parts, strict=True))


def test_files_are_found_by_ending_and_named_by_content(tmp_path):
    path = write_mp4(tmp_path / "a" / "b.MP4", Room(0, *SIZE).still(2), FPS)
    (tmp_path / "a" / "notes.txt").write_text("x")
    assert find_videos([tmp_path]) == [(path, "a/b.MP4")]
    copy = tmp_path / "c.mp4"
    copy.write_bytes(path.read_bytes())
    assert content_key([path]) == content_key([copy]) and len(content_key([path])) == 12
    copy.write_bytes(path.read_bytes() + b"x")
    assert content_key([path]) != content_key([copy])
