# mypy: ignore-errors
# (warp reads array types from annotations that are calls, which a type checker cannot follow)
"""Which joints a camera can see: a ray from the camera to each joint that nothing stops before the joint's own skin."""

from __future__ import annotations

import numpy as np
import warp as wp

from .render_kernels import ray_prop
from .render_types import CameraView, Prop

NUM_JOINTS = 55
_TRUNK = (0, 1, 2, 3, 6, 9, 12, 13, 14, 16, 17)
_FEET_AND_WRISTS = (7, 8, 10, 11, 20, 21)
_FIRST_FINGER = 25


def skin_depths() -> np.ndarray:
    """[55] metres that a joint may lie under the surface it shows through: deep in the trunk, little in a finger."""
    depths = np.full(NUM_JOINTS, 0.12, np.float32)
    depths[list(_TRUNK)] = 0.20
    depths[list(_FEET_AND_WRISTS)] = 0.07
    depths[_FIRST_FINGER:] = 0.03
    return depths


@wp.kernel
def sight_kernel(
    mesh: wp.uint64, props: wp.array(dtype=Prop), near_prop: wp.float32, views: wp.array(dtype=CameraView),
    joints: wp.array(dtype=wp.vec3), depths: wp.array(dtype=wp.float32), out: wp.array2d(dtype=wp.uint8),
):  # fmt: skip
    """1 where the way from a view's camera to a joint is free of the person and of props."""
    c, j = wp.tid()
    origin = views[c].position
    way = joints[j] - origin
    distance = wp.length(way)
    direction = way / wp.max(distance, 1.0e-6)
    reach = distance - depths[j]
    free = wp.uint8(1)
    if reach > 0.0:
        if wp.mesh_query_ray_anyhit(mesh, origin, direction, reach):
            free = wp.uint8(0)
        for i in range(props.shape[0]):
            hit = ray_prop(origin, direction, props[i])
            if hit > near_prop and hit < reach:
                free = wp.uint8(0)
    out[c, j] = free
