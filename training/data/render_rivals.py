"""Other ways of drawing the same meshes, for the speed table alone: moderngl and pyrender on EGL, without a screen.

Each draws the dressed mesh of a frame, new vertices every time, on a floor, lit by one light with a shadow map, and
hands the picture back as an array. Neither draws the place, patterns, or the shading that the data engine's own
renderer spends its time on, so the comparison is in their favour.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

_FLOOR = 6.0  # metres to each side
_SHADOW_PIXELS = 1024
_SAMPLES = 4
_SUN = np.array([2.0, 4.0, 2.5])
_NEAR, _FAR = 0.05, 50.0


@dataclass(frozen=True)
class Meshes:
    """points, normals [T, N, 3], colours [N, 3] in 0..1, faces [F, 3]; world_to_camera [4, 4] (OpenCV axes), focal in
    picture heights."""

    points: np.ndarray
    normals: np.ndarray
    colours: np.ndarray
    faces: np.ndarray
    world_to_camera: np.ndarray
    focal: float


class Rival(Protocol):
    """Draws frame by frame."""

    def draw(self, frame: int) -> np.ndarray:
        """uint8 [H, W, 3] of a frame."""
        ...

    def close(self) -> None:
        """Give the context back."""
        ...


class RivalMissing(RuntimeError):
    """A package, or the OpenGL driver it needs, is not there; the message says which."""


class OwnThread:
    """A rival in a thread of its own: OpenGL contexts are current in a thread, and two in one disturb each other."""

    def __init__(self, name: str, meshes: Meshes, height: int, width: int) -> None:
        self._thread = ThreadPoolExecutor(1)
        kind: Any = {"moderngl": ModernGL, "pyrender": Pyrender}[name]
        self._rival: Rival = self._thread.submit(kind, meshes, height, width).result()

    def draw(self, frame: int) -> np.ndarray:
        return self._thread.submit(self._rival.draw, frame).result()

    def close(self) -> None:
        self._thread.submit(self._rival.close).result()
        self._thread.shutdown()


def open_rival(name: str, meshes: Meshes, height: int, width: int) -> Rival:
    """A rival for pictures of one size. RivalMissing when it is not installed or finds no OpenGL."""
    try:
        rival = OwnThread(name, meshes, height, width)
        rival.draw(0)
        return rival
    except ImportError as error:
        raise RivalMissing(f"{name} is not installed ({error})") from error
    except Exception as error:  # drivers fail in ways of their own
        raise RivalMissing(f"{name} finds no OpenGL here ({error}); it wants libegl1 and libgl1-mesa-dri") from error


def floor_mesh() -> tuple[np.ndarray, np.ndarray]:
    """Points [4, 3] and faces [2, 3] of the floor, y = 0, seen from above."""
    points = np.array([[x, 0.0, z] for x in (-_FLOOR, _FLOOR) for z in (-_FLOOR, _FLOOR)], np.float32)
    return points, np.array([[0, 1, 2], [2, 1, 3]], np.int32)


def looking(position: np.ndarray, target: np.ndarray) -> np.ndarray:
    """World to camera [4, 4], OpenCV axes, y up."""
    forward = (target - position) / np.linalg.norm(target - position)
    right = np.cross(forward, (0.0, 1.0, 0.0))
    right /= np.linalg.norm(right)
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([right, np.cross(forward, right), forward])
    matrix[:3, 3] = -matrix[:3, :3] @ position
    return matrix


_TO_OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])

_VERTEX = """
#version 330
uniform mat4 view; uniform mat4 sun;
in vec3 point; in vec3 normal; in vec3 colour;
out vec3 n; out vec3 c; out vec4 lit;
void main() { n = normal; c = colour; lit = sun * vec4(point, 1.0); gl_Position = view * vec4(point, 1.0); }
"""
_FRAGMENT = """
#version 330
uniform sampler2DShadow shadow; uniform vec3 way;
in vec3 n; in vec3 c; in vec4 lit; out vec4 pixel;
void main() {
    vec3 place = lit.xyz / lit.w * 0.5 + 0.5;
    bool outside = any(greaterThan(abs(place.xy - 0.5), vec2(0.5)));
    float sunlight = outside ? 1.0 : texture(shadow, vec3(place.xy, place.z - 0.004));
    float facing = max(dot(normalize(n), way), 0.0);
    pixel = vec4(pow(c * (0.35 + 0.65 * facing * sunlight), vec3(1.0 / 2.2)), 1.0);
}
"""
_DEPTH_ONLY = "#version 330\nvoid main() {}"


class ModernGL:
    """A vertex buffer written anew each frame, a depth pass from the light, a picture with 4 x multisampling."""

    def __init__(self, meshes: Meshes, height: int, width: int) -> None:
        moderngl = importlib.import_module("moderngl")
        self.meshes, self.size = meshes, (width, height)
        self.context = context = moderngl.create_context(standalone=True, backend="egl")
        floor, floor_faces = floor_mesh()
        count = len(meshes.colours)
        self.rows = np.zeros((count + len(floor), 9), np.float32)
        self.rows[:count, 6:], self.rows[count:, 6:] = meshes.colours, 0.5
        self.rows[count:, :3], self.rows[count:, 4] = floor, 1.0
        faces = np.concatenate([meshes.faces, floor_faces + count]).astype(np.int32)
        self.buffer = context.buffer(self.rows.tobytes(), dynamic=True)
        index = context.buffer(faces.tobytes())
        self.program = context.program(vertex_shader=_VERTEX, fragment_shader=_FRAGMENT)
        plain = context.program(
            vertex_shader="#version 330\nuniform mat4 sun; in vec3 point;\n"
            "void main() { gl_Position = sun * vec4(point, 1.0); }",
            fragment_shader=_DEPTH_ONLY,
        )
        self.array = context.vertex_array(self.program, [(self.buffer, "3f 3f 3f", "point", "normal", "colour")], index)
        self.shadow_array = context.vertex_array(plain, [(self.buffer, "3f 24x", "point")], index)
        self.shadow = context.depth_texture((_SHADOW_PIXELS, _SHADOW_PIXELS))
        self.shadow.compare_func = "<="
        self.shadow_target = context.framebuffer(depth_attachment=self.shadow)
        self.target = context.framebuffer(
            context.renderbuffer(self.size, 4, samples=_SAMPLES),
            context.depth_renderbuffer(self.size, samples=_SAMPLES),
        )
        self.resolved = context.framebuffer(context.renderbuffer(self.size, 4))
        sun = _orthographic(3.0, 1.0, 12.0) @ _TO_OPENGL @ looking(_SUN, np.array([0.0, 0.9, 0.0]))
        camera = _perspective(meshes.focal, height, width) @ _TO_OPENGL @ meshes.world_to_camera
        for program in (self.program, plain):
            program["sun"].write(sun.T.astype(np.float32).tobytes())
        self.program["view"].write(camera.T.astype(np.float32).tobytes())
        self.program["way"].value = tuple(_SUN / np.linalg.norm(_SUN))
        context.enable(moderngl.DEPTH_TEST)

    def draw(self, frame: int) -> np.ndarray:
        count = len(self.meshes.colours)
        self.rows[:count, :3], self.rows[:count, 3:6] = self.meshes.points[frame], self.meshes.normals[frame]
        self.buffer.write(self.rows.tobytes())
        self.shadow_target.use()
        self.shadow_target.clear(depth=1.0)
        self.shadow_array.render()
        self.target.use()
        self.target.clear(0.6, 0.7, 0.8, 1.0)
        self.shadow.use(0)
        self.array.render()
        self.context.copy_framebuffer(self.resolved, self.target)
        width, height = self.size
        pixels = np.frombuffer(self.resolved.read(components=3, alignment=1), np.uint8)
        return pixels.reshape(height, width, 3)[::-1]

    def close(self) -> None:
        self.context.release()


class Pyrender:
    """pyrender with a directional light that casts shadows; a new mesh object each frame, as it wants."""

    def __init__(self, meshes: Meshes, height: int, width: int) -> None:
        os.environ.setdefault("PYOPENGL_PLATFORM", "egl")
        with _numpy_1_names():
            self.pyrender: Any = importlib.import_module("pyrender")
            self.trimesh: Any = importlib.import_module("trimesh")
            self.meshes = meshes
            self.renderer = self.pyrender.OffscreenRenderer(width, height)
            self.scene = self.pyrender.Scene(ambient_light=[0.35] * 3, bg_color=[0.6, 0.7, 0.8])
            focal = meshes.focal * height
            camera = self.pyrender.IntrinsicsCamera(focal, focal, width / 2, height / 2, _NEAR, _FAR)
            self.scene.add(camera, pose=np.linalg.inv(_TO_OPENGL @ meshes.world_to_camera))
            sun = np.linalg.inv(_TO_OPENGL @ looking(_SUN, np.array([0.0, 0.9, 0.0])))
            self.scene.add(self.pyrender.DirectionalLight(color=np.ones(3), intensity=4.0), pose=sun)
            points, faces = floor_mesh()
            grey = np.tile(np.array([128, 128, 128, 255], np.uint8), (len(points), 1))
            self.scene.add(self._mesh(points, faces, grey, None))
            alpha = np.ones((len(meshes.colours), 1))
            self.colours = (np.concatenate([meshes.colours, alpha], axis=1) * 255).astype(np.uint8)

    def _mesh(self, points: np.ndarray, faces: np.ndarray, colours: np.ndarray, normals: np.ndarray | None) -> Any:
        mesh = self.trimesh.Trimesh(points, faces, vertex_normals=normals, vertex_colors=colours, process=False)
        return self.pyrender.Mesh.from_trimesh(mesh, smooth=True)

    def draw(self, frame: int) -> np.ndarray:
        with _numpy_1_names():
            meshes = self.meshes
            mesh = self._mesh(meshes.points[frame], meshes.faces, self.colours, meshes.normals[frame])
            node = self.scene.add(mesh)
            picture, _ = self.renderer.render(self.scene, flags=self.pyrender.RenderFlags.SHADOWS_DIRECTIONAL)
            self.scene.remove_node(node)
            return np.asarray(picture)

    def close(self) -> None:
        self.renderer.delete()


@contextmanager
def _numpy_1_names() -> Iterator[None]:
    """pyrender 0.1.45 asks numpy for `infty`, which numpy 2 calls `inf` alone; lent while it runs."""
    if hasattr(np, "infty"):
        yield
        return
    np.infty = np.inf  # type: ignore[attr-defined]
    try:
        yield
    finally:
        del np.infty  # type: ignore[attr-defined]


def _perspective(focal: float, height: int, width: int) -> np.ndarray:
    matrix = np.zeros((4, 4))
    matrix[0, 0], matrix[1, 1] = 2 * focal * height / width, 2 * focal
    matrix[2, 2], matrix[2, 3] = -(_FAR + _NEAR) / (_FAR - _NEAR), -2 * _FAR * _NEAR / (_FAR - _NEAR)
    matrix[3, 2] = -1.0
    return matrix


def _orthographic(half: float, near: float, far: float) -> np.ndarray:
    matrix = np.diag([1 / half, 1 / half, -2 / (far - near), 1.0])
    matrix[2, 3] = -(far + near) / (far - near)
    return matrix
