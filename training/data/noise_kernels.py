"""Noise and surface patterns for the warp kernels: floors, walls, props, cloth. All are pure functions of a place."""

# ruff: noqa: UP018 -- in a warp kernel float(0.0) declares a variable, a bare 0.0 is a constant
from __future__ import annotations

import warp as wp


@wp.func
def hash3(x: wp.int32, y: wp.int32, z: wp.int32, seed: wp.int32):
    h = wp.uint32(x) * wp.uint32(73856093) ^ wp.uint32(y) * wp.uint32(19349663)
    h = h ^ wp.uint32(z) * wp.uint32(83492791) ^ wp.uint32(seed) * wp.uint32(461845907)
    h = (h ^ (h >> wp.uint32(15))) * wp.uint32(739982445)
    h = (h ^ (h >> wp.uint32(13))) * wp.uint32(695872825)
    h = h ^ (h >> wp.uint32(16))
    return float(h & wp.uint32(65535)) / 65535.0


@wp.func
def smooth(t: float):
    return t * t * (3.0 - 2.0 * t)


@wp.func
def value_noise2(x: float, y: float, seed: wp.int32):
    xi = int(wp.floor(x))
    yi = int(wp.floor(y))
    u = smooth(x - float(xi))
    v = smooth(y - float(yi))
    a = wp.lerp(hash3(xi, yi, 0, seed), hash3(xi + 1, yi, 0, seed), u)
    b = wp.lerp(hash3(xi, yi + 1, 0, seed), hash3(xi + 1, yi + 1, 0, seed), u)
    return wp.lerp(a, b, v)


@wp.func
def value_noise3(p: wp.vec3, seed: wp.int32):
    xi = int(wp.floor(p[0]))
    yi = int(wp.floor(p[1]))
    zi = int(wp.floor(p[2]))
    u = smooth(p[0] - float(xi))
    v = smooth(p[1] - float(yi))
    w = smooth(p[2] - float(zi))
    a = wp.lerp(hash3(xi, yi, zi, seed), hash3(xi + 1, yi, zi, seed), u)
    b = wp.lerp(hash3(xi, yi + 1, zi, seed), hash3(xi + 1, yi + 1, zi, seed), u)
    c = wp.lerp(hash3(xi, yi, zi + 1, seed), hash3(xi + 1, yi, zi + 1, seed), u)
    d = wp.lerp(hash3(xi, yi + 1, zi + 1, seed), hash3(xi + 1, yi + 1, zi + 1, seed), u)
    return wp.lerp(wp.lerp(a, b, v), wp.lerp(c, d, v), w)


@wp.func
def ring_noise(x: float, cells: wp.int32, seed: wp.int32):
    """Noise on the circle, x in -5..5; `cells` per unit, joined at the ends."""
    y = (x + 5.0) * float(cells)
    n = cells * 10
    i = int(wp.floor(y))
    u = smooth(y - float(i))
    return wp.lerp(hash3(i % n, 0, 0, seed), hash3((i + 1) % n, 0, 0, seed), u)


@wp.func
def fract(x: float):
    return x - wp.floor(x)


@wp.func
def band(x: float, width: float, blur: float):
    """1 inside [0, width) of every unit interval, with edges `blur` wide."""
    f = fract(x)
    rise = wp.clamp(f / blur + 0.5, 0.0, 1.0) - wp.clamp((f - width) / blur + 0.5, 0.0, 1.0)
    return rise + wp.clamp((f - 1.0) / blur + 0.5, 0.0, 1.0)


@wp.func
def surface_pattern(kind: wp.int32, u: float, v: float, blur: float, seed: wp.int32):
    """Share of the second colour at (u, v), pattern units; detail finer than `blur` fades to its mean."""
    fade = wp.clamp(1.5 - 1.5 * blur, 0.0, 1.0)
    b = wp.min(wp.max(blur, 0.02), 1.0)
    value = float(0.5)
    if kind == 0:  # plain with a slow cloudiness
        value = 0.35 * value_noise2(u, v, seed) + 0.1 * value_noise2(4.0 * u, 4.0 * v, seed)
        return value
    if kind == 1:  # checker
        a = band(u * 0.5, 0.5, 0.5 * b)
        c = band(v * 0.5, 0.5, 0.5 * b)
        value = a + c - 2.0 * a * c
        return wp.lerp(0.5, value, fade)
    if kind == 2:  # tiles with joints, each tile a shade of its own
        joint = wp.max(band(u + 0.03, 0.06, b), band(v + 0.03, 0.06, b))
        shade = 0.45 * hash3(int(wp.floor(u)), int(wp.floor(v)), 3, seed)
        return wp.lerp(0.3, wp.lerp(shade, 1.0, joint), fade)
    if kind == 3:  # planks along v
        row = wp.floor(u)
        along = v * 0.18 + hash3(int(row), 7, 1, seed)
        joint = wp.max(band(u + 0.025, 0.05, b), band(along + 0.006, 0.012, b * 0.2))
        shade = 0.55 * hash3(int(row), int(wp.floor(along)), 3, seed)
        grain = 0.25 * value_noise2(u * 9.0, v * 0.6, seed)
        return wp.lerp(0.35, wp.lerp(shade + grain, 1.0, joint), fade)
    if kind == 4:  # stripes along v
        return wp.lerp(0.5, band(u, 0.5, b), fade)
    if kind == 5:  # bricks
        row = wp.floor(v * 2.0)
        shifted = u + 0.5 * fract(row * 0.5)
        joint = wp.max(band(shifted + 0.03, 0.06, b), band(v * 2.0 + 0.06, 0.12, b))
        shade = 0.4 * hash3(int(wp.floor(shifted)), int(row), 5, seed)
        return wp.lerp(0.3, wp.lerp(shade, 1.0, joint), fade)
    if kind == 6:  # patches: grass, gravel, carpet
        value = 0.5 * value_noise2(0.7 * u, 0.7 * v, seed) + 0.5 * value_noise2(3.0 * u, 3.0 * v, seed + 1)
        fine = value_noise2(11.0 * u, 11.0 * v, seed + 2)
        return wp.clamp(value + 0.35 * (fine - 0.5) * fade, 0.0, 1.0)
    # 7: dots
    du = fract(u) - 0.5
    dv = fract(v) - 0.5
    return wp.lerp(0.25, 1.0 - wp.smoothstep(0.25, 0.25 + b, wp.sqrt(du * du + dv * dv)), fade)
