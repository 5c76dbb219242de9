"""The controls of a procedural motion: what a choreographer would say, frame by frame, before any rotation.

Sides are indexed 0 = left, 1 = right; angles are radians and mean the same on both sides (`solve` mirrors them).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..skeleton import STANDING_HEIGHT
from .curves import Clock

# Columns of `Controls.arms`.
RAISE, PLANE, TWIST, ELBOW, PRONATE, WRIST_FLEX, WRIST_SIDE = range(7)
# Columns of `Controls.leg_angles`.
FLEX, ABDUCT, ROTATE, KNEE = range(4)

HIP_HALF_WIDTH = 0.09  # half the distance of the feet of someone standing at ease
RELAXED_ARM = np.array([0.16, 0.5, 0.15, 0.25, 0.1, 0.05, 0.0])


@dataclass
class Controls:
    """Controls of T frames.

    pelvis [T, 3]: place on the floor (x, z) and wanted height (y; lowered when a planted foot would not reach).
    yaw [T]: heading. tilt [T, 2]: pelvis pitch (forward +) and roll (left side up +).
    spine, neck [T, 3]: bend forward, turn left, lean left; spread over their joints.
    feet [T, 2, 3]: x, lift of the sole, z of the spot under the ankle. foot_yaw, foot_pitch [T, 2]: world
    heading of the foot; pitch + raises the heel about the ball, - raises the toes about the heel.
    leg_weight [T, 2], leg_angles [T, 2, 4]: part 0..1 in which a leg follows hip flexion, abduction, outward
    rotation and knee bend instead of its foot's place (kicks, raised knees).
    arms [T, 2, 7]: angle from hanging, plane (0 sideways, pi/2 forward, more = across), inward twist, elbow bend,
    forearm pronation, wrist flexion, wrist deviation to the thumb's side. shrug [T, 2]: raised shoulder.
    fingers [T, 2, 5, 4]: see `fingers.py`. grounded [T]: 1 = the lowest point is put on the floor, 0 = in flight.
    """

    clock: Clock
    pelvis: np.ndarray = field(init=False)
    yaw: np.ndarray = field(init=False)
    tilt: np.ndarray = field(init=False)
    spine: np.ndarray = field(init=False)
    neck: np.ndarray = field(init=False)
    feet: np.ndarray = field(init=False)
    foot_yaw: np.ndarray = field(init=False)
    foot_pitch: np.ndarray = field(init=False)
    leg_weight: np.ndarray = field(init=False)
    leg_angles: np.ndarray = field(init=False)
    arms: np.ndarray = field(init=False)
    shrug: np.ndarray = field(init=False)
    fingers: np.ndarray = field(init=False)
    grounded: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        frames = self.clock.num_frames
        self.pelvis = np.tile([0.0, STANDING_HEIGHT - 0.01, 0.0], (frames, 1))
        self.yaw = np.zeros(frames)
        self.tilt = np.zeros((frames, 2))
        self.spine = np.zeros((frames, 3))
        self.neck = np.zeros((frames, 3))
        self.feet = np.zeros((frames, 2, 3))
        self.feet[:, 0, 0], self.feet[:, 1, 0] = HIP_HALF_WIDTH, -HIP_HALF_WIDTH
        self.foot_yaw = np.tile([0.12, -0.12], (frames, 1))
        self.foot_pitch = np.zeros((frames, 2))
        self.leg_weight = np.zeros((frames, 2))
        self.leg_angles = np.zeros((frames, 2, 4))
        self.arms = np.tile(RELAXED_ARM, (frames, 2, 1))
        self.shrug = np.zeros((frames, 2))
        self.fingers = np.zeros((frames, 2, 5, 4))
        self.grounded = np.ones(frames)
