"""Writers of small motion files for the tests of the importers: what we import is what we wrote."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from training.data.motion import Motion
from training.data.skeleton import JOINTS, OFFSETS, PARENTS

# Joint names as Mixamo's skeleton has them.
MIXAMO = {
    "pelvis": "Hips", "spine1": "Spine", "spine2": "Spine1", "spine3": "Spine2", "neck": "Neck", "head": "Head",
    "left_hip": "LeftUpLeg", "left_knee": "LeftLeg", "left_ankle": "LeftFoot", "left_foot": "LeftToeBase",
    "left_collar": "LeftShoulder", "left_shoulder": "LeftArm", "left_elbow": "LeftForeArm", "left_wrist": "LeftHand",
}  # fmt: skip
# The same as CMU's ASF files have them.
CMU = {
    "pelvis": "root", "spine1": "lowerback", "spine2": "upperback", "spine3": "thorax", "neck": "lowerneck",
    "head": "head", "left_hip": "lfemur", "left_knee": "ltibia", "left_ankle": "lfoot", "left_foot": "ltoes",
    "left_collar": "lclavicle", "left_shoulder": "lhumerus", "left_elbow": "lradius", "left_wrist": "lwrist",
    "left_middle1": "lfingers", "left_thumb1": "lthumb",
}  # fmt: skip


def _names(table: dict[str, str], right: tuple[str, str]) -> dict[str, str]:
    mirrored = {
        name.replace("left_", "right_"): value.replace(*right, 1) for name, value in table.items() if "left_" in name
    }
    return table | mirrored


def mixamo_names(fingers: bool) -> dict[str, str]:
    names = _names(MIXAMO, ("Left", "Right"))
    for side in ("left", "right") if fingers else ():
        for joint in JOINTS:
            if joint.startswith(side) and joint[-1] in "123" and joint not in names and "spine" not in joint:
                finger = joint.removeprefix(f"{side}_").capitalize()
                names[joint] = f"{side.capitalize()}Hand{finger}"
    return names


def world_rotations(motion: Motion) -> np.ndarray:
    """[T, 52, 3, 3]."""
    rotations = np.empty((motion.num_frames, 52, 3, 3))
    rotations[:, 0] = motion.global_orient.double().numpy()
    for joint in range(1, 52):
        rotations[:, joint] = rotations[:, PARENTS[joint]] @ motion.pose[:, joint - 1].double().numpy()
    return rotations


def write_bvh(path: Path, motion: Motion, scrambled: bool = False, fingers: bool = False, scale: float = 100.0) -> Path:
    """A BVH of the motion. `scrambled`: z up, and every joint's frame turned at random, so that the zero pose is a
    tangle; otherwise the zero pose is the T-pose, y up."""
    names = mixamo_names(fingers)
    kept = [index for index, joint in enumerate(JOINTS) if joint in names]
    rng = np.random.default_rng(7)
    frames = {index: Rotation.random(random_state=rng).as_matrix() if scrambled else np.eye(3) for index in kept}
    world_up = Rotation.from_euler("x", 90 if scrambled else 0, degrees=True).as_matrix()
    world = world_up @ world_rotations(motion)
    turned = {index: world[:, index] @ frames[index] for index in kept}
    lines, values = ["HIERARCHY"], []

    def add(index: int, depth: int) -> None:
        tab, parent = "  " * depth, PARENTS[index]
        offset = OFFSETS[index] * scale if parent < 0 else frames[parent].T @ OFFSETS[index] * scale
        kind, position = ("ROOT", "Xposition Yposition Zposition ") if parent < 0 else ("JOINT", "")
        lines.extend([f"{tab}{kind} {names[JOINTS[index]]}", f"{tab}{{"])
        lines.append(f"{tab}  OFFSET {offset[0]:.6f} {offset[1]:.6f} {offset[2]:.6f}")
        lines.append(f"{tab}  CHANNELS {6 if position else 3} {position}Zrotation Xrotation Yrotation")
        if position:
            values.append(motion.transl.double().numpy() @ world_up.T * scale)
        local = turned[index] if parent < 0 else np.swapaxes(turned[parent], 1, 2) @ turned[index]
        values.append(Rotation.from_matrix(local).as_euler("ZXY", degrees=True))
        children = [child for child in kept if PARENTS[child] == index]
        for child in children:
            add(child, depth + 1)
        if not children:
            end = frames[index].T @ _end_offset(index) * scale
            lines.extend([f"{tab}  End Site", f"{tab}  {{", f"{tab}    OFFSET {end[0]:.6f} {end[1]:.6f} {end[2]:.6f}",
                          f"{tab}  }}"])  # fmt: skip
        lines.append(f"{tab}}}")

    add(0, 0)
    table = np.concatenate(values, axis=1)
    lines += ["MOTION", f"Frames: {motion.num_frames}", f"Frame Time: {1 / motion.fps:.8f}"]
    lines += [" ".join(f"{value:.6f}" for value in row) for row in table]
    path.write_text("\n".join(lines) + "\n")
    return path


def _end_offset(index: int) -> np.ndarray:
    name = JOINTS[index]
    if name == "head":
        return np.array([0.0, 0.18, 0.0])
    if name.endswith("foot"):
        return np.array([0.0, 0.0, 0.06])
    return OFFSETS[index] if name[-1].isdigit() else np.array([0.1 if "left" in name else -0.1, 0.0, 0.0])


def write_asf_amc(folder: Path, motion: Motion) -> Path:
    """skeleton.asf and skeleton_01.amc of the motion, with bone axes that are not the world's."""
    names = _names(CMU, ("l", "r"))
    names |= {"right_foot": "rtoes"}
    kept = [index for index, joint in enumerate(JOINTS) if joint in names]
    axis_angles = {index: (20.0 * (index % 3), -30.0 * (index % 2), 15.0 * (index % 5)) for index in kept}
    axis = {index: _xyz(np.array(angles)) for index, angles in axis_angles.items()}
    lines = [":version 1.10", ":units", "  angle deg", ":root", "  order TX TY TZ RX RY RZ", "  axis XYZ",
             "  position 0 0 0", "  orientation 0 0 0", ":bonedata"]  # fmt: skip
    hierarchy = []
    for index in kept[1:]:
        # A bone's children all start at its end, so every joint hangs on a link without freedom of its own.
        last = not any(PARENTS[child] == index for child in kept)
        lines += _asf_bone(f"{names[JOINTS[index]]}_link", OFFSETS[index], (0.0, 0.0, 0.0), "")
        end = _end_offset(index) if last else np.zeros(3)
        lines += _asf_bone(names[JOINTS[index]], end, axis_angles[index], "    dof rx ry rz")
    for index in kept:
        children = [names[JOINTS[child]] for child in kept if PARENTS[child] == index]
        if children:
            hierarchy.append(f"    {names[JOINTS[index]]} " + " ".join(f"{child}_link" for child in children))
            hierarchy += [f"    {child}_link {child}" for child in children]
    (folder / "skeleton.asf").write_text("\n".join([*lines, ":hierarchy", "  begin", *hierarchy, "  end"]) + "\n")
    return _write_amc(folder / "skeleton_01.amc", motion, names, kept, axis)


def _asf_bone(name: str, offset: np.ndarray, axis: tuple, dof: str) -> list[str]:
    length = float(np.linalg.norm(offset))
    direction = offset / length if length else np.array([1.0, 0.0, 0.0])
    lines = ["  begin", "    id 1", f"    name {name}"]
    lines += [f"    direction {' '.join(f'{x:.8f}' for x in direction)}", f"    length {length * 20:.8f}"]
    lines += [f"    axis {' '.join(f'{x:.4f}' for x in axis)} XYZ", dof, "  end"]
    return [line for line in lines if line]


def _write_amc(path: Path, motion: Motion, names: dict[str, str], kept: list[int], axis: dict) -> Path:
    frames = []
    world = world_rotations(motion)
    for t in range(motion.num_frames):
        frames.append(str(t + 1))
        for index in kept:
            parent = PARENTS[index]
            local = world[t, index] if parent < 0 else world[t, parent].T @ world[t, index]
            if parent < 0:
                place = " ".join(f"{x * 20:.6f}" for x in motion.transl[t].tolist())
                frames.append(f"root {place} {_text(local)}")
            else:
                frames.append(f"{names[JOINTS[index]]} {_text(axis[index].T @ local @ axis[index])}")
    path.write_text("\n".join([":FULLY-SPECIFIED", ":DEGREES", *frames]) + "\n")
    return path


def _xyz(angles: np.ndarray) -> np.ndarray:
    """x is turned first."""
    return Rotation.from_euler("xyz", angles, degrees=True).as_matrix()


def _text(matrix: np.ndarray) -> str:
    """Angles of an AMC line."""
    angles = Rotation.from_matrix(matrix).as_euler("xyz", degrees=True)
    return " ".join(f"{angle:.6f}" for angle in angles)


def write_amass(path: Path, motion: Motion, hands: bool = True) -> Path:
    """An SMPL-H file, z up."""
    to_z_up = Rotation.from_euler("x", 90, degrees=True)
    root = (to_z_up * Rotation.from_matrix(motion.global_orient.double().numpy())).as_rotvec()
    pose = Rotation.from_matrix(motion.pose.double().numpy().reshape(-1, 3, 3)).as_rotvec()
    vectors = np.concatenate([root[:, None], pose.reshape(motion.num_frames, 51, 3)], axis=1)
    poses = vectors.reshape(motion.num_frames, 156)
    if not hands:
        poses[:, 66:] = 0
    np.savez(path, poses=poses, trans=motion.transl.double().numpy() @ to_z_up.as_matrix().T + [3.0, 1.0, 0.2],
             mocap_framerate=motion.fps, betas=np.zeros(16))  # fmt: skip
    return path
