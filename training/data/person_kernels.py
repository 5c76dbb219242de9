"""The person in the warp kernels: skinning, and the colours of skin, face, eyes, hair and cloth. Linear light."""

# ruff: noqa: UP018 -- in a warp kernel float(0.0) declares a variable, a bare 0.0 is a constant
from __future__ import annotations

import warp as wp

from .noise_kernels import surface_pattern, value_noise3
from .render_types import Material

MAT_SKIN = wp.constant(0)
MAT_EYE = wp.constant(1)
MAT_HAIR = wp.constant(2)
MAT_CLOTH = wp.constant(3)
MAT_SHOE = wp.constant(4)
MAT_FACE = wp.constant(5)
wp.set_module_options({"enable_backward": False})


@wp.kernel
def skin_kernel(
    rest: wp.array(dtype=wp.vec3), rest_normals: wp.array(dtype=wp.vec3), bone_ids: wp.array2d(dtype=wp.int32),
    weights: wp.array2d(dtype=wp.float32), rotations: wp.array(dtype=wp.mat33), shifts: wp.array(dtype=wp.vec3),
    points: wp.array(dtype=wp.vec3), normals: wp.array(dtype=wp.vec3),
):  # fmt: skip
    """Linear blend skinning of points; normals turn with the blended matrix."""
    v = wp.tid()
    turn = wp.mat33(0.0)
    shift = wp.vec3(0.0)
    for k in range(bone_ids.shape[1]):
        w = weights[v, k]
        if w > 0.0:
            b = bone_ids[v, k]
            turn += w * rotations[b]
            shift += w * shifts[b]
    points[v] = turn * rest[v] + shift
    normals[v] = wp.normalize(turn * rest_normals[v])


@wp.func
def person_colour(
    material: Material, colour: wp.vec3, q: wp.vec3, blur: float,
):  # fmt: skip
    """Surface colour of the person: q is the pattern coordinate (rest pose, metres) at the hit."""
    kind = material.kind
    if kind == MAT_EYE:
        # q is the direction from the centre of the eye: z looks out
        r = wp.sqrt(q[0] * q[0] + q[1] * q[1]) / wp.max(wp.length(q), 1.0e-6)
        out = wp.vec3(0.80, 0.78, 0.76)
        if q[2] > 0.0:
            if r < 0.50:
                out = material.colour_a * (0.7 + 0.6 * r)
            if r < 0.22:
                out = wp.vec3(0.01, 0.01, 0.01)
        return out
    if kind == MAT_SKIN:
        return colour * (0.96 + 0.08 * value_noise3(q * 55.0, 5))
    if kind == MAT_FACE:
        # q is in eye distances from the middle between the eyes: a brow arches above each eye
        x = wp.abs(q[0])
        arch = 0.40 + 0.10 * wp.sin(wp.clamp((x - 0.15) / 0.75, 0.0, 1.0) * 2.4)
        away = wp.abs(q[1] - arch) / wp.lerp(0.10, 0.05, wp.clamp((x - 0.2) / 0.7, 0.0, 1.0))
        brow = (
            wp.clamp(2.0 - 1.6 * away, 0.0, 1.0) * wp.smoothstep(0.12, 0.24, x) * (1.0 - wp.smoothstep(0.80, 0.98, x))
        )
        if q[2] < -0.3:
            brow = 0.0
        skin = colour * (0.96 + 0.08 * value_noise3(q * 4.0, 5))
        return wp.lerp(skin, material.colour_b, 0.85 * brow)
    if kind == MAT_HAIR:
        strand = value_noise3(wp.vec3(q[0] * 420.0, q[1] * 30.0, q[2] * 420.0), 11)
        lock = value_noise3(wp.vec3(q[0] * 70.0, q[1] * 9.0, q[2] * 70.0), 12)
        return wp.lerp(material.colour_a, material.colour_b, 0.55 * strand + 0.45 * lock)
    s = material.scale
    mix = float(0.0)
    if material.pattern == 0:
        mix = 0.12 * value_noise3(q * 160.0, 3)
    elif material.pattern == 1:  # rings around the body and sleeves
        mix = surface_pattern(4, q[1] * s, 0.0, blur * s, 0)
    elif material.pattern == 2:
        mix = surface_pattern(4, q[0] * s, 0.0, blur * s, 0)
    elif material.pattern == 3:  # tartan
        a = surface_pattern(4, q[0] * s, 0.0, blur * s, 0)
        b = surface_pattern(4, q[1] * s, 0.0, blur * s, 0)
        mix = 0.5 * (a + b)
    elif material.pattern == 4:
        mix = surface_pattern(7, q[0] * s, q[1] * s, blur * s, 0)
    elif material.pattern == 5:  # denim, knit
        mix = 0.5 * value_noise3(wp.vec3(q[0] * 300.0, q[1] * 40.0, q[2] * 300.0), 3)
        mix += 0.5 * value_noise3(q * 14.0, 4)
    else:  # camouflage, prints
        mix = wp.smoothstep(0.46, 0.54, value_noise3(q * s, material.seed))
    return wp.cw_mul(wp.lerp(material.colour_a, material.colour_b, mix), colour)


@wp.func
def person_normal(material: Material, normal: wp.vec3, q: wp.vec3):
    """The smooth normal with the folds of cloth and the strands of hair; q is the rest position in metres."""
    if material.relief <= 0.0:
        return normal
    p = q * 9.0
    if material.kind == MAT_HAIR:
        p = wp.vec3(q[0] * 130.0, q[1] * 12.0, q[2] * 130.0)
    fold = wp.vec3(value_noise3(p, 31) - 0.5, value_noise3(p, 32) - 0.5, value_noise3(p, 33) - 0.5)
    if material.kind == MAT_CLOTH:
        r = wp.vec3(q[0] * 34.0, q[1] * 17.0, q[2] * 34.0)
        fold += 0.5 * wp.vec3(value_noise3(r, 34) - 0.5, value_noise3(r, 35) - 0.5, value_noise3(r, 36) - 0.5)
    return wp.normalize(normal + material.relief * fold)
