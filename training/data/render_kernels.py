"""The render kernel: one thread is one pixel of one camera; all cameras of a body frame share one launch and one BVH.

Only the person needs a mesh; the place is analytic (place_kernels.py). The same code runs on CPU and CUDA. Colours are
linear light until the last lines.
"""

# ruff: noqa: UP018, RUF046 -- in a warp kernel float(0.0) declares a variable, a bare 0.0 is a constant
from __future__ import annotations

import warp as wp

from .noise_kernels import fract
from .person_kernels import MAT_HAIR, person_colour, person_normal
from .place_kernels import (
    FLOOR,
    SKY,
    WALL,
    contact_openness,
    floor_colour,
    into_room,
    out_of_room,
    prop_colour,
    prop_normal,
    ray_prop,
    safe,
    sky_colour,
    trace_place,
    wall_colour,
)
from .render_types import CameraView, PersonMesh, PlaceHit, Prop, SceneParams, ShadeSettings

wp.set_module_options({"enable_backward": False})


@wp.func
def meets_box(o: wp.vec3, d: wp.vec3, low: wp.vec3, high: wp.vec3):
    """Whether a ray meets the box low..high."""
    inv = wp.vec3(1.0 / safe(d[0]), 1.0 / safe(d[1]), 1.0 / safe(d[2]))
    a = wp.cw_mul(low - o, inv)
    b = wp.cw_mul(high - o, inv)
    near = wp.max(wp.max(wp.min(a[0], b[0]), wp.min(a[1], b[1])), wp.min(a[2], b[2]))
    far = wp.min(wp.min(wp.max(a[0], b[0]), wp.max(a[1], b[1])), wp.max(a[2], b[2]))
    return near <= far and far >= 0.0


@wp.func
def in_shadow(mesh: wp.uint64, o: wp.vec3, d: wp.vec3, props: wp.array(dtype=Prop), low: wp.vec3, high: wp.vec3):
    """Whether the person (inside the box low..high) or a prop stands between a point and the light."""
    for i in range(props.shape[0]):
        if ray_prop(o, d, props[i]) > 0.0:
            return True
    if not meets_box(o, d, low, high):
        return False
    return wp.mesh_query_ray_anyhit(mesh, o, d, 20.0)


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
    shine = wp.max(wp.dot(n, half), 0.0)
    shine = shine * shine * shine
    shine = shine * shine * shine * shine
    shine = gloss * shadow * shine * shine  # to the 24th
    return wp.cw_mul(base, light) + s.sun_light * shine


@wp.func
def shade_person(
    face: wp.int32, u: float, v: float, t: float, flat: wp.vec3, o: wp.vec3, d: wp.vec3, sun: wp.vec3,
    footprint: float, person: PersonMesh, props: wp.array(dtype=Prop), s: SceneParams, settings: ShadeSettings,
):  # fmt: skip
    """Light that leaves the person towards the camera. u, v: barycentric place in the face; flat: its normal."""
    i = person.faces[3 * face]
    j = person.faces[3 * face + 1]
    k = person.faces[3 * face + 2]
    w = 1.0 - u - v
    outward = flat
    if wp.dot(flat, d) > 0.0:  # the back of a thin layer: inside of a skirt, a sleeve
        outward = -flat
    normal = wp.normalize(u * person.normals[i] + v * person.normals[j] + w * person.normals[k])
    if wp.dot(normal, outward) < 0.0:
        normal = -normal
    material = person.materials[person.face_material[face]]
    q = u * person.coords[i] + v * person.coords[j] + w * person.coords[k]
    paint = u * person.colours[i] + v * person.colours[j] + w * person.colours[k]
    normal = person_normal(material, normal, q)
    base = person_colour(material, paint, q, footprint)
    free = u * person.openness[i] + v * person.openness[j] + w * person.openness[k]
    shadow = float(1.0)
    if wp.dot(normal, sun) > -material.wrap:
        point = o + t * d + 0.006 * outward + 0.004 * sun
        if in_shadow(person.mesh, point, sun, props, settings.low, settings.high):
            shadow = 0.0
    if material.kind == MAT_HAIR:
        free = free * (0.75 + 0.25 * wp.clamp(normal[1] + 0.6, 0.0, 1.0))
    rim = 1.0 - wp.max(wp.dot(normal, -d), 0.0)
    rim = rim * rim * rim * rim
    out = lit(base, normal, d, sun, shadow, free, material.gloss, material.wrap, s)
    return out + 0.10 * rim * free * wp.cw_mul(base, s.sky_light)


@wp.func
def shade_place(
    hit: PlaceHit, o: wp.vec3, d: wp.vec3, sun: wp.vec3, footprint: float, person: PersonMesh,
    props: wp.array(dtype=Prop), s: SceneParams, settings: ShadeSettings,
):  # fmt: skip
    """Light that leaves floor, wall or prop towards the camera."""
    point = o + hit.t * d
    normal = hit.normal
    base = wp.vec3(0.0)
    free = float(1.0)
    shadow = float(0.0)
    if hit.kind == WALL:
        q = into_room(point - s.room_centre, s)
        squarely = wp.max(-wp.dot(normal, into_room(d, s)), 0.1)
        base = wall_colour(hit.which, q, normal, footprint * s.wall_scale / squarely, s)
        normal = out_of_room(normal, s)
        free = 0.75 + 0.25 * wp.clamp(q[1] / 0.5, 0.0, 1.0)
        shadow = 0.55  # indoor light comes from all over the ceiling: walls get an even share
    else:
        if hit.kind == FLOOR:
            base = floor_colour(point, -d[1], footprint, s)
            free = contact_openness(point, settings)
        else:
            normal = prop_normal(props[hit.which], point)
            base = prop_colour(point, footprint, props[hit.which])
            free = 0.7 + 0.3 * wp.clamp(point[1] / 0.4, 0.0, 1.0)
        if wp.dot(normal, sun) > 0.0:
            shadow = 1.0
            if in_shadow(person.mesh, point + 0.004 * normal, sun, props, settings.low, settings.high):
                shadow = 0.0
    colour = lit(base, normal, d, sun, shadow, free, 0.0, 0.0, s)
    if s.has_room == 0:
        far = hit.t * hit.t / (s.haze * s.haze)
        colour = wp.lerp(colour, s.horizon, far / (1.0 + far))
    return colour


@wp.func
def sun_sample(s: SceneParams, sample: wp.int32, count: wp.int32, px: wp.int32, py: wp.int32):
    """Direction to a point of the light: with many rays a pixel these spread over its disc, for soft shadows."""
    if count == 1:
        return s.sun
    # interleaved gradient noise turns a spiral of samples: neighbouring pixels complete each other without a pattern
    turn = 0.06711056 * float(px) + 0.00583715 * float(py)
    angle = 6.2831853 * fract(52.9829189 * fract(turn)) + 2.3999632 * float(sample)
    reach = 0.5 * s.sun_size * wp.sqrt((float(sample) + 0.5) / float(count))
    return wp.normalize(s.sun + reach * (wp.cos(angle) * s.sun_u + wp.sin(angle) * s.sun_v))


@wp.kernel
def render_kernel(
    person: PersonMesh, props: wp.array(dtype=Prop), scene: SceneParams, views: wp.array(dtype=CameraView),
    settings: ShadeSettings, out: wp.array2d(dtype=wp.uint8),
):  # fmt: skip
    """Colour and coverage (red, green, blue, person) of every pixel of every view."""
    tid = wp.tid()
    c = int(0)
    while c + 1 < views.shape[0] and tid >= views[c + 1].first_pixel:
        c += 1
    view = views[c]
    px = (tid - view.first_pixel) % view.width
    py = (tid - view.first_pixel) // view.width
    side = settings.samples
    o = view.position
    total = wp.vec3(0.0)
    covered = float(0.0)
    for sample in range(side * side):
        x = (float(px) + (float(sample % side) + 0.5) / float(side) - view.cx) / view.focal
        y = (float(py) + (float(sample // side) + 0.5) / float(side) - view.cy) / view.focal
        d = wp.normalize(view.to_world * wp.vec3(x, y, 1.0))
        hit = trace_place(o, d, scene, props, settings.near_prop)
        sun = sun_sample(scene, sample, side * side, px, py)
        pixel_angle = 1.0 / (view.focal * float(side))
        query = wp.mesh_query_ray(person.mesh, o, d, hit.t)
        if query.result:
            covered += 1.0
            total += shade_person(
                query.face, query.u, query.v, query.t, query.normal, o, d, sun, query.t * pixel_angle,
                person, props, scene, settings,
            )  # fmt: skip
        elif hit.kind == SKY:
            total += sky_colour(d, scene)
        else:
            total += shade_place(hit, o, d, sun, hit.t * pixel_angle, person, props, scene, settings)
    share = 1.0 / float(side * side)
    for channel in range(3):
        value = wp.max(total[channel] * share * scene.exposure, 0.0)
        value = value * (1.0 + value * 0.15) / (1.0 + value * 0.55)  # a shoulder: highlights keep their colour
        out[tid, channel] = wp.uint8(wp.min(wp.sqrt(value) * 255.0 + 0.5, 255.0))
    out[tid, 3] = wp.uint8(covered * share * 255.0 + 0.5)
