"""A capture by four calibrated cameras of a person whose joints are known: places, headings, azimuths, labels, errors.

The pose tracker is replaced by the true places of the joints in each picture; everything else is the command itself.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from calibration_files import write_json, write_qca
from footage_scenes import Room, ring, seen_by, walking_person, write_mp4

from training.data.cli import main
from training.data.clip_store import ClipStore
from training.data.dataset import PairDataset
from training.data.footage import multiview
from training.data.footage.calibration import CalibrationError
from training.data.footage.people import seen_azimuth, seen_framing
from training.data.footage.triangulation import subject_track, triangulate
from training.data.manifest import read_manifest
from training.data.pairs import PairKind

FPS, T = 16.0, 9
CAMERAS = [camera.for_picture(240, 320) for camera in ring(4, first=10.0)]
HEADING = 30.0
POINTS = walking_person(T, HEADING)


def tracks(noise: float = 0.0):
    return [seen_by(camera, POINTS, noise, seed) for seed, camera in enumerate(CAMERAS)]


# --- the geometry -------------------------------------------------------------------------------------------------


def test_joints_are_where_they_are():
    joints = triangulate(CAMERAS, tracks())
    assert joints.seen.all() and joints.miss < 1e-4
    np.testing.assert_allclose(joints.points, POINTS, atol=1e-3)
    noisy = triangulate(CAMERAS, tracks(noise=0.5))
    assert np.median(np.linalg.norm(noisy.points - POINTS, axis=-1)) < 0.02


def test_a_camera_that_sees_something_else_is_left_out():
    wrong = tracks()
    wrong[2].points[:, 15] += 75  # its left wrist is somebody else's
    joints = triangulate(CAMERAS, wrong)
    assert joints.seen[:, 15].all()
    np.testing.assert_allclose(joints.points, POINTS, atol=1e-3)


def test_a_joint_that_one_camera_sees_is_not_known():
    hidden = tracks()
    for track in hidden[1:]:
        track.visibility[:, 31] = 0.0
    joints = triangulate(CAMERAS, hidden)
    assert not joints.seen[:, 31].any() and joints.seen[:, 32].all()


@pytest.mark.parametrize("heading", [0.0, 30.0, 90.0, 179.0, -120.0])
def test_headings_are_told_from_hips_and_shoulders(heading):
    points = walking_person(T, heading)
    joints = triangulate(CAMERAS, [seen_by(camera, points) for camera in CAMERAS])
    subject = subject_track(joints, FPS)
    off = (subject.heading.numpy() - heading + 180) % 360 - 180
    assert np.abs(off).max() < 1.0
    assert subject.height == pytest.approx(1.75, abs=0.12)


@pytest.mark.parametrize("azimuth", range(-165, 180, 30))
def test_one_camera_alone_tells_the_side_it_sees(azimuth):
    (camera,) = ring(1, first=float(azimuth) + HEADING)
    points = POINTS - POINTS[:1, 23:25].mean(axis=1, keepdims=True) * (1, 0, 1)
    track = seen_by(camera, points)
    told = seen_azimuth(track)
    assert told is not None and abs((told - azimuth + 180) % 360 - 180) < 5
    assert seen_framing(track) == "full body"


def test_framing_follows_the_lowest_joints_in_the_picture():
    (camera,) = ring(1)
    track = seen_by(camera, POINTS - POINTS[:1, :1] * (1, 0, 1))
    for joint, name in ((27, "knee"), (25, "waist"), (23, None)):
        lowest = float(track.points[:3, joint : joint + 2, 1].min())
        cut = replace(track, height=int(lowest) - 2)
        assert seen_framing(cut) == name


def test_a_calibration_of_other_videos_is_refused():
    swapped = [CAMERAS[1], CAMERAS[0], *CAMERAS[2:]]
    with pytest.raises(CalibrationError, match=r"does not fit these videos: .* Do camera names and files"):
        triangulate(swapped, tracks())


def test_people_who_lie_or_are_giants_are_told():
    joints = triangulate(CAMERAS, tracks())
    with pytest.raises(CalibrationError, match=r"does not stand upright .* --up"):
        subject_track(replace(joints, points=joints.points[..., [1, 0, 2]]), FPS)
    with pytest.raises(CalibrationError, match=r"trunk is \d+.\d\d m long .* another unit"):
        subject_track(replace(joints, points=joints.points * 1000), FPS)
    with pytest.raises(CalibrationError, match="hardly seen by two cameras"):
        subject_track(replace(joints, seen=np.zeros_like(joints.seen)), FPS)


# --- the command --------------------------------------------------------------------------------------------------


@pytest.fixture
def capture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four videos whose wall carries the camera's number; the tracker finds the true joints."""
    folder = tmp_path / "captures" / "walk"
    for number, camera in enumerate(CAMERAS):
        frames = Room(number, *camera.size).still(2 * T)
        frames[:, 20:40, 20:40] = 60 * number + 20
        write_mp4(folder / f"take_{camera.name}.mp4", frames, FPS)

    def find_person(frames, fps):
        number = round((float(np.median(frames[0, 24:36, 24:36])) - 20) / 60)
        return seen_by(CAMERAS[number], POINTS)

    monkeypatch.setattr(multiview, "find_person", find_person)
    monkeypatch.setattr("training.data.import_video_command.tracker_available", lambda: True)
    return folder


def command(capture: Path, *options: str) -> list[str]:
    out = str(capture.parents[1] / "set")
    return ["import-multiview", str(capture.parent), "--out", out, "--frames", str(T), "--size", "64x64", *options]


def test_a_capture_becomes_calibrated_views(capture, tmp_path, capsys):
    write_qca(capture / "session.qca.txt", CAMERAS)
    assert main(command(capture)) == 0
    assert "2 clips in" in capsys.readouterr().out
    records = read_manifest(tmp_path / "set")
    assert len(records) == 2 and {record["source"] for record in records} == {"multiview"}
    for record in records:
        assert record["kind"] == "static" and [view["still"] for view in record["views"]] == [True] * 4
        for number, view in enumerate(record["views"]):
            expected = (10.0 + 90 * number - HEADING + 180) % 360 - 180
            assert abs((view["azimuth"] - expected + 180) % 360 - 180) < 3
            assert view["caption_source"] == "calibration"
        sides = [view["prompt"]["view"]["azimuth"] for view in record["views"]]
        assert sides == ["front", "left", "back", "right"]
    labels = ClipStore(tmp_path / "set").labels(records[0])
    np.testing.assert_allclose(np.median(labels["heading"].numpy()), HEADING, atol=2)
    np.testing.assert_allclose(labels["tracked_joints"].numpy(), POINTS, atol=0.03)  # the floor is found again
    # The labelled cameras project the labelled joints to where they were tracked, without any lens.
    for view in range(4):
        extrinsics, focal = labels["world_to_camera"][view, 0].numpy(), float(labels["focal"][view, 0])
        local = labels["tracked_joints"].numpy() @ extrinsics[:3, :3].T + extrinsics[:3, 3]
        pixels = local[..., :2] / local[..., 2:] * focal * 64 + 32
        np.testing.assert_allclose(pixels, labels["tracked_2d"][view].numpy(), atol=0.2)
    assert not labels["pose_mask"].any()


def test_it_is_checked_shown_and_trained_on(capture, tmp_path, capsys):
    write_json(capture / "calibration.json", CAMERAS)
    assert main(command(capture)) == 0
    root = str(tmp_path / "set")
    assert main(["check", root]) == 0
    assert main(["show", root, "--count", "1", "--columns", "2", "--out", str(tmp_path / "sheets")]) == 0
    item = PairDataset(root, {PairKind.MULTI_VIEW: 1.0}, seed=0)[(0, 0)]
    assert item["driver"].shape == (T, 3, 64, 64) and not item["pose_mask"].any()
    assert item["caption"]


def test_the_same_command_continues_and_changes_nothing(capture, tmp_path, capsys):
    write_json(capture / "calibration.json", CAMERAS)
    assert main(command(capture)) == 0
    manifest = tmp_path / "set" / "manifest-multiview.jsonl"
    before = manifest.read_bytes()
    video = next((tmp_path / "set").rglob("view_1.mp4"))
    content = video.read_bytes()
    video.write_bytes(content[:100])  # a machine's crash
    assert main(command(capture)) == 0
    assert manifest.read_bytes() == before and video.read_bytes() == content


def test_without_a_calibration_views_stay_open(capture, tmp_path):
    assert main(command(capture)) == 0
    for record in read_manifest(tmp_path / "set"):
        assert all(view["azimuth"] is None for view in record["views"])
        assert {view["caption_source"] for view in record["views"]} <= {"rule", None}
        assert "world_to_camera" not in ClipStore(tmp_path / "set").labels(record)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: [replace(c[1], name=c[0].name), replace(c[0], name=c[1].name), *c[2:]], "does not fit these videos"),
        (lambda c: [replace(each, name=f"other{n}") for n, each in enumerate(c)], "belongs to no camera"),
        (lambda c: [replace(each, size=(320, 240)) for each in c], "its video has 320x240"),
        (lambda c: c[:3], "cam04.mp4 belongs to no camera"),
    ],
    ids=["swapped", "other names", "other shape", "one missing"],
)
def test_wrong_calibrations_are_named_and_leave_a_valid_manifest(change, message, capture, tmp_path, capsys):
    write_json(capture / "calibration.json", change(CAMERAS))
    assert main(command(capture)) == 1
    assert message in capsys.readouterr().err
    assert read_manifest(tmp_path / "set") == []
    write_json(capture / "calibration.json", CAMERAS)
    assert main(command(capture)) == 0
    assert len(read_manifest(tmp_path / "set")) == 2


def test_damaged_videos_are_named(capture, tmp_path, capsys):
    write_json(capture / "calibration.json", CAMERAS)
    video = next(capture.glob("*cam03.mp4"))
    video.write_bytes(video.read_bytes()[:3000])
    assert main(command(capture)) == 1
    said = capsys.readouterr()
    assert "left out: walk" in said.err and "cam03.mp4" in said.err and "could not be read: 1" in said.out
    assert read_manifest(tmp_path / "set") == []


def test_folders_without_captures_are_named(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert main(["import-multiview", str(tmp_path / "empty"), "--out", str(tmp_path / "set")]) == 1
    assert "no folder with two or more videos" in capsys.readouterr().err
