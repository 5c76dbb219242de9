"""Calibrations of multi-view captures: Qualisys/pose2sim `.qca.txt`, EasyMocap `intri.yml` + `extri.yml`, pose2sim
`.toml`, plain JSON. All end in the same cameras: OpenCV axes, metres, y up.

Plain JSON:
    {"up": "z",                                       axis that points up: x, y, z, -x, -y or -z
     "unit": 0.001,                                   metres of one unit of the translations (default 1)
     "cameras": {"cam01": {
         "size": [1080, 1920],                        width, height that the intrinsics are for
         "K": [[f, 0, cx], [0, f, cy], [0, 0, 1]],
         "dist": [k1, k2, p1, p2, k3],                may be left out
         "R": [[...], [...], [...]], "t": [...]}}}    point_camera = R @ point_world + t
"""

from __future__ import annotations

import json
import math
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

UPS = ("x", "y", "z", "-x", "-y", "-z")
# Names looked for in a capture's folder, in this order.
CALIBRATION_PATTERNS = ("*.qca.txt", "intri.yml", "calibration.json", "*[Cc]alib*.json", "*[Cc]alib*.toml")
_ENTITIES = re.compile(rb"<!\s*(DOCTYPE|ENTITY)", re.IGNORECASE)
_MOST_BYTES = 16 << 20
_ASPECT_TOLERANCE = 0.02


class CalibrationError(ValueError):
    """A calibration that cannot be read or does not fit its videos; the message names file, fault and remedy."""


@dataclass(frozen=True)
class CalibratedCamera:
    """A pinhole with lens distortion: K [3, 3] in pixels of a picture of `size` (height, width); dist [5] as OpenCV
    has it (k1, k2, p1, p2, k3); world_to_camera [4, 4], OpenCV axes, metres, y up."""

    name: str
    size: tuple[int, int]
    matrix: np.ndarray
    dist: np.ndarray
    world_to_camera: np.ndarray

    @property
    def position(self) -> np.ndarray:
        """[3] in the world."""
        return -self.world_to_camera[:3, :3].T @ self.world_to_camera[:3, 3]

    def for_picture(self, height: int, width: int) -> CalibratedCamera:
        """The camera of the same lens for pictures of another size. CalibrationError for another shape."""
        if abs(math.log((width / height) / (self.size[1] / self.size[0]))) > _ASPECT_TOLERANCE:
            raise CalibrationError(
                f"camera {self.name} is calibrated for pictures of {self.size[1]}x{self.size[0]} pixels (width x "
                f"height), its video has {width}x{height}; was the video cropped or turned after the calibration?"
            )
        scale = np.diag([width / self.size[1], height / self.size[0], 1.0])
        return replace(self, size=(height, width), matrix=scale @ self.matrix)

    def rays(self, pixels: np.ndarray) -> np.ndarray:
        """Pixels [..., 2] to x / z, y / z [..., 2] in the camera, without the lens's distortion."""
        flat = np.ascontiguousarray(pixels.reshape(-1, 1, 2), np.float64)
        return cv2.undistortPoints(flat, self.matrix, self.dist).reshape(pixels.shape)

    def project(self, points: np.ndarray) -> np.ndarray:
        """Points [N, 3] of the world to pixels [N, 2]; behind the camera they mean nothing."""
        rotation = cv2.Rodrigues(self.world_to_camera[:3, :3])[0]
        flat = np.ascontiguousarray(points, np.float64).reshape(-1, 1, 3)
        return cv2.projectPoints(flat, rotation, self.world_to_camera[:3, 3], self.matrix, self.dist)[0].reshape(-1, 2)


def find_calibration(folder: Path) -> Path | None:
    """The calibration that lies in a capture's folder, or None."""
    for pattern in CALIBRATION_PATTERNS:
        found = sorted(folder.glob(pattern))
        if found:
            return found[0]
    return None


def read_calibration(path: Path, up: str | None = None) -> list[CalibratedCamera]:
    """The cameras of a calibration file. For EasyMocap name `intri.yml` (or its folder); `extri.yml` lies beside it.

    up: the axis of the file's world that points up; by default what its format says (z, when it says nothing).
    CalibrationError when the file is missing, damaged or holds impossible cameras.
    """
    if path.is_dir():
        path = find_calibration(path) or path / "intri.yml"
    if not path.is_file():
        raise CalibrationError(f"{path} does not exist; expected a calibration ({', '.join(CALIBRATION_PATTERNS)})")
    if path.stat().st_size > _MOST_BYTES:
        raise CalibrationError(f"{path} has {path.stat().st_size} bytes; no calibration needs over {_MOST_BYTES}")
    try:
        cameras, own_up = _reader(path)(path)
    except (KeyError, TypeError, ValueError, AttributeError, ElementTree.ParseError, OSError, cv2.error) as error:
        if isinstance(error, CalibrationError):
            raise
        raise CalibrationError(f"{path} cannot be read as a calibration ({_reason(error)})") from error
    if not cameras:
        raise CalibrationError(f"{path} names no cameras")
    turn = _upright(up or own_up, path)
    return [_checked(replace(each, world_to_camera=each.world_to_camera @ turn), path) for each in cameras]


Found = tuple[list[CalibratedCamera], str]


def _reader(path: Path) -> Callable[[Path], Found]:
    name = path.name.lower()
    readers: Mapping[str, Callable[[Path], Found]] = {
        ".qca.txt": _read_qca,
        ".xml": _read_qca,
        ".yml": _read_easymocap,
        ".yaml": _read_easymocap,
        ".json": _read_json,
        ".toml": _read_toml,
    }
    for ending, reader in readers.items():
        if name.endswith(ending):
            return reader
    raise CalibrationError(f"{path} has an unknown ending; calibrations end in {', '.join(readers)}")


# --- the formats --------------------------------------------------------------------------------------------------


def _read_qca(path: Path) -> Found:
    """Qualisys: XML; lengths in mm, pixels times 64, axes x right, y up, z towards the viewer."""
    content = path.read_bytes()
    if _ENTITIES.search(content):
        raise CalibrationError(f"{path} declares XML entities, which no calibration needs; export it again")
    cameras: list[CalibratedCamera] = []
    for node in ElementTree.fromstring(content).iter("camera"):
        frame, pose, lens = (_child(node, name, path) for name in ("fov_video", "transform", "intrinsic"))
        left, top = _number(frame, "left"), _number(frame, "top")
        size = (int(_number(frame, "bottom") - top) + 1, int(_number(frame, "right") - left) + 1)
        matrix = np.eye(3)
        matrix[0, 0], matrix[1, 1] = _number(lens, "focalLengthU") / 64, _number(lens, "focalLengthV") / 64
        matrix[0, 2] = _number(lens, "centerPointU") / 64 - left
        matrix[1, 2] = _number(lens, "centerPointV") / 64 - top
        names = ("radialDistortion1", "radialDistortion2", "tangentalDistortion1", "tangentalDistortion2")
        dist = np.array([*(_number(lens, name) for name in names), _number(lens, "radialDistortion3", 0.0)])
        rotation = np.array([[_number(pose, f"r{i}{j}") for j in (1, 2, 3)] for i in (1, 2, 3)])
        place = np.array([_number(pose, axis) for axis in "xyz"]) / 1000
        turned = np.diag([1.0, -1.0, -1.0]) @ rotation
        name = node.get("serial") or f"camera {len(cameras) + 1}"
        cameras.append(CalibratedCamera(name, size, matrix, dist, _extrinsics(turned, -turned @ place)))
    return cameras, "z"


def _read_easymocap(path: Path) -> Found:
    """EasyMocap: OpenCV's YAML; K_<name>, dist_<name> in intri.yml, Rot_<name> or R_<name>, T_<name> in extri.yml."""
    other = path.with_name(path.name.replace("intri", "extri"))
    if other == path or not other.is_file():
        raise CalibrationError(f"{path} is half a calibration: expected intri.yml and extri.yml beside each other")
    inside, outside = (cv2.FileStorage(str(each), cv2.FILE_STORAGE_READ) for each in (path, other))
    names = inside.getNode("names")
    cameras = []
    for number in range(names.size()):
        name = names.at(number).string() or str(int(names.at(number).real()))
        matrix = _matrix(inside, f"K_{name}", (3, 3), path)
        dist = np.zeros(5)
        for key in (f"dist_{name}", f"D_{name}"):
            if not inside.getNode(key).empty():
                values = inside.getNode(key).mat().ravel()[:5]
                dist[: len(values)] = values
        rotation = outside.getNode(f"Rot_{name}")
        turned = (
            _matrix(outside, f"Rot_{name}", (3, 3), other)
            if not rotation.empty()
            else cv2.Rodrigues(_matrix(outside, f"R_{name}", (3, 1), other))[0]
        )
        shift = _matrix(outside, f"T_{name}", (3, 1), other)[:, 0]
        height, width = (int(inside.getNode(f"{side}_{name}").real()) for side in "HW")
        if height < 1 or width < 1:  # older files do not say: the principal point is near the middle
            height, width = round(2 * matrix[1, 2]), round(2 * matrix[0, 2])
        cameras.append(CalibratedCamera(name, (height, width), matrix, dist, _extrinsics(turned, shift)))
    return cameras, "z"


def _read_json(path: Path) -> Found:
    content = json.loads(path.read_text("utf-8"))
    unit = float(content.get("unit", 1.0))
    cameras = [_from_table(name, table, unit) for name, table in content["cameras"].items()]
    return cameras, str(content.get("up", "z"))


def _from_table(name: str, table: Mapping[str, Any], unit: float) -> CalibratedCamera:
    width, height = (int(side) for side in table["size"])
    dist = np.zeros(5)
    given = np.asarray(table.get("dist", []), float).ravel()
    dist[: min(5, len(given))] = given[:5]
    rotation = np.asarray(table["R"], float)
    if rotation.size == 3:
        rotation = cv2.Rodrigues(rotation.reshape(3, 1))[0]
    shift = np.asarray(table["t"], float).reshape(3) * unit
    return CalibratedCamera(
        name, (height, width), np.asarray(table["K"], float).reshape(3, 3), dist, _extrinsics(rotation, shift)
    )


def _read_toml(path: Path) -> Found:
    """pose2sim's: a table for each camera with size, matrix, distortions, rotation (axis times angle), translation."""
    try:
        import tomllib
    except ImportError:
        raise CalibrationError(f"{path}: reading .toml needs Python 3.11; give the .qca.txt or JSON instead") from None
    content = tomllib.loads(path.read_text("utf-8"))
    tables = {name: table for name, table in content.items() if isinstance(table, dict) and "matrix" in table}
    if any(table.get("fisheye") for table in tables.values()):
        raise CalibrationError(f"{path} describes fisheye lenses, which are not supported; undistort the videos first")
    return [
        _from_table(
            str(table.get("name", name)),
            {
                "size": table["size"],
                "K": table["matrix"],
                "dist": table.get("distortions", []),
                "R": table["rotation"],
                "t": table["translation"],
            },
            1.0,
        )
        for name, table in tables.items()
    ], "z"


# --- helpers ------------------------------------------------------------------------------------------------------


def _child(node: ElementTree.Element, name: str, path: Path) -> ElementTree.Element:
    child = node.find(name)
    if child is None:
        raise CalibrationError(f"{path}: camera {node.get('serial')} has no <{name}>; export the calibration again")
    return child


def _number(node: ElementTree.Element, name: str, default: float | None = None) -> float:
    text = node.get(name)
    if text is None:
        if default is None:
            raise CalibrationError(f"<{node.tag}> lacks {name}")
        return default
    return float(text)


def _matrix(storage: cv2.FileStorage, name: str, shape: tuple[int, int], path: Path) -> np.ndarray:
    node = storage.getNode(name)
    values = None if node.empty() else node.mat()
    if values is None or values.size != shape[0] * shape[1]:
        raise CalibrationError(f"{path} lacks {name}, expected a matrix of {shape[0]} x {shape[1]}")
    return np.asarray(values, float).reshape(shape)


def _extrinsics(rotation: np.ndarray, shift: np.ndarray) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation, shift
    return matrix


def _upright(up: str, path: Path) -> np.ndarray:
    """[4, 4] from our world (y up) to the file's world."""
    if up not in UPS:
        raise CalibrationError(f"{path}: up is {up!r}, expected one of {', '.join(UPS)}")
    axis, sign = "xyz".index(up[-1]), -1.0 if up.startswith("-") else 1.0
    turn = np.eye(4)
    if axis != 1 or sign < 0:
        columns = np.zeros((3, 3))
        columns[axis, 1] = sign
        columns[(axis + 1) % 3, 2] = 1.0
        columns[:, 0] = np.cross(columns[:, 1], columns[:, 2])
        turn[:3, :3] = columns
    return turn


def _checked(camera: CalibratedCamera, path: Path) -> CalibratedCamera:
    rotation = camera.world_to_camera[:3, :3]
    everything = [camera.matrix, camera.dist, camera.world_to_camera]
    if not all(np.isfinite(each).all() for each in everything):
        raise CalibrationError(f"{path}: camera {camera.name} has numbers that are not finite")
    if not np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-2) or np.linalg.det(rotation) < 0:
        raise CalibrationError(f"{path}: the rotation of camera {camera.name} is no rotation; export it again")
    if min(camera.matrix[0, 0], camera.matrix[1, 1], *camera.size) <= 0:
        raise CalibrationError(f"{path}: camera {camera.name} has no focal length or picture size")
    return camera


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"it lacks {error.args[0]!r}"
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
