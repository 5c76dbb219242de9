"""How much the camera moves: every move of the camera language as offsets from a base pose, frame by frame.

Amounts are for the whole clip, whatever its length, in the order slow / normal / quick:

- arc left/right: 20 / 40 / 70 degrees about the person; orbit left/right: 360 degrees;
- pan left/right: 8 / 15 / 24 degrees; tilt up/down: 6 / 11 / 18 degrees;
- move left/right: 0.14 / 0.26 / 0.42 of the distance along the camera's own axis, without turning;
  move up/down: 0.10 / 0.18 / 0.28 of it, the same way;
- move forward: to 0.84 / 0.70 / 0.55 of the distance; move back: to 1.2 / 1.45 / 1.9 of it;
- zoom in / out: focal length times (in) or divided by (out) 1.2 / 1.45 / 1.8; handheld zoom in: with shake;
  rapid zoom in / out: 1.9 within the first 25 to 40 % of the clip;
- aerial pull-out: distance times 1.6 / 2.2 / 3.0 while the elevation grows by 12 / 22 / 34 degrees;
- vertigo in / out: the camera goes in to 0.75 / 0.6 / 0.47 or out to 1.35 / 1.7 / 2.2 of the distance and the
  focal length follows, so the person keeps their size while the background grows apart or closes in;
- dynamic zoom swing: 14 / 24 / 34 degrees to and fro about the person, the zoom to 1.3 / 1.5 / 1.8 and back;
- rise / descend: the elevation changes by 9 / 17 / 28 degrees, the camera keeps looking at the person.

A given angle replaces the amount; the speed then says which part of the clip the turn takes: all of it (slow),
90 % (normal), 60 % (quick); an orbit without an angle does the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from threedimo_core.camera_language import Move, MoveKind, Speed

from .procedural.curves import minimum_jerk

_K = MoveKind
_SPEEDS = (Speed.SLOW, Speed.NORMAL, Speed.QUICK)
_TURN_TIME = dict(zip(_SPEEDS, (1.0, 0.9, 0.6), strict=True))
_ARC, _ORBIT, _PAN, _TILT = (20, 40, 70), (360, 360, 360), (8, 15, 24), (6, 11, 18)
_SIDEWAYS, _UPWARDS = (0.14, 0.26, 0.42), (0.10, 0.18, 0.28)
_NEARER, _FURTHER = (0.84, 0.70, 0.55), (1.2, 1.45, 1.9)
_ZOOM, _RAPID_ZOOM = (1.2, 1.45, 1.8), 1.9
_AERIAL_DISTANCE, _AERIAL_ELEVATION = (1.6, 2.2, 3.0), (12, 22, 34)
_VERTIGO_IN, _VERTIGO_OUT = (0.75, 0.6, 0.47), (1.35, 1.7, 2.2)
_SWING, _SWING_ZOOM = (14, 24, 34), (1.3, 1.5, 1.8)
_RISE = (9, 17, 28)
# Handheld shake: standard deviations of yaw, pitch, roll (degrees) and of the place (metres).
_SHAKE_DEGREES, _SHAKE_METRES = np.array([0.9, 0.9, 0.6]), 0.015

# Moves during which the camera keeps looking at the person; all others keep the direction they began with.
FOLLOWING = frozenset(
    {_K.ARC_LEFT, _K.ARC_RIGHT, _K.ORBIT_LEFT, _K.ORBIT_RIGHT, _K.RISE, _K.DESCEND,
     _K.AERIAL_PULL_OUT, _K.DYNAMIC_ZOOM_SWING}
)  # fmt: skip
_TURNED_PLUS = {_K.ARC_RIGHT: _ARC, _K.ORBIT_RIGHT: _ORBIT, _K.PAN_LEFT: _PAN, _K.TILT_UP: _TILT}
_TURNED_MINUS = {_K.ARC_LEFT: _ARC, _K.ORBIT_LEFT: _ORBIT, _K.PAN_RIGHT: _PAN, _K.TILT_DOWN: _TILT}


@dataclass
class Offsets:
    """What moves add to the base pose, each [T].

    azimuth, elevation: degrees about the aim point (azimuth + = the camera travels to its right). distance, focal:
    factors. right, up: metres per metre of distance along the camera's axes. yaw (+ left), pitch (+ up): degrees
    turned in place. tremble [T, 3]: yaw, pitch and roll of the shaking hand in degrees; shake [T, 3]: its place
    in metres, world axes. follow: look at the person in every frame. vertigo: the focal length follows the
    distance.
    """

    azimuth: np.ndarray
    elevation: np.ndarray
    distance: np.ndarray
    focal: np.ndarray
    right: np.ndarray
    up: np.ndarray
    yaw: np.ndarray
    pitch: np.ndarray
    tremble: np.ndarray
    shake: np.ndarray
    follow: bool = False
    vertigo: bool = False


def camera_offsets(moves: tuple[Move, ...], num_frames: int, fps: float, rng: np.random.Generator) -> Offsets:
    """Offsets of the composed moves; zero in frame 0. `rng` draws the shake and small differences of timing."""
    zeros, ones = np.zeros(num_frames), np.ones(num_frames)
    out = Offsets(
        azimuth=zeros.copy(), elevation=zeros.copy(), distance=ones.copy(), focal=ones.copy(), right=zeros.copy(),
        up=zeros.copy(), yaw=zeros.copy(), pitch=zeros.copy(),
        tremble=np.zeros((num_frames, 3)), shake=np.zeros((num_frames, 3)),
    )  # fmt: skip
    # How the speed is spread: from even to eased at both ends, the same for both moves of a pair.
    even = rng.uniform(0.5, 1.0)
    for move in moves:
        out.follow |= move.kind in FOLLOWING
        out.vertigo |= move.kind in (_K.VERTIGO_IN, _K.VERTIGO_OUT)
        _add_move(out, move, even, rng)
        if move.kind in (_K.HANDHELD_STATIC, _K.HANDHELD_ZOOM_IN):
            _add_shake(out, fps, rng)
    return out


def _progress(num_frames: int, even: float, part: float = 1.0) -> np.ndarray:
    """0..1 [T], reached after `part` of the clip."""
    x = np.clip(np.linspace(0, 1, num_frames) / part, 0, 1)
    return even * x + (1 - even) * minimum_jerk(x)


def _add_move(out: Offsets, move: Move, even: float, rng: np.random.Generator) -> None:
    kind, level, count = move.kind, _SPEEDS.index(move.speed), len(out.azimuth)
    s = _progress(count, even)
    if kind in _TURNED_PLUS or kind in _TURNED_MINUS:
        _add_turn(out, move, even)
    elif kind in (_K.MOVE_LEFT, _K.MOVE_RIGHT):
        out.right += s * _SIDEWAYS[level] * (1 if kind is _K.MOVE_RIGHT else -1)
    elif kind in (_K.MOVE_UP, _K.MOVE_DOWN):
        out.up += s * _UPWARDS[level] * (1 if kind is _K.MOVE_UP else -1)
    elif kind in (_K.MOVE_FORWARD, _K.MOVE_BACK):
        out.distance *= 1 + s * ((_NEARER if kind is _K.MOVE_FORWARD else _FURTHER)[level] - 1)
    elif kind in (_K.ZOOM_IN, _K.HANDHELD_ZOOM_IN, _K.ZOOM_OUT):
        out.focal *= _ZOOM[level] ** (-s if kind is _K.ZOOM_OUT else s)
    elif kind in (_K.RAPID_ZOOM_IN, _K.RAPID_ZOOM_OUT):
        s = _progress(count, 0.2, part=rng.uniform(0.25, 0.4))
        out.focal *= _RAPID_ZOOM ** (-s if kind is _K.RAPID_ZOOM_OUT else s)
    elif kind is _K.AERIAL_PULL_OUT:
        out.distance *= 1 + s * (_AERIAL_DISTANCE[level] - 1)
        out.elevation += s * _AERIAL_ELEVATION[level]
    elif kind in (_K.VERTIGO_IN, _K.VERTIGO_OUT):
        out.distance *= 1 + s * ((_VERTIGO_IN if kind is _K.VERTIGO_IN else _VERTIGO_OUT)[level] - 1)
    elif kind is _K.DYNAMIC_ZOOM_SWING:
        side = 1 if rng.random() < 0.5 else -1
        out.azimuth += side * _SWING[level] * np.sin(2 * np.pi * s)
        out.focal *= _SWING_ZOOM[level] ** np.sin(np.pi * s)
    elif kind in (_K.RISE, _K.DESCEND):
        out.elevation += s * _RISE[level] * (1 if kind is _K.RISE else -1)


def _add_turn(out: Offsets, move: Move, even: float) -> None:
    """Arcs, orbits, pans and tilts."""
    sign, table = (1, _TURNED_PLUS) if move.kind in _TURNED_PLUS else (-1, _TURNED_MINUS)
    amount = move.angle if move.angle is not None else table[move.kind][_SPEEDS.index(move.speed)]
    timed = move.angle is not None or table[move.kind] is _ORBIT
    part = _TURN_TIME[move.speed] if timed else 1.0
    turned = sign * amount * _progress(len(out.azimuth), even, part)
    if table[move.kind] in (_ARC, _ORBIT):
        out.azimuth += turned
    elif table[move.kind] is _PAN:
        out.yaw += turned
    else:
        out.pitch += turned


def _add_shake(out: Offsets, fps: float, rng: np.random.Generator) -> None:
    """A hand's tremble and drift: four sines between 0.4 and 3 Hz per degree of freedom, zero in frame 0."""
    t = np.arange(len(out.yaw))[:, None, None] / fps
    rates = 2 * np.pi * np.exp(rng.uniform(np.log(0.4), np.log(3.0), (4, 6)))
    phases = rng.uniform(0, 2 * np.pi, (4, 6))
    strength = np.sqrt(0.5) * rng.uniform(0.6, 1.4)
    shake = strength * (np.sin(t * rates + phases) - np.sin(phases)).sum(axis=1)
    out.tremble += shake[:, :3] * _SHAKE_DEGREES
    out.shake += shake[:, 3:] * _SHAKE_METRES
