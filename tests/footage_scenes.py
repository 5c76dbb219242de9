"""Made-up footage for the tests: textured rooms seen by still and moving cameras, and a person of whom the joints are
known, seen by calibrated cameras."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from threedimo_core.pose_tracker import NUM_POINTS, PoseTrack
from training.data.footage.calibration import CalibratedCamera
from training.data.video_file import encode_video

# A person of 1.75 m in mediapipe's order, metres: x to their left, y up, z to the front; the right side mirrors.
_LEFT = {
    0: (0.0, 1.62, 0.10), 1: (0.02, 1.65, 0.09), 3: (0.03, 1.65, 0.09), 5: (0.04, 1.65, 0.08), 7: (0.07, 1.63, 0.0),
    9: (0.03, 1.57, 0.09), 11: (0.19, 1.43, 0.0), 13: (0.30, 1.16, 0.0), 15: (0.33, 0.92, 0.05),
    17: (0.33, 0.84, 0.07), 19: (0.33, 0.84, 0.10), 21: (0.31, 0.87, 0.11), 23: (0.11, 0.93, 0.0),
    25: (0.12, 0.50, 0.02), 27: (0.12, 0.08, 0.0), 29: (0.12, 0.02, -0.06), 31: (0.13, 0.02, 0.15),
}  # fmt: skip
# mediapipe numbers eyes 1-3 left, 4-6 right; everything else has left odd and right one more.
_ORDER = {1: 4, 3: 5, 5: 6}


def standing_person() -> np.ndarray:
    """[33, 3] metres, feet on the floor, facing +z."""
    points = np.zeros((NUM_POINTS, 3))
    for index, place in _LEFT.items():
        left = {1: 1, 3: 2, 5: 3}.get(index, index)
        points[left] = place
        if index:
            points[_ORDER.get(index, index + 1)] = np.array(place) * (-1, 1, 1)
    return points


def walking_person(frames: int, heading: float, speed: float = 0.8, fps: float = 16.0) -> np.ndarray:
    """[T, 33, 3]: a person facing `heading` degrees (0: +z, 90: +x) who walks that way, swinging their arms."""
    turn = np.radians(heading)
    around = np.array([[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]])
    points = []
    for t in range(frames):
        body = standing_person()
        swing = 0.25 * np.sin(2 * np.pi * t / 12)
        for joint in (13, 15, 17, 19, 21, 26, 28, 30, 32):
            body[joint, 2] += swing * (1.3 - body[joint, 1])
        for joint in (14, 16, 18, 20, 22, 25, 27, 29, 31):
            body[joint, 2] -= swing * (1.3 - body[joint, 1])
        body[:, 2] += speed * t / fps
        points.append(body @ around.T)
    return np.stack(points)


def camera_at(
    name: str,
    position: tuple[float, float, float],
    target: tuple[float, float, float] = (0.0, 0.95, 0.0),
    size: tuple[int, int] = (480, 640),
    focal: float = 520.0,
    dist: tuple[float, ...] = (-0.12, 0.06, 0.001, -0.001, 0.0),
    roll: float = 0.0,
) -> CalibratedCamera:
    """A camera that looks at `target`, with a lens that distorts and a principal point off the middle."""
    forward = np.array(target, float) - np.array(position, float)
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, (0.0, 1.0, 0.0))
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(forward, right), forward])
    angle = np.radians(roll)
    spin = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    extrinsics = np.eye(4)
    extrinsics[:3, :3] = spin @ rotation
    extrinsics[:3, 3] = -extrinsics[:3, :3] @ np.array(position, float)
    matrix = np.array([[focal, 0, size[1] / 2 + 9], [0, focal * 1.01, size[0] / 2 - 6], [0, 0, 1]])
    return CalibratedCamera(name, size, matrix, np.array(dist), extrinsics)


def ring(count: int = 4, distance: float = 4.0, height: float = 1.3, first: float = 0.0) -> list[CalibratedCamera]:
    """Cameras around the origin at azimuths first, first + 360 / count, ...; 0 is in +z, 90 in +x."""
    cameras = []
    for number in range(count):
        angle = np.radians(first + 360 * number / count)
        place = (distance * np.sin(angle), height, distance * np.cos(angle))
        cameras.append(camera_at(f"cam{number + 1:02d}", place, roll=3.0 * number))
    return cameras


def seen_by(camera: CalibratedCamera, points: np.ndarray, noise: float = 0.0, seed: int = 0) -> PoseTrack:
    """What a pose tracker would say of joints [T, 33, 3] seen by a camera."""
    frames = len(points)
    pixels = camera.project(points.reshape(-1, 3)).reshape(frames, NUM_POINTS, 2)
    pixels = pixels + np.random.default_rng(seed).normal(0, noise, pixels.shape) if noise else pixels
    rotation = camera.world_to_camera[:3, :3]
    hips = points[:, 23:25].mean(axis=1, keepdims=True)
    depth = (points @ rotation.T + camera.world_to_camera[:3, 3])[..., 2].mean(axis=1)
    return PoseTrack(
        points=pixels.astype(np.float32),
        visibility=np.full((frames, NUM_POINTS), 0.99, np.float32),
        pixels_per_metre=(camera.matrix[1, 1] / depth).astype(np.float32),
        found=np.ones(frames, bool),
        height=camera.size[0],
        width=camera.size[1],
        metres=((points - hips) @ rotation.T).astype(np.float32),
    )


@dataclass(frozen=True)
class Room:
    """A flat wall of blurred noise, larger than the picture; `seed` chooses its colours."""

    seed: int = 0
    height: int = 120
    width: int = 160

    def wall(self) -> np.ndarray:
        rng = np.random.default_rng(self.seed)
        noise = rng.normal(0, 1, (3 * self.height // 8, 3 * self.width // 8, 3)).astype(np.float32)
        large = cv2.resize(noise, (3 * self.width, 3 * self.height), interpolation=cv2.INTER_CUBIC)
        return np.clip(rng.uniform(70, 180, 3) + 40 * large, 0, 255).astype(np.uint8)

    def seen(self, shifts: np.ndarray, zooms: np.ndarray | None = None) -> np.ndarray:
        """uint8 [T, H, W, 3]: the wall by a camera that has moved by shifts [T, 2] pixels and zoomed by zooms [T]."""
        wall, middle = self.wall(), np.array([self.width, self.height]) * 1.5
        zooms = np.ones(len(shifts)) if zooms is None else zooms
        frames = []
        for shift, zoom in zip(shifts, zooms, strict=True):
            origin = np.array([self.width, self.height]) / 2
            matrix = np.array([[1 / zoom, 0, 0], [0, 1 / zoom, 0]])
            matrix[:, 2] = middle + shift - origin / zoom
            flags = cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR
            frames.append(cv2.warpAffine(wall, matrix, (self.width, self.height), flags=flags))
        return np.stack(frames)

    def still(self, frames: int) -> np.ndarray:
        return self.seen(np.zeros((frames, 2)))


def with_dancer(frames: np.ndarray, size: float = 0.3, seed: int = 5) -> np.ndarray:
    """The frames with a bright figure that jumps about in the middle of the picture."""
    out, rng = frames.copy(), np.random.default_rng(seed)
    height, width = frames.shape[1:3]
    for frame in out:
        x, y = width / 2 + rng.normal(0, 0.04 * width), height / 2 + rng.normal(0, 0.02 * height)
        axes = (int(size * width / 3), int(size * height))
        cv2.ellipse(frame, (int(x), int(y)), axes, float(rng.uniform(-20, 20)), 0, 360, (230, 190, 160), -1)
    return out


def write_mp4(path: Path, frames: np.ndarray, fps: float = 16.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_video(frames, fps))
    return path
