"""The camera language: one grammar for views and camera moves, used by captions, CLI, nodes and benchmark."""

from .prompt import (
    AZIMUTH_DEGREES,
    CHANNELS,
    ELEVATION_DEGREES,
    FIXED_SPEED,
    FRAMINGS,
    MAX_ANGLE,
    CameraPrompt,
    Channel,
    Move,
    MoveKind,
    Speed,
    View,
    conflict,
    elevation_name,
)

__all__ = [
    "AZIMUTH_DEGREES",
    "CHANNELS",
    "ELEVATION_DEGREES",
    "FIXED_SPEED",
    "FRAMINGS",
    "MAX_ANGLE",
    "CameraPrompt",
    "Channel",
    "Move",
    "MoveKind",
    "Speed",
    "View",
    "conflict",
    "elevation_name",
]
