"""What a camera prompt is: a view, and at most two camera moves (method.md, the paper's camera vocabulary).

Decisions that everything else leans on:
- Azimuth is told from the person's point of view: "left view" sees the person's left side. In degrees
  front = 0, left = +90, back = 180, right = -90; elevation is positive above.
- Directions of a move are the camera's own: "arc left" means that the camera travels to its left, which makes
  the azimuth smaller.
- Two moves run at the same time, as in "moves upward while arcing right". Which pairs make sense follows from
  the degrees of freedom (`Channel`) that a move uses: two moves that use the same one contradict each other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

# Degrees of each view's middle, from the person's point of view; each name covers 45 degrees around it.
AZIMUTH_DEGREES: dict[str, float] = {
    "front": 0.0,
    "front-left": 45.0,
    "left": 90.0,
    "back-left": 135.0,
    "back": 180.0,
    "back-right": -135.0,
    "right": -90.0,
    "front-right": -45.0,
}
# Degrees of a typical camera of that name, seen from the middle of the body. An eye-high camera three metres
# away stands some 10 degrees above the middle of the body, so "eye level" reaches further up than down.
ELEVATION_DEGREES: dict[str, float] = {"low angle": -8.0, "eye level": 5.0, "high angle": 25.0}
LOW_BELOW_DEGREES = -3.0
HIGH_FROM_DEGREES = 15.0
FRAMINGS: tuple[str, ...] = ("full body", "knee", "waist")


class MoveKind(str, Enum):
    """Every camera move of the paper's vocabulary; the value is the name in files and nodes."""

    STATIC = "static"
    HANDHELD_STATIC = "handheld_static"
    MOVE_FORWARD = "move_forward"
    MOVE_BACK = "move_back"
    MOVE_LEFT = "move_left"
    MOVE_RIGHT = "move_right"
    MOVE_UP = "move_up"
    MOVE_DOWN = "move_down"
    ZOOM_IN = "zoom_in"
    ZOOM_OUT = "zoom_out"
    RAPID_ZOOM_IN = "rapid_zoom_in"
    RAPID_ZOOM_OUT = "rapid_zoom_out"
    HANDHELD_ZOOM_IN = "handheld_zoom_in"
    AERIAL_PULL_OUT = "aerial_pull_out"
    VERTIGO_IN = "vertigo_in"
    VERTIGO_OUT = "vertigo_out"
    DYNAMIC_ZOOM_SWING = "dynamic_zoom_swing"
    ARC_LEFT = "arc_left"
    ARC_RIGHT = "arc_right"
    ORBIT_LEFT = "orbit_left"
    ORBIT_RIGHT = "orbit_right"
    PAN_LEFT = "pan_left"
    PAN_RIGHT = "pan_right"
    TILT_UP = "tilt_up"
    TILT_DOWN = "tilt_down"
    RISE = "rise"
    DESCEND = "descend"

    def __str__(self) -> str:
        return self.value

    @property
    def label(self) -> str:
        """The name as people read it, e.g. "arc left"."""
        return self.value.replace("_", " ")


class Speed(str, Enum):
    """How fast a move is; NORMAL is never spoken."""

    SLOW = "slow"
    NORMAL = "normal"
    QUICK = "quick"

    def __str__(self) -> str:
        return self.value


class Channel(str, Enum):
    """A degree of freedom of the camera. A pair of moves may not use the same one twice."""

    SIDEWAYS = "sideways motion"
    HEIGHT = "up and down motion"
    DEPTH = "forward and back motion"
    FOCAL = "zoom"
    YAW = "turning left and right"
    PITCH = "turning up and down"


_C, _K = Channel, MoveKind
CHANNELS: dict[MoveKind, frozenset[Channel]] = {
    _K.STATIC: frozenset(Channel),
    _K.HANDHELD_STATIC: frozenset(Channel),
    _K.MOVE_FORWARD: frozenset({_C.DEPTH}),
    _K.MOVE_BACK: frozenset({_C.DEPTH}),
    _K.MOVE_LEFT: frozenset({_C.SIDEWAYS}),
    _K.MOVE_RIGHT: frozenset({_C.SIDEWAYS}),
    _K.MOVE_UP: frozenset({_C.HEIGHT}),
    _K.MOVE_DOWN: frozenset({_C.HEIGHT}),
    _K.ZOOM_IN: frozenset({_C.FOCAL}),
    _K.ZOOM_OUT: frozenset({_C.FOCAL}),
    _K.RAPID_ZOOM_IN: frozenset({_C.FOCAL}),
    _K.RAPID_ZOOM_OUT: frozenset({_C.FOCAL}),
    _K.HANDHELD_ZOOM_IN: frozenset({_C.FOCAL}),
    _K.AERIAL_PULL_OUT: frozenset({_C.DEPTH, _C.HEIGHT}),
    _K.VERTIGO_IN: frozenset({_C.DEPTH, _C.FOCAL}),
    _K.VERTIGO_OUT: frozenset({_C.DEPTH, _C.FOCAL}),
    _K.DYNAMIC_ZOOM_SWING: frozenset({_C.SIDEWAYS, _C.FOCAL}),
    _K.ARC_LEFT: frozenset({_C.SIDEWAYS}),
    _K.ARC_RIGHT: frozenset({_C.SIDEWAYS}),
    _K.ORBIT_LEFT: frozenset({_C.SIDEWAYS}),
    _K.ORBIT_RIGHT: frozenset({_C.SIDEWAYS}),
    _K.PAN_LEFT: frozenset({_C.YAW}),
    _K.PAN_RIGHT: frozenset({_C.YAW}),
    _K.TILT_UP: frozenset({_C.PITCH}),
    _K.TILT_DOWN: frozenset({_C.PITCH}),
    _K.RISE: frozenset({_C.HEIGHT}),
    _K.DESCEND: frozenset({_C.HEIGHT}),
}
# Largest angle in degrees of the moves that take one. An orbit without an angle is a full circle.
MAX_ANGLE: dict[MoveKind, float] = {
    _K.ARC_LEFT: 180.0,
    _K.ARC_RIGHT: 180.0,
    _K.ORBIT_LEFT: 360.0,
    _K.ORBIT_RIGHT: 360.0,
    _K.PAN_LEFT: 180.0,
    _K.PAN_RIGHT: 180.0,
    _K.TILT_UP: 90.0,
    _K.TILT_DOWN: 90.0,
}
# A still camera has no speed, and a rapid zoom has its own.
FIXED_SPEED: frozenset[MoveKind] = frozenset({_K.STATIC, _K.HANDHELD_STATIC, _K.RAPID_ZOOM_IN, _K.RAPID_ZOOM_OUT})
STILL: frozenset[MoveKind] = frozenset({_K.STATIC, _K.HANDHELD_STATIC})


@dataclass(frozen=True)
class View:
    """Where the camera stands when the clip begins; a part that is None is left open.

    azimuth: a key of AZIMUTH_DEGREES; elevation: a key of ELEVATION_DEGREES; framing: one of FRAMINGS.
    Raises ValueError for other names, or when all three are None (write `view=None` for that).
    """

    azimuth: str | None = None
    elevation: str | None = None
    framing: str | None = None

    def __post_init__(self) -> None:
        for part, allowed in (
            ("azimuth", AZIMUTH_DEGREES),
            ("elevation", ELEVATION_DEGREES),
            ("framing", FRAMINGS),
        ):
            value = getattr(self, part)
            if value is not None and value not in allowed:
                raise ValueError(f"view {part} {value!r} is unknown; use one of: {', '.join(allowed)}")
        if self.azimuth is None and self.elevation is None and self.framing is None:
            raise ValueError("a view names an azimuth, an elevation or a framing; for none of them use view=None")

    @staticmethod
    def from_degrees(azimuth: float, elevation: float | None = None, framing: str | None = None) -> View:
        """The view of a camera at `azimuth` and `elevation` degrees about the person, full turns allowed."""
        if not math.isfinite(azimuth) or (elevation is not None and not math.isfinite(elevation)):
            raise ValueError(f"azimuth and elevation must be finite degrees, not {azimuth} and {elevation}")
        names = tuple(AZIMUTH_DEGREES)
        name = names[round((azimuth % 360.0) / 45.0) % 8]
        return View(name, None if elevation is None else elevation_name(elevation), framing)

    @property
    def azimuth_degrees(self) -> float | None:
        """Middle of the named azimuth in (-180, 180], None when left open."""
        return None if self.azimuth is None else AZIMUTH_DEGREES[self.azimuth]

    @property
    def elevation_degrees(self) -> float | None:
        """Degrees of a typical camera of that elevation, None when left open."""
        return None if self.elevation is None else ELEVATION_DEGREES[self.elevation]


def elevation_name(degrees: float) -> str:
    """The elevation's name: low angle below -3 degrees, high angle from 15 degrees, eye level between."""
    if degrees < LOW_BELOW_DEGREES:
        return "low angle"
    return "high angle" if degrees >= HIGH_FROM_DEGREES else "eye level"


@dataclass(frozen=True)
class Move:
    """One camera move. `angle` is the whole turn in degrees (kept to a tenth), only for MAX_ANGLE's kinds.

    Raises ValueError for an unknown kind or speed, an angle on a move that has none or outside its range, and
    a speed on a still camera or a rapid zoom.
    """

    kind: MoveKind
    speed: Speed = Speed.NORMAL
    angle: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", _member(MoveKind, self.kind, "camera move"))
        object.__setattr__(self, "speed", _member(Speed, self.speed, "speed"))
        if self.speed is not Speed.NORMAL and self.kind in FIXED_SPEED:
            raise ValueError(f"{self.kind.label!r} takes no speed, but {self.speed.value!r} was given")
        if self.angle is not None:
            object.__setattr__(self, "angle", self._checked_angle())

    def _checked_angle(self) -> float:
        if self.kind not in MAX_ANGLE:
            turning = ", ".join(kind.label for kind in MAX_ANGLE)
            raise ValueError(f"{self.kind.label!r} takes no angle ({self.angle} given); these do: {turning}")
        angle, largest = round(float(self.angle or 0.0), 1), MAX_ANGLE[self.kind]
        if not 0.0 < angle <= largest:
            raise ValueError(
                f"{self.kind.label!r} takes an angle above 0 and up to {largest:g} degrees ({self.angle} given)"
            )
        return angle


@dataclass(frozen=True)
class CameraPrompt:
    """A view (or None: wherever the reference image stands) and the moves, which run at the same time.

    No move at all means that nothing was said about it; cameras treat that as static.
    Raises ValueError for more than two moves and for pairs that contradict each other.
    """

    view: View | None = None
    moves: tuple[Move, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "moves", tuple(self.moves))
        if len(self.moves) > 2:
            raise ValueError(f"a camera prompt has at most two moves, but {len(self.moves)} were given")
        if len(self.moves) == 2:
            reason = conflict(self.moves[0].kind, self.moves[1].kind)
            if reason is not None:
                raise ValueError(reason)


def conflict(first: MoveKind, second: MoveKind) -> str | None:
    """Why two moves cannot run at the same time, or None when they can."""
    if first is second:
        return f"{first.label!r} is given twice"
    for still in (first, second):
        if still in STILL:
            other = second if still is first else first
            return f"{still.label!r} cannot go with {other.label!r}: the camera stands still or it moves"
    shared = CHANNELS[first] & CHANNELS[second]
    if not shared:
        return None
    names = " and ".join(sorted(channel.value for channel in shared))
    return f"{first.label!r} and {second.label!r} cannot run at the same time: both set the camera's {names}"


def _member(kind: type[Enum], value: object, what: str) -> Enum:
    try:
        return kind(value)
    except ValueError:
        known = ", ".join(str(member.value) for member in kind)
        raise ValueError(f"{value!r} is no {what}; use one of: {known}") from None
