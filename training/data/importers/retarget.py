"""Retargeting: from any file's skeleton to SMPL-X joint rotations, by where its joints are.

Zero poses and bone axes differ between files, so no rotation of a file means anything by itself. For every bone
of the body a frame is built from positions: its direction and the hinge of the joint (knees and elbows tell how
the bone is turned about itself; fingers or the thumb tell it for the hand). A file's own rotation is fixed to its
bone, so it differs from that frame by a constant; the constant is averaged over the motion, weighted by how well
the hinge can be seen, and file rotation times constant gives a frame that is steady even when a limb is straight.
Trunk, head and feet have no hinges: their constants come from standing upright and from flat feet (`upright.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..procedural.curves import mirror, rot_axis
from ..procedural.fingers import finger_rotations, shape
from ..skeleton import FINGERS, JOINT, LEG_LENGTH, OFFSETS
from .frames import constant_offset, hinge_axis, part_of, swing, transposed, turn_between, twist_angle, unit
from .joint_names import find_joints
from .source import MotionFileError, SourceMotion
from .upright import flat_feet, foot_axes, standing_zero_pose, to_y_up, upright_frames

Put = Callable[[str, np.ndarray], None]  # joint name, local rotations [T, 3, 3] or [3, 3]

_SIDES = (("left", 1.0), ("right", -1.0))
_SPINE_PARTS = (("spine1", 0.35), ("spine2", 0.35), ("spine3", 0.30))
_FOUR_FINGERS = [*range(21, 33), *range(36, 48)]  # of the pose's joints: both hands without thumbs
_LEAST_FINGER_MOVEMENT = 0.1  # of a rotation matrix's entries, some 6 degrees
_LEAST_HINGE = 0.02  # mean squared sine of the joint's bend below which its hinge is not believed


@dataclass(frozen=True)
class Retargeted:
    """root [T, 3, 3], transl [T, 3] (metres, 1.70 m person), pose [T, 51, 3, 3], fps; `has_fingers`: the fingers
    move as the file says (else they are as still as its skeleton, or relaxed)."""

    root: np.ndarray
    transl: np.ndarray
    pose: np.ndarray
    fps: float
    has_fingers: bool


@dataclass
class _Scene:
    """The file's joints by name, y up, in metres of a 1.70 m person."""

    source: SourceMotion
    joints: dict[str, int]
    positions: np.ndarray
    rotations: np.ndarray
    zero_axes: np.ndarray | None
    upright_weight: np.ndarray
    upright_axes: np.ndarray

    def at(self, name: str) -> np.ndarray:
        return self.positions[:, self.joints[name]]

    def turn(self, joint: int) -> np.ndarray:
        return self.rotations[:, joint]

    def way(self, start: str, end: str) -> np.ndarray:
        return self.at(end) - self.at(start)

    def common_parent(self, first: str, second: str) -> int:
        """The last joint that both joints hang from."""
        above, joint = set(), self.joints[first]
        while joint >= 0:
            above.add(joint)
            joint = self.source.parents[joint]
        joint = self.source.parents[self.joints[second]]
        while joint not in above:
            joint = self.source.parents[joint]
        return joint

    def upright_turn(self, joint: int) -> np.ndarray:
        """World rotation [T, 3, 3] of a trunk joint that is upright in the zero pose or the upright frames."""
        if self.zero_axes is not None:
            return self.turn(joint) @ self.zero_axes
        return self.turn(joint) @ constant_offset(self.turn(joint), self.upright_axes, self.upright_weight)


def retarget(source: SourceMotion) -> Retargeted:
    """SMPL-X rotations of the file's motion. MotionFileError when body joints are missing or coincide."""
    scene = _scene(source)
    pelvis = scene.upright_turn(scene.common_parent("left_hip", "right_hip"))
    chest = scene.upright_turn(scene.common_parent("left_shoulder", "right_shoulder"))
    pose = np.tile(np.eye(3), (source.num_frames, 51, 1, 1))

    def put(joint: str, rotation: np.ndarray) -> None:
        pose[:, JOINT[joint] - 1] = rotation

    bend = transposed(pelvis) @ chest
    for joint, part in _SPINE_PARTS:
        put(joint, part_of(bend, part))
    _put_head(scene, chest, put)
    for side, _ in _SIDES:
        _put_leg(scene, side, pelvis, put)
        hand = _put_arm(scene, side, chest, put)
        _put_fingers(scene, side, hand, put)
    hips = (scene.at("left_hip") + scene.at("right_hip")) / 2
    rest_hips = (OFFSETS[JOINT["left_hip"]] + OFFSETS[JOINT["right_hip"]]) / 2
    transl = hips - pelvis @ rest_hips
    # Many skeletons have finger joints that the performance never moved, or a thumb alone that follows the wrist.
    has_fingers = bool(np.ptp(pose[:, _FOUR_FINGERS], axis=0).max() > _LEAST_FINGER_MOVEMENT)
    return Retargeted(pelvis, transl, pose, source.fps, has_fingers)


def _scene(source: SourceMotion) -> _Scene:
    joints = find_joints(source)
    up = to_y_up(source.positions, joints)
    positions = source.positions @ up.T

    def length(start: str, end: str) -> float:
        return float(np.linalg.norm(positions[0, joints[end]] - positions[0, joints[start]]))

    legs = [length(f"{side}_hip", f"{side}_knee") + length(f"{side}_knee", f"{side}_ankle") for side, _ in _SIDES]
    if min(legs) <= 0:
        raise MotionFileError(source.path, "hip, knee and ankle are at the same place; the skeleton has no lengths")
    if min(length("left_hip", "right_hip"), length("left_shoulder", "right_shoulder")) <= 1e-3 * max(legs):
        raise MotionFileError(source.path, "left and right hip (or shoulder) are at the same place")
    positions = positions * (LEG_LENGTH / np.mean(legs))
    weight, axes = upright_frames(positions, joints)
    zero_axes = standing_zero_pose(source, joints)
    return _Scene(source, joints, positions, up @ source.rotations, zero_axes, weight, axes)


def _offset(joint: str) -> np.ndarray:
    return OFFSETS[JOINT[joint]]


def _put_head(scene: _Scene, chest: np.ndarray, put: Put) -> None:
    if "head" not in scene.joints:
        return
    turn = scene.turn(scene.joints["head"])
    if scene.zero_axes is not None:
        head = turn @ scene.zero_axes
    else:
        # In the upright frames people may look aside, so the head is straight on the average of all frames.
        head = turn @ constant_offset(turn, chest, np.ones(len(turn)))
    bend = transposed(chest) @ head
    put("neck", part_of(bend, 0.5))
    put("head", part_of(bend, 0.5))


def _steady(
    turn: np.ndarray, bone: np.ndarray, rest: np.ndarray, *evidence: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """File rotation times the constant that fits the evidence (frames, weights) best, then exactly along `bone`."""
    frames = np.concatenate([wanted for wanted, _ in evidence])
    weights = np.concatenate([weight for _, weight in evidence])
    out = turn @ constant_offset(np.concatenate([turn] * len(evidence)), frames, weights)
    return swing(out @ rest, bone) @ out


# ---- legs


def _put_leg(scene: _Scene, side: str, pelvis: np.ndarray, put: Put) -> None:
    thigh, shank = scene.way(f"{side}_hip", f"{side}_knee"), scene.way(f"{side}_knee", f"{side}_ankle")
    rest_thigh, rest_shank = _offset(f"{side}_knee"), _offset(f"{side}_ankle")
    hinge, seen = hinge_axis(scene.turn(scene.joints[f"{side}_hip"]), thigh, shank)
    left = np.array([1.0, 0.0, 0.0])
    aside = pelvis @ left
    weak = np.full(len(thigh), 0.02)
    upper = _steady(
        scene.turn(scene.joints[f"{side}_hip"]), thigh, rest_thigh,
        (turn_between(rest_thigh, left, thigh, hinge), seen),
        (turn_between(rest_thigh, left, thigh, aside), weak),
    )  # fmt: skip
    lower = _steady(
        scene.turn(scene.joints[f"{side}_knee"]), shank, rest_shank,
        (turn_between(rest_shank, left, shank, hinge), seen),
        (turn_between(rest_shank, left, shank, upper @ left), weak),
    )  # fmt: skip
    put(f"{side}_hip", transposed(pelvis) @ upper)
    put(f"{side}_knee", transposed(upper) @ lower)
    foot = _foot(scene, side, lower)
    put(f"{side}_ankle", transposed(lower) @ foot[0])
    put(f"{side}_foot", foot[1])


def _foot(scene: _Scene, side: str, shank: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """World rotation of the foot and local rotation of the toes."""
    ankle = scene.joints[f"{side}_ankle"]
    straight = np.tile(np.eye(3), (len(shank), 1, 1))
    if f"{side}_toe" not in scene.joints:
        return (scene.turn(ankle) @ scene.zero_axes if scene.zero_axes is not None else shank), straight
    way = scene.way(f"{side}_ankle", f"{side}_toe")
    rest = _offset(f"{side}_foot")
    flat = flat_feet(scene.at(f"{side}_ankle"), scene.at(f"{side}_toe"), scene.source.fps)
    if flat.sum() < 3:
        flat = scene.upright_weight > 0
    level, weight = foot_axes(way, rest), flat.astype(float)
    foot = scene.turn(ankle) @ constant_offset(scene.turn(ankle), level, weight)
    toe_turn = scene.turn(scene.joints[f"{side}_toe"])
    toes = transposed(foot) @ toe_turn @ constant_offset(toe_turn, foot, weight)
    return foot, toes


# ---- arms


def _put_arm(scene: _Scene, side: str, chest: np.ndarray, put: Put) -> np.ndarray:
    """Collar, shoulder, elbow and wrist; returns the hand's world rotation."""
    sign = dict(_SIDES)[side]
    collar = _collar(scene, side, chest)
    upper_way, fore_way = scene.way(f"{side}_shoulder", f"{side}_elbow"), scene.way(f"{side}_elbow", f"{side}_wrist")
    rest_upper, rest_fore = _offset(f"{side}_elbow"), _offset(f"{side}_wrist")
    hinge, seen = hinge_axis(scene.turn(scene.joints[f"{side}_shoulder"]), upper_way, fore_way)
    rest_hinge = np.array([0.0, -sign, 0.0])
    untwisted = chest @ swing(rest_upper, (transposed(chest) @ upper_way[..., None])[..., 0])
    doubt = np.full(len(seen), max(0.0, _LEAST_HINGE - seen.mean()))
    upper = _steady(
        scene.turn(scene.joints[f"{side}_shoulder"]), upper_way, rest_upper,
        (turn_between(rest_upper, rest_hinge, upper_way, hinge), seen), (untwisted, doubt),
    )  # fmt: skip
    fore = _steady(
        scene.turn(scene.joints[f"{side}_elbow"]), fore_way, rest_fore,
        (turn_between(rest_fore, rest_hinge, fore_way, hinge), seen), (upper, doubt),
    )  # fmt: skip
    hand = _hand(scene, side, fore)
    elbow, wrist = transposed(upper) @ fore, transposed(fore) @ hand
    # The forearm's bones share the turning of the hand: half of it belongs to the elbow joint.
    axis = unit(rest_fore)
    half = rot_axis(axis, twist_angle(wrist, axis) / 2)
    put(f"{side}_collar", transposed(chest) @ collar)
    put(f"{side}_shoulder", transposed(collar) @ upper)
    put(f"{side}_elbow", elbow @ half)
    put(f"{side}_wrist", transposed(half) @ wrist)
    return hand


def _collar(scene: _Scene, side: str, chest: np.ndarray) -> np.ndarray:
    """World rotation of the collar bone; the chest's where the file has none."""
    joint = scene.joints.get(f"{side}_collar")
    if joint is None:
        return chest
    turn = scene.turn(joint)
    if scene.zero_axes is not None:
        return turn @ scene.zero_axes
    return turn @ constant_offset(turn, chest, np.ones(len(turn)))


def _hand(scene: _Scene, side: str, fore: np.ndarray) -> np.ndarray:
    """World rotation of the hand: along the palm, turned as knuckles or the thumb tell."""
    if f"{side}_hand_end" not in scene.joints:
        return fore
    end = scene.joints[f"{side}_hand_end"]
    joint = scene.source.parents[end]
    along = scene.positions[:, end] - scene.at(f"{side}_wrist")
    if np.linalg.norm(along, axis=1).min() < 1e-4:
        return fore
    rest_along = _offset(f"{side}_middle1")
    across, rest_across = _across_palm(scene, side, along)
    if across is None and scene.zero_axes is not None:
        # In a standing zero pose palms face the floor when arms are out, the thighs when they hang.
        zero_along = scene.source.rest_positions[end] - scene.source.rest_positions[scene.joints[f"{side}_wrist"]]
        zero = scene.zero_axes @ swing(rest_along, scene.zero_axes.T @ zero_along)
        wanted = scene.turn(joint) @ zero
    elif across is None:
        wanted = fore @ swing(rest_along, (transposed(fore) @ along[..., None])[..., 0])
    else:
        wanted = turn_between(rest_along, rest_across, along, across)
    return _steady(scene.turn(joint), along, rest_along, (wanted, np.ones(len(along))))


def _across_palm(scene: _Scene, side: str, along: np.ndarray) -> tuple[np.ndarray | None, np.ndarray]:
    """Directions across the palm to the thumb's side: in the file [T, 3] (None if it cannot tell), at rest [3]."""
    rest = _offset(f"{side}_index1") - _offset(f"{side}_pinky1")
    if f"{side}_index1" in scene.joints and f"{side}_pinky1" in scene.joints:
        return scene.way(f"{side}_pinky1", f"{side}_index1"), rest
    thumb = scene.joints.get(f"{side}_thumb")
    if thumb is None:
        return None, rest
    base = scene.positions[:, thumb] - scene.at(f"{side}_wrist")
    # The thumb's root moves less than its tip, but in some files it lies on the line of the hand.
    if np.linalg.norm(np.cross(unit(base), unit(along)), axis=1).min() > 0.35:
        return base, _offset(f"{side}_thumb1")
    tips = [joint for joint, parent in enumerate(scene.source.parents) if parent == thumb]
    across = scene.positions[:, tips[0] if tips else thumb] - scene.at(f"{side}_wrist")
    rest = _offset(f"{side}_thumb1") + _offset(f"{side}_thumb2") + _offset(f"{side}_thumb3")
    return (None if np.linalg.norm(across, axis=1).min() < 1e-4 else across), rest


def _put_fingers(scene: _Scene, side: str, hand: np.ndarray, put: Put) -> None:
    """Every finger bone by the shortest swing from its parent; relaxed fingers where the file has none."""
    relaxed = finger_rotations(shape("relaxed")[None])[0]
    for number, finger in enumerate(FINGERS):
        names = [f"{side}_{finger}{n}" for n in (1, 2, 3, 4)]
        if names[0] not in scene.joints:
            for n in range(3):
                rotation = relaxed[3 * number + n]
                put(names[n], rotation if side == "left" else mirror(rotation))
            continue
        parent, local = hand, np.tile(np.eye(3), (len(hand), 1, 1))
        for n in range(3):
            rest = _offset(names[min(n + 1, 2)])
            has_bone = names[n + 1] in scene.joints and np.ptp(scene.way(names[n], names[n + 1])) > 1e-6
            if has_bone:
                way = (transposed(parent) @ scene.way(names[n], names[n + 1])[..., None])[..., 0]
                local = swing(rest, way)
            else:
                # Without an end the last bone bends two thirds as far as the one before: fingers cannot do else.
                local = part_of(local, 0.66)
            put(names[n], local)
            parent = parent @ local
