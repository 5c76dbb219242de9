"""From a real lens to the data set's cameras: a pinhole in the same place, turned towards the person.

A rendered camera has its principal point in the middle and no distortion; a real one, cropped about the person, has
neither. The picture that a camera in the same place would have taken, turned so that the person is in its middle,
follows from the calibration exactly. The roll of the real camera is kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .calibration import CalibratedCamera
from .cropping import Size

_BORDER_POINTS = 24  # along each side of the picture, when looking whether it stays inside the source
_WIDEST, _LONGEST = 0.3, 12.0  # focal lengths tried, in picture heights


@dataclass(frozen=True)
class Pinhole:
    """A still camera of the data set: world_to_camera [4, 4], focal in picture heights, size (height, width);
    `source` is the real camera that it is made from."""

    world_to_camera: np.ndarray
    focal: float
    size: Size
    source: CalibratedCamera

    @property
    def matrix(self) -> np.ndarray:
        """[3, 3] in pixels, principal point in the middle (a pixel's own middle is at + 0.5)."""
        height, width = self.size
        focal = self.focal * height
        return np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1.0]])

    @property
    def position(self) -> np.ndarray:
        return self.source.position

    def project(self, points: np.ndarray) -> np.ndarray:
        """Points [..., 3] of the world to pixels [..., 2]."""
        local = points @ self.world_to_camera[:3, :3].T + self.world_to_camera[:3, 3]
        depth = np.where(np.abs(local[..., 2:]) < 1e-6, 1e-6, local[..., 2:])
        return local[..., :2] / depth * (self.focal * self.size[0]) + np.array(self.size[::-1]) / 2

    def from_source(self, pixels: np.ndarray) -> np.ndarray:
        """Where pixels [..., 2] of the source are in this picture."""
        rays = self.source.rays(pixels)
        turn = self.world_to_camera[:3, :3] @ self.source.world_to_camera[:3, :3].T
        local = np.concatenate([rays, np.ones_like(rays[..., :1])], axis=-1) @ turn.T
        return local[..., :2] / local[..., 2:] * (self.focal * self.size[0]) + np.array(self.size[::-1]) / 2

    def picture(self, frames: np.ndarray) -> np.ndarray:
        """The pictures of this camera from the source's, uint8 [T, H, W, 3]; black beyond the source's edge."""
        height, width = self.size
        # Taken large and averaged down: otherwise shrinking would alias.
        shrink = max(1, round(self.source.matrix[1, 1] / (self.focal * height)))
        matrix = np.diag([shrink, shrink, 1.0]) @ self.matrix
        matrix[:2, 2] -= 0.5  # OpenCV counts from the middle of a pixel
        real = self.source.matrix.copy()
        real[:2, 2] -= 0.5
        turn = self.world_to_camera[:3, :3] @ self.source.world_to_camera[:3, :3].T
        size = (width * shrink, height * shrink)
        maps = cv2.initUndistortRectifyMap(real, self.source.dist, turn, matrix, size, cv2.CV_32FC1)
        out = np.empty((len(frames), height, width, 3), np.uint8)
        for index, frame in enumerate(frames):
            large = cv2.remap(frame, *maps, interpolation=cv2.INTER_LINEAR)
            out[index] = large if shrink == 1 else cv2.resize(large, (width, height), interpolation=cv2.INTER_AREA)
        return out


def rectified(camera: CalibratedCamera, person: np.ndarray, size: Size) -> Pinhole:
    """The pinhole of `size` that looks at the person (points [N, 3] they pass through) and uses all of the source.

    As wide as it can be without looking beyond the source's edge.
    """
    height, width = camera.size
    rays = camera.rays(camera.project(person))
    middle = (rays.min(axis=0) + rays.max(axis=0)) / 2
    pixels = np.array([[0.0, 0.0], [width, 0.0], [0.0, height], [width, height]])
    edges = camera.rays(pixels)
    low, high = edges.min(axis=0), edges.max(axis=0)
    span = _span(low, high, size)
    # The window, on the plane of the real picture, stays inside it: a person at the edge is not in the middle then.
    aim = np.clip(middle, low + span / 2, np.maximum(high - span / 2, low + span / 2))
    turned = _turned(camera.world_to_camera, aim)
    wide, long = _WIDEST, _LONGEST
    for _ in range(24):
        between = (wide * long) ** 0.5
        wide, long = (wide, between) if _inside(Pinhole(turned, between, size, camera)) else (between, long)
    return Pinhole(turned, long, size, camera)


def _span(low: np.ndarray, high: np.ndarray, size: Size) -> np.ndarray:
    """Width and height of the largest window of the shape of `size` between low and high."""
    wide, tall = high - low
    aspect = size[1] / size[0]
    return np.array([min(wide, tall * aspect), min(tall, wide / aspect)])


def _turned(world_to_camera: np.ndarray, aim: np.ndarray) -> np.ndarray:
    """The extrinsics turned, by the smallest turn, so that the ray `aim` (x / z, y / z) is the optical axis."""
    forward = np.array([aim[0], aim[1], 1.0])
    forward /= np.linalg.norm(forward)
    axis = np.cross(forward, (0.0, 0.0, 1.0))
    sine = np.linalg.norm(axis)
    vector = axis / sine * np.arcsin(np.clip(sine, 0, 1)) if sine > 1e-9 else np.zeros(3)
    turn = np.eye(4)
    turn[:3, :3] = cv2.Rodrigues(vector)[0]
    return turn @ world_to_camera


def _inside(pinhole: Pinhole) -> bool:
    """Whether the border of the picture lies inside the source's picture."""
    height, width = pinhole.size
    x, y = np.linspace(0, width, _BORDER_POINTS), np.linspace(0, height, _BORDER_POINTS)
    sides = [(x, 0 * x), (x, 0 * x + height), (0 * y, y), (0 * y + width, y)]
    border = np.concatenate([np.stack(side, axis=1) for side in sides])
    rays = (border - np.array([width, height]) / 2) / (pinhole.focal * height)
    local = np.concatenate([rays, np.ones((len(rays), 1))], axis=1)
    world = pinhole.position + local @ pinhole.world_to_camera[:3, :3]
    pixels = pinhole.source.project(world)
    edge = np.array(pinhole.source.size[::-1])
    return bool((pixels >= -0.5).all() and (pixels <= edge + 0.5).all())
