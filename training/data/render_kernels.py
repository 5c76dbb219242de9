"""Warp kernels of the renderer: skinning, primary and shadow rays, shading. The same code runs on CPU and CUDA.

One thread is one pixel of one camera; all cameras of a body frame share one launch and one BVH of the person.
Floor, room, sky and props are analytic, so only the person needs a mesh. Colours are linear light until the end.
"""

from __future__ import annotations

import warp as wp

from .render_types import CameraView, Material, Prop, SceneParams, ShadeSettings

MAT_SKIN = wp.constant(0)
MAT_EYE = wp.constant(1)
MAT_HAIR = wp.constant(2)
MAT_CLOTH = wp.constant(3)
MAT_SHOE = wp.constant(4)
MAT_FACE = wp.constant(5)


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
def hash3(x: wp.int32, y: wp.int32, z: wp.int32, seed: wp.int32):
    h = wp.uint32(x) * wp.uint32(73856093) ^ wp.uint32(y) * wp.uint32(19349663)
    h = h ^ wp.uint32(z) * wp.uint32(83492791) ^ wp.uint32(seed) * wp.uint32(2654435761)
    h = (h ^ (h >> wp.uint32(15))) * wp.uint32(2246822519)
    h = (h ^ (h >> wp.uint32(13))) * wp.uint32(3266489917)
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


@wp.func
def sky_colour(d: wp.vec3, s: SceneParams):
    up = wp.clamp(d[1], -1.0, 1.0)
    colour = wp.lerp(s.horizon, s.zenith, wp.pow(wp.max(up, 0.0), 0.6))
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
def ring_noise(x: float, cells: wp.int32, seed: wp.int32):
    """Noise on the circle, x in -5..5; `cells` per unit, joined at the ends."""
    y = (x + 5.0) * float(cells)
    n = cells * 10
    i = int(wp.floor(y))
    u = smooth(y - float(i))
    return wp.lerp(hash3(i % n, 0, 0, seed), hash3((i + 1) % n, 0, 0, seed), u)


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
def safe(x: float):
    return wp.where(wp.abs(x) < 1.0e-7, 1.0e-7, x)


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
def in_shadow(mesh: wp.uint64, o: wp.vec3, d: wp.vec3, props: wp.array(dtype=Prop), low: wp.vec3, high: wp.vec3):
    """Whether the person or a prop stands between a point and the light."""
    for i in range(props.shape[0]):
        if ray_prop(o, d, props[i]) > 0.0:
            return True
    inv = wp.vec3(1.0 / safe(d[0]), 1.0 / safe(d[1]), 1.0 / safe(d[2]))
    a = wp.cw_mul(low - o, inv)
    b = wp.cw_mul(high - o, inv)
    near = wp.max(wp.max(wp.min(a[0], b[0]), wp.min(a[1], b[1])), wp.min(a[2], b[2]))
    far = wp.min(wp.min(wp.max(a[0], b[0]), wp.max(a[1], b[1])), wp.max(a[2], b[2]))
    if near > far or far < 0.0:
        return False
    return wp.mesh_query_ray_anyhit(mesh, o, d, 20.0)


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
        brow = wp.clamp(2.0 - 1.6 * away, 0.0, 1.0) * wp.smoothstep(0.12, 0.24, x) * (1.0 - wp.smoothstep(0.80, 0.98, x))
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
def lit(
    base: wp.vec3, n: wp.vec3, view: wp.vec3, sun: wp.vec3, shadow: float, occlusion: float, gloss: float,
    wrap: float, s: SceneParams,
):  # fmt: skip
    """Diffuse sun, sky and bounce light, and a soft highlight. `wrap` softens the terminator (skin, hair)."""
    facing = wp.max((wp.dot(n, sun) + wrap) / (1.0 + wrap), 0.0)
    sky = wp.lerp(s.ground_light, s.sky_light, 0.5 + 0.5 * n[1])
    fill = 0.12 * wp.max(wp.dot(n, -view), 0.0)
    light = s.sun_light * (facing * shadow) + (sky + fill * s.sky_light) * occlusion
    half = wp.normalize(sun - view)
    shine = gloss * wp.pow(wp.max(wp.dot(n, half), 0.0), 24.0) * shadow
    return wp.cw_mul(base, light) + s.sun_light * shine


@wp.kernel
def render_kernel(
    mesh: wp.uint64, faces: wp.array(dtype=wp.int32), normals: wp.array(dtype=wp.vec3),
    colours: wp.array(dtype=wp.vec3), coords: wp.array(dtype=wp.vec3), face_material: wp.array(dtype=wp.int32),
    occlusion: wp.array(dtype=wp.float32), materials: wp.array(dtype=Material), props: wp.array(dtype=Prop),
    scene: SceneParams, views: wp.array(dtype=CameraView), settings: ShadeSettings, out: wp.array2d(dtype=wp.uint8),
):  # fmt: skip
    """Colour and coverage (r, g, b, person) of every pixel of every view."""
    tid = wp.tid()
    c = int(0)
    while c + 1 < views.shape[0] and tid >= views[c + 1].first_pixel:
        c += 1
    view = views[c]
    local = tid - view.first_pixel
    px = local % view.width
    py = local // view.width
    n = settings.samples
    total = wp.vec3(0.0)
    covered = float(0.0)
    pixel_angle = 1.0 / (view.focal * float(n))
    for k in range(n * n):
        x = (float(px) + (float(k % n) + 0.5) / float(n) - view.cx) / view.focal
        y = (float(py) + (float(k // n) + 0.5) / float(n) - view.cy) / view.focal
        d = wp.normalize(view.to_world * wp.vec3(x, y, 1.0))
        o = view.position
        t = float(1.0e6)
        kind = int(0)  # 0 background, 1 floor, 2 wall, 3 prop, 4 person
        which = int(0)
        normal = wp.vec3(0.0, 1.0, 0.0)
        # room: only its inside is visible, so a camera may stand outside it
        if scene.has_room != 0:
            ro = o - scene.room_centre
            qo = wp.vec3(scene.room_cos * ro[0] - scene.room_sin * ro[2], ro[1],
                         scene.room_sin * ro[0] + scene.room_cos * ro[2])
            qd = wp.vec3(scene.room_cos * d[0] - scene.room_sin * d[2], d[1],
                         scene.room_sin * d[0] + scene.room_cos * d[2])
            tx = (wp.sign(qd[0]) * scene.room_half[0] - qo[0]) / safe(qd[0])
            tz = (wp.sign(qd[2]) * scene.room_half[2] - qo[2]) / safe(qd[2])
            ty = float(1.0e6)
            if qd[1] > 1.0e-6:
                ty = (scene.room_half[1] - qo[1]) / qd[1]
            exit = wp.min(wp.min(tx, tz), ty)
            if exit > 0.0:
                t = exit
                kind = 2
                if tx <= tz and tx <= ty:
                    which = 0
                    normal = wp.vec3(-wp.sign(qd[0]), 0.0, 0.0)
                elif tz <= ty:
                    which = 1
                    normal = wp.vec3(0.0, 0.0, -wp.sign(qd[2]))
                else:
                    which = 2
                    normal = wp.vec3(0.0, -1.0, 0.0)
        if d[1] < -1.0e-6:
            tf = -o[1] / d[1]
            if tf > 0.0 and tf < t:
                t = tf
                kind = 1
                normal = wp.vec3(0.0, 1.0, 0.0)
        for i in range(props.shape[0]):
            tp = ray_prop(o, d, props[i])
            if tp > settings.near_prop and tp < t:
                t = tp
                kind = 3
                which = i
        query = wp.mesh_query_ray(mesh, o, d, t)
        sun = wp.normalize(scene.sun + scene.sun_size * (
            (hash3(k, 1, 0, 9) - 0.5) * scene.sun_u + (hash3(k, 2, 0, 9) - 0.5) * scene.sun_v))
        if n == 1:
            sun = scene.sun
        colour = wp.vec3(0.0)
        if query.result:
            covered += 1.0
            t = query.t
            f = query.face
            a = faces[3 * f]
            b = faces[3 * f + 1]
            e = faces[3 * f + 2]
            u = query.u
            v = query.v
            w = 1.0 - u - v
            normal = wp.normalize(u * normals[a] + v * normals[b] + w * normals[e])
            flat = query.normal
            if wp.dot(flat, d) > 0.0:
                flat = -flat
            if wp.dot(normal, flat) < 0.0:
                normal = -normal
            material = materials[face_material[f]]
            q = u * coords[a] + v * coords[b] + w * coords[e]
            base = person_colour(material, u * colours[a] + v * colours[b] + w * colours[e], q, t * pixel_angle)
            open = u * occlusion[a] + v * occlusion[b] + w * occlusion[e]
            point = o + t * d
            shadow = float(1.0)
            if wp.dot(normal, sun) > -material.wrap:
                if in_shadow(mesh, point + 0.006 * flat + 0.004 * sun, sun, props, settings.low, settings.high):
                    shadow = 0.0
            if material.kind == MAT_HAIR:
                open = open * (0.75 + 0.25 * wp.clamp(normal[1] + 0.6, 0.0, 1.0))
            colour = lit(base, normal, d, sun, shadow, open, material.gloss, material.wrap, scene)
            rim = wp.pow(1.0 - wp.max(wp.dot(normal, -d), 0.0), 4.0)
            colour += 0.10 * rim * wp.cw_mul(base, scene.sky_light)
        elif kind == 0:
            colour = sky_colour(d, scene)
        else:
            point = o + t * d
            base = wp.vec3(0.0)
            open = float(1.0)
            if kind == 1:
                rp = point - scene.room_centre
                fu = (scene.floor_cos * rp[0] - scene.floor_sin * rp[2]) * scene.floor_scale
                fv = (scene.floor_sin * rp[0] + scene.floor_cos * rp[2]) * scene.floor_scale
                blur = t * pixel_angle * scene.floor_scale / wp.max(-d[1], 0.08)
                mix = surface_pattern(scene.floor_pattern, fu, fv, blur, scene.seed)
                base = wp.lerp(scene.floor_a, scene.floor_b, mix)
                open = settings.contact_open
                for j in range(3):
                    foot = settings.contact[j]
                    dx = point[0] - foot[0]
                    dz = point[2] - foot[2]
                    reach = 0.18 + 0.8 * foot[1]
                    open_j = 1.0 - 0.55 / (1.0 + 4.0 * foot[1]) * wp.exp(-(dx * dx + dz * dz) / (reach * reach))
                    open = open * open_j
            elif kind == 2:
                ro = point - scene.room_centre
                q = wp.vec3(scene.room_cos * ro[0] - scene.room_sin * ro[2], ro[1],
                            scene.room_sin * ro[0] + scene.room_cos * ro[2])
                blur = t * pixel_angle * scene.wall_scale / wp.max(-wp.dot(normal, qd), 0.1)
                base = wall_colour(which, q, normal, blur, scene)
                normal = wp.vec3(scene.room_cos * normal[0] + scene.room_sin * normal[2], normal[1],
                                 -scene.room_sin * normal[0] + scene.room_cos * normal[2])
                open = 0.75 + 0.25 * wp.clamp(q[1] / 0.5, 0.0, 1.0)
            else:
                p = props[which]
                normal = prop_normal(p, point)
                r = point - p.centre
                mix = surface_pattern(p.pattern, (r[0] + r[2]) * p.scale, r[1] * p.scale,
                                      t * pixel_angle * p.scale, p.seed)
                base = wp.lerp(p.colour_a, p.colour_b, mix)
                open = 0.7 + 0.3 * wp.clamp(point[1] / 0.4, 0.0, 1.0)
            shadow = float(0.0)
            if wp.dot(normal, sun) > 0.0 and kind != 2:
                shadow = 1.0
                if in_shadow(mesh, point + 0.004 * normal, sun, props, settings.low, settings.high):
                    shadow = 0.0
            if kind == 2:
                shadow = 0.55
            colour = lit(base, normal, d, sun, shadow, open, 0.0, 0.0, scene)
            if scene.has_room == 0:
                haze = 1.0 - wp.exp(-t * t / (scene.haze * scene.haze))
                colour = wp.lerp(colour, scene.horizon, haze)
        total += colour
    inv = 1.0 / float(n * n)
    for i in range(3):
        value = wp.max(total[i] * inv * scene.exposure, 0.0)
        value = value * (1.0 + value * 0.15) / (1.0 + value * 0.55)  # shoulder: highlights keep their colour
        out[tid, i] = wp.uint8(wp.min(wp.pow(value, 0.4545) * 255.0 + 0.5, 255.0))
    out[tid, 3] = wp.uint8(covered * inv * 255.0 + 0.5)


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
