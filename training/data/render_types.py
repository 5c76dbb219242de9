"""Records that the renderer hands to its kernels (warp structs). Lengths in metres, colours in linear light."""

from __future__ import annotations

import warp as wp


@wp.struct
class CameraView:
    """One camera in one frame; pixels are counted over all views of the launch."""

    position: wp.vec3
    to_world: wp.mat33
    focal: wp.float32
    cx: wp.float32
    cy: wp.float32
    width: wp.int32
    first_pixel: wp.int32


@wp.struct
class Material:
    """One material of the person; colour_a and colour_b are mixed by the pattern."""

    kind: wp.int32
    pattern: wp.int32
    seed: wp.int32
    colour_a: wp.vec3
    colour_b: wp.vec3
    scale: wp.float32
    gloss: wp.float32
    wrap: wp.float32
    relief: wp.float32


@wp.struct
class PersonMesh:
    """The dressed person of one frame; see appearance.DressedMesh for the columns."""

    mesh: wp.uint64
    faces: wp.array(dtype=wp.int32)
    normals: wp.array(dtype=wp.vec3)
    colours: wp.array(dtype=wp.vec3)
    coords: wp.array(dtype=wp.vec3)
    openness: wp.array(dtype=wp.float32)
    face_material: wp.array(dtype=wp.int32)
    materials: wp.array(dtype=Material)


@wp.struct
class PlaceHit:
    """Where a ray meets the place: kind (place_kernels), distance, wall or prop number, normal (walls: room axes)."""

    kind: wp.int32
    t: wp.float32
    which: wp.int32
    normal: wp.vec3


@wp.struct
class Prop:
    """A box (0), upright cylinder (1) or ellipsoid (2), turned about y."""

    kind: wp.int32
    pattern: wp.int32
    seed: wp.int32
    centre: wp.vec3
    half: wp.vec3
    cos: wp.float32
    sin: wp.float32
    radius: wp.float32
    colour_a: wp.vec3
    colour_b: wp.vec3
    scale: wp.float32


@wp.struct
class SceneParams:
    """Floor, room, sky and light."""

    seed: wp.int32
    has_room: wp.int32
    room_centre: wp.vec3
    room_half: wp.vec3  # x, height, z
    room_cos: wp.float32
    room_sin: wp.float32
    floor_pattern: wp.int32
    floor_scale: wp.float32
    floor_cos: wp.float32
    floor_sin: wp.float32
    floor_a: wp.vec3
    floor_b: wp.vec3
    wall_pattern: wp.int32
    wall_scale: wp.float32
    wall_a: wp.vec3
    wall_b: wp.vec3
    trim: wp.vec3
    ceiling: wp.vec3
    skirting: wp.float32
    pictures: wp.float32
    picture_pitch: wp.float32
    zenith: wp.vec3
    horizon: wp.vec3
    hill_colour: wp.vec3
    hills: wp.float32
    clouds: wp.float32
    haze: wp.float32
    sun: wp.vec3
    sun_u: wp.vec3
    sun_v: wp.vec3
    sun_size: wp.float32
    sun_light: wp.vec3
    sky_light: wp.vec3
    ground_light: wp.vec3
    exposure: wp.float32


@wp.struct
class ShadeSettings:
    """Per-frame settings: rays a pixel side, bounds of the person, contact points (x, height, z) on the floor."""

    samples: wp.int32
    near_prop: wp.float32
    low: wp.vec3
    high: wp.vec3
    contact: wp.mat33
