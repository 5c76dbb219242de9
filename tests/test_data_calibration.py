"""Calibrations of four kinds give the same cameras; damaged and impossible ones are named."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from calibration_files import write_easymocap, write_json, write_pose2sim, write_qca
from footage_scenes import camera_at, ring, standing_person

from training.data.footage.calibration import UPS, CalibrationError, find_calibration, read_calibration
from training.data.footage.rectify import rectified

CAMERAS = ring(4)
# Held by other tools than ours, so written by hand once: a camera 3 m in front, looking at the origin along -x.
BY_HAND = {
    "up": "z",
    "cameras": {
        "front": {
            "size": [640, 480],
            "K": [[500, 0, 320], [0, 500, 240], [0, 0, 1]],
            "R": [[0, 1, 0], [0, 0, -1], [-1, 0, 0]],
            "t": [0, 1, 3],
        }
    },
}


def toml_readable() -> bool:
    return sys.version_info >= (3, 11)


def write(kind: str, folder: Path) -> Path:
    if kind == "qca":
        return write_qca(folder / "session.qca.txt", CAMERAS)
    if kind == "easymocap":
        return write_easymocap(folder, CAMERAS)
    if kind == "pose2sim":
        return write_pose2sim(folder / "Calib_session.toml", CAMERAS)
    return write_json(folder / "calibration.json", CAMERAS)


@pytest.mark.parametrize("kind", ["qca", "easymocap", "pose2sim", "json"])
def test_every_format_gives_the_same_cameras(kind, tmp_path):
    if kind == "pose2sim" and not toml_readable():
        pytest.skip("tomllib came with Python 3.11")
    path = write(kind, tmp_path)
    assert find_calibration(tmp_path) == path
    cameras = read_calibration(tmp_path)
    assert [camera.name for camera in cameras] == [camera.name for camera in CAMERAS]
    points = standing_person()
    for read, made in zip(cameras, CAMERAS, strict=True):
        assert read.size == made.size
        np.testing.assert_allclose(read.project(points), made.project(points), atol=0.02)
        np.testing.assert_allclose(read.position, made.position, atol=1e-4)


def test_a_camera_written_by_hand(tmp_path):
    """World: x towards the camera, y to the right of its picture, z up; the camera stands 1 m high."""
    (tmp_path / "calibration.json").write_text(json.dumps(BY_HAND))
    (camera,) = read_calibration(tmp_path)
    assert camera.position[1] == pytest.approx(1.0)
    assert np.hypot(camera.position[0], camera.position[2]) == pytest.approx(3.0)
    ahead = -camera.position * (1, 0, 1)
    middle = camera.project(np.array([[0.0, 1.0, 0.0], [0.0, 2.0, 0.0]]))
    np.testing.assert_allclose(middle[0], (320, 240), atol=1e-6)
    assert middle[1, 1] < 240, "what is higher in the world is higher in the picture"
    right = np.cross(ahead / 3, (0.0, 1.0, 0.0))
    assert camera.project(np.array([(0, 1, 0) + right]))[0, 0] > 320


@pytest.mark.parametrize("up", UPS)
def test_any_axis_may_point_up(up, tmp_path):
    """The same camera told in a world turned so that `up` points up."""
    axis, sign = "xyz".index(up[-1]), -1.0 if up[0] == "-" else 1.0
    columns = np.zeros((3, 3))  # our x, y, z in the file's world
    columns[axis, 1], columns[(axis + 1) % 3, 2] = sign, 1.0
    columns[:, 0] = np.cross(columns[:, 1], columns[:, 2])
    camera = CAMERAS[1]
    table = {
        "size": [640, 480],
        "K": camera.matrix.tolist(),
        "R": (camera.world_to_camera[:3, :3] @ columns.T).tolist(),
        "t": camera.world_to_camera[:3, 3].tolist(),
    }
    (tmp_path / "calibration.json").write_text(json.dumps({"up": up, "cameras": {"a": table}}))
    (read,) = read_calibration(tmp_path)
    np.testing.assert_allclose(read.world_to_camera, camera.world_to_camera, atol=1e-9)


def test_other_sizes_scale_and_other_shapes_are_refused():
    camera = CAMERAS[0].for_picture(240, 320)
    points = standing_person()
    np.testing.assert_allclose(camera.project(points) * 2, CAMERAS[0].project(points), atol=1e-6)
    with pytest.raises(CalibrationError, match=r"640x480 pixels .*, its video has 480x640"):
        CAMERAS[0].for_picture(640, 480)


def damaged(change: dict) -> str:
    table = BY_HAND["cameras"]["front"] | change
    return json.dumps({"cameras": {"front": table}})


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("c.json", "{", "cannot be read as a calibration"),
        ("c.json", "[]", "cannot be read as a calibration"),
        ("c.json", '{"cameras": {}}', "names no cameras"),
        ("c.json", '{"cameras": {"a": {"size": [4, 4]}}}', "lacks 'R'|lacks 'K'"),
        ("c.json", json.dumps(BY_HAND | {"up": "w"}), "up is 'w', expected one of x, y, z"),
        ("c.json", damaged({"R": [[1, 0, 0], [0, 1, 0], [0, 0, 2]]}), "no rotation"),
        ("c.json", damaged({"R": [[1, 0, 0], [0, 1, 0], [0, 0, -1]]}), "no rotation"),
        ("c.json", damaged({"t": [0, float("nan"), 0]}), "not finite"),
        ("c.json", damaged({"K": [[0, 0, 1], [0, 0, 1], [0, 0, 1]]}), "no focal length"),
        ("c.json", damaged({"K": [1, 2]}), "cannot be read as a calibration"),
        ("c.qca.txt", "<calibration><camera serial='1'/></calibration>", "has no <fov_video>"),
        ("c.qca.txt", "<calibration>", "cannot be read as a calibration"),
        ("c.qca.txt", "<!DOCTYPE a [<!ENTITY b 'c'>]><calibration/>", "declares XML entities"),
        ("intri.yml", "%YAML:1.0\n---\nnames: [ a ]\n", "half a calibration"),
        ("c.toml", "[cam\n", "cannot be read as a calibration|needs Python 3.11"),
        ("c.txt", "", "unknown ending"),
    ],
)
def test_damaged_files_are_named(name, content, message, tmp_path):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(CalibrationError, match=message) as caught:
        read_calibration(path)
    assert str(tmp_path) in str(caught.value)


def test_missing_files_and_matrices_are_named(tmp_path):
    with pytest.raises(CalibrationError, match="does not exist"):
        read_calibration(tmp_path / "calibration.json")
    intri = write_easymocap(tmp_path, CAMERAS[:1])
    outside = tmp_path / "extri.yml"
    outside.write_text(outside.read_text().replace("T_cam01", "S_cam01"))
    with pytest.raises(CalibrationError, match="lacks T_cam01"):
        read_calibration(intri)


def test_a_rectified_camera_is_the_real_one_without_its_lens():
    """Points of the world are where `from_source` says that the real picture's pixels went."""
    camera = camera_at("a", (2.0, 1.6, 3.0), roll=5.0)
    points = standing_person()
    pinhole = rectified(camera, points, (128, 128))
    np.testing.assert_allclose(pinhole.position, camera.position)
    np.testing.assert_allclose(pinhole.project(points), pinhole.from_source(camera.project(points)), atol=0.05)
    inside = pinhole.project(points)
    assert ((inside > 0) & (inside < 128)).all()
    grid = np.stack(np.meshgrid(np.arange(640), np.arange(480)), axis=-1)
    picture = np.stack([grid[..., 0] // 3, grid[..., 1] // 3, np.full((480, 640), 255)], axis=-1).astype(np.uint8)
    seen = pinhole.picture(picture[None])[0].astype(float)
    assert (seen[..., 2] > 250).mean() > 0.995, "nothing from beyond the edge of the real picture"
    real = camera.project(points[[0, 24]])  # nose, right hip: their place is painted into the picture
    for pixel, place in zip(inside[[0, 24]].astype(int), real, strict=True):
        np.testing.assert_allclose(seen[pixel[1], pixel[0], :2] * 3, place, atol=6)
