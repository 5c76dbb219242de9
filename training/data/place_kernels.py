"""The place around the person in the warp kernels: sky, room, floor and props, all analytic. Linear light."""

# ruff: noqa: UP018 -- in a warp kernel float(0.0) declares a variable, a bare 0.0 is a constant
from __future__ import annotations

import warp as wp

from .noise_kernels import hash3, ring_noise, surface_pattern, value_noise2
from .render_types import PlaceHit, Prop, SceneParams, ShadeSettings

SKY = wp.constant(0)
FLOOR = wp.constant(1)
WALL = wp.constant(2)
PROP = wp.constant(3)


@wp.func
def sky_colour(d: wp.vec3, s: SceneParams):
    up = wp.clamp(d[1], -1.0, 1.0)
    colour = wp.lerp(s.horizon, s.zenith, wp.sqrt(wp.max(up, 0.0)))
    azimuth = wp.atan2(d[0], d[2])
    if s.clouds > 0.0 and up > 0.02:
        k = 1.2 / (up + 0.15)
        c = value_noise2(d[0] * k * 1.5, d[2] * k * 1.5, s.seed) * 0.65
        c += value_noise2(d[0] * k * 4.0, d[2] * k * 4.0, s.seed + 5) * 0.35
        c = wp.smoothstep(0.45, 0.75, c) * s.clouds
        colour = wp.lerp(colour, wp.vec3(0.9, 0.9, 0.92), c)
    # two rows of hills, so that a turning camera sees something move
    x = azimuth * 5.0 / 3.14159265
    near = 0.03 + s.hills * (0.10 * ring_noise(x, 3, s.seed) + 0.04 * ring_noise(x, 11, s.seed + 1))
    far = 0.06 + s.hills * (0.18 * ring_noise(x, 2, s.seed + 2) + 0.03 * ring_noise(x, 23, s.seed + 3))
    if up < far:
        colour = wp.lerp(s.hill_colour, s.horizon, 0.55)
    if up < near:
        colour = s.hill_colour
    return colour


@wp.func
def safe(x: float):
    return wp.where(wp.abs(x) < 1.0e-7, 1.0e-7, x)


@wp.func
def ray_prop(o: wp.vec3, d: wp.vec3, p: Prop):
    """Distance to a prop, -1 when it is missed; box (0), cylinder (1), ellipsoid (2), all turned about y."""
    to = p.centre - o
    along = wp.dot(to, d)
    if wp.dot(to, to) - along * along > p.radius * p.radius:
        return float(-1.0)
    if along < -p.radius:
        return float(-1.0)
    ro = wp.vec3(-p.cos * to[0] + p.sin * to[2], -to[1], -p.sin * to[0] - p.cos * to[2])
    rd = wp.vec3(p.cos * d[0] - p.sin * d[2], d[1], p.sin * d[0] + p.cos * d[2])
    h = p.half
    if p.kind == 2:
        so = wp.cw_div(ro, h)
        sd = wp.cw_div(rd, h)
        a = wp.dot(sd, sd)
        b = wp.dot(so, sd)
        disc = b * b - a * (wp.dot(so, so) - 1.0)
        if disc < 0.0:
            return float(-1.0)
        return (-b - wp.sqrt(disc)) / a
    inv_y = 1.0 / safe(rd[1])
    y0 = (-h[1] - ro[1]) * inv_y
    y1 = (h[1] - ro[1]) * inv_y
    near = wp.min(y0, y1)
    far = wp.max(y0, y1)
    if p.kind == 0:
        inv_x = 1.0 / safe(rd[0])
        inv_z = 1.0 / safe(rd[2])
        x0 = (-h[0] - ro[0]) * inv_x
        x1 = (h[0] - ro[0]) * inv_x
        z0 = (-h[2] - ro[2]) * inv_z
        z1 = (h[2] - ro[2]) * inv_z
        near = wp.max(near, wp.max(wp.min(x0, x1), wp.min(z0, z1)))
        far = wp.min(far, wp.min(wp.max(x0, x1), wp.max(z0, z1)))
    else:
        a = rd[0] * rd[0] + rd[2] * rd[2]
        b = ro[0] * rd[0] + ro[2] * rd[2]
        disc = b * b - a * (ro[0] * ro[0] + ro[2] * ro[2] - h[0] * h[0])
        if disc < 0.0 or a < 1.0e-9:
            return float(-1.0)
        root = wp.sqrt(disc)
        near = wp.max(near, (-b - root) / a)
        far = wp.min(far, (-b + root) / a)
    if near > far or near < 0.0:
        return float(-1.0)
    return near


@wp.func
def prop_normal(p: Prop, point: wp.vec3):
    r = point - p.centre
    q = wp.vec3(p.cos * r[0] - p.sin * r[2], r[1], p.sin * r[0] + p.cos * r[2])
    n = wp.vec3(0.0, 1.0, 0.0)
    if p.kind == 2:
        n = wp.normalize(wp.cw_div(q, wp.cw_mul(p.half, p.half)))
    elif p.kind == 1:
        if wp.abs(q[1]) < p.half[1] - 1.0e-3:
            n = wp.normalize(wp.vec3(q[0], 0.0, q[2]))
    else:
        e = wp.cw_div(q, p.half)
        ax = wp.abs(e[0])
        ay = wp.abs(e[1])
        az = wp.abs(e[2])
        if ax > ay and ax > az:
            n = wp.vec3(wp.sign(e[0]), 0.0, 0.0)
        elif az > ay:
            n = wp.vec3(0.0, 0.0, wp.sign(e[2]))
        elif e[1] < 0.0:
            n = wp.vec3(0.0, -1.0, 0.0)
    return wp.vec3(p.cos * n[0] + p.sin * n[2], n[1], -p.sin * n[0] + p.cos * n[2])


@wp.func
def wall_colour(which: wp.int32, q: wp.vec3, normal: wp.vec3, blur: float, s: SceneParams):
    """Wallpaper or bricks, a skirting board, and framed pictures that differ from wall to wall."""
    if which == 2:
        return s.ceiling
    along = q[2]
    if which == 1:
        along = q[0]
    side = which * 2
    if normal[0] + normal[2] > 0.0:
        side += 1
    mix = surface_pattern(s.wall_pattern, along * s.wall_scale, q[1] * s.wall_scale, blur, s.seed + side)
    colour = wp.lerp(s.wall_a, s.wall_b, mix)
    colour = colour * (0.85 + 0.3 * hash3(side, 1, 2, s.seed))
    if q[1] < s.skirting:
        colour = s.trim
    cell = wp.floor(along / s.picture_pitch)
    pick = hash3(int(cell), side, 17, s.seed)
    if pick < s.pictures:
        middle = (cell + 0.35 + 0.3 * hash3(int(cell), side, 18, s.seed)) * s.picture_pitch
        half_w = (0.15 + 0.2 * hash3(int(cell), side, 19, s.seed)) * s.picture_pitch
        half_h = 0.25 + 0.5 * hash3(int(cell), side, 20, s.seed)
        dx = wp.abs(along - middle)
        dy = wp.abs(q[1] - 1.55)
        if dx < half_w and dy < half_h:
            colour = s.trim
            if dx < half_w - 0.05 and dy < half_h - 0.05:
                a = hash3(int(cell), side, 21, s.seed)
                b = hash3(int(cell), side, 22, s.seed)
                e = hash3(int(cell), side, 23, s.seed)
                g = value_noise2(along * 4.0 + 9.0 * a, q[1] * 4.0, s.seed + side)
                colour = wp.lerp(wp.vec3(a, b, e), wp.vec3(e, a, b), g) * 0.7
    return colour


@wp.func
def into_room(v: wp.vec3, s: SceneParams):
    """A direction of the world in the room's axes."""
    return wp.vec3(s.room_cos * v[0] - s.room_sin * v[2], v[1], s.room_sin * v[0] + s.room_cos * v[2])


@wp.func
def out_of_room(v: wp.vec3, s: SceneParams):
    """A direction of the room in the world's axes."""
    return wp.vec3(s.room_cos * v[0] + s.room_sin * v[2], v[1], -s.room_sin * v[0] + s.room_cos * v[2])


@wp.func
def trace_place(o: wp.vec3, d: wp.vec3, s: SceneParams, props: wp.array(dtype=Prop), near_prop: float):
    """What of the place a ray meets first.

    A room is seen from inside only (the far side of its box), so that a camera may stand outside it; props nearer
    than `near_prop` are passed through, so that none fills the picture.
    """
    hit = PlaceHit()
    hit.kind = SKY
    hit.t = float(1.0e6)
    hit.which = 0
    hit.normal = wp.vec3(0.0, 1.0, 0.0)
    if s.has_room != 0:
        qo = into_room(o - s.room_centre, s)
        qd = into_room(d, s)
        tx = (wp.sign(qd[0]) * s.room_half[0] - qo[0]) / safe(qd[0])
        tz = (wp.sign(qd[2]) * s.room_half[2] - qo[2]) / safe(qd[2])
        ty = float(1.0e6)
        if qd[1] > 1.0e-6:
            ty = (s.room_half[1] - qo[1]) / qd[1]
        leave = wp.min(wp.min(tx, tz), ty)
        if leave > 0.0:
            hit.t = leave
            hit.kind = WALL
            if tx <= tz and tx <= ty:
                hit.normal = wp.vec3(-wp.sign(qd[0]), 0.0, 0.0)
            elif tz <= ty:
                hit.which = 1
                hit.normal = wp.vec3(0.0, 0.0, -wp.sign(qd[2]))
            else:
                hit.which = 2
                hit.normal = wp.vec3(0.0, -1.0, 0.0)
    if d[1] < -1.0e-6:
        down = -o[1] / d[1]
        if down > 0.0 and down < hit.t:
            hit.t = down
            hit.kind = FLOOR
            hit.normal = wp.vec3(0.0, 1.0, 0.0)
    for i in range(props.shape[0]):
        reach = ray_prop(o, d, props[i])
        if reach > near_prop and reach < hit.t:
            hit.t = reach
            hit.kind = PROP
            hit.which = i
    return hit


@wp.func
def floor_colour(point: wp.vec3, steep: float, footprint: float, s: SceneParams):
    """Floor pattern; `steep` is how squarely the ray meets the floor, `footprint` the pixel's size there (metres)."""
    p = point - s.room_centre
    u = (s.floor_cos * p[0] - s.floor_sin * p[2]) * s.floor_scale
    v = (s.floor_sin * p[0] + s.floor_cos * p[2]) * s.floor_scale
    blur = footprint * s.floor_scale / wp.max(steep, 0.08)
    mix = surface_pattern(s.floor_pattern, u, v, blur, s.seed)
    return wp.lerp(s.floor_a, s.floor_b, mix)


@wp.func
def contact_openness(point: wp.vec3, settings: ShadeSettings):
    """Share of the sky that the floor sees under feet and hips: a soft dark patch where the person stands."""
    free = float(1.0)
    for j in range(3):
        dx = point[0] - settings.contact[j, 0]
        dz = point[2] - settings.contact[j, 2]
        height = settings.contact[j, 1]
        reach = 0.18 + 0.8 * height
        near = wp.max(1.0 - (dx * dx + dz * dz) / (5.0 * reach * reach), 0.0)
        near = near * near
        free = free * (1.0 - 0.55 / (1.0 + 4.0 * height) * near * near)
    return free


@wp.func
def prop_colour(point: wp.vec3, footprint: float, p: Prop):
    r = point - p.centre
    mix = surface_pattern(p.pattern, (r[0] + r[2]) * p.scale, r[1] * p.scale, footprint * p.scale, p.seed)
    return wp.lerp(p.colour_a, p.colour_b, mix)
