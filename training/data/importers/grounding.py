"""Feet on the floor: find the floor and the contacts of an imported motion, and hold the feet there.

Retargeting keeps directions, and people's proportions differ, so feet drift by centimetres. Contacts are read off
the motion itself (a ball of a foot that is low and slow); during a contact the ball is held where it is on average,
in between the correction fades over, and the leg is bent to follow.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d, maximum_filter1d, minimum_filter1d

from ..procedural.curves import minimum_jerk, rot_axis
from ..skeleton import JOINT, forward_kinematics, lowest_point, sole_points
from .frames import swing, transposed, unit

_BALL = 1
_CONTACT_HEIGHT, _CONTACT_SPEED = 0.06, 0.45  # metres, metres a second
_SHORTEST_CONTACT, _FADE = 0.08, 0.2  # seconds
_LONGEST_FLIGHT, _DRIFT = 1.25, 0.06  # seconds, metres
_STRAIGHTEST = 0.9995  # of the leg's length


def put_on_floor(
    root: np.ndarray, transl: np.ndarray, pose: np.ndarray, fps: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """New transl [T, 3], pose [T, 51, 3, 3] and contacts [T, 2] (left, right ball of the foot on the floor)."""
    pose, transl = pose.copy(), transl.copy()
    positions, rotations = forward_kinematics(root, transl, pose)
    transl[:, 1] -= _floor_level(positions, rotations, fps)
    positions, rotations = forward_kinematics(root, transl, pose, 22)
    balls = sole_points(positions, rotations)[:, :, _BALL]
    contacts = np.stack([_contacts(balls[:, side], fps) for side in (0, 1)], axis=1)
    shifts = np.stack([_shift(balls[:, side], contacts[:, side], fps) for side in (0, 1)], axis=1)
    targets = np.stack([positions[:, JOINT[f"{side}_ankle"]] for side in ("left", "right")], axis=1) + shifts
    transl = _lower_to_reach(root, transl, pose, targets, fps)
    for number, side in enumerate(("left", "right")):
        _reach(root, transl, pose, side, targets[:, number])
    transl[:, 1] -= np.minimum(lowest_point(*forward_kinematics(root, transl, pose)), 0)
    return transl, pose, contacts


def _floor_level(positions: np.ndarray, rotations: np.ndarray, fps: float) -> np.ndarray:
    """Height [T] of the floor: a low percentile of the lowest point while that point hardly moves up or down.

    Some files drift upwards, or climb; where the lowest point of every second and a quarter (longer than any
    jump) wanders by more than a few centimetres, the floor follows it.
    """
    lowest = lowest_point(positions, rotations)
    if len(lowest) < 3:
        return np.full(len(lowest), lowest.min())
    rate = np.abs(np.gradient(lowest)) * fps
    still = lowest[rate <= max(np.percentile(rate, 40), 0.05)]
    level = np.percentile(still, 25)
    window = max(3, round(_LONGEST_FLIGHT * fps))
    drifting = gaussian_filter1d(minimum_filter1d(lowest, window, mode="nearest"), window / 3, mode="nearest")
    return drifting if np.ptp(drifting) > _DRIFT else np.full(len(lowest), level)


def _contacts(ball: np.ndarray, fps: float) -> np.ndarray:
    """Frames [T] bool in which the ball of a foot stands on the floor."""
    if len(ball) < 2:
        return ball[:, 1] < _CONTACT_HEIGHT
    smooth = gaussian_filter1d(ball, 0.02 * fps, axis=0)
    speed = np.linalg.norm(np.gradient(smooth, axis=0)[:, (0, 2)], axis=1) * fps
    contact = (ball[:, 1] < _CONTACT_HEIGHT) & (speed < _CONTACT_SPEED)
    for start, stop in _runs(contact):
        if stop - start < _SHORTEST_CONTACT * fps:
            contact[start:stop] = False
    return contact


def stance_drift(motion_balls: np.ndarray, fps: float) -> np.ndarray:
    """Metres [number of contacts] that a ball of a foot [T, 3] strays from its middle place during each contact."""
    runs = _runs(_contacts(motion_balls, fps))
    places = [motion_balls[start:stop][:, (0, 2)] for start, stop in runs]
    return np.array([np.linalg.norm(place - np.median(place, axis=0), axis=1).max() for place in places])


def _runs(mask: np.ndarray) -> list[tuple[int, int]]:
    """(start, stop) of every run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(int), [0]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _shift(ball: np.ndarray, contact: np.ndarray, fps: float) -> np.ndarray:
    """Correction [T, 3] of a foot: holds the ball during contacts, fades in between."""
    shift, weight = np.zeros_like(ball), np.zeros(len(ball))
    fade = max(1, round(_FADE * fps))
    for start, stop in _runs(contact):
        place = np.median(ball[start:stop], axis=0)
        place[1] = 0.0
        lead = np.arange(max(0, start - fade), min(len(ball), stop + fade))
        near = 1 - np.maximum(np.maximum(start - lead, lead - (stop - 1)), 0) / (fade + 1)
        near = minimum_jerk(near)
        # Before and after the contact the correction of its nearest frame fades out.
        held = place - ball[np.clip(lead, start, stop - 1)]
        shift[lead] += near[:, None] * held
        weight[lead] += near
    return shift / np.maximum(weight, 1.0)[:, None]


def _lower_to_reach(
    root: np.ndarray, transl: np.ndarray, pose: np.ndarray, targets: np.ndarray, fps: float
) -> np.ndarray:
    """Sink the pelvis, smoothly, where a held foot would be out of reach."""
    positions, _ = forward_kinematics(root, transl, pose, 9)
    sink = np.zeros(len(transl))
    for number, side in enumerate(("left", "right")):
        hip, knee, ankle = (positions[:, JOINT[f"{side}_{name}"]] for name in ("hip", "knee", "ankle"))
        longest = np.linalg.norm(knee - hip, axis=1) + np.linalg.norm(ankle - knee, axis=1)
        way = hip - targets[:, number]
        flat = np.sum(way[:, (0, 2)] ** 2, axis=1)
        highest = np.sqrt(np.maximum((_STRAIGHTEST * longest) ** 2 - flat, 0))
        sink = np.maximum(sink, np.clip(way[:, 1] - highest, 0, 0.15))
    if len(sink) > 2:
        # The smooth curve must not lie above the needs it smooths by much, so widen before smoothing.
        width = max(1, round(0.05 * fps))
        sink = gaussian_filter1d(maximum_filter1d(sink, 2 * width + 1), width)
    out = transl.copy()
    out[:, 1] -= sink
    return out


def _reach(root: np.ndarray, transl: np.ndarray, pose: np.ndarray, side: str, target: np.ndarray) -> None:
    """Bend a leg (in `pose`) so that its ankle is at `target` [T, 3]; the foot keeps its turn in the world."""
    positions, rotations = forward_kinematics(root, transl, pose, 12)
    hip, knee, ankle = (positions[:, JOINT[f"{side}_{name}"]] for name in ("hip", "knee", "ankle"))
    thigh, shank = knee - hip, ankle - knee
    upper, lower = rotations[:, JOINT[f"{side}_hip"]], rotations[:, JOINT[f"{side}_knee"]]
    foot = rotations[:, JOINT[f"{side}_ankle"]]
    a, b = np.linalg.norm(thigh, axis=1), np.linalg.norm(shank, axis=1)
    wanted = np.clip(np.linalg.norm(target - hip, axis=1), np.abs(a - b) + 0.02, _STRAIGHTEST * (a + b))
    bend = np.arccos(np.clip((wanted**2 - a**2 - b**2) / (2 * a * b), -1, 1))
    now = np.arccos(np.clip(np.sum(unit(thigh) * unit(shank), axis=1), -1, 1))
    # The hinge: across the bent leg, or the thigh's own left-right axis when it is straight.
    hinge = np.cross(unit(thigh), unit(shank)) + 0.02 * upper[:, :, 0]
    lower = rot_axis(unit(hinge), bend - now) @ lower
    shank = (rot_axis(unit(hinge), bend - now) @ shank[..., None])[..., 0]
    aim = swing(thigh + shank, target - hip)
    upper, lower = aim @ upper, aim @ lower
    pose[:, JOINT[f"{side}_hip"] - 1] = transposed(root) @ upper
    pose[:, JOINT[f"{side}_knee"] - 1] = transposed(upper) @ lower
    pose[:, JOINT[f"{side}_ankle"] - 1] = transposed(lower) @ foot
