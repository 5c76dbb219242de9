"""How open the surface of a body is to the light around it; baked once per asset."""

# ruff: noqa: UP018 -- in a warp kernel float(0.0) declares a variable, a bare 0.0 is a constant
from __future__ import annotations

import numpy as np
import warp as wp


@wp.kernel
def cast(
    mesh: wp.uint64, at: wp.array(dtype=wp.vec3), normal: wp.array(dtype=wp.vec3), count: wp.int32,
    far: wp.float32, out: wp.array(dtype=wp.float32),
):  # fmt: skip
    v = wp.tid()
    n = normal[v]
    state = wp.rand_init(7, v)
    free = float(0.0)
    for _ in range(count):
        d = wp.normalize(n + 0.999 * wp.sample_unit_sphere_surface(state))
        hit = wp.mesh_query_ray(mesh, at[v] + 0.001 * n, d, far)
        free += wp.where(hit.result, hit.t / far, 1.0)
    out[v] = free / float(count)


def openness(points: np.ndarray, faces: np.ndarray, rays: int = 96, reach: float = 0.12) -> np.ndarray:
    """How open each vertex is to the sky around it [V], 0..255: rays over the normal's hemisphere, cosine-weighted.

    Darkens eye sockets, nostrils, ears, armpits and between fingers; `reach` metres, so limbs do not darken limbs.
    """
    corners = points[faces]
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros_like(points)
    np.add.at(normals, faces.reshape(-1), np.repeat(cross, 3, axis=0))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True).clip(1e-12)
    device_points = wp.array(points.astype(np.float32), dtype=wp.vec3, device="cpu")
    mesh = wp.Mesh(device_points, wp.array(faces.astype(np.int32).reshape(-1), dtype=wp.int32, device="cpu"))
    out = wp.zeros(len(points), dtype=wp.float32, device="cpu")
    wp.launch(
        cast, len(points), [mesh.id, device_points, wp.array(normals.astype(np.float32), dtype=wp.vec3, device="cpu"),
                            rays, reach, out], device="cpu",
    )  # fmt: skip
    return np.round(255 * out.numpy()).astype(np.uint8)
