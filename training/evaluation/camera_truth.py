"""What the camera of a rendered view did, in the terms the camera reader reads: its own motion between two frames.

Six numbers: yaw (degrees, + left) and pitch (+ up) turned, metres travelled to the right, up and forward per metre of
distance to the person, and zoom (natural logarithm of the focal length's change). An arc to the left travels to the
left and turns right by its angle; a pan only turns; so the sum over a clip says which phrase was obeyed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from threedimo_core.camera_language import MoveKind

from .viewset import Floats

COMPONENTS = ("yaw", "pitch", "right", "up", "forward", "zoom")
YAW, PITCH, RIGHT, UP, FORWARD, ZOOM = range(len(COMPONENTS))
TURNS_SIGN = np.array([-1, 1, -1, 1, 1, 1], np.float32)  # of a mirrored picture
_K = MoveKind


@dataclass(frozen=True)
class Signature:
    """The component that tells a phrase from its opposite, and its sign."""

    component: int
    sign: int


SIGNATURES = {
    _K.ARC_LEFT: Signature(YAW, -1), _K.ARC_RIGHT: Signature(YAW, 1),
    _K.ORBIT_LEFT: Signature(YAW, -1), _K.ORBIT_RIGHT: Signature(YAW, 1),
    _K.PAN_LEFT: Signature(YAW, 1), _K.PAN_RIGHT: Signature(YAW, -1),
    _K.TILT_UP: Signature(PITCH, 1), _K.TILT_DOWN: Signature(PITCH, -1),
    _K.MOVE_LEFT: Signature(RIGHT, -1), _K.MOVE_RIGHT: Signature(RIGHT, 1),
    _K.MOVE_UP: Signature(UP, 1), _K.MOVE_DOWN: Signature(UP, -1),
    _K.RISE: Signature(UP, 1), _K.DESCEND: Signature(UP, -1),
    _K.MOVE_FORWARD: Signature(FORWARD, 1), _K.MOVE_BACK: Signature(FORWARD, -1),
    _K.AERIAL_PULL_OUT: Signature(FORWARD, -1),
    _K.VERTIGO_IN: Signature(FORWARD, 1), _K.VERTIGO_OUT: Signature(FORWARD, -1),
    _K.ZOOM_IN: Signature(ZOOM, 1), _K.ZOOM_OUT: Signature(ZOOM, -1),
    _K.RAPID_ZOOM_IN: Signature(ZOOM, 1), _K.RAPID_ZOOM_OUT: Signature(ZOOM, -1),
    _K.HANDHELD_ZOOM_IN: Signature(ZOOM, 1),
}  # fmt: skip
ROUND = frozenset({_K.ARC_LEFT, _K.ARC_RIGHT, _K.ORBIT_LEFT, _K.ORBIT_RIGHT})


@dataclass(frozen=True)
class CameraTruth:
    """Labels of one view: world_to_camera [T, 4, 4], focal [T], distance, azimuth, elevation and heading [T]."""

    world_to_camera: Tensor
    focal: Tensor
    distance: Tensor
    azimuth: Tensor
    elevation: Tensor
    heading: Tensor

    def motion(self, first: np.ndarray, second: np.ndarray) -> Floats:
        """[P, 6] between the frames `first` [P] and `second` [P]."""
        extrinsics = self.world_to_camera.double().numpy()
        rotation, shift = extrinsics[:, :3, :3], extrinsics[:, :3, 3]
        place = -np.einsum("tji,tj->ti", rotation, shift)
        forward = rotation[:, 2]
        yaw = np.degrees(np.unwrap(np.arctan2(forward[:, 0], forward[:, 2])))
        pitch = np.degrees(np.arctan2(forward[:, 1], np.hypot(forward[:, 0], forward[:, 2])))
        travelled = np.einsum("pij,pj->pi", rotation[first], place[second] - place[first])
        travelled /= self.distance.double().numpy()[first][:, None]
        zoom = np.log(self.focal.double().numpy())
        turned = [yaw[second] - yaw[first], pitch[second] - pitch[first]]
        columns = [*turned, travelled[:, 0], -travelled[:, 1], travelled[:, 2], zoom[second] - zoom[first]]
        return np.stack(columns, axis=-1).astype(np.float32)


def steps_of(num_frames: int) -> np.ndarray:
    """Frames between which motion is read: eight steps a clip, or one a frame in short clips."""
    return np.arange(0, num_frames, max(1, num_frames // 8))


def obeyed(kind: MoveKind, read: Floats, true: Floats, least: float = 0.25) -> bool:
    """Whether the motion read over a clip [6] goes the way of the phrase, at least a quarter as far as it should.

    So a camera that stays is a failure, not a coin toss.
    """
    signature = SIGNATURES[kind]
    return bool(signature.sign * read[signature.component] >= least * abs(true[signature.component]))
