"""Pictures of a dressed body in a scene, ray-cast with warp on the CPU or a CUDA device.

Design decisions:
- All cameras of a frame share one launch and one BVH: views of the same moment are nearly free of set-up.
- The person's mesh keeps its topology over a clip, so the BVH is built once and refitted in every further frame.
- Views of a call may differ in size (`height` and `width` may be lists), so that zoomed hand views ride along.
- No randomness of its own: the same inputs give the same bytes on the same device.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import warp as wp

from .appearance import Appearance
from .body import Body, PosedBody
from .person_kernels import skin_kernel
from .render_kernels import render_kernel
from .render_types import CameraView, Material, PersonMesh, Prop, SceneParams, ShadeSettings
from .scene import Scene
from .visibility import NUM_JOINTS, sight_kernel, skin_depths

if TYPE_CHECKING:
    from .cameras import Camera

_CONTACT_JOINTS = (7, 8, 0)  # ankles and pelvis, SMPL-X order
_FLESH = 0.35  # metres: no part of a dressed body is farther than this from the box around its joints
NEAREST_PROP = 0.8  # metres: props nearer to a camera than this are left out of its picture


@dataclass(frozen=True)
class RenderedView:
    """frames uint8 [T, H, W, 3] sRGB; mask uint8 [T, H, W], 255 where the pixel is all person.

    joints_in_sight bool [T, 55]: nothing stands between the camera and the joint (it may be outside the picture).
    """

    frames: np.ndarray
    mask: np.ndarray
    joints_in_sight: np.ndarray


class WarpRenderer:
    """Renders on `device`: "cpu", "cuda", "cuda:1"."""

    def __init__(self, device: str = "cpu") -> None:
        wp.config.quiet = True
        wp.init()
        try:
            self.device = wp.get_device(device)
        except (RuntimeError, ValueError) as error:
            known = ", ".join(str(each) for each in wp.get_devices())
            raise ValueError(f"renderer device is {device!r}, available here: {known}") from error

    def render(
        self, posed: PosedBody, body: Body, appearance: Appearance, scene: Scene, cameras: Sequence[Camera],
        height: int | Sequence[int], width: int | Sequence[int], samples: int = 1,
    ) -> list[RenderedView]:  # fmt: skip
        """One RenderedView per camera, in order.

        height, width: pixels, one for all cameras or one each; samples x samples rays a pixel.
        ValueError when counts or frames do not fit.
        """
        sizes = _sizes(len(cameras), height, width)
        _check(posed, cameras, samples)
        with wp.ScopedDevice(self.device):
            person = _Person(posed, appearance)
            surroundings = _Surroundings(scene)
            pixels = sum(h * w for h, w in sizes)
            out = wp.zeros((pixels, 4), dtype=wp.uint8)
            views = [np.empty((posed.num_frames, h, w, 4), np.uint8) for h, w in sizes]
            packed = _camera_records(cameras, sizes, posed.num_frames)
            depths = wp.array(skin_depths(), dtype=wp.float32)
            sight = wp.zeros((len(cameras), NUM_JOINTS), dtype=wp.uint8)
            in_sight = np.empty((len(cameras), posed.num_frames, NUM_JOINTS), bool)
            for frame in range(posed.num_frames):
                person.move_to(frame)
                settings = person.settings(frame, samples)
                records = wp.array(packed[frame], dtype=CameraView)
                wp.launch(
                    render_kernel, pixels,
                    [person.mesh, surroundings.props, surroundings.params, records, settings, out],
                )  # fmt: skip
                joints = wp.array(posed.joints[frame].numpy(), dtype=wp.vec3)
                wp.launch(
                    sight_kernel, (len(cameras), NUM_JOINTS),
                    [person.mesh.mesh, surroundings.props, settings.near_prop, records, joints, depths, sight],
                )  # fmt: skip
                _split(out.numpy(), sizes, views, frame)
                in_sight[:, frame] = sight.numpy()
        return [
            RenderedView(np.ascontiguousarray(v[..., :3]), np.ascontiguousarray(v[..., 3]), seen)
            for v, seen in zip(views, in_sight, strict=True)
        ]


def _sizes(count: int, height: int | Sequence[int], width: int | Sequence[int]) -> list[tuple[int, int]]:
    heights = [height] * count if isinstance(height, int) else list(height)
    widths = [width] * count if isinstance(width, int) else list(width)
    if len(heights) != count or len(widths) != count:
        raise ValueError(f"{len(heights)} heights and {len(widths)} widths for {count} cameras; give one each or one")
    if count == 0 or min(heights + widths) < 1:
        raise ValueError("rendering wants at least one camera and pictures of at least 1 x 1 pixel")
    return list(zip(heights, widths, strict=True))


def _check(posed: PosedBody, cameras: Sequence[Camera], samples: int) -> None:
    if samples < 1:
        raise ValueError(f"samples is {samples}, expected 1 or more rays a pixel side")
    for number, camera in enumerate(cameras):
        if len(camera.focal) != posed.num_frames:
            raise ValueError(
                f"camera {number} has {len(camera.focal)} frames, the body {posed.num_frames}; make them equal"
            )


class _Person:
    """The dressed mesh on the device, and its BVH."""

    def __init__(self, posed: PosedBody, appearance: Appearance) -> None:
        mesh = appearance.mesh
        self._bones = posed.bones.numpy()
        self._joints = posed.joints.numpy()
        self._rest = wp.array(mesh.rest, dtype=wp.vec3)
        self._rest_normals = wp.array(mesh.normals, dtype=wp.vec3)
        self._bone_ids = wp.array(mesh.skin_bones.astype(np.int32), dtype=wp.int32)
        self._weights = wp.array(mesh.skin_weights, dtype=wp.float32)
        self._points = wp.empty(len(mesh.rest), dtype=wp.vec3)
        self._bvh: wp.Mesh | None = None
        self.mesh = PersonMesh()
        self.mesh.normals = wp.empty(len(mesh.rest), dtype=wp.vec3)
        self.mesh.faces = wp.array(mesh.faces.astype(np.int32).reshape(-1), dtype=wp.int32)
        self.mesh.colours = wp.array(mesh.colours, dtype=wp.vec3)
        self.mesh.coords = wp.array(mesh.coords, dtype=wp.vec3)
        self.mesh.openness = wp.array(mesh.openness, dtype=wp.float32)
        self.mesh.face_material = wp.array(mesh.face_material.astype(np.int32), dtype=wp.int32)
        self.mesh.materials = wp.array([_material(each) for each in appearance.materials], dtype=Material)

    def move_to(self, frame: int) -> None:
        bones = self._bones[frame]
        rotations = wp.array(np.ascontiguousarray(bones[:, :, :3]), dtype=wp.mat33)
        shifts = wp.array(np.ascontiguousarray(bones[:, :, 3]), dtype=wp.vec3)
        wp.launch(
            skin_kernel, len(self._points),
            [self._rest, self._rest_normals, self._bone_ids, self._weights, rotations, shifts, self._points,
             self.mesh.normals],
        )  # fmt: skip
        if self._bvh is None:
            self._bvh = wp.Mesh(points=self._points, indices=self.mesh.faces)
            self.mesh.mesh = self._bvh.id
        else:
            self._bvh.refit()

    def settings(self, frame: int, samples: int) -> ShadeSettings:
        """Rays a pixel side, a box around the person, and what is near the floor."""
        joints = self._joints[frame]
        settings = ShadeSettings()
        settings.samples = samples
        settings.near_prop = NEAREST_PROP
        settings.low = wp.vec3(*(joints.min(axis=0) - _FLESH).tolist())
        settings.high = wp.vec3(*(joints.max(axis=0) + _FLESH).tolist())
        contact = joints[list(_CONTACT_JOINTS)]
        contact[:, 1] = np.maximum(contact[:, 1] - 0.08, 0.0)
        settings.contact = wp.mat33(*contact.reshape(-1).tolist())
        return settings


class _Surroundings:
    """Scene and props on the device."""

    def __init__(self, scene: Scene) -> None:
        self.params = _fill(SceneParams(), scene.values)
        records = []
        for spec in scene.props:
            records.append(_fill(Prop(), {
                "kind": spec.kind, "pattern": spec.pattern, "seed": spec.seed, "centre": spec.centre,
                "half": spec.half, "cos": float(np.cos(spec.yaw)), "sin": float(np.sin(spec.yaw)),
                "radius": float(np.linalg.norm(spec.half)), "colour_a": spec.colours[0],
                "colour_b": spec.colours[1], "scale": spec.scale,
            }))  # fmt: skip
        self.props = wp.array(records, dtype=Prop) if records else wp.empty(0, dtype=Prop)


def _material(spec: object) -> Material:
    return _fill(Material(), vars(spec))


def _fill(record: Any, values: dict[str, object]) -> Any:
    """Set the fields of a warp struct from plain numbers and arrays of three."""
    for name, value in values.items():
        if isinstance(value, np.ndarray):
            value = wp.vec3(*value.tolist())
        elif isinstance(value, np.generic):
            value = value.item()
        setattr(record, name, value)
    return record


def _camera_records(cameras: Sequence[Camera], sizes: list[tuple[int, int]], frames: int) -> list[list[CameraView]]:
    """Warp records [frame][camera]."""
    packed = []
    matrices = [camera.world_to_camera.double().numpy() for camera in cameras]
    focals = [camera.focal.double().numpy() for camera in cameras]
    for frame in range(frames):
        first, records = 0, []
        for matrix, focal, (height, width) in zip(matrices, focals, sizes, strict=True):
            rotation, shift = matrix[frame, :3, :3], matrix[frame, :3, 3]
            records.append(_fill(CameraView(), {
                "position": -rotation.T @ shift, "focal": float(focal[frame] * height), "cx": width / 2,
                "cy": height / 2, "width": width, "first_pixel": first,
            }))  # fmt: skip
            records[-1].to_world = wp.mat33(*rotation.T.reshape(-1).tolist())
            first += height * width
        packed.append(records)
    return packed


def _split(pixels: np.ndarray, sizes: list[tuple[int, int]], views: list[np.ndarray], frame: int) -> None:
    first = 0
    for view, (height, width) in zip(views, sizes, strict=True):
        view[frame] = pixels[first : first + height * width].reshape(height, width, 4)
        first += height * width
