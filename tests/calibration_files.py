"""Writers of calibration files in the real layouts: what is read is what was written."""

from __future__ import annotations

import json
from pathlib import Path
from xml.sax.saxutils import quoteattr

import cv2
import numpy as np

from training.data.footage.calibration import CalibratedCamera

# Columns: the axes of our world (x, y up, z) in a world whose z is up.
Z_UP = np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]], float).T


def in_z_up_world(camera: CalibratedCamera) -> tuple[np.ndarray, np.ndarray]:
    """Rotation [3, 3] and shift [3] of the camera in a world whose z is up."""
    rotation = camera.world_to_camera[:3, :3] @ Z_UP.T
    return rotation, camera.world_to_camera[:3, 3]


def write_qca(path: Path, cameras: list[CalibratedCamera]) -> Path:
    """Qualisys: the camera's place in mm and its axes x right, y up, z back; intrinsics in 1/64 pixels."""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', '<calibration created="2024">', "<cameras>"]
    for camera in cameras:
        rotation, shift = in_z_up_world(camera)
        place = -rotation.T @ shift * 1000
        turned = np.diag([1.0, -1.0, -1.0]) @ rotation
        height, width = camera.size
        rows = " ".join(f'r{i + 1}{j + 1}="{turned[i, j]:.9f}"' for i in range(3) for j in range(3))
        k, d = camera.matrix * 64, camera.dist
        lines += [
            f'<camera active="1" serial={quoteattr(camera.name)} model="Video">',
            f'<fov_video left="0" top="0" right="{width - 1}" bottom="{height - 1}"/>',
            f'<transform x="{place[0]:.6f}" y="{place[1]:.6f}" z="{place[2]:.6f}" {rows}/>',
            f'<intrinsic focallength="8" sensorMinU="0" sensorMaxU="{width * 64}" sensorMinV="0" '
            f'sensorMaxV="{height * 64}" focalLengthU="{k[0, 0]:.6f}" focalLengthV="{k[1, 1]:.6f}" '
            f'centerPointU="{k[0, 2]:.6f}" centerPointV="{k[1, 2]:.6f}" skew="0" radialDistortion1="{d[0]}" '
            f'radialDistortion2="{d[1]}" radialDistortion3="{d[4]}" tangentalDistortion1="{d[2]}" '
            f'tangentalDistortion2="{d[3]}"/>',
            "</camera>",
        ]
    path.write_text("\n".join([*lines, "</cameras>", "</calibration>"]))
    return path


def write_easymocap(folder: Path, cameras: list[CalibratedCamera]) -> Path:
    """intri.yml and extri.yml as EasyMocap writes them."""
    inside = cv2.FileStorage(str(folder / "intri.yml"), cv2.FILE_STORAGE_WRITE)
    outside = cv2.FileStorage(str(folder / "extri.yml"), cv2.FILE_STORAGE_WRITE)
    for storage in (inside, outside):
        storage.startWriteStruct("names", cv2.FILE_NODE_SEQ)
        for camera in cameras:
            storage.write("", camera.name)
        storage.endWriteStruct()
    for camera in cameras:
        rotation, shift = in_z_up_world(camera)
        inside.write(f"K_{camera.name}", camera.matrix)
        inside.write(f"dist_{camera.name}", camera.dist[None])
        inside.write(f"H_{camera.name}", camera.size[0])
        inside.write(f"W_{camera.name}", camera.size[1])
        outside.write(f"R_{camera.name}", cv2.Rodrigues(rotation)[0])
        outside.write(f"Rot_{camera.name}", rotation)
        outside.write(f"T_{camera.name}", shift[:, None])
    inside.release()
    outside.release()
    return folder / "intri.yml"


def write_pose2sim(path: Path, cameras: list[CalibratedCamera]) -> Path:
    """pose2sim's toml: four distortions, rotation as axis times angle, metres."""
    lines = []
    for number, camera in enumerate(cameras):
        rotation, shift = in_z_up_world(camera)
        vector = cv2.Rodrigues(rotation)[0].ravel()
        lines += [
            f"[cam_{number:02d}]",
            f'name = "{camera.name}"',
            f"size = [{camera.size[1]}.0, {camera.size[0]}.0]",
            f"matrix = {camera.matrix.tolist()}",
            f"distortions = {camera.dist[:4].tolist()}",
            f"rotation = {vector.tolist()}",
            f"translation = {shift.tolist()}",
            "fisheye = false",
            "",
        ]
    path.write_text("\n".join([*lines, "[metadata]", "adjusted = false", "error = 0.0", ""]))
    return path


def write_json(path: Path, cameras: list[CalibratedCamera]) -> Path:
    """Plain JSON as `calibration.py` describes it, in millimetres."""
    tables = {}
    for camera in cameras:
        rotation, shift = in_z_up_world(camera)
        tables[camera.name] = {
            "size": [camera.size[1], camera.size[0]],
            "K": camera.matrix.tolist(),
            "dist": camera.dist.tolist(),
            "R": rotation.tolist(),
            "t": (shift * 1000).tolist(),
        }
    path.write_text(json.dumps({"up": "z", "unit": 0.001, "cameras": tables}))
    return path
