"""Real clips, a calibrated four-camera capture and mocap files, which lie beside the checkout and are never part of it;
with the real pose tracker where it is installed."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from training.data.cli import main
from training.data.clip_store import ClipStore
from training.data.footage.people import tracker_available
from training.data.manifest import read_manifest
from training.data.motion_bank import load_bank

SHARED = Path(__file__).parents[2] / "shared"
CLIPS = sorted((SHARED / "clips").glob("*.mp4"))
CAPTURE = SHARED / "clips" / "multiview"
MOTION = SHARED / "motion"

pytestmark = pytest.mark.slow
absent = pytest.mark.skipif(not CLIPS or not CAPTURE.is_dir(), reason=f"there are no clips in {SHARED}")
mocap = pytest.mark.skipif(not MOTION.is_dir(), reason=f"there are no motions in {SHARED}")


@pytest.fixture(scope="module")
def tracker() -> None:
    if not tracker_available():
        pytest.skip("the pose tracker is not installed; `make hands`")


@absent
@pytest.mark.usefixtures("tracker")
def test_people_are_found_in_clips(tmp_path):
    command = [
        "import-video",
        *map(str, CLIPS),
        "--out",
        str(tmp_path),
        "--frames",
        "9",
        "--size",
        "128x128",
        "224x128",
    ]
    assert main([*command, "--max-clips", "2"]) == 0
    records = read_manifest(tmp_path)
    assert {record["origin"]["files"][0] for record in records} == {path.name for path in CLIPS}
    for record in records:
        labels = ClipStore(tmp_path).labels(record)
        assert (labels["tracked_visibility"].float().mean(dim=(1, 2)) > 0.5).all()
        assert labels["hand_present"].float().mean() > 0.3
    assert main(["check", str(tmp_path)]) == 0


@absent
@pytest.mark.usefixtures("tracker")
def test_the_four_cameras_are_named_as_the_pictures_show(tmp_path):
    """Seen in the pictures: the first two show the person's front, the second more of their left side; the third
    shows their back with the left side, the fourth their back with the right side."""
    assert main(["import-multiview", str(CAPTURE), "--out", str(tmp_path), "--size", "128x128"]) == 0
    (record,) = read_manifest(tmp_path)
    sides = [view["prompt"]["view"]["azimuth"] for view in record["views"]]
    assert sides == ["front", "front-left", "back-left", "back-right"]
    assert [view["caption_source"] for view in record["views"]] == ["calibration"] * 4
    labels = ClipStore(tmp_path).labels(record)
    assert labels["tracked_seen"].float().mean() > 0.7 and record["origin"]["calibration_miss"] < 0.01
    seen = labels["tracked_joints"][labels["tracked_seen"].bool()]
    assert float(seen[:, 1].min()) > -0.1 and 1.4 < float(seen[:, 1].max()) < 2.1, "a grown person on the floor"


@absent
@pytest.mark.usefixtures("tracker")
def test_a_wrong_calibration_and_a_truncated_file_are_named(tmp_path, capsys):
    capture = tmp_path / "capture"
    shutil.copytree(CAPTURE, capture)
    first, second = (capture / f"p2s_single_cam0{number}.mp4" for number in (1, 3))
    content = first.read_bytes(), second.read_bytes()
    first.write_bytes(content[1])
    second.write_bytes(content[0])
    command = ["import-multiview", str(capture), "--out", str(tmp_path / "set"), "--size", "64x64", "--frames", "5"]
    assert main(command) == 1
    assert "calibration" in capsys.readouterr().err and read_manifest(tmp_path / "set") == []
    first.write_bytes(content[0])
    second.write_bytes(content[1][: len(content[1]) // 2])
    assert main(command) == 1
    assert "p2s_single_cam03.mp4" in capsys.readouterr().err and read_manifest(tmp_path / "set") == []


@mocap
def test_every_motion_file_is_imported(tmp_path, capsys):
    """BVH of two makers, ASF/AMC, on the floor. Some have joints for fingers; in none do the fingers move."""
    files = [MOTION / "animated_drawings", MOTION / "cmu_amc" / "02_01.amc", MOTION / "cmu_bvh" / "007_01.bvh"]
    bank = tmp_path / "bank.safetensors"
    assert main(["import-motions", *map(str, files), "--out", str(bank), "--credit", "CMU; AnimatedDrawings"]) == 0
    loaded = load_bank(bank)
    assert loaded.credit and "0 files failed" in capsys.readouterr().out
    assert {"jesse_dance", "dab", "02_01", "007_01"} <= {entry.name for entry in loaded.entries}
    assert not any(entry.fingers for entry in loaded.entries)
    assert np.isfinite(loaded.rotations.numpy()).all()
    broken = tmp_path / "broken.bvh"
    lines = (MOTION / "animated_drawings" / "dab.bvh").read_text().splitlines()
    broken.write_text("\n".join(lines[: len(lines) - 5]))
    assert main(["import-motions", str(broken), "--out", str(bank)]) == 1
    assert "broken.bvh" in capsys.readouterr().err and load_bank(bank).entries == loaded.entries
